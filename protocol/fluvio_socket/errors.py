"""What can go wrong with a socket.

FluvioError
  SocketError
    ListenFailed        the address cannot be listened on
    ConnectFailed       nobody answered, or the greeting failed      retriable
    ConnectionLost      the connection ended                         retriable
    RequestTimedOut     no answer in time                            retriable
"""

from fluvio_protocol.errors import ErrorCode, FluvioError


class SocketError(FluvioError):
    """A connection that could not be made, or did not last."""


class ListenFailed(SocketError):
    """The address is taken, or is not of this machine."""


class ConnectFailed(SocketError):
    """The other side could not be reached, or did not greet us."""

    retriable = True
    refresh_metadata = True


class ConnectionLost(SocketError):
    """The connection ended; whether the other side acted on open requests is unknown."""

    retriable = True
    refresh_metadata = True


class RequestTimedOut(SocketError):
    """No answer in time; the connection goes on, and a late answer is dropped."""

    code = ErrorCode.REQUEST_TIMED_OUT
    retriable = True
