"""Prometheus' text format: samples in, text out. Pure; used by `health`.

# HELP fluvio_spu_inbound_bytes_total bytes of batches stored for producers
# TYPE fluvio_spu_inbound_bytes_total counter
fluvio_spu_inbound_bytes_total 1048576
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number. Samples of one name differ in their labels, and come one after another."""

    name: str
    kind: Literal["counter", "gauge"]
    about: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def render(samples: Iterable[Sample]) -> str:
    """The whole answer."""
    lines = []
    name = ""
    for sample in samples:
        if sample.name != name:
            lines.append(f"# HELP {sample.name} {_escape(sample.about)}")
            lines.append(f"# TYPE {sample.name} {sample.kind}")
            name = sample.name
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
