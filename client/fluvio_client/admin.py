"""Changes and shows what is in the cluster: one repository per kind of object.

Reached as `client.admin`. Every object is a `Metadata`: name, spec (desired) and status (actual);
`shapes` turns one into plain data. Nothing is sent twice: a create whose answer was lost may have
worked, and the caller is told that the connection ended.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fluvio_client.errors import NotFound, ServerError, error_text, server_error
from fluvio_client.session import Session
from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, SmartModuleWasm
from fluvio_protocol.metadata.spu import CustomSpuSpec, Endpoint, IngressAddress, IngressPort
from fluvio_protocol.metadata.spu_group import GroupSpuConfig, GroupStorage, SpuGroupSpec
from fluvio_protocol.metadata.table_format import TableFormatSpec
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    ComputedReplicas,
    PartitionMap,
    SegmentCleanup,
    TopicSpec,
    TopicStorage,
)
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.delete import DeleteRequest, SpuName, SpuNumber
from fluvio_protocol.sc_public.status import Status
from fluvio_protocol.sc_public.update import AddPartition, UpdateRequest
from fluvio_protocol.sc_public.watch import ChangeType, WatchRequest
from fluvio_protocol.spu_public.consumer_offsets import (
    ConsumerOffset,
    ConsumerOffsetFilter,
    DeleteConsumerOffsetRequest,
    FetchConsumerOffsetsRequest,
)
from fluvio_protocol.types import CompressionType, PartitionId, ReplicaKey, SpuId

CREATE_TIMEOUT_S = 100.0
"""How long to wait for an answer to Create: the controller answers when partitions are online,
and gives up by itself before that."""
_NOT_FOUND: dict[Kind, ErrorStatus] = {
    Kind.TOPIC: ErrorStatus(ErrorCode.TOPIC_NOT_FOUND),
    Kind.SPU: ErrorStatus(ErrorCode.SPU_NOT_FOUND),
    Kind.CUSTOM_SPU: ErrorStatus(ErrorCode.SPU_NOT_FOUND),
    Kind.TABLE_FORMAT: ErrorStatus(ErrorCode.TABLE_FORMAT_NOT_FOUND),
}


class Event(StrEnum):
    """What happened to an object that is watched."""

    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """An object came or changed, or went; then it is as it last was."""

    event: Event
    object: Metadata


class Admin:
    """The repositories."""

    def __init__(self, session: Session) -> None:
        self.topics = Topics(session)
        self.partitions = Partitions(session)
        self.spus = Spus(session)
        self.custom_spus = CustomSpus(session)
        self.spu_groups = SpuGroups(session)
        self.smart_modules = SmartModules(session)
        self.table_formats = TableFormats(session)
        self.consumers = Consumers(session)


class _Repository:
    """What every kind can do: list and find."""

    kind: Kind

    def __init__(self, session: Session) -> None:
        self._session = session

    async def list(
        self, names: Sequence[str] | None = None, *, system: bool = False
    ) -> list[Metadata]:
        """All objects, or those with exactly these names. system: system objects instead."""
        return await self._session.list_objects(self.kind, names=tuple(names or ()), system=system)

    async def get(self, name: str) -> Metadata:
        """The object of that name, a system object too. Raises NotFound."""
        for system in (False, True):
            for found in await self.list([name], system=system):
                return found
        status = _NOT_FOUND.get(self.kind)
        if status is None:
            status = ErrorStatus.other(f"{self.kind} not found: {name}")
        raise NotFound(error_text(status), status)

    async def watch(self) -> AsyncIterator[Change]:
        """Everything that is there, then every change. Ends with ConnectionLost."""
        connection = await self._session.controller()
        stream = connection.open_stream(WatchRequest(kind=self.kind, summary=True))
        try:
            async for update in stream:
                for found in update.all:
                    yield Change(Event.UPDATED, found)
                for change in update.changes:
                    gone = change.change_type is ChangeType.DELETE
                    yield Change(Event.DELETED if gone else Event.UPDATED, change.object)
        finally:
            stream.close()

    async def _create(
        self, name: str, spec: Any, *, dry_run: bool = False, timeout_s: float | None = None
    ) -> None:
        request = CreateRequest(
            name=name,
            dry_run=dry_run,
            timeout_ms=None if timeout_s is None else int(timeout_s * 1000),
            spec=spec,
        )
        await self._ask(request, timeout_s=CREATE_TIMEOUT_S + (timeout_s or 0))

    async def _delete(self, key: str | SpuName | SpuNumber, *, force: bool = False) -> None:
        await self._ask(DeleteRequest(kind=self.kind, key=key, force=force))

    async def _ask(self, request: Any, *, timeout_s: float = 60.0) -> None:
        status: Status = await self._session.ask_controller(request, timeout_s=timeout_s)
        if status.error_code:
            raise server_error(status.error_code, status.error_message)


class Topics(_Repository):
    """Topics."""

    kind = Kind.TOPIC

    async def create(
        self,
        name: str,
        partitions: int = 1,
        replication: int = 1,
        *,
        ignore_rack_assignment: bool = False,
        assignment: Sequence[Sequence[int]] | None = None,
        retention_s: int | None = None,
        segment_size_bytes: int | None = None,
        max_partition_size_bytes: int | None = None,
        compression: CompressionType = CompressionType.ANY,
        system: bool = False,
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Make a topic, and return when its partitions are online.

        assignment: SPU ids of every partition, leader first, instead of a computed placement
        dry_run:    only let the controller check it
        Raises:     AlreadyExists, InvalidRequest, ServerError when it did not become ready
        """
        replicas: AssignedReplicas | ComputedReplicas
        if assignment is not None:
            replicas = AssignedReplicas(
                maps=tuple(
                    PartitionMap(id=PartitionId(number), replicas=tuple(SpuId(one) for one in row))
                    for number, row in enumerate(assignment)
                )
            )
        else:
            replicas = ComputedReplicas(
                partitions=partitions,
                replication_factor=replication,
                ignore_rack_assignment=ignore_rack_assignment,
            )
        storage = None
        if segment_size_bytes is not None or max_partition_size_bytes is not None:
            storage = TopicStorage(
                segment_size=segment_size_bytes, max_partition_size=max_partition_size_bytes
            )
        spec = TopicSpec(
            replicas=replicas,
            cleanup_policy=None
            if retention_s is None
            else SegmentCleanup(time_in_seconds=retention_s),
            storage=storage,
            compression_type=compression,
            system=system,
        )
        await self.create_from_spec(name, spec, dry_run=dry_run, timeout_s=timeout_s)

    async def create_from_spec(
        self,
        name: str,
        spec: TopicSpec,
        *,
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Like `create`, from a spec."""
        await self._create(name, spec, dry_run=dry_run, timeout_s=timeout_s)

    async def delete(self, name: str, *, force: bool = False) -> None:
        """Remove a topic, its partitions and their records. force: also a system topic.

        Raises: NotFound, SystemObject.
        """
        await self._delete(name, force=force)

    async def add_partitions(self, name: str, count: int = 1) -> None:
        """Add partitions to a topic whose placement is computed. Raises: NotFound, ..."""
        await self._ask(UpdateRequest(kind=self.kind, key=name, action=AddPartition(count=count)))


class Partitions(_Repository):
    """Partitions, which belong to topics and are changed through them."""

    kind = Kind.PARTITION


class Spus(_Repository):
    """All SPUs, managed and custom."""

    kind = Kind.SPU


class CustomSpus(_Repository):
    """SPUs that the user runs."""

    kind = Kind.CUSTOM_SPU

    async def register(
        self,
        spu_id: int,
        *,
        public: tuple[str, int],
        private: tuple[str, int],
        public_local: tuple[str, int] | None = None,
        name: str | None = None,
        rack: str | None = None,
    ) -> None:
        """Make an SPU known to the cluster, by host and port. Raises AlreadyExists.

        name: `custom-spu-<id>` when not given
        """
        spec = CustomSpuSpec(
            id=SpuId(spu_id),
            public_endpoint=IngressPort(
                port=public[1], ingress=(IngressAddress(hostname=public[0]),)
            ),
            private_endpoint=Endpoint(port=private[1], host=private[0]),
            rack=rack,
            public_endpoint_local=None
            if public_local is None
            else Endpoint(port=public_local[1], host=public_local[0]),
        )
        await self._create(name or f"custom-spu-{spu_id}", spec)

    async def unregister(self, key: int | str) -> None:
        """Forget an SPU, by id or by name. Raises NotFound."""
        await self._delete(SpuNumber(id=SpuId(key)) if isinstance(key, int) else SpuName(name=key))


class SpuGroups(_Repository):
    """Groups of SPUs that the platform runs."""

    kind = Kind.SPU_GROUP

    async def create(
        self,
        name: str,
        replicas: int = 1,
        *,
        min_id: int = 1,
        rack: str | None = None,
        storage_size: str | None = None,
    ) -> None:
        """Make a group. storage_size: of each member, such as `10Gi`. Raises AlreadyExists."""
        storage = None if storage_size is None else GroupStorage(size=storage_size)
        spec = SpuGroupSpec(
            replicas=replicas,
            min_id=SpuId(min_id),
            spu_config=GroupSpuConfig(rack=rack, storage=storage),
        )
        await self._create(name, spec)

    async def delete(self, name: str) -> None:
        """Remove a group and its SPUs. Raises NotFound."""
        await self._delete(name)


class SmartModules(_Repository):
    """Stored SmartModules; lists leave the code out."""

    kind = Kind.SMART_MODULE

    async def create(self, name: str, wasm: bytes) -> None:
        """Store a module, or replace it. wasm: the code, gzip or plain."""
        await self._create(name, SmartModuleSpec(wasm=SmartModuleWasm(payload=wasm)))

    async def delete(self, name: str) -> None:
        """Remove a module. Raises ServerError."""
        await self._delete(name)


class TableFormats(_Repository):
    """Table formats."""

    kind = Kind.TABLE_FORMAT

    async def create(self, spec: TableFormatSpec) -> None:
        """Store a format under its own name. Raises AlreadyExists."""
        await self._create(spec.name, spec)

    async def delete(self, name: str) -> None:
        """Remove a format. Raises NotFound."""
        await self._delete(name)


class Consumers:
    """Offsets that the cluster keeps for consumers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def list(self, consumer_id: str | None = None) -> list[ConsumerOffset]:
        """Stored offsets, of all consumers or of one, in order."""
        chosen = None if consumer_id is None else ConsumerOffsetFilter(consumer_id=consumer_id)
        try:
            response = await self._session.ask_consumer_offsets(
                FetchConsumerOffsetsRequest(filter_opts=chosen)
            )
        except ServerError as error:
            if error.error_code is ErrorCode.TOPIC_NOT_FOUND:
                return []
            raise
        return sorted(
            (
                stored
                for stored in response.consumers
                if consumer_id is None or stored.consumer_id == consumer_id
            ),
            key=lambda stored: (stored.consumer_id, stored.replica),
        )

    async def delete(self, consumer_id: str, topic: str, partition: int) -> None:
        """Forget an offset; one that is not known is fine."""
        await self._session.ask_consumer_offsets(
            DeleteConsumerOffsetRequest(
                replica=ReplicaKey(topic, PartitionId(partition)), consumer_id=consumer_id
            )
        )
