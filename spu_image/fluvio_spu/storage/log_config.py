"""The numbers of one log; from the topic, with the process's defaults. Plain data."""

from dataclasses import dataclass

from fluvio_spu.storage.data_file import BATCH_HEADER_SIZE
from fluvio_spu.storage.offset_index import ENTRY_SIZE, U32_MAX


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How one log is laid out and kept. Defaults are upstream's, where it has the setting.

    Raises ValueError when the numbers cannot work together.
    """

    segment_size_bytes_max: int = 1 << 30
    """positions are u32 on disk, so 4 GiB is the limit"""
    index_interval_bytes: int = 4096
    index_size_bytes_max: int = 10 << 20
    batch_size_bytes_max: int = 33_554_432
    partition_size_bytes_max: int = 107_374_182_400
    retention_ms: int = 604_800_000
    checkpoint_interval_bytes: int = 64 << 20
    """bounds what a start has to walk; a smaller segment is checkpointed when it is rolled"""
    preallocation_step_bytes_max: int = 64 << 20
    """0 turns preallocation off; never more is reserved than the segment already holds"""

    def __post_init__(self) -> None:
        if not BATCH_HEADER_SIZE <= self.segment_size_bytes_max <= U32_MAX:
            raise ValueError(
                f"segment size {self.segment_size_bytes_max}: "
                f"expected {BATCH_HEADER_SIZE} to {U32_MAX} bytes"
            )
        if self.index_size_bytes_max < ENTRY_SIZE:
            raise ValueError(f"index size {self.index_size_bytes_max}: no room for an entry")
        if self.batch_size_bytes_max < BATCH_HEADER_SIZE:
            raise ValueError(f"batch size {self.batch_size_bytes_max}: no room for a header")
        if self.checkpoint_interval_bytes <= 0:
            raise ValueError("the checkpoint interval must be positive")
        for name in (
            "index_interval_bytes",
            "partition_size_bytes_max",
            "retention_ms",
            "preallocation_step_bytes_max",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)}: must not be negative")
