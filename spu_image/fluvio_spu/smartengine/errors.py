"""What goes wrong with modules."""

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode

HINT_BYTES_MAX = 30_000
"""Of a text in an error; a string on the wire has at most 32,767 bytes."""


class SmartModuleRefused(Exception):
    """A module, or a chain of them, cannot be used; `status` is what a client is told."""

    def __init__(self, status: ErrorStatus) -> None:
        super().__init__(str(status))
        self.status = status


class GuestFailed(Exception):
    """A call into a module did not come back well; the instance must not be used any more.

    timed_out:    it did not end in time
    out_of_memory: it wanted more memory than it may have
    """

    def __init__(self, text: str, *, timed_out: bool = False, out_of_memory: bool = False) -> None:
        super().__init__(text)
        self.timed_out = timed_out
        self.out_of_memory = out_of_memory


def cut(text: str) -> str:
    """A text that fits into an error."""
    content = text.encode()
    if len(content) <= HINT_BYTES_MAX:
        return text
    return content[:HINT_BYTES_MAX].decode(errors="ignore") + "..."


def invalid(reason: str, name: str | None = None) -> SmartModuleRefused:
    """Error 6002: this is no module that could run."""
    return SmartModuleRefused(ErrorStatus(ErrorCode.SMART_MODULE_INVALID, (cut(reason), name)))


def wrong_exports(reason: str, kind: str = "transform") -> SmartModuleRefused:
    """Error 6003: it runs, and is no SmartModule, or not of the kind that was asked for."""
    status = ErrorStatus(ErrorCode.SMART_MODULE_INVALID_EXPORTS, (cut(reason), kind))
    return SmartModuleRefused(status)


def chain_refused(reason: str) -> SmartModuleRefused:
    """Error 6005: its instance could not be made."""
    return SmartModuleRefused(ErrorStatus(ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR, (cut(reason),)))


def init_refused(reason: str) -> SmartModuleRefused:
    """Error 6006."""
    return SmartModuleRefused(ErrorStatus(ErrorCode.SMART_MODULE_INIT_ERROR, (cut(reason),)))


def look_back_refused(reason: str) -> SmartModuleRefused:
    """Error 6007."""
    return SmartModuleRefused(ErrorStatus(ErrorCode.SMART_MODULE_LOOK_BACK_ERROR, (cut(reason),)))


def memory_status(wanted_bytes: int, bytes_max: int) -> ErrorStatus:
    """Error 6008."""
    code = ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED
    return ErrorStatus(code, (wanted_bytes, bytes_max))
