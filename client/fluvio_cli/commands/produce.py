"""`fluvio produce`: records from standard input or a file to a topic.

At a terminal each line is acknowledged before the next prompt. Otherwise lines are pipelined: they
are read and sent while earlier ones are on their way, and the first failure names its line.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from fluvio_cli.failure import Failure, Parsed, exclude
from fluvio_cli.quantities import parse_duration_s
from fluvio_cli.spellings import (
    parse_compression,
    parse_delivery_semantic,
    parse_isolation,
    parse_key_separator,
)
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.producer.delivery import Delivery
    from fluvio_client.producer.producer import Producer

READ_SIZE_BYTES = 256 * 1024
LINE_BYTES_MAX = 64 * 1024 * 1024
"""A line longer than any record can be is refused while it is read, not when memory is full."""
PROMPT = "> "


@dataclass(frozen=True, slots=True)
class _Lines:
    """How a line becomes a record."""

    key: bytes | None
    separator: bytes | None
    verbose: bool
    partition: int | None

    def record(self, line: bytes) -> tuple[bytes | None, bytes] | None:
        """Key and value; None for a line that has no separator, which is reported."""
        if self.separator is None:
            return self.key, line
        key, found, value = line.partition(self.separator)
        if not found:
            click.echo(
                f"Failed to find separator '{self.separator.decode()}' in record, skipping: "
                f"'{line.decode(errors='replace')}'",
                err=True,
            )
            return None
        return key, value

    def echo(self, key: bytes | None, value: bytes) -> None:
        """Show a record with a key, when asked to."""
        if self.verbose and key is not None:
            click.echo(f"[{key.decode(errors='replace')}] {value.decode(errors='replace')}")


@click.command("produce")
@click.argument("topic")
@click.option(
    "-f",
    "--file",
    "file",
    metavar="PATH",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read from a file instead of standard input.",
)
@click.option("--raw", is_flag=True, help="Send the whole input as one record.")
@click.option("-v", "--verbose", is_flag=True, help="Show records with their keys.")
@click.option(
    "--key-separator",
    type=Parsed("SEPARATOR", parse_key_separator),
    metavar="SEPARATOR",
    help="Split each line into key and value at the first one.",
)
@click.option("--key", metavar="KEY", help="Key of every record.")
@click.option(
    "--compression",
    type=Parsed("COMPRESSION", parse_compression),
    metavar="COMPRESSION",
    help="none, gzip, snappy, lz4 or zstd [default: the topic's].",
)
@click.option(
    "--linger",
    type=Parsed("TIME", parse_duration_s),
    default="0ms",
    metavar="TIME",
    help="How long a batch waits for more records [default: 0ms].",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16_384,
    show_default=True,
    metavar="BYTES",
    help="Bytes of a batch.",
)
@click.option(
    "--max-request-size",
    type=click.IntRange(min=1),
    default=1_048_576,
    show_default=True,
    metavar="BYTES",
    help="Bytes of the largest record.",
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
    "--delivery-semantic",
    type=Parsed("SEMANTIC", parse_delivery_semantic),
    default="at_least_once",
    show_default=True,
    metavar="SEMANTIC",
    help="at_least_once or at_most_once.",
)
@click.option(
    "-p",
    "--partition",
    type=click.IntRange(min=0),
    metavar="N",
    help="Send everything to one partition.",
)
@click.pass_context
def command(
    context: click.Context,
    *,
    topic: str,
    file: Path | None,
    raw: bool,
    verbose: bool,
    key_separator: str | None,
    key: str | None,
    compression: str | None,
    linger: float,
    batch_size: int,
    max_request_size: int,
    isolation: str,
    delivery_semantic: str,
    partition: int | None,
) -> None:
    """Send records to TOPIC, one per line."""
    exclude(context, "raw", "key_separator")
    exclude(context, "key", "key_separator")
    lines = _Lines(
        key=None if key is None else key.encode(),
        separator=None if key_separator is None else key_separator.encode(),
        verbose=verbose,
        partition=partition,
    )

    async def work(client: "Fluvio") -> None:
        from fluvio_client.retry import DELIVERY

        producer = client.producer(
            topic,
            batch_size_bytes=batch_size,
            max_request_size_bytes=max_request_size,
            linger_s=linger,
            compression=compression,
            isolation=isolation,
            retry=DELIVERY if delivery_semantic == "atleastonce" else None,
        )
        async with producer:
            source: BinaryIO = sys.stdin.buffer if file is None else file.open("rb")
            try:
                if raw:
                    value = await asyncio.to_thread(source.read)
                    lines.echo(lines.key, value)
                    await producer.send(value, key=lines.key, partition=partition)
                    await producer.flush()
                elif file is None and sys.stdin.isatty():
                    await _converse(producer, lines)
                else:
                    await _pipeline(producer, lines, source)
            finally:
                if file is not None:
                    source.close()

    run_client(context, work)


async def _converse(producer: "Producer", lines: _Lines) -> None:
    """Prompt, send, say Ok; until the end of input."""
    while True:
        click.echo(PROMPT, nl=False, err=True)
        line = await asyncio.to_thread(sys.stdin.buffer.readline)
        if not line:
            click.echo("Ok!")
            return
        record = lines.record(line.rstrip(b"\n").removesuffix(b"\r"))
        if record is None:
            continue
        key, value = record
        await producer.send(value, key=key, partition=lines.partition)
        await producer.flush()
        lines.echo(key, value)
        click.echo("Ok!")


async def _pipeline(producer: "Producer", lines: _Lines, source: BinaryIO) -> None:
    """Send all lines; raises Failure with the number of the first line that was not stored."""
    from fluvio_client import FluvioError

    under_way: deque[tuple[int, Delivery]] = deque()
    number = 0
    try:
        async for line in read_lines(source):
            number += 1
            record = lines.record(line)
            if record is None:
                continue
            key, value = record
            delivery = await producer.send(value, key=key, partition=lines.partition)
            lines.echo(key, value)
            under_way.append((number, delivery))
            while under_way and under_way[0][1].done:
                sent, delivery = under_way.popleft()
                await _check(sent, delivery)
    except FluvioError as error:
        raise Failure(f"{error} (line {number})") from error
    with contextlib.suppress(FluvioError):  # a failure is told below, with its line
        await producer.flush()  # nothing more will come: what lingers need not
    for sent, delivery in under_way:
        await _check(sent, delivery)


async def _check(number: int, delivery: "Delivery") -> None:
    from fluvio_client import FluvioError

    try:
        await delivery
    except FluvioError as error:
        raise Failure(f"{error} (line {number})") from error


async def read_lines(source: BinaryIO) -> AsyncIterator[bytes]:
    """Lines without their ends, read in a thread in large pieces as soon as they are there.

    Raises: Failure for a line that no record can hold.
    """
    read = getattr(source, "read1", source.read)
    rest = b""
    while chunk := await asyncio.to_thread(read, READ_SIZE_BYTES):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield line.removesuffix(b"\r")
        if len(rest) > LINE_BYTES_MAX:
            raise Failure(f"a line is longer than {LINE_BYTES_MAX} bytes")
    if rest:
        yield rest.removesuffix(b"\r")
