"""What WebAssembly imports and exports, read from its binary form.

Only what stands in the way is read: types, imports, the functions' types, exports. Bodies of
functions and data are stepped over, so a module that passes may still be refused by the compiler.
Lists are read item by item until the bytes end, never by the count that stands before them, and
have limits. Source: WebAssembly core specification 3.0, 5.3 to 5.5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn, TypeVar

from fluvio_protocol.wasm.unfit import Problem, UnfitCode, shown

TYPES_MAX = IMPORTS_MAX = EXPORTS_MAX = 100_000
FUNCTIONS_MAX = 1_000_000
"""Ours. Modules from Rust have some hundred types and some thousand functions."""

Shape = tuple[int, int]
"""How many numbers a function takes and gives, all of them i32."""

_HEADER_BYTES = 8
_VERSION = b"\1\0\0\0"
_COMPONENT_VERSION = b"\x0d\0\1\0"
_CUSTOM, _TYPE, _IMPORT, _FUNCTION, _EXPORT, _CODE = 0, 1, 2, 3, 7, 10
_SECTION_ORDER = (_TYPE, _IMPORT, _FUNCTION, 4, 5, 13, 6, _EXPORT, 8, 9, 12, _CODE, 11)
_RANKS = {section: rank for rank, section in enumerate(_SECTION_ORDER)}
_I32 = 0x7F
_REFERENCES = (0x63, 0x64)
_ONE_BYTE_TYPES = range(0x41, 0x80)
_FUNCTION_TYPE, _STRUCT_TYPE, _ARRAY_TYPE = 0x60, 0x5F, 0x5E
_SUB_TYPES = (0x4F, 0x50)
_RECURSIVE_TYPES = 0x4E
_PACKED_TYPES = (0x77, 0x78)

Item = TypeVar("Item")


class ExternKind(IntEnum):
    """What goes in and out of a module, by its byte in the binary form."""

    FUNCTION = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3
    TAG = 4


@dataclass(frozen=True, slots=True)
class Extern:
    """Something imported or exported. shape: None for what is no function of i32 alone."""

    kind: ExternKind
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """Something that a module wants, and the module that it wants it from."""

    module: str
    name: str
    extern: Extern


@dataclass(frozen=True, slots=True)
class Interface:
    """All that a module wants and offers."""

    imports: tuple[Import, ...]
    exports: dict[str, Extern]


def read_interface(code: bytes) -> Interface:
    """What a module imports and exports. Raises UnfitCode for bytes that are no whole module."""
    sections = _sections(code)
    types = _read(sections, _TYPE, _types) or []
    imports = _read(sections, _IMPORT, lambda cursor: _imports(cursor, types)) or []
    exports = _read(sections, _EXPORT, _exports) or {}
    imported = [one.extern for one in imports if one.extern.kind is ExternKind.FUNCTION]
    wanted = {index for kind, index in exports.values() if kind is ExternKind.FUNCTION}
    own = {index - len(imported) for index in wanted if index >= len(imported)}
    shapes = _read(sections, _FUNCTION, lambda cursor: _function_shapes(cursor, types, own)) or {}
    bodies = _read(sections, _CODE, lambda cursor: cursor.count(FUNCTIONS_MAX), whole=False) or 0
    functions = _read(sections, _FUNCTION, lambda one: one.count(FUNCTIONS_MAX), whole=False) or 0
    if bodies != functions:
        _damaged(f"it has {functions} functions, and the bodies of {bodies}")

    def extern(kind: ExternKind, index: int) -> Extern:
        if kind is not ExternKind.FUNCTION:
            return Extern(kind)
        if index < len(imported):
            return imported[index]
        if index - len(imported) not in shapes:
            _damaged(f"it exports function {index}, which there is not")
        return Extern(kind, shapes[index - len(imported)])

    return Interface(
        imports=tuple(imports), exports={name: extern(*what) for name, what in exports.items()}
    )


def _damaged(reason: str) -> NoReturn:
    raise UnfitCode(Problem.NOT_WASM, reason)


class _Cursor:
    """A position in a part of the code. Running past its end raises UnfitCode."""

    __slots__ = ("_code", "_place", "end", "position")

    def __init__(self, code: bytes, position: int, end: int, place: str) -> None:
        self._code, self.position, self.end, self._place = code, position, end, place

    def byte(self) -> int:
        if self.position >= self.end:
            _damaged(f"{self._place} is cut short")
        self.position += 1
        return self._code[self.position - 1]

    def number(self, bits: int = 32) -> int:
        """LEB128 without a sign."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                _damaged(f"{self._place} holds a number that is too long")
        if value >> bits:
            _damaged(f"{self._place} holds a number that is too large")
        return value

    def count(self, count_max: int) -> int:
        """How many items follow, as is claimed."""
        count = self.number()
        if count > count_max:
            _damaged(f"{self._place} has {count} entries, more than {count_max}")
        return count

    def items(self, count_max: int, item: Callable[[], Item]) -> list[Item]:
        return [item() for _ in range(self.count(count_max))]

    def name(self) -> str:
        size = self.number()
        start, self.position = self.position, self.position + size
        if self.position > self.end:
            _damaged(f"{self._place} is cut short")
        try:
            return self._code[start : self.position].decode()
        except UnicodeDecodeError:
            _damaged(f"{self._place} holds a name that is no UTF-8")

    def skip_number(self) -> None:
        """LEB128 with a sign, whose value does not matter."""
        while self.byte() >= 0x80:
            pass

    def value_type(self) -> bool:
        """Whether it is i32."""
        first = self.byte()
        if first in _REFERENCES:
            self.skip_number()
        elif first not in _ONE_BYTE_TYPES:
            _damaged(f"{self._place} holds {first:#04x}, which is no type")
        return first == _I32

    def limits(self) -> None:
        """Sizes of a memory or a table: smallest, perhaps largest, perhaps that of a page."""
        flags = self.byte()
        self.number(64)
        if flags & 1:
            self.number(64)
        if flags & 8:
            self.number()


