"""`cluster spu` and `cluster spg`: SPUs and groups of SPUs as objects."""

from typing import TYPE_CHECKING

import click

from fluvio_cli.failure import Parsed
from fluvio_cli.output import LIST_MARGIN, OutputType, emit, format_columns, output_option
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_protocol.metadata.kinds import Metadata

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
    """Show, register and unregister SPUs."""


@spu.command("list")
@click.option("--custom", is_flag=True, help="Only SPUs that the user runs")
@output_option()
@click.pass_context
def list_spus(context: click.Context, *, custom: bool, output: OutputType) -> None:
    """Show SPUs."""
    from fluvio_client import shapes
    from fluvio_protocol.metadata.spu import SpuType

    found = run_client(context, lambda client: client.admin.spus.list())
    if custom:
        found = [one for one in found if one.spec.spu_type is SpuType.CUSTOM]
    emit(
        output,
        [shapes.spu(one) for one in found],
        kind="spus",
        empty="no spu",
        table=lambda: _spu_table(found),
    )


def _spu_table(found: "list[Metadata]") -> str:
    from fluvio_client.shapes import camel_case

    rows = [
        (
            str(one.spec.id),
            one.name,
            camel_case(one.status.resolution.name),
            f'"{one.spec.spu_type.name.lower()}"',
            one.spec.rack or "-",
            f"{one.spec.public_endpoint.host or ''}:{one.spec.public_endpoint.port}",
            f"{one.spec.private_endpoint.host}:{one.spec.private_endpoint.port}",
        )
        for one in found
    ]
    return format_columns(
        rows, headers=("ID", "NAME", "STATUS", "TYPE", "RACK", "PUBLIC", "PRIVATE")
    )


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
) -> None:
    """Make an SPU known that you run yourself."""

    async def work(client: "Fluvio") -> None:
        await client.admin.custom_spus.register(
            spu_id, public=public, private=private, public_local=public_local, name=name, rack=rack
        )

    run_client(context, work)


@spu.command("unregister")
@click.option("-i", "--id", "spu_id", type=int, metavar="ID", help="Id of the SPU")
@click.option("-n", "--name", metavar="NAME", help="Name of the SPU")
@click.pass_context
def unregister(context: click.Context, *, spu_id: int | None, name: str | None) -> None:
    """Forget an SPU that you run yourself."""
    key = spu_id if spu_id is not None else name
    if key is None or (spu_id is not None and name is not None):
        raise click.UsageError("give either '--id <ID>' or '--name <NAME>'", context)
    run_client(context, lambda client: client.admin.custom_spus.unregister(key))


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
@click.pass_context
def create_group(
    context: click.Context,
    *,
    name: str,
    replicas: int,
    min_id: int,
    rack: str | None,
    storage_size: str | None,
) -> None:
    """Make a group of SPUs."""

    async def work(client: "Fluvio") -> None:
        await client.admin.spu_groups.create(
            name, replicas, min_id=min_id, rack=rack, storage_size=storage_size
        )

    run_client(context, work)


@spg.command("list")
@output_option()
@click.pass_context
def list_groups(context: click.Context, *, output: OutputType) -> None:
    """Show groups of SPUs."""
    from fluvio_client import shapes

    found = run_client(context, lambda client: client.admin.spu_groups.list())
    emit(
        output,
        [shapes.spu_group(one) for one in found],
        kind="spgs",
        empty="no groups",
        table=lambda: group_table(found),
    )


def group_table(found: "list[Metadata]") -> str:
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


@spg.command("delete")
@click.argument("name")
@click.pass_context
def delete_group(context: click.Context, *, name: str) -> None:
    """Delete a group and its SPUs."""
    run_client(context, lambda client: client.admin.spu_groups.delete(name))
