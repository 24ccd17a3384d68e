"""Clients of several clusters at once: `async with connect_many("a", "b") as clusters`.

Called by applications. Each client is one as `connect` makes it; this only lets them begin and end
together. Invariant: either all are connected, or none is left open.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType

from fluvio_client.errors import ConfigError, FluvioError, ProfileNotConnected
from fluvio_client.fluvio import Fluvio, connect


def connect_many(
    *profiles: str,
    client_id: str | None = None,
    timeout_s: float = 10.0,
    profile_path: str | Path | None = None,
) -> "Clusters":
    """Clients of these profiles' clusters, by profile; enter it with `async with`.

    timeout_s: to connect to a server
    Raises:    ConfigError and its kin at once, also for no profile and for one said twice;
               ProfileNotConnected when entered
    """
    check_profiles(profiles)
    return Clusters(
        {
            name: connect(name, client_id=client_id, timeout_s=timeout_s, profile_path=profile_path)
            for name in profiles
        }
    )


def check_profiles(profiles: tuple[str, ...]) -> None:
    """Raises: ConfigError for none at all, and for one that is said twice."""
    if not profiles:
        raise ConfigError("name a profile at least")
    twice = sorted({name for name in profiles if profiles.count(name) > 1})
    if twice:
        raise ConfigError(f"profile {twice[0]} is named twice")


class Clusters:
    """Made by `connect_many`; entered once, as its clients are."""

    def __init__(self, clients: Mapping[str, Fluvio]) -> None:
        """Use `connect_many`."""
        self._clients = MappingProxyType(dict(clients))
        self._entered = AsyncExitStack()

    async def __aenter__(self) -> Mapping[str, Fluvio]:
        """Connect to all of them at the same time.

        Raises: ProfileNotConnected for the first that fails; by then the others are closed.
        """
        async with AsyncExitStack() as entered:
            try:
                async with asyncio.TaskGroup() as connecting:
                    for name, client in self._clients.items():
                        connecting.create_task(_enter(name, client, entered))
            except ExceptionGroup as failures:
                first = failures.exceptions[0]
                raise first from first.__cause__
            self._entered = entered.pop_all()
        return self._clients

    async def __aexit__(self, *error: object) -> None:
        await self._entered.aclose()


async def _enter(name: str, client: Fluvio, entered: AsyncExitStack) -> None:
    try:
        await client.__aenter__()
    except FluvioError as error:
        raise ProfileNotConnected(name, error) from error
    entered.push_async_exit(client)
