"""One budget for the SPUs of all groups: nobody drains two of them at a time.

Over all groups, because a partition's replicas may lie in several.
"""

from collections.abc import Sequence
from typing import Any

from fluvio_operator.manifests.names import (
    APP_LABEL,
    APP_LABEL_VALUE,
    DISRUPTION_BUDGET_NAME,
    labels_of_cluster,
    owner_reference,
)
from fluvio_operator.manifests.plan import ClusterNames, GroupPlan


def build_disruption_budget(names: ClusterNames, plans: Sequence[GroupPlan]) -> dict[str, Any]:
    """plans: the groups there are; the budget goes when the last of them has gone."""
    owners = [owner_reference(plan, controller=False) for plan in plans]
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": DISRUPTION_BUDGET_NAME,
            "namespace": names.namespace,
            "labels": labels_of_cluster(),
            "ownerReferences": sorted(owners, key=lambda owner: str(owner["name"])),
        },
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {APP_LABEL: APP_LABEL_VALUE}},
        },
    }
