"""`fluvio topic`: create, list, describe, delete, add-partition."""

import asyncio
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.failure import Failure, Parsed, exclude, fail
from fluvio_cli.output import (
    DESCRIBE_MARGIN,
    OutputType,
    emit,
    format_columns,
    format_data,
    output_option,
)
from fluvio_cli.quantities import format_duration_s, parse_duration_s, parse_size_bytes
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_protocol.metadata.kinds import Metadata

LIST_HEADERS = (
    "NAME", "TYPE", "PARTITIONS", "REPLICAS", "RETENTION TIME", "COMPRESSION", "DEDUPLICATION",
    "STATUS", "REASON",
)  # fmt: skip
ADD_PARTITION_TIMEOUT_S = 10.0
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NAME_LENGTH_MAX = 63
_RETENTION_SECONDS_MIN = 10
_SEGMENT_SIZE_MIN = 1024
_PARTITION_SIZE_MIN = 2048
_U32_MAX = (1 << 32) - 1


@click.group("topic")
def command() -> None:
    """Make, show and delete topics."""


def check_topic_name(name: str) -> None:
    """Raises Failure for a name that no topic can have."""
    if len(name) > _NAME_LENGTH_MAX:
        fail(
            f"Invalid argument: Invalid Topic name {name}. "
            f"It is longer than {_NAME_LENGTH_MAX} characters"
        )
    if not _NAME.fullmatch(name):
        fail(
            f"Invalid argument: Invalid Topic name {name}. "
            "Contain only lowercase alphanumeric characters or '-'"
        )


