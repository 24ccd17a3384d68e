"""The Spu object of one member of a group. Called when the object is made, and when news of its
address or its node come in."""

from fluvio_operator.manifests.names import local_host, private_host
from fluvio_operator.manifests.plan import ClusterNames, GroupPlan
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
        public_endpoint=public or IngressPort(port=plan.public_port),
        private_endpoint=Endpoint(
            port=plan.private_port, host=private_host(names, plan.name, ordinal)
        ),
        rack=plan.spec.spu_config.rack or zone,
        public_endpoint_local=Endpoint(
            port=plan.public_port, host=local_host(names, plan.name, ordinal)
        ),
    )
