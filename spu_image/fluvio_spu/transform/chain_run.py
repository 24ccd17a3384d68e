"""One chain over the batches of a partition, from an offset on: what a consumer's stream runs.

    stored batch -> unpacked -> part by part through the chain -> batch for the consumer

A part is the whole batch. It is less where reading begins in the middle of a batch, and behind a
record that failed: that one is missing, those behind it are not, so they go through the chain
as parts of their own. Parts are small after a failure and grow while nothing fails, or a batch
of failing records would be copied into the module as often as it has records.

A module that traps, or does not end its call in time, has damaged its memory perhaps, so the chain
is begun anew. What it was given then goes through again record by record: those before the bad one
come out, the bad one becomes the error, and reading goes on behind it. That would be wrong where
modules remember records, so a chain with an aggregate or a look-back ends with the error; so does
one that fails so several times in a row.

Runs in a worker thread, one job at a time; the stream calls nothing else meanwhile.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.record import iterate_headers
from fluvio_spu.storage import LogSlice
from fluvio_spu.transform.batches import OpenBatch, made_batch, read_slice
from fluvio_spu.transform.engine_port import EngineChain, EngineOutput
from fluvio_spu.transform.module_statistics import ModuleCounts

CAREFUL_RECORDS = 16
"""A part that follows a failure."""
JOB_S = 0.05
"""No part is begun when a job has taken so long: others wait for the thread."""
TRAPS_MAX = 3
"""Traps in a row, nothing having gone well in between, after which a stream ends."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What became of the records [start, end).

    records: a batch that stands for them; empty when none is left
    failure: the last of them failed
    is_last: and the chain cannot go on
    """

    start: int
    end: int
    records: bytes = b""
    failure: ErrorStatus | None = None
    is_last: bool = False


@dataclass(slots=True)
class RunResult:
    """What a job has to show.

    end:       the pieces cover everything before, from where the job began
    counts:    of each module, in the order of the chain
    timed_out: a module did not end in time
    """

    end: int
    pieces: list[Piece] = field(default_factory=list)
    counts: dict[str, ModuleCounts] = field(default_factory=dict)
    timed_out: bool = False


class ChainRun:
    """A chain, and how far it got.

    begin_again: makes the same chain anew; None: it must not be, for its modules remember
    stopping:    whether the job should end early, looked at between parts
    one_by_one:  no more than a record at a time: what is behind one that a later module fails at
                 goes through the chain again, and modules that remember must not see it twice
    """

    def __init__(
        self,
        chain: EngineChain,
        *,
        offset: int,
        begin_again: Callable[[], EngineChain] | None,
        stopping: Callable[[], bool],
        one_by_one: bool = False,
    ) -> None:
        self.chain = chain
        self._offset = offset
        self._begin_again = begin_again
        self._stopping = stopping
        self._part_max: int | None = None
        self._one_by_one = one_by_one
        self._one_by_one_until = 0
        self._open: OpenBatch | None = None
        self._trap_count = 0

    def seek(self, offset: int) -> None:
        """Go on with another record. Between jobs only."""
        self._offset = offset

    def close(self) -> None:
        """Give the memory of the modules back."""
        self.chain.close()

    def process(self, found: LogSlice, *, end: int, bytes_max: int) -> RunResult:
        """Run what a slice holds from where the run is, up to an offset.

        bytes_max: no part is begun when so much came out, and a failure ends the job too
        Raises:    OSError; RemoteProtocolError for a batch that does not unpack.
        """
        data = read_slice(found.fd, found.position, found.size_bytes)
        result = RunResult(self._offset)
        size = 0
        deadline_s = time.monotonic() + JOB_S
        for position, header in iterate_headers(data):
            if header.next_offset <= self._offset:
                continue
            if header.base_offset >= end:
                break
            batch = self._open
            if batch is None or batch.header != header:
                batch = self._open = OpenBatch.unpack(data, position, header)
            while self._offset < header.next_offset:
                late = result.pieces and time.monotonic() >= deadline_s
                if late or size >= bytes_max or self._stopping():
                    return result
                piece = self._run_part(batch, result)
                if piece is not None:
                    result.pieces.append(piece)
                    result.end = self._offset = piece.end
                    size += len(piece.records)
                    if piece.failure is not None:
                        return result
            self._open = None
            self._part_max = None
        result.end = self._offset
        return result

    def _run_part(self, batch: OpenBatch, result: RunResult) -> Piece | None:
        """The next records of a batch; None when they have to be tried again."""
        base, count = batch.header.base_offset, batch.record_count
        first = max(self._offset - base, 0)
        end = count if self._part_max is None else min(count, first + self._part_max)
        if self._one_by_one or self._offset < self._one_by_one_until:
            end = first + 1
        output = self.chain.process(
            batch.part(first, end),
            base_offset=base,
            base_timestamp=batch.header.first_timestamp,
        )
        add_counts(result, output)
        error = output.error
        if error is None:
            self._trap_count = 0
            if self._part_max is not None:
                self._part_max *= 2
            return _piece(batch, output, first, end)
        status = error.status
        if error.is_fatal:
            result.timed_out |= error.timed_out
            return self._trapped(batch, status, first, end)
        self._trap_count = 0
        self._part_max = CAREFUL_RECORDS
        failed = batch.index_of(error.offset, first, end)
        if failed is None:
            # A module that names a record it was not given: nobody can say where to go on.
            return _piece(batch, output, first, end, status, is_last=True)
        return _piece(batch, output, first, failed + 1, status)

    def _trapped(self, batch: OpenBatch, status: ErrorStatus, first: int, end: int) -> Piece | None:
        base = batch.header.base_offset
        self._trap_count += 1
        if self._begin_again is None or self._trap_count >= TRAPS_MAX:
            return Piece(base + first, base + first + 1, b"", status, is_last=True)
        self.chain.close()
        self.chain = self._begin_again()
        if end - first > 1:
            self._one_by_one_until = base + end
            return None
        return Piece(base + first, base + end, b"", status)


def _piece(
    batch: OpenBatch,
    output: EngineOutput,
    first: int,
    end: int,
    failure: ErrorStatus | None = None,
    *,
    is_last: bool = False,
) -> Piece:
    base = batch.header.base_offset + first
    records = b""
    if output.record_count:
        records = made_batch(
            output.payload, batch.header, base_offset=base, offset_count=end - first
        )
    return Piece(base, base + end - first, records, failure, is_last)


def add_counts(result: RunResult, output: EngineOutput) -> None:
    """What the steps of one call did."""
    for step in output.steps:
        result.counts.setdefault(step.name, ModuleCounts()).add(
            ModuleCounts(
                call_count=1,
                record_in_count=step.record_in_count,
                record_out_count=step.record_out_count,
                error_count=int(step.failed),
                elapsed_ns=step.elapsed_ns,
                fuel=step.fuel,
            )
        )
