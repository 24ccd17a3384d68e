"""`top`: its screen by textual's pilot, with a model told by hand and with a real cluster."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from textual.widgets import Static

from fluvio_cli.main import run
from fluvio_cli.screens.rows_view import RowsView
from fluvio_cli.screens.top_feed import TopFeed
from fluvio_cli.screens.top_model import ClusterModel, ConsumerNews, PartitionNews, SpuNews
from fluvio_cli.screens.top_screen import Top, rate_text
from fluvio_client import connect
from fluvio_client.errors import ConnectionLost


def told(system: bool = False) -> ClusterModel:
    """A cluster as it is at second 2, by a clock of its own."""
    model = ClusterModel()
    model.with_system = system
    model.put_spu("one", SpuNews(5001, "one", "online", "localhost:9010", None))
    model.put_spu("two", SpuNews(5002, "two", "offline", "localhost:9020", "b"))
    for second, mark in ((0.0, 0), (2.0, 100)):
        news = PartitionNews("orders", 0, 5001, True, mark, 2048)
        model.put_partition("orders-0", news, second)
        model.set_consumers([ConsumerNews("billing", "orders", 0, mark // 2, 49)], second)
    model.put_partition("clicks-0", PartitionNews("clicks", 0, 5002, False, None, None), 0.0)
    model.put_partition("sys-0", PartitionNews("sys", 0, 5001, True, 5, 10, system=True), 0.0)
    return model


def seen(screen: Top, name: str) -> list[list[str]]:
    """Words of a table's lines, heading first."""
    view = screen.query_one(f"#{name}", RowsView)
    lines = [view.render_line(y).text.split() for y in range(view.size.height)]
    return [line for line in lines if line]


def title(screen: Top) -> str:
    return str(screen.query_one("#title", Static).render())


@pytest.mark.asyncio
async def test_three_tables_and_totals() -> None:
    screen = Top(told(), cluster="c:9003", now_s=lambda: 2.0)
    async with screen.run_test(size=(140, 30)) as pilot:
        await pilot.pause()
        screen.draw()
        assert seen(screen, "topics")[1:] == [
            ["clicks", "1", "1", "-", "-", "-", "0", "0", "B"],
            ["orders", "1", "0", "50", "25", "49", "100", "2.0", "KB"],
        ]
        assert seen(screen, "consumers")[1:] == [["billing", "orders", "1", "49", "25"]]
        assert seen(screen, "spus")[1:] == [
            ["5001", "one", "online", "2", "0", "50", "localhost:9010", "-"],
            ["5002", "two", "OFFLINE", "1", "1", "-", "localhost:9020", "b"],
        ]
        assert title(screen).startswith(
            "c:9003 | topics: 2 | partitions: 2 (1 OFFLINE) | SPUs: 1/2 | in: 50/s | out: 25/s | "
        )
        await pilot.press("q")
    assert not screen.is_running


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["q", "escape", "ctrl+c"])
async def test_keys(end: str) -> None:
    screen = Top(told(), cluster="c", now_s=lambda: 2.0)
    async with screen.run_test(size=(140, 30)) as pilot:
        assert [line[0] for line in seen(screen, "topics")] == ["TOPIC", "clicks", "orders"]
        await pilot.press("o")
        assert [line[0] for line in seen(screen, "topics")] == ["TOPIC", "orders", "clicks"]
        assert "o: order (in)" in title(screen)
        await pilot.press("s")
        assert "sys" in [line[0] for line in seen(screen, "topics")]
        await pilot.press("down", "end")
        assert screen.query_one("#topics", RowsView).chosen == 2
        await pilot.press("tab", "end", "tab", "down")
        assert screen.query_one("#spus", RowsView).chosen == 1
        await pilot.press(end)
    assert not screen.is_running


@pytest.mark.asyncio
async def test_the_filter() -> None:
    screen = Top(told(), cluster="c", now_s=lambda: 2.0)
    async with screen.run_test(size=(200, 30)) as pilot:

        def topics() -> list[str]:
            return [line[0] for line in seen(screen, "topics")][1:]

        await pilot.press("slash", "o", "r", "d")
        await pilot.pause()
        assert topics() == ["orders"]
        assert title(screen).endswith("/: filter (ord)")
        await pilot.press("enter", "o")  # a key of the screen again
        assert topics() == ["orders"]
        assert "order (in)" in title(screen)
        await pilot.press("slash", "q")
        await pilot.pause()
        assert (topics(), seen(screen, "consumers")[1:]) == ([], [])
        await pilot.press("escape")
        await pilot.pause()
        assert sorted(topics()) == ["clicks", "orders"]
        assert screen.is_running
        await pilot.press("escape")
    assert not screen.is_running


