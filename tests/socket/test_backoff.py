import pytest

from fluvio_socket.backoff import Backoff


def test_delays_grow_to_the_maximum_and_begin_again() -> None:
    backoff = Backoff(0.1, 1.0, 3.0, jitter=0.0)
    assert [round(backoff.next_delay_s(), 3) for _ in range(5)] == [0.1, 0.3, 0.9, 1.0, 1.0]
    backoff.reset()
    assert backoff.next_delay_s() == 0.1


def test_jitter_only_shortens() -> None:
    backoff = Backoff(2.0, 2.0, jitter=0.25, random=lambda: 0.5)
    assert backoff.next_delay_s() == 2.0 * (1 - 0.125)
    delays = {Backoff(2.0, 2.0, jitter=0.25).next_delay_s() for _ in range(50)}
    assert all(1.5 <= delay <= 2.0 for delay in delays)
    assert len(delays) > 1


@pytest.mark.parametrize("values", [(0, 1, 2, 0), (2, 1, 2, 0), (1, 2, 0.5, 0), (1, 2, 2, 1.5)])
def test_nonsense_is_refused(values: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="initial"):
        Backoff(*values)
