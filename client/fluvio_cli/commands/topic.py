"""`fluvio topic`: create, list, describe, update, delete, add-partition, lag."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fluvio_cli.commands import replica_moves
from fluvio_cli.commands.consumer import lag_shape, lag_words
from fluvio_cli.commands.topic_create import create
from fluvio_cli.commands.topic_update import add_mirror, add_partition, update
from fluvio_cli.failure import Failure, fail
from fluvio_cli.output import (
    DESCRIBE_MARGIN,
    DRY_RUN_MARK,
    OutputType,
    emit,
    format_columns,
    format_data,
    output_option,
)
from fluvio_cli.quantities import format_duration_s
from fluvio_cli.target import run_client
from fluvio_cli.waiting import wait_options

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.objects import Topic
    from fluvio_client.stored_offsets import ConsumerLag

LIST_HEADERS = (
    "NAME", "TYPE", "PARTITIONS", "REPLICAS", "RETENTION TIME", "COMPRESSION", "DEDUPLICATION",
    "STATUS", "REASON",
)  # fmt: skip
DELETE_TIMEOUT_S = 30.0


@click.group("topic")
def command() -> None:
    """Make, show and delete topics."""


for _command in (create, add_partition, add_mirror, update, replica_moves.rebalance):
    command.add_command(_command)


@command.command("list")
@output_option()
@click.option("-s", "--system", is_flag=True, help="Only the cluster's own topics.")
@click.option("--match", metavar="GLOB", help="Only topics whose name matches, such as 'log-*'.")
@click.pass_context
def list_topics(
    context: click.Context, *, output: OutputType, system: bool, match: str | None
) -> None:
    """Show all topics."""

    async def work(client: "Fluvio") -> list["Topic"]:
        return await client.admin.topics.list(match=match, system=system)

    found = sorted(run_client(context, work), key=lambda topic: topic.name)
    emit(
        output,
        [topic.shape() for topic in found],
        kind="topics",
        empty="No topics found",
        table=lambda: format_columns([topic_row(topic) for topic in found], headers=LIST_HEADERS),
    )


def topic_row(topic: "Topic") -> list[str]:
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


def _placement(topic: "Topic") -> tuple[str, str, str, str]:
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


def _resolution(topic: "Topic") -> str:
    return str(topic.status.resolution.name).lower().replace("_", "-")


@command.command("describe")
@click.argument("name")
@output_option()
@click.pass_context
def describe(context: click.Context, *, name: str, output: OutputType) -> None:
    """Show one topic."""

    async def work(client: "Fluvio") -> "Topic":
        return await client.admin.topics.get(name)

    topic = run_client(context, work)
    if output is not OutputType.TABLE:
        sys.stdout.write(format_data(output, [topic.shape()], kind="topics"))
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
@click.option("-d", "--dry-run", is_flag=True, help="Only say what would be deleted.")
@wait_options(what="it is gone", default_s=DELETE_TIMEOUT_S)
@click.pass_context
def delete(
    context: click.Context,
    *,
    names: tuple[str, ...],
    continue_on_error: bool,
    system: bool,
    force: bool,
    dry_run: bool,
    wait_s: float | None,
) -> None:
    """Delete topics with all their records."""
    if system and not force and not dry_run:
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
                if dry_run:
                    await client.admin.topics.get(name)
                else:
                    await client.admin.topics.delete(name, force=system or force)
                    if wait_s:
                        await client.admin.topics.wait_until_gone(name, timeout=wait_s)
            except FluvioError as error:
                if not continue_on_error:
                    raise
                failed = True
                click.echo(f'topic "{name}" delete failed with: {error}')
            else:
                click.echo(f'{word} "{name}" deleted{DRY_RUN_MARK if dry_run else ""}')
        return failed

    if run_client(context, work):
        raise Failure("Failed deleting topic(s). Check previous errors.")


@command.command("lag")
@click.argument("name")
@output_option()
@click.pass_context
def lag(context: click.Context, *, name: str, output: OutputType) -> None:
    """Show how far consumers are behind the end of a topic."""

    async def work(client: "Fluvio") -> "Sequence[ConsumerLag]":
        await client.admin.topics.get(name)
        return await client.admin.consumers.lags(topic=name)

    found = run_client(context, work)
    emit(
        output,
        [lag_shape(one) for one in found],
        kind="consumers",
        empty="No consumers found",
        table=lambda: format_columns(
            [[one.consumer_id, *lag_words(one)] for one in found],
            headers=("CONSUMER", "PARTITION", "OFFSET", "END", "LAG", "LAST SEEN"),
        ),
    )
