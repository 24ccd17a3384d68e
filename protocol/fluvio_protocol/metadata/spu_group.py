"""Groups of SPUs that the platform runs. Source: protocol reference 3.6."""

from enum import IntEnum

from fluvio_protocol.codec import U16, Message, field, message
from fluvio_protocol.types import SpuId


@message()
class GroupReplication(Message):
    """Replication settings of a group."""

    in_sync_replica_min: U16 | None = field(default=None, about="replicas that must hold a record")


@message()
class GroupStorage(Message):
    """Where and how much a member stores."""

    log_dir: str | None = field(default=None, about="folder of the logs")
    size: str | None = field(default=None, about="volume size, such as 10Gi")


@message()
class EnvironmentVariable(Message):
    name: str = field(about="name")
    value: str = field(about="value")


@message()
class GroupSpuConfig(Message):
    """What every member of a group has in common."""

    rack: str | None = field(default=None, about="failure domain")
    replication: GroupReplication | None = field(default=None, about="replication settings")
    storage: GroupStorage | None = field(default=None, about="storage settings")
    env: tuple[EnvironmentVariable, ...] = field(default=(), about="environment of the process")


@message()
class SpuGroupSpec(Message):
    """So many SPUs, numbered from `min_id`."""

    replicas: U16 = field(about="number of SPUs")
    min_id: SpuId = field(default=SpuId(0), about="id of the first")
    spu_config: GroupSpuConfig = field(default=GroupSpuConfig(), about="settings of each")


class SpuGroupResolution(IntEnum):
    INIT = 0
    INVALID = 1
    RESERVED = 2


@message()
class SpuGroupStatus(Message):
    """Whether its ids are its own."""

    resolution: SpuGroupResolution = field(default=SpuGroupResolution.INIT, about="state word")
    reason: str | None = field(default=None, about="why it is invalid")
