"""One TCP connection that carries frames, accepted or dialled.

Called by `server`, `multiplexer` and everyone who dials; knows no message. A connection belongs
to a `ConnectionGroup` (those of one server, or the dialled one alone) which holds what they
share: limits, receive buffers, the clock, the task group of their children and one periodic
sweep. A connection has no task and no timer.

Receiving: on readiness up to 32 reads or 4 MiB into the loop's shared buffer; all frames that one
read completed go to the session in one call. Sending: at once with one system call, the rest is
queued until the socket takes it. Above the high-water mark the connection is *congested* until
the queue has fallen to the low-water mark. An accepted connection is not read meanwhile, so a
peer that sends requests and does not read answers stops itself. A dialled one is: if both sides
stopped reading until the other one reads, they would wait for each other for ever.

Invariants: the socket is watched for reading unless closed, paused, or accepted and congested;
for writing exactly while something is queued. `connection_lost` comes once, from the loop and
never from inside another call, and is the session's last call.

Cost of a request that is one frame of a read of many: a slice and its share of two system calls.
"""

import asyncio
import errno
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

from fluvio_protocol.errors import ProtocolError
from fluvio_socket.connection_group import ConnectionGroup, ConnectionLimits
from fluvio_socket.errors import ConnectFailed, ConnectionLost
from fluvio_socket.frame_receiver import FrameReceiver
from fluvio_socket.plain_socket import address_text, connect_to
from fluvio_socket.send_queue import Buffer, FileSlice, SendQueue

logger = logging.getLogger(__name__)

_BUFFERS_PER_SEND_MAX = 512


class FrameSession(Protocol):
    """What a connection's owner makes of the frames. Called on the loop, never concurrently."""

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        """Payloads (without their length) of all frames that one read completed, in order.

        They are WRITABLE views into a shared buffer, valid only during the call: copy what must
        live longer. An exception closes this connection and is logged.
        """

    def drained(self) -> None:
        """The send queue of a connection that was `congested` fell to the low-water mark."""

    def connection_lost(self, reason: str) -> None:
        """The connection is over. Exactly once, and the last call."""


SessionFactory = Callable[["Connection"], FrameSession]


