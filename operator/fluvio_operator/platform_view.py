"""What Kubernetes shows of SPUs and groups beyond our own objects, for their statuses.

Filled by `kube_runtime.py`, read by `status_writer.py`; both in the event loop of the controller.
An object that nothing is known of has a value that says nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fluvio_operator.conditions.spu_group import GroupObservation
from fluvio_protocol.metadata.kinds import Kind
from fluvio_sc.core.cluster_state import ObjectKey


@dataclass(frozen=True, slots=True)
class SpuOnPlatform:
    """An SPU of a group.

    node:            where its pod runs
    unavailable:     why its pod cannot run at present
    address_missing: what its public address lacks
    """

    node: str | None = None
    unavailable: str | None = None
    address_missing: str | None = None


_UNOBSERVED = GroupObservation()


@dataclass(frozen=True, slots=True)
class GroupOnPlatform:
    """A group. image: what its SPUs run; None while that is not known."""

    observed: GroupObservation = _UNOBSERVED
    image: str | None = None


_NO_SPU = SpuOnPlatform()
_NO_GROUP = GroupOnPlatform()


class PlatformView:
    """on_change: told which object's status may read differently now."""

    def __init__(self) -> None:
        self.on_change: Callable[[ObjectKey], None] = lambda key: None
        self._spus: dict[str, SpuOnPlatform] = {}
        self._groups: dict[str, GroupOnPlatform] = {}

    def spu(self, name: str) -> SpuOnPlatform:
        return self._spus.get(name, _NO_SPU)

    def group(self, name: str) -> GroupOnPlatform:
        return self._groups.get(name, _NO_GROUP)

    def show_spu(self, name: str, seen: SpuOnPlatform | None) -> None:
        """None: nothing is known any more."""
        if seen == self._spus.get(name):
            return
        if seen is None:
            del self._spus[name]
        else:
            self._spus[name] = seen
        self.on_change(ObjectKey(Kind.SPU, name))

    def show_group(self, name: str, seen: GroupOnPlatform | None) -> None:
        """None: nothing is known any more."""
        if seen == self._groups.get(name):
            return
        if seen is None:
            del self._groups[name]
        else:
            self._groups[name] = seen
        self.on_change(ObjectKey(Kind.SPU_GROUP, name))
