"""What the operator publishes is what its page says."""

import re
from pathlib import Path

import pytest

from fluvio_operator.event_recorder import EventRecorder
from fluvio_operator.kube_api import KubeApi
from fluvio_operator.operator_metrics import OperatorMetrics
from fluvio_operator.platform_view import PlatformView
from fluvio_operator.status_writer import StatusWriter
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import TopicResolution, TopicSpec, TopicStatus
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.memory_store import MemoryStore

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "operator-metrics.md"


@pytest.mark.asyncio
async def test_every_name_is_documented(api: KubeApi) -> None:
    memory_store = MemoryStore()
    status = TopicStatus(resolution=TopicResolution.PROVISIONED)
    topic = StoredObject(kind=Kind.TOPIC, name="t", uid="u", spec=TopicSpec(), status=status)
    memory_store.publish([topic], [])
    metrics = OperatorMetrics(api, is_leader=lambda: True)
    api.request_counts["GET"] += 3

    def may_write() -> bool:
        return True

    metrics.show(
        memory_store,
        StatusWriter(api, "stream", memory_store, PlatformView(), may_write=may_write),
        EventRecorder(api, "stream", memory_store, instance="pod", may_write=may_write),
    )
    samples = await metrics.samples()
    told = {sample.name for sample in samples if not sample.name.startswith("process_")}
    said = set(re.findall(r"\| `(fluvio_operator_\w+)` \|", PAGE.read_text()))
    assert said - told == {"fluvio_operator_watch_events_total"}  # there are no watches here
    assert told <= said
    (objects,) = (sample for sample in samples if sample.name == "fluvio_operator_objects")
    assert (objects.labels, objects.value) == ({"kind": "Topic", "state": "provisioned"}, 1)
