"""A cluster of one partition and three SPUs on simulated time: everything from one seed.

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
from sim_controller import SimController
from sim_node import SimNode

SPUS = (1, 2, 3)
TICK_MS = 100
STORM_MS = 12_000
CALM_MS = 9_000
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
    faults: tuple[str, ...] = (
        "kill", "power", "stop", "cut", "cut one way", "controller", "controller cut", "torn store",
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
        self.nodes = {number: SimNode(number, self) for number in SPUS}
        self._record_number = itertools.count()
        self.controller = SimController(
            spus=SPUS,
            minimum=plan.minimum,
            tell=self._tell,
            crashed=self._controller_down,
            later=self.later,
            random=self.random,
        )
        self.successes = 0

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
        lossy = self.plan.lossy_permille if self.storm else 0
        copies = 1
        if lossy and self.random.randrange(1000) < lossy:
            copies = self.random.choice((0, 2, 2))
        for _ in range(copies):
            delay = self.random.randint(1, 6)
            if lossy and self.random.randrange(1000) < lossy:
                delay += self.random.randint(0, 400)
            self.later(delay, lambda: self._arrive(source, target, message))

    def _arrive(self, source: int, target: int, message: Any) -> None:
        node = self.nodes[target]
        if node.alive and self._may_pass(source, target):
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
                node.assigned(assignment)

        self.later(self._controller_delay_ms(), arrive)

    def _links_break(self, number: int) -> None:
        """The other ends notice sooner or later."""
        for other in SPUS:
            if other != number:
                node = self.nodes[other]
                node.later(self.random.randint(1, 300), lambda node=node: node.lost_link(number))

    def _register(self, number: int) -> None:
        """Again and again, as the link to the controller does."""
        node = self.nodes[number]
        if node.alive and self.controller.alive and number not in self.controller_cuts:
            if number not in self.registered:
                self.registered.add(number)
                self.controller.connected(number, node.incarnation, self.now_ms)
        elif number in self.registered:
            self._unregister(number)

    def _unregister(self, number: int) -> None:
        self.registered.discard(number)
        if self.controller.alive:
            self.controller.disconnected(number, self.now_ms)

    # Everyday.

    def _tick(self, number: int) -> None:
        node = self.nodes[number]
        self._register(number)
        if node.alive:
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
        self.later(self.random.randint(5, 60), self._produce)
        leaders = [node for node in self.nodes.values() if node.alive and node.leader is not None]
        if not leaders:
            return
        node = self.random.choice(leaders)
        value = b"%d" % next(self._record_number) + b"." * self.random.randint(0, 30)
        committed = self.random.random() < 0.8

        def done(offset: int) -> None:
            if committed:
                self.checker.acknowledged_committed(offset, value)
                self.successes += 1

        node.produce(value, committed=committed, done=done)

    # Faults.

    def _start(self, number: int) -> None:
        node = self.nodes[number]
        if not node.alive:
            node.start()
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
        return self.plan.power_cuts and any(
            holder.spu != number
            and holder.incarnation == self.nodes[holder.spu].incarnation
            and not self.nodes[holder.spu].has_lost_power
            for holder in self.controller.partition.replication.holders
        )

    def _fault(self) -> None:
        if not self.storm:
            return
        self.later(self.random.randint(1, 2 * self.plan.fault_interval_ms), self._fault)
        kind = self.random.choice(self.plan.faults)
        number = self.random.choice(SPUS)
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

    def _planned_stop(self, number: int) -> None:
        node = self.nodes[number]
        if not node.alive:
            return
        if node.leader is not None:
            node._perform_leader(node.leader.leave(self.now_ms, 1_000))
        process = node.process

        def stop() -> None:
            if node.process == process and not node.busy:
                self._down(number, "stop")

        self.later(self.random.randint(100, 1_000), stop)

    def _cut(self, number: int, *, one_way: bool) -> None:
        other = self.random.choice([spu for spu in SPUS if spu != number])
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
        for number in SPUS:
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
        self.trace("calm")
        self.run_until(STORM_MS + CALM_MS)
        self._has_healed()

    def _summary(self) -> str:
        partition = self.controller.partition
        nodes = ", ".join(node.summary() for node in self.nodes.values())
        return (
            f"stored: leader {partition.spec.leader} epoch {partition.leader_epoch} "
            f"{partition.replication}; {nodes}; registered {sorted(self.registered)}"
        )

    def _has_healed(self) -> None:
        before = self.successes
        self.run_until(self.now_ms + 1_000)
        partition = self.controller.partition
        if self.successes == before:
            raise PromiseBroken(f"nothing is committed although all is well: {self._summary()}")
        if set(partition.replication.in_sync) != set(SPUS):
            raise PromiseBroken(f"in sync are {partition.replication.in_sync} alone")
        if partition.spec.leader != SPUS[0] and partition.spec.leader != partition.spec.replicas[0]:
            raise PromiseBroken(f"spu {partition.spec.leader} still leads")
        leader = self.nodes[int(partition.spec.leader)]
        assert leader.leader is not None
        end = leader.leader.high_watermark
        self.checker.at_the_end({n: node.values(0, end) for n, node in self.nodes.items()})


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
    )[seed % 5]
