"""The Spu object of one member of a group. Called when the object is made, and when news of its
address or its node come in."""

from fluvio_operator.manifests.names import local_host, private_host
from fluvio_operator.manifests.plan import PRIVATE_PORT, PUBLIC_PORT, ClusterNames, GroupPlan
from fluvio_protocol.metadata.spu import Endpoint, IngressPort, SpuSpec, SpuType


def spu_spec_of(
    plan: GroupPlan,
    names: ClusterNames,
    ordinal: int,
    public: IngressPort | None,
    *,
    zone: str | None = None,
) -> SpuSpec:
    """public: None while it is not known; the port is then the one inside the cluster.

    zone: of the pod's node; it is the rack unless the group's template names one.
    """
    return SpuSpec(
        id=plan.spu_id(ordinal),
        spu_type=SpuType.MANAGED,
        public_endpoint=public or IngressPort(port=PUBLIC_PORT),
        private_endpoint=Endpoint(port=PRIVATE_PORT, host=private_host(names, plan.name, ordinal)),
        rack=plan.spec.spu_config.rack or zone,
        public_endpoint_local=Endpoint(
            port=PUBLIC_PORT, host=local_host(names, plan.name, ordinal)
        ),
    )
