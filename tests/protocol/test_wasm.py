"""SmartModules' code is judged without running it, and hostile code costs nothing."""

import gzip
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.wasm import Problem, UnfitCode, examined, unpacked, unpacking

HEADER = b"\0asm\1\0\0\0"
MIB = 1 << 20
I32 = b"\x7f"
CLAIM = b"\xff\xff\xff\xff\x0f"
"""4,294,967,295 of whatever follows."""

FUNCTION, TABLE, MEMORY, GLOBAL = 0, 1, 2, 3
TYPES = {
    "alloc": (1, 1),
    "copy_records": (2, 0),
    "transform": (3, 1),
    "old transform": (2, 1),
    "nothing": (0, 0),
}
COPY_RECORDS = ("env", "copy_records", "copy_records")


def text(value: str) -> bytes:
    content = value.encode()
    return bytes([len(content)]) + content


def section(number: int, content: bytes) -> bytes:
    assert len(content) < 1 << 14
    return bytes([number, len(content) & 0x7F | 0x80, len(content) >> 7]) + content


def listed(*items: bytes) -> bytes:
    assert len(items) < 128
    return bytes([len(items)]) + b"".join(items)


def module(
    functions: dict[str, str],
    *,
    imports: tuple[tuple[str, str, str], ...] = (COPY_RECORDS,),
    memory: str | None = "memory",
) -> bytes:
    """Code whose functions, by the name of their type above, are exported and do nothing."""
    indices = list(TYPES)
    exports = [
        text(name) + bytes([FUNCTION, len(imports) + place]) for place, name in enumerate(functions)
    ]
    if memory is not None:
        exports.append(text(memory) + bytes([MEMORY, 0]))
    return HEADER + b"".join(
        (
            section(0, text("name") + b"anything"),
            section(1, listed(*(shape_type(*shape) for shape in TYPES.values()))),
            section(
                2,
                listed(
                    *(
                        text(a) + text(b) + bytes([FUNCTION, indices.index(c)])
                        for a, b, c in imports
                    )
                ),
            ),
            section(3, listed(*(bytes([indices.index(one)]) for one in functions.values()))),
            section(5, b"\1\0\1"),
            section(7, listed(*exports)),
            section(10, listed(*(b"\3\0\0\x0b" for _ in functions))),
        )
    )


def shape_type(takes: int, gives: int) -> bytes:
    return b"\x60" + listed(*[I32] * takes) + listed(*[I32] * gives)


FILTER = {"alloc": "alloc", "filter": "transform"}
GOOD = module(FILTER)


def refused(payload: bytes) -> UnfitCode:
    with pytest.raises(UnfitCode) as caught:
        examined(payload)
    return caught.value


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_a_module_is(pack: Any) -> None:
    every = {"alloc": "alloc", "map": "transform", "filter": "transform", "init": "transform"}
    every |= {"look_back": "transform", "dealloc": "copy_records", "_initialize": "nothing"}
    wasi = ("wasi_snapshot_preview1", "fd_write", "nothing")
    nature = examined(pack(module(every, imports=(COPY_RECORDS, wasi))))
    assert (nature.kind, nature.unused_kinds) == ("filter", ("map",))
    assert nature.has_init
    assert nature.has_look_back
    assert nature.has_dealloc
    assert nature.has_initialize
    assert nature.needs_wasi
    assert nature.takes_version


def test_a_module_with_nothing_else() -> None:
    nature = examined(module({"alloc": "alloc", "aggregate": "old transform"}))
    assert (nature.kind, nature.unused_kinds) == ("aggregate", ())
    assert not nature.takes_version
    assert not nature.has_init
    assert not nature.has_look_back
    assert not nature.has_dealloc
    assert not nature.has_initialize
    assert not nature.needs_wasi


