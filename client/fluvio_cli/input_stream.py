"""Input read while it comes: chunks and lines of a file, a pipe or a terminal.

A thread reads with the operating system's own call. Nobody waits for it, so a command that is
interrupted ends although nothing comes any more. At most CHUNKS_MAX chunks are read ahead.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO

from fluvio_cli.failure import Failure

READ_SIZE_BYTES = 256 * 1024
CHUNKS_MAX = 4
LINE_BYTES_MAX = 64 * 1024 * 1024
"""A line longer than any record can be is refused while it is read, not when memory is full."""


async def chunks(source: BinaryIO) -> AsyncIterator[bytes]:
    """Pieces of at most READ_SIZE_BYTES as soon as they are there. Raises: OSError."""
    loop = asyncio.get_running_loop()
    came: asyncio.Queue[bytes | OSError] = asyncio.Queue(CHUNKS_MAX)
    room = threading.Semaphore(CHUNKS_MAX)
    wanted = True
    file = source.fileno()

    def read() -> None:
        chunk: bytes | OSError = b"-"
        while chunk and not isinstance(chunk, OSError):
            room.acquire()
            if not wanted:
                return
            try:
                chunk = os.read(file, READ_SIZE_BYTES)
            except OSError as error:
                chunk = error
            try:
                loop.call_soon_threadsafe(came.put_nowait, chunk)
            except RuntimeError:  # the loop is closed: nobody reads on
                return

    threading.Thread(target=read, name="input", daemon=True).start()
    try:
        while chunk := await came.get():
            if isinstance(chunk, OSError):
                raise chunk
            yield chunk
            room.release()
    finally:
        wanted = False
        room.release()


async def lines(
    source: BinaryIO, *, on_bytes: Callable[[int], None] = lambda count: None
) -> AsyncIterator[bytes]:
    """Lines without their ends; on_bytes is told how many bytes were read.

    Raises: Failure for a line that no record can hold, OSError.
    """
    rest: list[bytes] = []
    rest_bytes = 0
    async for chunk in chunks(source):
        on_bytes(len(chunk))
        first, *others = chunk.split(b"\n")
        rest.append(first)
        rest_bytes += len(first)
        if others:
            yield b"".join(rest).removesuffix(b"\r")
            for line in others[:-1]:
                yield line.removesuffix(b"\r")
            rest, rest_bytes = [others[-1]], len(others[-1])
        if rest_bytes > LINE_BYTES_MAX:
            raise Failure(f"a line is longer than {LINE_BYTES_MAX} bytes")
    last = b"".join(rest)
    if last:
        yield last.removesuffix(b"\r")


async def whole(source: BinaryIO, *, size_bytes_max: int) -> bytes:
    """All of it. Raises: Failure when it is larger, OSError."""
    pieces: list[bytes] = []
    size_bytes = 0
    async for chunk in chunks(source):
        pieces.append(chunk)
        size_bytes += len(chunk)
        if size_bytes > size_bytes_max:
            raise Failure(f"the input is larger than {size_bytes_max} bytes")
    return b"".join(pieces)
