"""Puts together what the streams of a consumer bring, and keeps what is known of each partition.

Owned by a consumer; no I/O. Fair: a partition has at most one slice in line while another one is
being taken apart, so each that has records gets its turn before any gets its second. Slices of a
paused partition stay aside and are not taken, and so its stream asks for no more.

    stream -> deliver -> ready | held while paused -> opened -> batches, errors
"""

import asyncio
from collections import deque
from collections.abc import Iterator

from fluvio_client.consumer.record import Batch
from fluvio_client.consumer.stream import PartitionStream, Slice, StreamEnd, StreamFault
from fluvio_client.errors import FluvioError
from fluvio_protocol.record.record_set import RecordTuple
from fluvio_protocol.types import ReplicaKey

Item = Slice | StreamFault | StreamEnd


class PartitionState:
    """One partition of a consumer.

    start:    where reading began, or was moved to
    position: offset after the last record that was handed out
    stop:     offset to end before; None follows for ever
    marked:   last record that counts as consumed; None when there is none yet
    stored:   what of that the cluster keeps
    ended:    its stream is over
    leaving:  its topic is gone; what was read is handed out before it goes, too
    """

    __slots__ = (
        "ended", "held", "key", "leaving", "marked", "paused", "position", "start", "stop",
        "stored", "stream", "task",
    )  # fmt: skip

    def __init__(self, key: ReplicaKey, position: int) -> None:
        self.key = key
        self.start = self.position = position
        self.stop: int | None = None
        self.stream: PartitionStream | None = None
        self.task: asyncio.Task[None] | None = None
        self.marked: int | None = None
        self.stored: int | None = None
        self.paused = False
        self.ended = False
        self.leaving = False
        self.held: deque[Item] = deque()

    @property
    def handed_out(self) -> int | None:
        """Offset of the last record that was handed out since `start`."""
        return self.position - 1 if self.position > self.start else None


class Merge:
    """What the streams put in, this hands out in turn."""

    def __init__(self) -> None:
        self.partitions: dict[ReplicaKey, PartitionState] = {}
        self.endless = False
        """partitions may still be added"""
        self._ready: deque[Item] = deque()
        self._opened: tuple[Slice, Iterator[list[RecordTuple] | FluvioError]] | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def over(self) -> bool:
        """Nothing will come any more."""
        return not self.endless and all(one.ended for one in self.partitions.values())

    def deliver(self, item: Item) -> None:
        """For the streams: put something in, in the order in which it came."""
        state = self.partitions.get(item.stream.key)
        if state is None or state.stream is not item.stream:
            return  # reading was moved elsewhere meanwhile, or the partition is gone
        (state.held if state.paused else self._ready).append(item)
        self.wake()

    def take(self) -> tuple[PartitionState, Batch | FluvioError] | None:
        """The next batch with records in it, or error; None when nothing is ready."""
        while True:
            if self._opened is not None:
                found = self._next_of_opened(*self._opened)
                if found is not None:
                    return found
            if not self._ready:
                return None
            item = self._ready.popleft()
            state = self.partitions[item.stream.key]
            if isinstance(item, Slice):
                if item.in_line:
                    item.stream.taken()
                self._opened = (item, item.batches())
                continue
            if isinstance(item, StreamEnd):
                state.ended = True
                if item.gone:
                    self.remove(state)
                    continue
            if item.error is not None:
                return state, item.error

    def _next_of_opened(
        self, opened: Slice, batches: Iterator[list[RecordTuple] | FluvioError]
    ) -> tuple[PartitionState, Batch | FluvioError] | None:
        state = self.partitions[opened.stream.key]
        found = next(batches, None)
        if found is None:
            self._opened = None
            state.position = max(state.position, opened.end)
            return None
        if isinstance(found, FluvioError):
            return state, found
        return state, Batch(state.key.topic, state.key.partition, found)

    def reopen(self) -> None:
        """Take apart again what remains of the slice that is open, behind what was handed out."""
        if self._opened is not None:
            found = self._opened[0]
            rest = found.after(self.partitions[found.stream.key].position)
            self._opened = (rest, rest.batches())

    async def wait(self) -> None:
        """Until something is put in, or somebody wakes the reader."""
        if self._waiter is not None:
            raise RuntimeError("a consumer has one reader at a time")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Let the reader look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Pausing and moving

    def pause(self, state: PartitionState) -> None:
        """Hand out nothing of a partition until it is resumed."""
        if state.paused:
            return
        state.paused = True
        state.held.extend(self._remove(state))

    def resume(self, state: PartitionState) -> None:
        """Go on where `pause` stopped."""
        if not state.paused:
            return
        state.paused = False
        self._ready.extend(state.held)
        state.held.clear()
        self.wake()

    def move(self, state: PartitionState, position: int) -> None:
        """Forget what was read of a partition; a new stream begins at `position`."""
        self._remove(state)
        state.held.clear()
        state.stream = None
        state.start = state.position = position
        state.ended = False

    def leave(self, state: PartitionState) -> None:
        """Let a partition go whose topic is gone, behind what was read of it."""
        assert state.stream is not None, "a partition that is read has a stream"
        state.leaving = True
        self.deliver(StreamEnd(state.stream, None, gone=True))

    def remove(self, state: PartitionState) -> None:
        """Forget a partition, and what was read of it."""
        self._remove(state)
        state.held.clear()
        del self.partitions[state.key]

    def _remove(self, state: PartitionState) -> list[Item]:
        """Take everything of a partition out of the line, in order."""
        found: list[Item] = []
        if self._opened is not None and self._opened[0].stream.key == state.key:
            opened, _ = self._opened
            found.append(opened.after(state.position))
            self._opened = None
        mine = [item for item in self._ready if item.stream.key == state.key]
        if mine:
            self._ready = deque(item for item in self._ready if item.stream.key != state.key)
        return found + mine
