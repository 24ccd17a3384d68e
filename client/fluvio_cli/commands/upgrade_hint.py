"""`fluvio update` and `fluvio install` of older releases: how that is done today."""

import click

from fluvio_cli.installed import DISTRIBUTION


@click.command(
    "update", context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@click.argument("package", required=False)
def update(*, package: str | None) -> None:
    """Print how to upgrade this command."""
    del package
    click.echo("This command comes as a Python package. To upgrade it:")
    click.echo(f"  pip install --upgrade {DISTRIBUTION}")


@click.command(
    "install", context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@click.argument("package", required=False)
def install(*, package: str | None) -> None:
    """Print how to install and upgrade this command, and plugins."""
    del package
    click.echo("This command comes as a Python package. To install or upgrade it:")
    click.echo(f"  pip install --upgrade {DISTRIBUTION}")
    click.echo("A plugin is an executable fluvio-<name> on the PATH or in ~/.fluvio/extensions.")
