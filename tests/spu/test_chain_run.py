"""A chain over stored batches: offsets, failures, modules that trap. The chain is Python here."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.record import BatchCompression, Record, encode_batch, iterate_headers
from fluvio_protocol.record.record import decode_records
from fluvio_protocol.record.record_set import iterate_tuples
from fluvio_spu.transform.batches import BATCH_UNPACKED_BYTES_MAX
from fluvio_spu.transform.chain_run import TRAPS_MAX, ChainRun, Piece, RunResult

Function = Callable[[bytes], list[bytes] | None]


class BadRecord(Exception):
    """The record fails."""


class Trap(Exception):
    """The module dies."""


@dataclass
class Found:
    """What a log's read gives, as far as a run looks at it."""

    fd: int
    position: int
    size_bytes: int


@dataclass
class Failure:
    status: ErrorStatus
    offset: int = -1
    is_fatal: bool = False
    timed_out: bool = False


@dataclass
class Output:
    payload: bytes
    record_count: int
    error: Failure | None = None
    steps: tuple[Any, ...] = ()


@dataclass
class PythonChain:
    """Calls a function with each value; it returns new values, or raises."""

    function: Callable[[str], list[str]]
    calls: list[list[str]] = field(default_factory=list)
    closed: bool = False

    def process(self, payload: bytes, *, base_offset: int, base_timestamp: int) -> Output:
        assert not self.closed
        count = int.from_bytes(payload[:4], "big")
        values: list[str] = []
        self.calls.append(called := [])
        error = None
        for _, delta, _, value in decode_records(bytes(payload), 4, count):
            called.append(value.decode())
            try:
                values += self.function(value.decode())
            except BadRecord as bad:
                offset = base_offset + delta
                error = Failure(ErrorStatus.other(f"{bad} at {offset}"), offset)
                break
            except Trap as trap:
                status = ErrorStatus.other(f"trap {trap}")
                return Output(bytes(4), 0, Failure(status, is_fatal=True, timed_out=True))
        if not values:
            return Output(bytes(4), 0, error)
        records = [Record(value.encode()) for value in values]
        batch = encode_batch(records, first_timestamp=0)
        return Output(batch[57:], len(values), error)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Callable[..., Found]]:
    """Writes batches one behind another, from offset 10 on."""
    fds: list[int] = []

    def write(*batches: list[str], compression: BatchCompression = BatchCompression.NONE) -> Found:
        data = b""
        offset = 10
        for values in batches:
            records = [Record(value.encode()) for value in values]
            data += encode_batch(
                records, first_timestamp=1000, compression=compression, base_offset=offset
            )
            offset += len(values)
        path = tmp_path / "log"
        path.write_bytes(data)
        fds.append(os.open(path, os.O_RDONLY))
        return Found(fds[-1], 0, len(data))

    yield write
    for fd in fds:
        os.close(fd)


def run_of(
    function: Callable[[str], list[str]], offset: int = 10, *, may_begin_again: bool = True
) -> tuple[ChainRun, list[PythonChain]]:
    chains = [PythonChain(function)]

    def begin_again() -> Any:
        chains.append(PythonChain(function))
        return chains[-1]

    chain: Any = chains[0]
    run = ChainRun(
        chain,
        offset=offset,
        begin_again=begin_again if may_begin_again else None,
        stopping=lambda: False,
    )
    return run, chains


def all_of(run: ChainRun, found: Any, *, end: int = 1000, bytes_max: int = 1 << 20) -> list[Piece]:
    """Job after job, until the run is through."""
    pieces: list[Piece] = []
    while True:
        result: RunResult = run.process(found, end=end, bytes_max=bytes_max)
        if not result.pieces:
            return pieces
        assert result.end == result.pieces[-1].end
        pieces += result.pieces
        if pieces[-1].is_last:
            return pieces


def seen(pieces: list[Piece]) -> list[tuple[int, int, list[str], str | None]]:
    found = []
    for piece in pieces:
        values = []
        for _, header in iterate_headers(piece.records):
            assert (header.base_offset, header.next_offset) == (piece.start, piece.end)
        for batch in iterate_tuples(piece.records, size_bytes_max=1 << 20):
            values += [value.decode() for _, _, _, value in batch]
        failure = None if piece.failure is None else piece.failure.payload[0]
        found.append((piece.start, piece.end, values, failure))
    return found


def keep_odd(value: str) -> list[str]:
    if not value.isdigit():
        raise BadRecord(value)
    return [value] if int(value) % 2 else []


@pytest.mark.parametrize("compression", list(BatchCompression))
def test_batches_stand_for_the_offsets_that_went_in(
    log: Callable[..., Found], compression: BatchCompression
) -> None:
    found = log(["1", "2", "3"], ["4"], ["5", "6"], compression=compression)
    run, _ = run_of(keep_odd)
    pieces = all_of(run, found)
    assert seen(pieces) == [
        (10, 13, ["1", "3"], None),
        (13, 14, [], None),
        (14, 16, ["5"], None),
    ]
    codecs = [
        header.compression for piece in pieces for _, header in iterate_headers(piece.records)
    ]
    assert codecs == [compression, compression]


