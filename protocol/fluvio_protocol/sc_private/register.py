"""An SPU introduces itself."""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import U32, Message, field, message
from fluvio_protocol.types import UNKNOWN_INCARNATION, DataIncarnation, SpuId

PRIVATE_PROTOCOL_VERSION = 2


@message()
class RegisterSpuResponse(Message):
    """Welcome, or why not."""

    error_code: ErrorStatus = field(default=SUCCESS, about="success, or 1001")
    error_message: str | None = field(default=None, about="text for people")
    heartbeat_interval_ms: U32 = field(default=400, about="how often to report at least")


@message(api_key=2000, versions=(0, 0), response=RegisterSpuResponse)
class RegisterSpuRequest(Message):
    """First request on the connection. The id must belong to an SPU object."""

    protocol_version: U32 = field(default=PRIVATE_PROTOCOL_VERSION, about="of this door")
    spu_id: SpuId = field(about="who it is")
    platform_version: str = field(about="what it runs")
    incarnation: DataIncarnation = field(
        default=UNKNOWN_INCARNATION, about="which life of its data folder this is"
    )