@pytest.mark.asyncio
async def test_problems_are_told_and_failures_end_it() -> None:
    problems: list[str] = ["connection \x1b[2J lost"]
    screen = Top(told(), cluster="c", problem=lambda: problems[0] if problems else None)
    async with screen.run_test():
        assert title(screen).startswith("connection  [2J lost | c | ")
        problems.clear()
        screen.draw()
        assert title(screen).startswith("c | ")

    async def failing() -> None:
        raise LookupError("gone")

    screen = Top(told(), cluster="c", feed=failing)
    async with screen.run_test() as pilot:
        while screen.failure is None:
            await pilot.pause()
    assert str(screen.failure) == "gone"


@pytest.mark.parametrize(
    ("rate", "text"), [(None, "-"), (0.0, "0"), (0.04, "0.0"), (9.96, "10.0"), (1234.5, "1234")]
)
def test_rates(rate: float | None, text: str) -> None:
    assert rate_text(rate) == text


def test_without_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("top fills the screen of a terminal: ")
    assert said.err.count("\n") == 1
    assert run(["top", "--interval", "5ms"]) == 2
    assert "the shortest interval is 100ms" in capsys.readouterr().err


@pytest.mark.asyncio
async def test_a_cluster_that_goes_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What went meanwhile is forgotten, what stayed keeps its history."""
    monkeypatch.setattr("fluvio_cli.screens.top_feed.AGAIN_AFTER_S", 0)
    model = told(system=True)
    watched = asyncio.Event()
    watches = 0

    class Kind:
        def __init__(self, *names: str) -> None:
            self.names = names

        async def list(self, *, system: bool = False) -> list[Any]:
            return [type("Found", (), {"name": name})() for name in self.names]

        async def watch(self) -> Any:
            nonlocal watches
            watches += 1
            if watches > 4:
                watched.set()
                await asyncio.Event().wait()
            raise ConnectionLost("connection lost")
            yield

    class Consumers:
        async def lags(self) -> list[Any]:
            return []

    admin = type("Admin", (), {"partitions": Kind("orders-0"), "spus": Kind("one")})
    admin.consumers = Consumers()  # type: ignore[attr-defined]
    feed = TopFeed(type("Client", (), {"admin": admin})(), model)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(feed.run())
        await watched.wait()
        assert feed.problem == "connection lost"
        running.cancel()
    assert (model.partition_names(), model.spu_names()) == ({"orders-0"}, {"one"})
    (orders,) = model.topics(2.0)
    assert orders.in_rate == 50.0


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_a_real_cluster(local_cluster: Any) -> None:
    """Records that are sent and read show as rates and lags, a deleted topic goes."""
    topic = f"top-{uuid.uuid4().hex[:12]}"
    async with connect(address=local_cluster.public_address) as client:
        await client.admin.topics.create(topic, partitions=2)
        model = ClusterModel()
        feed = TopFeed(client, model)
        screen = Top(model, cluster=client.address, interval_s=0.1, feed=feed.run)

        async def until(condition: Callable[[], bool]) -> None:
            async with asyncio.timeout(60):
                while not condition():
                    await pilot.pause(0.05)

        def row() -> list[str]:
            names = [cells for cells in screen._topics.cells if cells[0] == topic]
            return list(names[0]) if names else []

        async with screen.run_test(size=(140, 60)) as pilot:
            await until(lambda: row()[1:3] == ["2", "0"])
            assert "SPUs: 2/2" in title(screen)
            async with client.producer(topic) as producer:
                for number in range(50):
                    await producer.send(f"{number}")
            await until(lambda: row()[6] == "50" and row()[3] not in ("-", "0"))
            async with client.consumer(
                topic, start="beginning", max_records=30, consumer_id=topic, commit="auto"
            ) as consumer:
                async for _ in consumer:
                    pass
            await until(lambda: row()[5] == "20")
            consumers = [cells[0] for cells in screen._consumers.cells]
            assert topic in consumers
            assert [cells[0] for cells in screen._spus.cells] == ["5001", "5002"]
            await client.admin.topics.delete(topic)
            await until(lambda: not row())
            await pilot.press("q")
        assert (screen.failure, feed.problem) == (None, None)
        for stored in await client.admin.consumers.list(topic):
            with contextlib.suppress(LookupError):
                await client.admin.consumers.delete(topic, topic, stored.replica.partition)
