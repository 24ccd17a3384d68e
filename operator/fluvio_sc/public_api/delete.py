"""Delete (1002): remove an object and what it owns; answered when the watches no longer show it.

A deletion that takes longer than the bound goes on by itself and is answered as done.
"""

from fluvio_protocol.codec import Reader
from fluvio_protocol.errors import FluvioError, ProtocolError
from fluvio_protocol.metadata.kinds import CREATABLE_KINDS
from fluvio_protocol.sc_public.delete import DeleteRequest, SpuName, SpuNumber
from fluvio_protocol.sc_public.status import Status
from fluvio_sc.config import ScTimings
from fluvio_sc.controller import Controller
from fluvio_sc.core.actions import Action
from fluvio_sc.core.admission import admit_delete, deletion_of
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.memory_store import MemoryStore
from fluvio_sc.public_api.api_versions import check_version
from fluvio_sc.public_api.object_requests import decode_object_request, refusal


async def handle_delete(
    body: Reader,
    version: int,
    controller: Controller,
    memory_store: MemoryStore,
    timings: ScTimings,
) -> Status:
    """Raises RemoteProtocolError; everything else becomes a Status."""
    check_version(version, DeleteRequest.versions)
    name = ""
    try:
        request = decode_object_request(DeleteRequest, body, version, CREATABLE_KINDS)
        name = key_text(request.key)
        found = await _delete(request, controller)
    except ProtocolError:
        raise
    except FluvioError as error:
        return refusal(name, error)
    await memory_store.wait_until(lambda: _is_gone(found, memory_store), timings.delete_wait_s)
    return Status(name=name)


async def _delete(request: DeleteRequest, controller: Controller) -> StoredObject:
    doomed: list[StoredObject] = []

    def decide(state: ClusterState) -> list[Action]:
        found = admit_delete(request.kind, request.key, force=request.force, state=state)
        doomed.append(found)
        return deletion_of(found)

    await controller.execute(decide)
    return doomed[-1]


def _is_gone(item: StoredObject, memory_store: MemoryStore) -> bool | None:
    now = memory_store.get(item.kind, item.name)
    return True if now is None or now.uid != item.uid else None


def key_text(key: str | SpuName | SpuNumber) -> str:
    """How the answer names the object."""
    match key:
        case SpuName(name=name):
            return name
        case SpuNumber(id=number):
            return str(number)
        case _:
            return key
