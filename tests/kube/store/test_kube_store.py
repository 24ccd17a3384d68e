"""The store over a small API server: ours and others' writes, echoes, refusals, lost answers."""

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from fluvio_operator.kube_api import KubeApi
from fluvio_operator.kube_objects import merge_patch, read_object
from fluvio_operator.kube_store import KubeStore
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus
from fluvio_protocol.metadata.spu import Endpoint, IngressPort, SpuSpec, SpuStatus
from fluvio_protocol.metadata.topic import ComputedReplicas, TopicSpec, TopicStatus
from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.types import DataIncarnation, LeaderEpoch, PartitionId, ReplicaKey, SpuId
from fluvio_sc.core.cluster_state import ObjectKey, OwnerReference, StoredObject, Tombstone
from fluvio_sc.core.ports import Conflict, NotWritten, PutObject, RemoveObject, Written
from fluvio_sc.core.reconcile.partition import REPLICAS_FINALIZER
from fluvio_sc.core.reconcile.topic import PARTITIONS_FINALIZER
from fluvio_sc.core.replication_state import ReplicationState

_spec = importlib.util.spec_from_file_location(
    "api_server", Path(__file__).with_name("api_server.py")
)
assert _spec is not None
assert _spec.loader is not None
api_server: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(api_server)

pytestmark = pytest.mark.asyncio

TOPICS = "/apis/fluvio.infinyon.com/v2/namespaces/stream/topics"
KINDS = {"Topic": Kind.TOPIC, "Partition": Kind.PARTITION, "Spu": Kind.SPU}


class Parts:
    """A server, a store on it, and what the store told of others' changes."""

    def __init__(self, server: Any, store: KubeStore) -> None:
        self.server = server
        self.store = store
        self.changes: list[tuple[ObjectKey, StoredObject | None]] = []
        self.changed = asyncio.Event()
        self._told = 0
        store.on_change = self._note

    def _note(self, changes: Any) -> None:
        self.changes.extend(changes.items())
        self.changed.set()

    def tell(self) -> None:
        """What a watch would tell by now."""
        for event, body in self.server.events[self._told :]:
            self.store.observe(KINDS[body["kind"]], body, deleted=event == "DELETED")
        self._told = len(self.server.events)

    async def write(self, *writes: Any) -> Any:
        outcomes = await self.store.apply(writes)
        return outcomes if len(writes) > 1 else outcomes[0]


@asynccontextmanager
async def running() -> AsyncIterator[Parts]:
    async with api_server.ApiServer().serving() as server:
        configuration = Configuration(host=f"http://127.0.0.1:{server.port}")
        async with ApiClient(configuration) as client, asyncio.TaskGroup() as tasks:
            store = KubeStore(KubeApi(client), "stream", echo_patience_s=0.0)
            task = tasks.create_task(store.run())
            yield Parts(server, store)
            task.cancel()


def topic(name: str = "t", uid: str = "wished") -> StoredObject:
    return StoredObject(
        kind=Kind.TOPIC,
        name=name,
        uid=uid,
        spec=TopicSpec(),
        status=TopicStatus(),
        finalizers=(PARTITIONS_FINALIZER,),
    )


def partition(owner: StoredObject, number: int = 0) -> StoredObject:
    return StoredObject(
        kind=Kind.PARTITION,
        name=f"{owner.name}-{number}",
        uid=f"wished-{number}",
        spec=PartitionSpec(leader=SpuId(1), replicas=(SpuId(1), SpuId(2))),
        status=PartitionStatus(),
        owner=owner.as_owner,
        finalizers=(REPLICAS_FINALIZER,),
        leader_epoch=LeaderEpoch(1),
        replication=ReplicationState.led_by(SpuId(1)),
    )


def spu() -> StoredObject:
    return StoredObject(
        kind=Kind.SPU,
        name="main-0",
        uid="wished",
        spec=SpuSpec(
            id=SpuId(0),
            public_endpoint=IngressPort(port=9005),
            private_endpoint=Endpoint(port=9006, host="h"),
        ),
        status=SpuStatus(),
    )


