"""`fluvio produce`: records from standard input or a file to a topic."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from fluvio_cli.failure import Parsed, exclude, fail, was_given
from fluvio_cli.input_stream import LINE_BYTES_MAX, lines, whole
from fluvio_cli.progress import byte_bar
from fluvio_cli.quantities import parse_duration_s
from fluvio_cli.record_input import (
    LineReader,
    from_base64,
    from_hex,
    plain,
    read_json,
    text_reader,
)
from fluvio_cli.record_sender import RecordSender
from fluvio_cli.spellings import (
    parse_compression,
    parse_delivery_semantic,
    parse_isolation,
    parse_key_separator,
)
from fluvio_cli.target import run_client
from fluvio_cli.transforms import transform_options

if TYPE_CHECKING:
    from fluvio_client.consumer.transform import Transform
    from fluvio_client.fluvio import Fluvio


@click.command("produce")
@click.argument("topic")
@click.option(
    "-f",
    "--file",
    "file",
    metavar="PATH",
    type=click.Path(path_type=Path),
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
    "--json",
    "as_json",
    is_flag=True,
    help='Lines are {"key": ..., "value": ...}, as consume -O jsonl prints them.',
)
@click.option("--hex", "as_hex", is_flag=True, help="Values are hexadecimal digits.")
@click.option("--base64", "as_base64", is_flag=True, help="Values are base64.")
@click.option(
    "--count", type=click.IntRange(min=1), metavar="N", help="Stop after so many records."
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Send so many records in a second at most.",
)
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
@transform_options
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
    as_json: bool,
    as_hex: bool,
    as_base64: bool,
    count: int | None,
    rate: float | None,
    compression: str | None,
    linger: float,
    batch_size: int,
    max_request_size: int,
    isolation: str,
    delivery_semantic: str,
    partition: int | None,
    transforms: "tuple[Transform, ...]",
) -> None:
    """Send records to TOPIC, one per line."""
    exclude(context, "raw", "key_separator")
    exclude(context, "key", "key_separator")
    exclude(context, "as_json", "as_hex", "as_base64")
    for name in ("raw", "key_separator", "key"):
        exclude(context, "as_json", name)
    for name in ("count", "rate"):
        exclude(context, "raw", name)
    at_most_once = delivery_semantic == "atmostonce"
    if at_most_once and was_given(context, "isolation"):
        click.echo("warning: --isolation means nothing with at_most_once", err=True)
    reader = _reader(
        as_json=as_json,
        as_hex=as_hex,
        as_base64=as_base64,
        key=None if key is None else key.encode(),
        separator=None if key_separator is None else key_separator.encode(),
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
            transforms=transforms,
            retry=None if at_most_once else DELIVERY,
        )
        async with producer:
            sender = RecordSender(
                producer,
                reader,
                partition=partition,
                verbose=verbose,
                count_max=count,
                rate=rate,
            )
            if raw:
                size_bytes_max = max(LINE_BYTES_MAX, max_request_size)
                await sender.send_whole(await whole(source, size_bytes_max=size_bytes_max))
            elif file is None and sys.stdin.isatty():
                await sender.converse(lines(source))
            else:
                with byte_bar(str(file), size_bytes) as bar:
                    await sender.pipeline(lines(source, on_bytes=bar.update))

    with ExitStack() as closing:
        size_bytes = 0
        source: BinaryIO
        if file is not None:
            source = closing.enter_context(file.open("rb", buffering=0))
            size_bytes = file.stat().st_size
        elif sys.stdin is None:
            fail("standard input is closed")
        else:
            source = sys.stdin.buffer
        run_client(context, work)


def _reader(
    *,
    as_json: bool,
    as_hex: bool,
    as_base64: bool,
    key: bytes | None,
    separator: bytes | None,
) -> LineReader:
    if as_json:
        return read_json
    decode = from_hex if as_hex else from_base64 if as_base64 else plain
    return text_reader(key=key, separator=separator, decode=decode)
