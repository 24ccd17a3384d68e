"""Bytes of a log that are not in the page cache are read ahead in a thread, never on the loop.

Sending a slice that lies on disk would stop every connection for the time of the read. The kernel
is asked, page by sample, whether it has the bytes (`RWF_NOWAIT`); if not, a worker reads them.
"""

import os

_SAMPLE_DISTANCE_BYTES = 256 * 1024
_READ_SIZE_BYTES = 1 << 20
_ASK_AHEAD_BYTES = 8 << 20
_PROBE = bytearray(1)
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)


def is_cached(fd: int, position: int, size: int) -> bool:
    """Whether those bytes are likely in memory; True also where the system cannot tell."""
    if _NOWAIT is None:
        return True
    last = position + size - 1
    try:
        for sample in range(position, last, _SAMPLE_DISTANCE_BYTES):
            os.preadv(fd, [_PROBE], sample, _NOWAIT)
        os.preadv(fd, [_PROBE], last, _NOWAIT)
    except BlockingIOError:
        return False
    except OSError:  # not supported by this file system
        return True
    return True


def read_ahead(fd: int, position: int, size: int) -> None:
    """Bring those bytes into the page cache, and ask for more of what follows.

    Runs in a worker thread; `fd` must stay open meanwhile.
    """
    end = position + size
    os.posix_fadvise(fd, position, size + _ASK_AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
    buffer = bytearray(min(size, _READ_SIZE_BYTES))
    while position < end:
        count = os.preadv(fd, [buffer], position)
        if not count:
            return
        position += count
