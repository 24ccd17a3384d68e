"""Objects as JSON: everything comes back, files of other releases are read, nonsense is named."""

import json
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_local.object_json import JsonShapeError, from_json, to_json
from fluvio_protocol.metadata.kinds import Kind, spec_type, status_type
from fluvio_protocol.metadata.mirror import MirrorSpec, RemoteMirror
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, SmartModuleWasm
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    CompressionType,
    ComputedReplicas,
    PartitionMap,
    SegmentCleanup,
    TopicResolution,
    TopicSpec,
    TopicStatus,
)
from fluvio_protocol.types import PartitionId, SpuId

TYPES = [*(spec_type(kind) for kind in Kind), *(status_type(kind) for kind in Kind)]


@given(data=st.data(), annotation=st.sampled_from(TYPES))
def test_every_spec_and_status_comes_back(data: st.DataObject, annotation: Any) -> None:
    value = data.draw(st.from_type(annotation))
    assert from_json(annotation, json.loads(json.dumps(to_json(annotation, value)))) == value


def test_what_is_in_the_file_is_pinned() -> None:
    """These names are a file format: when this fails, old files cannot be read any more."""
    spec = TopicSpec(
        replicas=AssignedReplicas(
            maps=(PartitionMap(id=PartitionId(0), replicas=(SpuId(5001), SpuId(5002))),)
        ),
        cleanup_policy=SegmentCleanup(time_in_seconds=60),
        compression_type=CompressionType.GZIP,
    )
    assert to_json(TopicSpec, spec) == {
        "replicas": {
            "AssignedReplicas": {"maps": [{"id": 0, "replicas": [5001, 5002], "mirror": None}]}
        },
        "cleanup_policy": {"SegmentCleanup": {"time_in_seconds": 60}},
        "storage": None,
        "compression_type": "GZIP",
        "deduplication": None,
        "system": False,
    }
    status = TopicStatus(
        resolution=TopicResolution.PROVISIONED, replica_map={PartitionId(1): (SpuId(5001),)}
    )
    assert to_json(TopicStatus, status) == {
        "resolution": "PROVISIONED",
        "replica_map": {"1": [5001]},
        "mirror_map": {},
        "reason": "",
    }
    assert to_json(MirrorSpec, RemoteMirror(id="edge")) == {"RemoteMirror": {"id": "edge"}}
    module = SmartModuleSpec(wasm=SmartModuleWasm(payload=b"\0asm"))
    assert to_json(SmartModuleSpec, module)["wasm"]["payload"] == "AGFzbQ=="


def test_unknown_fields_are_ignored_and_absent_ones_get_their_default() -> None:
    spec = from_json(TopicSpec, {"system": True, "invented_later": [1, 2]})
    assert spec == TopicSpec(system=True)


@pytest.mark.parametrize(
    ("annotation", "data", "said"),
    [
        (TopicSpec, [], "expected dict"),
        (TopicSpec, {"system": "yes"}, "system: expected bool"),
        (TopicSpec, {"compression_type": "BROTLI"}, '"BROTLI" is no CompressionType'),
        (TopicSpec, {"replicas": None}, "replicas: null"),
        (TopicSpec, {"replicas": {"Guessed": {}}}, '"Guessed" is none of'),
        (TopicSpec, {"replicas": {}}, "expected one of"),
        (RemoteMirror, {}, "RemoteMirror without id"),
        (ComputedReplicas, {"partitions": True}, "partitions: expected int"),
    ],
)
def test_nonsense_is_named(annotation: Any, data: Any, said: str) -> None:
    with pytest.raises(JsonShapeError, match=said):
        from_json(annotation, data)


def test_a_union_without_tags_is_refused() -> None:
    with pytest.raises(TypeError, match="tags"):
        to_json(int | str, 1)


def test_enums_go_by_name_so_that_numbers_may_change() -> None:
    class Word(IntEnum):
        FIRST = 7

    assert to_json(Word, Word.FIRST) == "FIRST"
    assert from_json(Word, "FIRST") is Word.FIRST
