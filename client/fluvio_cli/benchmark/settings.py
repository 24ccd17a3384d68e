"""What a benchmark does: a table of settings, which makes options, files and checks. Pure.

Names and defaults are those of Fluvio's own benchmark; those without a counterpart there are
`num-consumers`, `max-bytes`, `isolation` and `rate`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fluvio_cli.quantities import parse_duration_s, parse_size_bytes
from fluvio_cli.spellings import parse_compression, parse_isolation

KIB: Final = 1024
MIB: Final = 1024 * KIB
STAMP_BYTES: Final = 8
"""What the time when a record was due takes of it, where latency is measured."""


class Mode(StrEnum):
    """What is measured."""

    PRODUCER = "producer"
    CONSUMER = "consumer"
    LATENCY = "latency"


class Keys(StrEnum):
    """What keys records have."""

    NO_KEY = "no-key"
    ALL_SHARE_SAME_KEY = "all-share-same-key"
    PRODUCER_WORKER_UNIQUE_KEY = "producer-worker-unique-key"
    RANDOM_KEY = "random-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One benchmark; the fields are those of SETTINGS below, which says what they mean."""

    mode: Mode
    batch_size_bytes: int = 16 * KIB
    queue_size: int = 100
    max_request_size_bytes: int = 32 * MIB
    linger_s: float = 0.0
    server_timeout_s: float = 5.0
    compression: str = "none"
    num_samples: int = 3
    time_between_samples_s: float = 0.25
    worker_timeout_s: float = 3000.0
    record_key_allocation_strategy: Keys = Keys.NO_KEY
    num_producers: int = 1
    num_consumers: int = 1
    num_records: int = 10_000
    record_size_bytes: int = 5 * KIB
    rate: float = 1000.0
    max_bytes: int = 1 * MIB
    isolation: str = "readuncommitted"
    partitions: int = 1
    replicas: int = 1
    topic_name: str | None = None
    keep_topic: bool = False
    ignore_rack: bool = False

    def __post_init__(self) -> None:
        for setting in SETTINGS:
            setting.check(getattr(self, setting.field))
        if self.record_size_bytes + KIB > self.max_request_size_bytes:
            raise ValueError("record-size leaves no room within max-request-size")
        if self.mode is Mode.LATENCY and self.record_size_bytes < STAMP_BYTES:
            raise ValueError(f"record-size must be {STAMP_BYTES} at least, to hold a time")

    def shown(self) -> dict[str, Any]:
        """What applies to the mode, by the names that people use; sizes and times as numbers."""
        return {
            setting.name: getattr(self, setting.field)
            for setting in SETTINGS
            if self.mode in setting.modes
        }


def parse_count(text: str) -> int:
    """A whole number, `10_000` and `10,000` too. Raises ValueError."""
    plain = text.replace("_", "").replace(",", "")
    if not (plain.isascii() and plain.isdigit()):
        raise ValueError("expected a whole number")
    return int(plain)


def parse_rate(text: str) -> float:
    """A number. Raises ValueError."""
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


def parse_keys(text: str) -> Keys:
    """One of the strategies. Raises ValueError."""
    try:
        return Keys(text.lower().replace("_", "-"))
    except ValueError:
        raise ValueError(f"expected one of {', '.join(Keys)}") from None


def parse_flag(text: str) -> bool:
    """`true` or `false`. Raises ValueError."""
    if text.lower() not in ("true", "false"):
        raise ValueError("expected true or false")
    return text.lower() == "true"


EVERY: Final = frozenset(Mode)
WRITING: Final = EVERY
READING: Final = frozenset({Mode.CONSUMER, Mode.LATENCY})