class Connection:
    """A connection over a plain socket; `tls.TlsConnection` has the same interface.

    peer:   the other side as people write it, such as 127.0.0.1:4711
    closed: nothing is sent or received any more
    """

    __slots__ = (
        "__weakref__",
        "_children",
        "_close_reason",
        "_congested",
        "_group",
        "_heard_at_s",
        "_partial_since_s",
        "_paused",
        "_queue",
        "_reading",
        "_receiver",
        "_sent_at_s",
        "_session",
        "_socket",
        "closed",
        "peer",
    )

    def __init__(
        self, group: ConnectionGroup, peer: str, plain_socket: socket.socket | None = None
    ) -> None:
        self._group = group
        self._socket = plain_socket
        self.peer = peer
        self.closed = False
        self._session: FrameSession | None = None
        self._receiver = FrameReceiver(
            group.buffers,
            frame_size_bytes_max=group.limits.frame_size_bytes_max,
            held_bytes_max=group.limits.held_bytes_max,
        )
        self._queue: SendQueue | None = None
        self._children: set[asyncio.Task[None]] | None = None
        self._close_reason: str | None = None  # set: close once the queue is sent
        self._congested = False
        self._paused = False
        self._reading = False
        self._heard_at_s = self._partial_since_s = self._sent_at_s = group.clock()

    def begin(self, session_factory: SessionFactory) -> None:
        """Make the session and start to read. Raises what the factory raises, then closed."""
        self._group.add(self)
        try:
            self._session = session_factory(self)
        except BaseException:
            self.close("no session")
            raise
        self._watch_reading()

    @property
    def congested(self) -> bool:
        """More is queued than the high-water mark allows: send no more than you must."""
        return self._congested

    @property
    def queued_bytes(self) -> int:
        """How much waits to be sent."""
        return 0 if self._queue is None else self._queue.size_bytes

    @property
    def children(self) -> tuple[asyncio.Task[None], ...]:
        """Tasks of what was spawned and has not ended."""
        return tuple(self._children or ())

    def send(self, *buffers: Buffer) -> None:
        """Send the buffers, which make up whole frames, one after another.

        What the socket does not take now is queued; large buffers by reference, so they must not
        change any more. Never hand over a received frame's view: copy it. Does nothing on a
        closed connection. A peer that leaves too much unread is given up.
        """
        if self.closed or self._close_reason is not None:
            return
        if self._queue is not None or len(buffers) > _BUFFERS_PER_SEND_MAX:
            self._enqueue(buffers, 0)
            return
        assert self._socket is not None
        try:
            if len(buffers) == 1:
                sent = self._socket.send(buffers[0])
            else:
                sent = self._socket.sendmsg(buffers)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self.close(f"sending failed: {error.strerror}")
            return
        if sent != sum(map(len, buffers)):
            self._enqueue(buffers, sent)

    def send_file(self, head: Buffer, fd: int, position: int, size: int) -> None:
        """Send `head`, then `size` bytes of a file, which together are whole frames.

        `fd` is duplicated if needed longer than this call. A cold file blocks the loop while the
        kernel reads it: have it read ahead. A file that turns out shorter closes the connection.
        """
        if self.closed or self._close_reason is not None:
            return
        if self._queue is None:
            assert self._socket is not None
            sent = 0
            try:
                sent = self._socket.send(head, socket.MSG_MORE)
                if sent == len(head):
                    sent += os.sendfile(self._socket.fileno(), fd, position, size)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                self.close(f"sending failed: {error.strerror}")
                return
            if sent == len(head) + size:
                return
        else:
            sent = 0
        queue = self._queue_to_append_to()
        queue.append((head,), sent)
        sent = max(0, sent - len(head))
        try:
            queue.append_file(os.dup(fd), position + sent, size - sent)
        except OSError as error:
            self.close(f"sending a file failed: {error.strerror}")
            return
        self._queue_grew()

    def pause_reading(self) -> None:
        """Receive nothing after this call's read until `resume_reading`."""
        self._paused = True
        self._watch_reading()

    def resume_reading(self) -> None:
        """Undo `pause_reading`."""
        self._paused = False
        self._watch_reading()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a child of the owner's task group, cancelled with the connection.

        An exception in it closes the connection and is logged. On a closed connection it does
        not start.
        """
        task_group = self._group.task_group
        if task_group is None:
            coroutine.close()
            raise RuntimeError("spawn needs the task_group that the connection was dialled with")
        if self.closed:
            coroutine.close()
            return
        child = self._run_child(coroutine)
        try:
            task = task_group.create_task(child)
        except RuntimeError:  # the group is shutting down
            child.close()
            coroutine.close()
            return
        if self._children is None:
            self._children = set()
        self._children.add(task)
        task.add_done_callback(partial(self._child_ended, coroutine))

    def close(self, reason: str = "") -> None:
        """Close now; what is queued is lost. Later calls do nothing."""
        if self.closed:
            return
        self.closed = True
        logger.debug("connection_closed peer=%s reason=%s", self.peer, reason)
        self._disconnect()
        if self._queue is not None:
            self._queue.close()
            self._queue = None
        self._receiver.close()
        self._group.discard(self)
        if self._children is not None:
            current = asyncio.current_task(self._group.loop)
            for task in self._children:
                if task is not current:
                    task.cancel()
        self._group.loop.call_soon(self._tell_lost, reason)

    def close_after_flush(self, reason: str = "") -> None:
        """Receive and accept nothing more, send what is queued, then close."""
        if self.closed or self._close_reason is not None:
            return
        if self._queue is None:
            self.close(reason)
            return
        self._close_reason = reason
        self._watch_reading()

    def complaint(self, now_s: float) -> str | None:
        """Why the peer should be given up, if it should. Called by the sweep."""
        limits = self._group.limits
        if self._queue is not None and now_s - self._sent_at_s > limits.send_stall_timeout_s:
            return f"took none of {self.queued_bytes} queued bytes in time"
        if not self._reading:
            return None
        if (
            self._receiver.is_partial
            and now_s - self._partial_since_s > limits.partial_frame_timeout_s
        ):
            return "did not finish a frame in time"
        if limits.idle_timeout_s is not None and now_s - self._heard_at_s > limits.idle_timeout_s:
            return "sent nothing for too long"
        return None

    # What follows is for this class, `tls` and the loop.

    def _on_readable(self) -> None:
        assert self._socket is not None
        recv_into = self._socket.recv_into
        receiver = self._receiver
        budget = self._group.limits.bytes_per_event
        for _ in range(self._group.limits.reads_per_event):
            try:
                target = receiver.target()
                count = recv_into(target)
            except (BlockingIOError, InterruptedError):
                return
            except ProtocolError as error:
                self._blame_peer(error)
                return
            except OSError as error:
                self.close(f"receiving failed: {error.strerror}")
                return
            if not count:
                self.close("closed by peer")
                return
            self._received(count)
            budget -= count
            if count < len(target) or budget <= 0 or not self._reading:
                return
            del target  # a buffer with views cannot grow

    def _received(self, count: int) -> None:
        receiver = self._receiver
        was_partial = receiver.is_partial
        frames = receiver.received(count)
        self._heard_at_s = self._group.clock()
        if frames or not was_partial:
            self._partial_since_s = self._heard_at_s
        try:
            if frames:
                assert self._session is not None
                self._session.frames_received(frames)
            if receiver.error is not None and not self.closed:
                raise receiver.error
        except ProtocolError as error:
            self._blame_peer(error)
        except Exception:
            logger.exception("session_failed peer=%s", self.peer)
            self.close("internal error")
        finally:
            if receiver.lent:
                del frames
                receiver.finish()

    def _blame_peer(self, error: ProtocolError) -> None:
        self._group.complain(self.peer, error)
        self.close(str(error))

    def _watch_reading(self) -> None:
        """Make the loop watch for readability, or not, as the state demands."""
        wanted = not (
            self.closed
            or self._paused
            or (self._congested and self._group.is_server)
            or self._close_reason is not None
        )
        if wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            # The peer is not to blame for the time in which we did not read.
            self._heard_at_s = self._partial_since_s = self._group.clock()
        self._set_reading(wanted)

    def _set_reading(self, wanted: bool) -> None:
        assert self._socket is not None
        if wanted:
            self._group.loop.add_reader(self._socket.fileno(), self._on_readable)
        else:
            self._group.loop.remove_reader(self._socket.fileno())

    def _queue_to_append_to(self) -> SendQueue:
        if self._queue is None:
            self._queue = SendQueue()
            self._sent_at_s = self._group.clock()
            self._queue_began()
        return self._queue

    def _enqueue(self, buffers: Sequence[Buffer], skip: int) -> None:
        self._queue_to_append_to().append(buffers, skip)
        self._queue_grew()

    def _queue_began(self) -> None:
        assert self._socket is not None
        self._group.loop.add_writer(self._socket.fileno(), self._on_writable)

    def _queue_grew(self) -> None:
        queued_bytes = self.queued_bytes
        limits = self._group.limits
        if queued_bytes > limits.send_queue_bytes_max:
            logger.warning("peer_too_slow peer=%s queued_bytes=%d", self.peer, queued_bytes)
            self.close(f"left {queued_bytes} bytes unread")
        elif queued_bytes > limits.send_queue_bytes_high and not self._congested:
            self._congested = True
            self._watch_reading()

    def _on_writable(self) -> None:
        queue = self._queue
        assert queue is not None
        assert self._socket is not None
        budget = self._group.limits.bytes_per_event
        before = queue.size_bytes
        try:
            while queue.size_bytes and before - queue.size_bytes < budget:
                head = queue.head()
                if isinstance(head, FileSlice):
                    size = min(head.size, budget)
                    sent = os.sendfile(self._socket.fileno(), head.fd, head.position, size)
                    if not sent:
                        raise OSError(errno.EIO, "the file ended early")
                else:
                    sent = self._socket.sendmsg(head)
                queue.advance(sent)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self.close(f"sending failed: {error.strerror}")
            return
        self._queue_shrank(before - queue.size_bytes)

    def _queue_shrank(self, sent: int) -> None:
        """`sent` bytes of the queue are gone: end it, and congestion, if so."""
        queue = self._queue
        assert queue is not None
        if sent:
            self._sent_at_s = self._group.clock()
        if not queue.size_bytes:
            self._queue = None
            self._queue_ended()
            if self._close_reason is not None:
                self.close(self._close_reason)
                return
        if self._congested and self.queued_bytes <= self._group.limits.send_queue_bytes_low:
            self._congested = False
            self._watch_reading()
            try:
                if self._session is not None:
                    self._session.drained()
            except Exception:
                logger.exception("session_failed peer=%s", self.peer)
                self.close("internal error")

    def _queue_ended(self) -> None:
        assert self._socket is not None
        self._group.loop.remove_writer(self._socket.fileno())

    def _disconnect(self) -> None:
        assert self._socket is not None
        fd = self._socket.fileno()
        if self._reading:
            self._reading = False
            self._group.loop.remove_reader(fd)
        if self._queue is not None:
            self._group.loop.remove_writer(fd)
        self._socket.close()

    def _tell_lost(self, reason: str) -> None:
        session = self._session
        if session is None:  # its factory failed
            return
        self._session = None
        try:
            session.connection_lost(reason)
        except Exception:
            logger.exception("session_failed peer=%s", self.peer)

    async def _run_child(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except ProtocolError as error:
            self._blame_peer(error)
        except ConnectionLost as error:
            self.close(str(error))
        except Exception:
            logger.exception("connection_task_failed peer=%s", self.peer)
            self.close("internal error")

    def _child_ended(self, coroutine: Coroutine[Any, Any, None], task: asyncio.Task[None]) -> None:
        coroutine.close()  # cancelled before its first step, it would never have been awaited
        if self._children is not None:
            self._children.discard(task)
            if not self._children:
                self._children = None


async def dial(
    host: str,
    port: int,
    session_factory: SessionFactory,
    *,
    limits: ConnectionLimits | None = None,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    task_group: asyncio.TaskGroup | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Connection:
    """Connect to host:port, trying each of its addresses, and start the session.

    ssl_context:     TLS with this context; server_hostname is then what the certificate must
                     name, the host when absent
    task_group:      parent of what the connection spawns; without it `spawn` is refused
    Raises:          ConnectFailed, and whatever the factory raises
    """
    limits = limits or ConnectionLimits()
    group = ConnectionGroup(limits, is_server=False, task_group=task_group, clock=clock)
    where = address_text((host, port))
    try:
        async with asyncio.timeout(limits.connect_timeout_s):
            plain_socket = await connect_to(
                group.loop, host, port, unacknowledged_s=limits.unacknowledged_s
            )
            if ssl_context is not None:
                # Imported here because tls builds on this module, and most never need it.
                from fluvio_socket.tls import dial_tls

                return await dial_tls(
                    group,
                    plain_socket,
                    session_factory,
                    peer=where,
                    ssl_context=ssl_context,
                    server_hostname=server_hostname or host,
                )
    except TimeoutError:
        raise ConnectFailed(
            f"cannot connect to {where}: no answer within {limits.connect_timeout_s:g} s"
        ) from None
    except OSError as error:
        raise ConnectFailed(f"cannot connect to {where}: {error.strerror or error}") from error
    connection = Connection(group, where, plain_socket)
    connection.begin(session_factory)
    return connection
