"""Consumer offsets (1006, 1007, 1008). Source: protocol reference 4.7.

The table may live on another SPU, so these answers come when they come, in the order of their
requests. Storing names a stream of the same connection, which knows partition and consumer.
"""

from typing import TYPE_CHECKING

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import decode
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.spu_public.consumer_offsets import (
    DeleteConsumerOffsetRequest,
    DeleteConsumerOffsetResponse,
    FetchConsumerOffsetsRequest,
    FetchConsumerOffsetsResponse,
    UpdateConsumerOffsetRequest,
    UpdateConsumerOffsetResponse,
)
from fluvio_spu.replica.consumer_offset_store import error_status

if TYPE_CHECKING:
    from fluvio_spu.public_api.session import PublicSession

_NO_SESSION = ErrorStatus(ErrorCode.FETCH_SESSION_NOT_FOUND)
_NO_CONSUMER_ID = ErrorStatus.other("stream without consumer id")


def update_consumer_offset(
    session: "PublicSession", version: int, correlation_id: int, body: memoryview
) -> None:
    """Store the offset of the last consumed record, here or at the SPU that keeps the table."""
    request = decode(UpdateConsumerOffsetRequest, body, version)
    service = session.service
    service.metrics.consumer_offset_update_count += 1

    def answer(status: ErrorStatus) -> None:
        session.respond(
            UpdateConsumerOffsetResponse(offset=request.offset, error_code=status),
            version=version,
            correlation_id=correlation_id,
        )

    stream = session.streams.get(request.session_id)
    if stream is None:
        answer(_NO_SESSION)
        return
    consumer_id = stream.consumer_id
    if not consumer_id:
        answer(_NO_CONSUMER_ID)
        return
    key = stream.replica.key

    async def store() -> None:
        answer(await service.consumer_offsets.update(key, consumer_id, request.offset))

    session.run_in_order(store)


def delete_consumer_offset(
    session: "PublicSession", version: int, correlation_id: int, body: memoryview
) -> None:
    """Forget an offset. Only the SPU that keeps the table can."""
    request = decode(DeleteConsumerOffsetRequest, body, version)

    async def delete() -> None:
        status = SUCCESS
        try:
            await session.service.consumer_offsets.store.delete(
                request.replica, request.consumer_id
            )
        except FluvioError as error:
            status = error_status(error)
        session.respond(
            DeleteConsumerOffsetResponse(error_code=status),
            version=version,
            correlation_id=correlation_id,
        )

    session.run_in_order(delete)


def fetch_consumer_offsets(
    session: "PublicSession", version: int, correlation_id: int, body: memoryview
) -> None:
    """List stored offsets. Only the SPU that keeps the table can."""
    request = decode(FetchConsumerOffsetsRequest, body, version)

    async def answer() -> None:
        try:
            found = await session.service.consumer_offsets.store.list(request.filter_opts)
            response = FetchConsumerOffsetsResponse(consumers=found)
        except FluvioError as error:
            response = FetchConsumerOffsetsResponse(error_code=error_status(error))
        session.respond(response, version=version, correlation_id=correlation_id)

    session.run_in_order(answer)
