"""Mirrors: other clusters, and how the connection to them fares. Called by `manifest.py`.

`keyPair` is accepted since Fluvio accepts it; nothing reads it. Source: kubernetes reference 1.7.
"""

from typing import Annotated, Any, ClassVar, Self, assert_never

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fluvio_crd.model import (
    U64,
    Line,
    Model,
    Name,
    Published,
    Rule,
    SpecModel,
    StatusModel,
    StatusPart,
    Text,
    exactly_one,
)
from fluvio_crd.words import Spelling, Word
from fluvio_protocol.metadata import mirror as wire

Pem = Annotated[str, Published(max_length=65_536)]


class ClientTls(Model):
    """Credentials for the home cluster, as PEM text."""

    domain: Name = Field(description="name expected in the server certificate")
    ca_cert: Pem = Field(description="PEM")
    client_cert: Pem = Field(description="PEM")
    client_key: Pem = Field(description="PEM")


class Remote(Model):
    """An edge cluster, seen from home."""

    id: Name = Field(description="identity of the remote cluster")


class Home(Model):
    """The home cluster, seen from an edge."""

    id: Name = Field(description="identity of the home cluster")
    remote_id: Name = Field(description="our identity over there")
    public_endpoint: Line = Field(description="host:port of its controller")
    client_tls: ClientTls | None = Field(
        default=None, description="credentials; whoever reads this object reads them"
    )


class MirrorType(Model):
    """Which end the other cluster is."""

    rules = (
        Rule(
            "[has(self.remote), has(self.home)].exists_one(x, x)",
            "give exactly one of remote and home",
        ),
        Rule(
            "has(self.remote) == has(oldSelf.remote)",
            "a mirror cannot switch between remote and home: make a new one",
        ),
    )

    remote: Remote | None = Field(default=None, description="this edge may connect")
    home: Home | None = Field(default=None, description="dial this cluster")

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        exactly_one(self, "remote", "home")
        return self


class KeyPair(Model):
    """Accepted, and read by nobody."""

    public_key: Pem = Field(description="ignored")
    private_key: Pem = Field(description="ignored")


class MirrorSpec(SpecModel):
    """Another cluster that this one exchanges topics with."""

    mirror_type: MirrorType = Field(description="which end it is")
    key_pair: KeyPair | None = Field(default=None, description="accepted and ignored")

    @classmethod
    def of_wire(cls, spec: wire.RemoteMirror | wire.HomeMirror) -> Self:
        match spec:
            case wire.RemoteMirror():
                return cls(mirror_type=MirrorType(remote=Remote(id=spec.id)))
            case wire.HomeMirror():
                tls = spec.client_tls
                home = Home(
                    id=spec.id,
                    remote_id=spec.remote_id,
                    public_endpoint=spec.public_endpoint,
                    client_tls=None
                    if tls is None
                    else ClientTls(
                        domain=tls.domain,
                        ca_cert=tls.ca_cert,
                        client_cert=tls.client_cert,
                        client_key=tls.client_key,
                    ),
                )
                return cls(mirror_type=MirrorType(home=home))
            case _:
                assert_never(spec)

    def to_wire(self) -> wire.RemoteMirror | wire.HomeMirror:
        home = self.mirror_type.home
        if home is None:
            assert self.mirror_type.remote is not None
            return wire.RemoteMirror(id=self.mirror_type.remote.id)
        tls = home.client_tls
        return wire.HomeMirror(
            id=home.id,
            remote_id=home.remote_id,
            public_endpoint=home.public_endpoint,
            client_tls=None
            if tls is None
            else wire.ClientTls(
                domain=tls.domain,
                ca_cert=tls.ca_cert,
                client_cert=tls.client_cert,
                client_key=tls.client_key,
            ),
        )


class Pairing(Spelling):
    """A word, or `{"DetailFailure": "why"}`."""

    _BY_WORD: ClassVar = {
        "Waiting": wire.PairWaiting(),
        "Successful": wire.PairSuccessful(),
        "Failed": wire.PairFailed(),
        "Disabled": wire.PairDisabled(),
        "Unauthorized": wire.PairUnauthorized(),
    }
    _DETAIL = "DetailFailure"

    def read(self, value: Any) -> Any:
        if value in self._BY_WORD.values() or isinstance(value, wire.PairDetailFailure):
            return value
        if isinstance(value, str) and value in self._BY_WORD:
            return self._BY_WORD[value]
        if isinstance(value, dict) and isinstance(value.get(self._DETAIL), str):
            return wire.PairDetailFailure(reason=value[self._DETAIL])
        raise PydanticCustomError("pairing", "expected a word of pairing")

    def write(self, value: Any) -> Any:
        if isinstance(value, wire.PairDetailFailure):
            return {self._DETAIL: value.reason}
        return type(value).__name__.removeprefix("Pair")

    def schema(self) -> dict[str, Any]:
        return {"x-kubernetes-preserve-unknown-fields": True}


PairStatus = Annotated[Any, Pairing()]


class ConnectionStat(StatusPart):
    """Figures of the connection."""

    last_seen: U64 = Field(default=0, description="ms since 1970; 0 means never")


class MirrorStatus(StatusModel):
    """How the connection to the other cluster fares."""

    connection_status: Annotated[wire.ConnectionStatus, Word(wire.ConnectionStatus)] = Field(
        default=wire.ConnectionStatus.OFFLINE, description="Online or Offline"
    )
    pairing_sc: PairStatus = Field(
        default=wire.PairWaiting(), description="controller to controller"
    )
    pairing_spu: PairStatus = Field(default=wire.PairWaiting(), description="SPU to SPU")
    connection_stat: ConnectionStat = Field(
        default=ConnectionStat.model_construct(last_seen=0), description="when it was heard of"
    )
    type: Annotated[str, Published(max_length=16)] | None = Field(
        default=None, description="remote or home"
    )
    reason: Text | None = Field(default=None, description="why it is not connected")

    @classmethod
    def of_wire(cls, status: wire.MirrorStatus) -> Self:
        return cls(
            connection_status=status.connection_status,
            pairing_sc=status.pairing_sc,
            pairing_spu=status.pairing_spu,
            connection_stat=ConnectionStat(last_seen=status.last_seen_ms),
        )

    def to_wire(self) -> wire.MirrorStatus:
        return wire.MirrorStatus(
            connection_status=self.connection_status,
            pairing_sc=self.pairing_sc,
            pairing_spu=self.pairing_spu,
            last_seen_ms=self.connection_stat.last_seen,
        )
