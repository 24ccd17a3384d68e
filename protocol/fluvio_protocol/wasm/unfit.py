"""Why some bytes are no SmartModule."""

from enum import StrEnum

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode, FluvioError

REASON_BYTES_MAX = 30_000
"""Of a text in an error; a string on the wire has at most 32,767 bytes."""

_NAME_LENGTH_MAX = 60


class Problem(StrEnum):
    """What is wrong, in one word for machines. Source: kubernetes reference 2.7."""

    NOT_GZIP = "NotGzip"
    """it begins as gzip, and cannot be unpacked"""
    TOO_LARGE = "TooLarge"
    NOT_WASM = "NotWasm"
    """no WebAssembly at all, or damaged"""
    NO_KNOWN_EXPORT = "NoKnownExport"
    """WebAssembly that exports no transform"""
    WRONG_EXPORTS = "WrongExports"
    """what goes with a transform is missing or is called otherwise"""
    WRONG_IMPORTS = "WrongImports"


class UnfitCode(FluvioError):
    """A payload that no SPU could run as a SmartModule; the text says why."""

    def __init__(self, problem: Problem, reason: str) -> None:
        super().__init__(reason)
        self.problem = problem
        self.reason = reason

    def status(self, name: str | None = None) -> ErrorStatus:
        """What an SPU answers that is asked to run it: 6003 for its exports, else 6002.

        name: of the module, where it is known
        """
        reason = cut(self.reason)
        if self.problem in (Problem.NO_KNOWN_EXPORT, Problem.WRONG_EXPORTS):
            return ErrorStatus(ErrorCode.SMART_MODULE_INVALID_EXPORTS, (reason, "transform"))
        return ErrorStatus(ErrorCode.SMART_MODULE_INVALID, (reason, name))


def cut(text: str) -> str:
    """A text that fits into an error."""
    content = text.encode()
    if len(content) <= REASON_BYTES_MAX:
        return text
    return content[:REASON_BYTES_MAX].decode(errors="ignore") + "..."


def shown(name: str) -> str:
    """A name from a module for a text: short, and nothing that a terminal would obey."""
    if len(name) > _NAME_LENGTH_MAX:
        name = f"{name[:_NAME_LENGTH_MAX]}..."
    return name if name.isprintable() else ascii(name)[1:-1]