def parse_replica_assignment(text: str) -> list[list[int]]:
    """SPU ids by partition, from a replica assignment file: a list, or one under "partitions".

    Raises: Failure that says what is wrong.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        fail(f"Invalid argument: replica assignment is no JSON: {error}")
    rows = data.get("partitions") if isinstance(data, dict) else data
    if not isinstance(rows, list) or not rows:
        fail('Invalid argument: replica assignment: expected a list of {"id", "replicas"}')
    assignment: list[list[int]] = []
    for number, row in enumerate(rows):
        replicas = row.get("replicas") if isinstance(row, dict) else None
        if not isinstance(row, dict) or row.get("id") != number:
            fail(
                "Invalid argument: replica assignment: ids must count from 0 without a gap, "
                f"entry {number} has id {row.get('id') if isinstance(row, dict) else row!r}"
            )
        if (
            not isinstance(replicas, list)
            or not replicas
            or not all(isinstance(one, int) and one >= 0 for one in replicas)
        ):
            fail(f"Invalid argument: replica assignment: partition {number} needs SPU ids")
        if len(set(replicas)) != len(replicas):
            fail(f"Invalid argument: replica assignment: partition {number} names an SPU twice")
        if assignment and len(replicas) != len(assignment[0]):
            fail(
                f"Invalid argument: replica assignment: partition {number} has {len(replicas)} "
                f"replicas, partition 0 has {len(assignment[0])}"
            )
        assignment.append(replicas)
    return assignment


def check_sizes(
    *, retention_s: float | None, segment_size: int | None, max_partition_size: int | None
) -> None:
    """Raises Failure for settings below what a cluster accepts."""
    if retention_s is not None and retention_s < _RETENTION_SECONDS_MIN:
        fail(f"retention time {retention_s:g}s is less than minimum {_RETENTION_SECONDS_MIN}s")
    if retention_s is not None and retention_s > _U32_MAX:
        fail(f"retention time {retention_s:g}s is more than maximum {_U32_MAX}s")
    if segment_size is not None and segment_size < _SEGMENT_SIZE_MIN:
        fail(f"segment_size {segment_size} is less than minimum {_SEGMENT_SIZE_MIN}")
    if segment_size is not None and segment_size > _U32_MAX:
        fail(f"segment_size {segment_size} is more than maximum {_U32_MAX}")
    if max_partition_size is None:
        return
    if max_partition_size < _PARTITION_SIZE_MIN:
        fail(f"max_partition_size {max_partition_size} is less than minimum {_PARTITION_SIZE_MIN}")
    if segment_size is not None and max_partition_size < segment_size:
        fail(f"max_partition_size {max_partition_size} is less than segment size {segment_size}")


@command.command("create")
@click.argument("name", required=False)
@click.option(
    "-p",
    "--partitions",
    type=int,
    default=1,
    show_default=True,
    metavar="N",
    help="Number of partitions.",
)
@click.option(
    "-r",
    "--replication",
    type=int,
    default=1,
    show_default=True,
    metavar="N",
    help="Replicas of each partition.",
)
@click.option(
    "-i", "--ignore-rack-assignment", is_flag=True, help="Place replicas without regard to racks."
)
@click.option(
    "-f",
    "--replica-assignment",
    type=click.File("r"),
    metavar="FILE.json",
    help="Which SPU holds what, instead of a computed placement.",
)
@click.option("-d", "--dry-run", is_flag=True, help="Only check, make nothing.")
@click.option(
    "--retention-time",
    type=Parsed("TIME", parse_duration_s),
    metavar="TIME",
    help="How long records are kept, such as 1h or 2d 10s [default: 7 days].",
)
@click.option(
    "--segment-size",
    type=Parsed("BYTES", parse_size_bytes),
    metavar="BYTES",
    help="Size of a segment, such as 10 MiB [default: 1 GiB].",
)
@click.option(
    "--max-partition-size",
    type=Parsed("BYTES", parse_size_bytes),
    metavar="BYTES",
    help="Size of a partition on disk [default: 100 GiB].",
)
@click.option(
    "--compression-type",
    type=click.Choice(["any", "none", "gzip", "snappy", "lz4", "zstd"], case_sensitive=False),
    default="any",
    show_default=True,
    metavar="TYPE",
    help="Codec that producers must use: any, none, gzip, snappy, lz4 or zstd.",
)
@click.option("-s", "--system", is_flag=True, hidden=True)
@click.pass_context
def create(
    context: click.Context,
    *,
    name: str | None,
    partitions: int,
    replication: int,
    ignore_rack_assignment: bool,
    replica_assignment: Any,
    dry_run: bool,
    retention_time: float | None,
    segment_size: int | None,
    max_partition_size: int | None,
    compression_type: str,
    system: bool,
) -> None:
    """Make a topic; returns when its partitions are online."""
    for other in ("partitions", "replication", "ignore_rack_assignment"):
        exclude(context, "replica_assignment", other)
    if name is None:
        fail("Invalid argument: Topic name is required")
    check_topic_name(name)
    if partitions < 1:
        fail("partition count must be greater than 0")
    if replication < 1:
        fail("replication factor must be greater than 0")
    check_sizes(
        retention_s=retention_time,
        segment_size=segment_size,
        max_partition_size=max_partition_size,
    )
    assignment = None
    if replica_assignment is not None:
        assignment = parse_replica_assignment(replica_assignment.read())

    async def work(client: "Fluvio") -> None:
        from fluvio_client import CompressionType

        await client.admin.topics.create(
            name,
            partitions,
            replication,
            ignore_rack_assignment=ignore_rack_assignment,
            assignment=assignment,
            retention_s=None if retention_time is None else int(retention_time),
            segment_size_bytes=segment_size,
            max_partition_size_bytes=max_partition_size,
            compression=CompressionType[compression_type.upper()],
            system=system,
            dry_run=dry_run,
        )

    run_client(context, work)
    click.echo(f'topic "{name}" created')


@command.command("list")
@output_option()
@click.option("-s", "--system", is_flag=True, help="Only the cluster's own topics.")
@click.pass_context
def list_topics(context: click.Context, *, output: OutputType, system: bool) -> None:
    """Show all topics."""
    from fluvio_client import shapes

    async def work(client: "Fluvio") -> list["Metadata"]:
        return await client.admin.topics.list(system=system)

    found = sorted(run_client(context, work), key=lambda topic: topic.name)
    emit(
        output,
        [shapes.topic(topic) for topic in found],
        kind="topics",
        empty="No topics found",
        table=lambda: format_columns([topic_row(topic) for topic in found], headers=LIST_HEADERS),
    )


def topic_row(topic: "Metadata") -> list[str]:
    """A line of the list."""
    kind, partitions, replicas, _ = _placement(topic)
    policy, deduplication = topic.spec.cleanup_policy, topic.spec.deduplication
    retention_s = 7 * 24 * 3600 if policy is None else policy.time_in_seconds
    return [
        topic.name,
        kind,
        partitions,
        replicas,
        format_duration_s(retention_s),
        topic.spec.compression_type.name.lower(),
        "none" if deduplication is None else deduplication.filter.uses,
        _resolution(topic),
        topic.status.reason,
    ]


def _placement(topic: "Metadata") -> tuple[str, str, str, str]:
    """Type, partitions, replicas, and whether racks are ignored."""
    from fluvio_protocol.metadata.topic import (
        AssignedReplicas,
        ComputedReplicas,
        MirrorFromHome,
    )

    match topic.spec.replicas:
        case ComputedReplicas() as computed:
            ignores = "true" if computed.ignore_rack_assignment else "false"
            return (
                "computed", str(computed.partitions), str(computed.replication_factor), ignores,
            )  # fmt: skip
        case AssignedReplicas() as assigned:
            replicas = len(assigned.maps[0].replicas) if assigned.maps else 0
            return "assigned", str(len(assigned.maps)), str(replicas), ""
        case mirror:
            if isinstance(mirror.config, MirrorFromHome):
                kind = "from-home" if mirror.config.target else "to-home"
            else:
                kind = "to-remote" if mirror.config.source else "from-remote"
            return kind, str(len(topic.status.replica_map)), "", ""


def _resolution(topic: "Metadata") -> str:
    return str(topic.status.resolution.name).lower().replace("_", "-")


@command.command("describe")
@click.argument("name")
@output_option()
@click.pass_context
def describe(context: click.Context, *, name: str, output: OutputType) -> None:
    """Show one topic."""
    from fluvio_client import shapes

    async def work(client: "Fluvio") -> "Metadata":
        return await client.admin.topics.get(name)

    topic = run_client(context, work)
    if output is not OutputType.TABLE:
        sys.stdout.write(format_data(output, [shapes.topic(topic)], kind="topics"))
        return
    kind, partitions, replicas, ignores_racks = _placement(topic)
    lines = [("Name", topic.name), ("Type", kind)]
    if partitions:
        lines.append(("Partition Count", partitions))
    if replicas:
        lines.append(("Replication Factor", replicas))
    if ignores_racks:
        lines.append(("Ignore Rack Assignment", ignores_racks))
    deduplication = topic.spec.deduplication
    if deduplication is not None:
        age = deduplication.bounds.age
        lines.append(("Deduplication Filter", deduplication.filter.uses))
        lines.append(("Deduplication Count Bound", str(deduplication.bounds.count)))
        if age is not None:
            lines.append(("Deduplication Age Bound", format_duration_s(age.seconds)))
    lines.append(("Status", _resolution(topic)))
    lines.append(("Reason", topic.status.reason))
    rows = [[f"{key}:{value}"] for key, value in lines] + [["-" * 17]]
    sys.stdout.write(format_columns(rows, margin=DESCRIBE_MARGIN))


@command.command("delete")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "-c", "--continue-on-error", is_flag=True, help="Go on with the next one after a failure."
)
@click.option("-s", "--system", is_flag=True, help="The topics are the cluster's own; asks first.")
@click.option("-f", "--force", is_flag=True, help="Delete the cluster's own topics, unasked.")
@click.pass_context
def delete(
    context: click.Context,
    *,
    names: tuple[str, ...],
    continue_on_error: bool,
    system: bool,
    force: bool,
) -> None:
    """Delete topics with all their records."""
    if system and not force:
        if not sys.stdin.isatty():
            fail("system topics are deleted without a question only with --force")
        answer = input("You are trying to delete a system topic. Are you sure? (y/N) ")
        if answer.strip().lower() not in ("y", "yes"):
            click.echo("Aborted")
            return
    word = "system topic" if system else "topic"

    async def work(client: "Fluvio") -> bool:
        from fluvio_client import FluvioError

        failed = False
        for name in names:
            try:
                await client.admin.topics.delete(name, force=system or force)
            except FluvioError as error:
                if not continue_on_error:
                    raise
                failed = True
                click.echo(f'topic "{name}" delete failed with: {error}')
            else:
                click.echo(f'{word} "{name}" deleted')
        return failed

    if run_client(context, work):
        raise Failure("Failed deleting topic(s). Check previous errors.")


@command.command("add-partition")
@click.argument("name")
@click.option(
    "-c",
    "--count",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many to add.",
)
@click.pass_context
def add_partition(context: click.Context, *, name: str, count: int) -> None:
    """Add partitions to a topic; returns when SPUs hold them."""

    async def work(client: "Fluvio") -> list[tuple[int, int]]:
        from fluvio_client.errors import NotFound

        try:
            before = await client.admin.topics.get(name)
            await client.admin.topics.add_partitions(name, count)
        except NotFound:
            fail(f'topic "{name}" not found')
        known = len(before.status.replica_map)
        try:
            async with asyncio.timeout(ADD_PARTITION_TIMEOUT_S):
                return await _placed(client, name, range(known, known + count))
        except TimeoutError:
            fail("response timeout exceeded")

    rows = [[str(partition), str(spu)] for partition, spu in run_client(context, work)]
    click.echo(f'added new partitions to topic: "{name}"')
    sys.stdout.write(format_columns(rows, headers=("PARTITION", "SPU"), margin=0))


async def _placed(client: "Fluvio", topic: str, partitions: range) -> list[tuple[int, int]]:
    """Partition and leader of each, once all of them have one."""
    leaders: dict[int, int] = {}
    async for change in client.admin.partitions.watch():
        name, _, number = change.object.name.rpartition("-")
        if name == topic and number.isdigit() and int(number) in partitions:
            leaders[int(number)] = change.object.spec.leader
            if len(leaders) == len(partitions):
                break
    return sorted(leaders.items())
