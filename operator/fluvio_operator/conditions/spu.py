"""Conditions of an SPU.

Ready           registered with the controller, and heard of
AddressReady    clients can be told where it is
Deleting        it leaves the cluster
"""

from fluvio_operator.conditions.condition import (
    Condition,
    ConditionType,
    reconciling,
    stalled,
    unready,
)
from fluvio_operator.conditions.reasons import Reason
from fluvio_protocol.metadata.spu import SpuStatusResolution
from fluvio_sc.core.cluster_state import StoredObject


def conditions_of_spu(
    spu: StoredObject,
    *,
    unavailable: str | None = None,
    address_missing: str | None = None,
    duplicate_of: str | None = None,
) -> list[Condition]:
    """What the platform knows beyond the object, if it knows anything:

    unavailable:     why its pod cannot run at present
    address_missing: what its public address still lacks
    duplicate_of:    the SPU object that had its id first
    """
    ready = _ready(spu, unavailable, duplicate_of)
    conditions = [ready, _address(spu, address_missing)]
    if spu.deletion_requested:
        message = "it leaves the cluster"
        conditions.append(reconciling(Reason.DELETION_REQUESTED, message))
        conditions.append(
            Condition(ConditionType.DELETING, True, Reason.DELETION_REQUESTED, message)
        )
    elif ready.reason in (Reason.INVALID_MANIFEST, Reason.ID_TAKEN):
        conditions.append(stalled(ready.reason, ready.message))
    elif ready.reason is Reason.NEVER_CONNECTED:
        conditions.append(reconciling(ready.reason, ready.message))
    return conditions


def _ready(spu: StoredObject, unavailable: str | None, duplicate_of: str | None) -> Condition:
    if spu.deletion_requested:
        return unready(Reason.DELETION_REQUESTED, "it leaves the cluster")
    if spu.problem:
        return unready(Reason.INVALID_MANIFEST, spu.problem)
    if duplicate_of is not None:
        message = f"id {spu.spec.id} belongs to {duplicate_of}: choose another one"
        return unready(Reason.ID_TAKEN, message)
    match spu.status.resolution:
        case SpuStatusResolution.ONLINE:
            return Condition(ConditionType.READY, True, Reason.REGISTERED)
        case SpuStatusResolution.INIT:
            message = unavailable or "it has not connected to the controller yet"
            return unready(Reason.NEVER_CONNECTED, message)
        case _:
            message = unavailable or "its connection to the controller is lost"
            return unready(Reason.CONNECTION_LOST, message)


def _address(spu: StoredObject, address_missing: str | None) -> Condition:
    kind = ConditionType.ADDRESS_READY
    public = spu.spec.public_endpoint
    if address_missing is None and public.host is not None:
        return Condition(kind, True, Reason.ADDRESS_KNOWN, f"{public.host}:{public.port}")
    message = address_missing or "no host that clients could be told"
    return Condition(kind, False, Reason.ADDRESS_PENDING, message)
