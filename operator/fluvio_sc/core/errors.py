"""The controller's branch of the error tree.

ControlError
  Refused      a request that cannot be done, with the status a client is told
"""

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode, FluvioError


class ControlError(FluvioError):
    """The controller cannot do what was asked."""

    code = ErrorCode.OTHER


class Refused(ControlError):
    """A request that is answered with an error; nothing was changed.

    Clients that know the number print their own text and ignore the message.
    """

    def __init__(self, error: ErrorCode | ErrorStatus, message: str) -> None:
        super().__init__(message)
        self.error = error if isinstance(error, ErrorStatus) else ErrorStatus(error)
        self.message = message
