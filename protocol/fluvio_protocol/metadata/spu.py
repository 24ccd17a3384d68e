"""Streaming processing units. Source: protocol reference 3.5."""

from enum import IntEnum

from fluvio_protocol.codec import U16, Message, field, message
from fluvio_protocol.types import SpuId


class Encryption(IntEnum):
    PLAINTEXT = 0
    SSL = 1


class SpuType(IntEnum):
    MANAGED = 0
    CUSTOM = 1


@message()
class IngressAddress(Message):
    """One way in: a host name or an address."""

    hostname: str | None = field(default=None, about="name; preferred by clients")
    ip: str | None = field(default=None, about="address")


@message()
class IngressPort(Message):
    """Where clients reach an SPU; they use the first ingress entry."""

    port: U16 = field(about="TCP port")
    ingress: tuple[IngressAddress, ...] = field(default=(), about="ways in, the first one counts")
    encryption: Encryption = field(default=Encryption.PLAINTEXT, about="not used by clients")

    @property
    def host(self) -> str | None:
        """Host of the first ingress entry; None when there is none yet."""
        for address in self.ingress:
            return address.hostname or address.ip
        return None


@message()
class Endpoint(Message):
    """Host and port."""

    port: U16 = field(about="TCP port")
    host: str = field(about="name or address")
    encryption: Encryption = field(default=Encryption.PLAINTEXT, about="not used by clients")


@message()
class SpuSpec(Message):
    """An SPU and its addresses."""

    id: SpuId = field(about="its number, unique in the cluster")
    spu_type: SpuType = field(
        default=SpuType.MANAGED, about="made by a group, or registered by hand"
    )
    public_endpoint: IngressPort = field(about="for clients")
    private_endpoint: Endpoint = field(about="for other SPUs")
    rack: str | None = field(default=None, about="failure domain")
    public_endpoint_local: Endpoint | None = field(
        since=1, default=None, about="for clients that ask for local addresses"
    )


class SpuStatusResolution(IntEnum):
    ONLINE = 0
    OFFLINE = 1
    INIT = 2


@message()
class SpuStatus(Message):
    """Whether its session with the controller is alive."""

    resolution: SpuStatusResolution = field(default=SpuStatusResolution.INIT, about="state word")


@message()
class CustomSpuSpec(Message):
    """An SPU that the user runs."""

    id: SpuId = field(about="its number, unique in the cluster")
    public_endpoint: IngressPort = field(about="for clients")
    private_endpoint: Endpoint = field(about="for other SPUs")
    rack: str | None = field(default=None, about="failure domain")
    public_endpoint_local: Endpoint | None = field(default=None, about="local address")

    def to_spu(self) -> SpuSpec:
        """The SPU object that registering this one makes."""
        return SpuSpec(
            id=self.id,
            spu_type=SpuType.CUSTOM,
            public_endpoint=self.public_endpoint,
            private_endpoint=self.private_endpoint,
            rack=self.rack,
            public_endpoint_local=self.public_endpoint_local,
        )

    @classmethod
    def from_spu(cls, spu: SpuSpec) -> "CustomSpuSpec":
        """The registration that would make this SPU."""
        return cls(
            id=spu.id,
            public_endpoint=spu.public_endpoint,
            private_endpoint=spu.private_endpoint,
            rack=spu.rack,
            public_endpoint_local=spu.public_endpoint_local,
        )
