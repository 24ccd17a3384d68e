"""What the controller needs from outside: a place for objects, and someone who runs SPUs.

Adapters: `fluvio_local` (SQLite, processes) and `fluvio_operator` (custom resources, pods). The
controller calls them from its event loop, one call at a time; an adapter that blocks does so in a
thread of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.metadata.spu import SpuSpec
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject


class StoreError(FluvioError):
    """The store could not do it; nothing of the transaction was kept."""

    code = ErrorCode.OTHER
    retriable = True


class Conflict(StoreError):
    """An object is not at the version the writer expected: read it again, decide again."""

    def __init__(self, key: ObjectKey, *, expected: int, found: int) -> None:
        super().__init__(f"{key}: expected resource version {expected}, found {found}")
        self.key = key
        self.expected = expected
        self.found = found


@dataclass(frozen=True, slots=True)
class PutObject:
    """Write the whole object.

    expected_resource_version: the version it replaces; 0 means that it must not exist yet.
    `object.resource_version` is ignored: the store gives the new one.
    """

    object: StoredObject
    expected_resource_version: int


@dataclass(frozen=True, slots=True)
class RemoveObject:
    """Remove the object; it must exist at `expected_resource_version`."""

    key: ObjectKey
    expected_resource_version: int


StoreWrite = PutObject | RemoveObject


@dataclass(frozen=True, slots=True)
class Written:
    """A write was done.

    resource_version: larger than any that this store gave before
    uid:              the identity that the store gave to a new object instead of the one asked
                      for; None when it took that one
    """

    resource_version: int
    uid: str | None = None


@dataclass(frozen=True, slots=True)
class NotWritten:
    """A write was not done although others of the same call were; a store of many may do that."""

    error: StoreError


WriteOutcome = Written | NotWritten


class ObjectStore(Protocol):
    """Objects that survive the controller. One controller at a time writes to it.

    A store that others write to as well hands their changes to `Controller.objects_changed`.
    """

    async def load(self) -> tuple[StoredObject, ...]:
        """Everything, each with its resource version. Raises StoreError."""
        ...

    async def apply(self, writes: Sequence[StoreWrite]) -> tuple[WriteOutcome, ...]:
        """Do the writes, durably, in order; a key occurs at most once.

        An object that another write of the call owns is not written before its owner, and not at
        all when the owner could not be. A store may leave the writing of a status for later when
        nothing else of the object changed: what is observed is observed again after a crash.

        Returns one outcome for each write, in order.
        Raises StoreError when nothing was written: a store of one file does all or nothing, and
        raises Conflict when one object is not at the expected version (a missing object is at
        version 0).
        """
        ...


@dataclass(frozen=True, slots=True)
class DesiredSpu:
    """An SPU that should exist. `name` is the object's name, `uid` its identity."""

    name: str
    uid: str
    spec: SpuSpec


class SpuRuntime(Protocol):
    """Starts and stops SPUs: processes on this machine, or pods."""

    async def apply_spus(self, desired: Sequence[DesiredSpu]) -> None:
        """Make the SPUs that this runtime is in charge of equal `desired`.

        Called at start and after every change of the set, always with all SPU objects that are
        not being deleted; SPUs that the user runs himself are among them and are left alone.
        Must return soon: starting, restarting and stopping go on behind it.
        """
        ...


class NoSpuRuntime:
    """For clusters whose SPUs are all started by somebody else."""

    async def apply_spus(self, desired: Sequence[DesiredSpu]) -> None:
        return None
