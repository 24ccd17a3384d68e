"""What `smartmodule test` tells of records that went through modules: text, JSON lines, a table.

Pure. JSON lines and exit codes are described in docs/reference/smartmodule-test.md.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fluvio_cli.output import format_columns
from fluvio_cli.record_format import json_field

if TYPE_CHECKING:
    from fluvio_cli.smartmodules.engine_run import KeyAndValue, Outcome, RecordFailure, StepCounts

_to_line = json.JSONEncoder(ensure_ascii=False).encode


def value_text(record: "KeyAndValue", *, with_key: bool) -> str:
    """A record that came out, as `consume` shows it."""
    key, value = record
    shown = value.decode(errors="replace")
    if not with_key:
        return shown
    return f"[{'null' if key is None else key.decode(errors='replace')}] {shown}"


def failure_text(failure: "RecordFailure") -> str:
    """As `consume` shows it, with where in the chain it was and the number of the error."""
    return (
        f"{failure.text}\n"
        f"    Step: {failure.step} ({failure.module})\n"
        f"    Code: {failure.code}"
    )  # fmt: skip


def golden_lines(outcome: "Outcome", *, with_key: bool) -> list[str]:
    """What a file of expected output has of a record: what came out, and then why it failed."""
    texts = [value_text(one, with_key=with_key) for one in outcome.outputs]
    if outcome.failure is not None:
        texts.append(f"error at offset {outcome.offset}: {outcome.failure.message}")
    return [line for text in texts for line in text.split("\n")]


def record_line(outcome: "Outcome") -> str:
    """JSON of one record that went in."""
    failure = outcome.failure
    told: dict[str, Any] | None = None
    if failure is not None:
        told = {
            "code": failure.code,
            "message": failure.message,
            "step": failure.step,
            "module": failure.module,
            "kind": failure.kind,
            "offset": failure.offset,
            **json_field("key", failure.key),
            **json_field("value", failure.value),
        }
    return _to_line(
        {
            "event": "record",
            "offset": outcome.offset,
            "outputs": [{**json_field("key", key), **json_field("value", value)}
                        for key, value in outcome.outputs],
            "error": told,
            "elapsed_us": outcome.elapsed_ns / 1000,
        }
    )  # fmt: skip


def summary_shape(
    counts: Sequence["StepCounts"], totals: "Totals", *, memory_bytes: int, with_fuel: bool
) -> dict[str, Any]:
    """The last JSON line, as data."""
    return {
        "event": "summary",
        **totals.shape(),
        "memory_bytes": memory_bytes,
        "steps": [
            {
                "module": one.name,
                "kind": one.kind,
                "records_in": one.record_in_count,
                "records_out": one.record_out_count,
                "errors": one.error_count,
                "elapsed_us": one.elapsed_ns / 1000,
                **({"fuel": one.fuel} if with_fuel else {}),
            }
            for one in counts
        ],
    }


def steps_table(counts: Sequence["StepCounts"], *, with_fuel: bool) -> str:
    """What each module did."""
    headers = ["STEP", "MODULE", "KIND", "IN", "OUT", "ERRORS", "TIME"]
    rows = [
        [
            str(number),
            one.name,
            one.kind,
            str(one.record_in_count),
            str(one.record_out_count),
            str(one.error_count),
            time_text(one.elapsed_ns),
            *([str(one.fuel)] if with_fuel else []),
        ]
        for number, one in enumerate(counts, start=1)
    ]
    return format_columns(rows, headers=[*headers, "FUEL"] if with_fuel else headers)


def time_text(elapsed_ns: int) -> str:
    """Milliseconds, of which small ones matter."""
    return f"{elapsed_ns / 1e6:.3f} ms"


class Totals:
    """Of all records."""

    def __init__(self) -> None:
        self.in_count = self.out_count = self.error_count = self.elapsed_ns = 0

    def add(self, outcome: "Outcome") -> None:
        """One record more."""
        self.in_count += 1
        self.out_count += len(outcome.outputs)
        self.error_count += outcome.failure is not None
        self.elapsed_ns += outcome.elapsed_ns

    def shape(self) -> dict[str, Any]:
        """As data."""
        return {
            "records_in": self.in_count,
            "records_out": self.out_count,
            "errors": self.error_count,
            "elapsed_us": self.elapsed_ns / 1000,
        }

    def __str__(self) -> str:
        return (
            f"{self.in_count} records in, {self.out_count} out, {self.error_count} failed, "
            f"{time_text(self.elapsed_ns)}"
        )
