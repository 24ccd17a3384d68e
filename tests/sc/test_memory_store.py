"""The published objects: a reader at any epoch is told the right thing."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import TopicSpec, TopicStatus
from fluvio_sc import memory_store as module
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject
from fluvio_sc.memory_store import MemoryStore, Publication


def topic(name: str, generation: int = 1, uid: str = "u") -> StoredObject:
    return StoredObject(
        kind=Kind.TOPIC,
        name=name,
        uid=uid,
        spec=TopicSpec(),
        status=TopicStatus(),
        generation=generation,
    )


def key(name: str) -> ObjectKey:
    return ObjectKey(Kind.TOPIC, name)


class Reader:
    """What a client knows: it applies what it is told, as upstream's client does."""

    def __init__(self) -> None:
        self.epoch = 0
        self.objects: dict[str, StoredObject] = {}

    def catch_up(self, store: MemoryStore) -> None:
        told = store.changes_since(Kind.TOPIC, self.epoch)
        if told.is_all:
            self.objects = {item.name: item for item in told.updates}
        else:
            for item in told.updates:
                self.objects[item.name] = item
            for item in told.deletions:
                self.objects.pop(item.name, None)
        self.epoch = told.epoch


writes = st.lists(
    st.tuples(st.sampled_from("abcd"), st.booleans()),
    min_size=1,
    max_size=4,
    unique_by=lambda w: w[0],
)


@given(
    turns=st.lists(st.tuples(writes, st.sets(st.integers(0, 2))), max_size=30),
    bound=st.integers(1, 4),
)
def test_readers_at_any_pace_end_with_the_truth(
    turns: list[tuple[list[tuple[str, bool]], set[int]]], bound: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DELETIONS_REMEMBERED_MAX", bound)
        store = MemoryStore()
        truth: dict[str, StoredObject] = {}
        readers = [Reader() for _ in range(3)]
        for number, (turn, reading) in enumerate(turns):
            updated = [topic(name, number) for name, put in turn if put]
            deleted = [key(name) for name, put in turn if not put]
            store.publish(updated, deleted)
            truth.update((item.name, item) for item in updated)
            for gone in deleted:
                truth.pop(gone.name, None)
            for index in reading:
                readers[index].catch_up(store)
                assert readers[index].objects == truth
        for reader in readers:
            reader.catch_up(store)
            assert reader.objects == truth


def test_an_object_is_told_once_however_often_it_changed() -> None:
    store = MemoryStore()
    store.publish([topic("a"), topic("b")], [])
    epoch = store.epoch(Kind.TOPIC)
    for generation in range(2, 50):
        store.publish([topic("a", generation)], [])
    changes = store.changes_since(Kind.TOPIC, epoch)
    assert not changes.is_all
    assert changes.updates == (topic("a", 49),)


def test_epochs_count_per_kind() -> None:
    store = MemoryStore()
    store.publish([topic("a")], [])
    assert (store.epoch(Kind.TOPIC), store.epoch(Kind.SPU)) == (1, 0)
    store.publish([], [])
    assert store.epoch(Kind.TOPIC) == 1


def test_a_deletion_carries_the_last_object() -> None:
    store = MemoryStore()
    store.publish([topic("a", 3)], [])
    store.publish([], [key("a")])
    assert store.changes_since(Kind.TOPIC, 1).deletions == (topic("a", 3),)


def test_deleted_and_made_again_is_an_update_only() -> None:
    """Updates are told first: a deletion after them would take the new object away."""
    store = MemoryStore()
    store.publish([topic("a", uid="old")], [])
    store.publish([], [key("a")])
    store.publish([topic("a", uid="new")], [])
    changes = store.changes_since(Kind.TOPIC, 1)
    assert changes.updates == (topic("a", uid="new"),)
    assert changes.deletions == ()


def test_a_listener_that_fails_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    heard: list[Publication] = []

    def fails(publication: Publication) -> None:
        raise RuntimeError("listener")

    store.subscribe((Kind.TOPIC,), fails)
    store.subscribe((Kind.TOPIC, Kind.SPU), heard.append)
    store.publish([topic("a")], [])
    assert [publication.keys for publication in heard] == [frozenset({key("a")})]
    assert "listener_failed" in caplog.text
    store.unsubscribe((Kind.TOPIC, Kind.SPU), heard.append)


@pytest.mark.asyncio
async def test_waiters_are_told_after_the_watchers() -> None:
    store = MemoryStore()
    order: list[str] = []

    def check() -> bool | None:
        order.append("waiter")
        return True if store.get(Kind.TOPIC, "a") is not None else None

    async def wait() -> None:
        assert await store.wait_until(check, 10) is True

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wait())
        await asyncio.sleep(0)
        order.clear()
        store.subscribe((Kind.TOPIC,), lambda publication: order.append("watcher"))
        store.publish([topic("a")], [])
    assert order == ["watcher", "waiter"]


@pytest.mark.asyncio
async def test_waiting_ends() -> None:
    store = MemoryStore()
    nothing: Any = None
    assert await store.wait_until(lambda: nothing, 0.01) is None
    assert await store.wait_until(lambda: 7, 0) == 7
    store.publish([replace(topic("a"))], [])  # nobody waits any more
