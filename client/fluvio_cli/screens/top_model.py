"""What `fluvio top` shows: topics with their rates, consumers with their lag, SPUs. Pure.

Told of changes by whoever watches a cluster; asked for rows by whoever shows them. Time is handed
in, in seconds of a clock that never goes back. Records that came in are differences of high
watermarks, records that went out differences of stored consumer offsets.

Invariants: a rate looks back over RATE_WINDOW_S and keeps no more samples than fit in it at
SAMPLE_STEP_S; what is gone from the cluster is gone from here.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

RATE_WINDOW_S = 10.0
SAMPLE_STEP_S = 0.5
SAMPLES_MAX = int(RATE_WINDOW_S / SAMPLE_STEP_S) + 2


class Order(StrEnum):
    """By what topics are sorted; the largest first, except for names."""

    NAME = "name"
    IN = "in"
    OUT = "out"
    LAG = "lag"
    SIZE = "size"

    @property
    def following(self) -> "Order":
        """The next one, round and round."""
        members = list(Order)
        return members[(members.index(self) + 1) % len(members)]


@dataclass(frozen=True, slots=True)
class PartitionNews:
    """A partition as the controller last told.

    leader:           id of the SPU that serves it
    high_watermark:   None when it is not known
    size_bytes:       None when it is not known
    """

    topic: str
    number: int
    leader: int
    online: bool
    high_watermark: int | None
    size_bytes: int | None
    system: bool = False


@dataclass(frozen=True, slots=True)
class SpuNews:
    """An SPU as the controller last told."""

    id: int
    name: str
    status: str
    address: str
    rack: str | None


@dataclass(frozen=True, slots=True)
class ConsumerNews:
    """A consumer on a partition; offset is the last one it consumed, lag None when unknown."""

    consumer: str
    topic: str
    partition: int
    offset: int
    lag: int | None


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic; rates in records per second, None while they are not known.

    lag:  of its consumer that is furthest behind; None without consumers, or when unknown
    size: bytes on the leaders, as far as known
    """

    name: str
    partitions: int
    offline: int
    in_rate: float | None
    out_rate: float | None
    lag: int | None
    size_bytes: int
    high_watermark: int


@dataclass(frozen=True, slots=True)
class ConsumerRow:
    """A consumer of a topic, over its partitions."""

    consumer: str
    topic: str
    partitions: int
    lag: int | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class SpuRow:
    """An SPU, and what it leads."""

    id: int
    name: str
    status: str
    address: str
    rack: str | None
    leads: int
    offline: int
    in_rate: float | None


@dataclass(frozen=True, slots=True)
class Totals:
    """The cluster as a whole."""

    topics: int
    partitions: int
    offline: int
    spus: int
    spus_online: int
    in_rate: float | None
    out_rate: float | None


