"""`fluvio metadata`, hidden: what this command is, for programs that list it."""

import json

import click

from fluvio_cli import installed


@click.command("metadata")
def command() -> None:
    """Print what this command is, as a JSON list."""
    said = {
        "title": "Fluvio CLI",
        "package": "fluvio/fluvio",
        "description": "Event streaming from the command line",
        "version": installed.version(),
    }
    click.echo(json.dumps([said], indent=2))
