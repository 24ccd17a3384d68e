"""Administration, as the official package does it."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from fluvio_client import sync
from fluvio_client.compat.client import FluvioConfig, opened
from fluvio_client.compat.topics import TopicSpec
from fluvio_client.errors import NotFound
from fluvio_client.objects import AdminObject
from fluvio_client.portal import BlockingIterator
from fluvio_protocol.metadata import topic as wire
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.sc_public.watch import ChangeType, WatchRequest, WatchResponse

T = TypeVar("T", bound="_Named")


@dataclass(frozen=True, slots=True)
class CommonCreateRequest:
    """What every create has."""

    name_: str
    dry_run: bool
    timeout_ms: int

    @classmethod
    def new(cls, name: str, dry_run: bool, timeout: int) -> Self:
        """timeout: how long the controller may take, ms."""
        return cls(name, dry_run, timeout)


@dataclass(frozen=True, slots=True)
class SmartModuleSpec:
    """A SmartModule's code."""

    wasm: bytes

    @classmethod
    def new(cls, path: str) -> Self:
        """From a file. Raises OSError."""
        return cls(Path(path).read_bytes())


@dataclass(frozen=True, slots=True)
class _Named:
    """An object of which the package tells the name."""

    _name: str

    def name(self) -> str:
        """Its name."""
        return self._name


class MetadataTopicSpec(_Named):
    """A topic."""


class MetadataSmartModuleSpec(_Named):
    """A SmartModule."""


class MetadataPartitionSpec(_Named):
    """A partition."""


@dataclass(frozen=True, slots=True)
class _Message(Generic[T]):
    """One change."""

    _object: T
    _deleted: bool

    def is_update(self) -> bool:
        """The object is new, or changed."""
        return not self._deleted

    def is_delete(self) -> bool:
        """The object is gone."""
        return self._deleted


class MessageMetadataTopicSpec(_Message[MetadataTopicSpec]):
    """One change of topics."""

    def metadata_topic_spec(self) -> MetadataTopicSpec:
        """The topic."""
        return self._object


class MessageMetadataSmartModuleSpec(_Message[MetadataSmartModuleSpec]):
    """One change of SmartModules."""

    def metadata_smart_module_spec(self) -> MetadataSmartModuleSpec:
        """The SmartModule."""
        return self._object


@dataclass(frozen=True, slots=True)
class MetaUpdateTopicSpec:
    """What a watch of topics says at a time: everything, or what changed."""

    _update: WatchResponse

    def epoch(self) -> int:
        """The controller's count of changes."""
        return int(self._update.epoch)

    def all(self) -> list[MetadataTopicSpec]:
        """Everything."""
        return [MetadataTopicSpec(one.name) for one in self._update.all]

    def changes(self) -> list[MessageMetadataTopicSpec]:
        """What changed."""
        return [
            MessageMetadataTopicSpec(
                MetadataTopicSpec(one.object.name), one.change_type is ChangeType.DELETE
            )
            for one in self._update.changes
        ]


@dataclass(frozen=True, slots=True)
class MetaUpdateSmartModuleSpec:
    """What a watch of SmartModules says at a time: everything, or what changed."""

    _update: WatchResponse

    def epoch(self) -> int:
        """The controller's count of changes."""
        return int(self._update.epoch)

    def all(self) -> list[MetadataSmartModuleSpec]:
        """Everything."""
        return [MetadataSmartModuleSpec(one.name) for one in self._update.all]

    def changes(self) -> list[MessageMetadataSmartModuleSpec]:
        """What changed."""
        return [
            MessageMetadataSmartModuleSpec(
                MetadataSmartModuleSpec(one.object.name), one.change_type is ChangeType.DELETE
            )
            for one in self._update.changes
        ]


