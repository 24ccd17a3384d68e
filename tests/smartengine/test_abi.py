"""What a module says is anybody's: every output is a whole one, or an error of the protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.api.error_code import SmartModuleErrorKind, SmartModuleRuntimeFailure
from fluvio_protocol.codec import encode
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.metadata.topic import Duration
from fluvio_protocol.spu_public.smart_module_invocation import Lookback
from fluvio_protocol.types import Offset
from fluvio_spu.smartengine.abi import (
    decode_hint,
    decode_output,
    encode_input,
    encode_params,
)

RECORD = b"\x0e\x00\x00\x00\x00\x02a\x00"
"""Length 7, no attributes, deltas 0 and 0, no key, value "a", no headers."""
PAYLOAD = b"\x00\x00\x00\x01" + RECORD
HEAD = b"\x00" * 7 + b"\x05" + b"\x00\x00\x00\x0c" + PAYLOAD


@pytest.mark.parametrize(
    ("version", "behind"),
    [
        (15, b"\x00\x01\x00\x01k\x00\x01v"),
        (16, b"\x00\x01\x00\x01k\x00\x01v" + bytes(4)),
        (20, b"\x00\x01\x00\x01k\x00\x01v" + b"\x00" + bytes(4)),
        (22, b"\x00\x01\x00\x01k\x00\x01v" + b"\x00" + bytes(4) + bytes(7) + b"\x09"),
        (23, bytes(7) + b"\x09"),
        (25, bytes(7) + b"\x09"),
    ],
)
def test_inputs_of_every_generation(version: int, behind: bytes) -> None:
    content = encode_input(
        PAYLOAD, version=version, base_offset=5, base_timestamp=9, params={"k": "v"}
    )
    assert content == HEAD + behind


def test_an_aggregate_is_given_its_accumulator() -> None:
    content = encode_input(
        PAYLOAD, version=25, base_offset=5, base_timestamp=9, params={}, accumulator=b"sum"
    )
    assert content == HEAD + bytes(7) + b"\x09" + b"\x00\x00\x00\x03sum"


def test_parameters_of_init() -> None:
    lookback = Lookback(last=3, age=Duration(seconds=1, nanoseconds=2))
    assert encode_params({"a": "ä"}, None, 19) == b"\x00\x01\x00\x01a\x00\x02\xc3\xa4"
    assert encode_params({}, None, 20) == b"\x00\x00\x00"
    assert encode_params({}, lookback, 25) == b"\x00\x00\x01" + encode(lookback, 25)


def failure() -> SmartModuleRuntimeFailure:
    return SmartModuleRuntimeFailure(
        hint="no",
        offset=Offset(7),
        kind=SmartModuleErrorKind.MAP,
        record_key=b"k",
        record_value=b"v",
    )


def test_records_then_an_error_then_an_accumulator() -> None:
    told = b"\x01" + encode(failure(), 25)
    found = decode_output(PAYLOAD + told + b"\x00\x00\x00\x02ab", is_aggregate=True, version=25)
    assert (found.payload, found.record_count) == (PAYLOAD, 1)
    assert found.error == failure()
    assert found.accumulator == b"ab"
    old = decode_output(PAYLOAD + b"\x00", is_aggregate=True, version=15)
    assert (old.error, old.accumulator) == (None, None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"\xff\xff\xff\xff\x00",
        b"\x7f\xff\xff\xff" + RECORD + b"\x00",
        PAYLOAD,
        PAYLOAD + b"\x02",
        PAYLOAD + b"\x00\x00",
        PAYLOAD[:-1] + b"\x00",
        b"\x00\x00\x00\x01\x7f" + RECORD[1:] + b"\x00",
        b"\x00\x00\x00\x01" + RECORD[:-1] + b"\x01\x00",
        b"\x00\x00\x00\x01\x01" + RECORD + b"\x00",
        PAYLOAD + b"\x01\x00",
    ],
)
def test_what_is_no_output(content: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_output(content, is_aggregate=False, version=25)


@given(st.binary(max_size=200), st.booleans(), st.integers(15, 25))
def test_any_bytes_are_an_output_or_an_error(content: bytes, aggregate: bool, version: int) -> None:
    try:
        found = decode_output(content, is_aggregate=aggregate, version=version)
    except RemoteProtocolError:
        return
    assert content.startswith(found.payload)


@given(st.data())
def test_a_whole_output_with_other_bytes_in_it(data: st.DataObject) -> None:
    content = bytearray(PAYLOAD + b"\x01" + encode(failure(), 25))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_output(bytes(content), is_aggregate=False, version=25)
    except RemoteProtocolError:
        return


@given(st.binary(max_size=50))
def test_a_refusal_has_a_text_whatever_it_says(content: bytes) -> None:
    assert isinstance(decode_hint(content), str)
