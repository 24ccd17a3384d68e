"""What the ready-made modules say when they refuse, what they hold, and that none is stale."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from wasm_host import BASE_TIMESTAMP, HostRecord, InitRefused, WasmHost

from fluvio_cli.failure import Failure
from fluvio_cli.smartmodules import ready_made

REPOSITORY = Path(__file__).parents[2]


def started(name: str, **params: str) -> WasmHost:
    host = WasmHost(ready_made.wasm(name))
    host.init(params)
    return host


def kept(host: WasmHost, *given: bytes) -> list[bytes]:
    output = host.process([HostRecord(one) for one in given])
    assert output.error is None
    return [one.value for one in output.records]


def hint_of(host: WasmHost, value: bytes) -> str:
    error = host.process([HostRecord(value)]).error
    assert error is not None
    return error.hint


def test_they_are_those_of_the_sources_byte_for_byte(tmp_path: Path) -> None:
    """Compiled anew, they are what `make smartmodules` made: neither stale nor different."""
    subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "build-smartmodules", tmp_path],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    built = {path.stem: path.read_bytes() for path in tmp_path.glob("*.wasm")}
    assert built == {name: ready_made.wasm(name) for name in ready_made.names()}
    assert {name: len(code) for name, code in built.items() if len(code) > 20_000} == {}


@pytest.mark.parametrize("name", ready_made.names())
def test_parameters_are_those_that_it_is_said_to_take(name: str) -> None:
    assert ready_made.description(name).endswith(".")
    assert WasmHost(ready_made.wasm(name)).kind == ready_made.kind(name)
    with pytest.raises(InitRefused, match='unknown parameter "colour": this module takes ') as info:
        started(name, colour="red")
    said = str(info.value).split(" takes ")[1]
    taken = set() if said == "none" else set(said.split(","))
    assert taken == {one.name for one in ready_made.parameters(name)}


def test_the_reference_says_what_they_take() -> None:
    page = (REPOSITORY / "docs" / "reference" / "ready-made-smartmodules.md").read_text()
    said: dict[str, list[str]] = {}
    for line in page.splitlines():
        if row := re.match(
            r"\| (?:`(?P<name>[a-z-]+)`)? ?\| [a-z_]*\ ?\| (?:`(?P<taken>\w+)`)?", line
        ):
            if row["name"]:
                said[row["name"]] = []
            elif row["taken"]:
                said[list(said)[-1]].append(row["taken"])
    assert said == {
        name: [one.name for one in ready_made.parameters(name)] for name in ready_made.names()
    }


@pytest.mark.parametrize(
    ("name", "params", "hint"),
    [
        ("regex-filter", {}, 'missing parameter "regex"'),
        ("contains", {}, 'missing parameter "text"'),
        ("json-field-filter", {"field": "a"}, 'missing parameter "value"'),
        (
            "json-field-filter",
            {"field": "a", "op": "exists", "value": ""},
            'op exists and op missing take no "value"',
        ),
        ("json-project", {}, 'give one parameter, "fields" or "rename"'),
        ("json-project", {"rename": "a"}, '"a" is no field: write old=new'),
        ("json-project", {"fields": "a.b,b"}, 'field "b" is there twice'),
        ("csv-to-json", {"columns": "a,b,a"}, 'column "a" is there twice'),
        ("sample", {}, 'give one parameter, "every" or "percent"'),
    ],
)
def test_wrong_parameters_are_refused_with_a_hint(
    name: str, params: dict[str, str], hint: str
) -> None:
    with pytest.raises(InitRefused) as info:
        started(name, **params)
    assert str(info.value) == hint


@pytest.mark.parametrize(
    ("name", "parameter", "value", "must_be"),
    [
        ("contains", "at", "top", "one of anywhere,start,end"),
        ("case", "to", "title", "one of upper,lower"),
        ("csv-to-json", "delimiter", "::", "one byte"),
        ("explode-array", "field", "", "a path such as order.lines"),
        ("sum", "field", "", "a path such as order.total"),
        ("sample", "percent", "101", "a whole number from 0 to 100"),
        ("dedup-exact", "count", "0", "a whole number from 1 to 16777214"),
        ("dedup-exact", "age", "1h", "a whole number from 1 to 2305843009213693951"),
    ],
)
def test_a_hint_says_what_a_parameter_must_be(
    name: str, parameter: str, value: str, must_be: str
) -> None:
    others = {
        "contains": {"text": "a"},
        "csv-to-json": {"columns": "a"},
        "dedup-exact": {"count": "1"},
    }
    with pytest.raises(InitRefused) as info:
        started(name, **{**others.get(name, {}), parameter: value})
    shown = f'"{value}"' if value else "empty"
    assert str(info.value) == f'parameter "{parameter}" is {shown}, but must be {must_be}'


@pytest.mark.parametrize(
    ("regex", "at", "why"),
    [
        ("a(b", 1, "( without )"),
        ("ab)", 2, ") without ("),
        ("[ab", 0, "[ without ]"),
        ("[b-a]", 1, "a range that ends before it begins"),
        ("[[:alpha:]]", 1, "[: is not known"),
        ("*a", 0, "there is nothing to repeat"),
        ("a|+", 2, "there is nothing to repeat"),
        ("^*", 1, "there is nothing to repeat"),
        ("a**", 2, "a repetition of a repetition"),
        ("a*??", 3, "a repetition of a repetition"),
        ("a{1", 1, "{ that is not {m}, {m,} or {m,n}; write \\{ for the character"),
        ("a{,3}", 1, "{ that is not {m}, {m,} or {m,n}; write \\{ for the character"),
        ("{", 0, "{ repeats nothing; write \\{ for the character"),
        ("a{3,2}", 1, "a repetition that ends before it begins"),
        ("a{1001}", 1, "more than 1000 repetitions"),
        ("a{99999999999}", 1, "more than 1000 repetitions"),
        ("(a{1000}){1000}", 0, "it is too large"),
        ("((){1000}){1000}", 0, "it is too large"),
        ("(?i)a", 0, "of groups with ?, only (?: is known"),
        ("(?P<n>a)", 0, "of groups with ?, only (?: is known"),
        (r"a\b", 1, "an escape that is not known here"),
        (r"\1", 0, "an escape that is not known here"),
        ("a\\", 1, "an escape that is not known here"),
        (r"[a-\d]", 3, "an escape that is not known here"),
        ("(" * 60 + ")" * 60, 51, "groups in too many groups"),
    ],
)
def test_expressions_that_are_not_known_are_refused(regex: str, at: int, why: str) -> None:
    with pytest.raises(InitRefused) as info:
        started("regex-filter", regex=regex)
    assert str(info.value) == f'parameter "regex" is "{regex}"; at its byte {at}: {why}'


def test_no_expression_is_slow() -> None:
    """One that goes back in the text would need 2 to the power of 200,000 steps."""
    host = started("regex-filter", regex="^(a|aa|a*)*(b|[ab]{0,9}c{2,200}){3}$")
    text = b"a" * 200_000
    assert kept(host, text) == []
    assert kept(host, text[:-3] + b"bbb", text) == [text[:-3] + b"bbb"]


def test_an_expression_with_many_sets_of_states_forgets_some() -> None:
    host = started("regex-filter", regex="a[ab]{12}$")  # has 8192 sets
    words = [f"{n:015b}".replace("0", "a").replace("1", "b").encode() for n in range(0, 32768, 11)]
    wanted = [word for word in words if word[-13:-12] == b"a"]
    assert kept(host, *words) == wanted
    size = host.memory_bytes
    assert kept(host, *words) == wanted
    assert host.memory_bytes == size < 2_000_000


def test_depth_is_bounded_and_its_end_is_an_error() -> None:
    host = started("json-flatten")
    assert kept(host, b"[" * 100 + b"]" * 100) == [b'{"' + b"0." * 98 + b'0":[]}']
    assert hint_of(host, b"[" * 101 + b"]" * 101) == "the value is not JSON"
    assert hint_of(host, b"[" * 1_000_000) == "the value is not JSON"
    assert hint_of(host, b'{"a":' * 1_000_000) == "the value is not JSON"


def test_an_exact_set_is_bounded_by_its_count() -> None:
    host = started("dedup-exact", count="500")
    sizes = []
    for start in range(0, 60_000, 2000):
        names = [b"%d" % number for number in range(start, start + 2000)]
        assert kept(host, *names) == names
        assert kept(host, *names[-501:]) == []  # each has at most 500 newer ones
        sizes.append(host.memory_bytes)
    assert len(set(sizes[2:])) == 1


def test_an_exact_set_knows_keys_from_values() -> None:
    host = started("dedup-exact", count="10")
    given = [HostRecord(b"v", b"k"), HostRecord(b"k"), HostRecord(b"w", b"k"), HostRecord(b"k")]
    assert host.process(given).records == tuple(given[:2])
    assert host.process([HostRecord(b"", b""), HostRecord(b"")]).records == (
        HostRecord(b"", b""),
        HostRecord(b""),
    )


def test_an_exact_set_is_rebuilt_by_look_back() -> None:
    past = [HostRecord(b"%d" % number, b"%d" % (number % 40)) for number in range(40)]
    first, second = (started("dedup-exact", count="20", age="60000") for _ in range(2))
    assert len(first.process(past).records) == 40
    second.look_back(past)
    for host in (first, second):
        assert host.process(past[-21:]).records == ()
        # Within the age nothing is forgotten, though more than 20 newer ones are there.
        assert host.process(past).records == ()
    later = BASE_TIMESTAMP + 60_001
    fresh = [HostRecord(b"x", b"x%d" % number) for number in range(5)]
    for host in (first, second):
        assert len(host.process(fresh, base_timestamp=later).records) == 5
    # One past all of what the first knows the age of; the second counts it from when it began.
    assert len(first.process(past[:10], base_timestamp=later).records) == 10


def test_names_that_there_are_not_are_told_with_those_close_by() -> None:
    with pytest.raises(
        Failure, match=r'No SmartModule "regex_filter" .*did you mean "regex-filter"'
    ):
        ready_made.wasm("regex_filter")
    with pytest.raises(Failure, match=r"there are average, case"):
        ready_made.description("zzz")


def test_without_the_compiled_ones_the_way_to_them_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ready_made, "wasm_directory", lambda: tmp_path)
    with pytest.raises(Failure, match='run "make smartmodules"'):
        ready_made.wasm("sum")
