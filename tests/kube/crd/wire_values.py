"""Hypothesis strategies for everything that the wire can carry, made from its declarations."""

import functools
from typing import Any

from hypothesis import strategies as st

from fluvio_protocol.codec import TaggedUnion, WireType, wire_of
from fluvio_protocol.codec.fields import (
    BoolWire,
    BytesWire,
    EnumWire,
    ListWire,
    MapWire,
    NumberWire,
    OptionWire,
    StringWire,
)
from fluvio_protocol.codec.message import CustomWire, StructWire
from fluvio_protocol.metadata.smart_module import (
    SmartModuleMetadata,
    SmartModuleSpec,
    SmartModuleWasm,
    SmartModuleWasmSummary,
)
from fluvio_protocol.metadata.topic import Duration

Strategy = st.SearchStrategy[Any]

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)


def values_of(annotation: Any) -> Strategy:
    """Values of a declared type, from every corner of its range."""
    return _strategy(wire_of(annotation))


def _strategy(wire: WireType[Any]) -> Strategy:
    match wire:
        case NumberWire():
            return _numbers(wire)
        case BoolWire():
            return st.booleans()
        case StringWire():
            return _TEXTS
        case BytesWire():
            return st.binary(max_size=6)
        case EnumWire():
            return st.sampled_from(wire.enum)
        case OptionWire():
            return st.none() | _strategy(wire.item)
        case ListWire():
            return st.lists(_strategy(wire.item), max_size=3).map(tuple)
        case MapWire():
            return st.dictionaries(_strategy(wire.key), _strategy(wire.value), max_size=3)
        case TaggedUnion():
            return st.one_of([values_of(variant) for variant in wire.variants.values()])
        case StructWire():
            return _structs(wire)
        case CustomWire() if wire.cls is SmartModuleSpec:
            return _smart_modules()
    raise AssertionError(f"no strategy for {type(wire).__name__}")


def _numbers(wire: NumberWire) -> Strategy:
    bits = 8 * wire.size
    signed = wire._struct.format[-1].islower()
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return st.sampled_from((low, high, 0, 1)) | st.integers(low, high)


@functools.cache
def _structs(wire: StructWire) -> Strategy:
    if wire.cls is Duration:
        # Fluvio's type holds less than a second of nanoseconds.
        return st.builds(
            Duration, seconds=st.integers(0, (1 << 64) - 1), nanoseconds=st.integers(0, 10**9 - 1)
        )
    return st.builds(wire.cls, **{each.name: _strategy(each.wire) for each in wire.fields()})


def _smart_modules() -> Strategy:
    return st.builds(
        SmartModuleSpec,
        meta=st.none() | values_of(SmartModuleMetadata),
        summary=st.none() | values_of(SmartModuleWasmSummary),
        wasm=values_of(SmartModuleWasm),
    )
