"""`fluvio benchmark`: producer, consumer, latency, matrix, and the comparison of two results."""

import asyncio
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.benchmark.settings import FLAGS, SETTINGS, Mode, Settings
from fluvio_cli.failure import Failure, Parsed
from fluvio_cli.target import client_id, target_of, telling
from fluvio_cli.terminal import may_move, width_columns

if TYPE_CHECKING:
    from fluvio_cli.benchmark.measure import Progress
    from fluvio_cli.benchmark.results import Result

FILE_BYTES_MAX = 64 * 1024 * 1024
RUNNING_INTERVAL_S = 1.0
PLOT_COLUMNS = 80
STANDARD_OUTPUT = "-"


@click.group("benchmark", invoke_without_command=True)
@click.option(
    "--compare",
    nargs=2,
    metavar="BEFORE AFTER",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure nothing: show what changed between two files that --json wrote.",
)
@click.pass_context
def command(context: click.Context, *, compare: tuple[Path, Path] | None) -> None:
    """Measure producers, consumers and latency of a cluster.

    Without a command: the matrix with its built-in settings.
    """
    if compare is not None:
        if context.invoked_subcommand is not None:
            raise click.UsageError(
                "the argument '--compare <BEFORE AFTER>' cannot be used with a command", context
            )
        _compare(*compare)
    elif context.invoked_subcommand is None:
        context.invoke(matrix, config=None, json_path=None, csv_path=None, plot=False)


def _compare(before: Path, after: Path) -> None:
    from fluvio_cli.benchmark.comparison import compare

    try:
        click.echo(compare(_results_in(before), _results_in(after)), nl=False)
    except ValueError as error:
        raise Failure(str(error)) from error


def _results_in(path: Path) -> "list[Result]":
    from fluvio_cli.benchmark.results import read

    try:
        return read(_text_of(path))
    except ValueError as error:
        raise Failure(f"{path}: {error}") from error


def _text_of(path: Path) -> str:
    """Raises: Failure for what cannot be read, or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise Failure(f"{path}: larger than {FILE_BYTES_MAX} bytes")
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: {error}") from error


def _output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--plot", is_flag=True, help="Draw the figures, at a terminal."),
        click.option(
            "--csv", "csv_path", metavar="PATH",
            help="Write a row for each sample to a file; - prints it instead of the text.",
        ),
        click.option(
            "--json", "json_path", metavar="PATH",
            help="Write the results to a file, to compare; - prints them instead of the text.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def _mode_command(mode: Mode, summary: str) -> click.Command:
    """A command with an option for each setting of its mode."""

    @click.pass_context
    def measured(
        context: click.Context,
        /,
        *,
        json_path: str | None,
        csv_path: str | None,
        plot: bool,
        **values: Any,
    ) -> None:
        try:
            settings = Settings(mode=mode, **values)
        except ValueError as error:
            raise click.UsageError(str(error), context) from error
        _measure(context, [settings], json_path, csv_path, plot)

    made = click.command(mode.value, help=summary)(_output_options(measured))
    made.params[:0] = [
        click.Option([f"--{setting.name}", setting.field], is_flag=True, help=setting.help)
        if setting.name in FLAGS
        else click.Option(
            [f"--{setting.name}", setting.field],
            type=Parsed(setting.metavar, setting.read),
            default=None if setting.field == "topic_name" else setting.default,
            metavar=setting.metavar,
            help=f"{setting.help.removesuffix('.')} [default: {setting.default}].",
        )
        for setting in SETTINGS
        if mode in setting.modes
    ]
    return made


for _mode, _summary in (
    (Mode.PRODUCER, "Measure how fast records are stored."),
    (Mode.CONSUMER, "Measure how fast records are read."),
    (Mode.LATENCY, "Measure the time from a record's sending to its reading, at a steady rate."),
):
    command.add_command(_mode_command(_mode, _summary))


@command.command("matrix")
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML: settings, each with a value or a list of values.",
)
@_output_options
@click.pass_context
def matrix(
    context: click.Context,
    *,
    config: Path | None,
    json_path: str | None,
    csv_path: str | None,
    plot: bool,
) -> None:
    """Measure every combination of the settings in a file."""
    import yaml

    from fluvio_cli.benchmark.matrix import DEFAULT, settings_of

    try:
        document = DEFAULT if config is None else yaml.safe_load(_text_of(config))
        every = settings_of(document)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise Failure(f"{config or 'the built-in matrix'}: {error}") from error
    _measure(context, every, json_path, csv_path, plot)


def _measure(
    context: click.Context,
    every: Sequence[Settings],
    json_path: str | None,
    csv_path: str | None,
    plot: bool,
) -> None:
    """Run them one after the other, and show what came out."""
    from fluvio_cli.benchmark import measure, report, results
    from fluvio_client.fluvio import Fluvio, connect
    from fluvio_client.metrics import total

    if json_path == csv_path == STANDARD_OUTPUT:
        raise click.UsageError("only one of --json and --csv can be printed", context)
    target = target_of(context)
    speaks = STANDARD_OUTPUT not in (json_path, csv_path)

    clients: list[Fluvio] = []

    def connected() -> Fluvio:
        made = connect(target.profile, address=target.cluster, client_id=client_id())
        clients.append(made)
        return made

    versions: set[str] = set()

    async def work() -> "list[Result]":
        found = []
        for number, settings in enumerate(every, 1):
            progress = measure.Progress()
            with _telling(progress, f"{number}/{len(every)} " if len(every) > 1 else ""):
                result, version = await measure.run(connected, settings, progress)
            found.append(result)
            versions.add(version)
            if speaks:
                click.echo(report.text(result))
        return found

    async def told() -> "list[Result]":
        async with telling(lambda: total(one.metrics for one in clients)):
            return await work()

    found = asyncio.run(told())
    if speaks:
        click.echo(report.markdown(found), nl=False)
    facts = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "platform_version": ", ".join(sorted(versions)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    if json_path is not None:
        _write(json_path, results.write(found, facts) + "\n")
    if csv_path is not None:
        _write(csv_path, report.comma_separated(found))
    if plot and speaks and sys.stdout.isatty():
        from fluvio_cli.benchmark.plot import draw

        width = width_columns(sys.stdout) or PLOT_COLUMNS
        click.echo(draw(found, width_columns=width), nl=False)


@contextmanager
def _telling(progress: "Progress", prefix: str) -> Iterator[None]:
    """A line on standard error now and then, where somebody watches; and what is left behind."""
    from fluvio_cli.benchmark.report import running_line

    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def tell() -> None:
        nonlocal timer
        if progress.records:
            click.echo(prefix + running_line(progress.number, progress.so_far()), err=True)
        timer = loop.call_later(RUNNING_INTERVAL_S, tell)

    if may_move(sys.stderr):
        tell()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        if progress.left_behind is not None:
            click.echo(f"warning: {progress.left_behind}", err=True)


def _write(path: str, text: str) -> None:
    if path == STANDARD_OUTPUT:
        click.echo(text, nl=False)
        return
    try:
        Path(path).write_text(text)
    except OSError as error:
        raise Failure(f"{path}: {error}") from error
