"""Which partitions a consumer reads: every way to say it, as one. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

Topics = str | Sequence[str] | Mapping[str, Sequence[int] | int | None]
"""A topic, several of them, or by topic the partitions; None stands for all of its partitions."""

Selection = dict[str, tuple[int, ...] | None]
"""By topic its partitions in order; None means all, also those that come later."""

_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """Topics by a glob over their names, as shells have it: `*`, `?`, `[a-c]`; case counts.

    Whatever matches is read whole, also what comes later. Raises: ValueError for an empty glob.
    """

    glob: str

    def __post_init__(self) -> None:
        if not self.glob:
            raise ValueError("a pattern of topics cannot be empty")

    @property
    def is_name(self) -> bool:
        """It is the name of one topic."""
        return _WILDCARDS.isdisjoint(self.glob)

    def takes(self, topic: str, *, system: bool) -> bool:
        """system: the topic belongs to the cluster, and has to be named exactly."""
        return topic == self.glob or (not system and fnmatchcase(topic, self.glob))


def chosen(
    topics: Topics | None, partitions: Sequence[int] | int | None, pattern: str | None
) -> Selection | TopicPattern:
    """What a consumer reads, by topics or by a pattern of them.

    Raises: ValueError for both, for neither, and for partitions of a pattern.
    """
    if pattern is None:
        return select(() if topics is None else topics, partitions)
    if topics is not None:
        raise ValueError("say topics, or a pattern of topics, not both")
    if partitions is not None:
        raise ValueError("topics that a pattern chooses are read whole: leave partitions out")
    return TopicPattern(pattern)


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
