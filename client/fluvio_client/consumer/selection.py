"""Which partitions a consumer reads: every way to say it, as one. Pure."""

from collections.abc import Mapping, Sequence

Topics = str | Sequence[str] | Mapping[str, Sequence[int] | int | None]
"""A topic, several of them, or by topic the partitions; None stands for all of its partitions."""

Selection = dict[str, tuple[int, ...] | None]
"""By topic its partitions in order; None means all, also those that come later."""


def select(topics: Topics, partitions: Sequence[int] | int | None = None) -> Selection:
    """partitions: of every topic that is named without.

    Raises: ValueError for nothing at all, and for partitions said twice.
    """
    if isinstance(topics, str):
        topics = [topics]
    if isinstance(topics, Mapping):
        if partitions is not None:
            raise ValueError("say partitions by topic, or once for all topics, not both")
        found = {topic: _numbers(wanted) for topic, wanted in topics.items()}
    else:
        numbers = _numbers(partitions)
        found = dict.fromkeys(topics, numbers)
    if not found:
        raise ValueError("a consumer needs a topic at least")
    return found


def _numbers(partitions: Sequence[int] | int | None) -> tuple[int, ...] | None:
    if partitions is None:
        return None
    if isinstance(partitions, int):
        return (partitions,)
    if not partitions:
        raise ValueError("name a partition at least, or leave them out to read all of them")
    return tuple(sorted(set(partitions)))
