"""`fluvio table-format`: create, list, describe and delete, how terminals show a topic."""

import sys
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.failure import fail
from fluvio_cli.output import (
    DESCRIBE_MARGIN,
    DESCRIBE_TABLE_MARGIN,
    DRY_RUN_MARK,
    OutputType,
    emit,
    format_columns,
    format_data,
    output_option,
)
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.objects import TableFormat


@click.group("table-format")
def command() -> None:
    """Make, show and delete table formats."""


@command.command("create")
@click.option(
    "-c",
    "--config",
    type=click.File("r"),
    required=True,
    metavar="PATH",
    help="The format in YAML: name, inputFormat, columns.",
)
@click.option("--strict", is_flag=True, help="Refuse a file with keys that mean nothing.")
@click.option("-d", "--dry-run", is_flag=True, help="Only check, make nothing.")
@click.pass_context
def create(context: click.Context, *, config: Any, strict: bool, dry_run: bool) -> None:
    """Store a table format."""
    from fluvio_client import formats
    from fluvio_client.table_format_file import read_table_format

    try:
        found = read_table_format(formats.read(config.read(), "yaml"))
    except ValueError as error:
        fail(f"Invalid argument: {config.name}: {error}")
    for path in found.unknown:
        message = f'{config.name}: unknown key "{path}"'
        if strict:
            fail(f"Invalid argument: {message}")
        click.echo(f"warning: {message} is ignored", err=True)

    async def work(client: "Fluvio") -> None:
        await client.admin.table_formats.create(found.spec, dry_run=dry_run)

    run_client(context, work)
    click.echo(f'tableformat "{found.spec.name}" created{DRY_RUN_MARK if dry_run else ""}')


@command.command("list")
@output_option()
@click.pass_context
def list_formats(context: click.Context, *, output: OutputType) -> None:
    """Show all table formats."""

    async def work(client: "Fluvio") -> "list[TableFormat]":
        return await client.admin.table_formats.list()

    found = run_client(context, work)
    emit(
        output,
        [one.shape() for one in found],
        kind="tableformats",
        empty="no tableformats",
        table=lambda: format_columns(
            [[one.name, _resolution(one)] for one in found], headers=("NAME", "STATUS")
        ),
    )


def _resolution(found: "TableFormat") -> str:
    return found.status.resolution.name.lower()


@command.command("describe")
@click.argument("name")
@output_option()
@click.pass_context
def describe(context: click.Context, *, name: str, output: OutputType) -> None:
    """Show one table format and its columns."""

    async def work(client: "Fluvio") -> "TableFormat":
        return await client.admin.table_formats.get(name)

    found = run_client(context, work)
    if output is not OutputType.TABLE:
        sys.stdout.write(format_data(output, [found.shape()], kind="tableformats"))
        return
    spec = found.spec
    lines = [
        ("Name", found.name),
        ("Input Format", "-" if spec.input_format is None else spec.input_format.name),
        ("SmartModule", spec.smartmodule or "-"),
        ("Status", _resolution(found)),
    ]
    rows = [[f"{key}:{value}"] for key, value in lines] + [["-" * 17]]
    sys.stdout.write(format_columns(rows, margin=DESCRIBE_MARGIN))
    columns = [
        [
            column.header_label or column.key_path,
            column.key_path,
            column.width or "-",
            "-" if column.alignment is None else column.alignment.name.lower(),
            "no" if column.display is False else "yes",
            "yes" if column.primary_key else "no",
        ]
        for column in spec.columns or ()
    ]
    sys.stdout.write(
        format_columns(
            columns,
            headers=("HEADER", "KEY PATH", "WIDTH", "ALIGNMENT", "SHOWN", "PRIMARY KEY"),
            margin=DESCRIBE_TABLE_MARGIN,
        )
    )


@command.command("delete")
@click.argument("name")
@click.option("-d", "--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.pass_context
def delete(context: click.Context, *, name: str, dry_run: bool) -> None:
    """Delete a table format; says nothing when that worked."""

    async def work(client: "Fluvio") -> None:
        if dry_run:
            await client.admin.table_formats.get(name)
            click.echo(f'tableformat "{name}" deleted{DRY_RUN_MARK}')
        else:
            await client.admin.table_formats.delete(name)

    run_client(context, work)
