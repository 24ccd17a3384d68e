"""Reasons: one word for machines, of conditions and of Events. Texts may change, these may not."""

from enum import StrEnum


class Reason(StrEnum):
    """CamelCase, as Kubernetes wants them."""

    # Objects of every kind
    READY = "Ready"
    INVALID_MANIFEST = "InvalidManifest"
    """the object as written cannot be read; the last good spec stays in force"""
    DELETION_REQUESTED = "DeletionRequested"
    PAUSED = "Paused"
    APPLY_FAILED = "ApplyFailed"
    """the API server refused or could not be asked; tried again"""
    DRIFT_CORRECTED = "DriftCorrected"
    """somebody changed a generated object; it was changed back"""
    FINALIZER_RELEASED = "FinalizerReleased"
    ADOPTED = "Adopted"
    CREATED = "Created"
    UPDATED = "Updated"
    DELETED = "Deleted"

    # Topics
    PROVISIONED = "Provisioned"
    WAITING_FOR_SPUS = "WaitingForSpus"
    INSUFFICIENT_SPUS = "InsufficientSpus"
    UNKNOWN_SPU = "UnknownSpu"
    INVALID_CONFIG = "InvalidConfig"
    PARTITIONS_MISSING = "PartitionsMissing"
    PARTITIONS_NOT_ONLINE = "PartitionsNotOnline"
    PARTITIONS_STARTING = "PartitionsStarting"
    PARTITIONS_REMAIN = "PartitionsRemain"

    # Partitions; topics take over some of them
    LEADER_ONLINE = "LeaderOnline"
    WAITING_FOR_LEADER = "WaitingForLeader"
    LEADER_ELECTED = "LeaderElected"
    LEADER_CHANGED = "LeaderChanged"
    NO_ELIGIBLE_REPLICA = "NoEligibleReplica"
    ALL_IN_SYNC = "AllInSync"
    REPLICAS_BEHIND = "ReplicasBehind"
    NOT_ENOUGH_IN_SYNC = "NotEnoughInSync"
    DISK_FULL = "DiskFull"
    DISK_HAS_ROOM = "DiskHasRoom"
    REPLICAS_REMAIN = "ReplicasRemain"

    # SPUs
    REGISTERED = "Registered"
    NEVER_CONNECTED = "NeverConnected"
    CONNECTION_LOST = "ConnectionLost"
    ID_TAKEN = "IdTaken"
    ADDRESS_KNOWN = "AddressKnown"
    ADDRESS_PENDING = "AddressPending"
    SPU_ONLINE = "SpuOnline"
    SPU_OFFLINE = "SpuOffline"

    # Groups
    IDS_RESERVED = "IdsReserved"
    CONFLICT = "Conflict"
    NOT_CHECKED = "NotChecked"
    NOT_RESERVED = "NotReserved"
    ALL_SPUS_READY = "AllSpusReady"
    SPUS_NOT_READY = "SpusNotReady"
    SPUS_STARTING = "SpusStarting"
    NONE_MISSED = "NoneMissed"
    STABLE = "Stable"
    SCALING_UP = "ScalingUp"
    ROLLING_UPDATE = "RollingUpdate"
    DECOMMISSION = "Decommission"
    REPLICAS_PRESENT = "ReplicasPresent"
    """SPUs that should go still hold replicas"""
    SCALE_DOWN_FORCED = "ScaleDownForced"
    """SPUs went with their replicas because an annotation said so"""
    SETTINGS_MISSING = "SettingsMissing"
    """the ConfigMap of the SPUs is not there"""
    SETTINGS_INVALID = "SettingsInvalid"
    """the ConfigMap of the SPUs cannot be used"""
    RECREATED = "Recreated"
    """the StatefulSet was made anew, around its running pods"""

    # SmartModules and mirrors
    VALID_MODULE = "ValidModule"
    NOT_WASM = "NotWasm"
    CONNECTED = "Connected"
    NOT_CONNECTED = "NotConnected"
    UNAUTHORIZED = "Unauthorized"
