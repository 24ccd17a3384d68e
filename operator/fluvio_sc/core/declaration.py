"""Objects of a file, decided: the actions that make the cluster have them, or why not.

For a cluster whose objects are declared in a file and changed nowhere else. Called when the
controller starts, before any client is there. Nothing is deleted: what the file names no more
stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind, Spec
from fluvio_protocol.metadata.spu import CustomSpuSpec
from fluvio_protocol.metadata.topic import TopicSpec
from fluvio_sc.core.actions import Action, SetSpec
from fluvio_sc.core.admission import admit_create
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.validation import partition_count, topic_config_problem, topic_replicas_problem

_DECLARED = "declared in the file"

STAGES: tuple[tuple[Kind, ...], ...] = (
    (Kind.SMART_MODULE, Kind.MIRROR, Kind.TABLE_FORMAT),
    (Kind.CUSTOM_SPU, Kind.SPU_GROUP),
    (Kind.TOPIC,),
)
"""Who is named by others comes before them."""


@dataclass(frozen=True, slots=True)
class DeclaredObject:
    """One object of the file; `kind` and `spec` are those that a client would ask for."""

    kind: Kind
    name: str
    spec: Spec

    @property
    def title(self) -> str:
        """`Topic orders`."""
        return f"{self.kind.value} {self.name}"


class DeclarationRefused(Refused):
    """Objects of the file cannot be had; the text names each, one a line."""

    def __init__(self, problems: Sequence[tuple[DeclaredObject, Exception]]) -> None:
        lines = [f"{declared.title}: {error}" for declared, error in problems]
        super().__init__(ErrorCode.INVALID_CREATE_REQUEST, "\n".join(lines))


def admission_of(declared: DeclaredObject) -> Callable[[ClusterState], list[Action]]:
    """`admit_declared`, for the controller's queue."""
    return lambda state: admit_declared(declared, state)


def admit_declared(declared: DeclaredObject, state: ClusterState) -> list[Action]:
    """The actions that make this object as the file has it. Raises Refused."""
    wanted: Spec = declared.spec
    kind = declared.kind
    if isinstance(wanted, CustomSpuSpec):
        wanted, kind = wanted.to_spu(), Kind.SPU
    present = state.get(kind, declared.name)
    if present is None or present.deletion_requested:
        return admit_create(declared.name, declared.spec, dry_run=False, state=state)
    if present.spec == wanted:
        return []
    if isinstance(declared.spec, CustomSpuSpec) and present.spec.id != declared.spec.id:
        raise Refused(
            ErrorCode.SPU_ERROR,
            f"its id was {present.spec.id} and cannot become {declared.spec.id}: "
            "give the SPU another name",
        )
    if isinstance(wanted, TopicSpec):
        _check_topic_change(present, wanted)
    return [SetSpec(present.key, wanted, _DECLARED)]


def _check_topic_change(topic: StoredObject, wanted: TopicSpec) -> None:
    """Raises Refused for what no topic can become."""
    problem = topic_config_problem(wanted) or topic_replicas_problem(wanted)
    if problem is not None:
        raise Refused(ErrorCode.TOPIC_INVALID_CONFIGURATION, problem)
    before: TopicSpec = topic.spec
    if type(before.replicas) is not type(wanted.replicas):
        raise Refused(
            ErrorCode.TOPIC_INVALID_REPLICA_TYPE,
            "replicas cannot switch between computed, assigned and mirrored: declare a new topic",
        )
    if partition_count(wanted) < partition_count(before):
        raise Refused(
            ErrorCode.TOPIC_INVALID_CONFIGURATION,
            f"it has {partition_count(before)} partitions: they can be added, never taken away",
        )
