"""The screen of `fluvio top`: topics, consumers and SPUs, live.

`q`, Escape and Ctrl-C end it, `o` puts topics in another order, `s` shows system topics too, Tab
goes to the next table. `/` asks for a part of topics' names: Enter keeps it, Escape forgets it.
Asks its model for rows at every interval, and feeds it nothing.
"""

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from fluvio_cli.record_table import Column
from fluvio_cli.screens.rows_view import RowsView, printable
from fluvio_cli.screens.top_model import ClusterModel
from fluvio_cli.screens.top_text import (
    CONSUMER_COLUMNS,
    SPU_COLUMNS,
    TOPIC_COLUMNS,
    consumer_cells,
    rate_text,
    spu_cells,
    topic_cells,
)


class CellRows:
    """Rows for a view."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self.cells: Sequence[tuple[str, ...]] = ()

    @property
    def count(self) -> int:
        """Rows that are there."""
        return len(self.cells)

    def window(self, first: int, count: int) -> Sequence[tuple[str, ...]]:
        """Cells of so many rows, or fewer at the end."""
        return self.cells[first : first + count]


class Top(App[None]):
    """Shows a model that somebody feeds."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title { height: 1; background: $primary; color: $text; text-style: bold; }
    #filter { height: 1; border: none; padding: 0; display: none; }
    RowsView { margin-top: 1; }
    #topics { height: 2fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "quit", priority=True),
        Binding("q", "quit"),
        Binding("escape", "leave"),
        Binding("o", "order"),
        Binding("s", "system"),
        Binding("slash", "filter"),
    ]

    def __init__(
        self,
        model: ClusterModel,
        *,
        cluster: str,
        interval_s: float = 1.0,
        feed: Callable[[], Coroutine[Any, Any, None]] | None = None,
        problem: Callable[[], str | None] = lambda: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """feed: runs while the screen is there; problem: what keeps it from hearing news."""
        super().__init__()
        self.failure: BaseException | None = None
        self._model = model
        self._cluster = cluster
        self._interval_s = interval_s
        self._feed = feed
        self._problem = problem
        self._now_s = now_s
        self._topics = CellRows(TOPIC_COLUMNS)
        self._consumers = CellRows(CONSUMER_COLUMNS)
        self._spus = CellRows(SPU_COLUMNS)

    def compose(self) -> ComposeResult:
        """A title above three tables."""
        yield Static(id="title", markup=False)
        yield Input(self._model.part, placeholder="part of topics' names", id="filter")
        yield RowsView(self._topics, follow=False, id="topics")
        yield RowsView(self._consumers, follow=False, id="consumers")
        yield RowsView(self._spus, follow=False, id="spus")

    def on_mount(self) -> None:
        """Begin to hear, and to draw."""
        self.query_one("#topics").focus()
        self.draw()
        self.set_interval(self._interval_s, self.draw)
        if self._feed is not None:
            self.run_worker(self._fed(self._feed), exit_on_error=False)

    def on_resize(self) -> None:
        """Columns may need more room."""
        self.draw()

    def draw(self) -> None:
        """Show what the model says now."""
        now_s, model = self._now_s(), self._model
        self._topics.cells = [topic_cells(row) for row in model.topics(now_s)]
        self._consumers.cells = [consumer_cells(row) for row in model.consumers(now_s)]
        self._spus.cells = [spu_cells(row) for row in model.spus(now_s)]
        self.query_one("#title", Static).update(self.title_text())
        for view in self.query(RowsView):
            view.show()

    def title_text(self) -> str:
        """Totals, keys, and what is wrong."""
        totals = self._model.totals(self._now_s())
        offline = f" ({totals.offline} OFFLINE)" * bool(totals.offline)
        text = (
            f"{printable(self._cluster)} | topics: {totals.topics} | "
            f"partitions: {totals.partitions}{offline} | "
            f"SPUs: {totals.spus_online}/{totals.spus} | "
            f"in: {rate_text(totals.in_rate)}/s | out: {rate_text(totals.out_rate)}/s | "
            f"q: quit, o: order ({self._model.order}), s: system topics, /: filter"
        )
        if self._model.part:
            text += f" ({printable(self._model.part)})"
        problem = self._problem()
        return f"{printable(problem)} | {text}" if problem else text

    def action_order(self) -> None:
        """Put topics in the next order."""
        self._model.order = self._model.order.following
        self.draw()

    def action_filter(self) -> None:
        """Ask for a part of the names of topics."""
        asked = self.query_one(Input)
        asked.display = True
        asked.focus()

    def action_leave(self) -> None:
        """Forget what was asked for, or end when nothing was."""
        if self.query_one(Input).has_focus:
            self.query_one(Input).value = ""
            self._close_filter()
        else:
            self.exit()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show only topics of whose names this is a part."""
        self._model.part = event.value
        self.draw()

    def on_input_submitted(self) -> None:
        """Keep it."""
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one(Input).display = False
        self.query_one("#topics").focus()

    def action_system(self) -> None:
        """Show system topics, or hide them again."""
        self._model.with_system = not self._model.with_system
        self.draw()

    async def _fed(self, feed: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await feed()
        except Exception as error:  # the terminal is restored before it is said
            self.failure = error
            self.exit()
