"""Every declared message at every version: round trips, damage, and bounded memory.

Values are made from the declarations themselves; only the few messages with a layout of their own
are described here by hand.
"""

import contextlib
import dataclasses
import functools
import importlib
import pkgutil
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fluvio_protocol
from fluvio_protocol.api.error_code import _PAYLOADS as ERROR_PAYLOADS
from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.api.frame import LENGTH
from fluvio_protocol.api.header import encode_request, encode_response
from fluvio_protocol.api.versions import (
    ApiVersionRange,
    ApiVersionsRequest,
    ApiVersionsResponse,
    negotiate,
)
from fluvio_protocol.codec import (
    F32,
    Message,
    decode,
    decode_exact,
    encode,
    field,
    message,
    wire_of,
)
from fluvio_protocol.codec.fields import (
    BoolWire,
    BytesWire,
    EnumWire,
    ListWire,
    MapWire,
    NumberWire,
    OptionWire,
    RecordDataWire,
    StringWire,
    TaggedUnion,
    WireType,
)
from fluvio_protocol.codec.message import VERSION_MAX, CustomWire, StructWire
from fluvio_protocol.errors import ErrorCode, LocalProtocolError, ProtocolError, RemoteProtocolError
from fluvio_protocol.metadata.kinds import _SPECS, _STATUSES, CREATABLE_KINDS, Kind, Metadata
from fluvio_protocol.metadata.mirror import HomePartition, RemotePartition
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus
from fluvio_protocol.metadata.smart_module import (
    SmartModuleMetadata,
    SmartModulePackage,
    SmartModuleSpec,
    SmartModuleStatus,
    SmartModuleWasm,
    SmartModuleWasmSummary,
)
from fluvio_protocol.metadata.spu import SpuSpec
from fluvio_protocol.metadata.topic import (
    ComputedReplicas,
    MirrorFromHome,
    MirrorToRemotes,
    PartitionMap,
    TopicSpec,
    TopicStatus,
    Transform,
)
from fluvio_protocol.sc_public.create import CreateRequest, _CreateHead
from fluvio_protocol.sc_public.delete import (
    CustomSpuKey,
    DeleteRequest,
    SpuName,
    _DeleteByName,
    _DeleteCustomSpu,
)
from fluvio_protocol.sc_public.list import ListRequest, ListResponse, _ListBody
from fluvio_protocol.sc_public.status import Status
from fluvio_protocol.sc_public.update import TopicAction, UpdateRequest
from fluvio_protocol.sc_public.watch import (
    Change,
    ChangeType,
    WatchRequest,
    WatchResponse,
    _WatchBody,
)
from fluvio_protocol.spu_public.consumer_offsets import FetchConsumerOffsetsRequest
from fluvio_protocol.spu_public.fetch import (
    FetchPartition,
    FetchPartitionResponse,
    FetchRequest,
    FetchResponse,
)
from fluvio_protocol.spu_public.fetch_offsets import FetchOffsetsRequest
from fluvio_protocol.spu_public.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    _ProduceIsolationWire,
)
from fluvio_protocol.spu_public.smart_module_invocation import (
    ExtraParams,
    Lookback,
    SmartModuleInvocation,
)
from fluvio_protocol.spu_public.stream_fetch import (
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
)
from fluvio_protocol.types import Isolation, Offset, PartitionId, SpuId

Strategy = st.SearchStrategy[Any]
MESSAGE_PACKAGES = ("api", "metadata", "sc_public", "sc_private", "spu_public", "spu_private")
VERSIONS_ALL = range(26)


def declared_messages() -> Iterator[type[Message]]:
    """Every class that is a message, wherever it is declared."""
    for found in pkgutil.walk_packages(fluvio_protocol.__path__, "fluvio_protocol."):
        if found.name.split(".")[1] not in MESSAGE_PACKAGES:
            continue
        module = importlib.import_module(found.name)
        for each in vars(module).values():
            is_local_class = isinstance(each, type) and each.__module__ == found.name
            if is_local_class and issubclass(each, Message):
                yield each