class FluvioAdmin:
    """Changes and shows what is in a cluster."""

    def __init__(self, client: sync.Fluvio) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> Self:
        """To the current profile's cluster. Raises FluviorError."""
        return cls(opened(sync.connect()))

    @classmethod
    def connect_with_config(cls, config: FluvioConfig) -> Self:
        """To a cluster. Raises FluviorError."""
        return cls(config.connected())

    def create_topic(self, topic: str, spec: wire.TopicSpec | TopicSpec | None = None) -> None:
        """Make a topic; with one partition unless told otherwise. Raises FluviorError."""
        self._create(CommonCreateRequest(topic, False, 0), spec)

    def create_topic_with_config(
        self, topic: str, req: CommonCreateRequest, spec: wire.TopicSpec | TopicSpec
    ) -> None:
        """Make a topic as the request says. Raises FluviorError."""
        self._create(req, spec)

    def _create(
        self, request: CommonCreateRequest, spec: wire.TopicSpec | TopicSpec | None
    ) -> None:
        built = spec if isinstance(spec, wire.TopicSpec) else (spec or TopicSpec()).build()
        self._client.admin.topics.create_from_spec(
            request.name_,
            built,
            dry_run=request.dry_run,
            wait=request.timeout_ms / 1000 if request.timeout_ms else None,
        )

    def delete_topic(self, topic: str) -> None:
        """Remove a topic. Raises FluviorError."""
        self._client.admin.topics.delete(topic)

    def all_topics(self) -> list[MetadataTopicSpec]:
        """Every topic of users."""
        return self.list_topics([])

    def list_topics(self, filters: Sequence[str]) -> list[MetadataTopicSpec]:
        """Topics with one of these texts in their names; all for none."""
        return _chosen(self._client.admin.topics.list(), filters, MetadataTopicSpec)

    def list_topics_with_params(
        self, filters: Sequence[str], summary: bool
    ) -> list[MetadataTopicSpec]:
        """Like `list_topics`: of topics the package shows no more than a summary has."""
        return self.list_topics(filters)

    def list_partitions(self, filters: Sequence[str]) -> list[MetadataPartitionSpec]:
        """Partitions with one of these texts in their names; all for none."""
        return _chosen(self._client.admin.partitions.list(), filters, MetadataPartitionSpec)

    def watch_topic(self) -> Iterator[MetaUpdateTopicSpec]:
        """Every topic first, then what changes."""
        return (MetaUpdateTopicSpec(update) for update in self._updates(Kind.TOPIC))

    def create_smartmodule(self, name: str, path: str, dry_run: bool) -> None:
        """Store a module from a file, or replace it. Raises FluviorError, OSError."""
        code = SmartModuleSpec.new(path).wasm
        self._client.admin.smart_modules.create(name, code, dry_run=dry_run)

    def delete_smartmodule(self, name: str) -> None:
        """Remove a module. Raises FluviorError."""
        try:
            self._client.admin.smart_modules.delete(name)
        except NotFound as error:
            raise NotFound(f"SmartModule {name} was not found", error.status) from error

    def list_smartmodules(self, filters: Sequence[str]) -> list[MetadataSmartModuleSpec]:
        """Modules with one of these names; all for none."""
        found = self._client.admin.smart_modules.list(filters or None)
        return _chosen(found, (), MetadataSmartModuleSpec)

    def watch_smartmodule(self) -> Iterator[MetaUpdateSmartModuleSpec]:
        """Every module first, then what changes."""
        return (MetaUpdateSmartModuleSpec(update) for update in self._updates(Kind.SMART_MODULE))

    def _updates(self, kind: Kind) -> Iterator[WatchResponse]:
        session = self._client._twin._session

        async def updates() -> AsyncIterator[WatchResponse]:
            connection = await session.controller()
            stream = connection.open_stream(WatchRequest(kind=kind, summary=True))
            try:
                async for update in stream:
                    yield update
            finally:
                stream.close()

        return BlockingIterator(self._client._portal, updates())


def _chosen(
    objects: Sequence[AdminObject], filters: Sequence[str], kind: Callable[[str], Any]
) -> list[Any]:
    return [
        kind(one.name)
        for one in objects
        if not filters or any(text in one.name for text in filters)
    ]
