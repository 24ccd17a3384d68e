"""SmartModules of a producer, as its requests carry them. Made once, by the producer."""

from dataclasses import dataclass
from typing import Self

from fluvio_client.consumer.transform import Transform
from fluvio_client.errors import VersionMismatch
from fluvio_protocol.codec import encode
from fluvio_protocol.spu_public.produce import PRODUCE_VERSION_MAX, ProduceRequest
from fluvio_protocol.spu_public.smart_module_invocation import SmartModuleInvocation
from fluvio_socket.multiplexer import MultiplexedConnection

MODULES_SINCE = 8
LOOKBACK_SINCE = 20
LOOKBACK_AGE_SINCE = 21


@dataclass(frozen=True, slots=True)
class Chain:
    """What goes into every request; empty and free for a producer without SmartModules.

    version_min: of the request, so that nothing of it is left out on the wire; 0 when empty
    size_bytes:  in a request, at most
    """

    invocations: tuple[SmartModuleInvocation, ...]
    version_min: int
    size_bytes: int

    @classmethod
    def of(cls, transforms: tuple[Transform, ...]) -> Self:
        """In the order of the transforms."""
        invocations = tuple(one.invocation() for one in transforms)
        return cls(
            invocations,
            max(map(_version_of, transforms), default=0),
            sum(len(encode(one, PRODUCE_VERSION_MAX)) for one in invocations),
        )

    def check(self, connection: MultiplexedConnection) -> None:
        """Raises VersionMismatch for an SPU that would store the records as they are."""
        version = connection.version_of(ProduceRequest)
        if version < self.version_min:
            raise VersionMismatch(
                f"the SPU takes produce requests of version {version}, and what these "
                f"SmartModules need came with version {self.version_min}"
            )


def _version_of(transform: Transform) -> int:
    if transform.lookback_age is not None:
        return LOOKBACK_AGE_SINCE
    return MODULES_SINCE if transform.lookback_last is None else LOOKBACK_SINCE
