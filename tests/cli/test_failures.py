"""What a failure says: one clear line and its exit code; with `-v` what is behind it."""

import io
import re
from pathlib import Path
from typing import Any

import click
import pytest

from fluvio_cli import error_codes
from fluvio_cli.failure import Failure
from fluvio_cli.main import root, run
from fluvio_cli.terminal import styled
from fluvio_client import errors
from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


@pytest.fixture(autouse=True)
def _own_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FLV_PROFILE_PATH", str(tmp_path / "config"))
    for name in ("FLUVIO_PROFILE", "FLUVIO_CLUSTER", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "not.json").write_text("{")
    (tmp_path / "not.yaml").write_text("a: [")
    (tmp_path / "not-a-config").write_text("= =")


WRONG = [
    # flags
    ("topic list --outptu json", 2, "error: unexpected argument '--outptu' found"),
    ("topic lst", 2, "error: unrecognized subcommand 'lst'"),
    ("cluster spu lst", 2, "error: unrecognized subcommand 'lst'"),
    ("--colour never version", 2, "error: unexpected argument '--colour' found"),
    ("--color sometimes version", 2, "error: invalid value for '--color <WHEN>'"),
    ("profile switch", 2, "error: the following required arguments were not provided:\n  <NAME>"),
    ("completions csh", 2, "error: invalid value for '<"),
    ("profile add a h:1 moon", 2, "error: invalid value for '<"),
    ("topic create t -p none", 2, "error: invalid value for '--partitions <N>'"),
    # files
    ("topic create -c nosuch.yaml", None, "nosuch.yaml"),
    ("topic create -c not.yaml", None, "not.yaml"),
    ("topic create t -f nosuch.json", None, "nosuch.json"),
    ("topic create t -f not.json", 1, "replica assignment is no JSON"),
    ("table-format create -c nosuch.yaml", None, "nosuch.yaml"),
    ("apply -f nosuch.yaml", None, "nosuch.yaml"),
    ("apply -f not.yaml", 1, "not.yaml"),
    # profiles
    ("topic list", 1, "Config has no active profile"),
    ("profile switch nosuch", 1, "profile nosuch not found"),
    ("profile rename nosuch other", 1, "profile nosuch not found"),
    ("profile delete nosuch", 1, "profile nosuch not found"),
    ("profile export nosuch", 1, "nosuch"),
    ("profile delete-cluster nosuch", 1, "nosuch"),
    ("-P nosuch topic list", 1, "No cluster config for profile nosuch"),
    ("-c h:1 -P p topic list", 1, "Invalid argument: cluster addr is not valid when profile is"),
    # TLS
    ("--tls topic list", 1, "Invalid argument: tls is only valid if cluster addr is used"),
    ("-P p --tls topic list", 1, "Invalid argument: tls is not valid when profile is used"),
    ("-P p topic list --ca-cert f", 1, "Invalid argument: tls is not valid when profile is used"),
    (
        "-c h:1 --tls --enable-client-cert --domain d topic list",
        1,
        "Missing required args after --tls: --domain, --ca-cert, --client-cert, --client-key",
    ),
    ("-c h:1 --tls topic list", 1, "cluster h:1: TLS is not spoken by this release yet"),
    ("--tls topic list -c h:1", 1, "cluster h:1: TLS is not spoken by this release yet"),
    # durations and sizes
    ("topic create t --retention-time soon", 2, "error: invalid value 'soon' for '--retention"),
    ("topic create t --segment-size big", 2, "error: invalid value 'big' for '--segment-size"),
    ("topic create t --segment-size 10", 1, "segment_size 10 is less than minimum 1024"),
    ("topic create t --timeout x", 2, "error: invalid value 'x' for '--timeout <TIME>'"),
    ("produce t --linger 5", 2, "error: invalid value '5' for '--linger <TIME>'"),
    # addresses
    ("-c 127.0.0.1:1 topic list", 1, "cannot connect to 127.0.0.1:1: Connection refused"),
    ("-c nowhere:port topic list", 1, '"nowhere:port" is no address'),
    ("-c 127.0.0.1:99999 topic list", 1, '"127.0.0.1:99999" is no address'),
    ("profile add a nowhere:port", 1, '"nowhere:port" is no address'),
    ("profile sync local nowhere:port", 1, '"nowhere:port" is no address'),
    ("cluster spu register -i 1 -p x -v y:1", 2, "error: invalid value 'x' for '--public-server"),
]


