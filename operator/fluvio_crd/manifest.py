"""Manifests of every kind, read and written: the way in for the operator and the command line.

A manifest (`body`) is what the Kubernetes API gives or a YAML file holds: nested dicts. It becomes
the values of `fluvio_protocol.metadata` that the rest of the program knows. Reading a spec raises
BadManifest and nothing else, whatever the body is, so that one bad object never hides the others;
reading a status raises nothing. What `render_spec` writes, `parse_spec` reads back, equal.
"""

import functools
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fluvio_crd.errors import BadManifest as BadManifest
from fluvio_crd.model import Model, SpecModel, StatusModel
from fluvio_crd.settings import DeletionPolicy, GroupSettings, PartitionSettings, TopicSettings
from fluvio_protocol.metadata.kinds import Kind, Spec, Status

_M = TypeVar("_M", bound=Model)

_TEXTS = {
    "missing": "is missing",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "string_type": "expected text; put it in quotes",
    "string_unicode": "expected text",
    "list_type": "expected a list",
    "dict_type": "expected an object",
    "model_type": "expected an object",
    "int_parsing_size": "the number is too large",
}
_PROBLEMS_SHOWN_MAX = 3


def parse_spec(kind: Kind, body: Mapping[str, Any]) -> Spec:
    """The spec of a manifest. Raises BadManifest, in one line: where, what, what to do."""
    spec: Spec = _read(_models(kind)[0], body).to_wire()
    return spec


def render_spec(kind: Kind, spec: Spec) -> dict[str, Any]:
    """A manifest's `spec`. What the wire has, and nothing of our additions."""
    return _models(kind)[0].of_wire(spec).body()


def parse_status(kind: Kind, body: Mapping[str, Any]) -> Status:
    """The status of a manifest; what is missing or makes no sense has its default."""
    model = _models(kind)[1]
    raw = body.get("status") if isinstance(body, Mapping) else None
    if not isinstance(raw, Mapping):
        raw = {}
    status: Status = model.model_validate(dict(raw)).to_wire()
    return status


def render_status(kind: Kind, status: Status) -> dict[str, Any]:
    """A manifest's `status`: Fluvio's own fields. Conditions and the rest are the operator's."""
    return _models(kind)[1].of_wire(status).body()


def group_settings(body: Mapping[str, Any]) -> GroupSettings:
    """What a SpuGroup says beyond the wire's spec. Raises BadManifest."""
    from fluvio_crd.spu_group import SpuGroupSpec

    return _read(SpuGroupSpec, body).settings()


def topic_settings(body: Mapping[str, Any]) -> TopicSettings:
    """What a Topic says beyond the wire's spec. Raises BadManifest."""
    from fluvio_crd.topic import TopicExtension

    said = _read(TopicExtension, body)
    return TopicSettings(
        deletion_policy=said.deletion_policy or DeletionPolicy.DELETE,
        min_in_sync_replicas=said.min_in_sync_replicas,
        unclean_leader_election=said.unclean_leader_election or False,
    )


def partition_settings(body: Mapping[str, Any]) -> PartitionSettings:
    """What a Partition says beyond the wire's spec. Raises BadManifest."""
    from fluvio_crd.partition import PartitionExtension

    said = _read(PartitionExtension, body)
    epoch = 1 if said.leader_epoch is None else said.leader_epoch
    if epoch < 1:
        raise BadManifest(f"spec.leaderEpoch: {epoch} is less than 1")
    return PartitionSettings(
        leader_epoch=epoch,
        in_sync=None if said.in_sync is None else tuple(said.in_sync),
        eligible=tuple(said.eligible or ()),
        incarnations={item.spu: item.incarnation for item in said.incarnations or ()},
        in_sync_version=said.in_sync_version or 1,
        successor=said.successor,
        target_replicas=tuple(said.target_replicas or ()),
        original_replicas=tuple(said.original_replicas or ()),
        leaving_replicas=tuple(said.leaving_replicas or ()),
        min_in_sync_replicas=said.min_in_sync_replicas,
        unclean_leader_election=said.unclean_leader_election or False,
    )


def spu_is_draining(body: Mapping[str, Any]) -> bool:
    """Whether an Spu shall get no further replicas. Raises BadManifest."""
    from fluvio_crd.spu import SpuExtension

    return _read(SpuExtension, body).draining or False


@functools.cache
def _models(kind: Kind) -> tuple[type[SpecModel], type[StatusModel]]:
    """Imported when first needed: the command line seldom needs more than one kind."""
    match kind:
        case Kind.TOPIC:
            from fluvio_crd.topic import TopicSpec, TopicStatus

            return TopicSpec, TopicStatus
        case Kind.PARTITION:
            from fluvio_crd.partition import PartitionSpec, PartitionStatus

            return PartitionSpec, PartitionStatus
        case Kind.SPU:
            from fluvio_crd.spu import SpuSpec, SpuStatus

            return SpuSpec, SpuStatus
        case Kind.SPU_GROUP:
            from fluvio_crd.spu_group import SpuGroupSpec, SpuGroupStatus

            return SpuGroupSpec, SpuGroupStatus
        case Kind.SMART_MODULE:
            from fluvio_crd.smart_module import SmartModuleSpec, SmartModuleStatus

            return SmartModuleSpec, SmartModuleStatus
        case Kind.TABLE_FORMAT:
            from fluvio_crd.table_format import TableFormatSpec, TableFormatStatus

            return TableFormatSpec, TableFormatStatus
        case Kind.MIRROR:
            from fluvio_crd.mirror import MirrorSpec, MirrorStatus

            return MirrorSpec, MirrorStatus
        case Kind.CUSTOM_SPU:
            raise KeyError("a registration is never stored: its Spu is")


def _read(model: type[_M], body: Mapping[str, Any]) -> _M:
    raw = body.get("spec") if isinstance(body, Mapping) else None
    if not isinstance(raw, Mapping):
        raise BadManifest("spec: is missing, or no object")
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        problems = error.errors(include_url=False)
        shown = [_problem(problem) for problem in problems[:_PROBLEMS_SHOWN_MAX]]
        if len(problems) > len(shown):
            shown.append(f"and {len(problems) - len(shown)} more")
        raise BadManifest("; ".join(shown)) from None


def _problem(problem: ErrorDetails) -> str:
    path = "spec"
    for step in problem["loc"]:
        path += f"[{step}]" if isinstance(step, int) else f".{_one_line(step)}"
    kind = problem["type"]
    found = problem["input"]
    context = problem.get("ctx", {})
    if kind == "missing":
        return f"{path}: is missing"
    if kind == "less_than_equal":
        return f"{path}: {_shown(found)} is more than {context['le']}"
    if kind == "greater_than_equal":
        return f"{path}: {_shown(found)} is less than {context['ge']}"
    text = _TEXTS.get(kind, problem["msg"])
    if kind == "variant":
        return f"{path}: {text}"
    return f"{path}: {text}, found {_shown(found)}"


def _shown(value: Any) -> str:
    """A value in a message: short, and on one line."""
    match value:
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case str():
            return f'"{_one_line(value)}"'
        case bool() | None:
            return json.dumps(value)
        case int() if abs(value) >= 1 << 64:
            return "a larger number"
        case _:
            return _one_line(str(value))


def _one_line(text: str) -> str:
    shown = json.dumps(text)[1:-1]
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
