"""What `kubectl get` prints of each kind. Data, used by `definition.py`.

A column that nothing fills would be a lie, so the default ones read fields that every object has
or gets; `wide` ones, shown by `-o wide`, may be empty. Source: kubernetes reference 1.9, 2.9.
"""

from dataclasses import dataclass

from fluvio_protocol.metadata.kinds import Kind


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, where its value is, and what type that has."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


_AGE = Column("Age", ".metadata.creationTimestamp", "date")
_READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
_STATUS = Column("Status", ".status.resolution")
_REASON = Column("Reason", ".status.reason", wide=True)

COLUMNS: dict[Kind, tuple[Column, ...]] = {
    Kind.TOPIC: (
        Column("Type", ".status.type"),
        Column("Partitions", ".status.partitions", "integer"),
        Column("RF", ".status.replicationFactor"),
        _STATUS,
        _READY,
        Column("Under-Replicated", ".status.underReplicated", "integer"),
        _AGE,
        Column("Retention", ".spec.cleanupPolicy.segment.timeInSeconds", "integer", wide=True),
        Column("Segment", ".spec.storage.segmentSize", "integer", wide=True),
        Column("MaxSize", ".spec.storage.maxPartitionSize", "integer", wide=True),
        Column("Compression", ".spec.compressionType", wide=True),
        Column("Dedup", ".spec.deduplication.filter.transform.uses", wide=True),
        _REASON,
    ),
    Kind.PARTITION: (
        Column("Topic", ".status.topic"),
        Column("Leader", ".spec.leader", "integer"),
        Column("Replicas", ".spec.replicas"),
        Column("ISR", ".status.inSync"),
        _STATUS,
        Column("HW", ".status.leader.hw", "integer"),
        Column("LEO", ".status.leader.leo", "integer"),
        Column("Size", ".status.size", "integer"),
        _AGE,
        Column("Preferred", ".spec.replicas[0]", "integer", wide=True),
        Column("Base", ".status.baseOffset", "integer", wide=True),
        Column("Follower-Lag", ".status.followerLag", "integer", wide=True),
        Column("Deleting", ".status.isBeingDeleted", "boolean", wide=True),
    ),
    Kind.SPU: (
        Column("ID", ".spec.spuId", "integer"),
        _STATUS,
        Column("Type", ".spec.spuType"),
        Column("Rack", ".spec.rack"),
        Column("Leaders", ".status.leaders", "integer"),
        Column("Replicas", ".status.replicas", "integer"),
        _AGE,
        Column("Public", ".status.publicAddress", wide=True),
        Column("Private", ".spec.privateEndpoint.host", wide=True),
        Column("Node", ".status.node", wide=True),
        Column("Disk%", ".status.diskUsedPercent", "integer", wide=True),
    ),
    Kind.SPU_GROUP: (
        Column("Desired", ".spec.replicas", "integer"),
        Column("Ready", ".status.readyReplicas", "integer"),
        Column("MinId", ".spec.minId", "integer"),
        _STATUS,
        _READY,
        Column("Version", ".status.version"),
        _AGE,
        Column("Rack", ".spec.template.spec.rack", wide=True),
        Column("Size", ".spec.template.spec.storage.size", wide=True),
        _REASON,
    ),
    Kind.SMART_MODULE: (
        Column("Group", ".spec.meta.package.group"),
        Column("Version", ".spec.meta.package.version"),
        Column("Size", ".status.size", "integer"),
        _READY,
        _AGE,
        Column("Kind", ".status.kind", wide=True),
        Column("In-Use", ".status.inUse", "integer", wide=True),
    ),
    Kind.TABLE_FORMAT: (
        Column("Format", ".spec.inputFormat"),
        _STATUS,
        _AGE,
        _REASON,
    ),
    Kind.MIRROR: (
        Column("Type", ".status.type"),
        Column("Status", ".status.connectionStatus"),
        Column("PairedSC", ".status.pairingSc"),
        Column("PairedSPU", ".status.pairingSpu"),
        Column("LastSeen", ".status.connectionStat.lastSeen", "integer"),
        _AGE,
        _REASON,
    ),
}

SMART_MODULE_V1 = (
    Column("Input Kind", ".spec.input_kind"),
    Column("Output Kind", ".spec.output_kind"),
    _AGE,
)
