"""CustomResourceDefinitions: names, versions, schemas, columns, put together.

Called by `generate.py` and by tests. The result is the same at every run.
"""

from typing import Any

from fluvio_crd import mirror, partition, smart_module, spu, spu_group, table_format, topic
from fluvio_crd.columns import COLUMNS, SMART_MODULE_V1, Column
from fluvio_crd.model import RULES, Model, Rule, StatusModel
from fluvio_crd.resources import GROUP, Resource
from fluvio_crd.schema import structural_schema
from fluvio_crd.smart_module_v1 import SmartModuleSpecV1
from fluvio_protocol.metadata.kinds import Kind

MODELS: dict[Kind, tuple[type[Model], type[StatusModel]]] = {
    Kind.TOPIC: (topic.TopicSpec, topic.TopicStatus),
    Kind.PARTITION: (partition.PartitionSpec, partition.PartitionStatus),
    Kind.SPU: (spu.SpuSpec, spu.SpuStatus),
    Kind.SPU_GROUP: (spu_group.SpuGroupSpec, spu_group.SpuGroupStatus),
    Kind.SMART_MODULE: (smart_module.SmartModuleSpec, smart_module.SmartModuleStatus),
    Kind.TABLE_FORMAT: (table_format.TableFormatSpec, table_format.TableFormatStatus),
    Kind.MIRROR: (mirror.MirrorSpec, mirror.MirrorStatus),
}

_OBJECT_RULES: dict[Kind, tuple[Rule, ...]] = {
    Kind.TOPIC: (topic.NAME_RULE,),
    Kind.SPU_GROUP: (spu_group.NAME_RULE,),
}
_SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def definition_of(resource: Resource) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    names: dict[str, Any] = {
        "kind": resource.kube_kind,
        "listKind": f"{resource.kube_kind}List",
        "plural": resource.plural,
        "singular": resource.singular,
    }
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": resource.crd_name,
            "annotations": {"helm.sh/resource-policy": "keep"},
            "labels": {"app.kubernetes.io/part-of": "fluvio"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": _versions(resource),
        },
    }


def _versions(resource: Resource) -> list[dict[str, Any]]:
    spec, status = MODELS[resource.kind]
    current = _version(resource, resource.api_version, spec, status, COLUMNS[resource.kind])
    if resource.kind is not Kind.SMART_MODULE:
        return [current]
    older = _version(resource, "v1", SmartModuleSpecV1, status, SMART_MODULE_V1)
    older["storage"] = False
    return [older, current]


def _version(
    resource: Resource,
    name: str,
    spec: type[Model],
    status: type[StatusModel],
    columns: tuple[Column, ...],
) -> dict[str, Any]:
    subresources: dict[str, Any] = {"status": {}}
    if resource.kind is Kind.SPU_GROUP:
        subresources["scale"] = _SCALE
    return {
        "name": name,
        "served": True,
        "storage": True,
        "subresources": subresources,
        "additionalPrinterColumns": [_printer_column(column) for column in columns],
        "schema": {"openAPIV3Schema": _object_schema(resource.kind, spec, status)},
    }


def _object_schema(kind: Kind, spec: type[Model], status: type[StatusModel]) -> dict[str, Any]:
    spec_schema = structural_schema(spec)
    schema: dict[str, Any] = {
        "description": spec_schema["description"],
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec_schema,
            "status": structural_schema(status),
        },
    }
    rules = _OBJECT_RULES.get(kind, ())
    if rules:
        schema[RULES] = [rule.keyword() for rule in rules]
    return schema


def _printer_column(column: Column) -> dict[str, Any]:
    printed: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
    }
    if column.wide:
        printed["priority"] = 1
    return printed
