"""The way in: `async with connect() as client`.

Called by applications and the command line. One client is one cluster: a session with the
controller and the SPUs, and what is made from it. Several clients, of several clusters, live side
by side.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, overload

from fluvio_client.admin import Admin
from fluvio_client.consumer.config import (
    MAX_BYTES_DEFAULT,
    Commit,
    ConsumerConfig,
    OnError,
    OnEvicted,
)
from fluvio_client.consumer.consumer import Consumer
from fluvio_client.consumer.offsets import Offset
from fluvio_client.consumer.record import Record
from fluvio_client.consumer.selection import Topics, select
from fluvio_client.errors import ClientError, ConfigError, FluvioError
from fluvio_client.metadata import Address
from fluvio_client.producer.partitioner import Partitioner
from fluvio_client.producer.producer import Producer, ProducerConfig
from fluvio_client.profile import ProfileStore
from fluvio_client.session import Session
from fluvio_protocol.record.compression import BatchCompression
from fluvio_protocol.types import Isolation

DEFAULT_CLIENT_ID = "fluvio"
DEFAULT_PORT = 9003

E = TypeVar("E", Isolation, BatchCompression)


def connect(
    profile: str | None = None,
    *,
    address: str | None = None,
    client_id: str | None = None,
    timeout_s: float = 10.0,
    profile_path: str | Path | None = None,
) -> "Fluvio":
    """A client to enter with `async with`; that is when it connects.

    profile:      name of a profile; else `$FLUVIO_PROFILE`, else the current one
    address:      `host:port` of the controller instead; else `$FLUVIO_CLUSTER`
    timeout_s:    to connect to a server
    profile_path: of the profile file instead of the usual place
    Raises:       ConfigError and its kin at once; ConnectFailed and VersionMismatch when entered
    """
    if profile is not None and address is not None:
        raise ConfigError("name a profile or an address, not both")
    if profile is None and address is None:
        profile = os.environ.get("FLUVIO_PROFILE") or None
        address = None if profile else os.environ.get("FLUVIO_CLUSTER") or None
    use_local = False
    if address is None:
        cluster = ProfileStore.load(profile_path).resolve(profile)
        if cluster.tls_policy != "disabled":
            raise ConfigError(
                f'cluster "{cluster.name}" wants TLS ({cluster.tls_policy}), which this release '
                "does not speak yet"
            )
        address, use_local = cluster.endpoint, cluster.use_spu_local_address
    return Fluvio(
        parse_address(address),
        client_id=client_id or os.environ.get("FLUVIO_CLIENT_ID") or DEFAULT_CLIENT_ID,
        use_spu_local_address=use_local,
        timeout_s=timeout_s,
        max_fetch_bytes=_fetch_bytes_of_environment(),
    )


def _fetch_bytes_of_environment() -> int:
    text = os.environ.get("FLV_CLIENT_MAX_FETCH_BYTES")
    if not text:
        return MAX_BYTES_DEFAULT
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ConfigError(f'FLV_CLIENT_MAX_FETCH_BYTES is "{text}": expected a number of bytes')
    return int(text)


def parse_address(text: str) -> Address:
    """`host:port`, `[ipv6]:port`, or a host alone. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if (
        not host
        or not host.isprintable()
        or set(host) & set(" /@")
        or not port.isascii()
        or not port.isdigit()
        or not 0 < int(port) < 65536
    ):
        raise ConfigError(f'"{text}" is no address: expected host:port')
    return Address(host, int(port))


class Fluvio:
    """A client of one cluster; made by `connect`, for one event loop."""

    def __init__(
        self,
        address: Address,
        *,
        client_id: str,
        use_spu_local_address: bool = False,
        timeout_s: float = 10.0,
        max_fetch_bytes: int = MAX_BYTES_DEFAULT,
    ) -> None:
        """Use `connect`."""
        self._max_fetch_bytes = max_fetch_bytes
        self._session = Session(
            address,
            client_id=client_id,
            use_spu_local_address=use_spu_local_address,
            connect_timeout_s=timeout_s,
        )
        self._entered = False
        self.admin = Admin(self._session)

    async def __aenter__(self) -> Self:
        if self._entered:
            raise ClientError("a client is entered once; connect again for another one")
        self._entered = True
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.__aexit__(*error)

    @property
    def platform_version(self) -> str:
        """Version of the cluster, as its controller says."""
        return self._session.platform_version

    @property
    def address(self) -> str:
        """Address of the controller."""
        return str(self._session.address)

    def producer(
        self,
        topic: str,
        *,
        config: ProducerConfig | None = None,
        partitioner: Partitioner | None = None,
        **options: Any,
    ) -> Producer:
        """A producer for one topic, to be entered with `async with`.

        options: fields of ProducerConfig, over those of `config`; isolation and compression by
                 name too. Raises TypeError for an unknown option, ValueError for a bad value.
        """
        if isinstance(options.get("isolation"), str):
            options["isolation"] = enum_named(Isolation, options["isolation"])
        if isinstance(options.get("compression"), str):
            options["compression"] = enum_named(BatchCompression, options["compression"])
        return Producer(
            self._session, topic, replace(config or ProducerConfig(), **options), partitioner
        )

    @overload
    def consumer(
        self,
        topics: Topics,
        *,
        on_error: Literal["yield"],
        partitions: Sequence[int] | int | None = None,
        config: ConsumerConfig | None = None,
        **options: Any,
    ) -> Consumer[Record | FluvioError]: ...

    @overload
    def consumer(
        self,
        topics: Topics,
        *,
        partitions: Sequence[int] | int | None = None,
        config: ConsumerConfig | None = None,
        **options: Any,
    ) -> Consumer[Record]: ...

    def consumer(
        self,
        topics: Topics,
        *,
        partitions: Sequence[int] | int | None = None,
        config: ConsumerConfig | None = None,
        **options: Any,
    ) -> Consumer[Any]:
        """A consumer, to be entered with `async with`.

        topics:     one, several, or a mapping of topics to partitions
        partitions: of each topic: one, several, or None for all; then also those that come later
        options:    fields of ConsumerConfig, over those of `config`; start also as a number,
                    "beginning" or "end", isolation, commit, on_error and on_evicted by name.
                    Raises TypeError for an unknown option, ValueError for a bad value,
                    OffsetManagementDisabled.
        """
        if "start" in options:
            options["start"] = Offset.of(options["start"])
        if isinstance(options.get("isolation"), str):
            options["isolation"] = enum_named(Isolation, options["isolation"])
        for name, kind in (("commit", Commit), ("on_error", OnError), ("on_evicted", OnEvicted)):
            if name in options:
                options[name] = kind(options[name])
        if config is None:
            options.setdefault("max_bytes", self._max_fetch_bytes)
        return Consumer(
            self._session,
            select(topics, partitions),
            replace(config or ConsumerConfig(), **options),
        )


def enum_named(kind: type[E], name: str) -> E:
    """A member by name, however it is spelt: `read_committed`, `ReadCommitted`, `committed`.

    Raises: ValueError.
    """
    plain = name.replace("_", "").replace("-", "").lower()
    for member in kind:
        spelling = member.name.replace("_", "").lower()
        if plain in (spelling, spelling.removeprefix("read")):
            return member
    raise ValueError(f'"{name}" is none of {", ".join(one.name.lower() for one in kind)}')
