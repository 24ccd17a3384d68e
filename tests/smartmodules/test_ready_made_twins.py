"""Every ready-made module does what its twin in Python does, over generated records.

Records come in several batches; after an error the rest of the batch follows in another call, as an
SPU does it. JSON is compared by what it says: names in order, numbers as they are written.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from random import Random
from typing import Any

import pytest
from generated_records import PARAMETERS, VALUES
from generated_records import batches as generated_batches
from hypothesis import given, settings
from hypothesis import strategies as st
from twins import TWINS, Aggregate, Refused, Twin, TwinError, TwinRecord, parse_json
from wasm_host import BASE_TIMESTAMP, NEWEST_VERSION, HostRecord, encode_records

from fluvio_cli.smartmodules import ready_made
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.record.record import decode_records
from fluvio_spu.smartengine import Chain, ChainStep, SmartEngine, SmartModuleRefused

# Fifteen modules share what few tests may take; SMARTMODULE_EXAMPLES=5000 looks further.
EXAMPLES = int(os.environ.get("SMARTMODULE_EXAMPLES", "0")) or min(
    100, settings.default.max_examples
)

Batches = Sequence[Sequence[HostRecord]]
BATCH_MS = 10


def normal(value: bytes, *, is_json: bool) -> Any:
    """What a value says, with its types: 1 is not true. Text that is no JSON is text."""
    try:
        return repr(parse_json(value)) if is_json else value
    except TwinError:
        return value


def said_by_module(chain: Chain, batches: Batches) -> list[Any]:
    """Everything the module gives: results, and offset, key and value of errors."""
    said: list[Any] = []
    base = 0
    for number, batch in enumerate(batches):
        left = list(batch)
        while left:
            output = chain.process(
                encode_records(left),
                base_offset=base,
                base_timestamp=BASE_TIMESTAMP + BATCH_MS * number,
            )
            found = decode_records(output.payload, 4, output.record_count)
            said += [(key, value) for _, _, key, value in found]
            if output.error is None:
                break
            assert not output.error.is_fatal, output.error.status
            (error,) = output.error.status.payload
            assert error.hint
            said.append(("error", error.offset, error.record_key, error.record_value))
            left = [one for one in left if base + one.offset_delta > error.offset]
        base += len(batch)
    return said


def said_by_twin(twin: Twin, batches: Batches, accumulator: bytes) -> list[Any]:
    said: list[Any] = []
    base = 0
    for number, batch in enumerate(batches):
        for one in batch:
            record = TwinRecord(
                one.value,
                one.key,
                base + one.offset_delta,
                BASE_TIMESTAMP + BATCH_MS * number + one.timestamp_delta,
            )
            try:
                if isinstance(twin, Aggregate):
                    accumulator = twin.step(accumulator, record)
                    said.append((one.key, accumulator))
                    continue
                match twin.call(record):
                    case bool(keep):
                        said += [(one.key, one.value)] if keep else []
                    case list(results):
                        said += results
                    case result:
                        said.append(result)
            except TwinError:
                said.append(("error", record.offset, one.key, one.value))
        base += len(batch)
    return said


def compared(said: list[Any], *, is_json: bool) -> list[Any]:
    return [one if len(one) == 4 else (one[0], normal(one[1], is_json=is_json)) for one in said]


def test_every_module_has_a_twin() -> None:
    assert set(ready_made.names()) == TWINS.keys() == PARAMETERS.keys() == VALUES.keys()


@pytest.fixture(scope="module")
def engine() -> Iterator[SmartEngine]:
    engine = SmartEngine(cache_directory=None)
    yield engine
    engine.close()


@pytest.mark.parametrize("name", sorted(TWINS))
def test_a_module_and_its_twin_agree(name: str, engine: SmartEngine) -> None:
    module = engine.load(ready_made.wasm(name))
    kind = ready_made.kind(name)
    begins = (b"", b"", b"5", b"-1.5", b"x", b'{"count":2,"sum":3.5}')

    @settings(max_examples=EXAMPLES)
    @given(seed=st.integers(0, 2**32 - 1))
    def agree(seed: int) -> None:
        random = Random(seed)
        params = PARAMETERS[name](random)
        batches = generated_batches(random, VALUES[name])
        accumulator = random.choice(begins) if kind == "aggregate" else b""
        step = ChainStep(module, name, params, accumulator=accumulator, kind=kind)
        try:
            twin = TWINS[name](params)
        except Refused:
            with pytest.raises(SmartModuleRefused) as info:
                Chain.begin(engine, [step], version=NEWEST_VERSION)
            assert info.value.status.error is ErrorCode.SMART_MODULE_INIT_ERROR
            return
        is_json = name.startswith(("json-", "csv-", "average", "explode-")) and kind != "filter"
        with closing(Chain.begin(engine, [step], version=NEWEST_VERSION)) as chain:
            module_said = compared(said_by_module(chain, batches), is_json=is_json)
        assert module_said == compared(said_by_twin(twin, batches, accumulator), is_json=is_json)

    agree()
