"""Which SmartModule to run, and how. Source: protocol reference 4.6."""

from typing import Annotated

from fluvio_protocol.codec import U64, Message, TaggedUnion, field, message
from fluvio_protocol.metadata.topic import Duration


@message()
class PredefinedModule(Message):
    """A module stored in the cluster."""

    name: str = field(about="name, or group/name@version")


@message()
class AdHocModule(Message):
    """A module sent along."""

    wasm: bytes = field(about="gzip of the code")


ModuleSource = Annotated[
    PredefinedModule | AdHocModule, TaggedUnion({0: PredefinedModule, 1: AdHocModule})
]


@message()
class FilterKind(Message):
    """Keep or drop."""


@message()
class MapKind(Message):
    """Replace."""


@message()
class ArrayMapKind(Message):
    """Replace by any number."""


@message()
class AggregateKind(Message):
    """Fold."""

    accumulator: bytes = field(default=b"", about="start value")


@message()
class FilterMapKind(Message):
    """Keep and replace, or drop."""


@message()
class JoinKind(Message):
    """Old join with a topic."""

    topic: str = field(about="the other topic")


@message()
class JoinStreamKind(Message):
    """Old join with a derived stream."""

    topic: str = field(about="the other topic")
    derived_stream: str = field(about="derived stream")


@message()
class NoContext(Message):
    """Nothing but the module itself."""


ContextData = Annotated[
    NoContext | AggregateKind | JoinKind | JoinStreamKind,
    TaggedUnion({0: NoContext, 1: AggregateKind, 2: JoinKind, 3: JoinStreamKind}),
]


@message()
class GenericKind(Message):
    """Whatever the module exports."""

    context: ContextData = field(default=NoContext(), about="start value of an aggregate")


InvocationKind = Annotated[
    FilterKind
    | MapKind
    | ArrayMapKind
    | AggregateKind
    | FilterMapKind
    | JoinKind
    | JoinStreamKind
    | GenericKind,
    TaggedUnion(
        {
            0: FilterKind,
            1: MapKind,
            2: ArrayMapKind,
            3: AggregateKind,
            4: FilterMapKind,
            5: JoinKind,
            6: JoinStreamKind,
            7: GenericKind,
        }
    ),
]


@message()
class Lookback(Message):
    """Records to show a module before the first new one."""

    last: U64 = field(about="how many")
    age: Duration | None = field(since=21, default=None, about="not older than")


@message()
class ExtraParams(Message):
    """Parameters of one module."""

    params: dict[str, str] = field(default={}, about="by name")
    lookback: Lookback | None = field(since=20, default=None, about="records to show first")


@message()
class SmartModuleInvocation(Message):
    """One step of a chain."""

    wasm: ModuleSource = field(about="the code")
    kind: InvocationKind = field(default=GenericKind(), about="a hint; the exports decide")
    params: ExtraParams = field(default=ExtraParams(), about="parameters")
    name: str | None = field(since=25, default=None, about="name for messages")
