"""Commands that show objects now and after every change, until Ctrl-C or until the cluster goes."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

import click

from fluvio_cli.interrupt import Interrupt
from fluvio_cli.target import run_client
from fluvio_client.objects import AdminObject
from fluvio_client.repository import Change, Event, Repository

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio

S = TypeVar("S")
T = TypeVar("T", bound=AdminObject)


def watch_list(
    context: click.Context,
    repository_of: "Callable[[Fluvio], Repository[T]]",
    show: Callable[[list[T]], None],
) -> None:
    """Show the list of a kind again whenever it is another one. Raises Failure, FluvioError."""

    async def work(client: "Fluvio") -> None:
        repository = repository_of(client)
        shown = await repository.list()
        _print(show, shown)
        async with aclosing(repository.watch()) as changes:
            async for change in changes:
                known = {one.name: one for one in shown}
                name = change.object.name
                if known.get(name) == (None if change.event is Event.DELETED else change.object):
                    continue  # the list that is shown was younger
                found = await repository.list()
                if found != shown:
                    shown = found
                    _print(show, shown)

    _run(context, work)


def watch_changes(
    context: click.Context,
    repository_of: "Callable[[Fluvio], Repository[T]]",
    names: Collection[str],
    show: Callable[[Change[T]], None],
) -> None:
    """Show every object, then every change; only those of `names`, when there are any."""

    async def work(client: "Fluvio") -> None:
        changes: AsyncGenerator[Change[T], None] = repository_of(client).watch()
        async with aclosing(changes):
            async for change in changes:
                if not names or change.object.name in names:
                    _print(show, change)

    _run(context, work)


def _print(show: Callable[[S], None], shown: S) -> None:
    show(shown)
    sys.stdout.flush()  # who reads along waits for it


def _run(context: click.Context, work: "Callable[[Fluvio], Awaitable[None]]") -> None:
    interrupt = Interrupt()

    async def guarded(client: "Fluvio") -> None:
        await interrupt.guard(work(client))

    with interrupt:
        run_client(context, guarded)
