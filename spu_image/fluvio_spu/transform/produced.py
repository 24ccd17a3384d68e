"""Record sets of producers, through a chain before they are stored.

A chain takes the batches of one record set one after another. What comes out is numbered anew,
since stored batches have no gaps, and packed as it came. A failed record fails the whole set:
nothing of it is stored. Runs in worker threads.
"""

from collections.abc import Sequence

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import FluvioError
from fluvio_protocol.record import read_header
from fluvio_spu.transform.batches import OpenBatch, stored_batch
from fluvio_spu.transform.chain_run import RunResult, add_counts
from fluvio_spu.transform.engine_port import EngineChain

MadeBatch = tuple[memoryview, int]
"""A batch to store, and its record count."""


def run_produced(
    chain: EngineChain,
    records: bytes,
    batches: Sequence[tuple[int, int, int, int]],
    counts: RunResult,
) -> list[MadeBatch] | ErrorStatus:
    """What to store of a record set whose batches were checked, or why none of it is.

    Modules see the records of a set numbered from 0, for nobody knows their offsets yet.
    """
    made: list[MadeBatch] = []
    base_offset = 0
    try:
        for position, size, count, _ in batches:
            batch = OpenBatch.unpack(
                records, position, read_header(records, position, len(records))
            )
            output = chain.process(
                batch.payload,
                base_offset=base_offset,
                base_timestamp=batch.header.first_timestamp,
            )
            add_counts(counts, output)
            if output.error is not None:
                counts.timed_out |= output.error.timed_out
                return output.error.status
            base_offset += count
            if output.payload == batch.payload:
                made.append((_own(memoryview(records)[position : position + size]), count))
                continue
            batch_made = stored_batch(output.payload, batch.header)
            if batch_made is not None:
                made.append((memoryview(bytearray(batch_made)), output.record_count))
    except FluvioError as error:
        return ErrorStatus.other(str(error))
    return made


def _own(batch: memoryview) -> memoryview:
    """A copy that may be written to: base offsets are stamped in place."""
    return memoryview(bytearray(batch))
