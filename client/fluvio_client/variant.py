"""A choice of several with contents, as plain data. Apart from `shapes`, so that those who only
write data need not know every kind of object."""

from typing import Any


class Variant(dict[str, Any]):
    """One choice of several, with its contents: exactly one key. YAML writes it `!key`."""