@pytest.mark.parametrize(("line", "code", "text"), WRONG, ids=[line for line, _, _ in WRONG])
def test_what_is_wrong_is_said_in_a_line(
    line: str, code: int | None, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(line.split())
    said = capsys.readouterr()
    assert found == code or (code is None and found in (1, 2)), said.err
    assert said.out == ""
    if found == 2:
        assert said.err.startswith("error: ")
        assert said.err.endswith("For more information, try '--help'.\n")
    else:
        assert said.err.count("\n") == 1
    assert text in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("FLUVIO_PROFILE", "nosuch", "No cluster config for profile nosuch"),
        ("FLUVIO_CLUSTER", "nowhere:port", '"nowhere:port" is no address'),
        ("FLUVIO_CLUSTER", "127.0.0.1:1", "cannot connect to 127.0.0.1:1: Connection refused"),
        ("FLV_CLIENT_MAX_FETCH_BYTES", "many", 'FLV_CLIENT_MAX_FETCH_BYTES is "many"'),
        ("FLV_PROFILE_PATH", "not-a-config", "not-a-config"),
    ],
)
def test_a_variable_that_says_nonsense(
    name: str,
    value: str,
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(["profile", "add", "lab", "127.0.0.1:1"]) == 0
    capsys.readouterr()
    monkeypatch.setenv(name, value)
    assert run(["topic", "list"]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert text in said.err
    assert run(["version"]) == 0, "which never fails because of a cluster"


@pytest.mark.cluster
def test_what_a_cluster_does_not_have(
    local_cluster: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", str(local_cluster.profile_path))
    Path("lines").write_text("one\n")
    for line, text in (
        ("produce zz-none -f lines", "Topic not found: zz-none"),
        ("consume zz-none -d", "Topic not found: zz-none"),
        ("topic describe zz-none", "Topic not found: zz-none"),
        ("topic delete zz-none", "Topic not found: zz-none"),
        ("topic lag zz-none", "Topic not found: zz-none"),
        ("topic update zz-none -p 2", "Topic not found: zz-none"),
        ("topic add-partition zz-none", 'topic "zz-none" not found'),
        ("partition list --topic zz-none", "Topic not found: zz-none"),
        ("partition describe zz-none-0", "zz-none"),
        ("consumer describe zz-none", "Consumer not found: zz-none"),
        ("table-format describe zz-none", "TableFormat not found: zz-none"),
        ("table-format delete zz-none", "TableFormat not found"),
        ("cluster spg describe zz-none", "zz-none"),
        ("cluster spu describe zz-none", "zz-none"),
        ("object get topic zz-none", "Topic not found: zz-none"),
    ):
        assert run(line.split()) == 1, line
        said = capsys.readouterr()
        assert said.out == "", line
        assert text in said.err, line
        assert said.err.count("\n") == 1, said.err
    assert run(["-v", "topic", "describe", "zz-none"]) == 1
    assert "code: FLV-2001 (docs/reference/errors.md)\nhelp: fluvio topic list\n" in (
        capsys.readouterr().err
    )


def test_a_broken_profile_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", "not-a-config")
    assert run(["topic", "list"]) == 1
    said = capsys.readouterr().err
    assert "not-a-config" in said
    assert said.count("\n") == 1
    monkeypatch.setenv("FLV_PROFILE_PATH", str(Path.cwd()))
    assert run(["profile", "list"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "tip"),
    [
        ("topic list --outptu json", "--output"),
        ("consume t --begining", "--beginning"),
        ("topic list --clustr h:1", "--cluster"),
        ("topic decsribe", "describe"),
        ("cluster spg creat", "create"),
        ("table-format lst", "list"),
    ],
)
def test_did_you_mean(line: str, tip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    assert re.search(rf"tip: a similar \w+ exists: '{tip}'", capsys.readouterr().err)


@pytest.mark.parametrize("place", ["-v topic list -c 127.0.0.1:1", "topic list -v -c 127.0.0.1:1"])
def test_verbose_tells_causes_code_and_advice(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(place.split()) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "cannot connect to 127.0.0.1:1: Connection refused"
    assert lines[1:3] == ["caused by:", "  0: [Errno 111] Connection refused"]
    assert lines[3] == "code: FLV-4011 (docs/reference/errors.md)"
    assert lines[4].startswith("help: start the cluster")


def test_causes_are_followed_and_end() -> None:
    several = ExceptionGroup("several", [ValueError("a\n b")])
    several.__cause__ = OSError("a group is its members")
    outer = Failure("outer")
    outer.__cause__ = several
    assert error_codes.causes(outer) == ["several (1 sub-exception)", "a b"]
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert error_codes.causes(first) == ["2"]


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (errors.TopicNotFound("t"), 2001),
        (errors.server_error(ErrorStatus(ErrorCode.TOPIC_ALREADY_EXISTS)), 2002),
        (errors.server_error(ErrorStatus(ErrorCode.MIRROR_NOT_FOUND)), 11001),
        (errors.OffsetEvicted(offset=1, next_available=2), 71),
        (errors.RecordTooLarge(size_bytes=2, size_bytes_max=1), 10),
        (errors.NoActiveProfile("x"), 4021),
        (errors.CompressionMismatch(producer="gzip", topic="lz4"), 4043),
        (errors.ClientError("x"), error_codes.UNKNOWN),
        (Failure("x"), error_codes.REFUSED),
        (click.UsageError("x"), error_codes.USAGE),
        (FileNotFoundError("x"), error_codes.SYSTEM),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_has_its_number(error: Exception, number: int) -> None:
    assert error_codes.number_of(error) == number
    assert number in error_codes.catalogue()


def test_the_page_lists_the_codes() -> None:
    rows = re.findall(r"^\| `(FLV-\d{4,5})` \| (.+?) \| (.*?) ?\|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [
        (error_codes.show(number), meaning, advice)
        for number, (meaning, advice) in error_codes.catalogue().items()
    ]


def test_every_class_in_the_list_exists() -> None:
    for name, _, _ in error_codes.OWN.values():
        assert (
            hasattr(errors, name) or hasattr(click, name) or name in ("Failure", "OSError")
            or name == "ProtocolError"
        ), name  # fmt: skip


class _Terminal:
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("flag", "no_color", "terminal", "coloured"),
    [
        ("auto", False, True, True),
        ("auto", True, True, False),
        ("auto", False, False, False),
        ("always", False, False, True),
        ("always", True, False, True),
        ("never", False, True, False),
    ],
)
def test_color(
    flag: str,
    no_color: bool,
    terminal: bool,
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    stream: Any = _Terminal() if terminal else io.StringIO()
    shown: list[str] = []
    monkeypatch.setattr(
        click.Command, "invoke", lambda self, context: shown.append(styled("x", stream, bold=True))
    )
    for line in (["--color", flag, "version"], ["version", "--color", flag]):
        shown.clear()
        root.main(line, standalone_mode=False)
        assert (shown[-1] != "x") is coloured, line


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("debug", "DEBUG"),
        ("warn,fluvio=debug", "WARNING"),
        ("fluvio=debug", "ERROR"),
        ("", "ERROR"),
    ],
)
def test_log_levels(value: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setenv("RUST_LOG", value)
    monkeypatch.setattr("logging.basicConfig", lambda **options: said.append(options["level"]))
    assert run(["metadata"]) == 0
    assert said == [level]
