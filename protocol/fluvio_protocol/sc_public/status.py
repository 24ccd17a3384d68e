"""The answer to Create, Delete and Update. Source: protocol reference 3.2."""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import Message, field, message


@message()
class Status(Message):
    """Done, or why not."""

    name: str = field(about="name of the object")
    error_code: ErrorStatus = field(default=SUCCESS, about="success, or what was wrong")
    error_message: str | None = field(default=None, about="text for people")