def topic_body(**spec: Any) -> dict[str, Any]:
    return {"kind": "Topic", "apiVersion": "fluvio.infinyon.com/v2", "spec": spec}


async def test_what_is_made_together_belongs_together() -> None:
    async with running() as parts:
        made = topic()
        outcomes = await parts.write(
            PutObject(partition(made), 0), PutObject(made, 0), PutObject(partition(made, 1), 0)
        )
        assert all(isinstance(outcome, Written) for outcome in outcomes)
        uid = parts.server.by_name("t")["metadata"]["uid"]
        assert outcomes[1].uid == uid
        written = parts.server.by_name("t-1")
        assert written["metadata"]["ownerReferences"][0]["uid"] == uid
        assert written["metadata"]["finalizers"] == ["partitions.finalizer.fluvio.infinyon.com"]
        assert (written["spec"]["leaderEpoch"], written["spec"]["inSync"]) == (1, [1])
        fresh = {item.key: item for item in await parts.store.load()}
        child = fresh[ObjectKey(Kind.PARTITION, "t-0")]
        assert child.owner == OwnerReference(Kind.TOPIC, "t", uid)
        assert (child.leader_epoch, child.in_sync) == (1, (SpuId(1),))


async def test_our_own_writes_are_not_news() -> None:
    async with running() as parts:
        outcome = await parts.write(PutObject(topic(), 0))
        bigger = replace(
            topic(uid=outcome.uid), spec=TopicSpec(replicas=ComputedReplicas(partitions=3))
        )
        outcome = await parts.write(PutObject(bigger, outcome.resource_version))
        assert isinstance(outcome, Written)
        parts.tell()
        assert parts.changes == []
        assert parts.server.by_name("t")["spec"]["replicas"]["computed"]["partitions"] == 3


async def test_an_election_is_one_write() -> None:
    async with running() as parts:
        made = topic()
        outcomes = await parts.write(PutObject(made, 0), PutObject(partition(made), 0))
        elected = replace(
            partition(made),
            uid=outcomes[1].uid,
            spec=replace(partition(made).spec, leader=SpuId(2)),
            leader_epoch=LeaderEpoch(2),
            replication=ReplicationState.led_by(SpuId(2)),
        )
        count = len(parts.server.requests)
        await parts.write(PutObject(elected, outcomes[1].resource_version))
        assert len(parts.server.requests) == count + 1
        spec = parts.server.by_name("t-0")["spec"]
        assert (spec["leader"], spec["leaderEpoch"], spec["inSync"]) == (2, 2, [2])


async def test_what_is_known_of_replicas_is_kept() -> None:
    async with running() as parts:
        made = topic()
        outcomes = await parts.write(PutObject(made, 0), PutObject(partition(made), 0))
        full = replace(
            partition(made),
            uid=outcomes[1].uid,
            owner=replace(made.as_owner, uid=outcomes[0].uid),
            replication=ReplicationState(
                members=(InSyncReplica(spu=SpuId(1), incarnation=DataIncarnation(1 << 61)),),
                eligible=(InSyncReplica(spu=SpuId(2), incarnation=DataIncarnation(7)),),
                version=5,
                successor=SpuId(2),
                target=(SpuId(2),),
                original=(SpuId(1),),
                leaving=(SpuId(3),),
            ),
            min_in_sync=2,
            unclean_election=True,
        )
        outcome = await parts.write(PutObject(full, outcomes[1].resource_version))
        fresh = read_object(Kind.PARTITION, parts.server.by_name("t-0"))
        assert fresh is not None
        assert fresh.replication == full.replication
        assert (fresh.min_in_sync, fresh.unclean_election) == (2, True)
        rest = replace(partition(made), uid=full.uid, owner=full.owner)
        await parts.write(PutObject(rest, outcome.resource_version))
        fresh = read_object(Kind.PARTITION, parts.server.by_name("t-0"))
        assert fresh is not None
        assert fresh.replication == rest.replication
        assert "targetReplicas" not in parts.server.by_name("t-0")["spec"]