@pytest.mark.parametrize(
    ("payload", "problem", "reason"),
    [
        (b"", Problem.NOT_WASM, "it is empty"),
        (gzip.compress(b""), Problem.NOT_WASM, "it is empty"),
        (b"(module)", Problem.NOT_WASM, "this is no WebAssembly"),
        (b"\x1f\x8bbroken", Problem.NOT_GZIP, "it does not unpack: "),
        (gzip.compress(GOOD)[:-9], Problem.NOT_GZIP, "it is cut short"),
        (b"\0asm\1", Problem.NOT_WASM, "its header is cut short"),
        (b"\0asm\2\0\0\0", Problem.NOT_WASM, "it is of version 2 of WebAssembly, and only version"),
        (b"\0asm\x0d\0\1\0", Problem.NOT_WASM, "it is a component of WebAssembly, and only plain"),
        (GOOD[:-1], Problem.NOT_WASM, "it is cut short: its section 10 has 9 bytes, and 8 are le"),
        (GOOD + b"\7\0", Problem.NOT_WASM, "its section 7 is unknown, there twice, or out of orde"),
        (GOOD + b"\x40\0", Problem.NOT_WASM, "its section 64 is unknown, there twice, or out of "),
        (HEADER + section(1, b"\1\x61"), Problem.NOT_WASM, "it has a type of the unknown form 0x6"),
        (HEADER + section(1, b"\0\0"), Problem.NOT_WASM, "its section 1 is longer than what it h"),
        (HEADER + section(1, b"\1\x60"), Problem.NOT_WASM, "its section 1 is cut short"),
        (HEADER + section(3, b"\1\0"), Problem.NOT_WASM, "it has a function of type 0, and 0 ty"),
        (HEADER + section(7, b"\1\1x\7\0"), Problem.NOT_WASM, "it imports or exports something of"),
        (HEADER + section(7, b"\1\1\xff\0\0"), Problem.NOT_WASM, "its section 7 holds a name that"),
        (HEADER + section(7, b"\1\1x\0\5"), Problem.NOT_WASM, "it exports function 5, which there"),
        (HEADER + section(7, b"\2\1x\3\0\1x\3\0"), Problem.NOT_WASM, 'it exports "x" twice'),
        (HEADER, Problem.WRONG_EXPORTS, 'it exports no memory named "memory"'),
        (module(FILTER, memory=None), Problem.WRONG_EXPORTS, 'it exports no memory named "memory"'),
        (module({"filter": "transform"}), Problem.WRONG_EXPORTS, 'it exports no function "alloc"'),
        (
            module({"alloc": "alloc", "fliter": "transform", "\x1b[2J": "nothing"}),
            Problem.NO_KNOWN_EXPORT,
            "it exports none of the functions filter, map, filter_map, array_map, aggregate, "
            "but alloc, fliter, \\x1b[2J",
        ),
        (
            module({"alloc": "alloc", "filter": "nothing"}),
            Problem.WRONG_EXPORTS,
            'its function "filter" does not take position, length and version',
        ),
        (
            module({**FILTER, "init": "old transform"}),
            Problem.WRONG_EXPORTS,
            "some of its functions take a version and others do not",
        ),
        (
            module(FILTER, imports=()),
            Problem.WRONG_IMPORTS,
            "it does not import copy_records, so nothing can come out of it",
        ),
        (
            module(FILTER, imports=(("env", "copy_records", "nothing"),)),
            Problem.WRONG_IMPORTS,
            "it imports a copy_records that does not take position and length",
        ),
        (
            module(FILTER, imports=(COPY_RECORDS, ("env", "abort\n", "nothing"))),
            Problem.WRONG_IMPORTS,
            'it imports "env.abort\\n", which there is not',
        ),
    ],
)
def test_what_no_module_is(payload: bytes, problem: Problem, reason: str) -> None:
    error = refused(payload)
    assert error.problem is problem
    assert error.reason.startswith(reason)


def test_sections_that_were_cut_off_at_their_border_are_missed() -> None:
    code = GOOD[: GOOD.rindex(b"\x0a\x89\0")]
    assert refused(code).reason == "it has 2 functions, and the bodies of 0"


def test_what_an_spu_would_answer() -> None:
    no_wasm = UnfitCode(Problem.NOT_WASM, "it is empty").status("cats")
    assert no_wasm.error is ErrorCode.SMART_MODULE_INVALID
    assert no_wasm.payload == ("it is empty", "cats")
    long = UnfitCode(Problem.NO_KNOWN_EXPORT, "€" * 20_000).status()
    assert long.error is ErrorCode.SMART_MODULE_INVALID_EXPORTS
    assert long.payload == ("€" * 10_000 + "...", "transform")


def test_names_in_texts_are_few_and_short() -> None:
    functions = {"alloc": "alloc", "a" * 100: "nothing"} | {f"f{n}": "nothing" for n in range(20)}
    reason = refused(module(functions)).reason
    assert reason.endswith(f"but alloc, {'a' * 60}..., f0, f1, f2, f3, f4, f5 and 14 more")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_code_that_is_too_large_is_not_unpacked(pack: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(unpacking, "CODE_BYTES_MAX", MIB)
    assert unpacked(pack(HEADER + bytes(MIB - len(HEADER))))
    large = pack(HEADER + bytes(32 * MIB))
    tracemalloc.start()
    try:
        assert refused(large).problem is Problem.TOO_LARGE
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * MIB


CLAIMS = [
    HEADER + section(1, CLAIM),
    HEADER + section(1, b"\1\x4e" + CLAIM),
    HEADER + section(1, b"\1\x60" + CLAIM),
    HEADER + section(1, b"\1\x5f" + CLAIM),
    HEADER + section(1, b"\1\x50" + CLAIM),
    HEADER + section(2, CLAIM),
    HEADER + section(2, b"\1" + CLAIM + b"x"),
    HEADER + section(3, CLAIM),
    HEADER + section(7, CLAIM),
    HEADER + section(7, b"\1" + CLAIM + b"x"),
    HEADER + b"\7" + CLAIM,
    HEADER + section(7, b"\1\1x\0" + b"\xff" * 5000),
]


@pytest.mark.parametrize("code", CLAIMS, ids=range(len(CLAIMS)))
def test_what_code_claims_costs_nothing(code: bytes) -> None:
    tracemalloc.start()
    try:
        assert refused(code).problem is Problem.NOT_WASM
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


@settings(max_examples=300)
@given(st.data())
def test_damaged_code_is_refused_and_nothing_else(data: st.DataObject) -> None:
    code = bytearray(data.draw(st.sampled_from([GOOD, gzip.compress(GOOD, mtime=0), *CLAIMS])))
    for _ in range(data.draw(st.integers(0, 4))):
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(code))] * 2)))
        code[start : min(end, start + 3)] = data.draw(st.binary(max_size=4))
    reason = ""
    try:
        examined(bytes(code))
    except UnfitCode as error:
        reason = error.reason or "\n"
    assert reason == "" or reason.isprintable()


def test_every_piece_of_a_module_is_missed() -> None:
    borders = range(len(GOOD))
    assert all(refused(GOOD[:border]) for border in borders)
    assert all(refused(GOOD[:start] + GOOD[end:]) for start, end in pairwise(borders) if start > 16)
