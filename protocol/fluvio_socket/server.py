"""Accepts connections and gives each a session. The SPU and the controller serve their doors so.

    async with FrameServer("spu-public", make_session) as server:
        await server.start("127.0.0.1", 9005)
        ...

Knows nothing of what the frames mean. Leaving the block stops the server: it stops listening,
cancels what connections spawned, closes them, and waits for their children to end. An exception
in a session closes its connection and never reaches the server.
"""

import asyncio
import errno
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from fluvio_socket.connection import Connection, SessionFactory
from fluvio_socket.connection_group import ConnectionGroup, ConnectionLimits
from fluvio_socket.errors import ListenFailed
from fluvio_socket.plain_socket import address_text, listen_on, tune

logger = logging.getLogger(__name__)

_ACCEPTS_PER_EVENT = 128
_NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits(ConnectionLimits):
    """Bounds of a server and its connections.

    connections_max:       further ones are refused at once
    accept_retry_s:        pause in accepting when the process has no more file descriptors
    """

    connections_max: int = 10_000
    listen_backlog: int = 1024
    accept_retry_s: float = 0.5


class FrameServer:
    """A listening server; `async with` gives it the task group its children live in.

    name:            for the log
    session_factory: called with each new connection; an exception closes the connection
    ssl_context:     serve TLS with it
    clock:           monotonic seconds, for the sweep of stalled peers
    """

    def __init__(
        self,
        name: str,
        session_factory: SessionFactory,
        *,
        limits: ServerLimits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.limits = limits or ServerLimits()
        self._session_factory = session_factory
        self._ssl_context = ssl_context
        self._clock = clock
        self._task_group = asyncio.TaskGroup()
        self._group: ConnectionGroup | None = None
        self._listeners: list[socket.socket] = []
        self._handshakes: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._refused_count = 0
        self._refused_logged_at_s = float("-inf")
        self._out_of_resources = False

    async def __aenter__(self) -> Self:
        await self._task_group.__aenter__()
        self._group = ConnectionGroup(
            self.limits, is_server=True, task_group=self._task_group, clock=self._clock
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The error is not told to the task group, which would wrap it: the group's tasks, all of
        # them children of connections, are cancelled here and never raise.
        self._close_all()
        try:
            await self._task_group.__aexit__(None, None, None)
        finally:
            self._close_all()

    @property
    def port(self) -> int:
        """The port listened on. Raises ListenFailed before `start`."""
        if not self._listeners:
            raise ListenFailed(f"{self.name} does not listen")
        return int(self._listeners[0].getsockname()[1])

    @property
    def connection_count(self) -> int:
        """Connections that are open, those still in a TLS handshake included."""
        return len(self._entered().connections) + len(self._handshakes)

    @property
    def connections(self) -> Iterable[Connection]:
        """The open connections, at this moment."""
        return tuple(self._entered().connections)

    async def start(self, host: str, port: int) -> None:
        """Listen on all addresses of `host` ("" means all of this machine); 0 chooses a port.

        Raises ListenFailed, which names the address.
        """
        loop = self._entered().loop
        try:
            self._listeners += await listen_on(loop, host, port, self.limits.listen_backlog)
        except OSError as error:
            raise ListenFailed(
                f"cannot listen on {address_text((host, port))}: {error.strerror or error}"
            ) from error
        self._accept_again()
        logger.info(
            "server_started server=%s address=%s",
            self.name,
            ",".join(address_text(listener.getsockname()) for listener in self._listeners),
        )

    async def stop(self) -> None:
        """Stop listening, close all connections, and wait until their children have ended."""
        group = self._entered()
        children = {child for connection in group.connections for child in connection.children}
        children |= self._handshakes
        self._close_all()
        others = [child for child in children if child is not asyncio.current_task()]
        if others:
            await asyncio.wait(others)
        await asyncio.sleep(0)  # sessions hear of their loss from the loop, before us
        logger.info("server_stopped server=%s", self.name)

    def sweep(self) -> None:
        """Close connections whose peers stall; a timer does it every few seconds."""
        self._entered().sweep()

    def _entered(self) -> ConnectionGroup:
        if self._group is None:
            raise RuntimeError(f'{self.name} must be entered with "async with" first')
        return self._group

    def _accept_again(self) -> None:
        self._retry = None
        for listener in self._listeners:
            self._entered().loop.add_reader(listener.fileno(), self._on_acceptable, listener)

    def _on_acceptable(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_EVENT):
            try:
                plain_socket, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._pause_accepting(error)
                return
            self._out_of_resources = False
            self._welcome(plain_socket, address)

    def _pause_accepting(self, error: OSError) -> None:
        """Without file descriptors the listener stays readable: look again a little later."""
        if not self._out_of_resources or error.errno not in _NO_RESOURCES:
            self._out_of_resources = True
            logger.error("accept_failed server=%s reason=%s", self.name, error.strerror)
        loop = self._entered().loop
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
        if self._retry is None:
            self._retry = loop.call_later(self.limits.accept_retry_s, self._accept_again)

    def _welcome(self, plain_socket: socket.socket, address: Any) -> None:
        peer = address_text(address)
        if self.connection_count >= self.limits.connections_max:
            plain_socket.close()
            self._refused(peer)
            return
        try:
            tune(plain_socket)
            if self._ssl_context is None:
                Connection(self._entered(), peer, plain_socket).begin(self._session_factory)
            else:
                task = self._task_group.create_task(
                    self._handshake(plain_socket, peer, self._ssl_context)
                )
                self._handshakes.add(task)
                task.add_done_callback(self._handshakes.discard)
        except OSError as error:  # the peer is gone already
            plain_socket.close()
            logger.debug("connection_failed peer=%s reason=%s", peer, error)
        except Exception:
            plain_socket.close()
            logger.exception("session_failed server=%s peer=%s", self.name, peer)

    def _refused(self, peer: str) -> None:
        """Log refusals, at most once per sweep interval: their number is the peers' choice."""
        self._refused_count += 1
        now_s = self._clock()
        if now_s - self._refused_logged_at_s >= self.limits.sweep_interval_s:
            self._refused_logged_at_s = now_s
            logger.warning(
                "connection_refused server=%s peer=%s connections_max=%d refused=%d",
                self.name,
                peer,
                self.limits.connections_max,
                self._refused_count,
            )
            self._refused_count = 0

    async def _handshake(
        self, plain_socket: socket.socket, peer: str, ssl_context: ssl.SSLContext
    ) -> None:
        # Imported here because only servers with TLS need it.
        from fluvio_socket.tls import accept_tls

        try:
            await accept_tls(
                self._entered(),
                plain_socket,
                self._session_factory,
                peer=peer,
                ssl_context=ssl_context,
            )
        except OSError as error:
            logger.warning("handshake_failed server=%s peer=%s reason=%s", self.name, peer, error)
        except Exception:
            logger.exception("session_failed server=%s peer=%s", self.name, peer)

    def _stop_listening(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        loop = self._entered().loop
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners.clear()

    def _close_all(self) -> None:
        self._stop_listening()
        for task in self._handshakes:
            task.cancel()
        for connection in self.connections:
            connection.close("the server stops")