def test_reading_begins_in_the_middle_of_a_batch(log: Callable[..., Found]) -> None:
    found = log(["1", "3", "5"], ["7"])
    run, chains = run_of(keep_odd, 12)
    assert seen(all_of(run, found)) == [(12, 13, ["5"], None), (13, 14, ["7"], None)]
    assert chains[0].calls == [["5"], ["7"]]


def test_nothing_behind_the_end_is_run(log: Callable[..., Found]) -> None:
    found = log(["1"], ["3"], ["5"])
    run, _ = run_of(keep_odd)
    assert seen(all_of(run, found, end=12)) == [(10, 11, ["1"], None), (11, 12, ["3"], None)]


def test_exactly_the_record_that_fails_is_missing(log: Callable[..., Found]) -> None:
    found = log(["1", "two", "3", "four", "5"], ["7"])
    run, chains = run_of(keep_odd)
    assert seen(all_of(run, found)) == [
        (10, 12, ["1"], "two at 11"),
        (12, 14, ["3"], "four at 13"),
        (14, 15, ["5"], None),
        (15, 16, ["7"], None),
    ]
    assert len(chains) == 1


def test_a_batch_of_bad_records_is_not_given_to_the_module_as_often_as_it_has_records(
    log: Callable[..., Found],
) -> None:
    count = 200
    run, chains = run_of(keep_odd)
    pieces = all_of(run, log(["x"] * count))
    assert [(piece.start, piece.end) for piece in pieces] == [
        (offset, offset + 1) for offset in range(10, 10 + count)
    ]
    assert sum(map(len, chains[0].calls)) == count


def test_a_job_ends_when_enough_came_out(log: Callable[..., Found]) -> None:
    found = log(*[["1" * 100]] * 10)
    run, _ = run_of(lambda value: [value])
    result = run.process(found, end=1000, bytes_max=300)  # type: ignore[arg-type]
    assert [piece.end for piece in result.pieces] == [11, 12]
    assert result.end == 12


def test_a_seek_goes_back(log: Callable[..., Found]) -> None:
    found = log(["1", "3"], ["5"])
    run, _ = run_of(keep_odd)
    all_of(run, found)
    run.seek(11)
    assert seen(all_of(run, found)) == [(11, 12, ["3"], None), (12, 13, ["5"], None)]


def bomb(value: str) -> list[str]:
    if value == "bomb":
        raise Trap("boom")
    return [value]


def test_behind_a_trap_the_others_come_from_a_new_chain(log: Callable[..., Found]) -> None:
    run, chains = run_of(bomb)
    assert seen(all_of(run, log(["1", "2", "bomb", "3"], ["4"]))) == [
        (10, 11, ["1"], None),
        (11, 12, ["2"], None),
        (12, 13, [], "trap boom"),
        (13, 14, ["3"], None),
        (14, 15, ["4"], None),
    ]
    assert [chain.closed for chain in chains] == [True, True, False]


def test_a_chain_that_remembers_ends_with_a_trap(log: Callable[..., Found]) -> None:
    run, chains = run_of(bomb, may_begin_again=False)
    pieces = all_of(run, log(["1"], ["2", "bomb"]))
    assert seen(pieces) == [(10, 11, ["1"], None), (11, 12, [], "trap boom")]
    assert [piece.is_last for piece in pieces] == [False, True]
    assert len(chains) == 1


def test_traps_in_a_row_end_a_stream(log: Callable[..., Found]) -> None:
    run, chains = run_of(bomb)
    pieces = all_of(run, log(["bomb"] * 100))
    assert pieces[-1].is_last
    assert len(pieces) == TRAPS_MAX - 1
    assert len(chains) == TRAPS_MAX


def test_a_job_says_that_a_module_ran_out_of_time(log: Callable[..., Found]) -> None:
    run, _ = run_of(bomb)
    result = run.process(log(["bomb"]), end=1000, bytes_max=1000)  # type: ignore[arg-type]
    assert result.timed_out


def test_a_failure_at_no_record_ends_the_stream(log: Callable[..., Found]) -> None:
    class Liar(PythonChain):
        def process(self, payload: bytes, *, base_offset: int, base_timestamp: int) -> Output:
            return Output(bytes(4), 0, Failure(ErrorStatus.other("lie"), offset=base_offset + 77))

    chain: Any = Liar(keep_odd)
    run = ChainRun(chain, offset=10, begin_again=None, stopping=lambda: False)
    pieces = all_of(run, log(["1", "2"]))
    assert [(piece.start, piece.end, piece.is_last) for piece in pieces] == [(10, 12, True)]


def test_a_run_that_is_to_stop_begins_no_part(log: Callable[..., Found]) -> None:
    chain: Any = PythonChain(keep_odd)
    run = ChainRun(chain, offset=10, begin_again=None, stopping=lambda: True)
    found: Any = log(["1"])
    assert run.process(found, end=1000, bytes_max=1000).pieces == []
    assert chain.calls == []


def test_a_batch_that_unfolds_to_too_much_is_refused(log: Callable[..., Found]) -> None:
    found: Any = log(["x" * (BATCH_UNPACKED_BYTES_MAX + 1)], compression=BatchCompression.ZSTD)
    run, _ = run_of(lambda value: [value])
    with pytest.raises(Exception, match="hold more than"):
        run.process(found, end=1000, bytes_max=1000)
