"""Prints what a consumer hands out, until it ends. Called by `consume`.

Everything that was printed counts as consumed, and nothing else: offsets are marked when the text
is with the operating system.
"""

import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import click

from fluvio_cli.failure import Failure
from fluvio_cli.progress import WaitingSign
from fluvio_cli.record_format import Formatter
from fluvio_cli.terminal import discard_output

if TYPE_CHECKING:
    from fluvio_client.consumer.consumer import Consumer, Record
    from fluvio_client.errors import FluvioError

END_REACHED = "End-offset has been reached; exiting"
STREAM_CLOSED = "Consumer stream has closed"


class ErrorAction(StrEnum):
    """What to do about an error among the records."""

    STOP = "stop"
    """say it and end"""
    SKIP = "skip"
    """go on, and say in the end how many there were"""
    CONTINUE = "continue"
    """say it and go on, and fail in the end"""

    @property
    def of_consumer(self) -> str:
        """The setting of a consumer with which it hands errors out accordingly."""
        return {"stop": "raise", "skip": "skip", "continue": "yield"}[self.value]


@dataclass(slots=True)
class RecordOutput:
    """Where records go, and when it is enough.

    end:      an offset behind which a command that follows stops, in whichever partition
    follow:   the consumer has no end of its own
    managed:  offsets are stored
    """

    formatter: Formatter
    sign: WaitingSign
    end: int | None
    follow: bool
    managed: bool
    errors: int = 0

    async def run(self, consumer: "Consumer[Record | FluvioError]") -> None:
        """Print until the records end. Raises what the consumer raises, and OSError."""
        from fluvio_client import FluvioError

        end_reached = False
        self.sign.rest()
        try:
            async for found in consumer.batches():
                self.sign.clear()
                if isinstance(found, FluvioError):
                    self.errors += 1
                    click.echo(str(found), err=True)
                else:
                    self._print(found)
                    if self.managed:
                        await consumer.commit()
                    if self.end is not None and found.tuples[-1][0] >= self.end:
                        end_reached = True
                        if self.follow:
                            break
                self.sign.rest()
        finally:
            self.sign.clear()
        if end_reached:
            click.echo(END_REACHED, err=True)
        elif self.follow and consumer.config.max_records is None:
            click.echo(STREAM_CLOSED, err=True)

    def conclude(self, consumer: "Consumer[Record | FluvioError]") -> None:
        """What is to be said of errors in the end. Raises: Failure when some were shown."""
        skipped = consumer.stats().errors_skipped
        if skipped:
            click.echo(f"{_errors(skipped)} skipped", err=True)
        if self.errors:
            raise Failure(f"{_errors(self.errors)} among the records")

    def _print(self, batch: "Iterable[Record]") -> None:
        out = sys.stdout
        shown = "".join([text for text in map(self.formatter, batch) if text is not None])
        try:
            try:
                out.write(shown)
            except UnicodeEncodeError:  # half a surrogate pair, or letters that LANG does not have
                encoding = out.encoding or "utf-8"
                out.write(shown.encode(encoding, "replace").decode(encoding))
            out.flush()
        except BrokenPipeError as error:  # before click sees it, which would make it a failure
            discard_output()
            raise click.exceptions.Exit(128 + signal.SIGPIPE) from error


def _errors(count: int) -> str:
    return f"{count} error{'' if count == 1 else 's'}"