async def test_a_drained_spu_says_so() -> None:
    async with running() as parts:
        outcome = await parts.write(PutObject(spu(), 0))
        written = replace(spu(), uid=outcome.uid)
        outcome = await parts.write(
            PutObject(replace(written, is_draining=True), outcome.resource_version)
        )
        body = parts.server.by_name(written.name)
        assert body["spec"]["draining"] is True
        read = read_object(Kind.SPU, body)
        assert read is not None
        assert read.is_draining
        await parts.write(PutObject(written, outcome.resource_version))
        assert "draining" not in parts.server.by_name(written.name)["spec"]


async def test_a_topic_says_how_many_replicas_a_record_needs() -> None:
    async with running() as parts:
        spec = {"minInSyncReplicas": 2, "uncleanLeaderElection": True}
        parts.server.put(f"{TOPICS}/careful", topic_body(**spec))
        item = read_object(Kind.TOPIC, parts.server.by_name("careful"))
        assert item is not None
        assert (item.min_in_sync, item.unclean_election) == (2, True)


async def test_others_changes_are_news_and_their_version_counts() -> None:
    async with running() as parts:
        parts.server.put(f"{TOPICS}/theirs", topic_body(replicas={"computed": {"partitions": 2}}))
        parts.tell()
        ((key, item),) = parts.changes
        assert item is not None
        assert (key.name, item.spec.replicas.partitions) == ("theirs", 2)
        stale = await parts.write(PutObject(item, item.resource_version + 1))
        assert isinstance(stale, NotWritten)
        assert isinstance(stale.error, Conflict)
        taken = replace(item, finalizers=(PARTITIONS_FINALIZER,))
        assert isinstance(await parts.write(PutObject(taken, item.resource_version)), Written)
        assert parts.server.by_name("theirs")["metadata"]["finalizers"] == [
            "topics.finalizer.fluvio.infinyon.com"
        ]


async def test_a_write_that_overtakes_anothers_is_refused_and_read_again() -> None:
    async with running() as parts:
        outcome = await parts.write(PutObject(topic(), 0))
        body = parts.server.by_name("t")
        other = {**body, "spec": {"replicas": {"computed": {"partitions": 9}}}}
        parts.server.put(f"{TOPICS}/t", {**other, "metadata": dict(body["metadata"])})
        ours = replace(topic(uid=outcome.uid), finalizers=())
        refused = await parts.write(PutObject(ours, outcome.resource_version))
        assert isinstance(refused, NotWritten)
        async with asyncio.timeout(10):
            await parts.changed.wait()
        item = parts.changes[-1][1]
        assert item is not None
        assert item.spec.replicas.partitions == 9


def _status_by_us(parts: Parts, name: str, **status: Any) -> dict[str, Any]:
    """Our status writer writes; the body that the API server answers with."""
    (path,) = (path for path in parts.server.objects if path.endswith(f"/{name}"))
    body = parts.server.objects[path]
    written = {**body, "metadata": dict(body["metadata"]), "status": status}
    answer: dict[str, Any] = parts.server.put(path, written)
    return answer


async def test_a_status_is_not_news_and_keeps_no_write_up() -> None:
    async with running() as parts:
        outcome = await parts.write(PutObject(topic(), 0))
        parts.store.status_written(Kind.TOPIC, _status_by_us(parts, "t", reason="a"))
        bigger = replace(
            topic(uid=outcome.uid),
            spec=TopicSpec(replicas=ComputedReplicas(partitions=3)),
            generation=2,
        )
        count = len(parts.server.requests)
        outcome = await parts.write(PutObject(bigger, outcome.resource_version))
        assert isinstance(outcome, Written)
        assert len(parts.server.requests) == count + 1
        parts.store.status_written(Kind.TOPIC, _status_by_us(parts, "t", reason="b"))
        parts.tell()  # creation, a, the bigger spec, b: all ours, none read again
        await parts.store.resync()
        assert parts.changes == []
        assert ("GET", f"{TOPICS}/t") not in parts.server.requests


