"""Changes and shows what is in the cluster: one repository per kind of object.

Reached as `client.admin`. Every object has a name, a spec (desired), a status (actual, read-only)
and an owner (`fluvio_client.objects`). Partitions and managed SPUs belong to topics and groups, and
are refused to whoever wants to change them. Nothing is sent twice: a create whose answer was lost
may have worked, and the caller is told that the connection ended.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from fluvio_client.desired import Applied, Difference, apply, differences
from fluvio_client.errors import ManagedObject, ServerError
from fluvio_client.objects import (
    AdminObject,
    CustomSpu,
    Mirror,
    Partition,
    SmartModule,
    Spu,
    SpuGroup,
    TableFormat,
)
from fluvio_client.quantities import LengthOfTime
from fluvio_client.replicas import Replicas
from fluvio_client.repository import WAIT_TIMEOUT_S as WAIT_TIMEOUT_S
from fluvio_client.repository import Change as Change
from fluvio_client.repository import CreatableRepository, Repository, owned_by
from fluvio_client.repository import Event as Event
from fluvio_client.session import Session
from fluvio_client.stored_offsets import Consumers
from fluvio_client.topics import Topics as Topics
from fluvio_client.topics import topic_spec as topic_spec
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import HomeMirror, RemoteMirror
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, SmartModuleWasm
from fluvio_protocol.metadata.spu import CustomSpuSpec, Endpoint, IngressAddress, IngressPort
from fluvio_protocol.metadata.spu_group import (
    EnvironmentVariable,
    GroupReplication,
    GroupSpuConfig,
    GroupStorage,
    SpuGroupSpec,
)
from fluvio_protocol.metadata.table_format import TableFormatSpec
from fluvio_protocol.sc_public.delete import SpuName, SpuNumber
from fluvio_protocol.types import SpuId


class Admin:
    """The repositories, and what works for every kind."""

    def __init__(self, session: Session) -> None:
        self.topics = Topics(session)
        self.partitions = Partitions(session)
        self.spus = Spus(session)
        self.custom_spus = CustomSpus(session)
        self.spu_groups = SpuGroups(session)
        self.smart_modules = SmartModules(session)
        self.table_formats = TableFormats(session)
        self.mirrors = Mirrors(session)
        self.consumers = Consumers(session)
        self.replicas = Replicas(session)

    def of(self, kind: Kind | str) -> Repository[Any]:
        """The repository of a kind, which may be a word: `topic`, `SpuGroup`, `spu-group`.

        Raises: ValueError for a word that is no kind.
        """
        match kind_named(kind):
            case Kind.TOPIC:
                return self.topics
            case Kind.PARTITION:
                return self.partitions
            case Kind.SPU:
                return self.spus
            case Kind.CUSTOM_SPU:
                return self.custom_spus
            case Kind.SPU_GROUP:
                return self.spu_groups
            case Kind.SMART_MODULE:
                return self.smart_modules
            case Kind.TABLE_FORMAT:
                return self.table_formats
            case Kind.MIRROR:
                return self.mirrors

    async def wait_for(
        self,
        kind: Kind | str,
        name: str,
        predicate: Callable[[Any], bool] = lambda found: True,
        *,
        timeout: LengthOfTime = WAIT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> AdminObject:
        """The object, as soon as it is there and `predicate` holds. Raises WaitTimedOut."""
        found: AdminObject = await self.of(kind).wait_for(name, predicate, timeout=timeout)
        return found

    async def apply(
        self,
        kind: Kind | str,
        name: str,
        spec: Any,
        *,
        dry_run: bool = False,
        wait: LengthOfTime | None = None,
    ) -> Applied:
        """Make the object what `spec` says: create it, change what can be changed, or leave it.

        dry_run: only say what would be done, and let the controller check a new object
        wait:    as in `create_from_spec`
        Raises:  NotChangeable, ManagedObject, and what creating raises
        """
        return await apply(self, kind_named(kind), name, spec, dry_run=dry_run, wait=wait)

    async def diff(self, kind: Kind | str, name: str, spec: Any) -> list[Difference] | None:
        """Where an object differs from `spec`; None when there is no such object."""
        return await differences(self, kind_named(kind), name, spec)


def kind_named(kind: Kind | str) -> Kind:
    """The kind, or the one of that name, however it is spelt. Raises ValueError."""
    plain = str(kind).replace("-", "").replace("_", "").lower()
    for member in Kind:
        if plain in (member.value.lower(), f"{member.value.lower()}s"):
            return member
    short = _SHORT_KINDS.get(plain)
    if short is None:
        raise ValueError(f'"{kind}" is no kind of object: {", ".join(one.value for one in Kind)}')
    return short


_SHORT_KINDS = {
    "spg": Kind.SPU_GROUP,
    "sm": Kind.SMART_MODULE,
    "tf": Kind.TABLE_FORMAT,
    "mir": Kind.MIRROR,
}


class Partitions(Repository[Partition]):
    """Partitions, which belong to topics and are changed through them."""

    kind = Kind.PARTITION
    object_type = Partition

    async def create(self, name: str, spec: Any = None) -> NoReturn:
        """Refuses. Raises ManagedObject."""
        raise ManagedObject(f"partition {name}: partitions are made by their topic: add to that")

    async def update(self, name: str, spec: Any = None) -> NoReturn:
        """Refuses. Raises NotFound, ManagedObject."""
        await self._refuse(name)

    async def delete(self, name: str) -> NoReturn:
        """Refuses. Raises NotFound, ManagedObject."""
        await self._refuse(name)

    async def _refuse(self, name: str) -> NoReturn:
        owner = (await self.get(name)).owner
        raise ManagedObject(
            f"partition {name} belongs to {owned_by(owner)}: it is changed and removed with that"
        )


class Spus(Repository[Spu]):
    """All SPUs, managed and custom."""

    kind = Kind.SPU
    object_type = Spu

    async def delete(self, name: str, *, force: bool = False) -> None:
        """Forget an SPU that was registered by hand. Raises NotFound, ManagedObject."""
        refuse_managed(await self.get(name))
        await CustomSpus(self._session).unregister(name, force=force)


def refuse_managed(spu: Spu) -> None:
    """Raises ManagedObject for an SPU that a group made."""
    if spu.managed:
        raise ManagedObject(
            f"SPU {spu.name} belongs to {owned_by(spu.owner)}: change the group instead"
        )


class CustomSpus(CreatableRepository[CustomSpu]):
    """SPUs that the user runs."""

    kind = Kind.CUSTOM_SPU
    object_type = CustomSpu
    label = "SPU"

    async def register(
        self,
        spu_id: int,
        *,
        public: tuple[str, int],
        private: tuple[str, int],
        public_local: tuple[str, int] | None = None,
        name: str | None = None,
        rack: str | None = None,
        dry_run: bool = False,
    ) -> str:
        """Make an SPU known to the cluster, by host and port; returns its name.

        name:   `custom-spu-<id>` when not given
        Raises: AlreadyExists.
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
        name = name or f"custom-spu-{spu_id}"
        await self.create_from_spec(name, spec, dry_run=dry_run)
        return name

    async def unregister(self, key: int | str, *, force: bool = False) -> None:
        """Forget an SPU, by id or by name.

        force:  although it holds partitions, which are then offline for good
        Raises: NotFound, ManagedObject for one that a group made.
        """
        wire_key = SpuNumber(id=SpuId(key)) if isinstance(key, int) else SpuName(name=key)
        try:
            await self._delete(wire_key, force=force)
        except ServerError as error:
            if error.error_code is ErrorCode.SPU_ERROR:
                for spu in await Spus(self._session).list():
                    if key in (spu.name, spu.spec.id):
                        refuse_managed(spu)
            raise

    async def delete(self, name: str, *, force: bool = False) -> None:
        """The same as `unregister`, by name."""
        await self.unregister(name, force=force)