MESSAGES = sorted(declared_messages(), key=lambda cls: (cls.__module__, cls.__name__))
REQUESTS = [cls for cls in MESSAGES if isinstance(getattr(cls, "api_key", None), int)]
# A response is written in the version of its request; one class may answer several requests.
WITH_VERSIONS = sorted(
    {
        (cls, version)
        for request in REQUESTS
        for version in range(request.versions[0], request.versions[1] + 1)
        for cls in (request, request.response)
        if cls is not None
    },
    key=lambda pair: (pair[0].__module__, pair[0].__name__, pair[1]),
)
TOP_LEVEL = sorted({cls for cls, _ in WITH_VERSIONS}, key=lambda cls: cls.__name__)

texts = st.text(max_size=5)
datas = st.binary(max_size=5)


def number_strategy(wire: NumberWire) -> Strategy:
    """All of its range, the ends above all."""
    letter = wire._struct.format[-1]
    if letter in "fd":
        return st.floats(width=32, allow_nan=False)
    bits = 8 * wire.size
    low, high = (
        (-(1 << bits - 1), (1 << bits - 1) - 1) if letter.islower() else (0, (1 << bits) - 1)
    )
    return st.sampled_from((low, high, 0, 1)) | st.integers(low, high)


def values_of(annotation: Any, version: int) -> Strategy:
    return strategy_of(wire_of(annotation), version)


def strategy_of(wire: WireType[Any], version: int) -> Strategy:
    """Values that a wire type can write at a version, and reads back as they were."""
    match wire:
        case _ProduceIsolationWire():
            return st.sampled_from(Isolation)
        case NumberWire():
            return number_strategy(wire)
        case BoolWire():
            return st.booleans()
        case StringWire():
            return texts
        case BytesWire() | RecordDataWire():
            return datas
        case EnumWire():
            return st.sampled_from(wire.enum)
        case OptionWire():
            return st.none() | strategy_of(wire.item, version)
        case ListWire():
            return st.lists(strategy_of(wire.item, version), max_size=2).map(tuple)
        case MapWire():
            keys, values = strategy_of(wire.key, version), strategy_of(wire.value, version)
            return st.dictionaries(keys, values, max_size=3)
        case TaggedUnion():
            variants = wire.variants.values()
            return st.one_of([values_of(variant, version) for variant in variants])
        case StructWire():
            return struct_strategy(wire, version)
        case CustomWire():
            return CUSTOM[wire.cls](version)
    raise AssertionError(f"no strategy for {type(wire).__name__}")


@functools.cache
def struct_strategy(wire: StructWire, version: int) -> Strategy:
    present: dict[str, Strategy] = {}
    for each in wire.fields():
        if each.since <= version <= each.until:
            present[each.name] = strategy_of(each.wire, version)
        elif not each.has_default:
            present[each.name] = st.just(each.wire.zero)
    return st.builds(wire.cls, **present)


@st.composite
def error_statuses(draw: st.DrawFn, version: int) -> ErrorStatus:
    error = draw(st.sampled_from(ErrorCode))
    kinds = ERROR_PAYLOADS.get(error, ())
    return ErrorStatus(error, tuple(draw(values_of(kind, version)) for kind in kinds))


@st.composite
def smart_module_specs(draw: st.DrawFn, version: int) -> SmartModuleSpec:
    wasm = draw(values_of(SmartModuleWasm, version))
    if version < 10:
        return SmartModuleSpec(wasm=wasm)
    return SmartModuleSpec(
        meta=draw(st.none() | values_of(SmartModuleMetadata, version)),
        summary=draw(st.none() | values_of(SmartModuleWasmSummary, version)),
        wasm=wasm,
    )


