"""Requests of clients, decided: the actions that fulfil one, or why it is refused.

Called by `public_api/` through the controller's queue, so that nothing changes between the
decision and its execution. One function per kind and verb; each raises `Refused` with the number
and the words that Fluvio uses, and changes nothing itself.
"""

from dataclasses import replace

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind, Spec
from fluvio_protocol.metadata.mirror import (
    HomeMirror,
    HomePartition,
    MirrorStatus,
    RemoteMirror,
)
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, SmartModuleStatus
from fluvio_protocol.metadata.spu import CustomSpuSpec, SpuSpec, SpuStatus, SpuType
from fluvio_protocol.metadata.spu_group import SpuGroupResolution, SpuGroupSpec, SpuGroupStatus
from fluvio_protocol.metadata.table_format import TableFormatSpec, TableFormatStatus
from fluvio_protocol.metadata.topic import (
    ComputedReplicas,
    MirrorFromHome,
    MirrorReplicas,
    MirrorToRemotes,
    TopicSpec,
)
from fluvio_protocol.sc_public.delete import SpuName, SpuNumber
from fluvio_protocol.sc_public.update import AddMirror, AddPartition
from fluvio_protocol.types import SpuId
from fluvio_sc.core.actions import Action, CreateObject, RequestDeletion, SetSpec
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.reconcile.consumer_offsets import can_do_without
from fluvio_sc.core.reconcile.spu_group import ids_of
from fluvio_sc.core.reconcile.topic import HOW_TO_LET_GO, place_topic
from fluvio_sc.core.reconcile.topic import create_topic as topic_creation
from fluvio_sc.core.scheduler import Shortage
from fluvio_sc.core.smart_module_key import SmartModuleKey
from fluvio_sc.core.validation import (
    PARTITION_COUNT_MAX,
    name_problem,
    shown,
    smart_module_name_problem,
    spu_group_problem,
    topic_config_problem,
    topic_name_problem,
    topic_replicas_problem,
)

SMART_MODULE_SIZE_BYTES_MAX = 16 * 1024 * 1024
"""Ours: modules are kept in the controller's memory and sent to SPUs whole."""

_USER_REQUEST = "requested by a client"


def admit_create(name: str, spec: Spec, *, dry_run: bool, state: ClusterState) -> list[Action]:
    """The actions that make this object. Raises Refused."""
    match spec:
        case TopicSpec():
            return _create_topic(name, spec, dry_run, state)
        case CustomSpuSpec():
            return _register_custom_spu(name, spec, state)
        case SpuGroupSpec():
            return _create_spu_group(name, spec, state)
        case SmartModuleSpec():
            return _put_smart_module(name, spec, state)
        case TableFormatSpec():
            return _create_table_format(name, spec, state)
        case RemoteMirror() | HomeMirror():
            return _create_mirror(name, spec, state)
        case _:
            raise unknown_type()


def admit_delete(
    kind: Kind, key: str | SpuName | SpuNumber, *, force: bool, state: ClusterState
) -> StoredObject:
    """The object that may be deleted now. Raises Refused."""
    if isinstance(key, SpuName | SpuNumber):
        return _custom_spu_to_unregister(key, force, state)
    match kind:
        case Kind.TOPIC:
            return _topic_to_delete(key, force, state)
        case Kind.SMART_MODULE:
            return _smart_module_to_delete(key, state)
        case Kind.SPU_GROUP:
            return _spu_group_to_delete(key, force, state)
        case Kind.TABLE_FORMAT:
            return _existing(kind, key, ErrorStatus(ErrorCode.TABLE_FORMAT_NOT_FOUND), state)
        case Kind.MIRROR:
            return _existing(kind, key, ErrorStatus(ErrorCode.MIRROR_NOT_FOUND), state)
        case _:
            raise unknown_type()


def deletion_of(found: StoredObject) -> list[Action]:
    """The action that deletes an object, as a client wants it."""
    return [RequestDeletion(found.key, _USER_REQUEST)]


def admit_topic_update(
    name: str, action: AddPartition | AddMirror, state: ClusterState
) -> list[Action]:
    """The actions that change this topic. Raises Refused."""
    topic = state.get(Kind.TOPIC, name)
    if topic is None:
        raise Refused(ErrorCode.TOPIC_NOT_FOUND, f"topic '{shown(name)}' not found")
    if topic.deletion_requested:
        raise Refused(ErrorCode.TOPIC_DELETED, f"topic '{name}' is being deleted")
    if topic.spec.system:
        raise Refused(
            ErrorStatus(ErrorCode.SYSTEM_SPEC_UPDATING_ATTEMPT, (Kind.TOPIC.value, name)),
            f"system topic '{name}' cannot be changed",
        )
    match action:
        case AddPartition(count=count):
            return _add_partitions(topic, count)
        case AddMirror():
            return _add_mirror(topic, action, state)


def unknown_type() -> Refused:
    """The kind cannot be created, deleted or updated; Fluvio's words."""
    return Refused(ErrorStatus.other("unknown admin object type"), "unknown admin object type")


def _create_topic(name: str, spec: TopicSpec, dry_run: bool, state: ClusterState) -> list[Action]:
    problem = topic_name_problem(name)
    if problem is not None:
        raise Refused(ErrorCode.TOPIC_INVALID_NAME, problem)
    existing = state.get(Kind.TOPIC, name)
    if existing is not None:
        being_deleted = ", and is being deleted" if existing.deletion_requested else ""
        raise Refused(
            ErrorCode.TOPIC_ALREADY_EXISTS, f"topic '{name}' already defined{being_deleted}"
        )
    problem = topic_config_problem(spec)
    if problem is not None:
        raise Refused(ErrorCode.TOPIC_INVALID_CONFIGURATION, problem)
    problem = topic_replicas_problem(spec)
    if problem is not None:
        raise Refused(ErrorCode.TOPIC_ERROR, problem)
    if spec.deduplication is not None:
        _check_smart_module_exists(spec.deduplication.filter.uses, state)
    if dry_run:
        placement = place_topic(spec, {}, state)
        if isinstance(placement, Shortage):
            raise Refused(
                ErrorCode.TOPIC_NOT_PROVISIONED,
                f"topic is valid, but cannot be provisioned now: {placement.reason}",
            )
    return [topic_creation(name, spec, reason=_USER_REQUEST)]


def _check_smart_module_exists(uses: str, state: ClusterState) -> None:
    key = SmartModuleKey.parse(uses)
    if key is None:
        raise Refused(
            ErrorStatus(ErrorCode.DEDUPLICATION_SMART_MODULE_NAME_INVALID, (uses,)),
            f"deduplication SmartModule name '{shown(uses)}' is invalid",
        )
    if not any(key.matches(item.name, item.spec) for item in state.of(Kind.SMART_MODULE)):
        raise Refused(
            ErrorCode.DEDUPLICATION_SMART_MODULE_NOT_LOADED,
            f"deduplication SmartModule '{shown(uses)}' is not loaded",
        )


def _topic_to_delete(name: str, force: bool, state: ClusterState) -> StoredObject:
    topic = _existing(Kind.TOPIC, name, ErrorStatus(ErrorCode.TOPIC_NOT_FOUND), state)
    if topic.spec.system and not force:
        raise Refused(
            ErrorStatus(ErrorCode.SYSTEM_SPEC_DELETION_ATTEMPT, (Kind.TOPIC.value, name)),
            f"system topic '{name}' can only be deleted forcibly",
        )
    if topic.is_retained:
        raise Refused(
            ErrorStatus.other(f"topic '{name}' is retained: {HOW_TO_LET_GO}"),
            f"topic '{name}' is retained: {HOW_TO_LET_GO}",
        )
    match topic.spec.replicas:
        case MirrorReplicas(config=MirrorFromHome()):
            raise Refused(
                ErrorCode.MIRROR_DELETE_FROM_REMOTE,
                f"topic '{name}' mirrors a home cluster: delete it there",
            )
    return topic


def _add_partitions(topic: StoredObject, count: int) -> list[Action]:
    replicas = topic.spec.replicas
    if not isinstance(replicas, ComputedReplicas):
        raise Refused(
            ErrorCode.TOPIC_INVALID_REPLICA_TYPE,
            f"topic '{topic.name}' has replicas assigned by hand or mirrored; "
            "partitions can be added only to computed ones",
        )
    wanted = replicas.partitions + count
    if count == 0 or wanted > PARTITION_COUNT_MAX:
        raise Refused(
            ErrorCode.TOPIC_INVALID_CONFIGURATION,
            f"adding {count} partitions to {replicas.partitions}: at least 1, and at most "
            f"{PARTITION_COUNT_MAX} in all",
        )
    spec = replace(topic.spec, replicas=replace(replicas, partitions=wanted))
    return [SetSpec(topic.key, spec, f"{count} partitions added")]


def _add_mirror(topic: StoredObject, action: AddMirror, state: ClusterState) -> list[Action]:
    mirror = state.get(Kind.MIRROR, action.remote_cluster)
    if mirror is None:
        wanted = shown(action.remote_cluster)
        raise Refused(ErrorCode.MIRROR_NOT_FOUND, f"mirror '{wanted}' not found")
    match topic.spec.replicas:
        case MirrorReplicas(config=MirrorToRemotes(partitions=partitions) as config):
            pass
        case _:
            raise Refused(
                ErrorCode.TOPIC_INVALID_REPLICA_TYPE,
                f"topic '{topic.name}' is not mirrored to remote clusters",
            )
    if not isinstance(mirror.spec, RemoteMirror):
        raise Refused(
            ErrorCode.MIRROR_INVALID_TYPE, f"mirror '{mirror.name}' is not a remote cluster"
        )
    for number, present in enumerate(partitions):
        if present.remote_cluster == action.remote_cluster:
            text = f'remote "{mirror.name}" is already assigned to partition: "{number}"'
            raise Refused(ErrorStatus.other(text), text)
    added = HomePartition(
        remote_cluster=action.remote_cluster,
        remote_replica=f"{topic.name}-0",
        source=action.home_to_remote,
    )
    changed = MirrorReplicas(config=replace(config, partitions=(*partitions, added)))
    return [SetSpec(topic.key, replace(topic.spec, replicas=changed), "mirror added")]


def _register_custom_spu(name: str, spec: CustomSpuSpec, state: ClusterState) -> list[Action]:
    problem = name_problem(name)
    if problem is not None:
        raise Refused(ErrorCode.SPU_ERROR, f"SPU '{shown(name)}': {problem}")
    if spec.id < 0:
        raise Refused(ErrorCode.SPU_ERROR, f"SPU id {spec.id} is negative")
    if state.get(Kind.SPU, name) is not None:
        raise Refused(ErrorCode.SPU_ALREADY_EXISTS, f"spu '{name}' already defined")
    if state.spu(spec.id) is not None:
        raise Refused(ErrorCode.SPU_ALREADY_EXISTS, f"spu id {spec.id} already defined")
    for group in state.of(Kind.SPU_GROUP):
        reserved = group.status.resolution is SpuGroupResolution.RESERVED
        if reserved and spec.id in ids_of(group.spec):
            raise Refused(
                ErrorCode.SPU_ALREADY_EXISTS,
                f"spu id {spec.id} is reserved for group '{group.name}'",
            )
    return [custom_spu(name, spec.to_spu(), reason=_USER_REQUEST)]


def custom_spu(name: str, spec: SpuSpec, *, reason: str) -> CreateObject:
    """The action that makes an SPU object."""
    return CreateObject(kind=Kind.SPU, name=name, spec=spec, status=SpuStatus(), reason=reason)


def required_spus(specs: tuple[SpuSpec, ...], state: ClusterState) -> list[Action]:
    """What is missing so that these SPU objects exist just so, whatever their names."""
    actions: list[Action] = []
    for spec in specs:
        present = state.spu(spec.id)
        if present is None:
            name = f"custom-spu-{spec.id}"
            actions.append(custom_spu(name, spec, reason="part of this cluster's setup"))
        elif present.spec != spec:
            actions.append(SetSpec(present.key, spec, "setup of this cluster changed"))
    return actions


def _custom_spu_to_unregister(
    key: SpuName | SpuNumber, force: bool, state: ClusterState
) -> StoredObject:
    if isinstance(key, SpuName):
        spu, which = state.get(Kind.SPU, key.name), f"'{shown(key.name)}'"
    else:
        spu, which = state.spu(SpuId(key.id)), f"id {key.id}"
    if spu is None:
        raise Refused(ErrorCode.SPU_NOT_FOUND, f"spu {which} not found")
    if spu.spec.spu_type is not SpuType.CUSTOM:
        raise Refused(ErrorCode.SPU_ERROR, f"spu {which}: expected Custom, found Managed")
    held = _held_by({spu.spec.id}, state)
    if held and not force:
        raise Refused(
            ErrorCode.SPU_ERROR,
            f"spu {which} holds {len(held)} partitions, {held[0]} among them: they would be "
            "offline for good; move them with a drain or delete their topics first, or use force",
        )
    return spu


def _create_spu_group(name: str, spec: SpuGroupSpec, state: ClusterState) -> list[Action]:
    problem = name_problem(name) or spu_group_problem(spec)
    if problem is not None:
        raise Refused(ErrorCode.SPU_ERROR, f"SPU group '{shown(name)}': {problem}")
    if state.get(Kind.SPU_GROUP, name) is not None:
        raise Refused(ErrorCode.SPU_ALREADY_EXISTS, f"spu group '{name}' already defined")
    return [
        CreateObject(
            kind=Kind.SPU_GROUP,
            name=name,
            spec=spec,
            status=SpuGroupStatus(),
            reason=_USER_REQUEST,
        )
    ]


def _spu_group_to_delete(name: str, force: bool, state: ClusterState) -> StoredObject:
    group = _existing(Kind.SPU_GROUP, name, ErrorStatus(ErrorCode.SPU_NOT_FOUND), state)
    members = {child.spec.id for child in state.children_of(group) if child.kind is Kind.SPU}
    held = _held_by(members, state)
    if held and not force:
        raise Refused(
            ErrorCode.SPU_ERROR,
            f"spu group '{name}' holds partitions, {held[0]} among them: delete their "
            "topics first, or use force",
        )
    return group


def _held_by(spus: set[SpuId], state: ClusterState) -> list[str]:
    """Partitions that would lose a replica for good without these SPUs."""
    held = []
    for name in dict.fromkeys(name for spu_id in spus for name in state.partitions_on(spu_id)):
        partition = state.get(Kind.PARTITION, name)
        if partition is not None and not can_do_without(partition, spus, state):
            held.append(name)
    return held


def _put_smart_module(name: str, spec: SmartModuleSpec, state: ClusterState) -> list[Action]:
    problem = smart_module_name_problem(name)
    size = len(spec.wasm.payload)
    if problem is None and size > SMART_MODULE_SIZE_BYTES_MAX:
        problem = f"SmartModule of {size} bytes is larger than {SMART_MODULE_SIZE_BYTES_MAX}"
    if problem is not None:
        raise Refused(ErrorStatus(ErrorCode.SMART_MODULE_INVALID, (problem, name)), problem)
    present = state.get(Kind.SMART_MODULE, name)
    if present is not None:
        return [SetSpec(present.key, spec, _USER_REQUEST)] if present.spec != spec else []
    return [
        CreateObject(
            kind=Kind.SMART_MODULE,
            name=name,
            spec=spec,
            status=SmartModuleStatus(),
            reason=_USER_REQUEST,
        )
    ]


def _smart_module_to_delete(name: str, state: ClusterState) -> StoredObject:
    not_found = ErrorStatus(ErrorCode.SMART_MODULE_NOT_FOUND, (name,))
    if state.get(Kind.SMART_MODULE, name) is None:
        key = SmartModuleKey.parse(name)
        found = [
            item
            for item in state.of(Kind.SMART_MODULE)
            if key is not None and key.matches(item.name, item.spec)
        ]
        if len(found) == 1:
            return _unused_module(found[0], state)
    return _unused_module(_existing(Kind.SMART_MODULE, name, not_found, state), state)


def _unused_module(module: StoredObject, state: ClusterState) -> StoredObject:
    """Raises Refused while a topic needs it for its deduplication."""
    for topic in state.of(Kind.TOPIC):
        deduplication = topic.spec.deduplication
        key = None if deduplication is None else SmartModuleKey.parse(deduplication.filter.uses)
        if key is not None and key.matches(module.name, module.spec):
            problem = (
                f"SmartModule '{module.name}' drops the duplicates of topic '{topic.name}': "
                "delete the topic, or end its deduplication, first"
            )
            raise Refused(ErrorStatus.other(problem), problem)
    return module


def _create_table_format(name: str, spec: TableFormatSpec, state: ClusterState) -> list[Action]:
    problem = name_problem(name)
    if problem is not None:
        raise Refused(ErrorCode.TABLE_FORMAT_ERROR, f"table format '{shown(name)}': {problem}")
    if state.get(Kind.TABLE_FORMAT, name) is not None:
        raise Refused(
            ErrorCode.TABLE_FORMAT_ALREADY_EXISTS, f"table format '{name}' already defined"
        )
    return [
        CreateObject(
            kind=Kind.TABLE_FORMAT,
            name=name,
            spec=spec,
            status=TableFormatStatus(),
            reason=_USER_REQUEST,
        )
    ]


def _create_mirror(name: str, spec: RemoteMirror | HomeMirror, state: ClusterState) -> list[Action]:
    problem = name_problem(name)
    if problem is not None:
        text = f"mirror '{shown(name)}': {problem}"
        raise Refused(ErrorStatus.other(text), text)
    if state.get(Kind.MIRROR, name) is not None:
        raise Refused(ErrorCode.MIRROR_ALREADY_EXISTS, f"mirror '{name}' already defined")
    return [
        CreateObject(
            kind=Kind.MIRROR, name=name, spec=spec, status=MirrorStatus(), reason=_USER_REQUEST
        )
    ]


def _existing(kind: Kind, name: str, not_found: ErrorStatus, state: ClusterState) -> StoredObject:
    found = state.get(kind, name)
    if found is None:
        raise Refused(not_found, "not found")
    return found
