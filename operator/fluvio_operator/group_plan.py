"""The plan of a group, from its object and from what its manifest says beyond it. No I/O.

Called by the runtime; reading a manifest takes the models of `fluvio_crd`, which is why this is
not one of the pure manifest builders.
"""

from fluvio_crd.manifest import BadManifest, group_settings
from fluvio_crd.settings import GroupSettings
from fluvio_operator.kube_api import Body
from fluvio_operator.manifests.plan import PRIVATE_PORT, PUBLIC_PORT, GroupPlan
from fluvio_operator.manifests.settings import Expose, ServiceType, VolumePolicy
from fluvio_sc.core.cluster_state import StoredObject


def plan_of(
    group: StoredObject, body: Body | None, *, namespace: str, replicas_now: int | None = None
) -> GroupPlan:
    """body: the group's manifest as last seen; one that cannot be read, or is of another group of
    the name, adds nothing."""
    said = _settings_in(group, body)
    return GroupPlan(
        name=group.name,
        namespace=namespace,
        uid=group.uid,
        spec=group.spec,
        pod=said.pod,
        expose=Expose(
            type=None if said.expose.type is None else ServiceType(said.expose.type.value),
            base_node_port=said.expose.base_node_port,
            annotations=said.expose.annotations or {},
            advertised_host_template=said.expose.advertised_host_template,
        ),
        volumes=VolumePolicy(
            when_deleted=said.volume_retention.when_deleted.value,
            when_scaled=said.volume_retention.when_scaled.value,
        ),
        replicas_now=replicas_now,
        annotations=group.annotations,
        public_port=said.public_endpoint.port or PUBLIC_PORT,
        private_port=said.private_endpoint.port or PRIVATE_PORT,
    )


def _settings_in(group: StoredObject, body: Body | None) -> GroupSettings:
    if body is None or body["metadata"].get("uid") != group.uid:
        return GroupSettings()
    try:
        return group_settings(body)
    except BadManifest:  # the group's own problem says so
        return GroupSettings()
