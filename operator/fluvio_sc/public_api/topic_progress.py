"""How far a topic has come, for requests that wait until it can be used."""

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.metadata.topic import TopicResolution
from fluvio_protocol.types import PartitionId, ReplicaKey
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.validation import partition_count
from fluvio_sc.memory_store import MemoryStore


async def wait_until_usable(
    topic: StoredObject,
    memory_store: MemoryStore,
    timeout_s: float,
    *,
    stored: str,
    first: int = 0,
) -> None:
    """Return once every partition is online, from number `first` on.

    stored: what has been done in any case, for the text of a refusal
    Raises: Refused, with TOPIC_NOT_PROVISIONED as soon as it is known that there are too few
            SPUs, or when time is up; TOPIC_DELETED when the topic went
    """

    def outcome() -> Refused | bool | None:
        return _outcome(topic, memory_store, stored, first)

    reached = await memory_store.wait_until(outcome, timeout_s)
    if isinstance(reached, Refused):
        raise reached
    if reached is None:
        total = partition_count(topic.spec) - first
        online = online_count(topic, memory_store, first)
        raise Refused(ErrorCode.TOPIC_NOT_PROVISIONED, f"only {online} out of {total} provisioned")


def _outcome(
    topic: StoredObject, memory_store: MemoryStore, stored: str, first: int
) -> Refused | bool | None:
    """True: usable. Refused: will not be. None: not known yet."""
    now = memory_store.get(Kind.TOPIC, topic.name)
    if now is None or now.uid != topic.uid or now.deletion_requested:
        return Refused(ErrorCode.TOPIC_DELETED, f"topic '{topic.name}' was deleted")
    resolution = now.status.resolution
    if resolution in (TopicResolution.INSUFFICIENT_RESOURCES, TopicResolution.INVALID_CONFIG):
        return Refused(
            ErrorCode.TOPIC_NOT_PROVISIONED,
            f"{stored}, but it is not provisioned yet: {now.status.reason}",
        )
    if resolution is not TopicResolution.PROVISIONED:
        return None
    wanted = partition_count(now.spec) - first
    return True if online_count(now, memory_store, first) == wanted else None


def online_count(topic: StoredObject, memory_store: MemoryStore, first: int = 0) -> int:
    """How many of the topic's partitions can be used, from number `first` on."""
    count = 0
    for number in range(first, partition_count(topic.spec)):
        name = str(ReplicaKey(topic.name, PartitionId(number)))
        partition = memory_store.get(Kind.PARTITION, name)
        if (
            partition is not None
            and partition.owner is not None
            and partition.owner.uid == topic.uid
            and partition.status.resolution is PartitionResolution.ONLINE
        ):
            count += 1
    return count