def _sections(code: bytes) -> dict[int, _Cursor]:
    """Where each section lies; those with names of their own are left out."""
    version = code[4:_HEADER_BYTES]
    if version == _COMPONENT_VERSION:
        _damaged("it is a component of WebAssembly, and only plain modules can be run")
    if len(version) < len(_VERSION):
        _damaged("its header is cut short")
    if version != _VERSION:
        number = int.from_bytes(version, "little")
        _damaged(f"it is of version {number} of WebAssembly, and only version 1 can be run")
    found: dict[int, _Cursor] = {}
    cursor = _Cursor(code, _HEADER_BYTES, len(code), "the head of a section")
    rank = -1
    while cursor.position < cursor.end:
        section = cursor.byte()
        size = cursor.number()
        start, cursor.position = cursor.position, cursor.position + size
        if cursor.position > cursor.end:
            left = cursor.end - start
            _damaged(
                f"it is cut short: its section {section} has {size} bytes, and {left} are left"
            )
        if section == _CUSTOM:
            continue
        if _RANKS.get(section, -1) <= rank:
            _damaged(f"its section {section} is unknown, there twice, or out of order")
        rank = _RANKS[section]
        found[section] = _Cursor(code, start, cursor.position, f"its section {section}")
    return found


def _read(
    sections: dict[int, _Cursor],
    section: int,
    read: Callable[[_Cursor], Item],
    *,
    whole: bool = True,
) -> Item | None:
    """What a section says; None when there is none. whole: nothing may be left of it."""
    cursor = sections.get(section)
    if cursor is None:
        return None
    start = cursor.position
    value = read(cursor)
    if whole and cursor.position != cursor.end:
        _damaged(f"its section {section} is longer than what it holds")
    cursor.position = start
    return value


def _types(cursor: _Cursor) -> list[Shape | None]:
    """Shape of each type by its index; None for other functions and for what is no function."""
    found: list[Shape | None] = []

    def one_type() -> None:
        if len(found) >= TYPES_MAX:
            _damaged(f"it has more than {TYPES_MAX} types")
        form = cursor.byte()
        if form in _SUB_TYPES:
            cursor.items(TYPES_MAX, cursor.number)
            form = cursor.byte()
        found.append(_composite_type(cursor, form))

    for _ in range(cursor.count(TYPES_MAX)):
        form = cursor.byte()
        if form == _RECURSIVE_TYPES:
            cursor.items(TYPES_MAX, one_type)
        else:
            cursor.position -= 1
            one_type()
    return found


def _composite_type(cursor: _Cursor, form: int) -> Shape | None:
    def field() -> None:
        if cursor.byte() not in _PACKED_TYPES:
            cursor.position -= 1
            cursor.value_type()
        cursor.byte()

    if form == _FUNCTION_TYPE:
        takes = cursor.items(TYPES_MAX, cursor.value_type)
        gives = cursor.items(TYPES_MAX, cursor.value_type)
        return (len(takes), len(gives)) if all(takes) and all(gives) else None
    if form == _STRUCT_TYPE:
        cursor.items(TYPES_MAX, field)
    elif form == _ARRAY_TYPE:
        field()
    else:
        _damaged(f"it has a type of the unknown form {form:#04x}")
    return None


def _shape_at(types: list[Shape | None], index: int) -> Shape | None:
    if index >= len(types):
        _damaged(f"it has a function of type {index}, and {len(types)} types")
    return types[index]


def _imports(cursor: _Cursor, types: list[Shape | None]) -> list[Import]:
    def one_import() -> Import:
        return Import(cursor.name(), cursor.name(), _imported(cursor, types))

    return cursor.items(IMPORTS_MAX, one_import)


def _imported(cursor: _Cursor, types: list[Shape | None]) -> Extern:
    kind = _extern_kind(cursor)
    match kind:
        case ExternKind.FUNCTION:
            return Extern(kind, _shape_at(types, cursor.number()))
        case ExternKind.TABLE:
            cursor.value_type()
            cursor.limits()
        case ExternKind.MEMORY:
            cursor.limits()
        case ExternKind.GLOBAL:
            cursor.value_type()
            cursor.byte()
        case ExternKind.TAG:
            cursor.byte()
            cursor.number()
    return Extern(kind)


def _extern_kind(cursor: _Cursor) -> ExternKind:
    kind = cursor.byte()
    try:
        return ExternKind(kind)
    except ValueError:
        _damaged(f"it imports or exports something of the unknown kind {kind}")


def _exports(cursor: _Cursor) -> dict[str, tuple[ExternKind, int]]:
    found: dict[str, tuple[ExternKind, int]] = {}

    def one_export() -> None:
        name = cursor.name()
        if name in found:
            _damaged(f'it exports "{shown(name)}" twice')
        found[name] = _extern_kind(cursor), cursor.number()

    cursor.items(EXPORTS_MAX, one_export)
    return found


def _function_shapes(
    cursor: _Cursor, types: list[Shape | None], wanted: set[int]
) -> dict[int, Shape | None]:
    """Shapes of some functions by their index among those that are not imported."""
    found: dict[int, Shape | None] = {}
    for index in range(cursor.count(FUNCTIONS_MAX)):
        shape = _shape_at(types, cursor.number())
        if index in wanted:
            found[index] = shape
    return found
