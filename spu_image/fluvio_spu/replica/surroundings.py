"""What all replicas of the process share, made once by `app`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluvio_protocol.types import SpuId
from fluvio_spu.metrics import SpuMetrics
from fluvio_spu.replica.controller_news import ControllerNews
from fluvio_spu.replica.data_life import DataLife
from fluvio_spu.replica.file_work import FileWorkers
from fluvio_spu.replica.group_sync import GroupSync
from fluvio_spu.replica.wake_queue import WakeQueue
from fluvio_spu.replication.follower import FollowerSettings
from fluvio_spu.replication.leader import ReplicationSettings
from fluvio_spu.storage import LogConfig

if TYPE_CHECKING:
    from fluvio_spu.replica.replica import Replica


@dataclass(frozen=True, slots=True, eq=False)
class ReplicaSurroundings:
    """What all replicas of the process share.

    changed:          replicas with news for the controller
    news:             what replicas want of the controller
    cold_read_distance_bytes: logs up to this size are taken for cached
    log_defaults:     what a topic does not say of its logs
    spu_id, life:     who this is, and which life of its data
    clock_ms:         monotonic
    next_number:      a number that no other join or session of this process has
    call_later:       seconds, and what to call on the event loop; nothing comes after a stop
    """

    wake_queue: WakeQueue
    workers: FileWorkers
    group_sync: GroupSync
    metrics: SpuMetrics
    changed: set["Replica"]
    cold_read_distance_bytes: int
    log_defaults: LogConfig
    spu_id: SpuId
    life: DataLife
    news: ControllerNews
    clock_ms: Callable[[], int]
    next_number: Callable[[], int]
    call_later: Callable[[float, Callable[[], None]], None]
    leader_settings: ReplicationSettings
    follower_settings: FollowerSettings
