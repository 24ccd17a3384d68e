"""What the connections of one owner share, and the sweep that finds stalled peers.

A server has one group, a dialled connection is a group of its own. The group's single timer runs
only while there are connections; it is all the time-keeping there is in this package, but for
the timeouts of requests. The clock is handed in.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluvio_protocol.api.frame import FRAME_SIZE_BYTES_MAX
from fluvio_socket.frame_receiver import ReceiveBuffers

if TYPE_CHECKING:
    from fluvio_socket.connection import Connection

logger = logging.getLogger(__name__)

COMPLAINTS_PER_SECOND_MAX = 10
"""Peers that break the protocol are logged one by one up to this rate, and counted above it: what
strangers send must not fill the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Bounds of every connection.

    frame_size_bytes_max:     a longer frame closes the connection
    held_bytes_max:           unfinished frames of all connections of a loop together
    send_queue_bytes_high:    above it a connection is congested, and not read if accepted
    send_queue_bytes_low:     at or below it that ends
    send_queue_bytes_max:     above it the peer is given up
    partial_frame_timeout_s:  how long a frame may take from its first byte to its last
    send_stall_timeout_s:     how long a peer may take none of the bytes queued for it
    idle_timeout_s:           how long a peer may send nothing at all; None: for ever
    handshake_timeout_s:      how long TLS may take to begin
    connect_timeout_s:        how long dialling may take, TLS included
    unacknowledged_s:         of a connection that we dialled: how long the peer's machine may not
                              confirm what was sent; a peer that is merely slow must not be bound
                              by it, for it ends a connection whose window stays closed, too
    """

    frame_size_bytes_max: int = FRAME_SIZE_BYTES_MAX
    held_bytes_max: int = 1 << 30
    send_queue_bytes_high: int = 4 * 1024 * 1024
    send_queue_bytes_low: int = 1024 * 1024
    send_queue_bytes_max: int = 512 * 1024 * 1024
    partial_frame_timeout_s: float = 60.0
    send_stall_timeout_s: float = 60.0
    idle_timeout_s: float | None = None
    handshake_timeout_s: float = 10.0
    connect_timeout_s: float = 10.0
    unacknowledged_s: float | None = None
    reads_per_event: int = 32
    bytes_per_event: int = 4 * 1024 * 1024
    sweep_interval_s: float = 5.0


class ConnectionGroup:
    """What connections of one owner share; sweeps them for peers that stall.

    is_server:  a congested connection is not read (see `connection`)
    task_group: parent of what connections `spawn`; None: they may not
    clock:      monotonic seconds
    """

    __slots__ = (
        "_complaint_count",
        "_complaint_second",
        "_timer",
        "buffers",
        "clock",
        "connections",
        "is_server",
        "limits",
        "loop",
        "task_group",
    )

    def __init__(
        self,
        limits: ConnectionLimits,
        *,
        is_server: bool,
        task_group: asyncio.TaskGroup | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.buffers = ReceiveBuffers.of(self.loop)
        self.limits = limits
        self.is_server = is_server
        self.task_group = task_group
        self.clock = clock
        self.connections: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._complaint_second = 0
        self._complaint_count = 0

    def complain(self, peer: str, reason: object) -> None:
        """Log that a peer broke the protocol, unless too many did in this second."""
        second = int(self.clock())
        if second != self._complaint_second:
            unlogged = self._complaint_count - COMPLAINTS_PER_SECOND_MAX
            if unlogged > 0:
                logger.warning("protocol_violations_not_logged count=%s", unlogged)
            self._complaint_second = second
            self._complaint_count = 0
        self._complaint_count += 1
        if self._complaint_count <= COMPLAINTS_PER_SECOND_MAX:
            logger.warning("protocol_violated peer=%s reason=%s", peer, reason)

    def add(self, connection: "Connection") -> None:
        """A connection begins."""
        self.connections.add(connection)
        if self._timer is None:
            self._timer = self.loop.call_later(self.limits.sweep_interval_s, self._sweep_again)

    def discard(self, connection: "Connection") -> None:
        """A connection is closed. The last one stops the sweep."""
        self.connections.discard(connection)
        if not self.connections and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sweep(self) -> None:
        """Close connections whose peers stall. The timer calls it."""
        now_s = self.clock()
        for connection in tuple(self.connections):
            complaint = connection.complaint(now_s)
            if complaint is not None:
                logger.warning("connection_stalled peer=%s reason=%s", connection.peer, complaint)
                connection.close(complaint)

    def _sweep_again(self) -> None:
        self._timer = None
        self.sweep()
        if self.connections:
            self._timer = self.loop.call_later(self.limits.sweep_interval_s, self._sweep_again)
