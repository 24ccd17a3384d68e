"""SmartModules: WebAssembly that transforms records. Source: protocol reference 3.7.

The layout of the spec changed at version 10, so the spec has a codec of its own.
"""

from enum import IntEnum

from fluvio_protocol.codec import U8, U32, Message, Reader, field, message, wire_of


class WasmFormat(IntEnum):
    BINARY = 0
    TEXT = 1


class Visibility(IntEnum):
    PRIVATE = 0
    PUBLIC = 1


@message()
class SmartModulePackage(Message):
    """Where a module comes from."""

    name: str = field(about="name of the package")
    group: str = field(about="who publishes it")
    version: str = field(about="semantic version")
    api_version: str = field(about="semantic version of the interface")
    description: str | None = field(default=None, about="text for people")
    license: str | None = field(default=None, about="licence")
    visibility: Visibility = field(since=19, default=Visibility.PRIVATE, about="who may see it")
    repository: str | None = field(default=None, about="address of the source")


@message()
class SmartModuleParameter(Message):
    """A parameter a module takes."""

    description: str | None = field(default=None, about="text for people")
    optional: bool = field(default=False, about="may be left out")


@message()
class SmartModuleMetadata(Message):
    """What the author says of a module."""

    package: SmartModulePackage = field(about="where it comes from")
    params: dict[str, SmartModuleParameter] = field(default={}, about="parameters by name")


@message()
class SmartModuleWasmSummary(Message):
    """Stands for the code where the code itself is left out."""

    wasm_length: U32 = field(about="bytes of code")


@message()
class SmartModuleWasm(Message):
    """The code, gzip or raw."""

    format: WasmFormat = field(default=WasmFormat.BINARY, about="binary or text")
    payload: bytes = field(about="the code")


@message()
class _SourceCodeV9(Message):
    language: U8 = field(about="language")
    payload: str = field(default="", about="source text")


@message()
class _ParameterV9(Message):
    name: str = field(about="name")


@message()
class _SmartModuleSpecV9(Message):
    """The spec before version 10."""

    input_kind: U8 = field(default=0, about="kind of input")
    output_kind: U8 = field(default=0, about="kind of output")
    source_code: _SourceCodeV9 | None = field(default=None, about="source")
    wasm: SmartModuleWasm = field(about="the code")
    parameters: tuple[_ParameterV9, ...] | None = field(default=None, about="parameters")


@message()
class _SmartModuleSpecV10(Message):
    """The spec from version 10 on."""

    meta: SmartModuleMetadata | None = field(default=None, about="metadata")
    summary: SmartModuleWasmSummary | None = field(default=None, about="size only")
    wasm: SmartModuleWasm = field(about="the code")


@message()
class SmartModuleSpec(Message):
    """A stored module."""

    meta: SmartModuleMetadata | None = field(default=None, about="what the author says")
    summary: SmartModuleWasmSummary | None = field(default=None, about="size, in summaries")
    wasm: SmartModuleWasm = field(about="the code")

    @classmethod
    def custom_encode(cls, value: "SmartModuleSpec", out: bytearray, version: int) -> None:
        if version < 10:
            wire_of(_SmartModuleSpecV9).encode(out, _SmartModuleSpecV9(wasm=value.wasm), version)
        else:
            new = _SmartModuleSpecV10(meta=value.meta, summary=value.summary, wasm=value.wasm)
            wire_of(_SmartModuleSpecV10).encode(out, new, version)

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> "SmartModuleSpec":
        if version < 10:
            old = wire_of(_SmartModuleSpecV9).decode(reader, version)
            return cls(wasm=old.wasm)
        new = wire_of(_SmartModuleSpecV10).decode(reader, version)
        return cls(meta=new.meta, summary=new.summary, wasm=new.wasm)


@message()
class SmartModuleStatus(Message):
    """Nothing yet: zero bytes on the wire."""
