"""ApiVersions (key 18): what this server admits to. Source: protocol reference 1.5, 1.6.

Consumer-offset requests are not listed and yet answered, as Fluvio does; and a client whose range
does not meet ours sends its own version all the same, so handlers accept more than is listed.
"""

from typing import TYPE_CHECKING

from fluvio_protocol.api.versions import ApiVersionRange, ApiVersionsResponse

if TYPE_CHECKING:
    from fluvio_spu.public_api.session import PublicSession

SPU_PLATFORM_VERSION = "0.0.0"
"""What a Fluvio SPU says; clients look at the controller's only."""

ADVERTISED: tuple[ApiVersionRange, ...] = tuple(
    ApiVersionRange(api_key=key, min_version=low, max_version=high)
    for key, low, high in (
        (0, 0, 25),
        (1, 0, 25),
        (1002, 23, 25),
        (1003, 0, 25),
        (1005, 0, 0),
    )
)

RESPONSE = ApiVersionsResponse(api_keys=ADVERTISED, platform_version=SPU_PLATFORM_VERSION)


def answer_api_versions(
    session: "PublicSession", version: int, correlation_id: int, body: memoryview
) -> None:
    """The same for everyone; what the client says of itself does not matter."""
    session.respond(RESPONSE, version=version, correlation_id=correlation_id)
