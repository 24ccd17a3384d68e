"""`fluvio completions`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class


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
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    completion = kind(context.find_root().command, {}, name, variable)
    try:
        click.echo(completion.source())
    except RuntimeError as error:  # bash is too old, or not there
        raise click.ClickException(str(error)) from error