@st.composite
def create_requests(draw: st.DrawFn, version: int) -> CreateRequest:
    kind = draw(st.sampled_from(sorted(CREATABLE_KINDS)))
    return CreateRequest(
        name=draw(texts),
        dry_run=draw(st.booleans()),
        timeout_ms=draw(st.none() | st.integers(0, (1 << 32) - 1)) if version >= 7 else None,
        spec=draw(values_of(_SPECS[kind], version)),
    )


@st.composite
def delete_requests(draw: st.DrawFn, version: int) -> DeleteRequest:
    kind = draw(st.sampled_from(Kind))
    key = values_of(CustomSpuKey, version) if kind is Kind.CUSTOM_SPU else texts
    force = st.booleans() if version >= 13 else st.just(False)
    return DeleteRequest(kind=kind, key=draw(key), force=draw(force))


@st.composite
def update_requests(draw: st.DrawFn, version: int) -> UpdateRequest:
    kind = draw(st.sampled_from(Kind))
    key = values_of(CustomSpuKey, version) if kind is Kind.CUSTOM_SPU else texts
    action = values_of(TopicAction, version) if kind is Kind.TOPIC else texts
    return UpdateRequest(kind=kind, key=draw(key), action=draw(action))


@st.composite
def list_requests(draw: st.DrawFn, version: int) -> ListRequest:
    return ListRequest(
        kind=draw(st.sampled_from(Kind)),
        name_filters=tuple(draw(st.lists(texts, max_size=3))),
        summary=draw(st.booleans()) if version >= 10 else False,
        system=draw(st.booleans()) if version >= 13 else False,
    )


@st.composite
def objects_of(draw: st.DrawFn, kind: Kind, version: int) -> Metadata:
    return Metadata(
        draw(texts),
        draw(values_of(_SPECS[kind], version)),
        draw(values_of(_STATUSES[kind], version)),
    )


@st.composite
def list_responses(draw: st.DrawFn, version: int) -> ListResponse:
    kind = draw(st.sampled_from(Kind))
    return ListResponse(
        kind=kind, objects=tuple(draw(st.lists(objects_of(kind, version), max_size=2)))
    )


@st.composite
def watch_requests(draw: st.DrawFn, version: int) -> WatchRequest:
    return WatchRequest(
        kind=draw(st.sampled_from(Kind)),
        epoch=draw(st.integers(-(1 << 63), (1 << 63) - 1)),
        summary=draw(st.booleans()) if version >= 10 else False,
    )


@st.composite
def watch_responses(draw: st.DrawFn, version: int) -> WatchResponse:
    kind = draw(st.sampled_from(Kind))
    change = st.builds(
        Change, change_type=st.sampled_from(ChangeType), object=objects_of(kind, version)
    )
    return WatchResponse(
        kind=kind,
        epoch=draw(st.integers(-(1 << 63), (1 << 63) - 1)),
        changes=tuple(draw(st.lists(change, max_size=2))),
        all=tuple(draw(st.lists(objects_of(kind, version), max_size=2))),
    )


CUSTOM: dict[type, Callable[[int], Strategy]] = {
    ErrorStatus: error_statuses,
    SmartModuleSpec: smart_module_specs,
    CreateRequest: create_requests,
    DeleteRequest: delete_requests,
    UpdateRequest: update_requests,
    ListRequest: list_requests,
    ListResponse: list_responses,
    WatchRequest: watch_requests,
    WatchResponse: watch_responses,
}


def test_all_doors_were_found() -> None:
    keys = {(cls.__module__.split(".")[1], cls.api_key) for cls in REQUESTS}
    assert {key for door, key in keys if door == "sc_public"} == {
        *(1001, 1002, 1003, 1004, 1006, 1900, 1901, 1902, 1903, 1904)
    }
    assert {key for door, key in keys if door == "spu_public"} == {
        *(0, 1, 1002, 1003, 1005, 1006, 1007, 1008)
    }
    assert {key for door, key in keys if door == "sc_private"} == {
        *(1001, 1002, 2000, 2001, 2002, 2003, 2004, 2006)
    }
    assert {key for door, key in keys if door == "spu_private"} == {
        *(1, 2, 10, 11, 12, 13, 20, 21, 22)
    }
    assert len(WITH_VERSIONS) > 150


