"""What commands tell while they work: one line each, on standard error, so that pipes stay clean.

Called by the `cluster` commands. The words and signs are Fluvio's: ✅ fine, 🟡 worth knowing,
❌ in the way.
"""

import click

from fluvio_cli.failure import Failure


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
