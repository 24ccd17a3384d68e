"""The log of a partition: segments, offset indexes, checkpoints, recovery, retention.

Called by `replica/`, which owns one `Log` for each partition and is the only one to use it: a log
is not thread-safe, except for `SyncHandle.run()` and `ExpiredSegment.delete()`, which exist to run
in worker threads. Everything here is synchronous, starts no thread, knows no clock (times are
handed in) and reaches the operating system through `disk.py` alone, so that the same code runs
over a simulated disk. Batches are moved as bytes; records are never decoded.
"""

from fluvio_spu.storage.disk import Disk, OsDisk
from fluvio_spu.storage.durability import DurabilityMode, DurabilityPolicy, SyncHandle
from fluvio_spu.storage.errors import (
    BatchTooBig,
    CopiedRecordsDoNotFit,
    CorruptSegment,
    LogFailed,
    OffsetEvicted,
    OffsetOutOfRange,
    OutOfStorage,
    SegmentInUse,
    StorageError,
)
from fluvio_spu.storage.log import Log, LogConfig
from fluvio_spu.storage.recovery import CutTail, DamagedSegment, RecoveryReport
from fluvio_spu.storage.retention import ExpiredSegment
from fluvio_spu.storage.segment import LogSlice

__all__ = [
    "BatchTooBig",
    "CopiedRecordsDoNotFit",
    "CorruptSegment",
    "CutTail",
    "DamagedSegment",
    "Disk",
    "DurabilityMode",
    "DurabilityPolicy",
    "ExpiredSegment",
    "Log",
    "LogConfig",
    "LogFailed",
    "LogSlice",
    "OffsetEvicted",
    "OffsetOutOfRange",
    "OsDisk",
    "OutOfStorage",
    "RecoveryReport",
    "SegmentInUse",
    "StorageError",
    "SyncHandle",
]
