"""`fluvio consume`: records of topics on standard output, everything else on standard error.

The first Ctrl-C ends the loop, stores consumer offsets and exits with 0; a second one exits at
once.
"""

import sys
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.failure import Failure, Parsed, exclude, was_given
from fluvio_cli.interrupt import Interrupt
from fluvio_cli.moment import format_moment, parse_moment
from fluvio_cli.progress import WaitingSign
from fluvio_cli.record_format import ConsumeOutput, Formatter, formatter_for, parse_output
from fluvio_cli.record_output import ErrorAction, RecordOutput
from fluvio_cli.record_table import Column, columns_of
from fluvio_cli.record_template import template_formatter
from fluvio_cli.screens import require_textual
from fluvio_cli.spellings import parse_isolation
from fluvio_cli.target import run_client
from fluvio_cli.terminal import cut, is_interactive, styled, width_columns
from fluvio_cli.transforms import transform_options

if TYPE_CHECKING:
    from datetime import datetime

    from fluvio_client.consumer.consumer import Consumer, Record
    from fluvio_client.consumer.offsets import Offset
    from fluvio_client.consumer.record import Batch
    from fluvio_client.consumer.transform import Transform
    from fluvio_client.errors import FluvioError
    from fluvio_client.fluvio import Fluvio

FLUSH_INTERVAL_S = 2.0
TAIL_COUNT = 10
"""What `--tail` without a number means."""
TABLES = (ConsumeOutput.TABLE, ConsumeOutput.FULL_TABLE)


