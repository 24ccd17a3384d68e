"""What a dialled socket is told."""

import asyncio
import socket

import pytest

from fluvio_socket.plain_socket import connect_to

pytestmark = pytest.mark.asyncio


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone can do that")
@pytest.mark.parametrize(("unacknowledged_s", "timeout_ms"), [(None, 0), (15.0, 15_000)])
async def test_how_long_a_vanished_peer_is_believed_in(
    unacknowledged_s: float | None, timeout_ms: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        loop = asyncio.get_running_loop()
        dialled = await connect_to(loop, host, port, unacknowledged_s=unacknowledged_s)
        with dialled:
            assert dialled.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == timeout_ms
