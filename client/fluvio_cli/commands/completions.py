"""`fluvio completions`: what a shell needs to complete commands, options and names."""

import click
from click.shell_completion import get_completion_class

VARIABLE = "_FLUVIO_COMPLETE"
"""By which the shell asks, whatever name the command is called by."""


@click.command("completions")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option(
    "--name",
    default="fluvio",
    show_default=True,
    metavar="NAME",
    help="Name that the command is called by.",
)
@click.pass_context
def command(context: click.Context, *, shell: str, name: str) -> None:
    """Print completions for bash, zsh or fish."""
    kind = get_completion_class(shell)
    assert kind is not None
    completion = kind(context.find_root().command, {}, name, VARIABLE)
    try:
        click.echo(completion.source())
    except RuntimeError as error:  # bash is too old, or not there
        raise click.ClickException(str(error)) from error
