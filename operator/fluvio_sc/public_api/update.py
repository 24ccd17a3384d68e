"""Update (1006): more partitions, or one more mirror, for a topic.

Answered when the new partitions can be used; older ones may be offline meanwhile.
"""

from fluvio_protocol.codec import Reader
from fluvio_protocol.errors import ErrorCode, FluvioError, ProtocolError
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.sc_public.status import Status
from fluvio_protocol.sc_public.update import AddPartition, UpdateRequest
from fluvio_sc.config import ScTimings
from fluvio_sc.controller import Controller
from fluvio_sc.core.actions import Action
from fluvio_sc.core.admission import admit_topic_update
from fluvio_sc.core.cluster_state import ClusterState
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.validation import partition_count
from fluvio_sc.memory_store import MemoryStore
from fluvio_sc.public_api.api_versions import check_version
from fluvio_sc.public_api.object_requests import decode_object_request, refusal
from fluvio_sc.public_api.topic_progress import wait_until_usable

UPDATABLE_KINDS = frozenset({Kind.TOPIC})


async def handle_update(
    body: Reader,
    version: int,
    controller: Controller,
    memory_store: MemoryStore,
    timings: ScTimings,
) -> Status:
    """Raises RemoteProtocolError; everything else becomes a Status."""
    check_version(version, UpdateRequest.versions)
    name = ""
    try:
        request = decode_object_request(UpdateRequest, body, version, UPDATABLE_KINDS)
        name = request.key
        await _update(request, controller, memory_store, timings)
    except ProtocolError:
        raise
    except FluvioError as error:
        return refusal(name, error)
    return Status(name=name)


async def _update(
    request: UpdateRequest,
    controller: Controller,
    memory_store: MemoryStore,
    timings: ScTimings,
) -> None:
    first_new = 0

    def decide(state: ClusterState) -> list[Action]:
        nonlocal first_new
        actions = admit_topic_update(request.key, request.action, state)
        before = state.get(Kind.TOPIC, request.key)
        first_new = 0 if before is None else partition_count(before.spec)
        return actions

    await controller.execute(decide)
    if not isinstance(request.action, AddPartition):
        return
    topic = memory_store.get(Kind.TOPIC, request.key)
    if topic is None:
        raise Refused(ErrorCode.TOPIC_DELETED, f"topic '{request.key}' was deleted at once")
    await wait_until_usable(
        topic,
        memory_store,
        timings.create_wait_s,
        stored="partitions added to the topic",
        first=first_new,
    )
