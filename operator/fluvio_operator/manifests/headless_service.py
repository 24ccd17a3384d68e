"""The headless Service of a group: the names by which SPUs find each other.

It publishes pods that are not ready too: a leader must be found by its followers before it is
ready for clients, and it becomes ready only with their help.
"""

from typing import Any

from fluvio_operator.manifests.names import headless_service_name, metadata_of, pod_labels
from fluvio_operator.manifests.plan import GroupPlan


def build_headless_service(plan: GroupPlan) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata_of(plan, headless_service_name(plan.name)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": pod_labels(plan.name),
            "ports": [
                _port("public", plan.public_port),
                _port("private", plan.private_port),
            ],
        },
    }


def _port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "port": number, "protocol": "TCP", "targetPort": number}