async def test_a_write_goes_on_over_a_status_that_it_did_not_know() -> None:
    async with running() as parts:
        outcome = await parts.write(PutObject(topic(), 0))
        _status_by_us(parts, "t", reason="written, and its answer is still under way")
        bigger = replace(
            topic(uid=outcome.uid), spec=TopicSpec(replicas=ComputedReplicas(partitions=3))
        )
        assert isinstance(await parts.write(PutObject(bigger, outcome.resource_version)), Written)
        assert parts.server.by_name("t")["spec"]["replicas"]["computed"]["partitions"] == 3


async def test_a_status_that_shows_anothers_change_has_the_object_read() -> None:
    async with running() as parts:
        await parts.write(PutObject(topic(), 0))
        body = parts.server.by_name("t")
        other = {**body, "spec": {"replicas": {"computed": {"partitions": 9}}}}
        answer = parts.server.put(f"{TOPICS}/t", {**other, "metadata": dict(body["metadata"])})
        parts.store.status_written(Kind.TOPIC, answer)
        async with asyncio.timeout(10):
            await parts.changed.wait()
        item = parts.changes[-1][1]
        assert item is not None
        assert item.spec.replicas.partitions == 9


async def test_a_lost_answer_is_found_out() -> None:
    """The object was made, the answer was lost, and the name is taken when we try again."""
    async with running() as parts:
        parts.server.failures = [api_server.Failure("POST", 503, after=True)]
        outcome = await parts.write(PutObject(topic(), 0))
        assert isinstance(outcome, NotWritten)
        async with asyncio.timeout(10):
            await parts.changed.wait()
        ((key, item),) = parts.changes
        assert key.name == "t"
        assert item is not None
        assert item.finalizers == (PARTITIONS_FINALIZER,)
        assert len([r for r in parts.server.objects]) == 1


async def test_a_server_that_is_busy_for_a_moment_is_asked_again() -> None:
    async with running() as parts:
        parts.server.failures = [api_server.Failure("POST", 429), api_server.Failure("POST", 500)]
        assert isinstance(await parts.write(PutObject(topic(), 0)), Written)


async def test_of_a_topic_that_cannot_be_written_no_partition_is() -> None:
    async with running() as parts:
        parts.server.failures = [api_server.Failure("POST", 403, path="/topics")]
        made = topic()
        outcomes = await parts.write(PutObject(made, 0), PutObject(partition(made), 0))
        assert all(isinstance(outcome, NotWritten) for outcome in outcomes)
        assert parts.server.objects == {}


async def test_deletion_ends_when_we_and_the_others_are_done() -> None:
    async with running() as parts:
        outcome = await parts.write(PutObject(topic(), 0))
        doomed = replace(topic(uid=outcome.uid), deletion_requested=True)
        outcome = await parts.write(PutObject(doomed, outcome.resource_version))
        assert parts.server.by_name("t")["metadata"]["deletionTimestamp"]
        # The watch has not told of this one yet.
        body = json.loads(json.dumps(parts.server.by_name("t")))
        body["metadata"]["finalizers"].append("foregroundDeletion")
        parts.server.put(f"{TOPICS}/t", body)
        done = await parts.write(RemoveObject(doomed.key, outcome.resource_version))
        assert isinstance(done, Written)
        assert parts.server.by_name("t")["metadata"]["finalizers"] == ["foregroundDeletion"]
        parts.tell()
        assert [item for _, item in parts.changes if item is not None] == []
        assert await parts.store.load() == ()


async def test_deletion_costs_two_requests_when_nobody_else_writes() -> None:
    async with running() as parts:
        made = await parts.write(PutObject(topic(), 0))
        doomed = replace(topic(uid=made.uid), deletion_requested=True)
        asked = len(parts.server.requests)
        marked = await parts.write(PutObject(doomed, made.resource_version))
        assert isinstance(marked, Written)
        done = await parts.write(RemoveObject(doomed.key, marked.resource_version))
        assert isinstance(done, Written)
        assert [method for method, _ in parts.server.requests[asked:]] == ["DELETE", "PATCH"]
        assert parts.server.objects == {}
        parts.tell()
        assert parts.changes == []
        assert await parts.store.load() == ()


