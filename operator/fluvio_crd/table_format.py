"""Table formats: how a terminal shows a topic. Called by `manifest.py`.

Fluvio's CRD and its code disagree on a width (number, text) and on the name of a heading's colour
(`headerFgColor`, `headerTextColor`); both are read. Source: kubernetes reference 1.6.
"""

from typing import Annotated, Self

from pydantic import Field

from fluvio_crd.model import Line, Model, Name, Published, SpecModel, StatusModel, Text
from fluvio_crd.words import NumberOrText, Word
from fluvio_protocol.metadata import table_format as wire

Color = Annotated[wire.TextColor, Word(wire.TextColor, str)]


class Column(Model):
    """One column."""

    header_label: Line | None = Field(default=None, description="heading")
    key_path: Line = Field(description="where in the JSON value")
    width: Annotated[str, NumberOrText()] | None = Field(default=None, description="width")
    alignment: Annotated[wire.Alignment, Word(wire.Alignment, str)] | None = Field(
        default=None, description="left out: CENTER"
    )
    format: Line | None = Field(default=None, description="how to print")
    display: bool | None = Field(default=None, description="shown or not")
    primary_key: bool | None = Field(
        default=None, description="rows with the same value are replaced"
    )
    header_bg_color: Color | None = Field(default=None, description="colour behind the heading")
    header_text_color: Color | None = Field(default=None, description="colour of the heading")
    header_fg_color: Color | None = Field(
        default=None, description="another name of headerTextColor, which counts more"
    )

    @classmethod
    def of_wire(cls, column: wire.TableFormatColumn) -> Self:
        return cls(
            header_label=column.header_label,
            key_path=column.key_path,
            width=column.width,
            alignment=column.alignment,
            format=column.format,
            display=column.display,
            primary_key=column.primary_key,
            header_bg_color=column.header_bg_color,
            header_text_color=column.header_text_color,
        )

    def to_wire(self) -> wire.TableFormatColumn:
        text_color = self.header_text_color
        return wire.TableFormatColumn(
            header_label=self.header_label,
            key_path=self.key_path,
            width=self.width,
            alignment=self.alignment,
            format=self.format,
            display=self.display,
            primary_key=self.primary_key,
            header_bg_color=self.header_bg_color,
            header_text_color=self.header_fg_color if text_color is None else text_color,
        )


class TableFormatSpec(SpecModel):
    """Columns of a table."""

    name: Annotated[Name, Published(min_length=1, max_length=100)] = Field(description="name")
    input_format: Annotated[wire.DataFormat, Word(wire.DataFormat, str)] | None = Field(
        default=None, description="format of values: JSON"
    )
    columns: Annotated[list[Column], Published(max_items=256, list_type="atomic")] | None = Field(
        default=None, description="columns in order"
    )
    smartmodule: Line | None = Field(default=None, description="module to run before")

    @classmethod
    def of_wire(cls, spec: wire.TableFormatSpec) -> Self:
        columns = spec.columns
        return cls(
            name=spec.name,
            input_format=spec.input_format,
            columns=None if columns is None else [Column.of_wire(column) for column in columns],
            smartmodule=spec.smartmodule,
        )

    def to_wire(self) -> wire.TableFormatSpec:
        columns = self.columns
        return wire.TableFormatSpec(
            name=self.name,
            input_format=self.input_format,
            columns=None if columns is None else tuple(column.to_wire() for column in columns),
            smartmodule=self.smartmodule,
        )


class TableFormatStatus(StatusModel):
    """Whether it can be used."""

    resolution: Annotated[wire.TableFormatResolution, Word(wire.TableFormatResolution)] = Field(
        default=wire.TableFormatResolution.INIT, description="state word"
    )
    reason: Text = Field(default="", description="why not")

    @classmethod
    def of_wire(cls, status: wire.TableFormatStatus) -> Self:
        return cls(resolution=status.resolution, reason=status.reason)

    def to_wire(self) -> wire.TableFormatStatus:
        return wire.TableFormatStatus(resolution=self.resolution, reason=self.reason)