@click.command("consume")
@click.argument("topics", metavar="TOPIC", nargs=-1)
@click.option(
    "--pattern",
    metavar="GLOB",
    help="Instead of TOPIC: all topics whose names match, such as 'metrics-*'; also later ones.",
)
@click.option(
    "-p",
    "--partition",
    "partitions",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="N",
    help="Only this partition; may be repeated [default: all].",
)
@click.option("-A", "--all-partitions", is_flag=True, help="All partitions, the default.")
@click.option(
    "-B",
    "--beginning",
    "--from-beginning",
    "beginning",
    is_flag=True,
    help="From the first record that is there.",
)
@click.option(
    "-H",
    "--head",
    type=click.IntRange(min=0),
    metavar="N",
    help="From so many records after the beginning.",
)
@click.option(
    "-T",
    "--tail",
    type=click.IntRange(min=0),
    is_flag=False,
    flag_value=TAIL_COUNT,
    metavar="N",
    help="From so many records before the end; 10 when no number is given.",
)
@click.option("--start", type=click.IntRange(min=0), metavar="N", help="From this offset.")
@click.option(
    "--since",
    type=Parsed("TIME", parse_moment),
    metavar="TIME",
    help="From the first record made at this time or later: 10m ago, or 2024-05-01T12:30:00Z.",
)
@click.option("-o", "--offset", type=int, metavar="N", hidden=True)
@click.option("--end", type=click.IntRange(min=0), metavar="N", help="Stop after this offset.")
@click.option(
    "--until",
    type=Parsed("TIME", parse_moment),
    metavar="TIME",
    help="Stop before the first record made at this time or later, or with what is there now.",
)
@click.option(
    "-n",
    "--num-records",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop after so many records.",
)
@click.option(
    "-d",
    "--disable-continuous",
    is_flag=True,
    help="Stop when everything that is there now has been shown.",
)
@click.option("-k", "--key-value", is_flag=True, help="Show keys: [key] value.")
@click.option(
    "-F",
    "--format",
    "template",
    metavar="TEMPLATE",
    help="Show records by a template: {{key}} {{value}} {{offset}} {{partition}} {{time}} {{len}}; "
    "with filters {{key|hex}} {{value|json:a.b}} {{time|%H:%M}}.",
)
@click.option(
    "-O",
    "--output",
    metavar="TYPE",
    default=ConsumeOutput.DYNAMIC.value,
    show_default=True,
    type=Parsed("TYPE", parse_output),
    help="dynamic, text, binary, json, jsonl, raw, table or full-table.",
)
@click.option(
    "--table-format",
    metavar="NAME",
    help="Columns of a stored table format, for the types table and full-table.",
)
@click.option(
    "--truncate", is_flag=True, help="Cut lines to the width of the terminal, or of $COLUMNS."
)
@click.option(
    "-b",
    "--maxbytes",
    type=click.IntRange(min=1, max=(1 << 31) - 1),
    metavar="BYTES",
    help="Bytes to fetch at a time.",
)
@click.option(
    "--isolation",
    type=Parsed("ISOLATION", parse_isolation),
    default="read_uncommitted",
    show_default=True,
    metavar="ISOLATION",
    help="read_committed or read_uncommitted.",
)
@click.option(
    "--suppress-unknown", is_flag=True, help="Leave out values that the output type cannot show."
)
@click.option(
    "--on-error",
    type=click.Choice([item.value for item in ErrorAction]),
    default=ErrorAction.STOP.value,
    show_default=True,
    metavar="ACTION",
    help="What to do about an error among the records: stop, skip it, or continue and fail later.",
)
@transform_options
@click.option("--disable-progressbar", is_flag=True, help="Show no sign of waiting.")
@click.option(
    "-c",
    "--consumer",
    "consumer_id",
    metavar="ID",
    help="Go on after what this consumer has read, and remember how far it comes.",
)
@click.pass_context
def command(
    context: click.Context,
    *,
    topics: tuple[str, ...],
    pattern: str | None,
    partitions: tuple[int, ...],
    all_partitions: bool,
    beginning: bool,
    head: int | None,
    tail: int | None,
    start: int | None,
    since: "datetime | None",
    offset: int | None,
    end: int | None,
    until: "datetime | None",
    num_records: int | None,
    disable_continuous: bool,
    key_value: bool,
    template: str | None,
    output: ConsumeOutput,
    table_format: str | None,
    truncate: bool,
    maxbytes: int | None,
    isolation: str,
    suppress_unknown: bool,
    on_error: str,
    transforms: "tuple[Transform, ...]",
    disable_progressbar: bool,
    consumer_id: str | None,
) -> None:
    """Read the records of TOPIC; only those that arrive from now on, unless told otherwise.

    The records of several topics come as they arrive.
    """
    exclude(context, "topics", "pattern")
    exclude(context, "pattern", "partitions")
    if not topics and not pattern:
        raise click.MissingParameter(ctx=context, param=_parameter(context, "topics"))
    named = topics if pattern is None else (pattern,)
    exclude(context, "beginning", "head", "tail", "start", "since")
    exclude(context, "end", "until")
    exclude(context, "partitions", "all_partitions")
    exclude(context, "template", "output", "truncate")
    exclude(context, "template", "key_value")
    exclude(context, "table_format", "template", "truncate")
    if table_format is not None and not was_given(context, "output"):
        output = ConsumeOutput.FULL_TABLE if is_interactive() else ConsumeOutput.TABLE
    if table_format is not None and output not in TABLES:
        exclude(context, "table_format", "output")
    if output is ConsumeOutput.FULL_TABLE:
        _check_screen()
    if offset is not None:
        exclude(context, "offset", "start", "head", "tail", "since")
        beginning, head, tail, start = _old_offset(offset, beginning=beginning)
    if end is not None and start is not None and end < start:
        raise Failure(
            f"Argument end-offset must be greater than start-offset: {end} is less than {start}"
        )
    if since is not None and until is not None and until < since:
        raise Failure(
            f"--until is before --since: {format_moment(until)} is before {format_moment(since)}"
        )
    follow = not disable_continuous and until is None
    make_formatter = _formatter_maker(
        ConsumeOutput.TABLE if output is ConsumeOutput.FULL_TABLE else output,
        template=template,
        several_topics=pattern is not None or len(topics) > 1,
        truncate=truncate,
        key_value=key_value,
        suppress_unknown=suppress_unknown,
    )
    action = ErrorAction(on_error)
    options: dict[str, Any] = {
        "follow": follow,
        "until": _stop(end=end, until=until),
        "max_records": num_records,
        "isolation": isolation,
        "consumer_id": consumer_id,
        "commit": "none" if consumer_id is None else "auto",
        "flush_interval_s": FLUSH_INTERVAL_S,
        "on_error": action.of_consumer,
        "transforms": transforms,
    }
    if maxbytes is not None:
        options["max_bytes"] = maxbytes
    interrupt = Interrupt()

    async def work(client: "Fluvio") -> None:
        columns: tuple[Column, ...] = ()
        if table_format is not None:
            columns = columns_of((await client.admin.table_formats.get(table_format)).spec)
        place = _place(beginning=beginning, head=head, tail=tail, start=start, since=since)
        consumer = client.consumer(
            topics or None,
            pattern=pattern,
            partitions=list(partitions) or None,
            start=place,
            **options,
        )
        shown = RecordOutput(
            make_formatter(columns),
            WaitingSign("Waiting for records", wanted=not disable_progressbar),
            end=end,
            follow=follow,
            managed=consumer_id is not None,
        )

        async def read() -> None:
            async with consumer:
                if output is ConsumeOutput.FULL_TABLE:
                    await interrupt.guard(_fill_screen(consumer, named, columns, end, shown))
                else:
                    await interrupt.guard(shown.run(consumer))

        await interrupt.guard(read())
        if not interrupt.happened:
            shown.conclude(consumer)

    if sys.stderr.isatty():
        text = _announcement(
            named,
            beginning=beginning,
            head=head,
            tail=tail,
            start=start,
            since=since,
            end=end,
            until=until,
        )
        click.echo(styled(text, sys.stderr, bold=True), err=True)
    with interrupt:
        run_client(context, work)


