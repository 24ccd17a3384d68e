"""The log and a dumb twin of it are told the same things, and must always agree."""

from contextlib import suppress
from dataclasses import replace
from random import Random

import pytest
from fake_disk import FakeDisk, Killed
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from log_twin import SMALL, LogTwin, as_input, make_batch, stamped

from fluvio_protocol.types import Offset
from fluvio_spu.storage import (
    CopiedRecordsDoNotFit,
    CorruptSegment,
    Log,
    LogSlice,
    OffsetOutOfRange,
    OutOfStorage,
)
from fluvio_spu.storage.retention import ExpiredSegment

DIRECTORY = "data/topic-0"

batches_to_append = st.lists(
    st.builds(
        make_batch,
        st.integers(1, 5),
        payload_size=st.integers(4, 400),
        fill=st.integers(0, 255),
    ),
    min_size=1,
    max_size=6,
)


class LogAndTwin(RuleBasedStateMachine):
    @initialize(preallocation=st.booleans())
    def begin(self, preallocation: bool) -> None:
        self.disk = FakeDisk()
        self.disk.preallocation_works = preallocation
        self.twin = LogTwin()
        self.log = Log.open(self.disk, DIRECTORY, SMALL)
        self.expired: list[ExpiredSegment] = []
        self.durable = 0
        self.high_watermark = 0
        self.refused: dict[int, list[tuple[bytes, int]]] = {}

    # what a server does all day

    @rule(batches=batches_to_append)
    def append(self, batches: list[bytearray]) -> None:
        assert self.log.append(as_input(batches)) == self.twin.append(batches)

    @rule(batches=batches_to_append, wrong=st.sampled_from([0, 0, 0, 1]))
    def append_copied(self, batches: list[bytearray], wrong: int) -> None:
        end = self.twin.end
        content = bytearray()
        for data, count in as_input(batches):
            content += stamped(bytes(data), end)
            content[len(content) - len(data) + 15] = 5  # an epoch
            end += count
        base, records = self.log.end_offset, bytes(content)
        if wrong:
            with pytest.raises(CopiedRecordsDoNotFit):
                self.log.append_copied(records[:-wrong], base_offset=base, end_offset=Offset(end))
            return
        assert self.log.append_copied(records, base_offset=base, end_offset=Offset(end)) == end
        self.twin.append_copied(records)

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(max(0, self.twin.start - 2), self.twin.end + 2))
        end = data.draw(st.integers(start, self.twin.end + 2))
        max_bytes = data.draw(st.sampled_from([0, 1, 100, 300, 500, 1000, 1 << 20]))
        expected = self.twin.read(start, end, max_bytes)
        if isinstance(expected, str):
            with pytest.raises(OffsetOutOfRange) as error:
                self.log.read(Offset(start), end=Offset(end), max_bytes=max_bytes)
            assert error.type.__name__ == expected
            return
        found = self.log.read(Offset(start), end=Offset(end), max_bytes=max_bytes)
        if found is None:
            assert expected is None
        else:
            assert (found.base_offset, found.next_offset, bytes(found.view())) == expected

    @rule()
    def read_everything(self) -> None:
        assert self._read_all() == self._expected()

    @rule(offset=st.integers(0, 300))
    def move_high_watermark(self, offset: int) -> None:
        self.log.set_high_watermark(Offset(offset))
        self.high_watermark = max(
            self.high_watermark, min(offset, self.twin.end), self.log.start_offset
        )
        assert self.log.high_watermark == self.high_watermark

    @rule()
    def checkpoint(self) -> None:
        self.log.checkpoint()

    @rule()
    def sync(self) -> None:
        handle = self.log.sync_handle()
        handle.run()
        assert handle.end_offset == self.twin.end
        assert self.log.unsynced_bytes == 0
        assert self.log.durable_offset == self.twin.end
        self.durable = self.twin.end

    @rule(batches=batches_to_append)
    def append_during_sync(self, batches: list[bytearray]) -> None:
        handle = self.log.sync_handle()
        self.append(batches)
        handle.run()
        self.durable = max(self.durable, handle.end_offset)
        assert self.log.durable_offset == self.durable
        assert self.log.unsynced_bytes > 0

    @rule(seconds=st.integers(1, 30))
    def let_time_pass(self, seconds: int) -> None:
        self.disk.clock_ms += seconds * 1000

    @rule(seconds=st.integers(1, 60), size=st.integers(1000, 9000))
    def expire(self, seconds: int, size: int) -> None:
        self.log.reconfigure(
            replace(SMALL, retention_ms=seconds * 1000, partition_size_bytes_max=size)
        )
        closed = self.twin.bases[:-1]
        now = self.disk.clock_ms
        files = [self.disk.file(f"{DIRECTORY}/{base:020d}.log") for base in closed]
        too_old = 0
        for file in files:
            if now - file.modified_ms <= seconds * 1000:
                break
            too_old += 1
        too_many = -(-max(0, self.log.size_bytes - size) // SMALL.segment_size_bytes_max)
        count = min(len(closed), max(too_old, too_many))
        expired = self.log.expire(now)
        assert [one.base_offset for one in expired] == closed[:count]
        self.twin.drop_first_segments(count)
        self.expired += expired
        self.log.reconfigure(SMALL)
        self.high_watermark = max(self.high_watermark, self.twin.start)

    @rule()
    def delete_expired(self) -> None:
        for one in self.expired:
            one.delete()
        self.expired.clear()
        assert not [name for name in self.disk.names if name.endswith(".deleted")]

    # what happens to it

    @rule()
    def close_and_open(self) -> None:
        expected = self._read_all()
        self.log.close()
        before = self.disk.bytes_read
        self._open()
        assert self.log.recovery.clean
        if self.twin.end:
            assert self.log.recovery.checkpoint_trusted
        assert self.log.recovery.walked_bytes == 0
        assert self.disk.bytes_read - before < 1000
        self.durable = self.twin.end
        assert self.log.high_watermark == self.high_watermark
        assert self._read_all() == expected

    @rule()
    def kill_and_open(self) -> None:
        """kill -9: whatever was acknowledged is there."""
        self.disk.restart_process()
        self._open()
        assert self.log.recovery.clean
        walk_max = SMALL.checkpoint_interval_bytes + 6 * 480
        assert self.log.recovery.walked_bytes <= walk_max + self._size_if_untrusted()
        self._learn_high_watermark()

    @rule(batches=batches_to_append, after=st.integers(1, 3000))
    def kill_in_append(self, batches: list[bytearray], after: int) -> None:
        """The append that was cut short counts as a prefix of its batches."""
        self.disk.kill_in_write(after)
        before = self.twin.end
        with suppress(Killed):
            self.log.append(as_input(batches))
        self.twin.append(batches)
        self.disk.restart_process()
        self._open()
        end = self.log.end_offset
        assert before <= end <= self.twin.end
        assert not self.log.recovery.damaged
        assert self.log.recovery.cut is None or self.log.recovery.cut.saved_as is None
        self._adopt(end)
        self._learn_high_watermark()

    @rule(seed=st.integers(0, 1 << 30))
    def lose_power(self, seed: int) -> None:
        """What was synced is there; of the rest, whatever can be read is right."""
        self.disk.lose_power(Random(seed))
        self.expired.clear()
        self._open_after_power_cut()

    @rule(batches=batches_to_append, room=st.integers(0, 1500))
    def append_to_a_full_disk(self, batches: list[bytearray], room: int) -> None:
        self.disk.capacity = self.disk.used_bytes() + room
        try:
            first = self.log.append(as_input(batches))
        except OutOfStorage:
            assert self.log.end_offset == self.twin.end
            offset = self.twin.end
            for data, count in as_input(batches):
                self.refused.setdefault(offset, []).append((bytes(data), count))
                offset += count
        else:
            assert first == self.twin.append(batches)
        self.disk.capacity = None

    @rule()
    def write_in_pieces(self) -> None:
        self.disk.short_writes = not self.disk.short_writes

    @precondition(lambda self: self.twin.end > self.twin.start)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        end = data.draw(st.integers(self.twin.start, self.twin.end))
        self.log.truncate(Offset(end))
        self.twin.truncate(end)
        assert self.log.end_offset == self.twin.end
        self.high_watermark = min(self.high_watermark, self.twin.end)
        assert self.log.high_watermark == self.high_watermark
        # Until it is synced, a power cut may bring back what was cut off.
        self.sync()

    @rule(ahead=st.integers(-400, 400))
    def restart_at(self, ahead: int) -> None:
        offset = max(0, self.twin.end + ahead)
        self.log.restart_at(Offset(offset))
        self.twin.restart_at(offset)
        self.refused.clear()
        self.durable = self.high_watermark = offset
        assert self.log.high_watermark == self.log.durable_offset == offset
        assert self.log.unsynced_bytes == 0

    @rule(ahead=st.integers(0, 400), calls=st.integers(0, 40), power=st.none() | st.integers(0, 99))
    def crash_in_restart(self, ahead: int, calls: int, power: int | None) -> None:
        """Shorter, or empty, or done; and nothing that is left is wrong."""
        offset = self.twin.end + ahead
        if self.refused:
            power = None  # what refused appends wrote may come back with it; the other rule knows
        self.disk.kill_in_call(calls)
        with suppress(Killed):
            self.log.restart_at(Offset(offset))
        if power is None:
            self.disk.restart_process()
        else:
            self.disk.lose_power(Random(power))
            self.expired.clear()
        history = dict(self.twin.batches)
        was_durable, self.durable = self.durable, 0
        self._open()
        assert not [one for one in self.log.recovery.damaged if one.first_offset < was_durable]
        if self.log.end_offset == self.log.start_offset:
            self.begin_at(self.log.end_offset)
        elif self.log.recovery.damaged:
            self.begin(self.disk.preallocation_works)  # as in a power cut alone
        else:
            assert self.log.start_offset == self.twin.start
            assert self.log.end_offset <= self.twin.end
            self._adopt(self.log.end_offset)
            assert self._read_all() == self._expected()
            assert self.twin.batches.items() <= history.items()
            self.durable = min(was_durable, self.twin.end)
            self._learn_high_watermark()

    def begin_at(self, offset: int) -> None:
        """The log is empty and begins there; what it knew before is forgotten."""
        self.twin.restart_at(offset)
        self.refused.clear()
        self.durable, self.high_watermark = 0, offset
        assert self.log.high_watermark == offset

    @rule(data=st.data())
    def drop_before(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(max(0, self.twin.start - 2), self.twin.end + 2))
        bases = self.twin.bases
        ends = [end for end in bases[1:] if end <= offset]
        dropped = self.log.drop_before(Offset(offset))
        assert [one.base_offset for one in dropped] == bases[: len(ends)]
        assert [one.end_offset for one in dropped] == ends
        self.twin.drop_first_segments(len(ends))
        self.expired += dropped
        self.high_watermark = max(self.high_watermark, self.twin.start)

    # what always holds

    @invariant()
    def same_offsets(self) -> None:
        if hasattr(self, "log"):
            assert self.log.start_offset == self.twin.start
            assert self.log.end_offset == self.twin.end
            assert self.log.segment_count == len(self.twin.bases)
            assert self.log.refusal is None

    # how

    def _open(self) -> None:
        self.log = Log.open(self.disk, DIRECTORY, SMALL)

    def _size_if_untrusted(self) -> int:
        """Without a checkpoint of this segment, all of it is walked and closed ends are checked."""
        return 0 if self.log.recovery.checkpoint_trusted else 2000 + 1000 * len(self.twin.bases)

    def _learn_high_watermark(self) -> None:
        assert self.log.high_watermark <= max(self.high_watermark, self.log.start_offset)
        self.high_watermark = self.log.high_watermark

    def _read_all(self) -> bytes:
        content = b""
        offset = self.log.start_offset
        while found := self.log.read(offset, end=self.log.end_offset, max_bytes=700):
            content += bytes(found.view())
            offset = found.next_offset
        assert offset == self.log.end_offset
        return content

    def _expected(self) -> bytes:
        numbers = range(len(self.twin.bases))
        return b"".join(data for one in numbers for _, data, _ in self.twin.segment(one))

    def _adopt(self, end: int) -> None:
        """The twin takes the log's word for how much there is, not for what it is."""
        names = [name for name in self.disk.names if name.startswith(DIRECTORY)]
        self.twin.bases = sorted(int(name[-24:-4]) for name in names if name.endswith(".log"))
        self.twin.batches = {base: one for base, one in self.twin.batches.items() if base < end}
        self.twin.end = end

    def _open_after_power_cut(self) -> None:
        history = dict(self.twin.batches)
        self._open()
        assert self.log.end_offset >= self.durable
        assert self.log.recovery.lost_records == bool(self.log.recovery.damaged)
        self._adopt(self.log.end_offset)
        damaged = False
        self.twin.batches = {}
        offset = self.log.start_offset
        while offset < self.log.end_offset:
            try:
                found = self.log.read(offset, end=self.log.end_offset, max_bytes=0)
            except CorruptSegment:
                assert offset >= self.durable, "what was synced is damaged"
                damaged = True
                offset = Offset(min(base for base in self._bases_behind(offset)))
                continue
            assert found is not None
            self._recognise(found, history)
            offset = found.next_offset
        if damaged:
            # Reported as it must be; the twin cannot follow a log with holes, so begin anew.
            assert self.log.recovery.damaged
            self.begin(self.disk.preallocation_works)
        else:
            self.high_watermark = self.log.high_watermark

    def _recognise(self, found: LogSlice, history: dict[int, tuple[bytes, int]]) -> None:
        """It is what was appended; or what was refused, and cut off in a cut that was lost."""
        base, content = found.base_offset, bytes(found.view())
        known = [history[base]] if base in history else []
        if base >= self.durable:
            known += self.refused.get(base, [])
        known = [one for one in known if one[0] == content]
        assert known, "bytes that nobody appended"
        self.twin.batches[base] = known[0]

    def _bases_behind(self, offset: int) -> list[int]:
        return [*(base for base in self.twin.bases if base > offset), self.log.end_offset]


LogAndTwin.TestCase.settings = settings(stateful_step_count=40, report_multiple_bugs=False)
TestLogAndTwin = LogAndTwin.TestCase
