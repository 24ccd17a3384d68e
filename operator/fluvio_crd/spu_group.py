"""Groups of SPUs that the operator runs. Called by `manifest.py`.

What the wire does not carry (ports, pods, exposure, volumes) is read by `settings()`.
`controllerSvc` is accepted since Fluvio accepts it; nothing reads it. Source: kubernetes
reference 1.4, 1.9.
"""

from collections.abc import Callable
from typing import Annotated, Self

from pydantic import Field

from fluvio_crd.model import (
    I32,
    U16,
    U32,
    Model,
    Name,
    Published,
    Rule,
    SpecModel,
    StatusModel,
    Text,
)
from fluvio_crd.pod_settings import Expose, Pod, VolumePolicy
from fluvio_crd.settings import (
    EndpointSettings,
    ExposeSettings,
    GroupSettings,
    PodSettings,
    VolumeRetentionPolicy,
)
from fluvio_crd.spu import Encryption, Port
from fluvio_crd.words import Word
from fluvio_protocol.metadata import spu_group as wire
from fluvio_protocol.types import SpuId

NAME_LENGTH_MAX = 41
"""A revision label of the StatefulSet `fluvio-spg-<name>` has 63 characters at most."""
SIZE_DEFAULT = "10Gi"
LOG_DIR_DEFAULT = "/var/lib/fluvio/data"
RESERVED_VARIABLES = ("FLV_SPU_ID", "SPU_INDEX", "SPU_MIN")
SYSTEM_DIRECTORIES = (
    *("bin", "boot", "dev", "etc", "lib", "lib64", "proc"),
    *("root", "run", "sbin", "sys", "usr"),
)

NAME_RULE = Rule(
    f"size(self.metadata.name) <= {NAME_LENGTH_MAX} && !self.metadata.name.contains('.')",
    f"a group's name has at most {NAME_LENGTH_MAX} characters and no dot: pods and services are "
    "named for it",
)


def _storage(group: str, field: str) -> tuple[str, str]:
    """In CEL: whether a group says something of storage, and what."""
    path, steps = group, []
    for step in ("template", "spec", "storage", field):
        path = f"{path}.{step}"
        steps.append(f"has({path})")
    return f"({' && '.join(steps)})", path


def _kept(field: str, holds: Callable[[str, str], str], default: str, message: str) -> Rule:
    """A storage setting that is not given now as before; `holds` compares before and now.

    The API server's cost estimate wants every text to come straight from a field, so left out and
    given are cases of their own, and both given is a rule of the field itself.
    """
    given, now = _storage("self", field)
    was_given, before = _storage("oldSelf", field)
    return Rule(
        f"{given} ? ({was_given} || {holds(repr(default), now)}) "
        f": (!{was_given} || {holds(before, repr(default))})",
        message,
    )


def _not_smaller(before: str, now: str) -> str:
    return (
        f"(!isQuantity({before}) || !isQuantity({now}) "
        f"|| quantity({now}).compareTo(quantity({before})) >= 0)"
    )


def _same(before: str, now: str) -> str:
    return f"{now} == {before}"


_SIZE_SHRINKS = f"storage size can grow, never shrink (left out: {SIZE_DEFAULT})"
_LOG_DIR_MOVES = f"storage logDir cannot be changed (left out: {LOG_DIR_DEFAULT}): make a new group"


class EndpointTemplate(Model):
    """A port of every SPU of the group."""

    port: Port | None = Field(default=None, description="TCP port")
    encryption: Encryption | None = Field(default=None, description="what clients are told")


class ControllerService(Model):
    """Accepted, and read by nobody."""

    host: I32 | None = Field(default=None, description="ignored")
    encryption: Encryption | None = Field(default=None, description="ignored")


class Replication(Model):
    """Replication settings of a group."""

    in_sync_replica_min: Annotated[U16, Published(minimum=1)] | None = Field(
        default=None,
        description="in-sync replicas that a record needs to be committed, of topics that do not "
        "say it themselves; 1 unless said",
    )


class Storage(Model):
    """Where and how much an SPU stores."""

    log_dir: (
        Annotated[
            str,
            Published(
                max_length=256,
                rules=(
                    Rule(
                        "self.startsWith('/') && !self.contains('..') && !self.matches("
                        f"'^/+(({'|'.join(SYSTEM_DIRECTORIES)})(/.*)?)?$')",
                        "logDir must be an absolute path, and not a folder of the system",
                    ),
                    Rule(_same("oldSelf", "self"), _LOG_DIR_MOVES),
                ),
            ),
        ]
        | None
    ) = Field(default=None, description=f"folder of the logs; left out: {LOG_DIR_DEFAULT}")
    size: (
        Annotated[
            str,
            Published(
                max_length=32,
                rules=(
                    Rule(
                        "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
                        "size must be a quantity, such as 10Gi",
                    ),
                    Rule(_not_smaller("oldSelf", "self"), _SIZE_SHRINKS),
                ),
            ),
        ]
        | None
    ) = Field(default=None, description=f"of the volume; left out: {SIZE_DEFAULT}")


class EnvironmentVariable(Model):
    """One variable of the process."""

    name: Annotated[
        Name,
        Published(
            min_length=1,
            rules=(
                Rule(
                    f"!(self in {list(RESERVED_VARIABLES)})",
                    f"{', '.join(RESERVED_VARIABLES)} are the operator's own",
                ),
            ),
        ),
    ] = Field(description="name")
    value: Text = Field(default="", description="value")


