"""What an SPU is given that asks for a module by a name."""

from hashlib import sha256

import pytest

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.smart_module import (
    SmartModuleMetadata,
    SmartModulePackage,
    SmartModuleSpec,
    SmartModuleStatus,
    SmartModuleWasm,
)
from fluvio_protocol.sc_private.smart_module import (
    FetchSmartModuleRequest,
    FetchSmartModuleResponse,
)
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.memory_store import MemoryStore
from fluvio_sc.private_api.smart_modules import SmartModuleShelf


def module(stored_as: str, code: bytes, version: str | None = None) -> StoredObject:
    """With a version it is one of the package mine/odd."""
    meta = None
    if version is not None:
        package = SmartModulePackage(name="odd", group="mine", version=version, api_version="0.1.0")
        meta = SmartModuleMetadata(package=package)
    return StoredObject(
        kind=Kind.SMART_MODULE,
        name=stored_as,
        uid=f"uid-{stored_as}",
        spec=SmartModuleSpec(meta=meta, wasm=SmartModuleWasm(payload=code)),
        status=SmartModuleStatus(),
    )


@pytest.fixture
def store() -> MemoryStore:
    found = MemoryStore()
    found.publish(
        [
            module("plain", b"plain"),
            module("a", b"2", "1.2.0"),
            module("b", b"10", "1.10.0"),
            module("c", b"9", "1.9.0"),
            module("d", b"?", "newest"),
        ],
        [],
    )
    return found


def fetch(store: MemoryStore, name: str, known_hash: bytes = b"") -> FetchSmartModuleResponse:
    request = FetchSmartModuleRequest(name=name, known_hash=known_hash)
    return SmartModuleShelf(store).answer(request)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("plain", b"plain"),
        ("a", b"2"),
        ("odd", b"10"),
        ("mine/odd", b"10"),
        ("odd@1.9", b"9"),
        ("mine/odd@1.2.0", b"2"),
        ("odd@newest", b"?"),
    ],
)
def test_the_module_that_is_meant(store: MemoryStore, name: str, code: bytes) -> None:
    assert fetch(store, name) == FetchSmartModuleResponse(hash=sha256(code).digest(), code=code)


@pytest.mark.parametrize("name", ["", "other", "mine/plain", "odd@3", "a/b/c"])
def test_a_module_that_is_not_there(store: MemoryStore, name: str) -> None:
    missing = ErrorStatus(ErrorCode.SMART_MODULE_NOT_FOUND, (name,))
    assert fetch(store, name) == FetchSmartModuleResponse(error_code=missing)


def test_the_code_is_spared_while_it_is_the_same(store: MemoryStore) -> None:
    shelf = SmartModuleShelf(store)
    first = shelf.answer(FetchSmartModuleRequest(name="plain"))
    again = FetchSmartModuleRequest(name="plain", known_hash=first.hash)
    assert shelf.answer(again) == FetchSmartModuleResponse(hash=first.hash)
    store.publish([module("plain", b"changed")], [])
    changed = shelf.answer(again)
    assert (changed.hash, changed.code) == (sha256(b"changed").digest(), b"changed")
