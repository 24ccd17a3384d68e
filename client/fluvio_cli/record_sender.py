"""Sends lines of input as records. Called by `produce`.

At a terminal each line is acknowledged before the next prompt. Otherwise lines are pipelined: they
are read and sent while earlier ones are on their way, and the first failure names its line.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fluvio_cli.failure import Failure
from fluvio_cli.record_input import BadLine, InputRecord, LineReader, LineWithoutSeparator
from fluvio_cli.terminal import styled
from fluvio_cli.transforms import refusal_text

if TYPE_CHECKING:
    from fluvio_client.producer.delivery import Delivery
    from fluvio_client.producer.producer import Producer

PROMPT = "> "
ACKNOWLEDGED = "Ok!"


@dataclass(slots=True)
class RecordSender:
    """One input to one topic.

    verbose:   show records that have keys
    count_max: send no more records than that
    rate:      and no more in a second than that
    """

    producer: "Producer"
    read: LineReader
    partition: int | None = None
    verbose: bool = False
    count_max: int | None = None
    rate: float | None = None
    _count: int = 0
    _begun_s: float = 0.0

    async def converse(self, lines: AsyncIterator[bytes]) -> None:
        """Prompt, send, say Ok; until the end of input. A line that is no record is told."""
        while self._more():
            click.echo(PROMPT, nl=False, err=True)
            line = await anext(lines, None)
            if line is None:
                break
            try:
                record = self.read(line)
            except BadLine as error:
                click.echo(str(error), err=True)
                continue
            await self._send(record)
            await self._flush()
            self._acknowledge()
        self._acknowledge()

    async def send_whole(self, value: bytes) -> None:
        """The whole input as one record. Raises: Failure when it is none."""
        try:
            record = self.read(value)
        except BadLine as error:
            raise Failure(str(error)) from error
        await self._send(record)
        await self._flush()

    async def pipeline(self, lines: AsyncIterator[bytes]) -> None:
        """Send all lines; raises Failure with the number of the first one that was not stored."""
        from fluvio_client import FluvioError

        under_way: deque[tuple[int, Delivery]] = deque()
        number = place = 0
        failure: Failure | None = None
        read, send = self.read, self._send
        try:
            async for line in lines:
                number += 1
                try:
                    under_way.append((number, await send(read(line))))
                except LineWithoutSeparator as error:
                    click.echo(str(error), err=True)
                except (BadLine, FluvioError) as error:
                    failure = _failure(error, number)
                    break
                while under_way and under_way[0][1].done:
                    place, delivery = under_way.popleft()
                    delivery.result()
                if not self._more():
                    break
            with contextlib.suppress(FluvioError):  # a failure is told below, with its line
                await self.producer.flush()  # nothing more will come: what lingers need not
            while under_way:
                place, delivery = under_way.popleft()
                await delivery
        except FluvioError as error:
            raise _failure(error, _line_of(error, place, under_way)) from error
        if failure is not None:
            raise failure

    async def _flush(self) -> None:
        """Wait for the record that was sent. Raises: FluvioError, or Failure in one line."""
        from fluvio_client.errors import SmartModuleRuntimeError

        try:
            await self.producer.flush()
        except SmartModuleRuntimeError as error:
            raise Failure(refusal_text(error)) from error

    def _more(self) -> bool:
        return self.count_max is None or self._count < self.count_max

    async def _send(self, record: InputRecord) -> "Delivery":
        if self.rate is not None:
            await self._pace(self.rate)
        self._count += 1
        key, value, timestamp = record
        delivery = await self.producer.send(
            value, key=key, partition=self.partition, timestamp=timestamp
        )
        if self.verbose and key is not None:
            click.echo(f"[{key.decode(errors='replace')}] {value.decode(errors='replace')}")
        return delivery

    async def _pace(self, rate: float) -> None:
        """Wait until the next record is due, counted from the first one."""
        loop = asyncio.get_running_loop()
        if not self._count:
            self._begun_s = loop.time()
        early_s = self._begun_s + self._count / rate - loop.time()
        if early_s > 0:
            await asyncio.sleep(early_s)

    def _acknowledge(self) -> None:
        click.echo(styled(ACKNOWLEDGED, sys.stdout, fg="green"))


def _failure(error: Exception, number: int) -> Failure:
    from fluvio_client.errors import SmartModuleRuntimeError

    text = refusal_text(error) if isinstance(error, SmartModuleRuntimeError) else str(error)
    return Failure(f"{text} (line {number})")


def _line_of(error: Exception, first: int, behind: "Iterable[tuple[int, Delivery]]") -> int:
    """The line that an error is about, when the record of line `first` was lost by it.

    A SmartModule's is about one record, and all of its batch are lost; it says which one it was.
    """
    from fluvio_client.errors import SmartModuleRuntimeError

    if not isinstance(error, SmartModuleRuntimeError):
        return first
    batch = [first, *(number for number, delivery in behind if _lost_by(error, delivery))]
    return batch[error.offset] if 0 <= error.offset < len(batch) else first


def _lost_by(error: Exception, delivery: "Delivery") -> bool:
    from fluvio_client import FluvioError

    try:
        if delivery.done:
            delivery.result()
    except FluvioError as found:
        return found is error
    return False