class SpuTemplate(Model):
    """What every SPU of the group has in common."""

    rack: Name | None = Field(
        default=None, description="failure domain; left out: the zone of the node"
    )
    public_endpoint: EndpointTemplate | None = Field(
        default=None, description="for clients; left out: 9005"
    )
    private_endpoint: EndpointTemplate | None = Field(
        default=None, description="for other SPUs; left out: 9006"
    )
    controller_svc: ControllerService | None = Field(
        default=None, description="accepted and ignored"
    )
    replication: Replication | None = Field(default=None, description="replication settings")
    storage: Storage | None = Field(default=None, description="storage settings")
    env: Annotated[list[EnvironmentVariable], Published(max_items=128, list_type="atomic")] = Field(
        default=[], description="environment of the process"
    )
    pod: Pod | None = Field(default=None, description="how its pod differs from the chart's")


class Template(Model):
    """As in a Deployment, for one level more."""

    spec: SpuTemplate = Field(default=SpuTemplate.model_construct(env=[]), description="an SPU")


class SpuGroupSpec(SpecModel):
    """So many SPUs, numbered from `minId`."""

    rules = (
        _kept("size", _not_smaller, SIZE_DEFAULT, _SIZE_SHRINKS),
        _kept("logDir", _same, LOG_DIR_DEFAULT, _LOG_DIR_MOVES),
    )

    replicas: Annotated[U16, Published(minimum=1, maximum=100, required=True)] = Field(
        default=0, description="number of SPUs"
    )
    min_id: Annotated[
        I32,
        Published(
            minimum=0,
            maximum=99_999,
            default=0,
            rules=(Rule("self == oldSelf", "minId cannot be changed: make a new group"),),
        ),
    ] = Field(default=0, description="id of the first SPU")
    template: Template | None = Field(default=None, description="settings of each SPU")
    expose: Expose | None = Field(default=None, description="how clients outside reach them")
    persistent_volume_claim_retention_policy: VolumePolicy | None = Field(
        default=None, description="what becomes of their volumes"
    )

    @classmethod
    def of_wire(cls, spec: wire.SpuGroupSpec) -> Self:
        config = spec.spu_config
        replication = config.replication
        storage = config.storage
        template = SpuTemplate(
            rack=config.rack,
            replication=None
            if replication is None
            else Replication(in_sync_replica_min=replication.in_sync_replica_min),
            storage=None
            if storage is None
            else Storage(log_dir=storage.log_dir, size=storage.size),
            env=[
                EnvironmentVariable(name=variable.name, value=variable.value)
                for variable in config.env
            ],
        )
        return cls(replicas=spec.replicas, min_id=spec.min_id, template=Template(spec=template))

    def to_wire(self) -> wire.SpuGroupSpec:
        spu = self._spu_template()
        replication, storage = spu.replication, spu.storage
        config = wire.GroupSpuConfig(
            rack=spu.rack,
            replication=None
            if replication is None
            else wire.GroupReplication(in_sync_replica_min=replication.in_sync_replica_min),
            storage=None
            if storage is None
            else wire.GroupStorage(log_dir=storage.log_dir, size=storage.size),
            env=tuple(
                wire.EnvironmentVariable(name=variable.name, value=variable.value)
                for variable in spu.env
            ),
        )
        return wire.SpuGroupSpec(
            replicas=self.replicas, min_id=SpuId(self.min_id), spu_config=config
        )

    def settings(self) -> GroupSettings:
        """What the wire does not carry."""
        spu = self._spu_template()
        volumes = self.persistent_volume_claim_retention_policy
        return GroupSettings(
            public_endpoint=_endpoint(spu.public_endpoint),
            private_endpoint=_endpoint(spu.private_endpoint),
            pod=PodSettings() if spu.pod is None else spu.pod.settings(),
            expose=ExposeSettings() if self.expose is None else self.expose.settings(),
            volume_retention=VolumeRetentionPolicy() if volumes is None else volumes.settings(),
        )

    def _spu_template(self) -> SpuTemplate:
        return SpuTemplate() if self.template is None else self.template.spec


def _endpoint(template: EndpointTemplate | None) -> EndpointSettings:
    if template is None:
        return EndpointSettings()
    encryption = template.encryption
    return EndpointSettings(
        port=template.port, encryption=None if encryption is None else encryption.name
    )


class SpuGroupStatus(StatusModel):
    """Whether its ids are its own, and how many of its SPUs are ready."""

    resolution: Annotated[wire.SpuGroupResolution, Word(wire.SpuGroupResolution)] = Field(
        default=wire.SpuGroupResolution.INIT, description="state word"
    )
    reason: Text | None = Field(default=None, description="why it is invalid")
    replicas: U32 | None = Field(default=None, description="SPUs there are")
    ready_replicas: U32 | None = Field(default=None, description="SPUs that are ready")
    selector: Annotated[str, Published(max_length=512)] | None = Field(
        default=None, description="labels of its pods, for the scale subresource"
    )
    version: Name | None = Field(default=None, description="of the SPUs that run")

    @classmethod
    def of_wire(cls, status: wire.SpuGroupStatus) -> Self:
        return cls(resolution=status.resolution, reason=status.reason)

    def to_wire(self) -> wire.SpuGroupStatus:
        return wire.SpuGroupStatus(resolution=self.resolution, reason=self.reason)
