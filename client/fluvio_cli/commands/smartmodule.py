"""`fluvio smartmodule`: programs that clusters run over records.

`build`, `generate` and `test`, which need no cluster, are beside it.
"""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fluvio_cli.commands.smartmodule_build import build, generate
from fluvio_cli.commands.smartmodule_describe import describe
from fluvio_cli.commands.smartmodule_stats import stats
from fluvio_cli.commands.smartmodule_test import test
from fluvio_cli.failure import Failure, exclude
from fluvio_cli.output import DRY_RUN_MARK, OutputType, emit, format_columns, output_option
from fluvio_cli.quantities import format_size_bytes
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.objects import SmartModule


@click.group("smartmodule")
def command() -> None:
    """Write, compile, try, store and show SmartModules."""


command.add_command(generate)
command.add_command(build)
command.add_command(test)
command.add_command(describe)
command.add_command(stats)


@command.command("create")
@click.argument("name")
@click.option(
    "--wasm-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="WebAssembly, gzip or plain.",
)
@click.option(
    "--ready-made", metavar="MODULE", help="One that comes with fluvio, instead of a file."
)
@click.option(
    "--strict", is_flag=True, help="Refuse what no SPU could run, which else is warned of."
)
@click.option("-d", "--dry-run", is_flag=True, help="Only check, strictly; make nothing.")
@click.pass_context
def create(
    context: click.Context,
    *,
    name: str,
    wasm_file: Path | None,
    ready_made: str | None,
    strict: bool,
    dry_run: bool,
) -> None:
    """Store a module in the cluster, or replace it.

    Its code is looked at, not run: a terminal is told what was found.
    """
    exclude(context, "wasm_file", "ready_made")
    if wasm_file is not None:
        code = wasm_file.read_bytes()
    elif ready_made is not None:
        from fluvio_cli.smartmodules import ready_made as modules

        code = modules.wasm(ready_made)
    else:
        raise click.UsageError("say either --wasm-file or --ready-made", context)
    _look_at(name, code, strict=strict or dry_run)

    async def work(client: "Fluvio") -> None:
        await client.admin.smart_modules.create(name, code, dry_run=dry_run)

    run_client(context, work)
    click.echo(f'smartmodule "{name}" has been created.{DRY_RUN_MARK if dry_run else ""}')


def _look_at(name: str, code: bytes, *, strict: bool) -> None:
    """Say what kind of module it is. strict: raise ServerError for none, instead of warning."""
    from fluvio_client.errors import server_error
    from fluvio_protocol import wasm

    try:
        nature = wasm.examined(code)
    except wasm.UnfitCode as unfit:
        if strict:
            raise server_error(unfit.status(name)) from unfit
        click.echo(f"warning: no SPU can run it: {unfit}", err=True)
        return
    if nature.unused_kinds:
        others = ", ".join(nature.unused_kinds)
        click.echo(f"warning: it runs as {nature.kind}; {others}: never called", err=True)
    if sys.stderr.isatty():
        also = [word for word in ("init", "look_back") if getattr(nature, f"has_{word}")]
        click.echo(f"kind: {nature.kind}{' with ' if also else ''}{' and '.join(also)}", err=True)


@command.command("list")
@output_option()
@click.option("--ready-made", is_flag=True, help="Those that come with fluvio, and what they do.")
@click.pass_context
def list_modules(context: click.Context, *, output: OutputType, ready_made: bool) -> None:
    """Show all modules that are stored."""
    if ready_made:
        _list_ready_made(output)
        return

    async def work(client: "Fluvio") -> "list[SmartModule]":
        return await client.admin.smart_modules.list()

    _show(output, run_client(context, work))


def _show(output: OutputType, found: "list[SmartModule]") -> None:
    emit(
        output,
        [one.shape() for one in found],
        kind="smartmodules",
        empty="no smartmodules",
        table=lambda: format_columns(
            [[one.name, _size(one)] for one in found], headers=("SMARTMODULE", "SIZE")
        ),
    )


@command.command("watch")
@output_option()
@click.pass_context
def watch(context: click.Context, *, output: OutputType) -> None:
    """Show all modules that are stored, now and after every change, until Ctrl-C.

    It ends with an error when the cluster goes away.
    """
    from fluvio_cli.watching import watch_list

    watch_list(context, lambda client: client.admin.smart_modules, partial(_show, output))


def _list_ready_made(output: OutputType) -> None:
    from fluvio_cli.smartmodules import ready_made as modules

    rows = [[name, modules.kind(name), modules.description(name)] for name in modules.names()]
    emit(
        output,
        [dict(zip(("name", "kind", "description"), row, strict=True)) for row in rows],
        kind="smartmodules",
        empty="no smartmodules",
        table=lambda: format_columns(rows, headers=("SMARTMODULE", "KIND", "DESCRIPTION")),
    )


def _size(found: "SmartModule") -> str:
    summary = found.spec.summary
    return "-" if summary is None else format_size_bytes(summary.wasm_length)


@command.command("delete")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_context
def delete(context: click.Context, *, names: tuple[str, ...]) -> None:
    """Remove modules; streams that run them go on."""

    from fluvio_client.errors import ServerError
    from fluvio_protocol.errors import ErrorCode

    async def work(client: "Fluvio") -> None:
        for name in names:
            try:
                await client.admin.smart_modules.delete(name)
            except ServerError as error:
                if error.error_code is not ErrorCode.SMART_MODULE_NOT_FOUND:
                    raise
                raise Failure(f"SmartModule not found: {name}") from error
            click.echo(f'smartmodule "{name}" deleted')

    run_client(context, work)
