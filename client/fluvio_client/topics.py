"""Topics: made, given more partitions or mirrors, removed; and specs of topics from plain settings.

Reached as `client.admin.topics`.
"""

from collections.abc import Sequence
from dataclasses import replace

from fluvio_client.errors import NotChangeable, NotFound, ServerError
from fluvio_client.likeness import not_found_text
from fluvio_client.objects import Topic
from fluvio_client.quantities import LengthOfTime, Size, bytes_of, seconds_of, whole_seconds_of
from fluvio_client.repository import CreatableRepository
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import HomePartition
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    ComputedReplicas,
    Deduplication,
    MirrorReplicas,
    MirrorToRemotes,
    PartitionMap,
    SegmentCleanup,
    TopicResolution,
    TopicSpec,
    TopicStorage,
)
from fluvio_protocol.sc_public.list import ListRequest
from fluvio_protocol.sc_public.update import AddMirror, AddPartition, UpdateRequest
from fluvio_protocol.types import CompressionType, PartitionId, SpuId


class Topics(CreatableRepository[Topic]):
    """Topics."""

    kind = Kind.TOPIC
    object_type = Topic

    def _is_made_again(self, found: Topic) -> bool:
        return found.spec.system and found.status.resolution is not TopicResolution.DELETING

    async def create(
        self,
        name: str,
        partitions: int = 1,
        replication: int = 1,
        *,
        ignore_rack_assignment: bool = False,
        assignment: Sequence[Sequence[int]] | None = None,
        retention: LengthOfTime | None = None,
        segment_size: Size | None = None,
        max_partition_size: Size | None = None,
        compression: CompressionType | str = CompressionType.ANY,
        deduplication: Deduplication | None = None,
        system: bool = False,
        dry_run: bool = False,
        wait: LengthOfTime | None = None,
    ) -> None:
        """Make a topic, and return when its partitions are online.

        assignment: SPU ids of every partition, leader first, instead of a computed placement
        retention:  how long records are kept: a timedelta, seconds, or `"7d"`; whole seconds
        sizes:      bytes, or such as `"10 MiB"`
        dry_run:    only let the controller check it
        wait:       how long to wait for the partitions; 0 to be answered once it is stored
        Raises:     AlreadyExists, InvalidRequest, ServerError when it did not become ready;
                    ValueError for a quantity that is none
        """
        spec = topic_spec(
            partitions,
            replication,
            ignore_rack_assignment=ignore_rack_assignment,
            assignment=assignment,
            retention=retention,
            segment_size=segment_size,
            max_partition_size=max_partition_size,
            compression=compression,
            deduplication=deduplication,
            system=system,
        )
        await self.create_from_spec(name, spec, dry_run=dry_run, wait=wait)

    async def create_from_spec(
        self, name: str, spec: TopicSpec, *, dry_run: bool = False, wait: LengthOfTime | None = None
    ) -> None:
        """Like `create`, from a spec."""
        try:
            await super().create_from_spec(name, spec, dry_run=dry_run, wait=wait)
        except ServerError as error:
            # Nobody waits for it: that it is stored is all that was wanted.
            unwaited = wait is not None and not dry_run and seconds_of(wait) == 0
            if not unwaited or error.error_code is not ErrorCode.TOPIC_NOT_PROVISIONED:
                raise

    async def add_partitions(self, name: str, count: int = 1) -> None:
        """Add partitions to a topic whose placement is computed. Raises: NotFound, ..."""
        request = UpdateRequest(kind=self.kind, key=name, action=AddPartition(count=count))
        try:
            await self._ask(request)
        except NotFound as error:
            raise await self._not_found(name) from error

    async def add_mirror(self, name: str, remote: str, *, home_to_remote: bool = False) -> None:
        """Let one more remote cluster mirror a topic that others mirror.

        Raises: NotFound for the topic or the cluster, InvalidRequest, ServerError.
        """
        action = AddMirror(remote_cluster=remote, home_to_remote=home_to_remote)
        try:
            await self._ask(UpdateRequest(kind=self.kind, key=name, action=action))
        except NotFound as error:
            if error.error_code is ErrorCode.MIRROR_NOT_FOUND:
                listed = await self._session.ask_controller(ListRequest(kind=Kind.MIRROR))
                known = [one.name for one in listed.objects]
                raise NotFound(not_found_text("Mirror", remote, known), error.status) from error
            raise await self._not_found(name) from error

    async def update(self, name: str, *, partitions: int, dry_run: bool = False) -> int:
        """Let a topic have so many partitions; returns how many are new.

        It is all that Fluvio's protocol can change of a topic. Raises: NotFound, NotChangeable
        for fewer partitions than there are, or when they are assigned by hand or mirrored.
        """
        replicas = (await self.get(name)).spec.replicas
        if not isinstance(replicas, ComputedReplicas):
            raise NotChangeable(
                f"topic {name} has its replicas assigned by hand, or mirrors another: partitions "
                "can be added only to computed ones"
            )
        missing = partitions - replicas.partitions
        if missing < 0:
            raise NotChangeable(
                f"topic {name} has {replicas.partitions} partitions: they can be added, never "
                "taken away"
            )
        if missing and not dry_run:
            await self.add_partitions(name, missing)
        return missing


