"""What an SPU that asks for a SmartModule is given: the code, or just its hash when it has it.

Used by `spu_session`. A module of 16 MiB is worth not hashing each time, so hashes are kept by
stored version; there are no more of them than modules.
"""

from collections.abc import Iterable
from hashlib import sha256

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.smart_module import SmartModuleSpec
from fluvio_protocol.sc_private.smart_module import (
    FetchSmartModuleRequest,
    FetchSmartModuleResponse,
)
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.smart_module_key import SmartModuleKey
from fluvio_sc.memory_store import MemoryStore


class SmartModuleShelf:
    """The stored modules, by the names that people use."""

    def __init__(self, memory_store: MemoryStore) -> None:
        self._memory_store = memory_store
        self._hashes: dict[str, tuple[StoredObject, bytes]] = {}

    def answer(self, request: FetchSmartModuleRequest) -> FetchSmartModuleResponse:
        """The module that is meant, or 6001."""
        modules = self._memory_store.of(Kind.SMART_MODULE)
        found = find_module(request.name, modules)
        if found is None:
            missing = ErrorStatus(ErrorCode.SMART_MODULE_NOT_FOUND, (request.name,))
            return FetchSmartModuleResponse(error_code=missing)
        code = _spec_of(found).wasm.payload
        known = self._hash_of(found, code)
        is_known = known == request.known_hash
        return FetchSmartModuleResponse(hash=known, code=b"" if is_known else code)

    def _hash_of(self, module: StoredObject, code: bytes) -> bytes:
        known = self._hashes.get(module.name)
        if known is not None and known[0] is module:
            return known[1]
        if len(self._hashes) > 2 * len(list(self._memory_store.of(Kind.SMART_MODULE))):
            self._hashes.clear()  # most of them were deleted
        found = sha256(code).digest()
        self._hashes[module.name] = (module, found)
        return found


def find_module(name: str, modules: Iterable[StoredObject]) -> StoredObject | None:
    """The module that people mean by a name: the one stored under it, else the newest of those
    whose package is called so."""
    key = SmartModuleKey.parse(name)
    if key is None:
        return None
    meant = [one for one in modules if key.matches(one.name, _spec_of(one))]
    for one in meant:
        if one.name == name:
            return one
    return max(meant, key=_version_of, default=None)


def _version_of(module: StoredObject) -> tuple[int, tuple[int, ...], str]:
    """What is no version comes before what is one."""
    meta = _spec_of(module).meta
    text = "" if meta is None else meta.package.version
    key = SmartModuleKey.parse(f"x@{text}")
    version = None if key is None else key.version
    numbers = version if isinstance(version, tuple) else ()
    return (int(bool(numbers)), numbers, module.name)


def _spec_of(module: StoredObject) -> SmartModuleSpec:
    assert isinstance(module.spec, SmartModuleSpec)
    return module.spec