@pytest.mark.parametrize(("cls", "version"), WITH_VERSIONS)
@settings(max_examples=4)
@given(data=st.data())
def test_round_trip(cls: type[Message], version: int, data: st.DataObject) -> None:
    value = data.draw(values_of(cls, version))
    written = encode(value, version)
    assert decode_exact(cls, written, version) == value
    assert decode(cls, memoryview(written + b"more"), version) == value


@given(data=st.data(), version=st.sampled_from(VERSIONS_ALL))
def test_round_trip_of_parts(data: st.DataObject, version: int) -> None:
    # Change travels only inside WatchResponse, which knows the kind of its object.
    parts = [cls for cls in MESSAGES if cls not in TOP_LEVEL and cls is not Change]
    cls = data.draw(st.sampled_from(parts))
    value = data.draw(values_of(cls, version))
    assert decode_exact(cls, encode(value, version), version) == value


@settings(max_examples=200)
@given(
    cls=st.sampled_from(TOP_LEVEL),
    data=st.binary(max_size=60),
    version=st.integers(-(1 << 15), (1 << 15) - 1) | st.sampled_from(VERSIONS_ALL),
)
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(
    cls: type[Message], data: bytes, version: int
) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode(cls, data, version)


DAMAGE = st.binary(min_size=1, max_size=4) | st.sampled_from(
    [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\0", b"\x7f\xff", b"\xff\xff"]
)


@pytest.mark.parametrize("cls", TOP_LEVEL)
@settings(max_examples=25)
@given(data=st.data())
def test_damaged_bytes_raise_nothing_but_protocol_errors(
    cls: type[Message], data: st.DataObject
) -> None:
    versions = [version for other, version in WITH_VERSIONS if other is cls]
    version = data.draw(st.sampled_from(versions))
    damaged = bytearray(encode(data.draw(values_of(cls, version)), version))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(damaged)))
        patch = data.draw(DAMAGE)
        if data.draw(st.booleans()):
            damaged[position : position + len(patch)] = patch
        else:
            damaged[position:position] = patch
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    read_at = data.draw(st.sampled_from([version, *VERSIONS_ALL]))
    with contextlib.suppress(RemoteProtocolError):
        decode(cls, damaged, read_at)


HUGE = LENGTH.pack((1 << 31) - 1)
MANY = b"\0\0\0\1"


def peak_bytes_while(action: Callable[[], object]) -> int:
    """Most memory taken while `action` runs and fails."""
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        with pytest.raises(ProtocolError):
            action()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


@pytest.mark.parametrize(
    ("cls", "version", "data"),
    [
        (FetchRequest, 24, bytes(13) + HUGE),
        (ProduceRequest, 24, bytes(7) + HUGE),
        (ProduceRequest, 24, bytes(7) + MANY + b"\0\1t" + HUGE),
        (ProduceRequest, 24, bytes(7) + MANY + b"\0\1t" + MANY + bytes(4) + HUGE),
        (ProduceResponse, 24, HUGE),
        (FetchResponse, 24, bytes(10) + HUGE),
        (UpdateOffsetsRequest, 0, HUGE),
        (TopicStatus, 19, b"\4\xff\xff"),
        (TopicStatus, 19, b"\4\0\1" + bytes(4) + HUGE),
        (Transform, 0, b"\0\1t\xff\xff"),
        (Status, 19, b"\x7f\xff" + b"x" * 100),
        (Status, 19, bytes(4) + b"\1\x7f\xff"),
        (ErrorStatus, 0, (6004).to_bytes(2) + bytes(12) + b"\1\xfe\xff\xff\xff\x0f"),
        (WatchResponse, 19, b"\0\5Topic\xff\xff\xff\xff"),
        (WatchResponse, 19, b"\0\5Topic\0\0\0\x0c" + bytes(8) + HUGE),
        (ListResponse, 19, b"\0\5Topic\0\0\0\4" + HUGE),
        (CreateRequest, 19, b"\0\x0bSmartModule\xff\xff\xff\xff"),
        (StreamFetchResponse, 24, b"\0\1t" + bytes(35) + HUGE),
        (ApiVersionsResponse, 2, bytes(2) + HUGE),
    ],
)
def test_a_claimed_size_takes_no_memory(cls: type[Message], version: int, data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):  # compiles the decoder, which is no part of this
        decode_exact(cls, data, version)
    assert peak_bytes_while(lambda: decode_exact(cls, data, version)) < 10_000


