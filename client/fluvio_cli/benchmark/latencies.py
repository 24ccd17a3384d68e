"""A histogram of latencies, which is as exact for microseconds as for minutes.

The counting is HdrHistogram's, three digits of every value; its package comes with the extra
`benchmark`. No I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fluvio_cli.failure import Failure

HIGHEST_US: Final = 3_600_000_000
"""An hour; what is slower counts as that."""
DIGITS: Final = 3
PERCENTILES: Final = (50.0, 90.0, 95.0, 99.0, 99.9)
NOT_INSTALLED: Final = "Benchmarks need hdrhistogram: pip install 'fluvio-cluster[benchmark]'"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a histogram says, in milliseconds.

    percentiles: by their number as text, `50`, `99.9`
    """

    count: int
    mean_ms: float
    max_ms: float
    percentiles: Mapping[str, float]


class Latencies:
    """Counts latencies."""

    def __init__(self) -> None:
        """Raises: Failure where the extra is not installed."""
        try:
            from hdrh.histogram import HdrHistogram
        except ModuleNotFoundError as error:
            raise Failure(NOT_INSTALLED) from error
        self._histogram: Any = HdrHistogram(1, HIGHEST_US, DIGITS)
        self._longest_us = 0.0
        self._sum_us = 0.0
        self._count = 0

    def add(self, seconds: float, count: int = 1) -> None:
        """So many times this one."""
        longest = min(max(seconds * 1e6, 0.0), float(HIGHEST_US))
        self._histogram.record_value(max(1, round(longest)), count)
        self._longest_us = max(self._longest_us, longest)
        self._sum_us += longest * count
        self._count += count

    def add_all(self, other: "Latencies") -> None:
        """Everything that another one counted."""
        self._histogram.add(other._histogram)
        self._longest_us = max(self._longest_us, other._longest_us)
        self._sum_us += other._sum_us
        self._count += other._count

    @property
    def mean_ms(self) -> float:
        """Exact; 0 when nothing was counted."""
        return self._sum_us / self._count / 1000 if self._count else 0.0

    @property
    def max_ms(self) -> float:
        """Exact; 0 when nothing was counted."""
        return self._longest_us / 1000

    def summary(self) -> Summary:
        """All there is to say. No percentile is above the maximum, which is known exactly."""
        values = {
            f"{percentile:g}": min(
                self._histogram.get_value_at_percentile(percentile) / 1000, self.max_ms
            )
            for percentile in PERCENTILES
        }
        return Summary(self._count, self.mean_ms, self.max_ms, values)
