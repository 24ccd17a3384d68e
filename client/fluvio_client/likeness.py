"""Which name was meant: `ordrs` is close to `orders`. Pure; used for "Did you mean ...?"."""

import difflib
from collections.abc import Iterable

_LIKENESS_MIN = 0.75
"""Names made of random digits resemble each other by up to two thirds."""
_SHOWN_MAX = 3


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Names like this one, the closest first; only a few."""
    return difflib.get_close_matches(
        name, sorted(set(known) - {name}), n=_SHOWN_MAX, cutoff=_LIKENESS_MIN
    )


def not_found_text(label: str, name: str, known: Iterable[str]) -> str:
    """`Topic not found: ordrs. Did you mean orders?`"""
    return f"{label} not found: {name}{hint(name, known)}"


def hint(name: str, known: Iterable[str]) -> str:
    """What to put behind such a text: `. Did you mean orders?`, or nothing."""
    close = close_names(name, known)
    return f". Did you mean {' or '.join(close)}?" if close else ""
