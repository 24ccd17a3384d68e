"""Create (1001): make an object; for a topic, wait until it can be used.

A topic that cannot be placed is stored, and that is answered at once: the client is told what is
missing instead of waiting for a minute (Fluvio's own server keeps it waiting).

A SmartModule that no SPU could run is stored, with a warning in the log, since Fluvio's controller
stores whatever is sent. Refused is one whose code is too large, and any unfit one in a dry run.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from fluvio_protocol import wasm
from fluvio_protocol.codec import Reader, decode
from fluvio_protocol.errors import ErrorCode, FluvioError, ProtocolError
from fluvio_protocol.metadata.kinds import CREATABLE_KINDS, Kind
from fluvio_protocol.metadata.smart_module import SmartModuleSpec
from fluvio_protocol.metadata.topic import MirrorReplicas, TopicSpec
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.envelope import ENVELOPE_VERSION_MIN
from fluvio_protocol.sc_public.status import Status
from fluvio_sc.config import ScTimings
from fluvio_sc.controller import Controller
from fluvio_sc.core.admission import SMART_MODULE_SIZE_BYTES_MAX, admit_create
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.validation import shown
from fluvio_sc.memory_store import MemoryStore
from fluvio_sc.public_api.api_versions import check_version
from fluvio_sc.public_api.object_requests import decode_object_request, refusal
from fluvio_sc.public_api.topic_progress import wait_until_usable

_log = logging.getLogger(__name__)
_EXAMINER = ThreadPoolExecutor(1, "smart-module-examiner")
"""Code is unpacked here, one module at a time, so that clients can take neither all memory nor the
controller's time."""


async def handle_create(
    body: Reader,
    version: int,
    controller: Controller,
    memory_store: MemoryStore,
    timings: ScTimings,
) -> Status:
    """Raises RemoteProtocolError; everything else becomes a Status."""
    check_version(version, CreateRequest.versions)
    name = ""
    try:
        if version >= ENVELOPE_VERSION_MIN:
            request = decode_object_request(CreateRequest, body, version, CREATABLE_KINDS)
        else:
            request = decode(CreateRequest, body, version)
        name = request.name
        await _create(request, controller, memory_store, timings)
    except ProtocolError:
        raise
    except FluvioError as error:
        return refusal(name, error)
    return Status(name=name)


async def _create(
    request: CreateRequest,
    controller: Controller,
    memory_store: MemoryStore,
    timings: ScTimings,
) -> None:
    name, spec = request.name, request.spec
    if isinstance(spec, SmartModuleSpec):
        await _examine(name, spec.wasm.payload, dry_run=request.dry_run)
    if request.dry_run:
        controller.check(lambda state: admit_create(name, spec, dry_run=True, state=state))
        return
    await controller.execute(lambda state: admit_create(name, spec, dry_run=False, state=state))
    if not isinstance(spec, TopicSpec) or isinstance(spec.replicas, MirrorReplicas):
        return
    topic = memory_store.get(Kind.TOPIC, name)
    if topic is None:
        raise Refused(ErrorCode.TOPIC_DELETED, f"topic '{name}' was deleted at once")
    wait_s = timings.create_wait_s
    if request.timeout_ms is not None:
        wait_s = min(request.timeout_ms / 1000, timings.create_wait_s_max)
    await wait_until_usable(topic, memory_store, wait_s, stored="topic stored")


async def _examine(name: str, payload: bytes, *, dry_run: bool) -> None:
    """Look at a module's code. Raises Refused."""
    if len(payload) > SMART_MODULE_SIZE_BYTES_MAX:
        return  # refused for that in a moment
    try:
        await asyncio.get_running_loop().run_in_executor(_EXAMINER, wasm.examined, payload)
    except wasm.UnfitCode as error:
        if dry_run or error.problem is wasm.Problem.TOO_LARGE:
            raise Refused(error.status(name), f"SmartModule '{shown(name)}': {error}") from None
        _log.warning(
            "event=smart_module_unfit name=%r problem=%s reason=%r",
            shown(name),
            error.problem,
            error.reason,
        )
