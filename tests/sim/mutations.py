"""Safety rules broken on purpose, one at a time: each has to make the simulator fail.

`MUTATIONS` names what is broken, and the storm in which it shows soonest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sim_controller import SimController
from sim_node import SimNode
from sim_world import Plan

from fluvio_protocol.types import Offset
from fluvio_sc.core import election
from fluvio_sc.core.actions import SetReplication
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.reconcile import replica_move
from fluvio_sc.core.replication_state import ReplicationState
from fluvio_spu.replica.open_log import OpenLog
from fluvio_spu.replication import follower as follower_module
from fluvio_spu.replication.effects import ReportPosition
from fluvio_spu.replication.follower import FollowerReplica
from fluvio_spu.replication.leader import LeaderReplica
from fluvio_spu.storage.data_folder import DataFolder

Patch = pytest.MonkeyPatch
CRASHES = Plan(faults=("kill", "power"), fault_interval_ms=300)
CUTS = Plan(faults=("cut", "kill", "controller cut"), fault_interval_ms=300)
ONE = Plan(minimum=1, fault_interval_ms=300)
LOSSY = Plan(lossy_permille=150, fault_interval_ms=500)
SLOW = Plan(minimum=1, lossy_permille=100, faults=("kill", "cut"), fault_interval_ms=200)


def nothing_is_cut(patch: Patch) -> None:
    """A follower keeps whatever it has."""
    patch.setattr(follower_module, "common_end", lambda own, end, other, their_end: end)


def cut_to_the_high_watermark(patch: Patch) -> None:
    """Fluvio's and Kafka's first way: high watermarks lag (KIP-101)."""
    original = FollowerReplica.answered
    known: list[int] = [0]

    def answered(self: FollowerReplica, *arguments: Any) -> Any:
        known[0] = self.high_watermark
        return original(self, *arguments)

    patch.setattr(FollowerReplica, "answered", answered)
    patch.setattr(
        follower_module, "common_end", lambda own, end, other, their: Offset(min(end, known[0]))
    )


def what_was_asked_for_does_not_count(patch: Patch) -> None:
    """The high watermark looks at the stored set alone."""
    original = LeaderReplica._committed

    def committed(self: LeaderReplica) -> int:
        request, self._request = self._request, None
        try:
            return original(self)
        finally:
            self._request = request

    patch.setattr(LeaderReplica, "_committed", committed)


def committed_with_too_few(patch: Patch) -> None:
    """The high watermark moves although fewer than the minimum are in sync."""
    original = LeaderReplica._committed

    def committed(self: LeaderReplica) -> int:
        minimum, self._min_in_sync = self._min_in_sync, 1
        try:
            return original(self)
        finally:
            self._min_in_sync = minimum

    patch.setattr(LeaderReplica, "_committed", committed)


def members_need_not_hold_it(patch: Patch) -> None:
    """The high watermark is the leader's log end."""
    patch.setattr(LeaderReplica, "_position_of", lambda self, spu, life: self.log_end)


def acknowledged_at_the_log_end(patch: Patch) -> None:
    """A committed produce is answered when the leader has stored it."""
    original = SimNode.produce

    def produce(self: SimNode, value: bytes, *, committed: bool, done: Any) -> Any:
        return original(self, value, committed=False, done=done)

    patch.setattr(SimNode, "produce", produce)


def lost_data_is_not_noticed(patch: Patch) -> None:
    """The controller does not look at incarnations."""
    patch.setattr(election, "has_lost_data", lambda holder, state: False)
    patch.setattr(SimNode, "_may_lead", lambda self, wanted: True)


def whoever_left_stays_eligible(patch: Patch) -> None:
    """Dropped members may lead although commits went on without them."""
    original = ReplicationState.with_members

    def with_members(self: Any, members: Any, *, minimum: int, invalid: Any = ()) -> Any:
        return original(self, members, minimum=99, invalid=invalid)

    patch.setattr(ReplicationState, "with_members", with_members)


def a_cut_is_not_synced(patch: Patch) -> None:
    """Records that were cut come back with the power, under somebody else's epoch."""

    def cut(self: OpenLog, end: Offset) -> None:
        self.log.truncate(end)
        self.lineage = self.lineage.cut(self.log.end_offset)

    patch.setattr(OpenLog, "cut", cut)


def an_epoch_is_not_noted(patch: Patch) -> None:
    """A leader appends without a word in its lineage."""
    patch.setattr(OpenLog, "begin_epoch", lambda self, epoch: None)


def told_before_it_is_stored(patch: Patch) -> None:
    """SPUs hear of an epoch that the controller forgets."""

    def die(self: SimController) -> None:
        stored = self._objects
        self._store()
        self._tell_news()
        self._objects = stored
        self.crash()

    patch.setattr(SimController, "_die_unstored", die)


def in_sync_at_the_high_watermark(patch: Patch) -> None:
    """A new leader takes followers in that have not reached the start of its epoch."""
    patch.setattr(
        LeaderReplica,
        "_may_join",
        lambda self, follower: follower.has_reported and follower.position >= 0,
    )


def reported_before_it_is_there(patch: Patch) -> None:
    """A follower reports one record more than it has."""
    original = FollowerReplica._report

    def report(self: FollowerReplica, *arguments: Any, **named: Any) -> ReportPosition:
        told = original(self, *arguments, **named)
        return ReportPosition(told.session, Offset(told.log_end + 1), told.send_from)

    patch.setattr(FollowerReplica, "_report", report)


def anything_fits(patch: Patch) -> None:
    """Copied records are appended wherever they begin."""
    patch.setattr(FollowerReplica, "fits", lambda self, **_: True)


def damage_does_not_end_a_life(patch: Patch) -> None:
    """An SPU that finds its log cut short goes on as the one that held it whole."""
    patch.setattr(DataFolder, "begin_new_life", lambda self, ended, reason: None)


def a_move_ends_before_the_new_are_in_sync(patch: Patch) -> None:
    """Replicas that are to go do so as soon as one that stays leads."""
    original = replica_move._end_or_hand_over

    def step(partition: StoredObject, state: ClusterState) -> SetReplication | None:
        if partition.spec.leader in partition.replication.target:
            return replica_move._end(partition)
        return original(partition, state)

    patch.setattr(replica_move, "_end_or_hand_over", step)


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is broken, and where it shows."""

    break_it: Callable[[Patch], None]
    plan: Plan


MUTATIONS = (
    Mutation(nothing_is_cut, CUTS),
    Mutation(cut_to_the_high_watermark, CUTS),
    Mutation(what_was_asked_for_does_not_count, CUTS),
    Mutation(committed_with_too_few, CRASHES),
    Mutation(members_need_not_hold_it, CRASHES),
    Mutation(acknowledged_at_the_log_end, CRASHES),
    Mutation(lost_data_is_not_noticed, CRASHES),
    Mutation(whoever_left_stays_eligible, ONE),
    Mutation(a_cut_is_not_synced, CRASHES),
    Mutation(an_epoch_is_not_noted, CUTS),
    Mutation(told_before_it_is_stored, Plan(faults=("torn store", "kill"), fault_interval_ms=200)),
    Mutation(in_sync_at_the_high_watermark, SLOW),
    Mutation(reported_before_it_is_there, CRASHES),
    Mutation(anything_fits, LOSSY),
    Mutation(
        damage_does_not_end_a_life,
        Plan(faults=("damage", "controller", "controller cut", "kill"), fault_interval_ms=200),
    ),
    Mutation(
        a_move_ends_before_the_new_are_in_sync,
        Plan(moves=True, faults=("move", "power", "kill"), fault_interval_ms=200),
    ),
)
