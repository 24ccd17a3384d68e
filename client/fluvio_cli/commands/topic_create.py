"""`fluvio topic create`: from options, from a replica assignment, or from a configuration file."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.failure import Parsed, exclude, fail, was_given
from fluvio_cli.quantities import parse_duration_s, parse_size_bytes
from fluvio_cli.target import run_client
from fluvio_cli.waiting import wait_options

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.topic_config import TopicConfig
    from fluvio_protocol.metadata.topic import TopicSpec

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NAME_LENGTH_MAX = 63
_RETENTION_SECONDS_MIN = 10
_SEGMENT_SIZE_MIN = 1024
_PARTITION_SIZE_MIN = 2048
_U32_MAX = (1 << 32) - 1
DEDUPLICATION_MODULE = "dedup-exact"
"""What `--dedup` drops duplicates by: it comes with fluvio, and is stored when it is missing."""
_SETTINGS = (
    "name", "partitions", "replication", "ignore_rack_assignment", "replica_assignment",
    "retention_time", "segment_size", "max_partition_size", "compression_type", "system",
    "mirror_apply", "mirror", "home_to_remote", "dedup", "dedup_count", "dedup_age",
)  # fmt: skip


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
    from fluvio_client.topic_config import read_assignment

    try:
        data = json.loads(text)
    except ValueError as error:
        fail(f"Invalid argument: replica assignment is no JSON: {error}")
    try:
        return read_assignment(data.get("partitions") if isinstance(data, dict) else data)
    except ValueError as error:
        fail(f"Invalid argument: replica assignment: {error}")


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


@click.command("create")
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
@click.option(
    "-m",
    "--mirror-apply",
    type=click.File("r"),
    metavar="FILE.json",
    help="Remote clusters that mirror the topic: a JSON list of their names.",
)
@click.option("--mirror", is_flag=True, help="Remote clusters will mirror the topic; none yet.")
@click.option("--home-to-remote", is_flag=True, help="Records go from here to the mirrors.")
@click.option(
    "--dedup",
    is_flag=True,
    help=f"Drop records whose key was there already, by the SmartModule {DEDUPLICATION_MODULE}, "
    "which is stored if the cluster has none of that name.",
)
@click.option(
    "--dedup-count",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="N",
    help="Through how many newer keys one is remembered at least; needs --dedup.",
)
@click.option(
    "--dedup-age",
    type=Parsed("TIME", parse_duration_s),
    default="5s",
    show_default=True,
    metavar="TIME",
    help="How long a key is remembered at least; needs --dedup.",
)
@click.option(
    "-c",
    "--config",
    type=click.File("r"),
    metavar="PATH",
    help="A topic configuration in YAML, instead of a name and settings.",
)
@click.option("--strict", is_flag=True, help="Refuse a --config with keys that mean nothing.")
@click.option("-s", "--system", is_flag=True, hidden=True)
@wait_options(what="the partitions are online", default_s=None)
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
    mirror_apply: Any,
    mirror: bool,
    home_to_remote: bool,
    dedup: bool,
    dedup_count: int,
    dedup_age: float,
    config: Any,
    strict: bool,
    system: bool,
    wait_s: float | None,
) -> None:
    """Make a topic; returns when its partitions are online."""
    for other in _SETTINGS:
        exclude(context, "config", other)
    if config is not None:
        from_file = read_config(config.name, config.read(), strict=strict)
        check_spec(from_file.name, from_file.spec)
        _create(context, from_file.name, from_file.spec, dry_run=dry_run, wait_s=wait_s)
        return
    for option in ("dedup_count", "dedup_age"):
        if was_given(context, option) and not dedup:
            raise click.UsageError(
                "the following required arguments were not provided:\n  --dedup", context
            )
    placements = ("replica_assignment", "mirror_apply", "mirror")
    exclude(context, *placements)
    for placement in placements:
        for other in ("partitions", "replication", "ignore_rack_assignment"):
            exclude(context, placement, other)
    mirrored = mirror or mirror_apply is not None
    if home_to_remote and not mirrored:
        raise click.UsageError(
            "the following required arguments were not provided:\n  --mirror-apply <FILE.json>",
            context,
        )
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

    from fluvio_client.topics import topic_spec

    spec = topic_spec(
        partitions,
        replication,
        ignore_rack_assignment=ignore_rack_assignment,
        assignment=assignment,
        retention=None if retention_time is None else int(retention_time),
        segment_size=segment_size,
        max_partition_size=max_partition_size,
        compression=compression_type,
        deduplication=deduplication(dedup_count, dedup_age) if dedup else None,
        system=system,
    )
    remotes: list[str] = []
    if mirrored:
        from fluvio_client.topics import mirrored_spec

        remotes = [] if mirror_apply is None else parse_remotes(mirror_apply.read())
        spec = mirrored_spec(name, spec, remotes, home_to_remote=home_to_remote)
    _create(
        context, name, spec, dry_run=dry_run, wait_s=wait_s, remotes=remotes, store_module=dedup
    )


def _create(
    context: click.Context,
    name: str,
    spec: "TopicSpec",
    *,
    dry_run: bool,
    wait_s: float | None,
    remotes: Sequence[str] = (),
    store_module: bool = False,
) -> None:
    async def work(client: "Fluvio") -> None:
        if remotes:
            registered = {one.name for one in await client.admin.mirrors.list(remotes)}
            missing = [one for one in remotes if one not in registered]
            if missing:
                fail(f"Remote clusters not registered: {json.dumps(missing)}")
        made = spec
        if store_module and await client.admin.smart_modules.find(DEDUPLICATION_MODULE) is None:
            await _store_module(client, dry_run=dry_run)
            if dry_run:  # the controller would miss it
                made = replace(spec, deduplication=None)
        await client.admin.topics.create_from_spec(name, made, dry_run=dry_run, wait=wait_s)

    run_client(context, work)
    click.echo(f'topic "{name}" created')


async def _store_module(client: "Fluvio", *, dry_run: bool) -> None:
    from fluvio_cli.smartmodules import ready_made

    code = ready_made.wasm(DEDUPLICATION_MODULE)
    await client.admin.smart_modules.create(DEDUPLICATION_MODULE, code, dry_run=dry_run)
    if not dry_run:
        click.echo(f'smartmodule "{DEDUPLICATION_MODULE}" has been created.', err=True)


def deduplication(count: int, age_s: float) -> Any:
    """The setting that drops records which are among the last ones."""
    from fluvio_protocol.metadata.topic import (
        Deduplication,
        DeduplicationBounds,
        Duration,
        Transform,
    )

    age_ns = round(age_s * 1_000_000_000)
    age = Duration(seconds=age_ns // 1_000_000_000, nanoseconds=age_ns % 1_000_000_000)
    return Deduplication(
        bounds=DeduplicationBounds(count=count, age=age),
        filter=Transform(uses=DEDUPLICATION_MODULE),
    )


def parse_remotes(text: str) -> list[str]:
    """Names of remote clusters, from a JSON list. Raises Failure."""
    try:
        names = json.loads(text)
    except ValueError as error:
        fail(f"Invalid argument: mirror file is no JSON: {error}")
    if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names):
        fail("Invalid argument: mirror file: expected a list of names of remote clusters")
    if len(set(names)) != len(names):
        fail("Invalid argument: mirror file: a remote cluster is named twice")
    return names


def read_config(place: str, text: str, *, strict: bool) -> "TopicConfig":
    """What a configuration file says; keys that mean nothing are warned of.

    Raises: Failure.
    """
    from fluvio_client import formats
    from fluvio_client.topic_config import read_topic_config

    try:
        found = read_topic_config(formats.read(text, "yaml"))
    except ValueError as error:
        fail(f"Invalid argument: {place}: {error}")
    for path in found.unknown:
        message = f'{place}: unknown key "{path}"'
        if strict:
            fail(f"Invalid argument: {message}")
        click.echo(f"warning: {message} is ignored", err=True)
    return found


def check_spec(name: str, spec: "TopicSpec") -> None:
    """Raises Failure for what no cluster accepts."""
    check_topic_name(name)
    check_sizes(
        retention_s=None if spec.cleanup_policy is None else spec.cleanup_policy.time_in_seconds,
        segment_size=None if spec.storage is None else spec.storage.segment_size,
        max_partition_size=None if spec.storage is None else spec.storage.max_partition_size,
    )
