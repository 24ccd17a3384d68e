"""`fluvio smartmodule test`: modules over a few records, on this machine, before they are stored.

`smartmodule.py` puts it into its group. Needs a cluster for stored modules only.
"""

import difflib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from fluvio_cli.failure import Failure, Parsed, exclude, fail, was_given
from fluvio_cli.input_stream import LINE_BYTES_MAX
from fluvio_cli.quantities import parse_duration_s
from fluvio_cli.record_input import BadLine, text_reader
from fluvio_cli.smartmodules import require_engine
from fluvio_cli.target import Target, run_client
from fluvio_cli.transforms import parse_param, read_transforms

if TYPE_CHECKING:
    from fluvio_cli.smartmodules.engine_run import EngineRun, KeyAndValue, Outcome
    from fluvio_client.consumer.transform import Transform
    from fluvio_client.fluvio import Fluvio

FAILED = 1
"""Exit code: a record failed, or what came out is not what was expected."""
ENDED_EARLY = 4
"""Exit code: the modules could not go on, and records are left. 3 is `ModulesRefused`."""
_UNNAMED = "ad-hoc"
_MODULES = ("module", "name", "ready_made", "transforms_file", "transforms_line")
_OF_ONE_MODULE = ("params", "aggregate_initial", "lookback_last", "lookback_age")
_INPUTS = ("text", "stdin", "file")


@click.command("test")
@click.argument("module", required=False, type=click.Path(path_type=Path), metavar="[FILE.wasm]")
@click.option("--name", metavar="NAME", help="A stored module, instead of a file.")
@click.option("--ready-made", metavar="MODULE", help="One that comes with fluvio.")
@click.option(
    "-t",
    "--transforms-file",
    "--transforms",
    "transforms_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A chain in YAML: transforms, a list of uses or path, with, and lookback.",
)
@click.option(
    "--transforms-line",
    multiple=True,
    metavar="JSON",
    help="One step of a chain in JSON. May be given again.",
)
@click.option(
    "-e",
    "--params",
    type=Parsed("PARAM", parse_param),
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the module. May be given again.",
)
@click.option(
    "--aggregate-initial", metavar="TEXT", help="What a module that aggregates begins with."
)
@click.option("--text", multiple=True, metavar="TEXT", help="A record. May be given again.")
@click.option("--stdin", is_flag=True, help="Each line of standard input is a record.")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Each line of a file is a record.",
)
@click.option("--raw", is_flag=True, help="The whole file is one record.")
@click.option("--key", metavar="KEY", help="The key of every record.")
@click.option(
    "--key-separator", metavar="TEXT", help="What divides key and value in lines and texts."
)
@click.option(
    "-r",
    "--record",
    "before",
    multiple=True,
    metavar="TEXT",
    help="A record that is there already, for modules that look back. May be given again.",
)
@click.option(
    "-l",
    "--lookback-last",
    type=click.IntRange(min=0),
    metavar="N",
    help="Show the module the last N of those.",
)
@click.option(
    "--lookback-age",
    type=Parsed("DURATION", parse_duration_s),
    metavar="DURATION",
    help="None of those that are older; here all are young.",
)
@click.option("-k", "--key-value", is_flag=True, help="Put [key] before each value.")
@click.option(
    "--expect",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare what comes out, errors too, with a file, and show the differences.",
)
@click.option("--accept", is_flag=True, help="Write the file of --expect instead.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each record.")
@click.option("--fuel", is_flag=True, help="Count the instructions that modules run.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of each record and each module.")
@click.pass_context
def test(
    context: click.Context,
    /,
    *,
    text: tuple[str, ...],
    stdin: bool,
    file: Path | None,
    raw: bool,
    key: str | None,
    key_separator: str | None,
    before: tuple[str, ...],
    key_value: bool,
    expect: Path | None,
    accept: bool,
    as_json: bool,
    fuel: bool,
    verbose: bool,
    **chosen: Any,
) -> None:
    """Run a SmartModule on records, on this machine, as an SPU would for a consumer.

    What comes out is printed a line each; records that fail, and times, go to standard error.

    Exit codes: 0 when all records went through, or came out as expected; 1 when one failed, or the
    differences are shown; 3 when the module cannot be run at all; 4 when it ended before the
    records did.
    """
    _check(context, raw=raw, accept=accept)
    context.ensure_object(Target).verbose |= verbose
    require_engine("smartmodule test")
    separator = None if key_separator is None else key_separator.encode()
    read = text_reader(key=None if key is None else key.encode(), separator=separator)

    def parsed(lines: Iterator[bytes]) -> "Iterator[KeyAndValue]":
        for line in lines:
            try:
                found = read(line)
            except BadLine as error:
                raise Failure(str(error)) from error
            yield found.key, found.value

    from fluvio_cli.smartmodules.engine_run import EngineRun

    run = EngineRun(
        _with_code(context, _steps(**chosen)),
        before=list(parsed(one.encode() for one in before)),
        with_fuel=fuel,
    )
    told = _Told(key_value=key_value, as_json=as_json, verbose=verbose, expect=expect)
    ended = False
    with run:
        for record_key, value in parsed(_input(text, stdin=stdin, file=file, raw=raw)):
            outcome = run.process(record_key, value)
            told.add(outcome)
            ended = outcome.is_last
            if ended:
                break
    told.conclude(run, with_fuel=fuel)
    code = told.compare(expect, accept=accept) if expect is not None else told.exit_code
    if ended:
        click.echo("the module cannot go on: nothing behind this record was tried", err=True)
    context.exit(ENDED_EARLY if ended else code)