class Meter:
    """How quickly a number grows."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES_MAX)

    def tell(self, value: int, now_s: float) -> None:
        """The number is this now. One that became smaller is counted anew."""
        samples = self._samples
        if samples and value < samples[-1][1]:
            samples.clear()
        if len(samples) > 1 and now_s - samples[-2][0] < SAMPLE_STEP_S:
            samples[-1] = (now_s, value)  # the one before it still stands for this half second
        else:
            samples.append((now_s, value))

    def rate(self, now_s: float) -> float | None:
        """Per second, over the window; None before there are two moments to compare."""
        samples = self._samples
        if not samples:
            return None
        begin_s = now_s - RATE_WINDOW_S
        while len(samples) > 1 and samples[1][0] <= begin_s:
            samples.popleft()
        first_s, first = samples[0]
        # Nothing was told between the first sample and the second: the number stood still.
        since_s = now_s - max(first_s, begin_s)
        if since_s <= 0:
            return None
        return (samples[-1][1] - first) / since_s


@dataclass(slots=True)
class _Partition:
    news: PartitionNews
    meter: Meter = field(default_factory=Meter)


@dataclass(slots=True)
class _Reader:
    news: ConsumerNews
    meter: Meter = field(default_factory=Meter)


class ClusterModel:
    """A cluster, as far as it was told of."""

    def __init__(self) -> None:
        self.order = Order.NAME
        self.with_system = False
        self.part = ""  # of the names of topics that are shown
        self._partitions: dict[str, _Partition] = {}
        self._spus: dict[str, SpuNews] = {}
        self._readers: dict[tuple[str, str, int], _Reader] = {}

    # Being told

    def put_partition(self, name: str, news: PartitionNews, now_s: float) -> None:
        """A partition came or changed."""
        known = self._partitions.get(name)
        if known is None:
            known = self._partitions[name] = _Partition(news)
        known.news = news
        if news.high_watermark is not None:
            known.meter.tell(news.high_watermark, now_s)

    def remove_partition(self, name: str) -> None:
        """A partition went."""
        self._partitions.pop(name, None)

    def put_spu(self, name: str, news: SpuNews) -> None:
        """An SPU came or changed."""
        self._spus[name] = news

    def remove_spu(self, name: str) -> None:
        """An SPU went."""
        self._spus.pop(name, None)

    def set_consumers(self, found: Iterable[ConsumerNews], now_s: float) -> None:
        """All consumers, as they are now."""
        before, self._readers = self._readers, {}
        for news in found:
            key = (news.consumer, news.topic, news.partition)
            known = before.get(key) or _Reader(news)
            known.news = news
            known.meter.tell(news.offset, now_s)
            self._readers[key] = known

    # Being asked

    def partition_names(self) -> set[str]:
        """Partitions that are known."""
        return set(self._partitions)

    def spu_names(self) -> set[str]:
        """SPUs that are known."""
        return set(self._spus)

    def topics(self, now_s: float) -> list[TopicRow]:
        """Topics in order; system topics when they are wanted."""
        groups: dict[str, list[_Partition]] = {}
        for one in self._shown():
            groups.setdefault(one.news.topic, []).append(one)
        readers: dict[str, list[_Reader]] = {}
        for reader in self._readers.values():
            readers.setdefault(reader.news.topic, []).append(reader)
        rows = [
            TopicRow(
                name=topic,
                partitions=len(group),
                offline=sum(not one.news.online for one in group),
                in_rate=_sum_of(one.meter.rate(now_s) for one in group),
                out_rate=_sum_of(one.meter.rate(now_s) for one in readers.get(topic, ())),
                lag=_worst_lag(readers.get(topic, ())),
                size_bytes=sum(one.news.size_bytes or 0 for one in group),
                high_watermark=sum(one.news.high_watermark or 0 for one in group),
            )
            for topic, group in sorted(groups.items())
        ]
        match self.order:
            case Order.NAME:
                return rows
            case Order.IN:
                return sorted(rows, key=lambda row: -(row.in_rate or 0))
            case Order.OUT:
                return sorted(rows, key=lambda row: -(row.out_rate or 0))
            case Order.LAG:
                return sorted(rows, key=lambda row: -(row.lag or 0))
            case Order.SIZE:
                return sorted(rows, key=lambda row: -row.size_bytes)

    def consumers(self, now_s: float) -> list[ConsumerRow]:
        """Consumers by name and topic."""
        groups: dict[tuple[str, str], list[_Reader]] = {}
        for one in self._readers.values():
            if self.part not in one.news.topic:
                continue
            groups.setdefault((one.news.consumer, one.news.topic), []).append(one)
        return [
            ConsumerRow(
                consumer=consumer,
                topic=topic,
                partitions=len(group),
                lag=_total_lag(group),
                rate=_sum_of(one.meter.rate(now_s) for one in group),
            )
            for (consumer, topic), group in sorted(groups.items())
        ]

    def spus(self, now_s: float) -> list[SpuRow]:
        """SPUs by id."""
        led: dict[int, list[_Partition]] = {}
        for one in self._partitions.values():
            led.setdefault(one.news.leader, []).append(one)
        return [
            SpuRow(
                id=spu.id,
                name=spu.name,
                status=spu.status,
                address=spu.address,
                rack=spu.rack,
                leads=len(led.get(spu.id, ())),
                offline=sum(not one.news.online for one in led.get(spu.id, ())),
                in_rate=_sum_of(one.meter.rate(now_s) for one in led.get(spu.id, ())),
            )
            for spu in sorted(self._spus.values(), key=lambda spu: spu.id)
        ]

    def totals(self, now_s: float) -> Totals:
        """Sums over what is shown."""
        shown = list(self._shown())
        return Totals(
            topics=len({one.news.topic for one in shown}),
            partitions=len(shown),
            offline=sum(not one.news.online for one in shown),
            spus=len(self._spus),
            spus_online=sum(spu.status == "online" for spu in self._spus.values()),
            in_rate=_sum_of(one.meter.rate(now_s) for one in shown),
            out_rate=_sum_of(
                one.meter.rate(now_s)
                for one in self._readers.values()
                if self.part in one.news.topic
            ),
        )

    def _shown(self) -> Iterable[_Partition]:
        return (
            one
            for one in self._partitions.values()
            if self.with_system or not one.news.system
            if self.part in one.news.topic
        )


def _sum_of(rates: Iterable[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


def _total_lag(group: Iterable[_Reader]) -> int | None:
    """Of one consumer over partitions; None when it is not known of all."""
    total = 0
    for one in group:
        if one.news.lag is None:
            return None
        total += one.news.lag
    return total


def _worst_lag(group: Iterable[_Reader]) -> int | None:
    by_consumer: dict[str, list[_Reader]] = {}
    for one in group:
        by_consumer.setdefault(one.news.consumer, []).append(one)
    known = [lag for lag in map(_total_lag, by_consumer.values()) if lag is not None]
    return max(known, default=None)