@pytest.mark.parametrize(
    ("cls", "version", "data"),
    [
        (ListResponse, 19, b"\0\5Topic" + LENGTH.pack(100_004) + LENGTH.pack(100_000)),
        (ProduceResponse, 24, LENGTH.pack(100_000)),
        (FetchRequest, 24, bytes(13) + LENGTH.pack(100_000)),
        (UpdateOffsetsRequest, 0, LENGTH.pack(100_000)),
    ],
)
def test_memory_is_proportional_to_what_was_received(
    cls: type[Message], version: int, data: bytes
) -> None:
    """As many items as bytes are claimed, and zeros follow: many small items, then the end."""
    data += bytes(100_000)
    assert peak_bytes_while(lambda: decode_exact(cls, data, version)) < 100 * len(data)


@pytest.mark.parametrize(
    ("value", "version"),
    [
        (Status(name="x" * 32_768), 19),
        (Status(name="\ud800"), 19),
        (Status(name=None), 19),  # type: ignore[arg-type]
        (ApiVersionRange(api_key=1 << 15, min_version=0, max_version=0), 0),
        (ApiVersionRange(api_key="1", min_version=0, max_version=0), 0),  # type: ignore[arg-type]
        (ApiVersionsResponse(api_keys=5, platform_version=""), 2),  # type: ignore[arg-type]
        (WatchResponse(kind=Kind.TOPIC, epoch=1 << 63), 19),
        (Transform(uses="", with_={str(n): "" for n in range(1 << 16)}), 0),
        (ProduceRequest(timeout_ms=1 << 31, topics=()), 24),
        (CreateRequest(name="t", spec=PartitionSpec(leader=SpuId(1), replicas=())), 19),
        (CreateRequest(name="t", spec=None), 19),
        (CreateRequest(name="t", timeout_ms=-1, spec=TopicSpec()), 19),
        (CreateRequest(name="t", spec=TopicSpec(replicas=ComputedReplicas(partitions=-1))), 19),
        (CreateRequest(name="t", spec=TopicSpec(replicas=SpuName(name="x"))), 19),  # type: ignore[arg-type]
        (DeleteRequest(kind=Kind.CUSTOM_SPU, key="by text"), 19),
        (DeleteRequest(kind=Kind.TOPIC, key=SpuName(name="x")), 19),
        (UpdateRequest(kind=Kind.TOPIC, key="t", action="text"), 19),
        (UpdateRequest(kind=Kind.SPU, key="t", action=5), 19),
    ],
)
def test_what_does_not_fit_is_refused(value: Message, version: int) -> None:
    with pytest.raises(LocalProtocolError):
        encode(value, version)


def test_headers_that_do_not_fit_are_refused() -> None:
    request = ApiVersionsRequest()
    with pytest.raises(LocalProtocolError):
        encode_request(request, version=1 << 15, correlation_id=1, client_id="")
    with pytest.raises(LocalProtocolError):
        encode_request(Status(name=""), version=0, correlation_id=1, client_id="")
    with pytest.raises(LocalProtocolError):
        encode_response(Status(name=""), version=0, correlation_id=1 << 31)


@message()
class Gated(Message):
    """A message of its own for the rules of versions."""

    always: Offset = field(about="in every version")
    early: PartitionId = field(until=3, default=PartitionId(9), about="up to 3")
    late: dict[str, str] = field(since=5, default={}, about="from 5 on")
    needed: ApiVersionRange | None = field(since=7, about="from 7 on, without a default")