def _check(context: click.Context, *, raw: bool, accept: bool) -> None:
    """Raises UsageError for options that do not go together."""
    exclude(context, *_MODULES)
    exclude(context, *_INPUTS)
    exclude(context, "key", "key_separator")
    exclude(context, "expect", "as_json")
    exclude(context, "raw", "key_separator")
    if not any(was_given(context, one) for one in _MODULES):
        raise click.UsageError(
            "say which module: a file, --name, --ready-made, --transforms-file or "
            "--transforms-line",
            context,
        )
    if not any(was_given(context, one) for one in _INPUTS):
        raise click.UsageError("No valid input provided: say --text, --stdin or --file", context)
    for name in _OF_ONE_MODULE:
        exclude(context, "transforms_file", name)
        exclude(context, "transforms_line", name)
    if raw and not was_given(context, "file"):
        raise click.UsageError("--raw needs --file", context)
    if accept and not was_given(context, "expect"):
        raise click.UsageError("--accept needs --expect", context)


def _steps(
    *,
    module: Path | None,
    name: str | None,
    ready_made: str | None,
    transforms_file: Path | None,
    transforms_line: tuple[str, ...],
    params: tuple[tuple[str, str], ...],
    aggregate_initial: str | None,
    lookback_last: int | None,
    lookback_age: float | None,
) -> "list[tuple[str, Transform]]":
    """Names, and modules whose code may still be missing. Raises Failure, OSError."""
    from fluvio_client.consumer.transform import Transform

    if transforms_file is not None or transforms_line:
        chain = read_transforms(None, None, file=transforms_file, lines=transforms_line)
        return [(one.uses or _UNNAMED, one) for one in chain]
    code: bytes | None = None
    if ready_made is not None:
        from fluvio_cli.smartmodules import ready_made as modules

        code = modules.wasm(ready_made)
    elif module is not None:
        code = module.read_bytes()
    transform = Transform(
        uses=name,
        code=code,
        params=dict(params),
        accumulator=(aggregate_initial or "").encode(),
        lookback_last=lookback_last,
        lookback_age=lookback_age,
    )
    return [(name or ready_made or (module.stem if module else _UNNAMED), transform)]


def _with_code(
    context: click.Context, steps: "Sequence[tuple[str, Transform]]"
) -> "list[tuple[str, Transform]]":
    """The same with the code of stored modules, for which the cluster is asked."""
    if all(transform.code is not None for _, transform in steps):
        return list(steps)

    async def work(client: "Fluvio") -> "list[tuple[str, Transform]]":
        found = []
        for name, transform in steps:
            if transform.uses is not None:
                stored = await client.admin.smart_modules.get_with_code(transform.uses)
                transform = replace(transform, uses=None, code=stored.spec.wasm.payload)
            found.append((name, transform))
        return found

    return run_client(context, work)


