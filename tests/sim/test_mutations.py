"""Each safety rule, broken on purpose, makes the simulator fail: it can see what it looks for."""

import inspect

import mutations
import pytest
import sim_world
from mutations import MUTATIONS, Mutation

SEEDS_MAX = 40

pytestmark = pytest.mark.timeout(120)


def fails(seed: int, mutation: Mutation) -> bool:
    try:
        sim_world.run(seed, mutation.plan)
    except sim_world.PromiseBroken:
        return True
    return False


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.break_it.__name__)
def test_is_caught(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.break_it(monkeypatch)
    assert any(fails(seed, mutation) for seed in range(SEEDS_MAX))


def test_every_rule_that_can_be_broken_is() -> None:
    """None is written and forgotten in the list, and none goes away unseen."""
    written = {
        found
        for found in vars(mutations).values()
        if inspect.isfunction(found) and found.__module__ == mutations.__name__
    }
    tried = [mutation.break_it for mutation in MUTATIONS]
    assert set(tried) == written
    assert len(tried) == len(written) >= 16
