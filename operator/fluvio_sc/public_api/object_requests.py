"""What Create, Delete and Update have in common: a kind we may not know, an answer that may be
a refusal."""

from collections.abc import Collection
from typing import TypeVar

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.codec import STR, Message, Reader, decode
from fluvio_protocol.errors import FluvioError
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.sc_public.status import Status
from fluvio_sc.core.admission import unknown_type
from fluvio_sc.core.errors import Refused

M = TypeVar("M", bound=Message)

_MESSAGE_LENGTH_MAX = 4_000


def decode_object_request(
    request: type[M], body: Reader, version: int, kinds: Collection[Kind]
) -> M:
    """Read a request that begins with the label of its kind.

    Raises Refused when the kind is none of `kinds`, RemoteProtocolError for anything unreadable.
    """
    label = STR.decode(Reader(body.data, body.position, body.end), version)
    if label not in kinds:
        raise unknown_type()
    return decode(request, body, version)


def refusal(name: str, error: FluvioError) -> Status:
    """The answer that says no."""
    status = error.error if isinstance(error, Refused) else ErrorStatus.other(str(error))
    return Status(name=name, error_code=status, error_message=str(error)[:_MESSAGE_LENGTH_MAX])
