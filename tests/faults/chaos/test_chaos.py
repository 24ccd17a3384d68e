"""Faults while records are produced and committed: nothing acknowledged is lost, order holds.

A cluster of three SPUs, a topic with three replicas of which two have to hold a record. A producer
of our client and one of the official client send numbered records, read committed, each after the
one before was acknowledged, and send again what was not. From a seed: servers are killed, stopped
or frozen, networks between them lose packets, disks are full (chaos_faults.py). Between two faults
the partition gets whole again. A consumer of ours stores how far it is, and begins again there.

`make chaos ROUNDS=50` runs it for long, and prints how long no record of ours could be committed
for each kind of fault, the time that the fault itself lasts included. The suite runs a few rounds;
a time is never asserted.
"""

import asyncio
import os
import random
import time
from collections import defaultdict

import pytest
from chaos_cluster import TOPIC, ChaosCluster, until_whole
from chaos_faults import Fault, hurt, schedule
from chaos_official import OfficialConsumer, OfficialProducer, read_everything_officially
from chaos_reader import Reader
from chaos_workload import Workload, check, read_everything

from fluvio_client import connect

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "4"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
WISHES_S = {"leader-restarted": 1.0, "leader-killed": 5.0}
"""Where p99 should stay below; said where it does not."""

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(90 + 60 * ROUNDS)]


async def run_rounds(chaos: ChaosCluster, faults: list[Fault]) -> dict[str, list[float]]:
    silences: dict[str, list[float]] = defaultdict(list)
    async with connect(address=chaos.address) as client, asyncio.TaskGroup() as tasks:
        await client.admin.topics.create(TOPIC, partitions=1, replication=3)
        await until_whole(client)
        ours = Workload(client)
        reader = Reader(client)
        official, watching = OfficialProducer(chaos.address), OfficialConsumer(chaos.address)
        sending = tasks.create_task(ours.run())
        others = [tasks.create_task(one.run()) for one in (official, watching, reader)]
        await ours.more(20)
        await official.more(5)
        for number, fault in enumerate(faults, 1):
            since_s = time.monotonic()
            led = await hurt(fault, chaos, client)
            await ours.more(20)
            leads = await until_whole(client)
            whole_s = time.monotonic() - since_s
            await ours.more(20)
            await official.more(5)
            silence_s = ours.longest_silence_s(since_s)
            silences[fault.kind].append(silence_s)
            print(
                f"{number:>3} {fault.kind:<30} {fault.lasts_s:>4.1f} s, leader {led} -> {leads}: "
                f"{silence_s:.2f} s without a commit, whole after {whole_s:.1f} s, "
                f"both clients go on after {time.monotonic() - since_s:.1f} s",
                flush=True,
            )
        ours.stopping = True
        await sending
        others[0].cancel()
        count, official_count = len(ours.acknowledged_at_s), official.acknowledged_count
        last, official_last = f"ours {count - 1}", f"official {official_count - 1}"
        await watching.until_seen(official_last)
        others[1].cancel()
        others[2].cancel()
        await asyncio.wait(others[2:])
        await reader.check()
        found = await read_everything(client, last)
        check(found, "ours", count)
        found = await read_everything_officially(chaos.address, {last, official_last})
        check(found, "ours", count)
        check(found, "official", official_count)
    print(
        f"{count} records of ours and {official_count} of the official client, whose producer was "
        f"started {official.started_count} times and whose consumer {watching.started_count} "
        f"times; our consumer began {reader.started_count} times, at last behind {reader.stored}"
    )
    return silences


def test_nothing_acknowledged_is_lost(chaos: ChaosCluster) -> None:
    print(f"\nseed {SEED}: make chaos ROUNDS={ROUNDS} SEED={SEED}")
    for words in chaos.left_out:
        print(f"left out: {words}")
    silences = asyncio.run(run_rounds(chaos, schedule(SEED, ROUNDS, chaos)))
    print(f"{'without a commit, s':<32} {'p50':>6} {'p99':>6} {'max':>6} faults")
    for kind, values in sorted(silences.items()):
        values.sort()
        p50, p99 = values[len(values) // 2], values[int(len(values) * 0.99)]
        wish_s = WISHES_S.get(kind)
        missed = f"  more than {wish_s}" if wish_s is not None and p99 > wish_s else ""
        print(f"{kind:<32} {p50:>6.2f} {p99:>6.2f} {values[-1]:>6.2f} {len(values):>6}{missed}")
