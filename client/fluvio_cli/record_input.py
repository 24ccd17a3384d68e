"""What a line of input means as a record: text, key and value, JSON, hexadecimal, base64. Pure.

JSON lines are those that `consume -O jsonl` prints, and are its exact inverse: key, value and time
come back, whatever bytes they are. Topic, partition and offset say where a record was, not where
it is to go, and are passed over.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fluvio_cli.json_path import parse_json


class InputRecord(NamedTuple):
    """A record to send; timestamp: ms since 1970, None for now."""

    key: bytes | None
    value: bytes
    timestamp: int | None = None


class BadLine(ValueError):
    """A line that is no record; the text says why."""


class LineWithoutSeparator(BadLine):
    """A line that is passed over, as Fluvio does."""


LineReader = Callable[[bytes], InputRecord]
Decoder = Callable[[bytes], bytes]


def plain(data: bytes) -> bytes:
    """Bytes as they are."""
    return data


def from_hex(data: bytes) -> bytes:
    """Bytes of pairs of hexadecimal digits, which may have white space between them."""
    try:
        return bytes.fromhex(data.decode("ascii"))
    except ValueError as error:
        raise BadLine(f"invalid hexadecimal: {error}") from error


def from_base64(data: bytes) -> bytes:
    """Bytes of base64, which may have white space in it."""
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as error:
        raise BadLine(f"invalid base64: {error}") from error


def text_reader(
    *, key: bytes | None = None, separator: bytes | None = None, decode: Decoder = plain
) -> LineReader:
    """Reads lines of text.

    key:       of every record
    separator: splits a line into key and value where it first stands
    decode:    makes values of what stands there
    """

    def read(line: bytes) -> InputRecord:
        if separator is None:
            return InputRecord(key, decode(line))
        before, found, after = line.partition(separator)
        if not found:
            raise LineWithoutSeparator(
                f"Failed to find separator '{separator.decode()}' in record, skipping: "
                f"'{line.decode(errors='replace')}'"
            )
        return InputRecord(before, decode(after))

    return read


def read_json(line: bytes) -> InputRecord:
    """Reads `{"key": ..., "value": ...}`.

    Text stands for itself in UTF-8, other JSON for its compact text; `key_base64` and
    `value_base64` are for other bytes. Raises: BadLine.
    """
    try:
        found = parse_json(line)
    except json.JSONDecodeError as error:
        raise BadLine(f"invalid JSON: {_lower(error.msg)} at column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise BadLine("invalid JSON: it is not UTF-8") from error
    except ValueError as error:
        raise BadLine(f"invalid JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadLine("invalid record: expected an object with a value")
    value = _data(found, "value")
    if value is None:
        raise BadLine("invalid record: it has no value")
    return InputRecord(_data(found, "key"), value, _timestamp(found.get("timestamp")))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _data(found: Mapping[str, Any], name: str) -> bytes | None:
    text, encoded = found.get(name), found.get(f"{name}_base64")
    if encoded is None:
        if text is None:
            return None
        if not isinstance(text, str):
            text = json.dumps(text, ensure_ascii=False, separators=(",", ":"))
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise BadLine(f"invalid record: {name} has half of a surrogate pair") from error
    if text is not None:
        raise BadLine(f"invalid record: it has both {name} and {name}_base64")
    if not isinstance(encoded, str):
        raise BadLine(f"invalid record: {name}_base64 is no text")
    try:
        return from_base64(encoded.encode())
    except (BadLine, UnicodeEncodeError) as error:
        raise BadLine(f"invalid record: {name}_base64: {error}") from error


def _timestamp(found: Any) -> int | None:
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or not found < 1 << 63:
        raise BadLine(f"invalid record: timestamp is no number of milliseconds: {found!r}")
    return found if found > 0 else None
