"""`cluster spu` and `cluster spg`: SPUs and groups of SPUs as objects.

Making, registering and deleting say nothing when they work, as Fluvio's own commands; a dry run
says what it would do.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fluvio_cli.commands import replica_moves
from fluvio_cli.failure import Parsed, fail
from fluvio_cli.output import (
    DESCRIBE_MARGIN,
    DESCRIBE_TABLE_MARGIN,
    DRY_RUN_MARK,
    LIST_MARGIN,
    OutputType,
    emit,
    format_columns,
    format_data,
    output_option,
)
from fluvio_cli.target import run_client
from fluvio_cli.waiting import wait_options

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.objects import Spu, SpuGroup

GROUP_SIZE_DEFAULT = "10Gi"
"""What a group's members store when its spec does not say."""


def parse_host_port(text: str) -> tuple[str, int]:
    """Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()):
        raise ValueError("expected host:port")
    if not 0 < int(port) < 65536:
        raise ValueError(f"{port} is no port")
    return host.removeprefix("[").removesuffix("]"), int(port)


_HOST_PORT = Parsed("address", parse_host_port)


@click.group("spu")
def spu() -> None:
    """Show, register, unregister and drain SPUs."""


spu.add_command(replica_moves.drain)


@spu.command("list")
@click.option("--custom", is_flag=True, help="Only SPUs that the user runs")
@output_option()
@click.pass_context
def list_spus(context: click.Context, *, custom: bool, output: OutputType) -> None:
    """Show SPUs."""

    async def work(client: "Fluvio") -> "list[Spu]":
        return await client.admin.spus.list()

    found = run_client(context, work)
    if custom:
        found = [one for one in found if not one.managed]
    emit(
        output,
        [one.shape() for one in found],
        kind="spus",
        empty="no spu",
        table=lambda: _spu_table(found),
    )


SPU_HEADERS = ("ID", "NAME", "STATUS", "TYPE", "RACK", "PUBLIC", "PRIVATE")


def _spu_table(found: "Sequence[Spu]") -> str:
    return format_columns([_spu_row(one) for one in found], headers=SPU_HEADERS)


def _spu_row(found: "Spu") -> list[str]:
    from fluvio_client.shapes import camel_case

    public, private = found.spec.public_endpoint, found.spec.private_endpoint
    return [
        str(found.spec.id),
        found.name,
        camel_case(found.status.resolution.name),
        f'"{found.spec.spu_type.name.lower()}"',
        found.spec.rack or "-",
        f"{public.host or ''}:{public.port}",
        f"{private.host}:{private.port}",
    ]


@spu.command("describe")
@click.argument("name", metavar="NAME|ID")
@output_option()
@click.pass_context
def describe_spu(context: click.Context, *, name: str, output: OutputType) -> None:
    """Show one SPU, and the group that it belongs to."""

    async def work(client: "Fluvio") -> "Spu":
        if name.isascii() and name.isdigit():
            for one in await client.admin.spus.list():
                if one.spec.id == int(name):
                    return one
        return await client.admin.spus.get(name)

    found = run_client(context, work)
    if output is not OutputType.TABLE:
        sys.stdout.write(format_data(output, [found.shape()], kind="spus"))
        return
    words = ("Id", "Name", "Status", "Type", "Rack", "Public", "Private")
    lines = list(zip(words, _spu_row(found), strict=True))
    if found.owner is not None:
        lines.append(("Group", found.owner.name))
    rows = [[f"{key}:{value}"] for key, value in lines]
    sys.stdout.write(format_columns([*rows, ["-" * 17]], margin=DESCRIBE_MARGIN))


@spu.command("register")
@click.option("-i", "--id", "spu_id", type=int, required=True, metavar="ID", help="Id of the SPU")
@click.option("-n", "--name", metavar="NAME", help="Name  [default: custom-spu-ID]")
@click.option("-r", "--rack", metavar="RACK", help="Failure domain")
@click.option(
    "-p",
    "--public-server",
    "public",
    type=_HOST_PORT,
    required=True,
    metavar="HOST:PORT",
    help="Where clients connect",
)
@click.option(
    "-l",
    "--public-server-local",
    "public_local",
    type=_HOST_PORT,
    metavar="HOST:PORT",
    help="Where clients connect that ask for local addresses",
)
@click.option(
    "-v",
    "--private-server",
    "private",
    type=_HOST_PORT,
    required=True,
    metavar="HOST:PORT",
    help="Where other SPUs connect",
)
@click.option("-d", "--dry-run", is_flag=True, help="Only check, register nothing")
@wait_options(what="it is online", default_s=60, default_wait=False)
@click.pass_context
def register(
    context: click.Context,
    *,
    spu_id: int,
    name: str | None,
    rack: str | None,
    public: tuple[str, int],
    public_local: tuple[str, int] | None,
    private: tuple[str, int],
    dry_run: bool,
    wait_s: float | None,
) -> None:
    """Make an SPU known that you run yourself."""

    async def work(client: "Fluvio") -> str:
        registered = await client.admin.custom_spus.register(
            spu_id,
            public=public,
            private=private,
            public_local=public_local,
            name=name,
            rack=rack,
            dry_run=dry_run,
        )
        if wait_s and not dry_run:
            from fluvio_protocol.metadata.spu import SpuStatusResolution

            await client.admin.spus.wait_for(
                registered,
                lambda found: found.status.resolution is SpuStatusResolution.ONLINE,
                timeout=wait_s,
            )
        return registered

    registered = run_client(context, work)
    if dry_run:
        click.echo(f'spu "{registered}" registered{DRY_RUN_MARK}')


@spu.command("unregister")
@click.option("-i", "--id", "spu_id", type=int, metavar="ID", help="Id of the SPU")
@click.option("-n", "--name", metavar="NAME", help="Name of the SPU")
@click.option("-f", "--force", is_flag=True, help="Although it holds partitions, which are lost")
@click.option("-d", "--dry-run", is_flag=True, help="Only say what would be done")
@click.pass_context
def unregister(
    context: click.Context, *, spu_id: int | None, name: str | None, force: bool, dry_run: bool
) -> None:
    """Forget an SPU that you run yourself."""
    key = spu_id if spu_id is not None else name
    if key is None or (spu_id is not None and name is not None):
        raise click.UsageError("give either '--id <ID>' or '--name <NAME>'", context)

    async def work(client: "Fluvio") -> None:
        if not dry_run:
            await client.admin.custom_spus.unregister(key, force=force)
            return
        for one in await client.admin.spus.list():
            if key in (one.name, one.spec.id):
                if one.managed:
                    fail(f"SPU {one.name} belongs to a group: change the group instead")
                click.echo(f'spu "{one.name}" unregistered{DRY_RUN_MARK}')
                return
        await client.admin.spus.get(str(key))

    run_client(context, work)


@click.group("spg")
def spg() -> None:
    """Make, show and delete groups of SPUs."""


@spg.command("create")
@click.argument("name")
@click.option(
    "-r",
    "--replicas",
    type=click.IntRange(1, 65535),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of SPUs",
)
@click.option(
    "--min-id",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    metavar="ID",
    help="Id of the first SPU",
)
@click.option("--rack", metavar="RACK", help="Failure domain")
@click.option("--storage-size", metavar="SIZE", help="Volume of each SPU, such as 10Gi")
@click.option("-d", "--dry-run", is_flag=True, help="Only check, make nothing")
@wait_options(what="the ids of its SPUs are its own", default_s=30)
@click.pass_context
def create_group(
    context: click.Context,
    *,
    name: str,
    replicas: int,
    min_id: int,
    rack: str | None,
    storage_size: str | None,
    dry_run: bool,
    wait_s: float | None,
) -> None:
    """Make a group of SPUs."""

    async def work(client: "Fluvio") -> None:
        groups = client.admin.spu_groups
        await groups.create(
            name, replicas, min_id=min_id, rack=rack, storage_size=storage_size, dry_run=dry_run
        )
        if wait_s and not dry_run:
            from fluvio_protocol.metadata.spu_group import SpuGroupResolution

            found = await groups.wait_for(
                name,
                lambda group: group.status.resolution is not SpuGroupResolution.INIT,
                timeout=wait_s,
            )
            if found.status.resolution is SpuGroupResolution.INVALID:
                fail(f'spu group "{name}" is stored, but invalid: {found.status.reason}')

    run_client(context, work)
    if dry_run:
        click.echo(f'spu group "{name}" created{DRY_RUN_MARK}')


@spg.command("list")
@output_option()
@click.pass_context
def list_groups(context: click.Context, *, output: OutputType) -> None:
    """Show groups of SPUs."""

    async def work(client: "Fluvio") -> "list[SpuGroup]":
        return await client.admin.spu_groups.list()

    found = run_client(context, work)
    emit(
        output,
        [one.shape() for one in found],
        kind="spgs",
        empty="no groups",
        table=lambda: group_table(found),
    )


def group_table(found: "Sequence[SpuGroup]") -> str:
    """A blank line, a rule, and the table, as Fluvio prints it: cells at the right, one centred."""
    from fluvio_client.shapes import camel_case

    headers = ("NAME", "REPLICAS", "MIN ID", "RACK", "SIZE", "STATUS")
    rows = []
    for one in found:
        config = one.spec.spu_config
        size = config.storage.size if config.storage is not None else None
        rows.append(
            [
                one.name,
                str(one.spec.replicas),
                str(one.spec.min_id),
                config.rack or "",
                size or GROUP_SIZE_DEFAULT,
                camel_case(one.status.resolution.name),
            ]
        )
    widths = [
        max(len(header), *(len(row[column]) for row in rows))
        for column, header in enumerate(headers)
    ]
    for row in rows:
        for column, width in enumerate(widths):
            room = width - len(row[column])
            left = (room + 1) // 2 if headers[column] == "REPLICAS" else room
            row[column] = " " * left + row[column]
    return "\n-------------\n" + format_columns(rows, headers=headers, margin=LIST_MARGIN)


@spg.command("describe")
@click.argument("name")
@output_option()
@click.pass_context
def describe_group(context: click.Context, *, name: str, output: OutputType) -> None:
    """Show one group and its SPUs."""

    async def work(client: "Fluvio") -> "tuple[SpuGroup, list[Spu]]":
        group = await client.admin.spu_groups.get(name)
        spus = await client.admin.spus.list()
        return group, [one for one in spus if one.owner is not None and one.owner.name == name]

    group, members = run_client(context, work)
    if output is not OutputType.TABLE:
        sys.stdout.write(format_data(output, [group.shape()], kind="spgs"))
        return
    from fluvio_client.shapes import camel_case

    config = group.spec.spu_config
    size = None if config.storage is None else config.storage.size
    lines = {
        "Name": group.name,
        "Replicas": str(group.spec.replicas),
        "Min Id": str(group.spec.min_id),
        "Rack": config.rack or "-",
        "Size": size or GROUP_SIZE_DEFAULT,
        "Status": camel_case(group.status.resolution.name),
        "Reason": group.status.reason or "",
    }
    rows = [[f"{key}:{value}"] for key, value in lines.items()]
    sys.stdout.write(format_columns([*rows, ["-" * 17]], margin=DESCRIBE_MARGIN))
    if members:
        sys.stdout.write(
            format_columns(
                [_spu_row(one) for one in members],
                headers=SPU_HEADERS,
                margin=DESCRIBE_TABLE_MARGIN,
            )
        )


@spg.command("delete")
@click.argument("name")
@click.option("-f", "--force", is_flag=True, help="Although its SPUs hold partitions")
@click.option("-d", "--dry-run", is_flag=True, help="Only say what would be deleted")
@wait_options(what="it is gone", default_s=60)
@click.pass_context
def delete_group(
    context: click.Context, *, name: str, force: bool, dry_run: bool, wait_s: float | None
) -> None:
    """Delete a group and its SPUs."""

    async def work(client: "Fluvio") -> None:
        groups = client.admin.spu_groups
        if dry_run:
            await groups.get(name)
            click.echo(f'spu group "{name}" deleted{DRY_RUN_MARK}')
            return
        await groups.delete(name, force=force)
        if wait_s:
            await groups.wait_until_gone(name, timeout=wait_s)

    run_client(context, work)
