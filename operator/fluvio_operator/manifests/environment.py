"""The environment of an SPU: what the operator says itself, then the chart, then the group.

The later word counts, except for the names that make an SPU who it is: those are ours alone.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from fluvio_operator.manifests.json_block import JsonObject
from fluvio_operator.manifests.plan import GroupPlan

RESERVED_NAMES = frozenset({"SPU_INDEX", "SPU_MIN", "FLV_SPU_ID"})
"""Identity: with FLV_SPU_ID every SPU of the group would claim the same id."""

RESERVED_PREFIX = "FLV_SC_"
"""Where the controller is."""


def environment_of(
    plan: GroupPlan, extra_env: Sequence[JsonObject], *, log_filter: str
) -> list[dict[str, Any]]:
    """The variables of the SPU's container; every name once, as server-side apply demands.

    extra_env:  the chart's, as a container's `env` is written
    log_filter: how much to log, unless the chart or the group say otherwise
    """
    variables: dict[str, dict[str, Any]] = {
        "SPU_INDEX": {
            "name": "SPU_INDEX",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
        },
        "SPU_MIN": {"name": "SPU_MIN", "value": str(plan.spec.min_id)},
        "RUST_LOG": {"name": "RUST_LOG", "value": log_filter},
    }
    for variable in extra_env:
        variables[variable["name"]] = dict(variable)
    for own in plan.spec.spu_config.env:
        variables[own.name] = {"name": own.name, "value": own.value}
    return list(variables.values())


def env_problem(names: Iterable[str], *, where: str) -> str | None:
    """Why these variables cannot be given to an SPU; None when they can."""
    for index, name in enumerate(names):
        if not name:
            return f"{where}[{index}].name: is missing"
        if "=" in name or not (name.isascii() and name.isprintable()):
            return f'{where}[{index}].name: "{name}" is no name of a variable'
        if name in RESERVED_NAMES or name.startswith(RESERVED_PREFIX):
            return f'{where}[{index}].name: "{name}" is set by the operator: remove it'
    return None
