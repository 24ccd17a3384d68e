"""How much memory the modules of a process have, all chains together.

Each chain has a limit of its own, which a hundred streams could take a hundred times. So each may
grow by what all of them leave; a small one always may, or a few greedy streams would end those of
others. Chains run on several threads, which may all take what was left: the budget is passed by
no more than one chain's limit for each thread.
"""

import threading

SMALL_CHAIN_BYTES = 16 << 20


class MemoryBudget:
    """See the module."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._lock = threading.Lock()
        self._used_bytes = 0

    @property
    def left_bytes(self) -> int:
        """What nobody uses."""
        return max(0, self.bytes_max - self._used_bytes)

    def change(self, difference_bytes: int) -> None:
        """Somebody uses more or less than before."""
        with self._lock:
            self._used_bytes += difference_bytes


class MemoryShare:
    """What one chain uses; given back with `use(0)`, or when nobody refers to it any more."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._used_bytes = 0

    def __del__(self) -> None:
        self.use(0)

    def use(self, used_bytes: int) -> None:
        """So much from now on."""
        if used_bytes != self._used_bytes:
            self._budget.change(used_bytes - self._used_bytes)
            self._used_bytes = used_bytes

    def may_use(self, chain_bytes_max: int) -> int:
        """What the chain may use in all, of a limit of its own."""
        free = max(self._used_bytes + self._budget.left_bytes, SMALL_CHAIN_BYTES)
        return min(chain_bytes_max, free)
