"""What is to be built: one group as it stands now, and the names of the cluster around it.

Made by the runtime from the group's object; every builder takes one. `group_problem.py` says
whether a plan can be built at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fluvio_operator.manifests.settings import Expose, PodSettings, VolumePolicy
from fluvio_protocol.metadata.spu_group import SpuGroupSpec
from fluvio_protocol.types import SpuId

LOG_DIR_DEFAULT = "/var/lib/fluvio/data"
VOLUME_SIZE_DEFAULT = "10Gi"

PUBLIC_PORT = 9005
PRIVATE_PORT = 9006
HTTP_PORT = 9100
CONTROLLER_PRIVATE_PORT = 9004
CONTROLLER_PRIVATE_SERVICE = "fluvio-sc-internal"


@dataclass(frozen=True, slots=True)
class ClusterNames:
    """Where in Kubernetes the cluster lives."""

    namespace: str
    cluster_domain: str = "cluster.local"

    def host_of(self, service: str) -> str:
        """The name by which pods find a Service, or a pod of a headless one."""
        return f"{service}.{self.namespace}.svc.{self.cluster_domain}"

    @property
    def controller_private(self) -> str:
        """Host and port that SPUs dial."""
        return f"{self.host_of(CONTROLLER_PRIVATE_SERVICE)}:{CONTROLLER_PRIVATE_PORT}"


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """A group of SPUs.

    replicas_now: pods to run; None means as many as the spec says. It is more than that while
                  the last SPUs of a shrinking group still hold replicas
    annotations:  those of the group's object
    public_port, private_port: where its SPUs listen
    """

    name: str
    namespace: str
    uid: str
    spec: SpuGroupSpec
    pod: PodSettings = field(default_factory=PodSettings)
    expose: Expose = field(default_factory=Expose)
    volumes: VolumePolicy = field(default_factory=VolumePolicy)
    replicas_now: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    public_port: int = PUBLIC_PORT
    private_port: int = PRIVATE_PORT

    @property
    def replicas(self) -> int:
        return self.spec.replicas if self.replicas_now is None else self.replicas_now

    @property
    def log_dir(self) -> str:
        """Where the volume is mounted, and where the process stores: never two places."""
        storage = self.spec.spu_config.storage
        wanted = (storage.log_dir if storage else None) or LOG_DIR_DEFAULT
        return wanted.rstrip("/") or "/"

    @property
    def volume_size(self) -> str:
        storage = self.spec.spu_config.storage
        return (storage.size if storage else None) or VOLUME_SIZE_DEFAULT

    def spu_id(self, ordinal: int) -> SpuId:
        """The id that the process in the pod of this ordinal computes for itself."""
        return SpuId(self.spec.min_id + ordinal)
