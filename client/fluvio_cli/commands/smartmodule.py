"""`fluvio smartmodule`: programs that clusters run over records. Its commands are beside it."""

import click

from fluvio_cli.commands.smartmodule_build import build, generate


@click.group("smartmodule")
def command() -> None:
    """Write and compile SmartModules."""


command.add_command(generate)
command.add_command(build)
