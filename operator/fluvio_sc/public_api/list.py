"""List (1003): objects of one kind, by parts of names.

Filters, as in Fluvio: a part of the name, any of them; for SmartModules `group/name@version`;
ignored for partitions and mirrors. System topics and their partitions are shown only when asked
for, and then alone.
"""

from fluvio_protocol.codec import Reader, decode
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.sc_public.list import ListRequest, ListResponse
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.smart_module_key import SmartModuleKey
from fluvio_sc.memory_store import MemoryStore
from fluvio_sc.public_api.api_versions import check_version
from fluvio_sc.public_api.client_view import as_metadata, objects_of

NAME_FILTERS_MAX = 256
"""Ours: each is compared with every name, while other clients wait."""

_FILTERS_IGNORED = (Kind.PARTITION, Kind.MIRROR)
_WITH_SYSTEM_OBJECTS = (Kind.TOPIC, Kind.PARTITION)


def answer_list(body: Reader, version: int, memory_store: MemoryStore) -> ListResponse:
    """Raises RemoteProtocolError, also for a kind that does not exist."""
    check_version(version, ListRequest.versions)
    request = decode(ListRequest, body, version)
    if len(request.name_filters) > NAME_FILTERS_MAX:
        raise RemoteProtocolError(f"more than {NAME_FILTERS_MAX} filters")
    found = (item for item in objects_of(request.kind, memory_store) if _is_wanted(item, request))
    return ListResponse(
        kind=request.kind,
        objects=tuple(as_metadata(item, request.kind, summary=request.summary) for item in found),
    )


def _is_wanted(item: StoredObject, request: ListRequest) -> bool:
    if request.kind in _WITH_SYSTEM_OBJECTS and item.spec.system != request.system:
        return False
    if not request.name_filters or request.kind in _FILTERS_IGNORED:
        return True
    if request.kind is Kind.SMART_MODULE:
        keys = (SmartModuleKey.parse(text) for text in request.name_filters)
        return any(key is not None and key.matches(item.name, item.spec) for key in keys)
    return any(part in item.name for part in request.name_filters)
