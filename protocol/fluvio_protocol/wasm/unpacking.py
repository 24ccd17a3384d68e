"""From a payload, gzip or plain, to WebAssembly: never more of it than the limit."""

import zlib

from fluvio_protocol.wasm.unfit import Problem, UnfitCode

CODE_BYTES_MAX = 64 << 20
"""Unpacked. Ours: a hundred times what real modules have."""

_MAGIC = b"\0asm"
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW_BITS = 31


def unpacked(payload: bytes) -> bytes:
    """Plain WebAssembly, as far as its first four bytes say. Raises UnfitCode."""
    code = payload
    if payload.startswith(_GZIP):
        unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
        try:
            code = unpacker.decompress(payload, CODE_BYTES_MAX + 1)
        except zlib.error as error:
            raise UnfitCode(Problem.NOT_GZIP, f"it does not unpack: {error}") from None
        if len(code) <= CODE_BYTES_MAX and not unpacker.eof:
            raise UnfitCode(Problem.NOT_GZIP, "it is cut short")
    if len(code) > CODE_BYTES_MAX:
        verb = "has" if code is payload else "unpacks to"
        raise UnfitCode(Problem.TOO_LARGE, f"it {verb} more than {CODE_BYTES_MAX} bytes")
    if not code.startswith(_MAGIC):
        raise UnfitCode(Problem.NOT_WASM, "this is no WebAssembly" if code else "it is empty")
    return code
