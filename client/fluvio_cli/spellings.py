"""Words that options accept in several spellings. Pure; each raises ValueError for what is none."""

_COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")


def parse_compression(text: str) -> str:
    """A codec, in any case."""
    if text.lower() not in _COMPRESSIONS:
        raise ValueError(f"unknown compression format: {text}")
    return text.lower()


def parse_isolation(text: str) -> str:
    """`read_committed`, `ReadCommitted`, `readcommitted`, and the same of uncommitted."""
    plain = text.replace("_", "").lower()
    if plain not in ("readcommitted", "readuncommitted"):
        raise ValueError(
            f"unrecognized isolation: {text}. Supported: read_committed, read_uncommitted"
        )
    return plain


def parse_delivery_semantic(text: str) -> str:
    """`at_least_once`, `AtLeastOnce`, `at-least-once`, `atleastonce`, and the same of at most."""
    plain = text.replace("_", "").replace("-", "").lower()
    if plain not in ("atleastonce", "atmostonce"):
        raise ValueError(
            f"unrecognized delivery semantic: {text}. Supported: at_least_once, at_most_once"
        )
    return plain


def parse_key_separator(text: str) -> str:
    """Anything but nothing."""
    if not text:
        raise ValueError('key separator cannot be empty: quote it, as in "="')
    return text
