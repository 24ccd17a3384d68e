"""The topic configuration file: a name and a spec as YAML with keys in kebab-case.

    version: 0.1.0
    meta: {name: orders}
    partition: {count: 3, replication: 2, max-size: 10 GB, ignore-rack-assignment: false}
    retention: {time: 7d, segment-size: 1 GiB}
    compression: {type: lz4}
    deduplication:
      bounds: {count: 100, age: 1m}
      filter: {transform: {uses: "group/name@0.1.0", with: {}}}

Instead of `count` and `replication`, `partition.maps` lists `{id, replicas}`. Pure: works on plain
data, which `fluvio_client.formats` reads and writes. What is not known is reported, not refused,
for Fluvio's own command ignores it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fluvio_client.quantities import (
    bytes_of,
    format_duration_s,
    parse_duration_ns,
    seconds_of,
    whole_seconds_of,
)
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    ComputedReplicas,
    Deduplication,
    DeduplicationBounds,
    Duration,
    PartitionMap,
    SegmentCleanup,
    TopicSpec,
    TopicStorage,
    Transform,
)
from fluvio_protocol.types import CompressionType, PartitionId, SpuId

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """What a file says.

    unknown: paths of keys that mean nothing, such as `partition.max_size`
    """

    name: str
    spec: TopicSpec
    unknown: tuple[str, ...] = ()


def read_topic_config(data: Any) -> TopicConfig:
    """Raises ValueError that names the key."""
    top = _Section("", data)
    top.take("version", _text, VERSION)
    meta = top.section("meta")
    name = meta.take("name", _text)
    if name is None:
        raise ValueError("meta.name: is missing")
    spec = TopicSpec(
        **_partition_settings(top.section("partition"), top.section("retention")),
        compression_type=top.section("compression").take("type", _compression, CompressionType.ANY),
        deduplication=_deduplication(top.section("deduplication")),
    )
    return TopicConfig(name, spec, tuple(top.unknown()))


def write_topic_config(name: str, spec: TopicSpec) -> dict[str, Any]:
    """The data of a file that `read_topic_config` reads back, equal.

    Raises: ValueError for a mirrored topic, which such a file cannot describe.
    """
    partition: dict[str, Any] = {}
    match spec.replicas:
        case ComputedReplicas() as computed:
            partition["count"] = computed.partitions
            partition["replication"] = computed.replication_factor
            partition["ignore-rack-assignment"] = computed.ignore_rack_assignment
        case AssignedReplicas() as assigned:
            partition["maps"] = [
                {"id": int(row.id), "replicas": [int(spu) for spu in row.replicas]}
                for row in assigned.maps
            ]
        case _:
            raise ValueError(f"topic {name} is mirrored")
    retention: dict[str, Any] = {}
    if spec.cleanup_policy is not None:
        retention["time"] = format_duration_s(spec.cleanup_policy.time_in_seconds)
    if spec.storage is not None and spec.storage.segment_size is not None:
        retention["segment-size"] = spec.storage.segment_size
    if spec.storage is not None and spec.storage.max_partition_size is not None:
        partition["max-size"] = spec.storage.max_partition_size
    data: dict[str, Any] = {
        "version": VERSION,
        "meta": {"name": name},
        "partition": partition,
        "retention": retention,
        "compression": {"type": spec.compression_type.name.lower()},
    }
    if spec.deduplication is not None:
        bounds: dict[str, Any] = {"count": spec.deduplication.bounds.count}
        age = spec.deduplication.bounds.age
        if age is not None:
            bounds["age"] = f"{age.seconds}s" + f" {age.nanoseconds}ns" * bool(age.nanoseconds)
        transform = spec.deduplication.filter
        data["deduplication"] = {
            "bounds": bounds,
            "filter": {"transform": {"uses": transform.uses, "with": dict(transform.with_)}},
        }
    return data


@dataclass(slots=True)
class _Section:
    """A mapping of the file, of which keys are taken; the rest is unknown."""

    path: str
    data: Any
    _taken: set[str] = field(default_factory=set)
    _sections: "list[_Section]" = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.data is None:
            self.data = {}
        if not isinstance(self.data, Mapping):
            raise ValueError(f"{self.path or 'the file'}: expected keys with values")

    def take(self, key: str, parse: Any, default: Any = None) -> Any:
        """The value of a key, parsed; `default` when it is absent or null."""
        self._taken.add(key)
        value = self.data.get(key)
        if value is None:
            return default
        try:
            return parse(value)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self._path_of(key)}: {error}") from None

    def section(self, key: str) -> "_Section":
        """The mapping under a key; an empty one when it is absent."""
        self._taken.add(key)
        inner = _Section(self._path_of(key), self.data.get(key))
        self._sections.append(inner)
        return inner

    def unknown(self) -> list[str]:
        """Paths of what nobody took."""
        own = [self._path_of(str(key)) for key in self.data if key not in self._taken]
        return own + [path for inner in self._sections for path in inner.unknown()]

    def _path_of(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _partition_settings(partition: _Section, retention: _Section) -> dict[str, Any]:
    maps = partition.take("maps", _maps)
    count = partition.take("count", _count)
    replication = partition.take("replication", _count)
    ignore_racks = partition.take("ignore-rack-assignment", _flag)
    if maps is not None and not (count is None and replication is None and ignore_racks is None):
        raise ValueError("partition: give either maps, or count and replication")
    replicas = maps or ComputedReplicas(
        partitions=1 if count is None else count,
        replication_factor=1 if replication is None else replication,
        ignore_rack_assignment=bool(ignore_racks),
    )
    seconds = retention.take("time", _retention_s)
    segment = retention.take("segment-size", _size)
    size = partition.take("max-size", _size)
    storage = None
    if segment is not None or size is not None:
        storage = TopicStorage(segment_size=segment, max_partition_size=size)
    return {
        "replicas": replicas,
        "cleanup_policy": None if seconds is None else SegmentCleanup(time_in_seconds=seconds),
        "storage": storage,
    }


def _deduplication(section: _Section) -> Deduplication | None:
    bounds = section.section("bounds")
    transform = section.section("filter").section("transform")
    count = bounds.take("count", _count)
    age = bounds.take("age", _age)
    uses = transform.take("uses", _text)
    parameters = transform.take("with", _parameters, {})
    if count is None and uses is None and age is None:
        return None
    if count is None or uses is None:
        raise ValueError("deduplication: bounds.count and filter.transform.uses are both needed")
    return Deduplication(
        bounds=DeduplicationBounds(count=count, age=age),
        filter=Transform(uses=uses, with_=parameters),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {value!r}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {value!r}")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"expected a whole number, found {value!r}")
    return value


def _count(value: Any) -> int:
    if not _whole(value):
        raise ValueError("must be greater than 0")
    return int(value)


def _size(value: Any) -> int:
    return bytes_of(value) if isinstance(value, str) else _whole(value)


def _retention_s(value: Any) -> int:
    return whole_seconds_of(value) if isinstance(value, str) else _whole(value)


def _age(value: Any) -> Duration:
    if isinstance(value, str):
        nanoseconds = parse_duration_ns(value)
    else:
        nanoseconds = int(seconds_of(_whole(value))) * 1_000_000_000
    return Duration(seconds=nanoseconds // 1_000_000_000, nanoseconds=nanoseconds % 1_000_000_000)


def _compression(value: Any) -> CompressionType:
    for member in CompressionType:
        if member.name == str(value).upper():
            return member
    names = ", ".join(member.name.lower() for member in CompressionType)
    raise ValueError(f'unknown compression "{value}": known are {names}')


def _parameters(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError("expected keys with values")
    return {str(key): str(inner) for key, inner in value.items()}


def _maps(value: Any) -> AssignedReplicas | None:
    if value == []:
        return None
    return AssignedReplicas(
        maps=tuple(
            PartitionMap(id=PartitionId(number), replicas=tuple(SpuId(spu) for spu in row))
            for number, row in enumerate(read_assignment(value))
        )
    )


def read_assignment(rows: Any) -> list[list[int]]:
    """SPU ids by partition, from a list of `{"id", "replicas"}`. Raises ValueError."""
    if not isinstance(rows, list) or not rows:
        raise ValueError('expected a list of {"id", "replicas"}')
    assignment: list[list[int]] = []
    for number, row in enumerate(rows):
        replicas = row.get("replicas") if isinstance(row, Mapping) else None
        if not isinstance(row, Mapping) or row.get("id") != number:
            raise ValueError(
                "ids must count from 0 without a gap, "
                f"entry {number} has id {row.get('id') if isinstance(row, Mapping) else row!r}"
            )
        if (
            not isinstance(replicas, list)
            or not replicas
            or not all(isinstance(one, int) and one >= 0 for one in replicas)
        ):
            raise ValueError(f"partition {number} needs SPU ids")
        if len(set(replicas)) != len(replicas):
            raise ValueError(f"partition {number} names an SPU twice")
        if assignment and len(replicas) != len(assignment[0]):
            raise ValueError(
                f"partition {number} has {len(replicas)} replicas, partition 0 has "
                f"{len(assignment[0])}"
            )
        assignment.append(list(replicas))
    return assignment
