"""Every kind of fault, and which of them happen when: all from one seed.

Kinds are dealt as cards are: each comes once before one comes again.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from chaos_cluster import CONTROLLER, SPU_IDS, ChaosCluster, end, fill, freeze, replicas_of

LASTS_S_MIN, LASTS_S_MAX = 1.0, 6.0
"""Links count as dead after 3 s without a word, a follower as lagging after 5 s: shorter and longer
ones are different stories."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One round.

    lasts_s: how long, for what passes by itself
    pick:    which follower, 0 or 1, where one is hurt
    """

    kind: str
    lasts_s: float
    pick: int


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is who when the fault begins."""

    leader: int
    follower: int
    other: int


Hurt = Callable[[ChaosCluster, Fault, Roles], Awaitable[None]]


async def leader_killed(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    await end(chaos.spu(roles.leader))


async def leader_restarted(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    """As somebody does who plans it."""
    await end(chaos.spu(roles.leader), by=signal.SIGTERM)


async def leader_frozen(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    await freeze(chaos.spu(roles.leader), fault.lasts_s)


async def follower_killed(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    await end(chaos.spu(roles.follower))


async def follower_frozen(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    await freeze(chaos.spu(roles.follower), fault.lasts_s)


async def two_spus_killed(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    """The leader and a follower, or both followers: what is left may not commit alone."""
    second = roles.leader if fault.lasts_s > (LASTS_S_MIN + LASTS_S_MAX) / 2 else roles.other
    await end(chaos.spu(roles.follower), chaos.spu(second))


async def controller_killed(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    await end(chaos.controller())
    await chaos.resume()


async def controller_frozen(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    await freeze(chaos.controller(), fault.lasts_s)


async def leader_and_controller_killed(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    await end(chaos.controller(), chaos.spu(roles.leader))
    await chaos.resume()


def cut(*, from_leader: bool, from_follower: bool) -> Hurt:
    """The network between the leader and one follower, in one direction or both."""

    async def hurt(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
        assert chaos.network is not None
        leader, follower = (roles.leader,), (roles.follower,)
        lost = {"from_near": from_leader, "from_far": from_follower}
        with chaos.network.losing(leader, follower, **lost):
            await asyncio.sleep(fault.lasts_s)

    return hurt


async def leader_cut_off(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    """From both followers; clients and the controller still reach it."""
    assert chaos.network is not None
    followers = (roles.follower, roles.other)
    with chaos.network.losing((roles.leader,), followers, from_near=True, from_far=True):
        await asyncio.sleep(fault.lasts_s)


async def leader_unheard_of(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    """By the controller: after ten seconds another SPU leads, and this one does not know."""
    assert chaos.network is not None
    leader = (roles.leader,)
    with chaos.network.losing(leader, (CONTROLLER,), from_near=True, from_far=True):
        await asyncio.sleep(fault.lasts_s)


async def leader_disk_full(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    await fill(chaos.disks[roles.leader], fault.lasts_s)


async def follower_disk_full(chaos: ChaosCluster, fault: Fault, roles: Roles) -> None:
    await fill(chaos.disks[roles.follower], fault.lasts_s)


PROCESS_FAULTS: dict[str, Hurt] = {
    "leader-killed": leader_killed,
    "leader-restarted": leader_restarted,
    "leader-frozen": leader_frozen,
    "follower-killed": follower_killed,
    "follower-frozen": follower_frozen,
    "two-spus-killed": two_spus_killed,
    "controller-killed": controller_killed,
    "controller-frozen": controller_frozen,
    "leader-and-controller-killed": leader_and_controller_killed,
}
NETWORK_FAULTS: dict[str, Hurt] = {
    "follower-cut-off": cut(from_leader=True, from_follower=True),
    "follower-hears-nothing": cut(from_leader=True, from_follower=False),
    "follower-is-not-heard": cut(from_leader=False, from_follower=True),
    "leader-cut-off": leader_cut_off,
    "leader-cut-off-from-controller": leader_unheard_of,
}
DISK_FAULTS: dict[str, Hurt] = {
    "leader-disk-full": leader_disk_full,
    "follower-disk-full": follower_disk_full,
}
LONGER_BY_S = {"leader-cut-off-from-controller": 8.0}
FAULTS = {**PROCESS_FAULTS, **NETWORK_FAULTS, **DISK_FAULTS}


def schedule(seed: int, rounds: int, chaos: ChaosCluster) -> list[Fault]:
    """What happens in which round. The same for a seed, but for what cannot be done here."""
    dice = random.Random(seed)
    faults: list[Fault] = []
    while len(faults) < rounds:
        for kind in dice.sample(sorted(FAULTS), len(FAULTS)):
            lasts_s = dice.uniform(LASTS_S_MIN, LASTS_S_MAX) + LONGER_BY_S.get(kind, 0.0)
            fault = Fault(kind, lasts_s, dice.randrange(2))
            lost = kind in NETWORK_FAULTS and chaos.network is None
            if not lost and not (kind in DISK_FAULTS and not chaos.disks):
                faults.append(fault)
    return faults[:rounds]


async def hurt(fault: Fault, chaos: ChaosCluster, client: Any) -> int:
    """Do it, and undo what passes by itself. Returns who led before."""
    leader = (await replicas_of(client)).leader
    followers = [spu for spu in SPU_IDS if spu != leader]
    follower = followers.pop(fault.pick)
    await FAULTS[fault.kind](chaos, fault, Roles(leader, follower, followers[0]))
    return int(leader)
