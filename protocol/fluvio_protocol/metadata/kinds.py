"""Every kind of object in one table, and the triple that travels: name, spec, status.

Labels are case-sensitive strings on the wire. Source: protocol reference 3.1, 3.2.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fluvio_protocol.codec import STR, Reader, wire_of
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.metadata.mirror import HomeMirror, MirrorSpec, MirrorStatus, RemoteMirror
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, SmartModuleStatus
from fluvio_protocol.metadata.spu import CustomSpuSpec, SpuSpec, SpuStatus
from fluvio_protocol.metadata.spu_group import SpuGroupSpec, SpuGroupStatus
from fluvio_protocol.metadata.table_format import TableFormatSpec, TableFormatStatus
from fluvio_protocol.metadata.topic import TopicSpec, TopicStatus


class Kind(StrEnum):
    """Type labels."""

    TOPIC = "Topic"
    PARTITION = "Partition"
    SPU = "SPU"
    CUSTOM_SPU = "CustomSpu"
    SPU_GROUP = "SpuGroup"
    SMART_MODULE = "SmartModule"
    TABLE_FORMAT = "TableFormat"
    MIRROR = "Mirror"


Spec = (
    TopicSpec
    | PartitionSpec
    | SpuSpec
    | CustomSpuSpec
    | SpuGroupSpec
    | SmartModuleSpec
    | TableFormatSpec
    | RemoteMirror
    | HomeMirror
)
Status = (
    TopicStatus
    | PartitionStatus
    | SpuStatus
    | SpuGroupStatus
    | SmartModuleStatus
    | TableFormatStatus
    | MirrorStatus
)

_SPECS: dict[Kind, Any] = {
    Kind.TOPIC: TopicSpec,
    Kind.PARTITION: PartitionSpec,
    Kind.SPU: SpuSpec,
    Kind.CUSTOM_SPU: CustomSpuSpec,
    Kind.SPU_GROUP: SpuGroupSpec,
    Kind.SMART_MODULE: SmartModuleSpec,
    Kind.TABLE_FORMAT: TableFormatSpec,
    Kind.MIRROR: MirrorSpec,
}
_STATUSES: dict[Kind, Any] = {
    Kind.TOPIC: TopicStatus,
    Kind.PARTITION: PartitionStatus,
    Kind.SPU: SpuStatus,
    Kind.CUSTOM_SPU: SpuStatus,
    Kind.SPU_GROUP: SpuGroupStatus,
    Kind.SMART_MODULE: SmartModuleStatus,
    Kind.TABLE_FORMAT: TableFormatStatus,
    Kind.MIRROR: MirrorStatus,
}
_KINDS_BY_SPEC: dict[type, Kind] = {
    TopicSpec: Kind.TOPIC,
    PartitionSpec: Kind.PARTITION,
    SpuSpec: Kind.SPU,
    CustomSpuSpec: Kind.CUSTOM_SPU,
    SpuGroupSpec: Kind.SPU_GROUP,
    SmartModuleSpec: Kind.SMART_MODULE,
    TableFormatSpec: Kind.TABLE_FORMAT,
    RemoteMirror: Kind.MIRROR,
    HomeMirror: Kind.MIRROR,
}
_CLASSIC_CREATE_TYPES: dict[Kind, int] = {
    Kind.TOPIC: 0,
    Kind.CUSTOM_SPU: 1,
    Kind.SPU_GROUP: 2,
    Kind.SMART_MODULE: 4,
    Kind.TABLE_FORMAT: 5,
    Kind.MIRROR: 6,
}
KINDS_BY_CLASSIC_CREATE_TYPE = {number: kind for kind, number in _CLASSIC_CREATE_TYPES.items()}
CREATABLE_KINDS = frozenset(_CLASSIC_CREATE_TYPES)
WATCHABLE_KINDS = frozenset(
    {Kind.TOPIC, Kind.SPU, Kind.SPU_GROUP, Kind.PARTITION, Kind.SMART_MODULE, Kind.TABLE_FORMAT}
)


def kind_of_label(label: str) -> Kind:
    """Raises RemoteProtocolError for a label that is none of ours."""
    try:
        return Kind(label)
    except ValueError:
        raise RemoteProtocolError(f'"{label}" is no kind of object') from None


def kind_of_spec(spec: Spec) -> Kind:
    """The kind an object with this spec has."""
    return _KINDS_BY_SPEC[type(spec)]


def spec_type(kind: Kind) -> Any:
    """The class of a kind's spec; for mirrors, the annotation that names its variants."""
    return _SPECS[kind]


def status_type(kind: Kind) -> Any:
    """The class of a kind's status."""
    return _STATUSES[kind]


def classic_create_type(kind: Kind) -> int:
    """Number of a kind in the Create envelope below version 11."""
    return _CLASSIC_CREATE_TYPES[kind]


def encode_spec(out: bytearray, kind: Kind, spec: Spec, version: int) -> None:
    wire_of(_SPECS[kind]).encode(out, spec, version)


def decode_spec(reader: Reader, kind: Kind, version: int) -> Spec:
    spec: Spec = wire_of(_SPECS[kind]).decode(reader, version)
    return spec


@dataclass(frozen=True, slots=True)
class Metadata:
    """An object as clients see it: name, desired spec, actual status."""

    name: str
    spec: Any
    status: Any


def encode_metadata(out: bytearray, kind: Kind, value: Metadata, version: int) -> None:
    STR.encode(out, value.name, version)
    wire_of(_SPECS[kind]).encode(out, value.spec, version)
    wire_of(_STATUSES[kind]).encode(out, value.status, version)


def decode_metadata(reader: Reader, kind: Kind, version: int) -> Metadata:
    return Metadata(
        STR.decode(reader, version),
        wire_of(_SPECS[kind]).decode(reader, version),
        wire_of(_STATUSES[kind]).decode(reader, version),
    )
