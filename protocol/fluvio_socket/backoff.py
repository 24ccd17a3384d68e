"""How long to wait before the next attempt. Used by everyone who retries; reads no clock."""

import random
from collections.abc import Callable


class Backoff:
    """Delays that grow by a factor up to a maximum, each shortened by a random share.

    jitter: 0.2 means that a delay is between 80 % and 100 % of the plain one, so that many
            clients of one server do not come back at the same moment
    random: gives a number in [0, 1); replaced in tests and simulations
    """

    __slots__ = ("_factor", "_initial_s", "_jitter", "_maximum_s", "_plain_s", "_random")

    def __init__(
        self,
        initial_s: float = 0.1,
        maximum_s: float = 10.0,
        factor: float = 2.0,
        jitter: float = 0.2,
        random: Callable[[], float] = random.random,
    ) -> None:
        if not 0 < initial_s <= maximum_s or factor < 1 or not 0 <= jitter <= 1:
            raise ValueError("a backoff needs 0 < initial <= maximum, factor >= 1, jitter in 0..1")
        self._initial_s = initial_s
        self._maximum_s = maximum_s
        self._factor = factor
        self._jitter = jitter
        self._random = random
        self._plain_s = initial_s

    def next_delay_s(self) -> float:
        """The delay before the next attempt; never more than the maximum."""
        delay_s = self._plain_s * (1 - self._jitter * self._random())
        self._plain_s = min(self._maximum_s, self._plain_s * self._factor)
        return delay_s

    def reset(self) -> None:
        """An attempt succeeded: begin again with the initial delay."""
        self._plain_s = self._initial_s
