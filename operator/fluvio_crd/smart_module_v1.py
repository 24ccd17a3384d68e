"""Version 1 of a SmartModule's spec, for its schema alone: nobody reads more than `wasm` of it.

Used by `definition.py`. Keys are written with underscores, as Fluvio has them.
"""

from typing import Annotated, Literal

from pydantic import Field

from fluvio_crd.model import Line, Model, Name, Published
from fluvio_crd.smart_module import PAYLOAD_LENGTH_MAX, Wasm

Plain = Annotated[str, Published(max_length=PAYLOAD_LENGTH_MAX)]


class PackageV1(Model):
    """Where a module comes from."""

    name: Name | None = Field(default=None, description="name of the package")
    group: Name | None = Field(default=None, description="who publishes it")
    version: Line | None = Field(default=None, description="its version")


class InitParameterV1(Model):
    """A parameter that a module takes."""

    name: Name = Field(description="name")
    input: Literal["string"] = Field(description="what it takes")


class SourceCodeV1(Model):
    """Text the code was made from."""

    language: Line = Field(description="such as Rust")
    payload: Plain = Field(description="the text")


class ParameterV1(Model):
    """A parameter that a module takes, in its first form."""

    name: Name | None = Field(default=None, description="name")


class SmartModuleSpecV1(Model):
    """WebAssembly that transforms records; version 2 says it better."""

    input_kind: Literal["Stream", "External"] = Field(
        alias="input_kind", description="what it reads"
    )
    output_kind: Literal["Stream", "External", "Table"] = Field(
        alias="output_kind", description="what it makes"
    )
    wasm: Wasm = Field(description="the code")
    package: PackageV1 | None = Field(default=None, description="where it comes from")
    init_params: (
        Annotated[
            list[InitParameterV1], Published(max_items=128, list_type="map", list_keys=("name",))
        ]
        | None
    ) = Field(default=None, alias="init_params", description="parameters it takes")
    source_code: SourceCodeV1 | None = Field(
        default=None, alias="source_code", description="text it was made from"
    )
    parameters: (
        Annotated[list[ParameterV1], Published(max_items=128, list_type="atomic")] | None
    ) = Field(default=None, description="parameters it takes, in their first form")
