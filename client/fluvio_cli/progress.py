"""What commands tell while they work: on standard error, so that pipes stay clean.

Lines are for everybody; what moves, bars and waiting signs, is for terminals only. The words and
signs are Fluvio's: ✅ fine, 🟡 worth knowing, ❌ in the way.
"""

import asyncio
import sys
from contextlib import AbstractContextManager
from typing import Any

import click

from fluvio_cli.failure import Failure
from fluvio_cli.terminal import may_move

SIGN_DELAY_S = 0.3
SIGN_STEP_S = 0.1
SIGN_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ERASE_LINE = "\r\x1b[K"


def say(text: str) -> None:
    """One line of progress."""
    click.echo(text, err=True)


class Checks:
    """Prints checks and remembers whether one failed."""

    def __init__(self) -> None:
        self.failed = False

    def passed(self, name: str, text: str) -> None:
        self._show(name, f"✅ {text}")

    def noted(self, name: str, text: str) -> None:
        self._show(name, f"🟡 {text}")

    def refused(self, name: str, text: str) -> None:
        self.failed = True
        self._show(name, f"❌ Check {name} failed {text}")

    def conclude(self) -> None:
        """Say how it went. Raises Failure when a check failed."""
        if self.failed:
            say("💔 Some pre-flight check failed!")
            raise Failure("Preflight check failed")
        say("🎉 All checks passed!")

    def _show(self, name: str, verdict: str) -> None:
        say(f"    📝 Checking {name}")
        say(f"    {verdict}")


def byte_bar(label: str, size_bytes: int) -> AbstractContextManager[Any]:
    """A bar that is told bytes with `update`; it shows itself on terminals only.

    size_bytes: of the whole; 0 when nobody knows, and there is no bar
    """
    return click.progressbar(
        length=size_bytes,
        label=label,
        file=sys.stderr,
        hidden=size_bytes == 0 or not may_move(sys.stderr),
        update_min_steps=max(1, size_bytes // 200),
    )


class WaitingSign:
    """A sign that turns while nothing comes; `rest` and `clear` go around each piece of output.

    Used within a running event loop; draws with its timers, and has no task.
    """

    def __init__(self, text: str, *, wanted: bool = True) -> None:
        """wanted: false for those who asked for no sign; it is for terminals anyhow."""
        self._text = text
        self._wanted = wanted and may_move(sys.stderr) and sys.stdout.isatty()
        self._timer: asyncio.TimerHandle | None = None
        self._drawn = 0

    def rest(self) -> None:
        """Nothing is to be shown now: turn, after a moment."""
        if self._wanted:
            self._timer = asyncio.get_running_loop().call_later(SIGN_DELAY_S, self._draw)

    def clear(self) -> None:
        """Make room."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._drawn:
            self._drawn = 0
            sys.stderr.write(ERASE_LINE)
            sys.stderr.flush()

    def _draw(self) -> None:
        frame = SIGN_FRAMES[self._drawn % len(SIGN_FRAMES)]
        self._drawn += 1
        sys.stderr.write(f"\r{frame} {self._text}")
        sys.stderr.flush()
        self._timer = asyncio.get_running_loop().call_later(SIGN_STEP_S, self._draw)
