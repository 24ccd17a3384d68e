"""A consumer's stream with SmartModules: slices go through a chain before they are sent.

Made by `stream_fetch`. Like a plain stream it has no task of its own once it runs:

    PREPARING -> waits for data -> a worker runs a slice -> pieces to send -> IN FLIGHT -> ...

The rules of flow are those of a plain stream. What a worker made of a slice is sent in as many
answers as `max_bytes` and failures demand: an answer ends with a failed record, whose error it
carries, and the stream goes on behind that record. `next_filter_offset` tells the client where that
is; it acknowledges with it. Offsets of which no record is left are made known by empty batches, so
that a client that reads to an end gets there, but none is sent while there is nothing else to say
and the end that there was at the start is passed. Source: protocol reference 4.5; decisions 3.4.
"""

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.spu_public.fetch import FetchPartitionResponse
from fluvio_protocol.spu_public.stream_fetch import StreamFetchRequest, StreamFetchResponse
from fluvio_protocol.types import Offset
from fluvio_spu.public_api.stream_fetch import ConsumerStream
from fluvio_spu.replica.errors import error_status
from fluvio_spu.replica.replica import Replica
from fluvio_spu.storage import LogSlice
from fluvio_spu.transform.batches import empty_batch
from fluvio_spu.transform.chain_run import ChainRun, Piece, RunResult
from fluvio_spu.transform.chain_workers import ChainWorkersClosed, Lane
from fluvio_spu.transform.invocations import ChainRefused, WantedStep
from fluvio_spu.transform.transforms import PreparedChain

if TYPE_CHECKING:
    from fluvio_spu.public_api.session import PublicSession

_log = logging.getLogger(__name__)

READ_BYTES = 1 << 20
"""Of stored batches, for one job."""


