"""Objects as text and back: JSON, YAML, TOML, and whatever formats an application adds.

Called by the command line for every `-O`, and by applications through `AdminObject.text`. A format
is a pair of functions under a name; `register` adds one for the whole process.

YAML is read as version 1.2, as Fluvio's own files are: `on`, `12:30` and `010` are text, text and
ten. Both ends are bounded by what is given: nothing is read from anywhere else.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fluvio_client.variant import Variant


@dataclass(frozen=True, slots=True)
class Format:
    """How data becomes text.

    write: plain data and the plural name of what a bare list holds, to text ended by a newline
    read:  text to plain data, raising ValueError; None when the format is only written
    """

    name: str
    write: Callable[[Any, str], str]
    read: Callable[[str], Any] | None = None


_FORMATS: dict[str, Format] = {}


def register(format: Format) -> None:
    """Add a format, or replace the one of that name. Names count without regard to case."""
    _FORMATS[format.name.lower()] = format


def format_names() -> list[str]:
    """All that can be written, in order."""
    return sorted(_FORMATS)


def write(data: Any, format: str, *, kind: str = "items") -> str:
    """Plain data as text. kind: names a bare list where the format has none, as TOML.

    Raises: ValueError for a format that nobody registered.
    """
    return _named(format).write(data, kind)


def read(text: str, format: str) -> Any:
    """Text as plain data. Raises ValueError, in one line: for bad text and unknown formats."""
    reader = _named(format).read
    if reader is None:
        raise ValueError(f"{format} is only written, never read")
    return reader(text)


def _named(name: str) -> Format:
    found = _FORMATS.get(name.lower())
    if found is None:
        raise ValueError(f'unknown format "{name}": known are {", ".join(format_names())}')
    return found


def write_json(data: Any) -> str:
    """Pretty JSON, two spaces, without a newline at the end."""
    return json.dumps(data, indent=2, ensure_ascii=False)


def write_yaml(data: Any) -> str:
    """YAML with a newline at the end; variants carry a tag, as in `!computed`."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """A dumper that knows variants and never writes anchors."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def represent_variant(dumper: yaml.SafeDumper, value: Variant) -> yaml.Node:
        (name,) = value
        inner = value[name]
        node = dumper.represent_data(inner)
        node.tag = f"!{name}"
        return node

    Dumper.add_representer(Variant, represent_variant)
    return yaml.dump(
        data, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False
    )


def write_toml(data: Any, *, kind: str) -> str:
    """TOML with a newline at the end; absent values are left out, since TOML has no null."""
    import tomlkit

    wrapped = data if isinstance(data, Mapping) else {kind: data}
    return tomlkit.dumps(_without_none(wrapped))


def _without_none(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _without_none(item) for key, item in data.items() if item is not None}
    if isinstance(data, list | tuple):
        return [_without_none(item) for item in data if item is not None]
    return data


def read_yaml_documents(text: str) -> list[Any]:
    """Every document of a YAML stream, empty ones left out. Raises ValueError."""
    import yaml

    try:
        found = list(yaml.load_all(text, Loader=_yaml_loader()))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    except (AttributeError, LookupError, TypeError):  # PyYAML's, for tags such as `!!bool x`
        raise ValueError("a value does not fit its tag") from None
    return [document for document in found if document is not None]


def _read_yaml(text: str) -> Any:
    documents = read_yaml_documents(text)
    if len(documents) > 1:
        raise ValueError(f"expected one document, found {len(documents)}")
    return documents[0] if documents else None


@cache
def _yaml_loader() -> Any:
    """PyYAML's safe loader with the scalars of YAML 1.2 and with the tags of variants."""
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        """YAML 1.2, core schema."""

        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute

    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("int", r"[-+]?[0-9]{1,40}", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
        ("merge", r"<<", "<"),
    ):
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(first)
        )
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
    Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))

    def construct_variant(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Variant:
        inner: Any
        match node:
            case yaml.MappingNode():
                inner = loader.construct_mapping(node, deep=True)
            case yaml.SequenceNode():
                inner = loader.construct_sequence(node, deep=True)
            case yaml.ScalarNode():
                inner = loader.construct_scalar(node)
            case _:
                raise yaml.constructor.ConstructorError(None, None, "no such node", node.start_mark)
        return Variant({suffix: inner})

    Loader.add_multi_constructor("!", construct_variant)
    return Loader


def _read_toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


register(Format("json", lambda data, kind: write_json(data) + "\n", json.loads))
register(Format("yaml", lambda data, kind: write_yaml(data), _read_yaml))
register(Format("toml", lambda data, kind: write_toml(data, kind=kind), _read_toml))
