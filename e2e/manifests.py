"""The manifests that the stories apply: topics and groups as a user writes them."""

from collections.abc import Sequence
from typing import Any

from kube import Body


def topic(
    name: str,
    *,
    partitions: int = 1,
    replication: int = 1,
    assigned: Sequence[Sequence[int]] | None = None,
) -> Body:
    """Computed, or with the SPUs of each partition."""
    replicas: dict[str, Any]
    if assigned is None:
        replicas = {"computed": {"partitions": partitions, "replicationFactor": replication}}
    else:
        rows = [{"id": index, "replicas": list(row)} for index, row in enumerate(assigned)]
        replicas = {"assigned": rows}
    return {
        "apiVersion": "fluvio.infinyon.com/v2",
        "kind": "Topic",
        "metadata": {"name": name},
        "spec": {"replicas": replicas},
    }


def group(
    name: str, *, minimum_id: int, replicas: int = 1, template: dict[str, Any] | None = None
) -> Body:
    """template: more of `spec.template.spec`."""
    return {
        "apiVersion": "fluvio.infinyon.com/v1",
        "kind": "SpuGroup",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "minId": minimum_id,
            "template": {"spec": {"storage": {"size": "1Gi"}, **(template or {})}},
        },
    }
