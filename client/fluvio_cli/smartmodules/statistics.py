"""What SPUs say of their SmartModules, added up. Pure.

Source: docs/reference/metrics.md.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "fluvio_spu_smart_module_"
_SAMPLE = re.compile(r'(?P<name>\w+)\{module="(?P<module>(?:[^"\\]|\\.)*)"\} (?P<value>\S+)')
_INFO = re.compile(r'fluvio_spu_info\{[^}]*\bspu="(?P<spu>[^"]*)"')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclass(slots=True)
class ModuleTotals:
    """Of one module, since its SPUs started.

    calls:  batches that went through it
    errors: records that failed, traps, and calls that took too long
    fuel:   instructions; 0 where SPUs do not count them
    """

    calls: int = 0
    records_in: int = 0
    records_out: int = 0
    errors: int = 0
    seconds: float = 0.0
    fuel: int = 0

    def add(self, other: "ModuleTotals") -> None:
        """What another SPU says of it."""
        self.calls += other.calls
        self.records_in += other.records_in
        self.records_out += other.records_out
        self.errors += other.errors
        self.seconds += other.seconds
        self.fuel += other.fuel

    @property
    def microseconds_per_record(self) -> float | None:
        """None when no record came."""
        return self.seconds * 1e6 / self.records_in if self.records_in else None

    def shape(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "calls": self.calls,
            "records_in": self.records_in,
            "records_out": self.records_out,
            "errors": self.errors,
            "seconds": round(self.seconds, 9),
            **({"fuel": self.fuel} if self.fuel else {}),
        }


_FIELDS = {
    f"{PREFIX}call_total": "calls",
    f"{PREFIX}record_in_total": "records_in",
    f"{PREFIX}record_out_total": "records_out",
    f"{PREFIX}error_total": "errors",
    f"{PREFIX}seconds_total": "seconds",
    f"{PREFIX}fuel_total": "fuel",
}


def module_totals(metrics: str) -> dict[str, ModuleTotals]:
    """By name, of the metrics of one SPU."""
    found: dict[str, ModuleTotals] = {}
    for name, module, value in _samples(metrics):
        field = _FIELDS.get(name)
        if field is not None:
            kind = float if field == "seconds" else int
            setattr(found.setdefault(module, ModuleTotals()), field, kind(value))
    return found


def spu_of(metrics: str) -> int | None:
    """Which SPU says so."""
    match = _INFO.search(metrics)
    return int(match["spu"]) if match is not None and match["spu"].isdecimal() else None


def added(totals: Mapping[str, Mapping[str, ModuleTotals]]) -> dict[str, ModuleTotals]:
    """By name, of all SPUs; those with the most work first."""
    sums: dict[str, ModuleTotals] = {}
    for by_module in totals.values():
        for module, one in by_module.items():
            sums.setdefault(module, ModuleTotals()).add(one)
    return dict(sorted(sums.items(), key=lambda item: (-item[1].seconds, item[0])))


def _samples(metrics: str) -> Iterator[tuple[str, str, float]]:
    for line in metrics.splitlines():
        match = _SAMPLE.fullmatch(line)
        if match is not None:
            module = re.sub(r'\\[\\"n]', lambda one: _ESCAPES[one[0]], match["module"])
            yield match["name"], module, float(match["value"])
