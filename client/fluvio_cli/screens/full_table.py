"""The screen of `consume -O full-table`: a row per record, or per primary key, as records come.

`q`, Escape and Ctrl-C end it, `c` forgets the rows. It stays when the records have ended, until
somebody has seen them. Errors among the records are counted in the title, and said afterwards.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from fluvio_cli.record_table import Column, RecordTable
from fluvio_cli.screens.rows_view import RowsView, printable
from fluvio_cli.screens.run_screen import run_screen

if TYPE_CHECKING:
    from fluvio_client.consumer.consumer import Record
    from fluvio_client.errors import FluvioError

DRAWINGS_PER_S = 10
ERRORS_KEPT_MAX = 20


@dataclass(slots=True)
class Shown:
    """What a screen has shown.

    errors: among the records, counted; the newest ones are in `texts`
    """

    errors: int = 0
    texts: deque[str] = field(default_factory=lambda: deque(maxlen=ERRORS_KEPT_MAX))


class FullTable(App[None]):
    """Reads records while it is there."""

    ENABLE_COMMAND_PALETTE = False
    CSS = "#title { height: 1; background: $primary; color: $text; text-style: bold; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape,ctrl+c,ctrl+q", "quit", priority=True),
        Binding("c", "clear"),
    ]

    def __init__(
        self,
        records: "AsyncIterator[Iterable[Record] | FluvioError]",
        *,
        name: str,
        columns: tuple[Column, ...] = (),
        suppress_unknown: bool = False,
    ) -> None:
        """records: batches, or errors among them; name: of what they are records of."""
        super().__init__()
        self.rows = RecordTable(columns)
        self.shown = Shown()
        self.failure: Exception | None = None
        self._records = records
        self._of = name
        self._suppress_unknown = suppress_unknown
        self._changed = True
        self._ended = False

    def compose(self) -> ComposeResult:
        """A title above the rows."""
        yield Static(id="title", markup=False)
        yield RowsView(self.rows, follow=True, id="rows")

    def on_mount(self) -> None:
        """Begin to read, and to draw what was read."""
        self.query_one(RowsView).focus()
        self.draw()
        self.set_interval(1 / DRAWINGS_PER_S, self.draw)
        self.run_worker(self._read(), exit_on_error=False)

    def on_resize(self) -> None:
        """Columns may need more room."""
        self._changed = True

    def draw(self) -> None:
        """Show what has changed since the last time."""
        if not self._changed:
            return
        self._changed = False
        self.query_one("#title", Static).update(self.title_text())
        self.query_one(RowsView).show()

    def title_text(self) -> str:
        """The keys, and how much there is."""
        text = f"Records of '{printable(self._of)}' | q: quit, c: clear | Items: {self.rows.count}"
        if self.rows.refused_count and not self._suppress_unknown:
            text += f" | no JSON object: {self.rows.refused_count}"
        if self.shown.errors:
            text += f" | errors: {self.shown.errors}: {printable(self.shown.texts[-1])}"
        return text + " | end" * self._ended

    def action_clear(self) -> None:
        """Forget the rows."""
        self.rows.clear()
        self._changed = True
        self.draw()

    async def _read(self) -> None:
        from fluvio_client import FluvioError

        try:
            async for found in self._records:
                if isinstance(found, FluvioError):
                    self.shown.errors += 1
                    self.shown.texts.append(str(found))
                else:
                    for record in found:
                        self.rows.add(record.value)
                self._changed = True
        except Exception as error:  # whatever it is, the terminal is restored before it is said
            self.failure = error
            self.exit()
            return
        self._ended = self._changed = True


async def show_full_table(
    records: "AsyncIterator[Iterable[Record] | FluvioError]",
    *,
    name: str,
    columns: tuple[Column, ...] = (),
    suppress_unknown: bool = False,
) -> Shown:
    """Fill the screen until somebody has enough.

    records: batches of a consumer, or errors among them
    name:    of the topics, for the title
    columns: of a table format; with none, the keys of the objects
    Raises:  what reading the records raises, after the terminal is as it was before.
    """
    screen = FullTable(records, name=name, columns=columns, suppress_unknown=suppress_unknown)
    await run_screen(screen)
    if screen.failure is not None:
        raise screen.failure
    return screen.shown
