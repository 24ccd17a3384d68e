"""`fluvio object`: objects of any kind as manifests: got, watched, applied and compared."""

import json
from typing import TYPE_CHECKING

import click

from fluvio_cli.commands import apply, diff
from fluvio_cli.failure import Parsed
from fluvio_cli.output import OutputType, format_data, format_yaml
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.objects import AdminObject
    from fluvio_client.repository import Change
    from fluvio_protocol.metadata.kinds import Kind


@click.group("object")
def command() -> None:
    """Objects of any kind as manifests, as kubectl has them."""


command.add_command(apply.command)
command.add_command(diff.command)


def _kind(word: str) -> "Kind":
    from fluvio_client.admin import kind_named
    from fluvio_protocol.metadata.kinds import Kind

    kind = kind_named(word)
    return Kind.SPU if kind is Kind.CUSTOM_SPU else kind


@command.command("get")
@click.argument("kind", type=Parsed("KIND", _kind))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "-O",
    "--output",
    type=click.Choice([OutputType.YAML.value, OutputType.JSON.value], case_sensitive=False),
    default=OutputType.YAML.value,
    show_default=True,
    metavar="TYPE",
    help="Output format: yaml, one document per object, or json, a list.",
)
@click.pass_context
def get(context: click.Context, *, kind: "Kind", names: tuple[str, ...], output: str) -> None:
    """Print objects as manifests that `apply` takes: all of a kind, or those of these names."""
    from fluvio_cli.manifests import write_manifest

    async def work(client: "Fluvio") -> "list[AdminObject]":
        repository = client.admin.of(kind)
        found: list[AdminObject] = (
            [await repository.get(name) for name in names] if names else await repository.list()
        )
        if kind.value == "SmartModule":
            modules = client.admin.smart_modules
            found = [await modules.get_with_code(one.name) for one in found]
        return found

    manifests = [write_manifest(kind, one.name, one.spec) for one in run_client(context, work)]
    if output == OutputType.JSON:
        click.echo(format_data(OutputType.JSON, manifests), nl=False)
        return
    click.echo("---\n".join(format_yaml(manifest) for manifest in manifests), nl=False)


@command.command("watch")
@click.argument("kind", type=Parsed("KIND", _kind))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "-O",
    "--output",
    type=click.Choice([OutputType.TABLE.value, OutputType.JSON.value], case_sensitive=False),
    default=OutputType.TABLE.value,
    show_default=True,
    metavar="TYPE",
    help="Output format: table, a line of words per change, or json, a line of JSON.",
)
@click.pass_context
def watch(context: click.Context, *, kind: "Kind", names: tuple[str, ...], output: str) -> None:
    """Tell of all objects of a kind, or those of these names, and of every change, until Ctrl-C.

    It ends with an error when the cluster goes away.
    """
    from fluvio_cli.watching import watch_changes
    from fluvio_client.repository import Event

    def show(change: "Change[AdminObject]") -> None:
        found = change.object
        if output == OutputType.JSON:
            shape = {"event": change.event.value, "kind": kind.value, **found.shape()}
            click.echo(json.dumps(shape, ensure_ascii=False, default=str))
        else:
            resolution = getattr(found.status, "resolution", None)
            words = [change.event.value, kind.value, found.name]
            if resolution is not None and change.event is not Event.DELETED:
                words.append(resolution.name.lower())
            click.echo(" ".join(words))

    watch_changes(context, lambda client: client.admin.of(kind), names, show)
