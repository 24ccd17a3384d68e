"""The kinds of objects under their Kubernetes names. Pure data; called by everybody here.

Names are Fluvio's, to the letter; short names beyond `spg` are ours. An SPU that a user registers
is an `Spu` with `spuType: Custom`, so the wire's kind for registrations has no resource.
"""

from dataclasses import dataclass

from fluvio_protocol.metadata.kinds import Kind

GROUP = "fluvio.infinyon.com"


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind, as a client of the Kubernetes API names it.

    api_version: the version to read and write; others may be served too
    """

    kind: Kind
    plural: str
    singular: str
    short_names: tuple[str, ...]
    api_version: str
    kube_kind: str

    @property
    def group_version(self) -> str:
        """The `apiVersion` of a manifest."""
        return f"{GROUP}/{self.api_version}"

    @property
    def crd_name(self) -> str:
        """The name of its CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"


RESOURCES = (
    Resource(Kind.TOPIC, "topics", "topic", ("flvt",), "v2", "Topic"),
    Resource(Kind.PARTITION, "partitions", "partition", ("flvp",), "v1", "Partition"),
    Resource(Kind.SPU, "spus", "spu", (), "v1", "Spu"),
    Resource(Kind.SPU_GROUP, "spugroups", "spugroup", ("spg",), "v1", "SpuGroup"),
    Resource(Kind.SMART_MODULE, "smartmodules", "smartmodule", ("sm",), "v2", "SmartModule"),
    Resource(Kind.TABLE_FORMAT, "tableformats", "tableformat", ("tf",), "v1", "TableFormat"),
    Resource(Kind.MIRROR, "mirrors", "mirror", ("mir",), "v1", "Mirror"),
)
_BY_KIND = {resource.kind: resource for resource in RESOURCES}


def resource_of(kind: Kind) -> Resource:
    """The resource of a kind. Raises KeyError for a kind that is never stored."""
    return _BY_KIND[kind]
