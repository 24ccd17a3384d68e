"""A small host for one SmartModule, for tests of modules alone: the interface as others write it.

It is written from the protocol reference, section 8, and shares nothing with the SPU's engine.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import wasmtime

from fluvio_protocol.codec.varint import encode_varint

NEWEST_VERSION = 25
BASE_TIMESTAMP = 1_700_000_000_000

Kind = str
KIND_NUMBERS = {"filter": 0, "map": 1, "array_map": 2, "aggregate": 3, "filter_map": 4}


@dataclass(frozen=True, slots=True)
class HostRecord:
    """A record as it goes in and comes out."""

    value: bytes
    key: bytes | None = None
    offset_delta: int = 0
    timestamp_delta: int = 0


@dataclass(frozen=True, slots=True)
class HostError:
    """The error of a call."""

    hint: str
    offset: int
    kind: int
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class HostOutput:
    """What one call of a transform gives."""

    records: tuple[HostRecord, ...]
    error: HostError | None = None
    accumulator: bytes | None = None


class InitRefused(Exception):
    """The module's `init` gave an error; the text is its hint."""


class LookBackRefused(Exception):
    """The module's `look_back` gave an error; the text is its hint."""


class CallFailed(Exception):
    """A call returned a code and no output; the argument is the code."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        assert 0 <= size <= len(self.data) - self.at, "the output is cut short"
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, form: str) -> int:
        value: int
        (value,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return value

    def varint(self) -> int:
        found = shift = 0
        while True:
            byte = self.take(1)[0]
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (found >> 1) ^ -(found & 1)

    def text(self) -> str:
        return self.take(self.number(">H")).decode()

    def data_or_none(self) -> bytes | None:
        return self.take(self.varint()) if self.number(">B") else None

    def record(self) -> HostRecord:
        body = _Reader(self.take(self.varint()))
        assert body.number(">B") == 0
        timestamp_delta, offset_delta = body.varint(), body.varint()
        key, value = body.data_or_none(), body.take(body.varint())
        assert body.varint() == 0
        assert body.at == len(body.data)
        return HostRecord(value, key, offset_delta, timestamp_delta)


def encode_record(record: HostRecord) -> bytes:
    key = b"\0" if record.key is None else b"\1" + encode_varint(len(record.key)) + record.key
    body = (
        b"\0"
        + encode_varint(record.timestamp_delta)
        + encode_varint(record.offset_delta)
        + key
        + encode_varint(len(record.value))
        + record.value
        + b"\0"
    )
    return encode_varint(len(body)) + body


def encode_records(records: Sequence[HostRecord]) -> bytes:
    return struct.pack(">i", len(records)) + b"".join(map(encode_record, records))


def encode_input(
    records: bytes, *, version: int, base_offset: int, base_timestamp: int = BASE_TIMESTAMP
) -> bytes:
    parts = [struct.pack(">qi", base_offset, len(records)), records]
    if version <= 22:
        parts.append(b"\0\0")
        if version >= 20:
            parts.append(b"\0")
        if version >= 16:
            parts.append(b"\0\0\0\0")
    if version >= 22:
        parts.append(struct.pack(">q", base_timestamp))
    return b"".join(parts)


ENGINE = wasmtime.Engine()


@lru_cache(maxsize=64)
def _compiled(code: bytes) -> wasmtime.Module:
    return wasmtime.Module(ENGINE, code)


class WasmHost:
    """One instance of a module."""

    def __init__(self, code: bytes, *, version: int = NEWEST_VERSION) -> None:
        self.version = version
        self._copied: list[bytes] = []
        self._store = wasmtime.Store(ENGINE)
        module = _compiled(code)
        linker = wasmtime.Linker(ENGINE)
        types = wasmtime.ValType.i32()
        copy_type = wasmtime.FuncType([types, types], [])
        copied = self._copied  # not of `self`: an instance is to go when its test is over

        def copy_records(caller: wasmtime.Caller, position: int, size: int) -> None:
            memory = caller["memory"]
            assert isinstance(memory, wasmtime.Memory)
            copied[:] = [bytes(memory.read(caller, position, position + size))]

        linker.define_func("env", "copy_records", copy_type, copy_records, access_caller=True)
        self._exports = linker.instantiate(self._store, module).exports(self._store)
        self.names = {one.name for one in module.exports}
        (self.kind,) = self.names & KIND_NUMBERS.keys()

    def _memory(self) -> wasmtime.Memory:
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        return memory

    @property
    def output(self) -> bytes | None:
        """What the last call gave, None when it gave nothing."""
        return self._copied[0] if self._copied else None

    @property
    def memory_bytes(self) -> int:
        return self._memory().data_len(self._store)

    def call(self, name: str, data: bytes) -> int:
        """Call an export with bytes; its output is in `output`."""
        alloc, function = self._exports["alloc"], self._exports[name]
        assert isinstance(alloc, wasmtime.Func)
        assert isinstance(function, wasmtime.Func)
        position = alloc(self._store, len(data))
        self._memory().write(self._store, data, position)
        self._copied.clear()
        code: int = function(self._store, position, len(data), self.version)
        return code

    def init(self, params: Mapping[str, str]) -> None:
        """Raises InitRefused."""
        data = struct.pack(">H", len(params))
        for pair in params.items():
            for word in pair:
                data += struct.pack(">H", len(word.encode())) + word.encode()
        if self.version >= 20:
            data += b"\0"
        code = self.call("init", data)
        if code == -2:
            assert self.output is not None
            raise InitRefused(_Reader(self.output).text())
        assert code == 0

    def look_back(self, records: Sequence[HostRecord]) -> None:
        """Raises LookBackRefused."""
        payload = encode_records(records)
        data = encode_input(payload, version=self.version, base_offset=0, base_timestamp=0)
        code = self.call("look_back", data)
        if code == -99:
            assert self.output is not None
            raise LookBackRefused(_Reader(self.output).text())
        assert code == 0

    def process(
        self,
        records: Sequence[HostRecord],
        *,
        base_offset: int = 0,
        accumulator: bytes = b"",
        base_timestamp: int = BASE_TIMESTAMP,
    ) -> HostOutput:
        """One batch. Raises CallFailed."""
        data = encode_input(
            encode_records(records),
            version=self.version,
            base_offset=base_offset,
            base_timestamp=base_timestamp,
        )
        return self.transform(data, accumulator=accumulator)

    def transform(self, data: bytes, *, accumulator: bytes = b"") -> HostOutput:
        """One call with an encoded input. Raises CallFailed."""
        if self.kind == "aggregate":
            data += struct.pack(">i", len(accumulator)) + accumulator
        code = self.call(self.kind, data)
        if code < 0:
            raise CallFailed(code)
        assert self.output is not None
        reader = _Reader(self.output)
        found = [reader.record() for _ in range(reader.number(">i"))]
        assert code == len(found)
        error = None
        if reader.number(">B"):
            hint, offset, kind = reader.text(), reader.number(">q"), reader.number(">B")
            key, value = reader.data_or_none(), reader.take(reader.varint())
            error = HostError(hint, offset, kind, key, value)
        after = None
        if self.kind == "aggregate" and self.version >= 16:
            after = reader.take(reader.number(">i"))
        assert reader.at == len(self.output)
        return HostOutput(tuple(found), error, after)
