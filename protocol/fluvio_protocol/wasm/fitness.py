"""Whether a module is a SmartModule, and of which kind, by what it imports and exports.

Source: protocol reference 8.1. The kinds are looked for in Fluvio's order, and the first counts.
"""

from dataclasses import dataclass

from fluvio_protocol.api.error_code import SmartModuleErrorKind
from fluvio_protocol.wasm.binary import Extern, ExternKind, Interface
from fluvio_protocol.wasm.unfit import Problem, UnfitCode, shown

KINDS = {
    "filter": SmartModuleErrorKind.FILTER,
    "map": SmartModuleErrorKind.MAP,
    "filter_map": SmartModuleErrorKind.FILTER_MAP,
    "array_map": SmartModuleErrorKind.ARRAY_MAP,
    "aggregate": SmartModuleErrorKind.AGGREGATE,
}
"""The transforms, in the order in which they are looked for."""

COPY_RECORDS = "copy_records"
WASI_MODULE = "wasi_snapshot_preview1"
INITIALIZE = "_initialize"

_NAMES_MAX = 8


@dataclass(frozen=True, slots=True)
class Nature:
    """What a SmartModule is.

    kind:           name of the transform that runs
    unused_kinds:   other transforms that it exports, which never run
    takes_version:  modules of old releases do not: they read the oldest input alone
    has_init, has_look_back, has_dealloc, has_initialize: what else it exports
    needs_wasi:     it imports functions of the system
    """

    kind: str
    unused_kinds: tuple[str, ...]
    takes_version: bool
    has_init: bool
    has_look_back: bool
    has_dealloc: bool
    has_initialize: bool
    needs_wasi: bool


def nature_of(interface: Interface) -> Nature:
    """What a module is. Raises UnfitCode for one that is no SmartModule."""
    exports = interface.exports
    if _kind(exports.get("memory")) is not ExternKind.MEMORY:
        raise _wrong_exports('it exports no memory named "memory"')
    if _shape(exports.get("alloc")) != (1, 1):
        raise _wrong_exports('it exports no function "alloc" that takes and gives one i32')
    kinds = tuple(one for one in KINDS if one in exports)
    if not kinds:
        raise UnfitCode(Problem.NO_KNOWN_EXPORT, _no_known_export(exports))
    kind = kinds[0]
    shapes = {
        name: _shape(exports[name]) for name in (kind, "init", "look_back") if name in exports
    }
    for name, shape in shapes.items():
        if shape not in ((3, 1), (2, 1)):
            raise _wrong_exports(
                f'its function "{name}" does not take position, length and version'
            )
    if len(set(shapes.values())) > 1:
        raise _wrong_exports("some of its functions take a version and others do not")
    needs_wasi = _check_imports(interface)
    return Nature(
        kind,
        unused_kinds=kinds[1:],
        takes_version=shapes[kind] == (3, 1),
        has_init="init" in exports,
        has_look_back="look_back" in exports,
        has_dealloc=_shape(exports.get("dealloc")) == (2, 0),
        has_initialize=_shape(exports.get(INITIALIZE)) == (0, 0),
        needs_wasi=needs_wasi,
    )


def _no_known_export(exports: dict[str, Extern]) -> str:
    expected = ", ".join(KINDS)
    found = [shown(name) for name, one in exports.items() if one.kind is ExternKind.FUNCTION]
    named = ", ".join(found[:_NAMES_MAX])
    more = f" and {len(found) - _NAMES_MAX} more" if len(found) > _NAMES_MAX else ""
    return f"it exports none of the functions {expected}, but {named}{more}"


def _check_imports(interface: Interface) -> bool:
    """Whether it needs WASI. Raises UnfitCode for what nobody gives it."""
    has_copy_records = needs_wasi = False
    for one in interface.imports:
        if one.name == COPY_RECORDS:
            if _shape(one.extern) != (2, 0):
                raise _wrong_imports(
                    "it imports a copy_records that does not take position and length"
                )
            has_copy_records = True
        elif one.module == WASI_MODULE:
            needs_wasi = True
        else:
            wanted = f"{shown(one.module)}.{shown(one.name)}"
            raise _wrong_imports(f'it imports "{wanted}", which there is not')
    if not has_copy_records:
        raise _wrong_imports("it does not import copy_records, so nothing can come out of it")
    return needs_wasi


def _kind(extern: Extern | None) -> ExternKind | None:
    return None if extern is None else extern.kind


def _shape(extern: Extern | None) -> tuple[int, int] | None:
    return None if extern is None else extern.shape


def _wrong_exports(reason: str) -> UnfitCode:
    return UnfitCode(Problem.WRONG_EXPORTS, reason)


def _wrong_imports(reason: str) -> UnfitCode:
    return UnfitCode(Problem.WRONG_IMPORTS, reason)
