"""SmartModules. Called by `manifest.py`. Source: kubernetes reference 1.5.

Version 1 is served so that old manifests apply; of such an object, only `wasm` counts. The wire's
`summary`, which views have in place of the code, is written and read but is in no schema.
"""

from typing import Annotated, Self

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from fluvio_crd.model import (
    U32,
    U64,
    Line,
    Model,
    Name,
    Published,
    SpecModel,
    StatusModel,
    Text,
)
from fluvio_crd.words import Base64, Word
from fluvio_protocol.metadata import smart_module as wire

PAYLOAD_LENGTH_MAX = 1_500_000
"""Characters of base64: an object of etcd has 1.5 MiB at most."""
SEMANTIC_VERSION = (
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
)

Version = Annotated[str, Published(max_length=128, pattern=SEMANTIC_VERSION)]


class Wasm(Model):
    """The code."""

    format: Annotated[wire.WasmFormat, Word(wire.WasmFormat, str)] = Field(
        default=wire.WasmFormat.BINARY, description="BINARY or TEXT"
    )
    payload: Annotated[bytes, Base64(), Published(max_length=PAYLOAD_LENGTH_MAX)] = Field(
        description="the code, gzip or raw, as base64"
    )


class Package(Model):
    """Where a module comes from."""

    name: Annotated[Name, Published(min_length=1)] = Field(description="name of the package")
    group: Annotated[Name, Published(min_length=1)] = Field(description="who publishes it")
    version: Version = Field(description="semantic version")
    api_version: Version = Field(description="semantic version of the interface")
    description: Text | None = Field(default=None, description="text for people")
    license: Line | None = Field(default=None, description="licence")
    visibility: Annotated[wire.Visibility, Word(wire.Visibility, str.lower)] = Field(
        default=wire.Visibility.PRIVATE, description="who may see it"
    )
    repository: Line | None = Field(default=None, description="address of the source")


class Parameter(Model):
    """A parameter that a module takes."""

    name: Name = Field(description="name")
    description: Text | None = Field(default=None, description="text for people")
    optional: bool = Field(default=False, description="may be left out")


class Meta(Model):
    """What the author says of a module."""

    package: Package = Field(description="where it comes from")
    params: Annotated[
        list[Parameter], Published(max_items=128, list_type="map", list_keys=("name",))
    ] = Field(default=[], description="parameters it takes")


class Summary(Model):
    """Stands for the code where the code itself is left out."""

    wasm_length: U32 = Field(description="bytes of code")


class SmartModuleSpec(SpecModel):
    """WebAssembly that transforms records."""

    meta: Meta | None = Field(default=None, description="what the author says of it")
    summary: SkipJsonSchema[Summary | None] = Field(default=None, description="in views")
    wasm: Wasm = Field(description="the code")

    @classmethod
    def of_wire(cls, spec: wire.SmartModuleSpec) -> Self:
        summary = spec.summary
        return cls(
            meta=None if spec.meta is None else _meta_of_wire(spec.meta),
            summary=None if summary is None else Summary(wasm_length=summary.wasm_length),
            wasm=Wasm(format=spec.wasm.format, payload=spec.wasm.payload),
        )

    def to_wire(self) -> wire.SmartModuleSpec:
        summary = self.summary
        return wire.SmartModuleSpec(
            meta=None if self.meta is None else _meta_to_wire(self.meta),
            summary=None
            if summary is None
            else wire.SmartModuleWasmSummary(wasm_length=summary.wasm_length),
            wasm=wire.SmartModuleWasm(format=self.wasm.format, payload=self.wasm.payload),
        )


def _meta_of_wire(meta: wire.SmartModuleMetadata) -> Meta:
    package = meta.package
    return Meta(
        package=Package(
            name=package.name,
            group=package.group,
            version=package.version,
            api_version=package.api_version,
            description=package.description,
            license=package.license,
            visibility=package.visibility,
            repository=package.repository,
        ),
        params=[
            Parameter(name=name, description=param.description, optional=param.optional)
            for name, param in meta.params.items()
        ],
    )


def _meta_to_wire(meta: Meta) -> wire.SmartModuleMetadata:
    package = meta.package
    return wire.SmartModuleMetadata(
        package=wire.SmartModulePackage(
            name=package.name,
            group=package.group,
            version=package.version,
            api_version=package.api_version,
            description=package.description,
            license=package.license,
            visibility=package.visibility,
            repository=package.repository,
        ),
        params={
            param.name: wire.SmartModuleParameter(
                description=param.description, optional=param.optional
            )
            for param in meta.params
        },
    )


class SmartModuleStatus(StatusModel):
    """Whether the code can be used. All of it is our addition."""

    size: U64 | None = Field(default=None, description="bytes of the code, unpacked")
    sha256: Annotated[str, Published(max_length=64)] | None = Field(
        default=None, description="of the code, unpacked, in hexadecimal"
    )
    kind: Annotated[str, Published(max_length=64)] | None = Field(
        default=None, description="what it does to records, such as filter or map"
    )
    exports: Annotated[list[Name], Published(max_items=256, list_type="atomic")] | None = Field(
        default=None, description="functions it offers"
    )
    in_use: U32 | None = Field(default=None, description="topics that refer to it")

    @classmethod
    def of_wire(cls, status: wire.SmartModuleStatus) -> Self:
        return cls()

    def to_wire(self) -> wire.SmartModuleStatus:
        return wire.SmartModuleStatus()