def test_a_field_outside_its_versions_is_not_written_and_reads_as_its_default() -> None:
    value = Gated(always=Offset(1), early=PartitionId(2), late={"b": "2", "a": "1"}, needed=None)
    always, early = bytes(7) + b"\1", b"\0\0\0\2"
    late = b"\0\2\0\1a\0\0011\0\1b\0\0012"
    assert encode(value, 3) == always + early
    assert encode(value, 4) == always
    assert encode(value, 5) == always + late
    assert encode(value, 7) == always + late + b"\0"
    assert decode_exact(Gated, always, 4) == Gated(always=Offset(1), needed=None)


@message()
class Odd(Message):
    """What no real message holds: a number that may overflow, and items of no size."""

    number: F32 = field(default=0.0, about="may be too large")
    nothings: tuple[SmartModuleStatus, ...] = field(default=(), about="take no bytes")


def test_a_float_that_does_not_fit_is_refused() -> None:
    assert decode_exact(Odd, encode(Odd(number=0.5), 0), 0) == Odd(number=0.5)
    with pytest.raises(LocalProtocolError):
        encode(Odd(number=1e300), 0)


def test_items_that_take_no_bytes_are_bounded_too() -> None:
    with pytest.raises(RemoteProtocolError, match="items"):
        decode(Odd, bytes(4) + HUGE, 0)
    assert decode(Odd, bytes(4) + LENGTH.pack(-5), 0) == Odd()


# Every gate of the protocol reference, sections 1.5, 3, 4, once more: class, field, since, until.
GATES: list[tuple[type[Message], str, int, int]] = [
    *((ApiVersionsRequest, name, 1, VERSION_MAX) for name in ("client_version", "client_os")),
    (ApiVersionsRequest, "client_arch", 1, VERSION_MAX),
    (TopicSpec, "cleanup_policy", 3, VERSION_MAX),
    (TopicSpec, "storage", 4, VERSION_MAX),
    (TopicSpec, "compression_type", 6, VERSION_MAX),
    (TopicSpec, "deduplication", 12, VERSION_MAX),
    (TopicSpec, "system", 13, VERSION_MAX),
    (TopicStatus, "mirror_map", 14, VERSION_MAX),
    (PartitionMap, "mirror", 14, VERSION_MAX),
    (MirrorFromHome, "target", 18, VERSION_MAX),
    (MirrorToRemotes, "source", 18, VERSION_MAX),
    (RemotePartition, "target", 18, VERSION_MAX),
    (HomePartition, "source", 18, VERSION_MAX),
    (PartitionSpec, "cleanup_policy", 4, VERSION_MAX),
    (PartitionSpec, "storage", 4, VERSION_MAX),
    (PartitionSpec, "compression_type", 6, VERSION_MAX),
    (PartitionSpec, "deduplication", 12, VERSION_MAX),
    (PartitionSpec, "system", 13, VERSION_MAX),
    (PartitionSpec, "mirror", 14, VERSION_MAX),
    (PartitionStatus, "size", 5, VERSION_MAX),
    (PartitionStatus, "base_offset", 16, VERSION_MAX),
    (SpuSpec, "public_endpoint_local", 1, VERSION_MAX),
    (SmartModulePackage, "visibility", 19, VERSION_MAX),
    (ProduceRequest, "smartmodules", 8, VERSION_MAX),
    (PartitionProduceResponse, "log_append_time_ms", 2, VERSION_MAX),
    (PartitionProduceResponse, "log_start_offset", 5, VERSION_MAX),
    (ProduceResponse, "throttle_time_ms", 1, VERSION_MAX),
    (FetchRequest, "max_bytes", 3, VERSION_MAX),
    (FetchRequest, "isolation", 4, VERSION_MAX),
    (FetchRequest, "forgotten", 7, VERSION_MAX),
    (FetchPartition, "current_leader_epoch", 9, VERSION_MAX),
    (FetchPartition, "log_start_offset", 5, VERSION_MAX),
    (FetchPartitionResponse, "next_filter_offset", 11, VERSION_MAX),
    (FetchOffsetsRequest, "consumer_id", 23, 23),
    (StreamFetchRequest, "wasm_module", 11, 18),
    (StreamFetchRequest, "smartmodule", 16, 18),
    (StreamFetchRequest, "derived_stream", 16, 18),
    (StreamFetchRequest, "smartmodules", 18, VERSION_MAX),
    (StreamFetchRequest, "consumer_id", 23, VERSION_MAX),
    (SmartModuleInvocation, "name", 25, VERSION_MAX),
    (ExtraParams, "lookback", 20, VERSION_MAX),
    (Lookback, "age", 21, VERSION_MAX),
    (FetchConsumerOffsetsRequest, "filter_opts", 24, VERSION_MAX),
    (_CreateHead, "timeout_ms", 7, VERSION_MAX),
    (_DeleteByName, "force", 13, VERSION_MAX),
    (_DeleteCustomSpu, "force", 13, VERSION_MAX),
    (_ListBody, "summary", 10, VERSION_MAX),
    (_ListBody, "system", 13, VERSION_MAX),
    (_WatchBody, "summary", 10, VERSION_MAX),
]