def _parameter(context: click.Context, name: str) -> click.Parameter:
    return next(one for one in context.command.params if one.name == name)


def _check_screen() -> None:
    """Raises: Failure where no table can fill the screen."""
    if not is_interactive():
        raise Failure("full-table fills the screen of a terminal: use '--output table' elsewhere")
    require_textual("full-table")


async def _fill_screen(
    consumer: "Consumer[Record | FluvioError]",
    topics: tuple[str, ...],
    columns: tuple[Column, ...],
    end: int | None,
    output: RecordOutput,
) -> None:
    """Show a table until somebody has enough; its errors are said afterwards."""
    from fluvio_cli.screens.full_table import show_full_table
    from fluvio_client.consumer.record import Batch

    async def batches() -> "AsyncIterator[Batch | FluvioError]":
        async for found in consumer.batches():
            yield found
            if isinstance(found, Batch):
                if output.managed:
                    await consumer.commit()
                if end is not None and found.tuples[-1][0] >= end:
                    return

    shown = await show_full_table(batches(), name=", ".join(topics), columns=columns)
    for text in shown.texts:
        click.echo(text, err=True)
    output.errors = shown.errors


def _formatter_maker(
    output: ConsumeOutput,
    *,
    template: str | None,
    several_topics: bool,
    truncate: bool,
    key_value: bool,
    suppress_unknown: bool,
) -> Callable[[tuple[Column, ...]], Formatter]:
    """Makes the formatter, once the columns of a table are known. Raises: Failure."""
    if template is not None:
        try:
            by_template = template_formatter(template, several_topics=several_topics)
        except ValueError as error:
            raise Failure(str(error)) from error
        return lambda columns: by_template

    def make(columns: tuple[Column, ...]) -> Formatter:
        shown = formatter_for(
            output, key_value=key_value, suppress_unknown=suppress_unknown, columns=columns
        )
        width = width_columns(sys.stdout) if truncate else None
        if width is None:
            return shown

        def narrow(record: Any) -> str | None:
            text = shown(record)
            return None if text is None else cut(text, width)

        return narrow

    return make


def _stop(*, end: int | None, until: "datetime | None") -> "Offset | int | None":
    if until is None:
        return None if end is None else end + 1
    from fluvio_client import Offset

    return Offset.at(until)


def _place(
    *,
    beginning: bool,
    head: int | None,
    tail: int | None,
    start: int | None,
    since: "datetime | None",
) -> "Offset":
    from fluvio_client import Offset

    if since is not None:
        return Offset.at(since)
    if beginning:
        return Offset.beginning()
    if head is not None:
        return Offset.from_beginning(head)
    if tail is not None:
        return Offset.from_end(tail)
    if start is not None:
        return Offset.absolute(start)
    return Offset.end()


def _old_offset(offset: int, *, beginning: bool) -> tuple[bool, int | None, int | None, int | None]:
    """What `-o` of 0.9 means today: (beginning, head, tail, start)."""
    if beginning:
        return False, max(0, offset), None, None
    if offset < 0:
        return False, None, -offset, None
    return False, None, None, offset


def _announcement(
    topics: tuple[str, ...],
    *,
    beginning: bool,
    head: int | None,
    tail: int | None,
    start: int | None,
    since: "datetime | None",
    end: int | None,
    until: "datetime | None",
) -> str:
    names = "', '".join(topics)
    text = f"Consuming records from '{names}'"
    if beginning:
        text += " starting from the beginning of log"
    elif head is not None:
        text += f" starting {head} from the beginning of log"
    elif start is not None:
        text += f" starting at offset {start}"
    elif tail is not None:
        text += f" starting {tail} from the end of log"
    elif since is not None:
        text += f" starting at {format_moment(since)}"
    if end is not None:
        text += f" until offset {end} (inclusive)"
    elif until is not None:
        text += f" until {format_moment(until)} (exclusive)"
    return text
