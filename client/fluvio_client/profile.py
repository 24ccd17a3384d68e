"""Profiles: which cluster is meant by a name, kept in one TOML file that all Fluvio tools share.

Called by `fluvio.connect` (reading) and by the command line (changing). Touches only the file it
was given: `$FLV_PROFILE_PATH`, else `~/.fluvio/config`. Source: protocol reference 9.5.

    version = "2.0"
    current_profile = "local"
    [profile.local]                     cluster = "local"
    [cluster.local]                     endpoint = "127.0.0.1:9003", use_spu_local_address = false
    [cluster.local.tls]                 tls_policy = "disabled"
    [cluster.local.metadata]            installation = "local"
    [cluster.local.metadata.local]      data_dir = "/home/user/.fluvio/data"

Invariants: keys and comments that we do not know stay where they are; a save replaces the file in
one step and leaves it readable by its owner only, since it may hold private keys.
"""

import contextlib
import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluvio_client.errors import ConfigError, NoActiveProfile, ProfileNotFound
from fluvio_client.likeness import hint

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

CONFIG_VERSION = "2.0"
PATH_VARIABLE = "FLV_PROFILE_PATH"
_TLS_POLICIES = {
    "disabled": "disabled",
    "disable": "disabled",
    "anonymous": "anonymous",
    "verified": "verified",
    "verify": "verified",
}


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Where one cluster is. `tls` and `metadata` are as the file has them."""

    name: str
    endpoint: str
    use_spu_local_address: bool
    tls_policy: str
    tls: Mapping[str, Any]
    metadata: Mapping[str, Any]

    @property
    def installation(self) -> str:
        """How it was installed; a file that does not say means Kubernetes."""
        return str(self.metadata.get("installation", "k8"))


@dataclass(frozen=True, slots=True)
class Profile:
    """A name for a cluster; `current` marks the one that is used when none is named."""

    name: str
    cluster: str
    current: bool


def default_path() -> Path:
    """`$FLV_PROFILE_PATH`, else `~/.fluvio/config`."""
    named = os.environ.get(PATH_VARIABLE)
    return Path(named) if named else Path.home() / ".fluvio" / "config"


class ProfileStore:
    """The file as a value that can be changed and saved. Belongs to one caller at a time.

    Every change is in memory until `save`. Reading needs no third-party library.
    """

    def __init__(self, path: Path, text: str | None) -> None:
        """Use `load`. text: what the file holds; None when there is no file."""
        self.path = path
        self.exists = text is not None
        self._text = text or ""
        self._data: dict[str, Any] = self._parse(self._text)
        self._document: TOMLDocument | None = None

    @classmethod
    def load(cls, path: str | Path | None = None) -> "ProfileStore":
        """Read a file; a missing one gives an empty store with `exists` False.

        Raises: ConfigError when it cannot be read or is no profile file.
        """
        place = Path(path) if path is not None else default_path()
        try:
            return cls(place, place.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(place, None)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f'Config error: config file "{place}": {error}') from error

    def _parse(self, text: str) -> dict[str, Any]:
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f'Config error: config file "{self.path}": {error}') from error
        for table in ("profile", "cluster"):
            entries = data.get(table, {})
            if not isinstance(entries, dict) or not all(
                isinstance(entry, dict) for entry in entries.values()
            ):
                raise ConfigError(f'Config error: config file "{self.path}": [{table}] is no table')
        return data

    # Reading

    @property
    def version(self) -> str:
        return str(self._data.get("version", CONFIG_VERSION))

    @property
    def client_id(self) -> str | None:
        found = self._data.get("client_id")
        return str(found) if found is not None else None

    @property
    def current(self) -> str | None:
        """Name of the current profile; None when nothing is set."""
        found = self._data.get("current_profile")
        return str(found) if found else None

    def profiles(self) -> list[Profile]:
        """All profiles, by name."""
        current = self.current
        return [
            Profile(name, str(entry.get("cluster", "")), name == current)
            for name, entry in sorted(self._data.get("profile", {}).items())
        ]

    def profile_entry(self, name: str) -> Mapping[str, Any]:
        """The profile as the file has it. Raises ProfileNotFound."""
        return self._entry("profile", name)

    def clusters(self) -> list[ClusterConfig]:
        """All clusters, by name. Raises ConfigError for one without an endpoint."""
        return [self.cluster(name) for name in sorted(self._data.get("cluster", {}))]

    def cluster(self, name: str) -> ClusterConfig:
        """Raises ProfileNotFound, or ConfigError when it has no endpoint or an unknown policy."""
        entry = self._entry("cluster", name)
        endpoint = entry.get("endpoint", entry.get("addr"))
        if not isinstance(endpoint, str) or not endpoint:
            raise ConfigError(f'Config error: cluster "{name}" has no endpoint')
        tls = entry.get("tls", {})
        policy = _TLS_POLICIES.get(str(tls.get("tls_policy", "disabled")).lower())
        if policy is None:
            raise ConfigError(
                f'Config error: cluster "{name}": tls_policy "{tls["tls_policy"]}" is none of '
                "disabled, anonymous, verified"
            )
        return ClusterConfig(
            name=name,
            endpoint=endpoint,
            use_spu_local_address=bool(entry.get("use_spu_local_address", False)),
            tls_policy=policy,
            tls=tls,
            metadata=entry.get("metadata", {}),
        )

    def resolve(self, profile: str | None = None) -> ClusterConfig:
        """The cluster that a profile means, or the current one.

        Raises: NoActiveProfile, ProfileNotFound, ConfigError.
        """
        name = profile or self.current
        if name is None:
            raise NoActiveProfile(
                "Config has no active profile: try 'fluvio cluster start' or "
                f"'fluvio profile add' (looked in {self.path})"
            )
        if name not in self._data.get("profile", {}):
            meant = hint(name, self._data.get("profile", {}))
            raise ProfileNotFound(f"No cluster config for profile {name}{meant}")
        cluster = self.profile_entry(name).get("cluster")
        if not isinstance(cluster, str) or cluster not in self._data.get("cluster", {}):
            raise ConfigError(f"No cluster config for profile {name}")
        return self.cluster(cluster)

    def as_data(self) -> dict[str, Any]:
        """The whole file as plain data."""
        return self._data

    def _entry(self, table: str, name: str) -> Mapping[str, Any]:
        entries = self._data.get(table, {})
        if name not in entries:
            raise ProfileNotFound(f"{table} {name} not found{hint(name, entries)}")
        found: Mapping[str, Any] = entries[name]
        return found

    # Changing

    def add(
        self,
        name: str,
        endpoint: str,
        *,
        cluster: str | None = None,
        installation: str | None = None,
        use_spu_local_address: bool = False,
        metadata: Mapping[str, Any] | None = None,
        switch: bool = True,
    ) -> None:
        """Make a profile and a cluster without TLS, or point existing ones elsewhere.

        cluster:  name of the cluster entry, the profile's name when not given.
        metadata: what else to remember of the cluster, by name.
        switch:   also make it the current profile.
        """
        import tomlkit

        cluster_name = cluster or name
        document = self._edit()
        profiles, clusters = self._table("profile"), self._table("cluster")
        profile_entry = profiles.setdefault(name, tomlkit.table())
        profile_entry["cluster"] = cluster_name
        entry = clusters.setdefault(cluster_name, tomlkit.table())
        entry.pop("addr", None)
        entry["endpoint"] = endpoint
        entry["use_spu_local_address"] = use_spu_local_address
        tls = tomlkit.table()
        tls["tls_policy"] = "disabled"
        entry["tls"] = tls
        remembered = dict(metadata or {})
        if installation is not None:
            remembered = {"installation": installation} | remembered
        if remembered:
            entry.setdefault("metadata", tomlkit.table()).update(remembered)
        if switch or not document.get("current_profile"):
            self._set_current(name)
        self._refresh()

    def switch(self, name: str) -> None:
        """Make a profile the current one. Raises ProfileNotFound."""
        self.profile_entry(name)
        self._set_current(name)
        self._refresh()

    def rename(self, old: str, new: str) -> None:
        """Rename a profile; it stays current if it was.

        Raises: ProfileNotFound, or ConfigError when the new name is taken.
        """
        self.profile_entry(old)
        if new in self._data.get("profile", {}):
            raise ConfigError(f"profile {new} already exists")
        was_current = self.current == old
        profiles = self._table("profile")
        profiles[new] = profiles.pop(old)
        if was_current:
            self._set_current(new)
        self._refresh()

    def delete(self, name: str) -> bool:
        """Remove a profile and leave its cluster; True when it was the current one.

        Raises: ProfileNotFound.
        """
        self.profile_entry(name)
        was_current = self.current == name
        self._table("profile").pop(name)
        if was_current:
            self._edit().pop("current_profile")
        self._refresh()
        return was_current

    def profiles_of_cluster(self, name: str) -> list[str]:
        """Names of the profiles that use a cluster."""
        return [profile.name for profile in self.profiles() if profile.cluster == name]

    def delete_cluster(self, name: str) -> None:
        """Remove a cluster entry; profiles that use it stay. Raises ProfileNotFound."""
        self._entry("cluster", name)
        self._table("cluster").pop(name)
        self._refresh()

    def export(self, name: str) -> str:
        """A whole file with only one profile, as TOML text.

        Raises: ProfileNotFound, ConfigError.
        """
        cluster = self.resolve(name)
        exported = ProfileStore(self.path, None)
        exported.add(name, cluster.endpoint, cluster=cluster.name)
        document = exported._edit()
        entry = dict(self._entry("cluster", cluster.name))
        entry.pop("addr", None)
        entry["endpoint"] = cluster.endpoint
        entry.setdefault("use_spu_local_address", False)
        entry.setdefault("tls", {"tls_policy": "disabled"})
        for key, value in self.profile_entry(name).items():
            document["profile"][name][key] = value
        document["cluster"][cluster.name] = entry
        exported._refresh()
        return exported._text

    def save(self) -> None:
        """Replace the file in one step; mode 0600. Raises ConfigError."""
        text = self._text
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A symbolic link stays one: the file it points at is replaced.
            target = self.path.resolve()
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".config-")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp makes it 0600
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            raise ConfigError(f'Config error: config file "{self.path}": {error}') from error
        self.exists = True

    def _edit(self) -> "TOMLDocument":
        if self._document is None:
            import tomlkit

            self._document = tomlkit.parse(self._text)
            if "version" not in self._document:
                self._document["version"] = CONFIG_VERSION
        return self._document

    def _table(self, name: str) -> Any:
        import tomlkit

        document = self._edit()
        if name not in document:
            document[name] = tomlkit.table(is_super_table=True)
        return document[name]

    def _set_current(self, name: str) -> None:
        document = self._edit()
        if "current_profile" in document or not document.body:
            document["current_profile"] = name
            return
        # A plain key must come before the first table, or it would belong to that table.
        import tomlkit

        rest = tomlkit.dumps(document)
        self._document = tomlkit.parse(self._with_current(rest, name))

    @staticmethod
    def _with_current(text: str, name: str) -> str:
        import tomlkit

        line = tomlkit.dumps({"current_profile": name})
        lines = text.splitlines(keepends=True)
        for index, existing in enumerate(lines):
            if existing.startswith("version"):
                return "".join([*lines[: index + 1], line, *lines[index + 1 :]])
            if existing.lstrip().startswith("["):
                break
        return line + text

    def _refresh(self) -> None:
        import tomlkit

        self._text = tomlkit.dumps(self._edit())
        self._data = self._parse(self._text)
