"""How people name SmartModules: `name`, `name@version`, `group/name`, `group/name@version`.

Used for list filters and for modules that a topic refers to. A version is read leniently: `1`
means `1.0.0`. Source: fluvio-controlplane-metadata/src/smartmodule/package.rs.
"""

from dataclasses import dataclass

from fluvio_protocol.metadata.smart_module import SmartModuleSpec


@dataclass(frozen=True, slots=True)
class SmartModuleKey:
    """A name as people write it; None for the parts they left out."""

    name: str
    group: str | None = None
    version: tuple[int, ...] | str | None = None

    @classmethod
    def parse(cls, text: str) -> "SmartModuleKey | None":
        """None when it cannot be a name at all."""
        path, at, version = text.partition("@")
        group, slash, name = path.rpartition("/")
        if not name or (slash and not group) or (at and not version) or "/" in group:
            return None
        return cls(
            name=name,
            group=group if slash else None,
            version=_version(version) if at else None,
        )

    def matches(self, stored_name: str, spec: SmartModuleSpec) -> bool:
        """Whether this name means the module stored as `stored_name`."""
        plain = self.group is None and self.version is None
        if plain and self.name == stored_name:
            return True
        if spec.meta is None:
            return False
        package = spec.meta.package
        return (
            self.name == package.name
            and self.group in (None, package.group)
            and (self.version is None or self.version == _version(package.version))
        )


def _version(text: str) -> tuple[int, ...] | str:
    parts = text.split(".")
    if len(parts) <= 3 and all(part.isascii() and part.isdigit() for part in parts):
        numbers = [int(part[:18]) for part in parts]
        return tuple(numbers + [0] * (3 - len(numbers)))
    return text
