"""The published Fluvio client, unmodified, against a real local cluster."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import fluvio
import pytest


def topic_spec(
    *,
    partitions: int = 1,
    compression: Any = None,
    assignment: list[list[int]] | None = None,
    retention_seconds: int | None = None,
    segment_size: int | None = None,
    max_partition_size: int | None = None,
) -> Any:
    """A spec made with the binding's own type: its Python wrapper cannot pass some settings on."""
    inner = fluvio._fluvio_python
    if assignment is None:
        spec = inner.TopicSpec.new_computed(partitions, 1, True)
    else:
        rows = [inner.PartitionMap.new(number, row) for number, row in enumerate(assignment)]
        spec = inner.TopicSpec.new_assigned(rows)
    if compression is not None:
        spec.set_compression_type(compression)
    if retention_seconds is not None:
        spec.set_retention_time(retention_seconds)
    if segment_size is not None or max_partition_size is not None:
        spec.set_storage(max_partition_size, segment_size)
    return spec


@pytest.fixture(name="topic_spec", scope="session")
def topic_spec_fixture() -> Callable[..., Any]:
    return topic_spec


@pytest.fixture(scope="session")
def official_config(local_cluster: Any) -> "fluvio.FluvioConfig":
    config = fluvio.FluvioConfig.new(local_cluster.public_address)
    config.disable_tls()
    return config


@pytest.fixture
def admin(official_config: Any) -> "fluvio.FluvioAdmin":
    return fluvio.FluvioAdmin.connect_with_config(official_config)


@pytest.fixture
def client(official_config: Any) -> "fluvio.Fluvio":
    return fluvio.Fluvio.connect_with_config(official_config)


@pytest.fixture
def new_topic(admin: Any) -> Iterator[Callable[..., str]]:
    """Creates topics with names of their own, and deletes them afterwards."""
    made: list[str] = []

    def create(spec: Any = None, name: str | None = None) -> str:
        topic = name or f"t-{uuid.uuid4()}"
        admin.create_topic(topic, spec)
        made.append(topic)
        return topic

    yield create
    for topic in made:
        admin.delete_topic(topic)
