"""Screens by textual's pilot: what keys do, what is in the title, how they end."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from textual.widgets import Static

from fluvio_cli.failure import Failure
from fluvio_cli.record_table import Align, Column
from fluvio_cli.screens import require_textual
from fluvio_cli.screens.full_table import FullTable
from fluvio_cli.screens.rows_view import RowsView, printable
from fluvio_client import FluvioError
from fluvio_client.consumer.record import Record

Batches = AsyncIterator[Iterable[Record] | FluvioError]


def record(value: Any) -> Record:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Record("t", 0, 0, -1, None, data)


async def come(*items: Any) -> Batches:
    """Batches as they are given; an exception class instance that is raised ends them."""
    for item in items:
        if isinstance(item, ConnectionError):
            raise item
        yield item if isinstance(item, FluvioError) else [record(value) for value in item]


async def come_and_stay(*items: Any) -> Batches:
    async for item in come(*items):
        yield item
    await asyncio.Event().wait()


def lines(view: RowsView) -> list[str]:
    """What is seen of a view, heading first, without the empty lines."""
    found = [view.render_line(y).text.rstrip() for y in range(view.size.height)]
    return [line for line in found if line]


async def settled(screen: FullTable, pilot: Any, count: int) -> RowsView:
    """The view once so many rows are in it."""
    while screen.rows.count != count:
        await pilot.pause()
    screen.draw()
    await pilot.pause()
    return screen.query_one(RowsView)


@pytest.mark.asyncio
async def test_rows_of_objects_and_of_lists_with_columns_by_alphabet() -> None:
    screen = FullTable(
        come([{"b": 1, "a": "x"}, [{"b": 2}, {"b": 3, "a": [1]}], b"no json"]), name="orders"
    )
    async with screen.run_test() as pilot:
        view = await settled(screen, pilot, 3)
        assert lines(view) == ["a    b", "x    1", "     2", "[1]  3"]
        title = str(screen.query_one("#title", Static).render())
        assert title.startswith("Records of 'orders' | q: quit, c: clear | Items: 3")
        assert "no JSON object: 1" in title
        await pilot.press("q")
    assert screen.failure is None


@pytest.mark.asyncio
async def test_a_table_format_orders_columns_and_replaces_rows() -> None:
    columns = (
        Column("name", "Who", width=6, primary=True),
        Column("sum", "Sum", width=5, align=Align.RIGHT, foreground="red", background="blue"),
        Column("hidden", "Hidden", shown=False),
    )
    screen = FullTable(
        come([{"name": "ann", "sum": 1}, {"name": "bartholomew", "sum": 2}], [{"name": "ann",
             "sum": 30, "hidden": 1}]),
        name="t", columns=columns,
    )  # fmt: skip
    async with screen.run_test() as pilot:
        view = await settled(screen, pilot, 2)
        while "30" not in lines(view)[1]:
            await pilot.pause()
            screen.draw()
        assert lines(view) == ["Who       Sum", "ann        30", "barth…      2"]
        styles = [segment.style for segment in view.render_line(0)]
        assert styles[1] is not None
        assert (styles[1].color.name, styles[1].bgcolor.name) == ("red", "blue")


@pytest.mark.asyncio
async def test_keys_move_clear_and_quit() -> None:
    screen = FullTable(come_and_stay([{"n": n} for n in range(100)]), name="t")
    async with screen.run_test(size=(40, 12)) as pilot:
        view = await settled(screen, pilot, 100)
        assert (view.chosen, lines(view)[-1]) == (99, "99")
        for key, chosen in (
            ("up", 98), ("pageup", 93), ("pagedown", 98), ("pagedown", 99), ("down", 99),
            ("home", 0), ("up", 0), ("down", 1), ("pagedown", 6), ("end", 99), ("home", 0),
        ):  # fmt: skip
            await pilot.press(key)
            assert view.chosen == chosen, key
        await pilot.pause()
        assert lines(view)[:2] == ["n", "0"]
        screen.rows.add(b'{"n": 100}')
        view.show()
        assert (view.chosen, view.scroll_offset.y) == (0, 0)  # who went up is left there
        view.action_last()
        screen.rows.add(b'{"n": 101}')
        view.show()
        await pilot.pause()
        assert (view.chosen, lines(view)[-1]) == (101, "101")
        await pilot.press("c")
        assert (screen.rows.count, lines(view)) == (0, ["n"])
        assert "Items: 0" in str(screen.query_one("#title", Static).render())
        await pilot.press("escape")
    assert not screen.is_running


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_the_mouse_wheel_and_other_ways_out(key: str) -> None:
    screen = FullTable(come_and_stay([{"n": n} for n in range(100)]), name="t")
    async with screen.run_test(size=(40, 12)) as pilot:
        view = await settled(screen, pilot, 100)
        before = view.scroll_offset.y
        view.scroll_up(animate=False, immediate=True)
        assert view.scroll_offset.y == before - 1
        assert lines(view)[0] == "n"
        await pilot.press(key)
    assert not screen.is_running


@pytest.mark.asyncio
async def test_errors_are_counted_and_failures_end_the_screen() -> None:
    screen = FullTable(
        come_and_stay([{"n": 1}], FluvioError("bad \x1b[2J record"), [{"n": 2}]), name="t"
    )
    async with screen.run_test() as pilot:
        await settled(screen, pilot, 2)
        assert "errors: 1: bad  [2J record" in screen.title_text()
    assert (screen.shown.errors, list(screen.shown.texts)) == (1, ["bad \x1b[2J record"])

    failing = FullTable(come([{"n": 1}], ConnectionError("gone")), name="t")
    async with failing.run_test() as pilot:
        while failing.failure is None:
            await pilot.pause()
    assert str(failing.failure) == "gone"


def test_values_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[31mb\r\n\tc\x07") == "a [31mb   c "
    assert printable("näh 漢字") == "näh 漢字"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_textual("top")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Failure, match=r"top needs textual: .* with its 'screens' extra"):
        require_textual("top")


def on_a_terminal(
    cluster: Any, arguments: list[str], until: str | tuple[str, ...], keys: str | None
) -> tuple[int, str]:
    """Run a command in a terminal of its own, type keys when it shows texts, or SIGTERM for None.

    Returns: its exit code, and all it wrote.
    """
    wanted = (until,) if isinstance(until, str) else until
    ours, theirs = pty.openpty()
    program = "from fluvio_cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**cluster.environment, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        written = ""
        typed = False
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # how a terminal says that nobody is there any more
                break
            if not data:
                break
            written += data.decode(errors="replace")
            if not typed and all(text in written for text in wanted):
                typed = True
                if keys is None:
                    process.terminate()
                else:
                    os.write(ours, keys.encode())
    os.close(ours)
    return process.returncode, written


@pytest.mark.cluster
def test_commands_fill_the_screen_of_a_terminal(local_cluster: Any, tmp_path: Any) -> None:
    topic = f"screen-{uuid.uuid4()}"
    local_cluster.fluvio("topic", "create", topic)
    local_cluster.fluvio("produce", topic, stdin='{"n": "one"}\n{"n": "two"}\n')
    consume = ["consume", topic, "-B", "-O", "full_table"]
    code, written = on_a_terminal(local_cluster, consume, "Items: 2", "q")
    assert code == 0, written
    assert "one" in written
    assert "\x1b[?1049l" in written.split("Items: 2")[-1]  # the screen from before is back
    code, written = on_a_terminal(local_cluster, consume, "Items: 2", None)
    assert (code, "\x1b[?1049l" in written.split("Items: 2")[-1]) == (0, True)
    refused = local_cluster.fluvio(*consume, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    unknown = local_cluster.fluvio("consume", topic, "--table-format", "nosuch", check=False)
    assert (unknown.returncode, unknown.stderr) == (1, "TableFormat not found: nosuch\n")
    code, written = on_a_terminal(
        local_cluster, [*consume, "--table-format", "nosuch"], "TableFormat not found: nosuch", ""
    )
    assert (code, "\x1b[?1049h" in written) == (1, False)
    code, written = on_a_terminal(
        local_cluster, ["top", "--filter", topic], ("SPUs: 2/2", topic), "q"
    )
    assert code == 0, written
    assert "\x1b[?1049l" in written.split("SPUs: 2/2")[-1]
