"""The profile file: read as Fluvio writes it, changed without losing what we do not know."""

import os
import stat
from pathlib import Path

import pytest

from fluvio_client.errors import ConfigError, NoActiveProfile, ProfileNotFound
from fluvio_client.profile import ProfileStore, default_path

LOCAL = """\
version = "2.0"
current_profile = "local"

[profile.local]
cluster = "local"

[cluster.local]
endpoint = "127.0.0.1:9003"
use_spu_local_address = false

[cluster.local.tls]
tls_policy = "disabled"

[cluster.local.metadata]
installation = "local"
"""
OTHERS = """\
# mine
version = "2.0"
current_profile = "cloud"
client_id = "me"

[profile.cloud]
cluster = "far"   # the big one
topic = "events"

[cluster.far]
addr = "far.example:9003"
flavour = "unknown to us"

[cluster.far.tls]
tls_policy = "verified"
tls_source = "inline"

[cluster.far.tls.certs]
domain = "far.example"
key = "-----BEGIN"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "config"


def written(path: Path, text: str) -> ProfileStore:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return ProfileStore.load(path)


def test_a_new_file_is_what_fluvio_writes(path: Path) -> None:
    store = ProfileStore.load(path)
    assert not store.exists
    store.add("local", "127.0.0.1:9003", installation="local")
    store.save()
    assert path.read_text() == LOCAL
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reading(path: Path) -> None:
    store = written(path, OTHERS)
    assert store.current == "cloud"
    assert store.client_id == "me"
    cluster = store.resolve()
    assert (cluster.name, cluster.endpoint, cluster.tls_policy) == (
        "far", "far.example:9003", "verified",
    )  # fmt: skip
    assert cluster.installation == "k8", "a file that does not say means Kubernetes"
    assert not cluster.use_spu_local_address


def test_what_we_do_not_know_stays(path: Path) -> None:
    store = written(path, OTHERS)
    store.add("local", "127.0.0.1:9003")
    store.rename("local", "here")
    store.switch("cloud")
    store.delete("here")
    store.delete_cluster("local")
    store.save()
    assert path.read_text().strip() == OTHERS.strip()


def test_switch_delete_and_switch_again(path: Path) -> None:
    store = written(path, LOCAL)
    store.add("b", "h:1")
    assert store.current == "b"
    assert store.delete("b") is True
    assert store.current is None
    assert store.delete("local") is False
    store.save()
    again = ProfileStore.load(path)
    assert again.current is None
    with pytest.raises(NoActiveProfile, match="Config has no active profile"):
        again.resolve()
    again.add("c", "h:2", switch=False)
    assert again.current == "c", "the only profile is the current one"
    again.save()
    assert ProfileStore.load(path).resolve().endpoint == "h:2"


def test_rename_follows_the_current_profile(path: Path) -> None:
    store = written(path, LOCAL)
    store.rename("local", "mine")
    assert store.current == "mine"
    assert [profile.name for profile in store.profiles()] == ["mine"]
    store.add("other", "h:1")
    with pytest.raises(ConfigError, match="already exists"):
        store.rename("other", "mine")


def test_pointing_a_profile_elsewhere_keeps_its_extras(path: Path) -> None:
    store = written(path, OTHERS)
    store.add("cloud", "near:1", cluster="far")
    cluster = store.resolve("cloud")
    assert (cluster.endpoint, cluster.tls_policy) == ("near:1", "disabled")
    assert "flavour" in store.export("cloud")
    assert "\naddr = " not in store.export("cloud")


def test_export_is_a_file_of_its_own(path: Path) -> None:
    store = written(path, LOCAL)
    store.add("b", "h:1")
    assert store.export("local") == LOCAL
    cloud = written(path, OTHERS).export("cloud")
    path.write_text(cloud)
    again = ProfileStore.load(path)
    assert again.resolve().endpoint == "far.example:9003"
    assert again.profile_entry("cloud")["topic"] == "events"
    assert again.resolve().tls["certs"]["domain"] == "far.example"


@pytest.mark.parametrize("action", ["switch", "rename", "delete", "delete_cluster", "resolve"])
def test_unknown_names(path: Path, action: str) -> None:
    store = written(path, LOCAL)
    arguments = ("nosuch", "x") if action == "rename" else ("nosuch",)
    with pytest.raises(ProfileNotFound):
        getattr(store, action)(*arguments)


@pytest.mark.parametrize("action", ["switch", "delete", "delete_cluster", "resolve"])
def test_mistyped_names_are_recognized(path: Path, action: str) -> None:
    store = written(path, LOCAL)
    with pytest.raises(ProfileNotFound, match=r"lcoal.*\. Did you mean local\?$"):
        getattr(store, action)("lcoal")


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        'profile = "x"',
        '[profile]\nx = 1',
        'current_profile = "x"\n[profile.x]\ncluster = "gone"',
        'current_profile = "x"\n[profile.x]\ncluster = "c"\n[cluster.c]\n',
        'current_profile = "x"\n[profile.x]\ncluster = "c"\n[cluster.c]\nendpoint = "h:1"\n'
        '[cluster.c.tls]\ntls_policy = "perhaps"',
    ],
)  # fmt: skip
def test_bad_files_are_told_apart(path: Path, text: str) -> None:
    def use() -> None:
        written(path, text).resolve()

    with pytest.raises(ConfigError):
        use()


def test_a_save_leaves_no_traces_and_follows_links(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(LOCAL)
    path.parent.mkdir()
    path.symlink_to(real)
    store = ProfileStore.load(path)
    store.add("b", "h:1")
    store.save()
    assert path.is_symlink()
    assert ProfileStore.load(real).current == "b"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["home", "real"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = ProfileStore.load(tmp_path / "elsewhere")
    store.path = tmp_path / "file" / "config"
    store.add("b", "h:1")
    with pytest.raises(ConfigError, match="config file"):
        store.save()


def test_the_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", "/somewhere/else")
    assert default_path() == Path("/somewhere/else")
    monkeypatch.delenv("FLV_PROFILE_PATH")
    assert default_path() == Path(os.path.expanduser("~/.fluvio/config"))
