"""`fluvio smartmodule build` and `generate`: write a SmartModule in C, and compile it.

Neither needs a cluster. `smartmodule.py` puts both into its group.
"""

import re
from pathlib import Path

import click

from fluvio_cli.failure import fail

KINDS = ("filter", "map", "filter_map", "array_map", "aggregate")


@click.command("build")
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE.c")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where the module goes; else beside the source, with the ending .wasm.",
)
@click.pass_context
def build(context: click.Context, *, source: Path, output: Path | None) -> None:
    """Compile a SmartModule that is written in C.

    The source includes fluvio_smartmodule.h, which comes with fluvio and says how to use it. The
    compiler is in the Python package "ziglang".
    """
    from fluvio_cli.smartmodules.compiler import compile_module

    if source.suffix != ".c":
        fail(f"{source}: not a C source; its name must end with .c")
    if not source.is_file():
        fail(f"{source}: No such file")
    target = output or source.with_suffix(".wasm")
    if not target.parent.is_dir():
        fail(f"{target.parent}: No such directory")
    if not compile_module(source, target):
        context.exit(1)
    click.echo(f'smartmodule "{target}" has been built ({target.stat().st_size} bytes)')


@click.command("generate")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="filter",
    show_default=True,
    metavar="KIND",
    help=f"What it does with records: {', '.join(KINDS)}.",
)
@click.option(
    "--ready-made",
    metavar="MODULE",
    help="Begin with the source of a module that comes with fluvio.",
)
@click.option(
    "-d",
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    metavar="PATH",
    help="The folder to write to, instead of the current one.",
)
@click.pass_context
def generate(
    context: click.Context, *, name: str, kind: str, ready_made: str | None, directory: Path
) -> None:
    """Write the source of a new SmartModule, to begin with."""
    from fluvio_cli.failure import exclude
    from fluvio_cli.smartmodules.templates import template

    exclude(context, "kind", "ready_made")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
        fail(f"\"{name}\": a SmartModule's name may use a-z, 0-9 and '-'")
    files = template(name, kind=kind, ready_made=ready_made)
    for file_name in files:
        if (directory / file_name).exists():
            fail(f"{directory / file_name}: there is such a file already")
    for file_name, content in files.items():
        (directory / file_name).write_text(content, "utf-8")
    source = directory / f"{name}.c"
    click.echo(f"{source} has been written; compile it with")
    click.echo(f"  fluvio smartmodule build {source}")
