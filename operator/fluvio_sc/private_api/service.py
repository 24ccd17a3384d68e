"""Door 9004: the table of what SPUs send, and the sessions that are registered.

| key  | message             | handler                          |
| 2000 | RegisterSpuRequest  | `SpuSession.registered`          |
| 2001 | ReplicaStatusReport | `SpuSession.replicas_reported`   |
| 2002 | ReplicaRemoved      | `SpuSession.replica_removed`     |
| 2003 | ProposeInSync       | `SpuSession.in_sync_proposed`    |
| 2004 | ResignLeadership    | `SpuSession.leadership_resigned` |
| 2006 | FetchSmartModuleRequest | `SpuSession.module_asked_for` |

An SPU has one session, the newest: an older one is closed, because its peer is dead or mistaken.
"""

from fluvio_protocol.sc_private.update_replica import ReplicaAssignment
from fluvio_protocol.types import SpuId
from fluvio_sc.config import ScTimings
from fluvio_sc.controller import Controller
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.replica_assignment import assignment_of
from fluvio_sc.memory_store import MemoryStore
from fluvio_sc.private_api.smart_modules import SmartModuleShelf
from fluvio_sc.private_api.spu_session import SpuSession
from fluvio_socket.connection import Connection


class PrivateService:
    """Makes a session for each connection; hand it to `FrameServer` as the session factory."""

    def __init__(
        self, *, controller: Controller, memory_store: MemoryStore, timings: ScTimings
    ) -> None:
        self.controller = controller
        self.memory_store = memory_store
        self.timings = timings
        self.smart_modules = SmartModuleShelf(memory_store)
        self._sessions: dict[SpuId, SpuSession] = {}
        self._assignments: dict[str, tuple[StoredObject, ReplicaAssignment]] = {}

    def __call__(self, connection: Connection) -> SpuSession:
        return SpuSession(connection, self)

    def session_begins(self, spu_id: SpuId, session: SpuSession) -> None:
        """Remember the session, and end the one it replaces."""
        older = self._sessions.get(spu_id)
        self._sessions[spu_id] = session
        if older is not None:
            older.end(f"spu {spu_id} has registered again")

    def session_ended(self, spu_id: SpuId, session: SpuSession) -> None:
        if self._sessions.get(spu_id) is session:
            del self._sessions[spu_id]

    def assignment_of(self, partition: StoredObject) -> ReplicaAssignment:
        """As `core.replica_assignment`, made once per stored version for all sessions."""
        cached = self._assignments.get(partition.name)
        if cached is not None:
            known, assignment = cached
            same_version = known.resource_version == partition.resource_version
            if known is partition or (same_version and known.uid == partition.uid):
                return assignment
        assignment = assignment_of(partition)
        self._assignments[partition.name] = (partition, assignment)
        return assignment

    def forget_assignment(self, partition_name: str) -> None:
        """The partition is gone."""
        self._assignments.pop(partition_name, None)
