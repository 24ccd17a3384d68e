"""Amounts as Kubernetes writes them: `10Gi`, `500m`, `1e3`. Exact, so that equal is equal.

Used to judge a group's volume size and to compare amounts that the API server rewrote.
"""

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([A-Za-z]*|[eE][+-]?[0-9]{1,2})")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_BINARY = {f"{prefix}i": Decimal(1024) ** power for power, prefix in enumerate("KMGTPE", start=1)}
_DECIMAL = {
    prefix: Decimal(1000) ** power
    for power, prefix in zip(
        range(-3, 7), ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"], strict=True
    )
}
_LENGTH_MAX = 40


def parse_quantity(text: str | int | float) -> Decimal | None:
    """The amount; None when this is none."""
    written = str(text)
    found = _QUANTITY.fullmatch(written) if len(written) <= _LENGTH_MAX else None
    if found is None:
        return None
    number, suffix = found.groups()
    factor = _BINARY.get(suffix, _DECIMAL.get(suffix))
    if factor is None:
        exponent = _EXPONENT.fullmatch(suffix)
        if exponent is None:
            return None
        factor = Decimal(10) ** int(exponent.group(1))
    return Decimal(number) * factor
