"""What the status of an object should say, and which objects say something of which. Pure.

Called by `status_writer.py`. No client, no clock: the same objects give the same status.

Invariant of the index: it holds exactly the objects that were put and not removed, by the relations
of their last form.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fluvio_crd.manifest import render_status
from fluvio_operator.conditions.condition import Condition, ConditionType
from fluvio_operator.conditions.partition import conditions_of_partition
from fluvio_operator.conditions.smart_module import (
    conditions_of_smart_module,
    smart_module_extras,
)
from fluvio_operator.conditions.spu import conditions_of_spu
from fluvio_operator.conditions.spu_group import conditions_of_spu_group
from fluvio_operator.conditions.stateless import (
    conditions_of_mirror,
    conditions_of_table_format,
)
from fluvio_operator.conditions.status_extras import (
    partition_extras,
    spu_extras,
    spu_group_extras,
    topic_extras,
)
from fluvio_operator.conditions.topic import conditions_of_topic
from fluvio_operator.platform_view import PlatformView
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import MirrorStatus, RemoteMirror
from fluvio_protocol.metadata.partition import PartitionStatus
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject, min_in_sync_of
from fluvio_sc.core.replication_state import MIN_IN_SYNC_DEFAULT
from fluvio_sc.memory_store import MemoryStore

_OUR_CONDITIONS = frozenset(kind.value for kind in ConditionType)
_NOT_OURS = "tombstones"
_SOMETIMES: Mapping[Kind, tuple[str, ...]] = {
    Kind.TOPIC: ("replicationFactor",),
    Kind.PARTITION: ("followerLag", "eligible"),
    Kind.SPU: ("publicAddress", "node"),
    Kind.SPU_GROUP: ("reason", "version"),
    Kind.SMART_MODULE: ("size", "kind"),
}
"""Fields that we write or leave out: one that is there and should not be is a difference."""

Said = tuple[dict[str, Any], list[Condition]]


class Relations:
    """Names of partitions by topic and by SPU, of SPUs by group and by id."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, Any], dict[str, None]] = {}

    def change(self, before: StoredObject | None, after: StoredObject | None) -> None:
        """One object came, changed or went."""
        old, new = _groups_of(before), _groups_of(after)
        if before is not None:
            for group in old.difference(new):
                names = self._names.get(group, {})
                names.pop(before.name, None)
                if not names:
                    self._names.pop(group, None)
        if after is not None:
            for group in new.difference(old):
                self._names.setdefault(group, {})[after.name] = None

    def partitions_of(self, topic: str) -> Iterable[str]:
        return self._names.get(("topic", topic), ())

    def partitions_on(self, spu_id: int) -> Iterable[str]:
        return self._names.get(("spu", spu_id), ())

    def spus_of(self, group: str) -> Iterable[str]:
        return self._names.get(("group", group), ())

    def spus_with(self, spu_id: int) -> Iterable[str]:
        """SPU objects of this id; only the oldest of them has it."""
        return self._names.get(("id", spu_id), ())


def _groups_of(item: StoredObject | None) -> set[tuple[str, Any]]:
    groups: set[tuple[str, Any]] = set()
    if item is None:
        return groups
    owner = item.owner
    if item.kind is Kind.PARTITION:
        groups.update(("spu", int(spu_id)) for spu_id in item.spec.replicas)
        if owner is not None:
            groups.add(("topic", owner.name))
    elif item.kind is Kind.SPU:
        groups.add(("id", int(item.spec.id)))
        if owner is not None:
            groups.add(("group", owner.name))
    return groups


def affected_by(
    before: StoredObject | None, after: StoredObject | None, relations: Relations
) -> set[ObjectKey]:
    """Other objects whose status may read differently after a structural change of this one.

    relations: already with the change.
    """
    found: set[ObjectKey] = set()
    item = after or before
    if item is None or item.kind not in (Kind.PARTITION, Kind.SPU):
        return found
    for each in (before, after):
        if each is not None and each.owner is not None:
            found.add(ObjectKey(each.owner.kind, each.owner.name))
    if item.kind is Kind.PARTITION:
        if _placement(before) != _placement(after):
            for each in (before, after):
                for spu_id in each.spec.replicas if each is not None else ():
                    found.update(ObjectKey(Kind.SPU, n) for n in relations.spus_with(spu_id))
    elif _id_of(before) != _id_of(after):
        for spu_id in {_id_of(before), _id_of(after)} - {None}:
            found.update(ObjectKey(Kind.SPU, name) for name in relations.spus_with(spu_id or 0))
    return found - {item.key}


def _placement(item: StoredObject | None) -> Any:
    return None if item is None else (item.spec.leader, item.spec.replicas)


def _id_of(item: StoredObject | None) -> int | None:
    return None if item is None else int(item.spec.id)


