"""Plain TCP sockets: how they are made, tuned, bound, connected, and called in the log."""

import asyncio
import errno
import os
import socket
from typing import Any

_NOT_ON_THIS_MACHINE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def tune(plain_socket: socket.socket) -> None:
    """Non-blocking, no delay for small frames, and dead peers are noticed in two minutes."""
    plain_socket.setblocking(False)
    if plain_socket.family in (socket.AF_INET, socket.AF_INET6):
        plain_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        plain_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        plain_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        plain_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


def address_text(address: Any) -> str:
    """A socket address as people write it."""
    if not isinstance(address, tuple) or len(address) < 2:
        return str(address) or "unknown"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def connect_to(
    loop: asyncio.AbstractEventLoop,
    host: str,
    port: int,
    *,
    unacknowledged_s: float | None = None,
) -> socket.socket:
    """A tuned socket connected to one of the host's addresses. Raises OSError of the last one.

    unacknowledged_s: the connection ends when the peer's machine has not confirmed for so long
                      what was sent to it; None: when the system gives up, after a quarter of an
                      hour. Linux alone can do that.
    """
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure = OSError(errno.EADDRNOTAVAIL, "the name has no address")
    for family, kind, protocol, _, address in addresses:
        plain_socket = socket.socket(family, kind, protocol)
        try:
            tune(plain_socket)
            if unacknowledged_s is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
                timeout_ms = int(unacknowledged_s * 1000)
                plain_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
            await loop.sock_connect(plain_socket, address)
        except OSError as error:
            plain_socket.close()
            # Event loops word this differently; the system's own words are enough.
            failure = OSError(error.errno, os.strerror(error.errno)) if error.errno else error
        except BaseException:
            plain_socket.close()
            raise
        else:
            return plain_socket
    raise failure


async def listen_on(
    loop: asyncio.AbstractEventLoop, host: str, port: int, backlog: int
) -> list[socket.socket]:
    """Sockets listening on all addresses of `host` ("" means all of this machine), on one port.

    An address that this machine does not have (no IPv6, say) is left out unless it is the last.
    Raises OSError.
    """
    addresses = await loop.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    listeners: list[socket.socket] = []
    failure = OSError(errno.EADDRNOTAVAIL, "the name has no address")
    for family, kind, protocol, _, address in dict.fromkeys(addresses):
        try:
            listener = _listen(family, kind, protocol, (address[0], port, *address[2:]), backlog)
        except OSError as error:
            failure = error
            if error.errno in _NOT_ON_THIS_MACHINE:
                continue
            for opened in listeners:
                opened.close()
            raise
        listeners.append(listener)
        port = listener.getsockname()[1]  # the same for all when the system chose it
    if not listeners:
        raise failure
    return listeners


def _listen(family: int, kind: int, protocol: int, address: Any, backlog: int) -> socket.socket:
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener
