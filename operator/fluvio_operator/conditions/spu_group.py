"""Conditions of a group of SPUs.

Ready               all its SPUs run its present template and are ready; no more and no less
IdsReserved         the ids of its SPUs are its own
Progressing         SPUs are added, replaced or removed
Degraded            an SPU that had been there is missing
ScaleDownBlocked    it should be smaller, or go, but SPUs still hold replicas
Paused              an annotation holds the operator back
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fluvio_operator.conditions.condition import (
    Condition,
    ConditionType,
    reconciling,
    stalled,
    unready,
)
from fluvio_operator.conditions.reasons import Reason
from fluvio_protocol.metadata.spu import SpuStatusResolution
from fluvio_protocol.metadata.spu_group import SpuGroupResolution
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.validation import spu_group_problem

_FOR_PEOPLE = (
    Reason.INVALID_MANIFEST,
    Reason.INVALID_CONFIG,
    Reason.SETTINGS_INVALID,
    Reason.CONFLICT,
)
"""What goes on only when somebody changes something."""


@dataclass(frozen=True, slots=True)
class GroupObservation:
    """What the platform says of a group's pods.

    replicas:         pods there are
    ready:            of them, ready ones
    updated:          of them, made from the present template
    invalid:          why nothing can be built from it until somebody changes something
    failing:          why it was not built the last time; tried again
    held_up_by:       the SPU that should go and still holds replicas
    paused:           nothing is changed for the time being
    """

    replicas: int = 0
    ready: int = 0
    updated: int = 0
    invalid: str | None = None
    failing: str | None = None
    held_up_by: str | None = None
    paused: bool = False


def conditions_of_spu_group(
    group: StoredObject, spus: Sequence[StoredObject], observed: GroupObservation
) -> list[Condition]:
    """spus: the SPU objects of the group."""
    missed = _missed(spus)
    progressing = _progressing(group, observed, missed)
    ready = _ready(group, observed, progressing)
    conditions = [
        ready,
        _ids_reserved(group),
        progressing,
        _degraded(missed),
    ]
    conditions.extend(_kstatus(group, observed, ready, progressing))
    if observed.held_up_by is not None:
        conditions.append(
            Condition(
                ConditionType.SCALE_DOWN_BLOCKED,
                True,
                Reason.REPLICAS_PRESENT,
                f"SPU {observed.held_up_by} still holds replicas: "
                "delete their topics, or move them to other SPUs",
            )
        )
    if observed.paused:
        conditions.append(
            Condition(ConditionType.PAUSED, True, Reason.PAUSED, "an annotation says so")
        )
    if group.deletion_requested:
        message = f"{len(spus)} SPUs remain"
        conditions.append(
            Condition(ConditionType.DELETING, True, Reason.DELETION_REQUESTED, message)
        )
    return conditions


def _kstatus(
    group: StoredObject, observed: GroupObservation, ready: Condition, progressing: Condition
) -> list[Condition]:
    if group.deletion_requested:
        return [reconciling(Reason.DELETION_REQUESTED, "it is being deleted")]
    if ready.reason in _FOR_PEOPLE:
        return [stalled(ready.reason, ready.message)]
    if observed.paused:
        return []
    if ready.reason in (Reason.NOT_RESERVED, Reason.APPLY_FAILED):
        return [reconciling(ready.reason, ready.message)]
    if progressing.status:
        return [reconciling(progressing.reason, progressing.message)]
    return []


def _ready(group: StoredObject, observed: GroupObservation, progressing: Condition) -> Condition:
    wanted = group.spec.replicas
    if group.deletion_requested:
        return unready(Reason.DELETION_REQUESTED, "it is being deleted")
    if group.problem:
        return unready(Reason.INVALID_MANIFEST, group.problem)
    if group.status.resolution is SpuGroupResolution.INVALID:
        return unready(_invalid(group), group.status.reason or "")
    if observed.invalid is not None:
        return unready(Reason.SETTINGS_INVALID, observed.invalid)
    if group.status.resolution is not SpuGroupResolution.RESERVED:
        return unready(Reason.NOT_RESERVED, "its ids are not reserved yet")
    if observed.failing is not None:
        return unready(Reason.APPLY_FAILED, observed.failing)
    if progressing.status:
        return unready(progressing.reason, progressing.message)
    if observed.ready < wanted:
        return unready(Reason.SPUS_NOT_READY, f"{observed.ready} of {wanted} SPUs ready")
    return Condition(ConditionType.READY, True, Reason.ALL_SPUS_READY, f"{wanted} SPUs ready")


def _ids_reserved(group: StoredObject) -> Condition:
    kind = ConditionType.IDS_RESERVED
    first, after = group.spec.min_id, group.spec.min_id + group.spec.replicas
    match group.status.resolution:
        case SpuGroupResolution.RESERVED:
            ids = f"{first} to {after - 1}" if after > first else "none"
            return Condition(kind, True, Reason.IDS_RESERVED, ids)
        case SpuGroupResolution.INVALID:
            return Condition(kind, False, _invalid(group), group.status.reason or "")
        case _:
            return Condition(kind, None, Reason.NOT_CHECKED)


def _progressing(
    group: StoredObject, observed: GroupObservation, missed: Sequence[str]
) -> Condition:
    kind = ConditionType.PROGRESSING
    wanted = group.spec.replicas
    if observed.replicas > wanted:
        message = f"{observed.replicas - wanted} of {observed.replicas} SPUs have to go"
        return Condition(kind, True, Reason.DECOMMISSION, message)
    if observed.replicas < wanted:
        message = f"{observed.replicas} of {wanted} SPUs exist"
        return Condition(kind, True, Reason.SCALING_UP, message)
    if observed.updated < wanted:
        message = f"{observed.updated} of {wanted} SPUs run the new template"
        return Condition(kind, True, Reason.ROLLING_UPDATE, message)
    if observed.ready < wanted and not missed:
        message = f"{observed.ready} of {wanted} SPUs ready"
        return Condition(kind, True, Reason.SPUS_STARTING, message)
    return Condition(kind, False, Reason.STABLE)


def _missed(spus: Sequence[StoredObject]) -> list[str]:
    """Names of SPUs that were there and are not; one that never connected is starting."""
    return [
        spu.name
        for spu in sorted(spus, key=lambda spu: spu.spec.id)
        if spu.status.resolution is SpuStatusResolution.OFFLINE and not spu.deletion_requested
    ]


def _degraded(missed: Sequence[str]) -> Condition:
    kind = ConditionType.DEGRADED
    if missed:
        return Condition(kind, True, Reason.SPUS_NOT_READY, f"offline: {', '.join(missed)}")
    return Condition(kind, False, Reason.NONE_MISSED)


def _invalid(group: StoredObject) -> Reason:
    """Fluvio has one state word for two troubles: a spec that is wrong, and ids that are taken."""
    problem = spu_group_problem(group.spec)
    return Reason.INVALID_CONFIG if problem == group.status.reason else Reason.CONFLICT
