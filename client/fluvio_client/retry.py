"""How often, and how long, things are tried again.

A policy is data. Whether an error is worth another attempt is an attribute of its class
(`retriable`); what happens between attempts is the caller's, who waits for news of the cluster
and not only for time to pass.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Growth(StrEnum):
    """How delays grow from one attempt to the next."""

    FIXED = "fixed"
    EXPONENTIAL = "exponential"
    FIBONACCI = "fibonacci"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Delays with jitter, and bounds on the attempts and on the time spent.

    initial_s, maximum_s: delay before the second attempt, longest delay
    factor:               of exponential growth: each delay is so many times the one before it
    growth:               fixed delays are all as the first one; in Fibonacci's row each is the
                          sum of the two before it
    jitter:               0.2 means that a delay is between 80 % and 100 % of the plain one, so that
                          many clients of one server do not come back at the same moment
    retries_max:          give up after so many attempts besides the first; None means never
    total_s:              give up after this long; None means never
    """

    initial_s: float = 0.02
    maximum_s: float = 2.0
    factor: float = 2.0
    growth: Growth = Growth.EXPONENTIAL
    jitter: float = 0.2
    retries_max: int | None = None
    total_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.initial_s <= self.maximum_s or self.factor < 1:
            raise ValueError("delays need 0 < initial <= maximum, and a factor of at least 1")
        if not 0 <= self.jitter <= 1 or (self.retries_max or 0) < 0 or (self.total_s or 0) < 0:
            raise ValueError("jitter is a share in 0..1, and bounds cannot be negative")

    @classmethod
    def fixed(
        cls, delay_s: float, *, retries_max: int | None = None, total_s: float | None = None
    ) -> Self:
        """The same delay every time, without jitter."""
        return cls(
            initial_s=delay_s,
            maximum_s=delay_s,
            growth=Growth.FIXED,
            jitter=0.0,
            retries_max=retries_max,
            total_s=total_s,
        )

    @classmethod
    def exponential(
        cls,
        initial_s: float,
        maximum_s: float,
        *,
        factor: float = 2.0,
        retries_max: int | None = None,
        total_s: float | None = None,
    ) -> Self:
        """initial, initial x factor, initial x factor^2, ... up to the maximum, without jitter."""
        return cls(
            initial_s=initial_s,
            maximum_s=maximum_s,
            factor=factor,
            jitter=0.0,
            retries_max=retries_max,
            total_s=total_s,
        )

    @classmethod
    def fibonacci(
        cls,
        initial_s: float,
        maximum_s: float,
        *,
        retries_max: int | None = None,
        total_s: float | None = None,
    ) -> Self:
        """1, 1, 2, 3, 5, ... times the initial delay up to the maximum, without jitter."""
        return cls(
            initial_s=initial_s,
            maximum_s=maximum_s,
            growth=Growth.FIBONACCI,
            jitter=0.0,
            retries_max=retries_max,
            total_s=total_s,
        )

    def backoff(self) -> "Backoff":
        """A fresh sequence of delays."""
        return Backoff(self)


class Backoff:
    """The delays of one policy, one after the other. Mutable; belongs to one task."""

    __slots__ = ("_before_s", "_plain_s", "_policy", "_random", "retries")

    def __init__(self, policy: RetryPolicy, random: Callable[[], float] = random.random) -> None:
        """random: gives a number in [0, 1)."""
        self._policy = policy
        self._random = random
        self.retries = 0
        self._before_s = 0.0
        self._plain_s = policy.initial_s

    @property
    def exhausted(self) -> bool:
        """The policy allows no further attempt."""
        allowed = self._policy.retries_max
        return allowed is not None and self.retries >= allowed

    def next_delay_s(self) -> float:
        """The delay before the next attempt; never more than the maximum. Counts the attempt."""
        policy, plain_s = self._policy, self._plain_s
        match policy.growth:
            case Growth.FIXED:
                following_s = plain_s
            case Growth.EXPONENTIAL:
                following_s = plain_s * policy.factor
            case Growth.FIBONACCI:
                following_s = plain_s + self._before_s
        self._before_s, self._plain_s = plain_s, min(policy.maximum_s, following_s)
        self.retries += 1
        return plain_s * (1 - policy.jitter * self._random())

    def reset(self) -> None:
        """An attempt succeeded: begin again with the initial delay."""
        self.retries = 0
        self._before_s = 0.0
        self._plain_s = self._policy.initial_s


RECONNECT = RetryPolicy(initial_s=0.05, maximum_s=1.0)
"""The controller's connection: for as long as the client lives."""
DELIVERY = RetryPolicy(initial_s=0.02, maximum_s=1.0, total_s=120.0)
"""Records of a producer: until the delivery timeout."""
CONSUME = RetryPolicy(initial_s=0.02, maximum_s=2.0)
"""Streams of a consumer: for as long as it is open."""
REQUEST = RetryPolicy(initial_s=0.05, maximum_s=1.0, total_s=15.0)
"""Single questions to an SPU, such as where a partition begins."""
FLUVIO = RetryPolicy.exponential(0.02, 200.0, factor=20.0, retries_max=4, total_s=300.0)
"""What Fluvio's own producers do unless told otherwise: 20 ms, 0.4 s, 8 s, 160 s."""
