"""Prometheus' text format: samples in, text out. Pure; used by `collection` and `health`.

# HELP fluvio_spu_inbound_bytes_total bytes of batches stored for producers
# TYPE fluvio_spu_inbound_bytes_total counter
fluvio_spu_inbound_bytes_total 1048576
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "fluvio_spu_"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number. A name has one sample here, so labels say what it is, not which one."""

    name: str
    kind: Literal["counter", "gauge"]
    about: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def exported_name(name: str, *, is_counter: bool) -> str:
    """What one of our own counts is called outside: `sync_count` is `fluvio_spu_sync_total`."""
    return PREFIX + name.removesuffix("_count") + ("_total" if is_counter else "")


def render(samples: Iterable[Sample]) -> str:
    """The whole answer."""
    lines = []
    for sample in samples:
        lines.append(f"# HELP {sample.name} {_escape(sample.about)}")
        lines.append(f"# TYPE {sample.name} {sample.kind}")
        lines.append(f"{sample.name}{_labels(sample.labels)} {_number(sample.value)}")
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escape_label(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape_label(text: str) -> str:
    return _escape(text).replace('"', '\\"')


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(value)
