"""From what is wanted to what is there: compare an object with a spec, and bring it to that.

Called by `Admin.apply` and `Admin.diff`. The comparison is pure: both specs as plain data, flat,
with what is absent left out. What Fluvio's protocol cannot change is refused with the field's
name; nothing is deleted to be made again, except a table format, which holds nothing.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fluvio_client import shapes
from fluvio_client.errors import ManagedObject, NotChangeable, NotFound
from fluvio_client.objects import AdminObject
from fluvio_client.quantities import LengthOfTime
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu import CustomSpuSpec, SpuSpec, SpuType

if TYPE_CHECKING:
    from fluvio_client.admin import Admin

PARTITIONS_PATH = "replicas.computed.partitions"


class Outcome(StrEnum):
    """What became of an object that was applied."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a spec that is not as wanted; None for what is absent."""

    path: str
    now: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.path} is {_shown(self.now)}, wanted {_shown(self.wanted)}"


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, or in a dry run would be done, and why."""

    outcome: Outcome
    differences: tuple[Difference, ...] = ()


def compare(kind: Kind, now: Any, wanted: Any) -> list[Difference]:
    """Where two specs of a kind differ, in order of the fields."""
    before, after = fields(kind, now), fields(kind, wanted)
    return [
        Difference(path, before.get(path), after.get(path))
        for path in {**before, **after}
        if before.get(path) != after.get(path)
    ]


def fields(kind: Kind, spec: Any) -> dict[str, Any]:
    """A spec by the paths of its fields; code stands there as its digest."""
    shape = shapes.spec(kind, spec)
    if kind is Kind.SMART_MODULE:
        shape["wasm"]["payload"] = f"sha256:{hashlib.sha256(spec.wasm.payload).hexdigest()}"
    return dict(_flat("", shape))


def _flat(path: str, data: Any) -> Iterator[tuple[str, Any]]:
    """`a.b` and leaf, for every leaf; lists are leaves; what is absent or empty is left out."""
    if isinstance(data, Mapping):
        for name, inner in data.items():
            yield from _flat(f"{path}.{name}" if path else str(name), inner)
    elif data is not None and data != []:
        yield path, data


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


async def find(admin: "Admin", kind: Kind, name: str) -> AdminObject | None:
    """The object of that name, or None."""
    if kind is Kind.SMART_MODULE:
        try:
            return await admin.smart_modules.get_with_code(name)
        except NotFound:
            return None
    found = await admin.of(kind).find(name)
    assert found is None or isinstance(found, AdminObject)
    return found


async def differences(admin: "Admin", kind: Kind, name: str, spec: Any) -> list[Difference] | None:
    """Where an object differs from a spec; None when there is no such object.

    Raises: ManagedObject for what is never changed by hand.
    """
    kind, spec = changeable(kind, name, spec)
    found = await find(admin, kind, name)
    return None if found is None else compare(kind, found.spec, spec)


def changeable(kind: Kind, name: str, spec: Any) -> tuple[Kind, Any]:
    """The kind and spec to ask the controller for; a custom SPU is one by its registration.

    Raises: ManagedObject for what only the cluster makes.
    """
    if kind is Kind.PARTITION:
        raise ManagedObject(
            f"partition {name} is made, changed and removed by its topic: change the topic"
        )
    if kind is Kind.SPU:
        assert isinstance(spec, SpuSpec)
        if spec.spu_type is not SpuType.CUSTOM:
            raise ManagedObject(f"SPU {name} is managed, made by its group: change the group")
        return Kind.CUSTOM_SPU, CustomSpuSpec.from_spu(spec)
    return kind, spec


async def apply(
    admin: "Admin",
    kind: Kind,
    name: str,
    spec: Any,
    *,
    dry_run: bool = False,
    wait: LengthOfTime | None = None,
) -> Applied:
    """Bring an object to what `spec` says. See `Admin.apply`."""
    from fluvio_client.repository import CreatableRepository

    kind, spec = changeable(kind, name, spec)
    repository = admin.of(kind)
    assert isinstance(repository, CreatableRepository)
    found = await find(admin, kind, name)
    if found is None:
        await repository.create_from_spec(name, spec, dry_run=dry_run, wait=wait)
        news = (Difference(path, None, value) for path, value in fields(kind, spec).items())
        return Applied(Outcome.CREATED, tuple(news))
    different = tuple(compare(kind, found.spec, spec))
    if not different:
        return Applied(Outcome.UNCHANGED)
    match kind:
        case Kind.TOPIC if [one.path for one in different] == [PARTITIONS_PATH]:
            await admin.topics.update(name, partitions=different[0].wanted, dry_run=dry_run)
        case Kind.SMART_MODULE if not dry_run:
            await repository.create_from_spec(name, spec)
        case Kind.TABLE_FORMAT if not dry_run:
            await admin.table_formats.update(spec)
        case Kind.SMART_MODULE | Kind.TABLE_FORMAT:
            pass
        case _:
            raise NotChangeable(_refusal(kind, name, different))
    return Applied(Outcome.CHANGED, different)


def _refusal(kind: Kind, name: str, different: tuple[Difference, ...]) -> str:
    word = "SPU" if kind is Kind.CUSTOM_SPU else kind.value
    wrong = "; ".join(str(one) for one in different if one.path != PARTITIONS_PATH)
    return (
        f"{word} {name}: {wrong}. Fluvio's protocol cannot change that: delete the object and make "
        "it again, or change it on Kubernetes, where it is one of the cluster's resources"
    )
