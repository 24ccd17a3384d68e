"""Can a group be built as its author wants it? Called by the runtime before any builder.

It speaks of what only a person can mend, in the words of the manifest; what the API server
would refuse anyway, with a message of its own, is left to it.
"""

import re
from collections.abc import Iterator

from fluvio_operator.manifests.environment import env_problem
from fluvio_operator.manifests.json_block import BadSettings, JsonBlock
from fluvio_operator.manifests.names import (
    DATA_VOLUME,
    GROUP_NAME_LENGTH_MAX,
    SPU_CONTAINER,
    TEMPORARY_VOLUME,
)
from fluvio_operator.manifests.placeholders import (
    PLACEHOLDERS,
    fill_placeholders,
    unknown_placeholders,
)
from fluvio_operator.manifests.plan import HTTP_PORT, GroupPlan
from fluvio_operator.manifests.pod_choices import chosen_pod
from fluvio_operator.manifests.quantity import parse_quantity
from fluvio_operator.manifests.settings import ServiceType, SpuPodSettings
from fluvio_operator.manifests.spu_service import service_type_of

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?")
_HOST_LENGTH_MAX = 253

_SYSTEM_FOLDERS = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr",
)  # fmt: skip
"""A volume in or over one of these hides what the process needs."""

_SHARED_FOLDERS = ("/", "/app", "/home", "/opt", "/root", "/tmp", "/var", "/var/lib", "/var/run")
"""A folder in one of these may be a volume, these themselves may not."""


def group_problem(plan: GroupPlan, settings: SpuPodSettings) -> str | None:
    """One line that names the field and says what to do; None when the group can be built."""
    return next(_problems(plan, settings), None)


def _problems(plan: GroupPlan, settings: SpuPodSettings) -> Iterator[str]:
    if len(plan.name) > GROUP_NAME_LENGTH_MAX or not _NAME.fullmatch(plan.name):
        yield (
            f'metadata.name: "{plan.name}" may use a-z, 0-9 and "-", '
            f"at most {GROUP_NAME_LENGTH_MAX} of them"
        )
    config = plan.spec.spu_config
    yield from _say(
        env_problem((own.name for own in config.env), where="spec.template.spec.env"),
        env_problem((own["name"] for own in settings.extra_env), where="spuPodConfig.extraEnv"),
        log_dir_problem(plan.log_dir),
    )
    size = parse_quantity(plan.volume_size)
    if size is None or size <= 0:
        yield (
            f'spec.template.spec.storage.size: "{plan.volume_size}" is no size: write it as "10Gi"'
        )
    yield from _port_problems(plan)
    unreadable = _unreadable_list(plan)
    if unreadable is not None:
        yield unreadable
        return
    yield from _clashes(plan, settings)
    yield from _expose_problems(plan, settings)


def log_dir_problem(path: str) -> str | None:
    """Why the logs cannot be there; the volume is mounted at this very path."""
    where = "spec.template.spec.storage.logDir"
    if path in _SHARED_FOLDERS:
        return f'{where}: "{path}" is used by the system: choose a folder in it'
    if not path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")[1:]):
        return f'{where}: "{path}" must be an absolute path without "." and ".."'
    if ":" in path or not path.isprintable():
        return f'{where}: "{path}" has characters that no volume can be mounted at'
    for folder in _SYSTEM_FOLDERS:
        if path == folder or path.startswith(f"{folder}/"):
            return f'{where}: "{path}" belongs to the system: choose another folder'
    return None


def _port_problems(plan: GroupPlan) -> Iterator[str]:
    where = "spec.template.spec.publicEndpoint.port"
    if plan.public_port == plan.private_port:
        yield f"{where}: {plan.public_port} is the private port as well: choose another one"
    if HTTP_PORT in (plan.public_port, plan.private_port):
        yield f"{where}: {HTTP_PORT} is used for health and metrics: choose another one"


def _unreadable_list(plan: GroupPlan) -> str | None:
    """Entries without what tells them apart; in the ConfigMap this was found on reading."""
    pod = plan.pod
    lists = JsonBlock(
        {
            "extraContainers": pod.extra_containers,
            "extraVolumes": pod.extra_volumes,
            "imagePullSecrets": pod.image_pull_secrets,
            "extraVolumeMounts": pod.extra_volume_mounts,
        },
        "spec.template.spec.pod",
    )
    try:
        for name in ("extraContainers", "extraVolumes", "imagePullSecrets"):
            lists.objects(name, key="name")
        lists.objects("extraVolumeMounts", key="mountPath")
    except BadSettings as problem:
        return str(problem)
    return None


def _clashes(plan: GroupPlan, settings: SpuPodSettings) -> Iterator[str]:
    """Names in a pod that are ours."""
    pod = chosen_pod(plan, settings)
    for container in pod.extra_containers or ():
        if container["name"] == SPU_CONTAINER:
            yield f'extraContainers: the name "{SPU_CONTAINER}" is taken by the SPU itself'
    for volume in pod.extra_volumes or ():
        if volume["name"] in (DATA_VOLUME, TEMPORARY_VOLUME):
            yield f'extraVolumes: the name "{volume["name"]}" is taken by a volume of the SPU'
    for mount in pod.extra_volume_mounts or ():
        if mount["mountPath"].rstrip("/") == plan.log_dir:
            yield f'extraVolumeMounts: "{plan.log_dir}" is where the SPU stores its logs'
    seen = set()
    for constraint in pod.topology_spread or ():
        identity = (constraint.get("topologyKey"), constraint.get("whenUnsatisfiable"))
        if identity[0] is None:
            yield "topologySpread: topologyKey is missing"
        if identity in seen:
            yield f'topologySpread: "{identity[0]}" is there twice'
        seen.add(identity)


def _expose_problems(plan: GroupPlan, settings: SpuPodSettings) -> Iterator[str]:
    kind = service_type_of(plan, settings)
    template = plan.expose.advertised_host_template
    if kind is ServiceType.GATEWAY and template is None:
        yield "spec.expose.advertisedHostTemplate: is missing: clients must be told the gateway"
    if kind is ServiceType.EXTERNAL_NAME and "externalName" not in settings.service_options:
        yield "service.externalName: is missing: a Service of type ExternalName stands for it"
    if template is None:
        return
    where = "spec.expose.advertisedHostTemplate"
    for unknown in unknown_placeholders(template):
        known = ", ".join(PLACEHOLDERS)
        yield f"{where}: {unknown} stands for nothing: there are {known}"
    host = fill_placeholders(template, plan, 0)
    if len(host) > _HOST_LENGTH_MAX or not _HOST.fullmatch(host):
        yield f'{where}: "{host}" is no host: give a name without port and path'


def _say(*problems: str | None) -> Iterator[str]:
    yield from (problem for problem in problems if problem is not None)