def _input(text: Sequence[str], *, stdin: bool, file: Path | None, raw: bool) -> Iterator[bytes]:
    """Records as they were written, without the ends of lines. Raises Failure, OSError."""
    if file is not None:
        with file.open("rb") as source:
            yield from _whole(source) if raw else _lines(source)
    elif not stdin:
        yield from (one.encode() for one in text)
    elif sys.stdin is None:
        fail("standard input is closed")
    else:
        yield from _lines(sys.stdin.buffer)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    while line := source.readline(LINE_BYTES_MAX + 1):
        if len(line) > LINE_BYTES_MAX:
            raise Failure(f"a line is longer than {LINE_BYTES_MAX} bytes")
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def _whole(source: BinaryIO) -> Iterator[bytes]:
    value = source.read(LINE_BYTES_MAX + 1)
    if len(value) > LINE_BYTES_MAX:
        raise Failure(f"the input is larger than {LINE_BYTES_MAX} bytes")
    yield value


class _Told:
    """Prints what becomes of records, or keeps it to be compared."""

    def __init__(
        self, *, key_value: bool, as_json: bool, verbose: bool, expect: Path | None
    ) -> None:
        from fluvio_cli.smartmodules.trial_report import Totals

        self._key_value = key_value
        self._as_json = as_json
        self._verbose = verbose
        self._keeps = expect is not None
        self._later: list[str] = []
        self._golden: list[str] = []
        self._totals = Totals()

    @property
    def exit_code(self) -> int:
        return FAILED if self._totals.error_count else 0

    def add(self, outcome: "Outcome") -> None:
        from fluvio_cli.smartmodules import trial_report as report

        self._totals.add(outcome)
        if self._as_json:
            click.echo(report.record_line(outcome))
            return
        if self._keeps:
            self._golden += report.golden_lines(outcome, with_key=self._key_value)
            return
        shown = [report.value_text(one, with_key=self._key_value) for one in outcome.outputs]
        if self._verbose:
            self._later += shown
            time = report.time_text(outcome.elapsed_ns)
            click.echo(f"offset {outcome.offset}: {len(shown)} out, {time}", err=True)
        else:
            for text in shown:
                click.echo(text)
        if outcome.failure is not None:
            click.echo(report.failure_text(outcome.failure), err=True)

    def conclude(self, run: "EngineRun", *, with_fuel: bool) -> None:
        """All records that could be tried were."""
        from fluvio_cli.smartmodules import trial_report as report

        if self._as_json:
            shape = report.summary_shape(
                run.counts, self._totals, memory_bytes=run.memory_bytes, with_fuel=with_fuel
            )
            click.echo(json.dumps(shape, ensure_ascii=False))
            return
        if self._verbose and not self._keeps:
            click.echo(f"{self._totals.out_count} records outputted")
            for text in self._later:
                click.echo(text)
        click.echo(str(self._totals), err=True)
        if self._verbose or with_fuel:
            table = report.steps_table(run.counts, with_fuel=with_fuel)
            click.echo(table, err=True, nl=False)
            click.echo(f"memory: {run.memory_bytes} bytes", err=True)

    def compare(self, expect: Path, *, accept: bool) -> int:
        """Show where what came out differs from a file; the exit code. Raises OSError."""
        if accept:
            expect.write_text("".join(f"{line}\n" for line in self._golden), "utf-8")
            click.echo(f"{expect} has been written")
            return 0
        wanted = expect.read_text("utf-8").removesuffix("\n").split("\n")
        lines = list(
            difflib.unified_diff(
                wanted if wanted != [""] else [],
                self._golden,
                fromfile=str(expect),
                tofile="what came out",
                lineterm="",
            )
        )
        for line in lines:
            click.echo(line)
        return FAILED if lines else 0