async def test_tombstones_survive() -> None:
    async with running() as parts:
        made = spu()
        outcome = await parts.write(PutObject(made, 0))
        grave = Tombstone(ReplicaKey("t", PartitionId(3)), "p-uid", LeaderEpoch(4))
        marked = replace(made, uid=outcome.uid, tombstones=(grave,))
        await parts.write(PutObject(marked, outcome.resource_version))
        parts.tell()
        (loaded,) = await parts.store.load()
        assert loaded.tombstones == (grave,)


async def test_what_a_watch_missed_is_found() -> None:
    async with running() as parts:
        await parts.write(PutObject(topic("gone"), 0))
        path = f"{TOPICS}/gone"
        del parts.server.objects[path]
        parts.server.put(f"{TOPICS}/new", topic_body(replicas={"computed": {}}))
        await parts.store.resync()
        assert dict(parts.changes)[ObjectKey(Kind.TOPIC, "gone")] is None
        assert dict(parts.changes)[ObjectKey(Kind.TOPIC, "new")] is not None


async def test_a_topic_says_whether_it_is_retained() -> None:
    async with running() as parts:
        spec = {"replicas": {"computed": {"partitions": 2}}, "deletionPolicy": "Retain"}
        parts.server.put(f"{TOPICS}/kept", topic_body(**spec))
        (kept,) = await parts.store.load()
        assert kept.is_retained
        for policy, is_retained in (("Burn", True), ("Delete", False)):  # unreadable: as before
            body = parts.server.by_name("kept")
            spec["deletionPolicy"] = policy
            parts.server.put(f"{TOPICS}/kept", {**body, "spec": dict(spec)})
            parts.store.observe(Kind.TOPIC, parts.server.by_name("kept"))
            item = parts.changes[-1][1]
            assert item is not None
            assert item.is_retained is is_retained


async def test_an_unreadable_object_hides_no_other_and_keeps_its_last_spec() -> None:
    async with running() as parts:
        parts.server.put(f"{TOPICS}/good", topic_body(replicas={"computed": {"partitions": 2}}))
        parts.server.put(f"{TOPICS}/bad", topic_body(replicas={"computed": {"partitions": "x"}}))
        loaded = {item.name: item for item in await parts.store.load()}
        assert loaded["good"].problem == ""
        assert "partitions" in loaded["bad"].problem
        body = parts.server.by_name("good")
        broken = {**body, "metadata": dict(body["metadata"]), "spec": {"replicas": 7}}
        parts.server.put(f"{TOPICS}/good", broken)
        parts.store.observe(Kind.TOPIC, parts.server.by_name("good"))
        item = parts.changes[-1][1]
        assert item is not None
        assert item.problem
        assert item.spec.replicas.partitions == 2


async def test_who_may_not_write_writes_nothing() -> None:
    async with running() as parts:
        parts.store._may_write = lambda: False
        with pytest.raises(Exception, match="lease"):
            await parts.write(PutObject(topic(), 0))
        assert parts.server.requests == []


@pytest.mark.parametrize("body", [{}, {"metadata": {"name": "x"}}, {"spec": 3}, {"metadata": None}])
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.CUSTOM_SPU])
async def test_no_body_is_too_strange_to_be_read(kind: Kind, body: dict[str, Any]) -> None:
    item = read_object(kind, body)
    assert item is not None
    assert item.problem


async def test_merge_patches_say_what_goes_too() -> None:
    before = {"a": 1, "b": {"c": 2, "d": [3]}, "e": 5}
    after = {"a": 1, "b": {"c": 2, "d": [4]}, "f": 6}
    assert merge_patch(before, after) == {"b": {"d": [4]}, "e": None, "f": 6}
    assert merge_patch(after, after) == {}
