"""ApiVersions: which requests a server answers, in which versions.

Source: protocol reference 1.5, 1.6.
"""

from collections.abc import Iterable

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import I16, Message, field, message

PLATFORM_VERSION = "0.18.1"
"""The Fluvio release whose behaviour we match; clients refuse anything below 0.9.0."""

API_VERSIONS_KEY = 18


@message()
class ApiVersionRange(Message):
    """Versions of one request, both ends included."""

    api_key: I16 = field(about="number of the request")  # type: ignore[misc]
    min_version: I16 = field(about="lowest version")
    max_version: I16 = field(about="highest version")


@message()
class ApiVersionsResponse(Message):
    """What the server answers."""

    error_code: ErrorStatus = field(default=SUCCESS, about="always success")
    api_keys: tuple[ApiVersionRange, ...] = field(about="requests the server admits to")
    platform_version: str = field(about="semantic version of the platform; 0.0.0 from an SPU")


@message(api_key=API_VERSIONS_KEY, versions=(2, 2), response=ApiVersionsResponse)
class ApiVersionsRequest(Message):
    """The first request on every public connection."""

    client_version: str = field(since=1, default="", about="version of the socket library")
    client_os: str = field(since=1, default="", about="such as linux")
    client_arch: str = field(since=1, default="", about="such as x86_64")


def negotiate(request: type[Message], advertised: Iterable[ApiVersionRange]) -> int | None:
    """The highest version both sides speak, or None when there is none."""
    lowest, highest = request.versions
    for offer in advertised:
        if offer.api_key == request.api_key:
            if offer.max_version >= lowest and offer.min_version <= highest:
                return min(highest, offer.max_version)
            return None
    return None
