"""The way in: `async with connect() as client`.

Called by applications and the command line. One client is one cluster at a time: a session with
the controller and the SPUs, and what is made from it. It can be switched to another cluster, and
several clients, of several clusters, live side by side.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
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
from fluvio_client.consumer.selection import Topics, chosen
from fluvio_client.errors import ClientError, ConfigError, FluvioError
from fluvio_client.metadata import Address
from fluvio_client.metrics import ClientCounts, ClientMetrics
from fluvio_client.producer.partitioner import Partitioner
from fluvio_client.producer.producer import Producer, ProducerConfig
from fluvio_client.profile import ProfileStore
from fluvio_client.session import REQUEST_TIMEOUT_S, Session
from fluvio_protocol.record.compression import BatchCompression
from fluvio_protocol.types import Isolation

DEFAULT_CLIENT_ID = "fluvio"
DEFAULT_PORT = 9003
LOCAL_ADDRESS = Address("127.0.0.1", DEFAULT_PORT)
"""Where `fluvio cluster start` puts a controller: tried when nothing at all is configured."""
LOCAL_TIMEOUT_S = 0.2

log = logging.getLogger(__name__)

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
        where, use_local = _target(profile, profile_path)
    else:
        where = parse_address(address)
    return Fluvio(
        where,
        client_id=client_id or os.environ.get("FLUVIO_CLIENT_ID") or DEFAULT_CLIENT_ID,
        use_spu_local_address=use_local,
        timeout_s=timeout_s,
        max_fetch_bytes=_fetch_bytes_of_environment(),
        request_timeout_s=_request_timeout_of_environment(),
        profile_path=profile_path,
    )


def _target(profile: str | None, path: str | Path | None) -> tuple[Address, bool]:
    """Where a profile leads, and whether to use the SPUs' local addresses. Raises ConfigError."""
    store = ProfileStore.load(path)
    nothing_said = profile is None and path is None and "FLV_PROFILE_PATH" not in os.environ
    if nothing_said and not store.exists and _answers(LOCAL_ADDRESS):
        log.warning("no profile file at %s: using the cluster at %s", store.path, LOCAL_ADDRESS)
        return LOCAL_ADDRESS, False
    cluster = store.resolve(profile)
    if cluster.tls_policy != "disabled":
        raise ConfigError(
            f'cluster "{cluster.name}" wants TLS ({cluster.tls_policy}), which this release '
            "does not speak yet"
        )
    return parse_address(cluster.endpoint), cluster.use_spu_local_address


def _answers(address: Address) -> bool:
    """Somebody listens there, on this machine."""
    try:
        with socket.create_connection((address.host, address.port), timeout=LOCAL_TIMEOUT_S):
            return True
    except OSError:
        return False


def _fetch_bytes_of_environment() -> int:
    text = os.environ.get("FLV_CLIENT_MAX_FETCH_BYTES")
    if not text:
        return MAX_BYTES_DEFAULT
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ConfigError(f'FLV_CLIENT_MAX_FETCH_BYTES is "{text}": expected a number of bytes')
    return int(text)


def _request_timeout_of_environment() -> float:
    text = os.environ.get("FLV_SOCKET_WAIT")
    if not text:
        return REQUEST_TIMEOUT_S
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ConfigError(f'FLV_SOCKET_WAIT is "{text}": expected a number of seconds')
    return float(text)


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
    """A client of one cluster at a time; made by `connect`, for one event loop."""

    def __init__(
        self,
        address: Address,
        *,
        client_id: str,
        use_spu_local_address: bool = False,
        timeout_s: float = 10.0,
        max_fetch_bytes: int = MAX_BYTES_DEFAULT,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        profile_path: str | Path | None = None,
    ) -> None:
        """Use `connect`."""
        self._max_fetch_bytes = max_fetch_bytes
        self._request_timeout_s = request_timeout_s
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._profile_path = profile_path
        self._counts = ClientCounts()
        self._session = self._new_session(address, use_spu_local_address)
        self._sessions = {(address, use_spu_local_address): self._session}
        self._switching = asyncio.Lock()
        self._entered = False
        self.admin = Admin(self._session)

    def _new_session(self, address: Address, use_spu_local_address: bool) -> Session:
        return Session(
            address,
            client_id=self._client_id,
            use_spu_local_address=use_spu_local_address,
            connect_timeout_s=self._timeout_s,
            request_timeout_s=self._request_timeout_s,
            counts=self._counts,
        )

    async def __aenter__(self) -> Self:
        if self._entered:
            raise ClientError("a client is entered once; connect again for another one")
        self._entered = True
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        async with AsyncExitStack() as everything:
            for session in self._sessions.values():
                everything.push_async_exit(session)

    async def switch_profile(self, name: str) -> None:
        """Let everything that is begun from now on go to another profile's cluster.

        Producers, consumers and watches that are open stay where they are; the connection to
        their cluster ends with this client. The profile file is only read.
        Raises: ConfigError and its kin, ConnectFailed, VersionMismatch; then all stays as it was.
        """
        if not self._entered or self._session.closed:
            raise ClientError("only a client that is connected can switch: use `async with`")
        target = _target(name, self._profile_path)
        async with self._switching:
            session = self._sessions.get(target)
            if session is None:
                session = self._new_session(*target)
                await session.__aenter__()
                self._sessions[target] = session
            self._session = session
            self.admin = Admin(session)

    @property
    def platform_version(self) -> str:
        """Version of the cluster, as its controller says."""
        return self._session.platform_version

    @property
    def address(self) -> str:
        """Address of the controller."""
        return str(self._session.address)

    @property
    def metrics(self) -> ClientMetrics:
        """What this client has done since it was made, on all clusters that it was switched to,
        and by producers and consumers that are closed, too."""
        sessions = tuple(self._sessions.values())
        return self._counts.metrics(connections_open=sum(one.connections_open for one in sessions))

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
        topics: Topics | None = None,
        *,
        on_error: Literal["yield"],
        pattern: str | None = None,
        partitions: Sequence[int] | int | None = None,
        config: ConsumerConfig | None = None,
        **options: Any,
    ) -> Consumer[Record | FluvioError]: ...

    @overload
    def consumer(
        self,
        topics: Topics | None = None,
        *,
        pattern: str | None = None,
        partitions: Sequence[int] | int | None = None,
        config: ConsumerConfig | None = None,
        **options: Any,
    ) -> Consumer[Record]: ...

    def consumer(
        self,
        topics: Topics | None = None,
        *,
        pattern: str | None = None,
        partitions: Sequence[int] | int | None = None,
        config: ConsumerConfig | None = None,
        **options: Any,
    ) -> Consumer[Any]:
        """A consumer, to be entered with `async with`.

        topics:     one, several, or a mapping of topics to partitions
        pattern:    instead of topics, a glob such as `metrics-*` over their names; case counts.
                    What matches is read whole; when following, topics that come later join from
                    their first record on, and those that are deleted leave without an error. Topics
                    of the cluster itself only match by their exact name
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
            chosen(topics, partitions, pattern),
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
