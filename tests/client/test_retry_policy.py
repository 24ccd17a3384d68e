"""The delays of every policy, and its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_client.retry import FLUVIO, Backoff, Growth, RetryPolicy


def delays(policy: RetryPolicy, count: int) -> list[float]:
    backoff = policy.backoff()
    return [round(backoff.next_delay_s(), 6) for _ in range(count)]


def test_the_documented_delays() -> None:
    assert delays(RetryPolicy.fixed(0.5), 4) == [0.5] * 4
    assert delays(RetryPolicy.exponential(0.02, 200, factor=20), 5) == [0.02, 0.4, 8, 160, 200]
    assert delays(RetryPolicy.exponential(1, 5), 5) == [1, 2, 4, 5, 5]
    assert delays(RetryPolicy.fibonacci(0.02, 0.15), 7) == [
        0.02, 0.02, 0.04, 0.06, 0.1, 0.15, 0.15,
    ]  # fmt: skip


def test_fluvios_own_policy() -> None:
    backoff = FLUVIO.backoff()
    found = []
    while not backoff.exhausted:
        found.append(round(backoff.next_delay_s(), 6))
    assert found == [0.02, 0.4, 8, 160]
    assert FLUVIO.total_s == 300


def test_a_policy_without_retries_is_exhausted_at_once() -> None:
    assert RetryPolicy.fixed(1, retries_max=0).backoff().exhausted
    assert not RetryPolicy.fixed(1).backoff().exhausted


def test_success_begins_anew() -> None:
    backoff = RetryPolicy.fibonacci(1, 100, retries_max=3).backoff()
    first = [backoff.next_delay_s() for _ in range(3)]
    assert backoff.exhausted
    backoff.reset()
    assert not backoff.exhausted
    assert [backoff.next_delay_s() for _ in range(3)] == first


@given(st.sampled_from(Growth), st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_delays_stay_within_their_bounds(growth: Growth, jitter: float, share: float) -> None:
    policy = RetryPolicy(initial_s=0.1, maximum_s=3, growth=growth, jitter=jitter)
    backoff = Backoff(policy, random=lambda: share)
    found = [backoff.next_delay_s() for _ in range(200)]
    assert all(0 <= one <= 3 for one in found)
    assert found == sorted(found)


@pytest.mark.parametrize(
    "settings",
    [
        {"initial_s": 0},
        {"initial_s": 3, "maximum_s": 2},
        {"factor": 0.5},
        {"jitter": 2},
        {"retries_max": -1},
        {"total_s": -1},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"delays need|jitter is"):
        RetryPolicy(**settings)  # type: ignore[arg-type]
