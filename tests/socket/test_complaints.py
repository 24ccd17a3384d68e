"""Peers that break the protocol cannot fill the log."""

import logging

import pytest

from fluvio_socket.connection_group import (
    COMPLAINTS_PER_SECOND_MAX,
    ConnectionGroup,
    ConnectionLimits,
)


@pytest.mark.asyncio
async def test_complaints_above_the_rate_are_counted_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_s = 5.0
    group = ConnectionGroup(
        ConnectionLimits(), is_server=True, task_group=None, clock=lambda: now_s
    )
    with caplog.at_level(logging.WARNING):
        for number in range(COMPLAINTS_PER_SECOND_MAX + 7):
            group.complain(f"peer-{number}", "nonsense")
        assert len(caplog.messages) == COMPLAINTS_PER_SECOND_MAX
        now_s = 6.0
        group.complain("another", "nonsense")
    assert caplog.messages[COMPLAINTS_PER_SECOND_MAX:] == [
        "protocol_violations_not_logged count=7",
        "protocol_violated peer=another reason=nonsense",
    ]