def topic_spec(
    partitions: int = 1,
    replication: int = 1,
    *,
    ignore_rack_assignment: bool = False,
    assignment: Sequence[Sequence[int]] | None = None,
    retention: LengthOfTime | None = None,
    segment_size: Size | None = None,
    max_partition_size: Size | None = None,
    compression: CompressionType | str = CompressionType.ANY,
    deduplication: Deduplication | None = None,
    system: bool = False,
) -> TopicSpec:
    """The spec that `Topics.create` sends. Raises ValueError."""
    replicas: AssignedReplicas | ComputedReplicas
    if assignment is not None:
        replicas = AssignedReplicas(
            maps=tuple(
                PartitionMap(id=PartitionId(number), replicas=tuple(SpuId(one) for one in row))
                for number, row in enumerate(assignment)
            )
        )
    else:
        if partitions < 1 or replication < 1:
            raise ValueError("a topic has at least one partition with one replica")
        replicas = ComputedReplicas(
            partitions=partitions,
            replication_factor=replication,
            ignore_rack_assignment=ignore_rack_assignment,
        )
    storage = None
    if segment_size is not None or max_partition_size is not None:
        storage = TopicStorage(
            segment_size=None if segment_size is None else bytes_of(segment_size),
            max_partition_size=None if max_partition_size is None else bytes_of(max_partition_size),
        )
    return TopicSpec(
        replicas=replicas,
        cleanup_policy=None
        if retention is None
        else SegmentCleanup(time_in_seconds=whole_seconds_of(retention)),
        storage=storage,
        compression_type=compression_named(compression),
        deduplication=deduplication,
        system=system,
    )


def mirrored_spec(
    name: str, spec: TopicSpec, remotes: Sequence[str], *, home_to_remote: bool = False
) -> TopicSpec:
    """The spec of a topic that these remote clusters mirror, one partition each.

    home_to_remote: records go from here to them, not from them to here
    """
    config = MirrorToRemotes(
        partitions=tuple(
            HomePartition(remote_cluster=remote, remote_replica=f"{name}-0", source=home_to_remote)
            for remote in remotes
        ),
        source=home_to_remote,
    )
    return replace(spec, replicas=MirrorReplicas(config=config))


def compression_named(compression: CompressionType | str) -> CompressionType:
    """`gzip`, `Gzip`, or the member itself. Raises ValueError."""
    if isinstance(compression, CompressionType):
        return compression
    for member in CompressionType:
        if member.name == compression.upper():
            return member
    names = ", ".join(member.name.lower() for member in CompressionType)
    raise ValueError(f'unknown compression "{compression}": known are {names}')
