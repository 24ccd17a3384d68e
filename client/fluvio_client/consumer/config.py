"""Settings of a consumer, and what it counts. Plain data."""

from dataclasses import dataclass
from enum import StrEnum

from fluvio_client.consumer.offsets import Offset
from fluvio_client.consumer.transform import Transform
from fluvio_client.errors import OffsetManagementDisabled
from fluvio_client.retry import CONSUME, RetryPolicy
from fluvio_protocol.types import Isolation

MAX_BYTES_DEFAULT = 1_048_576
BUFFER_BYTES_MAX = 64 * 1024 * 1024
FROM_NOW_ON = Offset.end()


class Commit(StrEnum):
    """Who says what was consumed."""

    NONE = "none"
    MANUAL = "manual"
    AUTO = "auto"


class OnError(StrEnum):
    """What becomes of an error of the application's own making: a SmartModule that failed, a batch
    that does not decode, a topic that was deleted. Lost connections are not among them."""

    RAISE = "raise"
    """the iterator raises it, and goes on when it is asked again"""
    YIELD = "yield"
    """it takes its place among the records"""
    SKIP = "skip"
    """it is logged and counted; modules that an SPU refuses to run are raised all the same"""


class OnEvicted(StrEnum):
    """What to do when retention removed the record that would have been next."""

    RESUME = "resume"
    """go on with the first one that is there, with a warning in the log, and count it"""
    RAISE = "raise"
    """OffsetEvicted, to which `on_error` applies"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerConfig:
    """Settings of a consumer.

    start:            where to begin; only records that arrive from now on, unless told otherwise
    follow:           wait for new records; otherwise end with what was there at the start
    until:            end before this place in every partition, also when following; a time ends
                      with what was there at the start at the latest
    max_records:      end after so many records in all
    max_bytes:        of batches in one response of an SPU
    buffer_bytes_max: bound for all partitions together; it lowers max_bytes for many partitions
    isolation:        read to the log end, or only what is committed
    consumer_id:      resume after the stored offset of this consumer
    commit:           what stores offsets; all but `none` need a consumer id
    flush_interval_s: how often `commit="auto"` sends them
    on_error:         what becomes of errors that are not the network's
    on_evicted:       what to do when retention removed the next record
    transforms:       SmartModules that the SPU runs on the records, one behind the other
    retry:            for lost connections and moved leaders
    """

    start: Offset = FROM_NOW_ON
    follow: bool = True
    until: Offset | int | None = None
    max_records: int | None = None
    max_bytes: int = MAX_BYTES_DEFAULT
    buffer_bytes_max: int = BUFFER_BYTES_MAX
    isolation: Isolation = Isolation.READ_UNCOMMITTED
    consumer_id: str | None = None
    commit: Commit = Commit.NONE
    flush_interval_s: float = 10.0
    on_error: OnError = OnError.RAISE
    on_evicted: OnEvicted = OnEvicted.RESUME
    transforms: tuple[Transform, ...] = ()
    retry: RetryPolicy = CONSUME

    def __post_init__(self) -> None:
        if self.commit is not Commit.NONE and self.consumer_id is None:
            raise OffsetManagementDisabled("Consumer id is required when using offset strategy")
        if self.max_bytes < 1 or self.buffer_bytes_max < 1 or self.flush_interval_s <= 0:
            raise ValueError("sizes and intervals of a consumer must be positive")
        if self.max_records is not None and self.max_records < 0:
            raise ValueError(f"{self.max_records} is no number of records: it is negative")


@dataclass(slots=True)
class ConsumerStats:
    """What a consumer met so far.

    evictions:            times that reading went on behind records that retention had removed
    errors_skipped:       errors that `on_error="skip"` passed over
    streams_resumed:      streams that were lost and taken up again
    batches_received:     batches that the reader has come to, also those with nothing in them
    records_received:     records in them that were asked for
    bytes_received:       of those batches as they came, compressed, with their headers
    smartmodule_failures: records that a SmartModule failed on
    """

    evictions: int = 0
    errors_skipped: int = 0
    streams_resumed: int = 0
    batches_received: int = 0
    records_received: int = 0
    bytes_received: int = 0
    smartmodule_failures: int = 0
