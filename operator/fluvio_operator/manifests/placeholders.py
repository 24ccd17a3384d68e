"""`{{spuId}}` and its like, in host names and annotations that differ from SPU to SPU."""

import re
from collections.abc import Iterator

from fluvio_operator.manifests.plan import GroupPlan

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
PLACEHOLDERS = ("spuId", "ordinal", "group", "namespace")


def fill_placeholders(text: str, plan: GroupPlan, ordinal: int) -> str:
    """The text for one SPU; placeholders that are none of ours stay as they are."""
    values = {
        "spuId": str(plan.spu_id(ordinal)),
        "ordinal": str(ordinal),
        "group": plan.name,
        "namespace": plan.namespace,
    }
    return _PLACEHOLDER.sub(lambda found: values.get(found.group(1), found.group(0)), text)


def unknown_placeholders(text: str) -> Iterator[str]:
    for found in _PLACEHOLDER.finditer(text):
        if found.group(1) not in PLACEHOLDERS:
            yield found.group(0)
