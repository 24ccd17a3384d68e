"""Stories of a simulated cluster, told in commands, and what comes of them.

A scenario is a text: comments, then commands, each followed by `----` and what it printed.

    cluster [minimum=2] [only=1,2]    three SPUs hold a partition; those not named never start
    produce 3 [to=1] [uncommitted] [ms=400]    three records at the leader, or at a given SPU
    kill 2 | power 2 | stop 2         the process ends; the machine as well; after handing over
    damage 2                          a bad byte in the middle of its log, while it is down
    start 2
    cut 1 2 | cut 1 -> 2 | cut 1 controller | heal    of these, most take ms=..
    controller down | controller up
    controller slow | controller quick    whether what it decides is stored before long
    controller mute | controller loud     whether what it says arrives
    run 500                           ms
    logs                              offsets of each log by the epoch that wrote them

Nothing is left to chance but what messages take, a few ms. A power cut takes all that was not
synced. The checker looks on as it does in storms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from sim_world import SPUS, Plan, World

SEPARATOR = "----"
PRODUCE_MS = 400
BEGINNING_MS = 1_500


class _TakesAll(Random):
    """A power cut by this leaves nothing that was not synced."""

    def randint(self, a: int, b: int) -> int:
        return a


class _Sleepy(Random):
    """A store that takes as long as it may, and does not fail."""

    def randint(self, a: int, b: int) -> int:
        return b

    def random(self) -> float:
        return 0.99


@dataclass(frozen=True, slots=True)
class Command:
    """A line, and what it printed when it was last looked at."""

    line: str
    printed: str


def parse(text: str) -> tuple[str, list[Command]]:
    """What stands in front of the first command, and the commands."""
    head, *blocks = text.strip("\n").split("\n\n")
    commands = []
    for block in blocks:
        line, separator, printed = block.partition(f"\n{SEPARATOR}\n")
        if not separator:
            line, printed = block.removesuffix(f"\n{SEPARATOR}"), ""
        commands.append(Command(line, printed.rstrip("\n")))
    return head, commands


def transcript(head: str, commands: list[Command]) -> str:
    """As `parse` reads it, with what the commands print now."""
    story = Scenario()
    blocks = [head]
    for command in commands:
        printed = story.perform(command.line)
        blocks.append("\n".join([command.line, SEPARATOR, *([printed] if printed else [])]))
    return "\n\n".join(blocks) + "\n"


class Scenario:
    """One cluster, and the commands it takes."""

    def __init__(self) -> None:
        self.world: Any = None
        self._mute = False
        self._records = 0

    def perform(self, line: str) -> str:
        """Do it; returns what there is to be seen afterwards."""
        name, *words = line.split()
        act: Callable[[list[str]], str] = getattr(self, f"_do_{name}")
        return act(words)

    # Beginning.

    def _do_cluster(self, words: list[str]) -> str:
        options = _options(words)
        minimum = int(options.get("minimum", "2"))
        world = self.world = World(1, Plan(minimum=minimum, lossy_permille=0))
        world.storm = False
        tell = world.controller._tell

        def tell_unless_mute(spu: int, assignment: Any) -> None:
            if not self._mute:
                tell(spu, assignment)

        world.controller._tell = tell_unless_mute
        for number in _numbers(options.get("only", "1,2,3")):
            world._start(number)
        for number in SPUS:
            world._tick(number)
        world._controller_tick()
        return self._run(BEGINNING_MS)

    # Clients.

    def _do_produce(self, words: list[str]) -> str:
        options = _options(words)
        leader = int(self.world.controller.partition.spec.leader)
        node = self.world.nodes[int(options.get("to", leader))]
        told = []
        answers: dict[int, int] = {}
        for number in range(int(words[0])):
            self._records += 1
            value = b"record %d" % self._records
            committed = "uncommitted" not in words
            done = self._answered(answers, number, value, committed)
            refused = node.produce(value, committed=committed, done=done) if node.alive else "down"
            if refused:
                told.append(f"refused: {refused}")
                break
        seen = self._run(int(options.get("ms", PRODUCE_MS)))
        if answers:
            told.append(f"acknowledged at {_ranges(list(answers.values()))}")
        elif not told:
            told.append("not acknowledged")
        return "\n".join([*told, seen])

    def _answered(
        self, answers: dict[int, int], number: int, value: bytes, committed: bool
    ) -> Callable[[int], None]:
        def done(offset: int) -> None:
            answers[number] = offset
            if committed:
                self.world.checker.acknowledged_committed(offset, value)

        return done

    # What befalls SPUs.

    def _do_kill(self, words: list[str]) -> str:
        return self._down(int(words[0]), lambda node: node.kill(), words)

    def _do_power(self, words: list[str]) -> str:
        def lose(node: Any) -> None:
            chance, self.world.random = self.world.random, _TakesAll(0)
            node.lose_power()
            self.world.random = chance

        return self._down(int(words[0]), lose, words)

    def _do_stop(self, words: list[str]) -> str:
        node = self.world.nodes[int(words[0])]
        if node.leader is not None:
            node._perform_leader(node.leader.leave(self.world.now_ms, 1_000))
        self.world.run_until(self.world.now_ms + 1_000)
        return self._down(int(words[0]), lambda node: node.stop(), words)

    def _down(self, number: int, end: Callable[[Any], None], words: list[str]) -> str:
        node = self.world.nodes[number]
        end(node)
        self.world._links_break(number)
        processes = node.processes
        self.world.later(20, lambda: self.world._went_away(number, processes))
        return self._run(int(_options(words).get("ms", "600")))

    def _do_damage(self, words: list[str]) -> str:
        self.world.nodes[int(words[0])].was_damaged = True
        disk = self.world.nodes[int(words[0])].disk
        path = next(path for path in disk.names if path.endswith(".log"))
        file = disk.file(path)
        file.content[file.size // 2] ^= 0xFF
        file.sync()
        return ""

    def _do_start(self, words: list[str]) -> str:
        self.world._start(int(words[0]))
        return self._run(int(_options(words).get("ms", "1000")))

    # The network.

    def _do_cut(self, words: list[str]) -> str:
        time_ms = int(_options(words).get("ms", "1000"))
        one, *rest = [word for word in words if "=" not in word]
        if rest[-1] == "controller":
            self.world.controller_cuts.add(int(one))
            return self._run(time_ms)
        ends = int(one), int(rest[-1])
        self.world.cuts.add(ends)
        if "->" not in rest:
            self.world.cuts.add(ends[::-1])
        for end, away in (ends, ends[::-1]):  # what is not answered counts as lost
            node = self.world.nodes[end]
            node.later(300, lambda node=node, away=away: node.lost_link(away))
        return self._run(time_ms)

    def _do_heal(self, words: list[str]) -> str:
        self.world.cuts.clear()
        self.world.controller_cuts.clear()
        return self._run(int(_options(words).get("ms", "1500")))

    # The controller.

    def _do_controller(self, words: list[str]) -> str:
        controller = self.world.controller
        match words[0]:
            case "down":
                controller.alive = False
                controller._life += 1
                self.world.registered.clear()
            case "up":
                controller.restart(self.world.now_ms)
            case "slow":
                controller._random, controller.slow_permille = _Sleepy(0), 1000
            case "quick":
                controller._random, controller.slow_permille = Random(0), 0
            case "mute":
                self._mute = True
            case "loud":
                self._mute = False
                controller._told.clear()
                controller._tell_news()
        return self._run(100)

    # Looking.

    def _do_run(self, words: list[str]) -> str:
        return self._run(int(words[0]))

    def _do_logs(self, words: list[str]) -> str:
        lines = []
        for number, node in self.world.nodes.items():
            if node.opened is None or not node.log.end_offset:
                lines.append(f"spu {number}: {'down' if node.opened is None else 'empty'}")
                continue
            runs = []
            entries = node.opened.lineage.cut(node.log.end_offset).entries
            ends = [*(entry.offset for entry in entries[1:]), node.log.end_offset]
            for entry, end in zip(entries, ends, strict=True):
                runs.append(f"{entry.offset}..{end} of epoch {entry.epoch}")
            lines.append(f"spu {number}: {', '.join(runs)}")
        return "\n".join(lines)

    def _run(self, time_ms: int) -> str:
        self.world.run_until(self.world.now_ms + time_ms)
        return self._state()

    def _state(self) -> str:
        partition = self.world.controller.partition
        replication = partition.replication
        stored = (
            f"stored: spu {partition.spec.leader} leads epoch {partition.leader_epoch}, "
            f"in sync {_listed(replication.in_sync)}"
        )
        if replication.eligible:
            stored += f", eligible {_listed(replication.eligible_spus)}"
        return "\n".join([stored, *(self._node(node) for node in self.world.nodes.values())])

    def _node(self, node: Any) -> str:
        if not node.alive:
            return f"spu {node.number}: down"
        role = "waits"
        if node.leader is not None:
            role = f"leads epoch {node.leader.leader_epoch}"
        elif node.follower is not None:
            state = node.follower.state.name.lower()
            role = f"{state} spu {node.follower.leader} in epoch {node.follower.leader_epoch}"
        log = node.log
        return f"spu {node.number}: {role}, end {log.end_offset}, committed {log.high_watermark}"


def _options(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if "=" in word)


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _listed(numbers: Any) -> str:
    return ", ".join(str(number) for number in numbers)


def _ranges(offsets: list[int]) -> str:
    first, last = min(offsets), max(offsets)
    assert sorted(offsets) == list(range(first, last + 1))
    return str(first) if first == last else f"{first} to {last}"
