"""Settings of one controller process. Built once at start by whoever runs the controller.

Nothing reads the environment later, and nothing here changes afterwards.
"""

from dataclasses import dataclass, field

from fluvio_protocol.api.versions import PLATFORM_VERSION
from fluvio_protocol.metadata.spu import SpuSpec
from fluvio_sc.core.cluster_state import CoreTimings
from fluvio_sc.core.declaration import DeclaredObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ScTimings:
    """How long things may take.

    spu_silence_s:          an SPU that has not reported for so long is Offline, although its
                            connection stands
    restart_grace_s:        after a start of the controller, SPUs keep their stored state so long
    heartbeat_interval_ms:  how often an SPU is asked to report
    create_wait_s:          how long Create waits for Online partitions unless the client says
    create_wait_s_max:      the longest that a client may ask for
    delete_wait_s:          how long Delete waits until the object is gone from the watches
    deletion_release_s:     an SPU that is online and does not confirm the removal of files holds
                            a deletion up no longer than this
    preferred_leader_delay_s: a preferred leader that is in sync again leads after so long without
                            another change of leader or in-sync replicas
    tick_s:                 offsets and sizes are shown to watchers in steps of this length
    resync_s:               how often everything is looked at though nothing happened
    """

    spu_silence_s: float = 10.0
    restart_grace_s: float = 15.0
    heartbeat_interval_ms: int = 400
    create_wait_s: float = 90.0
    create_wait_s_max: float = 600.0
    delete_wait_s: float = 30.0
    deletion_release_s: float = 10.0
    preferred_leader_delay_s: float = 10.0
    tick_s: float = 0.1
    resync_s: float = 30.0

    def for_core(self) -> CoreTimings:
        """Those that decisions depend on."""
        return CoreTimings(
            spu_silence_ms=int(self.spu_silence_s * 1000),
            restart_grace_ms=int(self.restart_grace_s * 1000),
            deletion_release_ms=int(self.deletion_release_s * 1000),
            preferred_leader_delay_ms=int(self.preferred_leader_delay_s * 1000),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScConfig:
    """Where the controller listens, what it says of itself, how patient it is.

    public_port, private_port:  0 chooses a free one
    spus:                       SPU objects that must exist; made or corrected at start, new ones
                                named `custom-spu-<id>`
    declared:                   objects that must exist just so; made or changed at start
    read_only_reason:           why clients may change nothing, in words; None lets them
    min_in_sync_replicas:       in-sync replicas that a record needs before it is committed, of
                                topics that do not say it; never more than a partition has
    """

    public_host: str = "127.0.0.1"
    public_port: int = 9003
    private_host: str = "127.0.0.1"
    private_port: int = 9004
    platform_version: str = PLATFORM_VERSION
    spus: tuple[SpuSpec, ...] = ()
    declared: tuple[DeclaredObject, ...] = ()
    read_only_reason: str | None = None
    min_in_sync_replicas: int = 1
    timings: ScTimings = field(default_factory=ScTimings)
