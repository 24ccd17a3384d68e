"""What changed between two files of results. Pure.

Benchmarks belong together when their mode and the settings that count are the same; of several that
are alike, the first of one file belongs to the first of the other.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from fluvio_cli.benchmark.report import FIGURES, differing, label, table, values
from fluvio_cli.benchmark.results import Result

HEADERS: Final = ("figure", "before", "after", "change")


def compare(before: Sequence[Result], after: Sequence[Result]) -> str:
    """A table of what both have, and how many only one has. Raises ValueError for no pair."""
    left = list(after)
    pairs: list[tuple[Result, Result]] = []
    for one in before:
        other = next((found for found in left if _identity(found) == _identity(one)), None)
        if other is not None:
            left.remove(other)
            pairs.append((one, other))
    if not pairs:
        raise ValueError("no benchmark of one file has the settings of one in the other")
    names = differing([one for one, _ in pairs])
    rows = [
        [*(str(label(one).get(name, "")) for name in names), *cells]
        for one, other in pairs
        for cells in _changes(one, other)
    ]
    text = table([*names, *HEADERS], rows)
    for count, which in ((len(before) - len(pairs), "first"), (len(left), "second")):
        if count:
            text += f"in the {which} file alone: {count}\n"
    return text


def _identity(result: Result) -> str:
    return json.dumps(label(result), sort_keys=True)


def _changes(before: Result, after: Result) -> Iterator[list[str]]:
    for name, old, new in zip(FIGURES, values(before.total), values(after.total), strict=True):
        change = f"{(new - old) / old:+.1%}" if old else "-"
        yield [name, f"{old:.3f}", f"{new:.3f}", change]
