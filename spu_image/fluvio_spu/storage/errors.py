"""What a log can answer instead of doing what it was asked.

    StorageError           the disk did not do what it should
      OffsetOutOfRange     past the log end
        OffsetEvicted      below the log start: retention took it
      CopiedRecordsDoNotFit   not what comes next in a copy of another log
      BatchTooBig          larger than a batch or a segment may be
      OutOfStorage         no space; nothing was kept, the next append may succeed
      CorruptSegment       bytes on disk that are no valid batch, by file and position
      SegmentInUse         cannot cut while readers hold views of the bytes
      LogFailed            closed, or an error left it unsafe to write: until reopened, reads only

Raised throughout `storage/`; `replica/` and the doors map them to the wire by their `code`.
"""

import errno
from typing import ClassVar

from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.types import Offset

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class StorageError(FluvioError):
    """Root of this package's errors; by itself, an operation that the disk refused."""

    code: ClassVar[ErrorCode] = ErrorCode.STORAGE_ERROR


class OffsetOutOfRange(StorageError):
    """An offset outside of the log. start and end say what the log holds: `[start, end)`."""

    code: ClassVar[ErrorCode] = ErrorCode.OFFSET_OUT_OF_RANGE

    def __init__(self, offset: Offset, *, start: Offset, end: Offset) -> None:
        super().__init__(f"offset {offset} is not within [{start}, {end}]")
        self.offset = offset
        self.start = start
        self.end = end


class OffsetEvicted(OffsetOutOfRange):
    """An offset that retention removed; next_available is the oldest one still here."""

    code: ClassVar[ErrorCode] = ErrorCode.OFFSET_EVICTED

    @property
    def next_available(self) -> Offset:
        return self.start


class CopiedRecordsDoNotFit(StorageError):
    """What another log sent is not what comes behind `log_end`; nothing of it was kept."""

    def __init__(self, reason: str, *, log_end: Offset) -> None:
        super().__init__(f"copied records do not fit behind offset {log_end}: {reason}")
        self.log_end = log_end
        self.reason = reason


class BatchTooBig(StorageError):
    """A batch larger than the log takes."""

    code: ClassVar[ErrorCode] = ErrorCode.MESSAGE_TOO_LARGE

    def __init__(self, size_bytes: int, *, size_bytes_max: int) -> None:
        super().__init__(f"batch of {size_bytes} bytes: this log takes {size_bytes_max} at most")
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max


class OutOfStorage(StorageError):
    """The disk or the quota is full. The log is as it was before."""

    code: ClassVar[ErrorCode] = ErrorCode.PARTITION_FULL
    retriable: ClassVar[bool] = True


class CorruptSegment(StorageError):
    """A file whose bytes at `position` are no valid batch where one must be."""

    def __init__(self, file: str, *, position: int, reason: str) -> None:
        super().__init__(f"{file} is damaged at byte {position}: {reason}")
        self.file = file
        self.position = position
        self.reason = reason


class SegmentInUse(StorageError):
    """Views of bytes that are to be cut off are still held; release them and try again."""

    retriable: ClassVar[bool] = True


class LogFailed(StorageError):
    """Writing is refused until the log is opened again; reading goes on where it can."""

    code: ClassVar[ErrorCode] = ErrorCode.PARTITION_SHORT_CIRCUITED


def is_out_of_space(error: OSError) -> bool:
    """Whether the operating system says that there is no room (disk or quota)."""
    return error.errno in _NO_SPACE


def storage_error(error: OSError, doing: str) -> StorageError:
    """The error that a caller of this package sees for one of the operating system's."""
    kind = OutOfStorage if is_out_of_space(error) else StorageError
    return kind(f"{doing}: {error.strerror or error}")
