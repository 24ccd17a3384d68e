"""SPUs at door 9004: registration, assignments, reports, removals, tombstones, restarts."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    ComputedReplicas,
    PartitionMap,
    TopicSpec,
)
from fluvio_protocol.sc_private.replica_status import ReplicaRemoved, ReplicaStatusReport
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.delete import DeleteRequest
from fluvio_protocol.sc_public.watch import WatchRequest
from fluvio_protocol.types import PartitionId, SpuId

pytestmark = pytest.mark.asyncio


def topic(partitions: int = 1) -> TopicSpec:
    return TopicSpec(replicas=ComputedReplicas(partitions=partitions))


def on_spu(*spu_ids: int) -> TopicSpec:
    row = PartitionMap(id=PartitionId(0), replicas=tuple(SpuId(spu_id) for spu_id in spu_ids))
    return TopicSpec(replicas=AssignedReplicas(maps=(row,)))


def resolution(cluster: Any, name: str) -> str:
    found = cluster.get(Kind.PARTITION, name)
    return "gone" if found is None else str(found.status.resolution.name)


async def create(cluster: Any, name: str, spec: TopicSpec) -> None:
    client = await cluster.client()
    status = await client.request(CreateRequest(name=name, spec=spec))
    assert not status.error_code, status
    await client.close()


async def test_registration_is_answered_and_everything_pushed(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    first = cluster.spus[0]
    assert first.welcome.heartbeat_interval_ms == 400
    assert [spec.id for spec in first.spus] == [5001, 5002]
    await create(cluster, "t1", topic(4))
    for spu in cluster.spus:  # everybody knows every partition
        await spu.until(lambda spu=spu: "t1-3" in spu.replicas)
        assert set(spu.replicas) == {"consumer-offset-0", "t1-0", "t1-1", "t1-2", "t1-3"}
    assigned = first.replicas["t1-0"]
    assert assigned.leader_epoch == 1
    assert [member.spu for member in assigned.in_sync] == [assigned.leader]
    assert assigned.uid == cluster.get(Kind.PARTITION, "t1-0").uid


async def test_unknown_spu_and_unknown_protocol_are_refused(
    make_cluster: Any, make_fake_spu: Any
) -> None:
    cluster = await make_cluster(1)
    stranger = make_fake_spu(9)
    refused = await stranger.connect(cluster.app.private_port)
    assert refused.error_code.error is ErrorCode.SPU_REGISTRATION_FAILED
    assert "no SPU object with id 9" in refused.error_message
    await stranger.until(lambda: stranger.lost is not None)
    stale = make_fake_spu(5001)
    refused = await stale.connect(cluster.app.private_port, protocol_version=99)
    assert "version 99" in refused.error_message
    assert cluster.get(Kind.SPU, "custom-spu-5001").status.resolution.name == "ONLINE"


async def test_a_newer_session_replaces_the_older(make_cluster: Any, make_fake_spu: Any) -> None:
    cluster = await make_cluster(1)
    await create(cluster, "t1", topic())
    again = make_fake_spu(5001)
    await again.connect(cluster.app.private_port)
    older = cluster.spus[0]
    await older.until(lambda: older.lost is not None)
    again.leo["t1-0"] = 5
    again.report_all()
    await cluster.until(lambda: cluster.get(Kind.PARTITION, "t1-0").status.leader.leo == 5)
    assert cluster.get(Kind.SPU, "custom-spu-5001").status.resolution.name == "ONLINE"


async def test_lost_spu_is_offline_at_once_and_online_when_it_reports(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    await create(cluster, "one", on_spu(5001))
    await create(cluster, "two", on_spu(5002))
    spu = cluster.spus[0]
    spu.disconnect()
    await cluster.until(lambda: resolution(cluster, "one-0") == "LEADER_OFFLINE")
    assert cluster.get(Kind.SPU, "custom-spu-5001").status.resolution.name == "OFFLINE"
    assert resolution(cluster, "two-0") == "ONLINE"
    spu.answers = False
    await spu.connect(cluster.app.private_port)
    await cluster.until(
        lambda: cluster.get(Kind.SPU, "custom-spu-5001").status.resolution.name == "ONLINE"
    )
    assert resolution(cluster, "one-0") == "LEADER_OFFLINE", "it has not opened it yet"
    spu.report_all()
    await cluster.until(lambda: resolution(cluster, "one-0") == "ONLINE")
    stored = cluster.store.objects[(Kind.PARTITION, "one-0")]
    assert stored.status.resolution.name == "ONLINE"
    assert stored.leader_epoch == 1, "the same leader leads under the same epoch"


async def test_silent_spu_is_offline_until_it_speaks(make_cluster: Any, quick_timings: Any) -> None:
    cluster = await make_cluster(1, timings=replace(quick_timings, spu_silence_s=0.2))
    spu = cluster.spus[0]
    await cluster.until(
        lambda: cluster.get(Kind.SPU, "custom-spu-5001").status.resolution.name == "OFFLINE"
    )
    assert spu.lost is None
    spu.report_all()
    await cluster.until(
        lambda: cluster.get(Kind.SPU, "custom-spu-5001").status.resolution.name == "ONLINE"
    )


async def test_reports_are_shown_in_one_frame_per_tick_and_not_stored(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    await create(cluster, "t1", topic(200))
    client = await cluster.client()
    watch = client.open_stream(WatchRequest(kind=Kind.PARTITION))
    await anext(watch)
    transactions = len(cluster.store.transactions)
    spu = cluster.spus[0]
    spu.leo = {f"t1-{number}": 7 for number in range(200)}
    spu.report_all()
    update = await anext(watch)
    assert len(update.changes) == 200
    assert {change.object.status.leader.leo for change in update.changes} == {7}
    assert {change.object.status.size for change in update.changes} == {70}
    assert len(cluster.store.transactions) == transactions


async def test_out_of_storage_is_shown_and_stored(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    await create(cluster, "t1", topic())
    spu = cluster.spus[0]
    assignment = spu.replicas["t1-0"]
    spu.send(ReplicaStatusReport(replicas=(spu.report_of(assignment, full_disk=True),)))
    await cluster.until(lambda: resolution(cluster, "t1-0") == "OUT_OF_STORAGE")
    spu.report_all()
    await cluster.until(lambda: resolution(cluster, "t1-0") == "ONLINE")


async def test_reports_of_others_and_of_old_leaderships_are_ignored(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    await create(cluster, "one", on_spu(5001))
    leader, other = cluster.spus
    assignment = leader.replicas["one-0"]
    await other.until(lambda: "one-0" in other.replicas)
    other.leo["one-0"] = 99
    other.send(ReplicaStatusReport(replicas=(other.report_of(assignment),)))
    leader.leo["one-0"] = 99
    leader.send(ReplicaStatusReport(replicas=(leader.report_of(assignment, epoch=0),)))
    leader.leo["one-0"] = 3
    leader.report_all()
    await cluster.until(lambda: cluster.get(Kind.PARTITION, "one-0").status.leader.leo == 3)


async def test_deletion_waits_for_the_confirmation_of_an_online_spu(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    await create(cluster, "t1", topic())
    spu = cluster.spus[0]
    spu.answers = False
    client = await cluster.client()
    deletion = client.open_stream(DeleteRequest(kind=Kind.TOPIC, key="t1"))
    await spu.until(lambda: spu.replicas["t1-0"].is_being_deleted)
    assert cluster.get(Kind.TOPIC, "t1").status.resolution.name == "DELETING"
    assert cluster.get(Kind.PARTITION, "t1-0").status.is_being_deleted
    wrong = ReplicaRemoved(key=spu.replicas["t1-0"].key, uid="another")
    spu.send(wrong)
    exists = await client.request(CreateRequest(name="t1", spec=topic()))
    assert exists.error_code.error is ErrorCode.TOPIC_ALREADY_EXISTS
    assert "being deleted" in exists.error_message
    spu.confirm_all()
    assert not (await anext(deletion)).error_code
    assert cluster.get(Kind.TOPIC, "t1") is None
    assert cluster.get(Kind.PARTITION, "t1-0") is None


async def test_an_offline_spu_holds_no_deletion_up_and_is_told_later(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    await create(cluster, "t1", topic())
    spu = cluster.spus[0]
    old_uid = spu.replicas["t1-0"].uid
    spu.disconnect()
    await cluster.until(lambda: resolution(cluster, "t1-0") == "LEADER_OFFLINE")
    client = await cluster.client()
    assert not (await client.request(DeleteRequest(kind=Kind.TOPIC, key="t1"))).error_code
    (tombstone,) = cluster.store.objects[(Kind.SPU, "custom-spu-5001")].tombstones
    assert (str(tombstone.key), tombstone.uid) == ("t1-0", old_uid)
    # The controller forgets everything but its store.
    await cluster.stop()
    await cluster.start(connect=False)
    spu.answers = False
    await spu.connect(cluster.app.private_port)
    assert spu.replicas["t1-0"].is_being_deleted
    assert spu.replicas["t1-0"].uid == old_uid
    spu.confirm_all()
    await cluster.until(lambda: not cluster.get(Kind.SPU, "custom-spu-5001").tombstones)
    assert not cluster.store.objects[(Kind.SPU, "custom-spu-5001")].tombstones


async def test_a_new_topic_of_the_same_name_waits_for_the_old_files(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    await create(cluster, "t1", on_spu(5001))
    spu, other = cluster.spus
    old_uid = spu.replicas["t1-0"].uid
    spu.disconnect()
    await cluster.until(lambda: resolution(cluster, "t1-0") == "LEADER_OFFLINE")
    client = await cluster.client()
    await client.request(DeleteRequest(kind=Kind.TOPIC, key="t1"))
    created = client.open_stream(CreateRequest(name="t1", spec=on_spu(5001)))
    await cluster.until(lambda: resolution(cluster, "t1-0") == "OFFLINE")
    new_uid = cluster.get(Kind.PARTITION, "t1-0").uid
    assert new_uid != old_uid
    await other.until(lambda: other.replicas["t1-0"].uid == new_uid)

    spu.answers = False
    await spu.connect(cluster.app.private_port)
    old = spu.replicas["t1-0"]
    assert (old.uid, old.is_being_deleted) == (old_uid, True)
    stale = spu.report_of(replace(old, is_being_deleted=False))
    spu.send(ReplicaStatusReport(replicas=(stale,)))  # of the old files, under epoch 1 as well
    spu.confirm_all()
    await spu.until(lambda: spu.replicas.get("t1-0", old).uid == new_uid)
    assert resolution(cluster, "t1-0") == "OFFLINE", "the old files do not count"
    spu.report_all()
    assert not (await anext(created)).error_code


async def test_an_online_spu_that_does_not_answer_is_given_up(
    make_cluster: Any, quick_timings: Any
) -> None:
    cluster = await make_cluster(1, timings=replace(quick_timings, deletion_release_s=0.2))
    await create(cluster, "t1", topic())
    spu = cluster.spus[0]
    spu.answers = False
    client = await cluster.client()
    assert not (await client.request(DeleteRequest(kind=Kind.TOPIC, key="t1"))).error_code
    assert cluster.get(Kind.TOPIC, "t1") is None
    assert len(cluster.get(Kind.SPU, "custom-spu-5001").tombstones) == 1
    spu.confirm_all()
    await cluster.until(lambda: not cluster.get(Kind.SPU, "custom-spu-5001").tombstones)


async def test_restart_keeps_everything_and_clients_working(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    await create(cluster, "t1", topic(3))
    before = dict(cluster.store.objects)
    await cluster.stop()
    for spu in cluster.spus:
        await spu.until(lambda spu=spu: spu.lost is not None)
    await cluster.start(connect=False)
    # No SPU is back yet; within the grace period nothing is declared dead.
    assert {resolution(cluster, f"t1-{number}") for number in range(3)} == {"ONLINE"}
    assert cluster.get(Kind.SPU, "custom-spu-5001").status.resolution.name == "ONLINE"
    for spu in cluster.spus:
        await spu.connect(cluster.app.private_port)
    client = await cluster.client()
    assert not (await client.request(CreateRequest(name="t2", spec=topic()))).error_code
    after = cluster.store.objects
    assert {key: item.uid for key, item in before.items()} == {
        key: after[key].uid for key in before
    }
    assert after[(Kind.PARTITION, "t1-0")].leader_epoch == 1


async def test_spus_that_stay_away_after_a_restart_are_offline_after_the_grace_period(
    make_cluster: Any, quick_timings: Any
) -> None:
    cluster = await make_cluster(1)
    await create(cluster, "t1", topic())
    await cluster.stop()
    await cluster.start(connect=False, timings=replace(quick_timings, restart_grace_s=0.2))
    assert resolution(cluster, "t1-0") == "ONLINE"
    await cluster.until(lambda: resolution(cluster, "t1-0") == "LEADER_OFFLINE")
    await cluster.spus[0].connect(cluster.app.private_port)
    await cluster.until(lambda: resolution(cluster, "t1-0") == "ONLINE")


async def test_deletion_goes_on_after_a_restart(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    await create(cluster, "t1", topic(5))
    spu = cluster.spus[0]
    spu.answers = False
    client = await cluster.client()
    client.open_stream(DeleteRequest(kind=Kind.TOPIC, key="t1"))
    await spu.until(lambda: spu.replicas["t1-4"].is_being_deleted)
    await cluster.stop()
    await cluster.start(connect=False)
    spu.answers = True
    await spu.connect(cluster.app.private_port)
    await cluster.until(lambda: cluster.get(Kind.TOPIC, "t1") is None)
    assert len(spu.removed) == 5


async def test_only_differences_are_sent(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    await create(cluster, "t1", topic(3))
    spu = cluster.spus[0]
    await spu.until(lambda: len(spu.replicas) == 4)
    seen = len(spu.updates)
    for other in cluster.spus:
        other.leo = {f"t1-{number}": 1 for number in range(3)}
        other.report_all()
    await cluster.until(lambda: cluster.get(Kind.PARTITION, "t1-2").status.leader.leo == 1)
    await create(cluster, "t2", topic())
    await spu.until(lambda: "t2-0" in spu.replicas)
    told = [str(item.key) for update in spu.updates[seen:] for item in update.replicas]
    assert told == ["t2-0"]


@pytest.mark.parametrize("early", [ReplicaStatusReport(), "nonsense"])
async def test_who_has_not_registered_is_thrown_out(make_cluster: Any, early: Any) -> None:
    cluster = await make_cluster(1)
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.app.private_port)
    if early == "nonsense":
        writer.write(b"\0\0\0\x0a\0\x63\0\0\0\0\0\1\0\0")
    else:
        writer.write(b"\0\0\0\x0e\x07\xd1\0\0\0\0\0\1\0\0\0\0\0\0")
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_a_thousand_partitions(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    await create(cluster, "big", topic(1000))
    spread = [sum(1 for item in spu.led() if item.key.topic == "big") for spu in cluster.spus]
    assert spread == [500, 500]
    lost = str(cluster.spus[0].led()[-1].key)
    cluster.spus[0].disconnect()
    await cluster.until(lambda: resolution(cluster, lost) == "LEADER_OFFLINE")
    await cluster.spus[0].connect(cluster.app.private_port)
    await cluster.until(
        lambda: all(
            item.status.resolution.name == "ONLINE"
            for item in cluster.app.memory_store.of(Kind.PARTITION)
        )
    )
    client = await cluster.client()
    assert not (await client.request(DeleteRequest(kind=Kind.TOPIC, key="big"))).error_code
    assert len(cluster.store.objects) == 4  # the system topic, its partition, two SPUs


async def test_what_an_old_topic_reported_does_not_make_a_new_one_online(
    make_cluster: Any,
) -> None:
    cluster = await make_cluster(1)
    await create(cluster, "t1", topic())
    client = await cluster.client()
    assert not (await client.request(DeleteRequest(kind=Kind.TOPIC, key="t1"))).error_code
    cluster.spus[0].answers = False
    again = await client.request(CreateRequest(name="t1", spec=topic(), timeout_ms=50))
    assert again.error_message == "only 0 out of 1 provisioned"
    assert resolution(cluster, "t1-0") == "OFFLINE"
