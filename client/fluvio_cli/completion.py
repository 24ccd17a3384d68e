"""What the shell completes: names of topics, consumers, SPUs and the like, asked from the cluster.

`attach` gives a command's parameters their kinds of names by a table. Completing must never get
in the way of typing: a short time-out, and silence about whatever goes wrong.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from fluvio_cli.target import client_id, target_of

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio

TIMEOUT_S = 1.5
"""For everything, from connecting to the last name."""
NAMES_MAX = 500
"""More do not help anybody who looks at them."""

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _of_cluster(ask: "Callable[[Fluvio], Awaitable[list[str]]]") -> Complete:
    """Names that `ask` gets from the cluster which the command line means."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from fluvio_client.fluvio import connect

        async def names() -> list[str]:
            target = target_of(context)
            async with asyncio.timeout(TIMEOUT_S):
                async with connect(
                    target.profile,
                    address=target.cluster,
                    client_id=client_id(),
                    timeout_s=TIMEOUT_S,
                ) as client:
                    return await ask(client)

        return _silently(lambda: asyncio.run(names()), context, parameter, incomplete)

    return complete


def _silently(
    names: Callable[[], list[str]],
    context: click.Context,
    parameter: click.Parameter,
    incomplete: str,
) -> list[CompletionItem]:
    """Those names that continue the word, and are not written already; none when it fails."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        found = sorted(set(names()))
    except Exception:  # whatever it is: the line that is being typed stays as it is
        return []
    finally:
        logging.disable(level)
    given = context.params.get(str(parameter.name)) or ()
    written = given if isinstance(given, tuple) else ()
    fitting = [name for name in found if name.startswith(incomplete) and name not in written]
    return [CompletionItem(name) for name in fitting[:NAMES_MAX]]


async def _topics(client: "Fluvio") -> list[str]:
    return [one.name for one in await client.admin.topics.list()]


async def _partitions(client: "Fluvio") -> list[str]:
    return [one.name for one in await client.admin.partitions.list()]


async def _consumers(client: "Fluvio") -> list[str]:
    return [one.consumer_id for one in await client.admin.consumers.list()]


async def _spus(client: "Fluvio") -> list[str]:
    return [one.name for one in await client.admin.spus.list()]


async def _spu_ids(client: "Fluvio") -> list[str]:
    return [str(one.spec.id) for one in await client.admin.spus.list()]


async def _groups(client: "Fluvio") -> list[str]:
    return [one.name for one in await client.admin.spu_groups.list()]


async def _table_formats(client: "Fluvio") -> list[str]:
    return [one.name for one in await client.admin.table_formats.list()]


async def _smart_modules(client: "Fluvio") -> list[str]:
    return [one.name for one in await client.admin.smart_modules.list()]


def profiles(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of profiles; of the file alone, without a cluster."""
    from fluvio_client.profile import ProfileStore

    def names() -> list[str]:
        return [one.name for one in ProfileStore.load().profiles()]

    return _silently(names, context, parameter, incomplete)


def _profile_clusters(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from fluvio_client.profile import ProfileStore

    def names() -> list[str]:
        return [one.name for one in ProfileStore.load().clusters()]

    return _silently(names, context, parameter, incomplete)


TOPICS = _of_cluster(_topics)
CONSUMERS = _of_cluster(_consumers)
SPU_GROUPS = _of_cluster(_groups)
TABLE_FORMATS = _of_cluster(_table_formats)
SMART_MODULES = _of_cluster(_smart_modules)
EVERYWHERE: dict[str, Complete] = {
    "spu": _of_cluster(_spu_ids),
    "spu_id": _of_cluster(_spu_ids),
    "topic": TOPICS,
    "topics": TOPICS,
    "consumer": CONSUMERS,
    "consumer_id": CONSUMERS,
    "table_format": TABLE_FORMATS,
    "smartmodule": SMART_MODULES,
}
"""By the name of the parameter, in any command."""
NAMED: dict[str, Complete] = {
    "topic describe": TOPICS,
    "topic delete": TOPICS,
    "topic update": TOPICS,
    "topic add-partition": TOPICS,
    "topic lag": TOPICS,
    "partition describe": _of_cluster(_partitions),
    "partition elect": _of_cluster(_partitions),
    "partition move": _of_cluster(_partitions),
    "partition replicas": _of_cluster(_partitions),
    "smartmodule delete": SMART_MODULES,
    "smartmodule describe": SMART_MODULES,
    "smartmodule stats": SMART_MODULES,
    "smartmodule test": SMART_MODULES,
    "table-format describe": TABLE_FORMATS,
    "table-format delete": TABLE_FORMATS,
    "profile switch": profiles,
    "profile rename": profiles,
    "profile delete": profiles,
    "profile delete-cluster": _profile_clusters,
    "profile export": profiles,
    "cluster spu describe": _of_cluster(_spus),
    "cluster spu unregister": _of_cluster(_spus),
    "cluster spg describe": SPU_GROUPS,
    "cluster spg delete": SPU_GROUPS,
}
"""By the words of the command: what its `name`, `names` or `old` is a name of."""
_NAME_PARAMETERS = ("name", "names", "old")


def attach(command: click.Command, path: str) -> None:
    """Let parameters that are names be completed, of the command at `path` and those below it."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            attach(inner, f"{path} {name}")
    for parameter in command.params:
        if parameter.name in _NAME_PARAMETERS:
            complete = NAMED.get(path)
        else:
            complete = EVERYWHERE.get(str(parameter.name))
        if complete is not None:
            parameter._custom_shell_complete = complete
