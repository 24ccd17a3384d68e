"""Which requests the controller answers. Source: protocol reference 1.5, 1.6.

List and Watch begin at 9, where Create begins, instead of Fluvio's 15, which lets older clients
in (the Python client 0.14.0 watches at version 10).
Mirroring (1005) is not served, so it is not advertised. Update is served from 11 on, where its
layout begins to make sense; the range says 1, as Fluvio's does, and clients choose the highest.
"""

from fluvio_protocol.api.versions import (
    ApiVersionRange,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from fluvio_protocol.codec import Reader, decode
from fluvio_protocol.errors import RemoteProtocolError

ADVERTISED = (
    ApiVersionRange(api_key=1001, min_version=9, max_version=19),
    ApiVersionRange(api_key=1002, min_version=1, max_version=19),
    ApiVersionRange(api_key=1003, min_version=9, max_version=19),
    ApiVersionRange(api_key=1004, min_version=9, max_version=19),
    ApiVersionRange(api_key=1006, min_version=1, max_version=19),
)


def answer_api_versions(body: Reader, version: int, platform_version: str) -> ApiVersionsResponse:
    """What a client says of itself is read and not judged."""
    decode(ApiVersionsRequest, body, version)
    return ApiVersionsResponse(api_keys=ADVERTISED, platform_version=platform_version)


def check_version(version: int, versions: tuple[int, int]) -> None:
    """Raises RemoteProtocolError for a version whose layout we do not know."""
    lowest, highest = versions
    if not lowest <= version <= highest:
        raise RemoteProtocolError(f"version {version} is not among {lowest} to {highest}")