def is_structural(before: StoredObject, after: StoredObject) -> bool:
    """Whether more than numbers of traffic changed; without rendering either."""
    if (
        before.uid != after.uid
        or before.generation != after.generation
        or before.deletion_requested != after.deletion_requested
        or before.problem != after.problem
        or before.leader_epoch != after.leader_epoch
        or before.replication != after.replication
        or (before.spec is not after.spec and before.spec != after.spec)
    ):
        return True
    old, new = before.status, after.status
    if old is new:
        return False
    match new:
        case PartitionStatus():
            return bool(
                old.resolution is not new.resolution
                or old.is_being_deleted != new.is_being_deleted
                or old.leader.spu != new.leader.spu
            )
        case MirrorStatus():
            return bool(
                old.connection_status is not new.connection_status
                or old.pairing_sc != new.pairing_sc
                or old.pairing_spu != new.pairing_spu
            )
        case _:
            return bool(old != new)


class StatusBodies:
    """Statuses of the objects of a store."""

    def __init__(self, store: MemoryStore, view: PlatformView, relations: Relations) -> None:
        self._store = store
        self._view = view
        self._relations = relations

    def status_of(self, item: StoredObject) -> Said:
        """Its fields but conditions, and the conditions."""
        extras, conditions = self._beyond(item)
        fields = {**render_status(item.kind, item.status), **extras}
        fields["observedGeneration"] = item.generation
        return fields, conditions

    def _beyond(self, item: StoredObject) -> Said:
        match item.kind:
            case Kind.TOPIC:
                children = self._partitions(self._relations.partitions_of(item.name))
                children = [c for c in children if c.owner is not None and c.owner.uid == item.uid]
                return (
                    topic_extras(item, children),
                    conditions_of_topic(item, children, _wanted_in_sync(item, children)),
                )
            case Kind.PARTITION:
                extras = {**partition_extras(item), **_follower_lag(item.status)}
                return extras, conditions_of_partition(item, min_in_sync_of(item))
            case Kind.SPU:
                return self._of_spu(item)
            case Kind.SPU_GROUP:
                return self._of_group(item)
            case Kind.SMART_MODULE:
                return smart_module_extras(item), conditions_of_smart_module(item)
            case Kind.TABLE_FORMAT:
                return {}, conditions_of_table_format(item)
            case _:
                kind = "remote" if isinstance(item.spec, RemoteMirror) else "home"
                return {"type": kind}, conditions_of_mirror(item)

    def _of_spu(self, spu: StoredObject) -> Said:
        seen = self._view.spu(spu.name)
        first = self._first_with_id_of(spu)
        there = self._partitions(self._relations.partitions_on(spu.spec.id))
        return spu_extras(spu, there, node=seen.node), conditions_of_spu(
            spu,
            unavailable=seen.unavailable,
            address_missing=seen.address_missing,
            duplicate_of=None if first == spu.name else first,
        )

    def _first_with_id_of(self, spu: StoredObject) -> str:
        claims = list(self._relations.spus_with(spu.spec.id))
        if len(claims) < 2:
            return spu.name
        return next(each.name for each in self._store.of(Kind.SPU) if each.name in claims)

    def _of_group(self, group: StoredObject) -> Said:
        seen = self._view.group(group.name)
        found = (self._store.get(Kind.SPU, name) for name in self._relations.spus_of(group.name))
        spus = [
            spu
            for spu in found
            if spu is not None and spu.owner is not None and spu.owner.uid == group.uid
        ]
        return (
            spu_group_extras(group, seen.observed, image=seen.image),
            conditions_of_spu_group(group, spus, seen.observed),
        )

    def _partitions(self, names: Iterable[str]) -> list[StoredObject]:
        found = (self._store.get(Kind.PARTITION, name) for name in names)
        return [item for item in found if item is not None]


def what_we_say(status: Mapping[str, Any]) -> dict[str, Any]:
    """Of a live status, what can be ours."""
    ours = {name: value for name, value in status.items() if name != _NOT_OURS}
    ours["conditions"] = our_conditions(status.get("conditions") or ())
    return ours


def our_conditions(conditions: Sequence[Any]) -> list[Mapping[str, Any]]:
    return [
        each
        for each in conditions
        if isinstance(each, Mapping) and each.get("type") in _OUR_CONDITIONS
    ]


def says(kind: Kind, live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a live status says what is wanted; the order of conditions means nothing."""
    for name in (*wanted, *_SOMETIMES.get(kind, ())):
        if name != "conditions" and live.get(name) != wanted.get(name):
            return False
    return _by_type(live) == _by_type(wanted)


def _by_type(status: Mapping[str, Any]) -> dict[str, Any]:
    return {each["type"]: each for each in our_conditions(status.get("conditions") or ())}


def _wanted_in_sync(topic: StoredObject, partitions: Sequence[StoredObject]) -> int:
    """Replicas that a record needs, as its partitions were told."""
    told = [each.min_in_sync or MIN_IN_SYNC_DEFAULT for each in partitions]
    return max(told, default=topic.min_in_sync or MIN_IN_SYNC_DEFAULT)


def _follower_lag(status: PartitionStatus) -> dict[str, int]:
    known = [follower.leo for follower in status.replicas if follower.leo >= 0]
    if not known or status.leader.leo < 0:
        return {}
    return {"followerLag": max(0, int(status.leader.leo) - int(min(known)))}