class SpuGroups(CreatableRepository[SpuGroup]):
    """Groups of SPUs that the platform runs."""

    kind = Kind.SPU_GROUP
    object_type = SpuGroup

    async def create(
        self,
        name: str,
        replicas: int = 1,
        *,
        min_id: int = 1,
        rack: str | None = None,
        storage_size: str | None = None,
        in_sync_replica_min: int | None = None,
        environment: dict[str, str] | None = None,
        dry_run: bool = False,
    ) -> None:
        """Make a group.

        min_id:              id of its first SPU
        storage_size:        of each member, in Kubernetes' spelling, such as `10Gi`
        in_sync_replica_min: replicas that must hold a record before it counts as committed
        Raises:              AlreadyExists.
        """
        spec = SpuGroupSpec(
            replicas=replicas,
            min_id=SpuId(min_id),
            spu_config=GroupSpuConfig(
                rack=rack,
                storage=None if storage_size is None else GroupStorage(size=storage_size),
                replication=None
                if in_sync_replica_min is None
                else GroupReplication(in_sync_replica_min=in_sync_replica_min),
                env=tuple(
                    EnvironmentVariable(name=variable, value=value)
                    for variable, value in (environment or {}).items()
                ),
            ),
        )
        await self.create_from_spec(name, spec, dry_run=dry_run)


class SmartModules(CreatableRepository[SmartModule]):
    """Stored SmartModules; lists leave the code out."""

    kind = Kind.SMART_MODULE
    object_type = SmartModule

    async def create(self, name: str, wasm: bytes, *, dry_run: bool = False) -> None:
        """Store a module, or replace it. wasm: the code, gzip or plain."""
        spec = SmartModuleSpec(wasm=SmartModuleWasm(payload=wasm))
        await self.create_from_spec(name, spec, dry_run=dry_run)

    async def get_with_code(self, name: str) -> SmartModule:
        """Like `get`, with the code. Raises NotFound."""
        for found in await self._found({name}, summary=False):
            return found
        raise await self._not_found(name)

    async def update(self, name: str, wasm: bytes) -> None:
        """Replace a module. Raises NotFound."""
        await self.get(name)
        await self.create(name, wasm)


class TableFormats(CreatableRepository[TableFormat]):
    """Table formats."""

    kind = Kind.TABLE_FORMAT
    object_type = TableFormat

    async def create(self, spec: TableFormatSpec, *, dry_run: bool = False) -> None:
        """Store a format under its own name. Raises AlreadyExists."""
        await self.create_from_spec(spec.name, spec, dry_run=dry_run)

    async def update(self, spec: TableFormatSpec) -> None:
        """Replace a format: it is deleted and made again. Raises NotFound."""
        await self.delete(spec.name)
        await self.create(spec)


class Mirrors(CreatableRepository[Mirror]):
    """Other clusters."""

    kind = Kind.MIRROR
    object_type = Mirror

    async def create(
        self, name: str, spec: RemoteMirror | HomeMirror, *, dry_run: bool = False
    ) -> None:
        """Make another cluster known. Raises AlreadyExists."""
        await self.create_from_spec(name, spec, dry_run=dry_run)