def test_gates_are_those_of_the_reference() -> None:
    declared = {
        (cls, each.name, each.since, each.until)
        for cls in MESSAGES
        if isinstance(wire := wire_of(cls), StructWire)
        for each in wire.fields()
        if (each.since, each.until) != (0, VERSION_MAX)
    }
    assert declared == set(GATES)


TOPIC_ENVELOPE = b"\0\5Topic"
LIST_BODY = bytes(6)


def test_an_object_may_not_reach_beyond_its_envelope() -> None:
    for claimed in range(len(LIST_BODY)):
        with pytest.raises(RemoteProtocolError):
            decode(ListRequest, TOPIC_ENVELOPE + LENGTH.pack(claimed) + LIST_BODY, 19)


def test_bytes_behind_an_object_in_its_envelope_are_passed_over() -> None:
    written = TOPIC_ENVELOPE + LENGTH.pack(8) + LIST_BODY + b"xx"
    assert decode_exact(ListRequest, written, 19) == ListRequest(kind=Kind.TOPIC)


@pytest.mark.parametrize("label", ["topic", "", "MirroringConnect", "T"])
def test_an_unknown_label_is_refused(label: str) -> None:
    written = len(label).to_bytes(2) + label.encode() + LENGTH.pack(6) + LIST_BODY
    with pytest.raises(RemoteProtocolError, match="no kind of object"):
        decode(ListRequest, written, 19)


def test_defaults_are_not_shared_between_messages() -> None:
    first, second = (decode_exact(Gated, bytes(8), 4) for _ in range(2))
    first.late["a"] = "1"
    assert second.late == {}


def test_every_version_a_peer_may_send_is_read_with_bounded_memory() -> None:
    for version in range(-300, 600):
        assert decode(Gated, bytes(40), version) is not None
    wire = wire_of(Gated)
    assert isinstance(wire, StructWire)
    assert len(wire._plans) <= 257


def test_messages_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Status(name="").name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("low", "high", "chosen"),
    [(0, 25, 25), (0, 20, 20), (25, 25, 25), (26, 30, None), (0, 16, None), (0, 17, 17)],
)
def test_negotiation_takes_the_highest_common_version(
    low: int, high: int, chosen: int | None
) -> None:
    class Request(Message):
        api_key = 7
        versions = (17, 25)

    other = ApiVersionRange(api_key=6, min_version=0, max_version=99)
    offer = ApiVersionRange(api_key=7, min_version=low, max_version=high)
    assert negotiate(Request, [other, offer]) == chosen
    assert negotiate(Request, [other]) is None
