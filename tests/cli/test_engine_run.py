"""`smartmodule test` makes of records what a consumer's stream on an SPU makes of them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fluvio_cli.smartmodules import engine_run, ready_made
from fluvio_cli.smartmodules.compiler import compile_module
from fluvio_cli.smartmodules.engine_run import EngineRun
from fluvio_client.consumer.transform import Transform
from fluvio_protocol.record import Record, encode_batch
from fluvio_protocol.record.record_set import iterate_tuples
from fluvio_protocol.spu_public.stream_fetch import STREAM_FETCH_VERSION_MAX
from fluvio_spu.smartengine import Chain, ChainStep, SmartEngine
from fluvio_spu.transform.chain_run import ChainRun

REPOSITORY = Path(__file__).parents[2]
SOURCES = {
    "odd": """
SM_FILTER(record) {
    int64_t number;
    if (!sm_parse_int(record->value, &number))
        return sm_error("not a number: %.*s", SM_TEXT(record->value));
    return number % 2 != 0;
}
""",
    "trap": """
SM_MAP(record, out) {
    if (record->value.size == 4) __builtin_trap();
    sm_append(&out->value, record->value);
    return SM_OK;
}
""",
}
CHAINS = (("odd",), ("trap", "odd"), ("explode-array", "odd"))
REMEMBERING = (("sum",), ("sum", "odd"))
VALUES = st.sampled_from(["1", "2", "3", "x", "[]", "[1,2,3]", "[4,5]", '["x",7]'])
Told = list[tuple[int, tuple[bytes, ...] | str]]
"""Of each record that gave something: its offset, values, or why it failed."""


class Codes(dict[str, bytes]):
    """Of modules, by name."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}>"


@pytest.fixture(scope="module")
def codes(tmp_path_factory: pytest.TempPathFactory) -> Codes:
    folder = tmp_path_factory.mktemp("modules")
    found = Codes({name: ready_made.wasm(name) for name in ("explode-array", "sum")})
    for name, source in SOURCES.items():
        path = folder / f"{name}.c"
        path.write_text(f'#include "fluvio_smartmodule.h"\n{source}')
        target = path.with_suffix(".wasm")
        assert compile_module(path, target, cache=REPOSITORY / "build" / "zig")
        found[name] = target.read_bytes()
    return found


class KeptEngine(SmartEngine):
    """Compiles each module once for all runs."""

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def engine() -> Iterator[SmartEngine]:
    made = KeptEngine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_run, "SmartEngine", lambda **settings: made)
        yield made
    SmartEngine.close(made)


@dataclass
class Found:
    """What a log's read gives, as far as a run looks at it."""

    fd: int
    position: int
    size_bytes: int


def by_test(codes: Codes, names: tuple[str, ...], values: list[str]) -> Told:
    told: Told = []
    with EngineRun([(name, Transform(code=codes[name])) for name in names]) as run:
        for value in values:
            outcome = run.process(None, value.encode())
            if outcome.outputs:
                told.append((outcome.offset, tuple(made for _, made in outcome.outputs)))
            if outcome.failure is not None:
                told.append((outcome.offset, outcome.failure.text))
    return told


def by_spu(
    engine: SmartEngine,
    codes: Codes,
    names: tuple[str, ...],
    batches: list[list[str]],
    path: Path,
) -> Told:
    from fluvio_client.errors import error_text

    data, offset = b"", 0
    for values in batches:
        records = [Record(value.encode()) for value in values]
        data += encode_batch(records, first_timestamp=1000, base_offset=offset)
        offset += len(values)
    path.write_bytes(data)
    steps = [ChainStep(engine.load(codes[name]), name) for name in names]

    def begin() -> Chain:
        return Chain.begin(engine, steps, version=STREAM_FETCH_VERSION_MAX)

    remembering = [step.module.is_aggregate for step in steps]
    run = ChainRun(
        begin(),
        offset=0,
        begin_again=None if any(remembering) else begin,
        stopping=lambda: False,
        one_by_one=any(remembering[:-1]),
    )
    told: Told = []
    fd = os.open(path, os.O_RDONLY)
    try:
        end = 0
        while end < offset:
            result = run.process(Found(fd, 0, len(data)), end=offset, bytes_max=1 << 20)  # type: ignore[arg-type]
            end = result.end
            for piece in result.pieces:
                made = tuple(
                    value
                    for batch in iterate_tuples(piece.records, size_bytes_max=1 << 20)
                    for *_, value in batch
                )
                if made:
                    told.append((piece.start, made))
                if piece.failure is not None:
                    told.append((piece.end - 1, error_text(piece.failure)))
    finally:
        os.close(fd)
        run.close()
    return told


def same(told: Told) -> list[bytes | tuple[int, str]]:
    """What does not depend on how records lie in batches."""
    return [
        one
        for offset, what in told
        for one in ([(offset, what)] if isinstance(what, str) else what)
    ]


@pytest.mark.parametrize("names", CHAINS + REMEMBERING, ids="-".join)
@settings(max_examples=20)
@example(batches=[["1", '["x",7]'], ["5"]], trap=False)
@given(batches=st.lists(st.lists(VALUES, min_size=1, max_size=5), max_size=4), trap=st.booleans())
def test_both_make_the_same_of_records(
    names: tuple[str, ...],
    codes: Codes,
    engine: SmartEngine,
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[str]],
    trap: bool,
) -> None:
    if trap and names not in REMEMBERING:
        batches = [*batches, ["1", "boom", "3"], ["5"]]
    path = tmp_path_factory.getbasetemp() / f"{'-'.join(names)}.log"
    values = [value for values in batches for value in values]
    assert same(by_test(codes, names, values)) == same(by_spu(engine, codes, names, batches, path))