class SmartStream(ConsumerStream):
    """One consumer of one partition, through a chain.

    offset: what is sent next; records up to `_read_to` went through the chain already
    """

    __slots__ = (
        "_chain",
        "_end_at_start",
        "_failed_from",
        "_lane",
        "_look_back_end",
        "_pieces",
        "_read_to",
        "_run",
        "_skipped_from",
        "_transforms",
        "_wanted",
    )

    def __init__(
        self,
        session: "PublicSession",
        replica: Replica,
        request: StreamFetchRequest,
        version: int,
        correlation_id: int,
        stream_id: int,
        wanted: tuple[WantedStep, ...],
    ) -> None:
        super().__init__(session, replica, request, version, correlation_id, stream_id)
        self._transforms = session.service.transforms
        self._wanted = wanted
        self._lane = Lane()
        self._chain: PreparedChain | None = None
        self._run: ChainRun | None = None
        self._pieces: deque[Piece] = deque()
        self._read_to = self.offset
        self._skipped_from: int | None = None
        self._failed_from: int | None = None
        self._end_at_start = replica.end_for(committed=self._committed)
        # What is committed from now on is new to the modules, and must not be shown as old too.
        self._look_back_end = replica.hw.value

    def begin(self) -> None:
        """Find the modules; data is sent when they are ready."""
        self._session.connection.spawn(self._prepare())

    def acknowledge(self, offset: int) -> None:
        """The consumer has everything below `offset` and goes on from there.

        Behind an error clients acknowledge by their own reckoning, which may differ from ours.
        """
        self._in_flight = False
        failed_from, self._failed_from = self._failed_from, None
        if offset == self.offset or (
            failed_from is not None and failed_from <= offset <= self.offset
        ):
            return
        self._pieces.clear()
        self._skipped_from = None
        self.offset = self._read_to = offset
        if self._run is not None:
            self._run.seek(offset)

    def send_next(self) -> int:
        """Send what is there, or have more made. Harmless at any time."""
        run = self._run
        if run is None or self._in_flight or self._closed or self._waits_for_room or self._reading:
            return 0
        session = self._session
        if session.connection.congested:
            self._waits_for_room = True
            session.wait_drained(self)
            return 0
        size = self._send_pieces()
        if size or self._closed:
            return size
        replica = self.replica
        end = replica.end_for(committed=self._committed)
        try:
            found = None
            if self._read_to < end:
                found = replica.read(self._read_to, committed=self._committed, max_bytes=READ_BYTES)
        except FluvioError as error:
            self._fail(error_status(error, replica.key))
            return 0
        if found is not None:
            self._reading = True
            self._transforms.workers.submit(
                self._lane,
                partial(self._process, run, found, end),
                self._processed,
                self._broken,
                is_trial=True,
            )
            return 0
        if self._skipped_from is not None and self.offset < self._end_at_start <= self._read_to:
            return self._send_skipped()
        replica.wait_for_data(self, committed=self._committed)
        return 0

    def close(self) -> None:
        """Follow the replica no more, and give the modules' memory back."""
        if not self._closed:
            super().close()
            self._pieces.clear()
            if not self._lane.busy:
                self._close_run()

    # Before the first record.

    async def _prepare(self) -> None:
        """Raises nothing: whatever goes wrong is the stream's answer."""
        transforms, lane = self._transforms, self._lane
        try:
            prepared = await transforms.prepare(lane, self._wanted, self._version)
            chain = await transforms.workers.call(lane, prepared.begin)
            run = ChainRun(
                chain,
                offset=self._read_to,
                begin_again=None if prepared.remembers else prepared.begin,
                stopping=self._is_stopping,
                one_by_one=prepared.one_by_one,
            )
            if self._closed:
                run.close()
                return
            self._chain = prepared
            await transforms.look_back(
                lane, chain, self._wanted, self.replica, end=self._look_back_end
            )
        except ChainRefused as refused:
            self._fail(refused.status)
        except ChainWorkersClosed:
            self.close()
        except FluvioError as error:
            self._fail(error_status(error, self.replica.key))
        except OSError as error:
            _log.error("event=look_back_failed replica=%s error=%s", self.replica.key, error)
            self._fail(ErrorStatus(ErrorCode.STORAGE_ERROR))
        except Exception:  # a bug here must not end the connection with its other streams
            _log.exception("event=chain_failed replica=%s", self.replica.key)
            self._fail(ErrorStatus(ErrorCode.SMART_MODULE_ERROR))
        else:
            if self._closed:
                run.close()
                return
            self._wanted = ()  # with the code that came along
            self._run = run
            self.send_next()

    # In a worker thread.

    def _is_stopping(self) -> bool:
        return self._closed or self._transforms.workers.closing

    def _process(self, run: ChainRun, found: LogSlice, end: int) -> RunResult:
        return run.process(found, end=end, bytes_max=self._max_bytes)

    # After that.

    def _processed(self, result: RunResult) -> None:
        self._reading = False
        assert self._chain is not None
        self._transforms.count(result, self._chain)
        if self._closed:
            self._close_run()
            return
        self._read_to = result.end
        self._pieces.extend(result.pieces)
        self.send_next()

    def _broken(self, error: Exception) -> None:
        self._reading = False
        if self._closed:
            self._close_run()
        elif isinstance(error, ChainRefused):  # the chain could not be begun anew
            self._fail(error.status)
        elif isinstance(error, ChainWorkersClosed):
            self.close()
        elif isinstance(error, FluvioError):
            self._fail(ErrorStatus.other(str(error)))
        elif isinstance(error, OSError):
            _log.error("event=read_failed replica=%s error=%s", self.replica.key, error)
            self._fail(ErrorStatus(ErrorCode.STORAGE_ERROR))
        else:
            _log.error("event=chain_failed replica=%s", self.replica.key, exc_info=error)
            self._fail(ErrorStatus(ErrorCode.SMART_MODULE_ERROR))

    def _close_run(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.close()

    def _send_pieces(self) -> int:
        """One answer with what is ready, as far as it fits; 0 when nothing of it is to be sent."""
        pieces = self._pieces
        batches: list[bytes] = []
        size = 0
        end = self.offset
        status = SUCCESS
        is_last = False
        while pieces:
            piece = pieces[0]
            if piece.records and batches and size + len(piece.records) > self._max_bytes:
                break
            pieces.popleft()
            if piece.records or piece.failure is not None:
                if self._skipped_from is not None:
                    if piece.start > self._skipped_from:
                        batches.append(
                            empty_batch(self._skipped_from, piece.start - self._skipped_from)
                        )
                    self._skipped_from = None
                batches.append(piece.records or empty_batch(piece.start, piece.end - piece.start))
                size += len(piece.records)
                end = piece.end
            elif self._skipped_from is None:
                self._skipped_from = piece.start
            if piece.failure is not None:
                status, is_last = piece.failure, piece.is_last
                break
        if not batches:
            return 0
        sent = self._answer(batches, end, status)
        if is_last:
            self.close()
        return sent

    def _send_skipped(self) -> int:
        """Tell the consumer that it has got to the end although there is no record for it."""
        assert self._skipped_from is not None
        first, self._skipped_from = self._skipped_from, None
        return self._answer([empty_batch(first, self._read_to - first)], self._read_to, SUCCESS)

    def _answer(self, batches: list[bytes], end: int, status: ErrorStatus) -> int:
        """An answer that stands for everything before `end`; it is in flight from now on."""
        records = b"".join(batches)
        replica = self.replica
        metrics = self._session.service.metrics
        metrics.outbound_response_count += 1
        metrics.outbound_bytes += len(records)
        if status:
            metrics.stream_error_count += 1
            self._failed_from = self.offset
        self.offset = end
        self._in_flight = True
        self._session.respond(
            StreamFetchResponse(
                topic=replica.key.topic,
                stream_id=self._stream_id,
                partition=FetchPartitionResponse(
                    partition=replica.key.partition,
                    error_code=status,
                    high_watermark=Offset(replica.hw.value),
                    next_filter_offset=Offset(end),
                    log_start_offset=replica.start_offset,
                    records=records,
                ),
            ),
            version=self._version,
            correlation_id=self._correlation_id,
        )
        return len(records)
