"""Objects as clients see them: which kinds are views of others, what a summary leaves out.

CustomSpu is no kind of its own in the store, but a view of SPUs that users run themselves.
"""

from collections.abc import Iterable
from dataclasses import replace

from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, SmartModuleWasmSummary
from fluvio_protocol.metadata.spu import CustomSpuSpec, SpuType
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.memory_store import MemoryStore


def objects_of(kind: Kind, memory_store: MemoryStore) -> Iterable[StoredObject]:
    """The stored objects behind a kind that clients name."""
    if kind is not Kind.CUSTOM_SPU:
        return memory_store.of(kind)
    return (spu for spu in memory_store.of(Kind.SPU) if spu.spec.spu_type is SpuType.CUSTOM)


def as_metadata(item: StoredObject, kind: Kind, *, summary: bool) -> Metadata:
    """One object, as an object of `kind`; a summary leaves the code of SmartModules out."""
    spec = item.spec
    if kind is Kind.CUSTOM_SPU:
        spec = CustomSpuSpec.from_spu(spec)
    elif kind is Kind.SMART_MODULE and summary:
        spec = _summary(spec)
    return Metadata(item.name, spec, item.status)


def _summary(spec: SmartModuleSpec) -> SmartModuleSpec:
    size = SmartModuleWasmSummary(wasm_length=len(spec.wasm.payload))
    return replace(spec, summary=size, wasm=replace(spec.wasm, payload=b""))
