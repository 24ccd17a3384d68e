"""How fast a follower that is not in sync may catch up, so that room is left for the others.

A bucket of bytes, filled as time passes and emptied as slices are sent; pure, and told of both by
`follower_session`. A slice is never cut: what it takes beyond the bucket is paid back by waiting.
"""


class CatchUpAllowance:
    """Of one follower, all its partitions together.

    Invariant: never holds more than one second's worth, so that a pause is no licence for a burst.
    """

    __slots__ = ("_bytes", "_rate")

    def __init__(self, bytes_per_second: int) -> None:
        """bytes_per_second: 0 is as fast as it goes"""
        self._rate = bytes_per_second
        self._bytes = float(bytes_per_second)

    @property
    def may_send(self) -> bool:
        """Whether a slice may be sent now, whatever its size."""
        return not self._rate or self._bytes > 0

    def sent(self, size_bytes: int) -> None:
        """So much was sent."""
        if self._rate:
            self._bytes -= size_bytes

    def passed(self, time_s: float) -> None:
        """So much time went by."""
        self._bytes = min(self._bytes + self._rate * time_s, float(self._rate))
