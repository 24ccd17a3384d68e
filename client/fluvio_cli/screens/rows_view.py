"""A table that scrolls, of which only the rows in sight are drawn. Used by all screens.

The heading stays at the top. One row is chosen, by the arrows, PageUp and PageDown (5 rows), Home
and End; while the last one is chosen, the view goes along with rows that are added. Whatever
could move a terminal's cursor is shown as a space: values come from anybody.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from fluvio_cli.record_table import Align, Column

PAGE_ROWS = 5
CELL_COLUMNS_MAX = 60
GAP = "  "


class Rows(Protocol):
    """What is shown."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Headings, in order."""

    @property
    def count(self) -> int:
        """Rows that are there."""

    def window(self, first: int, count: int) -> Sequence[tuple[str, ...]]:
        """Cells of so many rows, or fewer at the end."""


class RowsView(ScrollView, can_focus=True):
    """Shows rows; call `show` when they have changed."""

    DEFAULT_CSS = "RowsView { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", f"move(-{PAGE_ROWS})", show=False),
        Binding("pagedown", f"move({PAGE_ROWS})", show=False),
        Binding("home", "first", show=False),
        Binding("end", "last", show=False),
    ]

    def __init__(self, rows: Rows, *, follow: bool, id: str | None = None) -> None:
        """follow: begin with the last row chosen, and stay with it."""
        super().__init__(id=id)
        self._rows = rows
        self._widths: dict[Column, int] = {}
        self._follow = follow
        self.chosen = 0

    def show(self) -> None:
        """Draw what is there now."""
        last = max(0, self._rows.count - 1)
        self.chosen = last if self._follow else min(self.chosen, last)
        self._widen()
        width = sum(self._widths[column] + len(GAP) for column in self._rows.columns)
        self.virtual_size = Size(width, self._rows.count + 1)
        self._keep_in_sight()
        self.refresh()

    def action_move(self, rows: int) -> None:
        """Choose another row."""
        self._choose(self.chosen + rows)

    def action_first(self) -> None:
        """Choose the first row."""
        self._choose(0)

    def action_last(self) -> None:
        """Choose the last row."""
        self._choose(self._rows.count - 1)

    def render_line(self, y: int) -> Strip:
        """A line of the widget: the heading, then rows."""
        left, top = self.scroll_offset
        columns = self._rows.columns
        base = self.rich_style
        if y == 0:
            line = Strip(
                [
                    Segment(
                        self._cell(column, column.label),
                        base + Style(bold=True, color=column.foreground, bgcolor=column.background),
                    )
                    for column in columns
                ]
            )
        else:
            place = top + y - 1
            found = self._rows.window(place, 1)
            style = base + Style(reverse=place == self.chosen)
            cells = found[0] if found else ()
            text = "".join(
                self._cell(column, cell) for column, cell in zip(columns, cells, strict=False)
            )
            line = Strip([Segment(text, style)])
        return line.crop_extend(left, left + self.size.width, base)

    def _cell(self, column: Column, text: str) -> str:
        width = self._widths.get(column, cell_len(column.label))
        text = printable(text)
        if cell_len(text) > width:
            return set_cell_size(text, max(0, width - 1)) + "…" * (width > 0) + GAP
        free = width - cell_len(text)
        before = {Align.LEFT: 0, Align.RIGHT: free, Align.CENTER: free // 2}[column.align]
        return " " * before + text + " " * (free - before) + GAP

    def _widen(self) -> None:
        """Columns without a width of their own are as wide as what was in sight so far."""
        columns = self._rows.columns
        for column in columns:
            if column not in self._widths:
                self._widths[column] = column.width or cell_len(column.label)
        top = min(self.scroll_offset.y, max(0, self._rows.count - 1))
        if self._follow:
            top = max(0, self._rows.count - self.size.height)
        for cells in self._rows.window(top, max(1, self.size.height)):
            for column, cell in zip(columns, cells, strict=False):
                if column.width is None:
                    needed = min(CELL_COLUMNS_MAX, cell_len(printable(cell)))
                    self._widths[column] = max(self._widths[column], needed)

    def _choose(self, row: int) -> None:
        self.chosen = max(0, min(row, self._rows.count - 1))
        self._follow = self.chosen >= self._rows.count - 1
        self._widen()
        self._keep_in_sight()
        self.refresh()

    def _keep_in_sight(self) -> None:
        height = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self.chosen < top:
            top = self.chosen
        elif self.chosen >= top + height:
            top = self.chosen - height + 1
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The mouse moved the view: the heading is drawn anew too."""
        super().watch_scroll_y(old_value, new_value)
        self.refresh(Region(0, 0, self.size.width, self.size.height))


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
