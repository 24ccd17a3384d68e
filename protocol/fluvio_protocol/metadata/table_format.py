"""Table formats: how a terminal shows a topic. Source: protocol reference 3.8."""

from enum import IntEnum

from fluvio_protocol.codec import Message, field, message


class DataFormat(IntEnum):
    JSON = 0


class Alignment(IntEnum):
    LEFT = 0
    RIGHT = 1
    CENTER = 2


class TextColor(IntEnum):
    BLUE = 0
    YELLOW = 1
    GREEN = 2


@message()
class TableFormatColumn(Message):
    """One column."""

    header_label: str | None = field(default=None, about="heading")
    width: str | None = field(default=None, about="width")
    alignment: Alignment | None = field(default=None, about="alignment")
    key_path: str = field(about="where in the JSON value")
    format: str | None = field(default=None, about="how to print")
    display: bool | None = field(default=None, about="shown or not")
    primary_key: bool | None = field(default=None, about="rows with the same value are replaced")
    header_bg_color: TextColor | None = field(default=None, about="colour behind the heading")
    header_text_color: TextColor | None = field(default=None, about="colour of the heading")


@message()
class TableFormatSpec(Message):
    """Columns of a table."""

    name: str = field(about="name")
    input_format: DataFormat | None = field(default=None, about="format of values")
    columns: tuple[TableFormatColumn, ...] | None = field(default=None, about="columns in order")
    smartmodule: str | None = field(default=None, about="module to run before")


class TableFormatResolution(IntEnum):
    INIT = 0
    INVALID = 1
    RUNNING = 2
    PENDING = 3
    FAILED = 4


@message()
class TableFormatStatus(Message):
    """Whether it can be used."""

    resolution: TableFormatResolution = field(
        default=TableFormatResolution.INIT, about="state word"
    )
    reason: str = field(default="", about="why not")
