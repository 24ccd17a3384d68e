"""Every ready-made module does what its twin in Python does, over generated records.

Records come in several batches; after an error the rest of the batch follows in another call, as an
SPU does it. JSON is compared by what it says: names in order, numbers as they are written.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import TWINS, Aggregate, Refused, Twin, TwinError, TwinRecord, parse_json
from wasm_host import BASE_TIMESTAMP, NEWEST_VERSION, HostRecord, encode_records

from fluvio_cli.smartmodules import ready_made
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.record.record import decode_records
from fluvio_spu.smartengine import Chain, ChainStep, SmartEngine, SmartModuleRefused

# Fifteen modules share what few tests may take; SMARTMODULE_EXAMPLES=5000 looks further.
EXAMPLES = int(os.environ.get("SMARTMODULE_EXAMPLES", "0")) or min(
    60, settings.default.max_examples // 2
)

Batches = Sequence[Sequence[HostRecord]]
Result = tuple[bytes | None, bytes]


def pick(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


def parameters(
    *, needed: Mapping[str, st.SearchStrategy[str]] | None = None, **optional: Any
) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries(dict(needed or {}), optional=optional)


# -- What records hold ---------------------------------------------------------------------------

NAMES = pick("a", "b", "c", "", "a.b", "é", 'q"', "0", "1", "\ud800", "\U0001f600", "\n")
NUMBERS = pick(
    *("0", "-0", "1", "-1", "2.5", "10", "1e1", "1E+2", "100e-2", "0.000000001", "-0.5", "0e5"),
    *(
        "1e-10",
        "999999999999999999999999999",
        "1e27",
        "12345678901234567.25",
        "1.0000000000",
        "1e400",
    ),
) | st.from_regex(r"\A-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,10})?([eE][+-]?[0-9]{1,2})?\Z")
WORDS = pick("", "a", "b", "ab", "Ab c", "é", "\u2028", '"', "\\", "true", "5", "\ud83d", "x" * 300)
SPACES = pick("", "", "", " ", "\n\t", "\r ")


@st.composite
def json_texts(draw: st.DrawFn, depth: int = 0) -> str:
    """JSON as people and programs write it."""
    choices = ["number", "string", "word"] + ["array", "object", "object"] * (depth < 3)
    match draw(st.sampled_from(choices if depth else [*choices[3:], *choices])):
        case "number":
            text = draw(NUMBERS)
        case "string":
            text = draw(json_strings())
        case "word":
            text = draw(pick("null", "true", "false"))
        case "array":
            items = [draw(json_texts(depth + 1)) for _ in range(draw(st.integers(0, 3)))]
            text = "[" + (",".join(items) or draw(SPACES)) + "]"
        case _:
            pairs = [
                draw(SPACES)
                + json.dumps(draw(NAMES))
                + draw(SPACES)
                + ":"
                + draw(json_texts(depth + 1))
                for _ in range(draw(st.integers(0, 4)))
            ]
            text = "{" + (",".join(pairs) or draw(SPACES)) + "}"
    return draw(SPACES) + text + draw(SPACES)


@st.composite
def json_strings(draw: st.DrawFn) -> str:
    word = draw(WORDS)
    is_ascii = draw(st.booleans()) or any("\ud800" <= one <= "\udfff" for one in word)
    return json.dumps(word, ensure_ascii=is_ascii).replace("/", "\\/")


@st.composite
def json_values(draw: st.DrawFn) -> bytes:
    """Mostly JSON; some with a byte too many, too few or another one."""
    whole = draw(json_texts()).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 7)):
        return whole
    at = draw(st.integers(0, len(whole)))
    wrong = draw(
        st.sampled_from([b"", b",", b"}", b"]", b'"', b"\\", b"\x01", b"\xff", b"e", b"-", b"x"])
    )
    return whole[:at] + wrong + whole[at + draw(st.integers(0, 2)) :]


TEXTS = st.text(alphabet="abAB \n09_é\U0001f600-", max_size=10).map(str.encode) | st.binary(
    max_size=6
)
CSV = st.text(alphabet='ab1",;\n\ré ', max_size=12).map(str.encode) | pick(
    "1,2", '"a,b",c', 'a,"x ""y"" z"', '"a\nb",2\r\n', "1.5,é\n", "-0,1e5"
).map(str.encode)
PLAIN_NUMBERS = (NUMBERS | pick("two", "", " 1", "1 ", "+1", "01", ".5", "1.", "NaN")).map(
    str.encode
)
PATHS = pick("a", "b", "a.b", "a.0", "0", "a.b.c", "b.1", "é", "c", "a.", "\ufffd", "0.a")

FIELD = parameters(field=PATHS | st.just(""))
FIELD_VALUES = json_values() | PLAIN_NUMBERS

# -- Regular expressions that both know ----------------------------------------------------------

ATOMS = pick(
    *(
        "a",
        "b",
        "0",
        "é",
        " ",
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        ".",
        r"\.",
        r"\n",
        r"\x41",
    ),
    *(
        "[ab]",
        "[^ab]",
        "[a-z0-9]",
        r"[^\d]",
        r"[\w-]",
        "[]a]",
        "[^]a]",
        "[é-\U0001f600]",
        "[^\x00-é]",
    ),
    *(r"[\s\S]", "^", "$", "()", r"\-", "_", "[A-Z_]"),
)
REPEATS = pick(
    "", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "{1,3}", "*?", "+?", "??", "{2,3}?"
)


@st.composite
def expressions(draw: st.DrawFn, depth: int = 0) -> str:
    rows = []
    for _ in range(draw(st.integers(1, 3 if depth else 2))):
        row = ""
        for _ in range(draw(st.integers(0, 3))):
            if depth < 2 and not draw(st.integers(0, 3)):
                row += draw(pick("(", "(?:")) + draw(expressions(depth + 1)) + ")" + draw(REPEATS)
                continue
            atom = draw(ATOMS)
            row += atom + (draw(REPEATS) if atom not in "^$" else "")
        rows.append(row)
    return "|".join(rows)


PARAMETERS: Mapping[str, tuple[st.SearchStrategy[dict[str, str]], st.SearchStrategy[bytes]]] = {
    "average": (FIELD, FIELD_VALUES),
    "case": (
        parameters(needed={"to": pick("upper", "lower")}, of=pick("value", "key", "both")),
        TEXTS,
    ),
    "contains": (
        parameters(
            needed={"text": pick("", "a", "ab", "é", "aa", " ")},
            at=pick("anywhere", "start", "end", "middle"),
            of=pick("value", "key"),
            keep=pick("found", "others"),
        ),
        TEXTS,
    ),
    "count": (parameters(), TEXTS),
    "csv-to-json": (
        parameters(
            needed={"columns": pick("a", "a,b", "x,é", 'q",\\', "a,b,c", ",", "a,a")},
            delimiter=pick(",", ";", "\t", ";;", '"', ""),
            numbers=pick("text", "json"),
        ),
        CSV,
    ),
    "dedup-exact": (
        parameters(
            needed={"count": pick("1", "2", "5", "0", "x", "40")}, age=pick("1", "40", "1000")
        ),
        pick("a", "b", "c", "", "dd").map(str.encode) | st.binary(max_size=20),
    ),
    "explode-array": (
        parameters(field=PATHS | st.just(""), strings=pick("json", "text")),
        json_values(),
    ),
    "json-field-filter": (
        parameters(
            needed={"field": PATHS, "value": WORDS.filter(lambda word: word != "\ud83d") | NUMBERS},
            op=pick("eq", "ne", "lt", "le", "gt", "ge", "contains", "starts-with", "ends-with"),
        )
        | parameters(needed={"field": PATHS, "op": pick("exists", "missing", "eq", "between")}),
        json_values(),
    ),
    "json-flatten": (parameters(separator=pick(".", "", "__", '"', "é", "\\")), json_values()),
    "json-project": (
        parameters(
            needed={
                "fields": st.lists(PATHS | pick("x=a", "y=b.c", "=a", "a=b=c", ""), max_size=4).map(
                    ",".join
                )
            }
        )
        | parameters(
            needed={
                "rename": st.lists(pick("a=x", "b=a", "c=b", "é=é é", "a", "a="), max_size=3).map(
                    ",".join
                )
            }
        )
        | parameters(),
        json_values(),
    ),
    "max": (FIELD, FIELD_VALUES),
    "min": (FIELD, FIELD_VALUES),
    "regex-filter": (
        parameters(
            needed={"regex": expressions()}, of=pick("value", "key"), keep=pick("found", "others")
        ),
        TEXTS,
    ),
    "sample": (
        parameters(needed={"every": pick("1", "2", "3", "1000", "0", "two")})
        | parameters(needed={"percent": pick("0", "1", "50", "99", "100", "101", "-1")})
        | parameters(),
        TEXTS,
    ),
    "sum": (FIELD, FIELD_VALUES),
}


@st.composite
def batches_of(draw: st.DrawFn, values: st.SearchStrategy[bytes]) -> Batches:
    keys = st.none() | pick("", "a", "k", "Key", "é").map(str.encode) | values
    times = st.integers(0, 60)
    return [
        [
            HostRecord(draw(values), draw(keys), offset_delta=number, timestamp_delta=draw(times))
            for number in range(draw(st.integers(0, 5)))
        ]
        for _ in range(draw(st.integers(1, 3)))
    ]


@st.composite
def cases(draw: st.DrawFn, name: str) -> tuple[dict[str, str], Batches]:
    params, values = PARAMETERS[name]
    return draw(params), draw(batches_of(values))


def normal(value: bytes, *, is_json: bool) -> Any:
    """What a value says, with its types: 1 is not true. Text that is no JSON is text."""
    try:
        return repr(parse_json(value)) if is_json else value
    except TwinError:
        return value


def said_by_module(chain: Chain, batches: Batches) -> list[Any]:
    """Everything the module gives: results, and offset, key and value of errors."""
    said: list[Any] = []
    base = 0
    for number, batch in enumerate(batches):
        left = list(batch)
        while left:
            output = chain.process(
                encode_records(left),
                base_offset=base,
                base_timestamp=BASE_TIMESTAMP + 50 * number,
            )
            found = decode_records(output.payload, 4, output.record_count)
            said += [(key, value) for _, _, key, value in found]
            if output.error is None:
                break
            assert not output.error.is_fatal, output.error.status
            (error,) = output.error.status.payload
            assert error.hint
            said.append(("error", error.offset, error.record_key, error.record_value))
            left = [one for one in left if base + one.offset_delta > error.offset]
        base += len(batch)
    return said


def said_by_twin(twin: Twin, batches: Batches, accumulator: bytes) -> list[Any]:
    said: list[Any] = []
    base = 0
    for number, batch in enumerate(batches):
        for one in batch:
            record = TwinRecord(
                one.value,
                one.key,
                base + one.offset_delta,
                BASE_TIMESTAMP + 50 * number + one.timestamp_delta,
            )
            try:
                if isinstance(twin, Aggregate):
                    accumulator = twin.step(accumulator, record)
                    said.append((one.key, accumulator))
                    continue
                match twin.call(record):
                    case bool(keep):
                        said += [(one.key, one.value)] if keep else []
                    case list(results):
                        said += results
                    case result:
                        said.append(result)
            except TwinError:
                said.append(("error", record.offset, one.key, one.value))
        base += len(batch)
    return said


def compared(said: list[Any], *, is_json: bool) -> list[Any]:
    return [one if len(one) == 4 else (one[0], normal(one[1], is_json=is_json)) for one in said]


def test_every_module_has_a_twin() -> None:
    assert set(ready_made.names()) == TWINS.keys() == PARAMETERS.keys()


@pytest.fixture(scope="module")
def engine() -> Iterator[SmartEngine]:
    engine = SmartEngine(cache_directory=None)
    yield engine
    engine.close()


@pytest.mark.parametrize("name", sorted(TWINS))
def test_a_module_and_its_twin_agree(name: str, engine: SmartEngine) -> None:
    module = engine.load(ready_made.wasm(name))
    kind = ready_made.kind(name)
    begins = st.sampled_from([b"", b"", b"5", b"-1.5", b"x", b'{"count":2,"sum":3.5}'])

    @settings(max_examples=EXAMPLES)
    @given(case=cases(name), accumulator=begins if kind == "aggregate" else st.just(b""))
    def agree(case: tuple[dict[str, str], Batches], accumulator: bytes) -> None:
        params, batches = case
        step = ChainStep(module, name, params, accumulator=accumulator, kind=kind)
        try:
            twin = TWINS[name](params)
        except Refused:
            with pytest.raises(SmartModuleRefused) as info:
                Chain.begin(engine, [step], version=NEWEST_VERSION)
            assert info.value.status.error is ErrorCode.SMART_MODULE_INIT_ERROR
            return
        is_json = name.startswith(("json-", "csv-", "average", "explode-")) and kind != "filter"
        with closing(Chain.begin(engine, [step], version=NEWEST_VERSION)) as chain:
            module_said = compared(said_by_module(chain, batches), is_json=is_json)
        assert module_said == compared(said_by_twin(twin, batches, accumulator), is_json=is_json)

    agree()
