"""Mirrors: other clusters that this one exchanges topics with.

Source: protocol reference 3.3, 3.9.
"""

from enum import IntEnum
from typing import Annotated

from fluvio_protocol.codec import I32, U64, Message, TaggedUnion, field, message
from fluvio_protocol.types import SpuId


@message()
class ClientTls(Message):
    """Credentials for the other cluster, as PEM text."""

    domain: str = field(about="name expected in the server certificate")
    ca_cert: str = field(about="PEM")
    client_cert: str = field(about="PEM")
    client_key: str = field(about="PEM")


@message()
class RemoteMirror(Message):
    """An edge cluster, seen from home."""

    id: str = field(about="identity of the remote cluster")


@message()
class HomeMirror(Message):
    """The home cluster, seen from an edge."""

    id: str = field(about="identity of the home cluster")
    remote_id: str = field(about="our identity over there")
    public_endpoint: str = field(about="host:port of its controller")
    client_tls: ClientTls | None = field(default=None, about="credentials, when it wants TLS")


MirrorSpec = Annotated[RemoteMirror | HomeMirror, TaggedUnion({0: RemoteMirror, 1: HomeMirror})]


class ConnectionStatus(IntEnum):
    OFFLINE = 0
    ONLINE = 1


@message()
class PairWaiting(Message):
    """Nothing known yet."""


@message()
class PairSuccessful(Message):
    """Connected."""


@message()
class PairFailed(Message):
    """Not connected."""


@message()
class PairDisabled(Message):
    """Not wanted."""


@message()
class PairUnauthorized(Message):
    """Refused."""


@message()
class PairDetailFailure(Message):
    """Not connected, and why."""

    reason: str = field(about="text for people")


_Pair = (
    PairWaiting | PairSuccessful | PairFailed | PairDisabled | PairUnauthorized | PairDetailFailure
)
MirrorPairStatus = Annotated[
    _Pair,
    TaggedUnion(
        {
            0: PairWaiting,
            1: PairSuccessful,
            2: PairFailed,
            3: PairDisabled,
            4: PairUnauthorized,
            5: PairDetailFailure,
        }
    ),
]


@message()
class MirrorStatus(Message):
    """How the connection to the other cluster fares."""

    connection_status: ConnectionStatus = field(
        default=ConnectionStatus.OFFLINE, about="is it connected"
    )
    pairing_sc: MirrorPairStatus = field(default=PairWaiting(), about="controller to controller")
    pairing_spu: MirrorPairStatus = field(default=PairWaiting(), about="SPU to SPU")
    last_seen_ms: U64 = field(default=0, about="when it was last heard of, ms since 1970")


@message()
class SpuMirror(Message):
    """An SPU of the home cluster."""

    id: I32 = field(about="SPU id there")
    key: str = field(about="SPU object name there")
    endpoint: str = field(about="host:port")


@message()
class RemotePartition(Message):
    """This partition mirrors one of the home cluster."""

    home_cluster: str = field(about="mirror object")
    home_spu_key: str = field(about="SPU object name there")
    home_spu_id: SpuId = field(about="SPU id there")
    home_spu_endpoint: str = field(about="host:port there")
    target: bool = field(since=18, default=False, about="records come from home")


@message()
class HomePartition(Message):
    """This partition is mirrored by a remote cluster."""

    remote_cluster: str = field(about="mirror object")
    remote_replica: str = field(about="partition name there")
    source: bool = field(since=18, default=False, about="records go to the remote")


PartitionMirror = Annotated[
    RemotePartition | HomePartition, TaggedUnion({0: RemotePartition, 1: HomePartition})
]
