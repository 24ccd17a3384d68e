"""The code of SmartModules, looked at without running it.

    payload --unpacking--> WebAssembly --binary--> Interface --fitness--> Nature

The controller, its adapters, clients and the command line tell bad code when it is stored; the
engine of SPUs, which has the code compiled, judges by the same `fitness`, in the same words.
Whatever the bytes are, nothing but `UnfitCode` is raised, and neither time nor memory follows from
what they claim to hold. Source: protocol reference 8.1; WebAssembly core specification, 5.
"""

from fluvio_protocol.wasm.binary import Extern, ExternKind, Import, Interface, read_interface
from fluvio_protocol.wasm.fitness import KINDS, Nature, nature_of
from fluvio_protocol.wasm.unfit import Problem, UnfitCode
from fluvio_protocol.wasm.unpacking import CODE_BYTES_MAX, unpacked

__all__ = [
    "CODE_BYTES_MAX",
    "KINDS",
    "Extern",
    "ExternKind",
    "Import",
    "Interface",
    "Nature",
    "Problem",
    "UnfitCode",
    "examined",
    "nature_of",
    "read_interface",
    "unpacked",
]


def examined(payload: bytes) -> Nature:
    """What a module is, from its code as it is stored, gzip or plain. Raises UnfitCode."""
    return nature_of(read_interface(unpacked(payload)))
