"""Which cluster `connect` means: arguments, then the environment, then the profile file."""

import socket
from pathlib import Path

import pytest

import fluvio_client.fluvio
from fluvio_client import ProfileStore, connect
from fluvio_client.errors import ConfigError, NoActiveProfile, ProfileNotFound
from fluvio_client.fluvio import enum_named, parse_address
from fluvio_client.metadata import Address
from fluvio_protocol.record.compression import BatchCompression
from fluvio_protocol.types import Isolation


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("FLUVIO_PROFILE", "FLUVIO_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "config"
    monkeypatch.setenv("FLV_PROFILE_PATH", str(path))
    store = ProfileStore.load(path)
    store.add("far", "far.example:1")
    store.add("near", "near.example:2")
    store.save()
    return path


@pytest.mark.usefixtures("path")
def test_the_order_of_places(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connect().address == "near.example:2"
    monkeypatch.setenv("FLUVIO_CLUSTER", "other.example:3")
    assert connect().address == "other.example:3"
    monkeypatch.setenv("FLUVIO_PROFILE", "far")
    assert connect().address == "far.example:1"
    assert connect("near").address == "near.example:2"
    assert connect(address="here.example:4").address == "here.example:4"


@pytest.mark.usefixtures("path")
def test_what_the_client_calls_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connect()._session._client_id == "fluvio"
    monkeypatch.setenv("FLUVIO_CLIENT_ID", "billing")
    assert connect()._session._client_id == "billing"
    assert connect(client_id="audit")._session._client_id == "audit"


@pytest.mark.usefixtures("path")
def test_how_much_a_consumer_fetches_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connect().consumer("t").config.max_bytes == 1_048_576
    monkeypatch.setenv("FLV_CLIENT_MAX_FETCH_BYTES", "5000")
    assert connect().consumer("t").config.max_bytes == 5000
    assert connect().consumer("t", max_bytes=7).config.max_bytes == 7
    for nonsense in ("0", "1 MB", "-3"):
        monkeypatch.setenv("FLV_CLIENT_MAX_FETCH_BYTES", nonsense)
        with pytest.raises(ConfigError, match="FLV_CLIENT_MAX_FETCH_BYTES"):
            connect()


def test_a_local_cluster_is_used_when_nothing_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("FLUVIO_PROFILE", "FLUVIO_CLUSTER", "FLV_PROFILE_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(fluvio_client.fluvio, "LOCAL_ADDRESS", Address("127.0.0.1", port))
        assert connect().address == f"127.0.0.1:{port}"
        assert f"using the cluster at 127.0.0.1:{port}" in caplog.text
        with pytest.raises(ProfileNotFound):
            connect("near")
    with pytest.raises(NoActiveProfile, match="fluvio cluster start"):
        connect()


def test_contradictions_and_unknown_names(path: Path) -> None:
    with pytest.raises(ConfigError, match="not both"):
        connect("near", address="h:1")
    with pytest.raises(ProfileNotFound):
        connect("nosuch")
    with pytest.raises(NoActiveProfile):
        connect(profile_path=path.parent / "nothing")


def test_tls_is_refused_rather_than_ignored(path: Path) -> None:
    text = path.read_text().replace('tls_policy = "disabled"', 'tls_policy = "anonymous"')
    path.write_text(text)
    with pytest.raises(ConfigError, match="TLS"):
        connect()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("h:1", Address("h", 1)),
        ("h", Address("h", 9003)),
        ("[::1]:65535", Address("::1", 65535)),
        ("[::1]", Address("::1", 9003)),
        ("10.0.0.1:9003", Address("10.0.0.1", 9003)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", ":1", "h:", "h:0", "h:65536", "h:-1", "h:x", "a b:1", "u@h:1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        parse_address(text)


def test_words_in_any_spelling() -> None:
    for text in ("read_committed", "ReadCommitted", "committed", "READ-COMMITTED"):
        assert enum_named(Isolation, text) is Isolation.READ_COMMITTED
    assert enum_named(BatchCompression, "Gzip") is BatchCompression.GZIP
    with pytest.raises(ValueError, match="none of"):
        enum_named(BatchCompression, "zip")


@pytest.mark.usefixtures("path")
def test_how_long_a_server_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connect()._session._limits.request_timeout_s == 60
    monkeypatch.setenv("FLV_SOCKET_WAIT", "7")
    assert connect()._session._limits.request_timeout_s == 7
    for nonsense in ("0", "7s", "-3"):
        monkeypatch.setenv("FLV_SOCKET_WAIT", nonsense)
        with pytest.raises(ConfigError, match="FLV_SOCKET_WAIT"):
            connect()
