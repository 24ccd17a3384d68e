"""Objects of a cluster, one class per kind: name, spec (desired), status (actual), owner.

Made by the repositories of `fluvio_client.admin`; frozen. A status is only ever read: nothing that
changes a cluster takes one. The owner is the object that an object goes away with. It does not
travel on the wire; it follows from names, for partitions are named for their topic and managed SPUs
for their group.
"""

from dataclasses import dataclass
from typing import ClassVar

from fluvio_client import formats, shapes
from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.mirror import HomeMirror, MirrorStatus, RemoteMirror
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, SmartModuleStatus
from fluvio_protocol.metadata.spu import CustomSpuSpec, SpuSpec, SpuStatus, SpuType
from fluvio_protocol.metadata.spu_group import SpuGroupSpec, SpuGroupStatus
from fluvio_protocol.metadata.table_format import TableFormatSpec, TableFormatStatus
from fluvio_protocol.metadata.topic import TopicSpec, TopicStatus


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that another one belongs to, and is removed with."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class AdminObject(Metadata):
    """What all kinds have in common."""

    kind: ClassVar[Kind]

    @property
    def owner(self) -> Owner | None:
        """What this object is removed with; None for one that stands alone."""
        return None

    def shape(self) -> shapes.Shape:
        """As plain data: `{"name", "spec", "status"}`, as Fluvio spells it."""
        return shapes.shape(self.kind, self)

    def text(self, format: str = "json") -> str:
        """In a format of `fluvio_client.formats`. Raises ValueError for an unknown one."""
        return formats.write(self.shape(), format)


@dataclass(frozen=True, slots=True)
class Topic(AdminObject):
    """A topic; it owns its partitions."""

    kind: ClassVar[Kind] = Kind.TOPIC
    spec: TopicSpec
    status: TopicStatus


@dataclass(frozen=True, slots=True)
class Partition(AdminObject):
    """A partition; made, changed and removed with its topic."""

    kind: ClassVar[Kind] = Kind.PARTITION
    spec: PartitionSpec
    status: PartitionStatus

    @property
    def topic(self) -> str:
        """Name of its topic."""
        return self.name.rpartition("-")[0]

    @property
    def number(self) -> int:
        """Its number within the topic."""
        number = self.name.rpartition("-")[2]
        return int(number) if number.isascii() and number.isdigit() else -1

    @property
    def owner(self) -> Owner | None:
        """Its topic."""
        return Owner(Kind.TOPIC, self.topic)


@dataclass(frozen=True, slots=True)
class Spu(AdminObject):
    """An SPU: managed, which a group made, or custom, which a user registered."""

    kind: ClassVar[Kind] = Kind.SPU
    spec: SpuSpec
    status: SpuStatus

    @property
    def managed(self) -> bool:
        """True when a group made it."""
        return self.spec.spu_type is SpuType.MANAGED

    @property
    def owner(self) -> Owner | None:
        """The group of a managed SPU."""
        return Owner(Kind.SPU_GROUP, self.name.rpartition("-")[0]) if self.managed else None


@dataclass(frozen=True, slots=True)
class CustomSpu(AdminObject):
    """An SPU that a user registered, as its registration."""

    kind: ClassVar[Kind] = Kind.CUSTOM_SPU
    spec: CustomSpuSpec
    status: SpuStatus


@dataclass(frozen=True, slots=True)
class SpuGroup(AdminObject):
    """A group of SPUs; it owns them."""

    kind: ClassVar[Kind] = Kind.SPU_GROUP
    spec: SpuGroupSpec
    status: SpuGroupStatus


@dataclass(frozen=True, slots=True)
class SmartModule(AdminObject):
    """A stored SmartModule."""

    kind: ClassVar[Kind] = Kind.SMART_MODULE
    spec: SmartModuleSpec
    status: SmartModuleStatus


@dataclass(frozen=True, slots=True)
class TableFormat(AdminObject):
    """A table format."""

    kind: ClassVar[Kind] = Kind.TABLE_FORMAT
    spec: TableFormatSpec
    status: TableFormatStatus


@dataclass(frozen=True, slots=True)
class Mirror(AdminObject):
    """Another cluster that this one exchanges topics with."""

    kind: ClassVar[Kind] = Kind.MIRROR
    spec: RemoteMirror | HomeMirror
    status: MirrorStatus
