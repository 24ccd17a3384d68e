"""Storms of faults from a few fixed seeds; `make sim COUNT=10000` goes through many."""

import pytest
import sim_world

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("seed", range(40))
def test_a_storm_loses_nothing(seed: int) -> None:
    world = sim_world.run(seed)
    assert world.checker.acknowledged_count > 10


def test_the_same_seed_is_the_same_storm() -> None:
    first, second = sim_world.run(4), sim_world.run(4)
    assert list(first.traces) == list(second.traces)
    assert first.checker.committed_batches == second.checker.committed_batches
