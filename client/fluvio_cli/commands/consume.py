"""`fluvio consume`: records of a topic on standard output, everything else on standard error.

The first Ctrl-C ends the loop, stores consumer offsets and exits with 0; a second one exits at
once.
"""

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.failure import Failure, Parsed, exclude
from fluvio_cli.record_format import (
    ConsumeOutput,
    Formatter,
    formatter_for,
    template_formatter,
)
from fluvio_cli.spellings import parse_isolation
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.consumer.consumer import Consumer
    from fluvio_client.fluvio import Fluvio

FLUSH_INTERVAL_S = 2.0
END_REACHED = "End-offset has been reached; exiting"


@click.command("consume")
@click.argument("topic")
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
    metavar="N",
    help="From so many records before the end.",
)
@click.option("--start", type=click.IntRange(min=0), metavar="N", help="From this offset.")
@click.option("-o", "--offset", type=int, metavar="N", hidden=True)
@click.option("--end", type=click.IntRange(min=0), metavar="N", help="Stop after this offset.")
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
    help="Show records by a template: {{key}} {{value}} {{offset}} {{partition}} {{time}}.",
)
@click.option(
    "-O",
    "--output",
    metavar="TYPE",
    default=ConsumeOutput.DYNAMIC.value,
    show_default=True,
    type=click.Choice([item.value for item in ConsumeOutput], case_sensitive=False),
    help="dynamic, text, binary, json, jsonl, raw or table.",
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
@click.option("--disable-progressbar", is_flag=True, hidden=True)
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
    topic: str,
    partitions: tuple[int, ...],
    all_partitions: bool,
    beginning: bool,
    head: int | None,
    tail: int | None,
    start: int | None,
    offset: int | None,
    end: int | None,
    num_records: int | None,
    disable_continuous: bool,
    key_value: bool,
    template: str | None,
    output: str,
    maxbytes: int | None,
    isolation: str,
    suppress_unknown: bool,
    disable_progressbar: bool,
    consumer_id: str | None,
) -> None:
    """Read the records of TOPIC; only those that arrive from now on, unless told otherwise."""
    exclude(context, "beginning", "head", "tail", "start")
    exclude(context, "partitions", "all_partitions")
    exclude(context, "template", "output")
    exclude(context, "template", "key_value")
    if offset is not None:
        exclude(context, "offset", "start", "head", "tail")
        beginning, head, tail, start = _old_offset(offset, beginning=beginning)
    if end is not None and start is not None and end < start:
        raise Failure(
            f"Argument end-offset must be greater than start-offset: {end} is less than {start}"
        )
    try:
        formatter = (
            template_formatter(template)
            if template is not None
            else formatter_for(
                ConsumeOutput(output), key_value=key_value, suppress_unknown=suppress_unknown
            )
        )
    except ValueError as error:
        raise Failure(str(error)) from error
    options: dict[str, Any] = {
        "follow": not disable_continuous,
        "until": None if end is None else end + 1,
        "isolation": isolation,
        "consumer_id": consumer_id,
        "commit": "none" if consumer_id is None else "auto",
        "flush_interval_s": FLUSH_INTERVAL_S,
    }
    if maxbytes is not None:
        options["max_bytes"] = maxbytes
    if sys.stderr.isatty():
        click.secho(
            _announcement(topic, beginning=beginning, head=head, tail=tail, start=start, end=end),
            bold=True,
            err=True,
        )

    async def work(client: "Fluvio") -> None:
        from fluvio_client import Offset

        place = Offset.end()
        if beginning:
            place = Offset.beginning()
        elif head is not None:
            place = Offset.from_beginning(head)
        elif tail is not None:
            place = Offset.from_end(tail)
        elif start is not None:
            place = Offset.absolute(start)
        consumer = client.consumer(
            topic, partitions=list(partitions) or None, start=place, **options
        )
        async with consumer:
            await _show(
                consumer, formatter, end=end, count_max=num_records, follow=not disable_continuous
            )

    run_client(context, work)


def _old_offset(offset: int, *, beginning: bool) -> tuple[bool, int | None, int | None, int | None]:
    """What `-o` of 0.9 means today: (beginning, head, tail, start)."""
    if beginning:
        return False, max(0, offset), None, None
    if offset < 0:
        return False, None, -offset, None
    return False, None, None, offset


def _announcement(
    topic: str,
    *,
    beginning: bool,
    head: int | None,
    tail: int | None,
    start: int | None,
    end: int | None,
) -> str:
    text = f"Consuming records from '{topic}'"
    if beginning:
        text += " starting from the beginning of log"
    elif head is not None:
        text += f" starting {head} from the beginning of log"
    elif start is not None:
        text += f" starting at offset {start}"
    elif tail is not None:
        text += f" starting {tail} from the end of log"
    if end is not None:
        text += f" until offset {end} (inclusive)"
    return text


async def _show(
    consumer: "Consumer",
    formatter: Formatter,
    *,
    end: int | None,
    count_max: int | None,
    follow: bool,
) -> None:
    """Print until the records end, or Ctrl-C."""
    reading = asyncio.current_task()
    assert reading is not None
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if interrupted:
            os._exit(0)
        interrupted = True
        reading.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # where a loop has no signals
            loop.add_signal_handler(number, interrupt)
    try:
        end_reached = await _print_batches(
            consumer, formatter, end=end, count_max=count_max, follow=follow
        )
    except asyncio.CancelledError:
        if not interrupted:
            raise
        reading.uncancel()
        return
    if end_reached:
        click.echo(END_REACHED, err=True)


async def _print_batches(
    consumer: "Consumer",
    formatter: Formatter,
    *,
    end: int | None,
    count_max: int | None,
    follow: bool,
) -> bool:
    """Returns true when the last offset that was wanted came by.

    That ends a command that follows; one that does not reads the other partitions too.
    """
    out = sys.stdout
    left = count_max
    end_reached = False
    async for batch in consumer.batches():
        shown = []
        for record in batch:
            if left == 0:
                break
            text = formatter(record)
            if text is not None:
                shown.append(text)
            if left is not None:
                left -= 1
            if end is not None and record.offset >= end:
                end_reached = True
        out.write("".join(shown))
        out.flush()
        if left == 0:
            return False
        if end_reached and follow:
            return True
    return end_reached
