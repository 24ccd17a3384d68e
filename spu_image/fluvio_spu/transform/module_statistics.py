"""What each SmartModule did on this SPU: records in and out, errors, time and fuel, by name.

Filled on the event loop when a job has ended; read by `gateway` for the metrics, from which
`fluvio smartmodule stats` has its figures. Bounded: more names than `MODULES_MAX` share one line.
"""

from dataclasses import dataclass

MODULES_MAX = 256
OTHERS = "others"
"""Modules that came when there were too many already."""


@dataclass(slots=True)
class ModuleCounts:
    """Since the start of the process.

    call_count:   batches
    error_count:  records that failed, and calls that trapped or took too long
    elapsed_ns:   in the module and around it
    fuel:         what the engine counts of the module's instructions; 0 where it does not
    """

    call_count: int = 0
    record_in_count: int = 0
    record_out_count: int = 0
    error_count: int = 0
    elapsed_ns: int = 0
    fuel: int = 0

    def add(self, other: "ModuleCounts") -> None:
        """That much more."""
        self.call_count += other.call_count
        self.record_in_count += other.record_in_count
        self.record_out_count += other.record_out_count
        self.error_count += other.error_count
        self.elapsed_ns += other.elapsed_ns
        self.fuel += other.fuel


class ModuleStatistics:
    """All of them."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleCounts] = {}

    def add(self, name: str, counts: ModuleCounts) -> None:
        """A job of a module has ended."""
        if name not in self.modules and len(self.modules) >= MODULES_MAX:
            name = OTHERS
        self.modules.setdefault(name, ModuleCounts()).add(counts)
