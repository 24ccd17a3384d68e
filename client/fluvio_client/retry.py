"""How often, and how long, things are tried again.

A policy is data. Whether an error is worth another attempt is an attribute of its class
(`retriable`); what happens between attempts is the caller's, who waits for news of the cluster
and not only for time to pass.
"""

from dataclasses import dataclass

from fluvio_socket.backoff import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Growing delays with jitter, and a bound on the time spent.

    initial_s, maximum_s, factor: delay before the second attempt, longest delay, growth
    total_s:                      give up after this long; None means never
    """

    initial_s: float = 0.02
    maximum_s: float = 2.0
    factor: float = 2.0
    jitter: float = 0.2
    total_s: float | None = None

    def backoff(self) -> Backoff:
        """A fresh sequence of delays."""
        return Backoff(
            initial_s=self.initial_s,
            maximum_s=self.maximum_s,
            factor=self.factor,
            jitter=self.jitter,
        )


RECONNECT = RetryPolicy(initial_s=0.05, maximum_s=5.0)
"""The controller's connection: for as long as the client lives."""
DELIVERY = RetryPolicy(initial_s=0.02, maximum_s=1.0, total_s=120.0)
"""Records of a producer: until the delivery timeout."""
CONSUME = RetryPolicy(initial_s=0.02, maximum_s=2.0)
"""Streams of a consumer: for as long as it is open."""
REQUEST = RetryPolicy(initial_s=0.05, maximum_s=1.0, total_s=15.0)
"""Single questions to an SPU, such as where a partition begins."""
