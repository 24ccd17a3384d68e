"""A cluster of one partition and three SPUs, or four to move between, on simulated time: one seed.

    run(seed)    a storm of faults with clients at work, then a calm, in which all has to heal

Messages take some time, and with `lossy` are lost, repeated and overtaken, which TCP never does; a
cut between two nodes may have one direction. Nothing waits for a real clock, and no thread runs.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from sim_checker import Checker, PromiseBroken
from sim_controller import KEY, SimController
from sim_node import DIRECTORY, SimNode

from fluvio_protocol.types import SpuId
from fluvio_sc.core.replica_commands import admit_cancel, admit_move

SPUS = (1, 2, 3)
TICK_MS = 100
STORM_MS = 12_000
CALM_MS = 12_000
CALM_STEP_MS = 500
EVENTS_MAX = 400_000
TRACE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """What kind of storm: chances per fault, and of lost messages in a thousand."""

    minimum: int = 2
    lossy_permille: int = 10
    fault_interval_ms: int = 700
    power_cuts: bool = True
    slow_store_permille: int = 0
    acks_wait: bool = False
    moves: bool = False
    faults: tuple[str, ...] = (
        "kill", "power", "stop", "cut", "cut one way", "controller", "controller cut", "torn store",
        "freeze", "damage", "full",
    )  # fmt: skip


class World:
    """See the module."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.seed = seed
        self.plan = plan
        self.random = Random(seed)
        self.now_ms = 1
        self.traces: deque[str] = deque(maxlen=TRACE_LENGTH)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._numbers = itertools.count(1)
        self.cuts: set[tuple[int, int]] = set()
        self.controller_cuts: set[int] = set()
        self.registered: set[int] = set()
        self.storm = True
        self.checker = Checker(self)
        self.spus = (*SPUS, 4) if plan.moves else SPUS
        self.nodes = {number: SimNode(number, self) for number in self.spus}
        self._told_at_ms = dict.fromkeys(self.spus, 0)
        self._record_number = itertools.count()
        self.controller = SimController(
            spus=self.spus,
            minimum=plan.minimum,
            tell=self._tell,
            crashed=self._controller_down,
            stored=self.checker.stored,
            later=self.later,
            random=self.random,
        )
        self.successes = 0
        self.producing = True
        self._reader_at = 0

    # Time.

    def later(self, delay_ms: int, callback: Callable[[], None]) -> None:
        at = self.now_ms + max(delay_ms, 0)
        heapq.heappush(self._events, (at, next(self._order), callback))

    def next_number(self) -> int:
        return next(self._numbers)

    def trace(self, text: str) -> None:
        self.traces.append(f"{self.now_ms:>7} ms  {text}")

    def run_until(self, end_ms: int) -> None:
        for _ in range(EVENTS_MAX):
            if not self._events or self._events[0][0] > end_ms:
                self.now_ms = end_ms
                return
            self.now_ms, _, callback = heapq.heappop(self._events)
            callback()
        raise PromiseBroken("there is no end to what happens")

    # Network.

    def _may_pass(self, source: int, target: int) -> bool:
        return (source, target) not in self.cuts

    def send(self, source: int, target: int, message: Any) -> None:
        lossy = self.plan.lossy_permille / 1000 if self.storm else 0.0
        chance = self.random.random
        copies = 1
        if chance() < lossy:
            copies = self.random.choice((0, 2, 2))
        for _ in range(copies):
            delay = 1 + int(chance() * 6)
            if chance() < lossy:
                delay += int(chance() * 400)
            self.later(delay, lambda: self._arrive(source, target, message))

    def _arrive(self, source: int, target: int, message: Any) -> None:
        node = self.nodes[target]
        if not node.alive or not self._may_pass(source, target):
            return
        if node.frozen_until_ms > self.now_ms:
            node.later(0, lambda: node.received(source, message))
            return
        node.received(source, message)

    def to_controller(self, source: int, kind: str, message: Any) -> None:
        process = self.nodes[source].process

        def arrive() -> None:
            if (
                self.controller.alive
                and source in self.registered
                and self.nodes[source].process == process
            ):
                self.controller.heard(source, kind, message, self.now_ms)

        self.later(self._controller_delay_ms(), arrive)

    def _controller_delay_ms(self) -> int:
        """Usually little; in a storm a message may take long, and come behind later ones."""
        if self.storm and self.random.random() < 0.15:
            return self.random.randint(1, 700)
        return self.random.randint(1, 8)

    def _tell(self, spu: int, assignment: Any) -> None:
        node = self.nodes[spu]
        process = node.process

        def arrive() -> None:
            if node.alive and node.process == process:
                node.later(0, lambda: node.assigned(assignment))

        delay_ms = self._controller_delay_ms()
        if self.plan.moves:  # as by TCP: a replica that came back must not be deleted by old news
            delay_ms = max(delay_ms, self._told_at_ms[spu] - self.now_ms)
            self._told_at_ms[spu] = self.now_ms + delay_ms
        self.later(delay_ms, arrive)

    def _links_break(self, number: int) -> None:
        """The other ends notice sooner or later."""
        for other in self.spus:
            if other != number:
                node = self.nodes[other]
                node.later(self.random.randint(1, 300), lambda node=node: node.lost_link(number))

    def _register(self, number: int) -> None:
        """Again and again, as the link to the controller does."""
        node = self.nodes[number]
        if node.alive and self.controller.alive and number not in self.controller_cuts:
            if number not in self.registered:
                self.registered.add(number)
                self.controller.connected(number, node.told_incarnation, self.now_ms)
        elif number in self.registered:
            self._unregister(number)

    def register_anew(self, number: int) -> None:
        """Another life of its data has begun: new sessions, with everybody."""
        self.trace(
            f"spu {number} has lost records, incarnation {self.nodes[number].incarnation % 1000}"
        )
        if number in self.registered:
            self._unregister(number)
        self._links_break(number)
        node = self.nodes[number]
        for other in self.spus:
            if other != number:
                node.lost_link(other)

    def _unregister(self, number: int) -> None:
        self.registered.discard(number)
        if self.controller.alive:
            self.controller.disconnected(number, self.now_ms)

    # Everyday.

    def _tick(self, number: int) -> None:
        node = self.nodes[number]
        self._register(number)
        if node.alive and node.frozen_until_ms <= self.now_ms:
            node.heartbeat()
        self.later(TICK_MS, lambda: self._tick(number))

    def _controller_tick(self) -> None:
        if self.controller.alive:
            self.controller.settle(self.now_ms)
        self.later(250, self._controller_tick)

    def _controller_down(self) -> None:
        self.registered.clear()
        self.trace("the controller is gone")
        self.later(self.random.randint(50, 3_000), self._controller_up)

    def _controller_up(self) -> None:
        if not self.controller.alive:
            self.trace("the controller is back")
            self.controller.restart(self.now_ms)

    def _produce(self) -> None:
        """One attempt of one producer, at whoever leads as far as it knows."""
        if not self.producing:
            return
        self.later(self.random.randint(10, 120), self._produce)
        leaders = [
            node
            for node in self.nodes.values()
            if node.alive and node.leader is not None and node.frozen_until_ms <= self.now_ms
        ]
        if not leaders:
            return
        self._read(self.random.choice(leaders))
        node = self.random.choice(leaders)
        value = b"%d" % next(self._record_number) + b"." * self.random.randint(0, 30)
        committed = self.random.random() < 0.8

        def done(offset: int) -> None:
            if committed:
                self.checker.acknowledged_committed(offset, value)
                self.successes += 1

        node.produce(value, committed=committed, done=done)

    def _read(self, node: Any) -> None:
        """One request of a consumer that goes on where it was, at somebody who takes it."""
        if not node.is_damaged:
            end = int(node.log.high_watermark)
            self._reader_at = self.checker.read(self._reader_at, node.raw(self._reader_at, end))

    # Faults.

    def _start(self, number: int) -> None:
        node = self.nodes[number]
        if not node.alive:
            if not node.start():
                self.later(self.random.randint(100, 1_000), lambda: self._start(number))
                return
            self.trace(f"spu {number} starts, incarnation {node.incarnation % 1000}")
            self._register(number)

    def _down(self, number: int, how: str) -> None:
        node = self.nodes[number]
        if not node.alive:
            return
        self.trace(f"spu {number}: {how}")
        if how == "power":
            node.lose_power()
        elif how == "stop":
            node.stop()
        else:
            node.kill()
        self._links_break(number)
        self.later(self.random.randint(0, 200), lambda: self._went_away(number, node.processes))
        self.later(self.random.randint(100, 2_500), lambda: self._start(number))

    def _went_away(self, number: int, process: int) -> None:
        """Unless it is back already, and its new session has taken the place of the old one."""
        if not self.nodes[number].alive or self.nodes[number].processes != process:
            if number in self.registered:
                self._unregister(number)
            if self.nodes[number].alive:
                self._register(number)

    def log_changes(self, number: int) -> None:
        """A follower cuts its log or notes its lineage: a good moment for the power to go."""
        if self.storm and self.plan.power_cuts and self.random.random() < 0.2:
            node = self.nodes[number]

            def power() -> None:
                if self.storm and self._power_may_fail(number):
                    self._down(number, "power")

            node.later(self.random.randint(0, 60), power)

    def _power_may_fail(self, number: int) -> bool:
        """Whether some other holder keeps the data that it joined with; see `sim_checker`."""
        return self.plan.power_cuts and (self.plan.acks_wait or self._other_is_whole(number))

    def _other_is_whole(self, number: int) -> bool:
        """Fewer than `minimum` lose data before the first of them is in sync again."""
        lossy = [other for other, node in self.nodes.items() if node.is_lossy and other != number]
        return len(lossy) + 1 < self.plan.minimum

    def _fault(self) -> None:
        if not self.storm:
            return
        self.later(self.random.randint(1, 2 * self.plan.fault_interval_ms), self._fault)
        kind = self.random.choice(self.plan.faults)
        number = self.random.choice(self.spus)
        if self.random.random() < 0.5:  # those who lead are hit more often
            number = int(self.controller.partition.spec.leader)
        match kind:
            case "kill":
                self._down(number, "kill")
            case "power":
                if self._power_may_fail(number):
                    self._down(number, "power")
            case "stop":
                self._planned_stop(number)
            case "freeze":
                self.trace(f"spu {number} stands still")
                self.nodes[number].frozen_until_ms = self.now_ms + self.random.randint(50, 2_500)
            case "full":
                self._fill(number)
            case "move":
                self._move()
            case "cancel":
                if self.controller.ask(lambda state: admit_cancel(KEY, state), self.now_ms):
                    self.trace("the move is cancelled")
            case "damage":
                if self.nodes[number].alive and self._other_is_whole(number):
                    self._down(number, "kill")
                    if self.nodes[number].damage(self.random):
                        self.trace(f"spu {number}: a bad byte in its log")
            case "cut" | "cut one way":
                self._cut(number, one_way=kind == "cut one way")
            case "controller":
                if self.controller.alive:
                    self.controller.crash()
            case "torn store":
                self.controller.crash_before_store = True
            case "controller cut":
                self.trace(f"spu {number} cannot reach the controller")
                self.controller_cuts.add(number)
                heal = self.random.randint(100, 3_000)
                self.later(heal, lambda: self.controller_cuts.discard(number))

    def _move(self) -> None:
        target = tuple(map(SpuId, self.random.sample(self.spus, self.random.randint(2, 4))))
        if self.controller.ask(lambda state: admit_move(KEY, target, state), self.now_ms):
            self.trace(f"the replicas move to {list(target)}")

    def _fill(self, number: int) -> None:
        """There is room for a few bytes, and later for all."""
        disk = self.nodes[number].disk
        if disk.capacity is None:
            self.trace(f"spu {number}: its disk is full")
            disk.capacity = disk.used_bytes() + self.random.choice((0, 0, 50, 500))

            def emptied() -> None:
                disk.capacity = None

            self.later(self.random.randint(100, 4_000), emptied)

    def _planned_stop(self, number: int) -> None:
        node = self.nodes[number]
        if not node.alive or node.frozen_until_ms > self.now_ms:
            return
        if node.leader is not None:
            node._perform_leader(node.leader.leave(self.now_ms, 1_000))
        process = node.process

        def stop() -> None:
            if self.storm and node.process == process and not node.busy:
                self._down(number, "stop")

        self.later(self.random.randint(100, 1_000), stop)

    def _cut(self, number: int, *, one_way: bool) -> None:
        other = self.random.choice([spu for spu in self.spus if spu != number])
        pairs = {(number, other)} if one_way else {(number, other), (other, number)}
        self.trace(f"cut: {sorted(pairs)}")
        self.cuts |= pairs
        for one, two in ((number, other), (other, number)):
            node = self.nodes[one]
            if node.alive:
                node.later(
                    self.random.randint(100, 1_500), lambda node=node, two=two: node.lost_link(two)
                )
        self.later(self.random.randint(100, 4_000), lambda: self._heal(pairs))

    def _heal(self, pairs: set[tuple[int, int]]) -> None:
        self.cuts -= pairs

    # The whole.

    def run(self) -> None:
        """Raises PromiseBroken."""
        for number in self.spus:
            self._start(number)
            self._tick(number)
        self._controller_tick()
        self._produce()
        self.later(500, self._fault)
        self.controller.slow_permille = self.plan.slow_store_permille
        self.run_until(STORM_MS)
        self.controller.slow_permille = 0
        self.storm = False
        self.cuts.clear()
        self.controller_cuts.clear()
        self.controller.crash_before_store = False
        for node in self.nodes.values():
            node.frozen_until_ms = 0
            node.disk.capacity = None
        self.trace("calm")
        self.successes = 0
        for _ in range(CALM_MS // CALM_STEP_MS):
            self.run_until(self.now_ms + CALM_STEP_MS)
            if not self._trouble():
                break
        trouble = self._trouble()
        if trouble:
            raise PromiseBroken(f"it does not heal, {trouble}: {self._summary()}")
        self.producing = False
        for _ in range(CALM_MS // CALM_STEP_MS):
            self.run_until(self.now_ms + CALM_STEP_MS)
            if self._all_is_everywhere():
                break
        self._has_healed()

    def _summary(self) -> str:
        partition = self.controller.partition
        nodes = ", ".join(node.summary() for node in self.nodes.values())
        return (
            f"stored: leader {partition.spec.leader} epoch {partition.leader_epoch} "
            f"{partition.replication}; {nodes}; registered {sorted(self.registered)}"
        )

    def _trouble(self) -> str:
        """What is not as it should be at rest; empty when all is well."""
        partition = self.controller.partition
        replication = partition.replication
        if any(not node.alive for node in self.nodes.values()):
            return "somebody is down"
        if set(replication.in_sync) != set(partition.spec.replicas) or replication.eligible:
            return f"in sync are {replication.in_sync} alone"
        if replication.is_moving or replication.leaving:
            return f"replicas move to {replication.target}, {replication.leaving} leave"
        if partition.spec.leader != partition.spec.replicas[0]:
            return f"spu {partition.spec.leader} still leads"
        leader = self.nodes[int(partition.spec.leader)].leader
        if leader is None or leader.leader_epoch != partition.leader_epoch:
            return "its leader does not lead"
        return "" if self.successes else "nothing is committed"

    def _all_is_everywhere(self) -> bool:
        """Committed, and on every disk."""
        node = self.nodes[int(self.controller.partition.spec.leader)]
        end = node.log.end_offset
        return (
            node.leader is not None
            and node.leader.high_watermark == end
            and all(other.log.end_offset == end for other in self._replicas().values())
        )

    def _replicas(self) -> dict[int, SimNode]:
        return {number: self.nodes[number] for number in self.controller.partition.spec.replicas}

    def _has_healed(self) -> None:
        leader = self.nodes[int(self.controller.partition.spec.leader)]
        assert leader.leader is not None
        end = int(leader.log.end_offset)
        if leader.leader.high_watermark != end:
            raise PromiseBroken(f"at rest {leader.leader.high_watermark} of {end} are committed")
        self.checker.at_the_end(self._replicas(), end)
        for number in self.nodes.keys() - self._replicas().keys():
            if DIRECTORY in self.nodes[number].disk.directories:
                raise PromiseBroken(f"spu {number} keeps the files of a replica that left it")


def run(seed: int, plan: Plan | None = None) -> World:
    """One simulation; what it raises carries the last events. Returns the world as it ended."""
    world = World(seed, plan or plan_of(seed))
    try:
        world.run()
    except Exception as error:
        story = "\n".join(world.traces)
        raise PromiseBroken(f"seed {seed}: {error}\n{story}") from error
    return world


def plan_of(seed: int) -> Plan:
    """Storms of several kinds, by seed."""
    return (
        Plan(),
        Plan(lossy_permille=0),
        Plan(lossy_permille=80, fault_interval_ms=1_500),
        Plan(minimum=1, fault_interval_ms=400, slow_store_permille=150),
        Plan(faults=("kill", "power"), fault_interval_ms=300),
        Plan(acks_wait=True, fault_interval_ms=400),
        Plan(slow_store_permille=300, fault_interval_ms=500),
        Plan(acks_wait=True, faults=("power", "freeze"), fault_interval_ms=250),
        Plan(faults=("full", "kill", "stop"), fault_interval_ms=300),
        Plan(moves=True, faults=("move", "move", "cancel", "kill", "stop", "cut", "controller")),
        Plan(moves=True, faults=(*Plan().faults, "move", "move", "move", "cancel")),
        Plan(moves=True, acks_wait=True, faults=("move", "move", "cancel", "power", "torn store")),
    )[seed % 12]