@dataclass(frozen=True, slots=True)
class Setting:
    """One of them.

    name:    as an option without its dashes, and in files
    default: as people write it
    minimum, maximum: of its number, both included; None for what is none
    """

    name: str
    field: str
    parse: Callable[[str], Any]
    default: str
    metavar: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    modes: frozenset[Mode] = EVERY

    def check(self, value: Any) -> None:
        """Raises ValueError for a number out of its bounds."""
        for bound, broken, word in (
            (self.minimum, self.minimum is not None and value < self.minimum, "least"),
            (self.maximum, self.maximum is not None and value > self.maximum, "most"),
        ):
            if broken:
                raise ValueError(f"{self.name} must be {bound:,.0f} at {word}")

    def read(self, text: str) -> Any:
        """The value of a text. Raises ValueError."""
        value = self.parse(text)
        self.check(value)
        return value


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("batch-size", "batch_size_bytes", parse_size_bytes, "16kib", "SIZE",
            "Of a full batch.", 1, 64 * MIB),
    Setting("queue-size", "queue_size", parse_count, "100", "N",
            "Batches of a partition that wait.", 1, 100_000),
    Setting("max-request-size", "max_request_size_bytes", parse_size_bytes, "32mib", "SIZE",
            "Of one request of a producer.", 1, 512 * MIB),
    Setting("linger", "linger_s", parse_duration_s, "0ms", "TIME",
            "How long a batch waits for more.", 0, 3600),
    Setting("server-timeout", "server_timeout_s", parse_duration_s, "5000ms", "TIME",
            "How long a leader may take to answer.", 0, 86_400),
    Setting("compression", "compression", parse_compression, "none", "CODEC",
            "none, gzip, snappy, lz4 or zstd."),
    Setting("num-samples", "num_samples", parse_count, "3", "N",
            "How often it is measured.", 1, 1000),
    Setting("time-between-samples", "time_between_samples_s", parse_duration_s, "250ms", "TIME",
            "Rest between two samples.", 0, 3600),
    Setting("worker-timeout", "worker_timeout_s", parse_duration_s, "3000s", "TIME",
            "Give a sample up after so long.", 0.001, 86_400),
    Setting("record-key-allocation-strategy", "record_key_allocation_strategy", parse_keys,
            "no-key", "KEYS",
            "no-key, all-share-same-key, producer-worker-unique-key or random-key."),
    Setting("num-producers", "num_producers", parse_count, "1", "N",
            "Each has a connection of its own, and its share of the records.", 1, 256),
    Setting("num-consumers", "num_consumers", parse_count, "1", "N",
            "Each has a connection of its own, and reads all records.", 1, 256,
            frozenset({Mode.CONSUMER})),
    Setting("num-records", "num_records", parse_count, "10000", "N",
            "In a sample.", 1, 1_000_000_000),
    Setting("record-size", "record_size_bytes", parse_size_bytes, "5kib", "SIZE",
            "Of a record's value.", 0, 256 * MIB),
    Setting("rate", "rate", parse_rate, "1000", "N",
            "Records that are sent in a second, whatever the cluster says.", 0.01, 1_000_000,
            frozenset({Mode.LATENCY})),
    Setting("max-bytes", "max_bytes", parse_size_bytes, "1mib", "SIZE",
            "Of one response to a consumer.", 1, 512 * MIB, READING),
    Setting("isolation", "isolation", parse_isolation, "read_uncommitted", "ISOLATION",
            "read_committed or read_uncommitted, of producers and consumers."),
    Setting("partitions", "partitions", parse_count, "1", "N",
            "Of the topic, if it is made.", 1, 1000),
    Setting("replicas", "replicas", parse_count, "1", "N",
            "Of each partition, if the topic is made.", 1, 32),
    Setting("topic-name", "topic_name", str, "benchmark-<random>", "NAME",
            "A topic that is there already is used, and stays."),
    Setting("keep-topic", "keep_topic", parse_flag, "false", "",
            "Do not delete the topic at the end."),
    Setting("ignore-rack", "ignore_rack", parse_flag, "false", "",
            "Place replicas without looking at racks."),
)  # fmt: skip
FLAGS: Final = frozenset({"keep-topic", "ignore-rack"})
BY_NAME: Final[Mapping[str, Setting]] = {setting.name: setting for setting in SETTINGS}
