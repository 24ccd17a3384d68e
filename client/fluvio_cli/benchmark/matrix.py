"""Many benchmarks from one file: every combination of the values that it lists. Pure.

    mode: producer                 # or consumer, latency; producer unless said
    batch-size: [16kib, 1mib]
    num-records: [100, 10000]

The nested form that Fluvio's own benchmark reads is understood as well: `producer_config`,
`shared_config` with `topic_config` and `load_config`, names with underscores, times as `secs` and
`nanos`, and `delete_topic` for what is `keep-topic` here.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fluvio_cli.benchmark.settings import BY_NAME, KIB, Mode, Setting, Settings

SECTIONS: Final = frozenset(
    {"producer-config", "consumer-config", "shared-config", "topic-config", "load-config"}
)
COMBINATIONS_MAX: Final = 1000
DEPTH_MAX: Final = 3

DEFAULT: Final[Mapping[str, Any]] = {
    "batch-size": ["16kib", "1mib"],
    "num-records": [100, 10_000, 100_000],
    "num-samples": 2,
    "time-between-samples": "1s",
    "worker-timeout": "600s",
    "record-size": 5 * KIB,
}
"""What a matrix without a file measures."""


def settings_of(document: Any) -> list[Settings]:
    """Every combination; what the file lists last changes fastest. Raises ValueError."""
    if not isinstance(document, Mapping):
        raise ValueError("expected names of settings with their values")
    modes: list[Mode] = []
    axes: list[tuple[Setting, list[Any]]] = []
    for name, value in _flat(document):
        values = value if isinstance(value, list) else [value]
        if not values:
            raise ValueError(f"{name} has no value")
        if name == "mode":
            modes = [_mode(one) for one in values]
            continue
        if name == "delete-topic":
            name, values = "keep-topic", [not _read(BY_NAME["keep-topic"], one) for one in values]
        if name not in BY_NAME:
            raise ValueError(f"{name} is no setting of a benchmark")
        if any(setting.name == name for setting, _ in axes):
            raise ValueError(f"{name} is there twice")
        axes.append((BY_NAME[name], [_read(BY_NAME[name], one) for one in values]))
    count = len(modes or [Mode.PRODUCER])
    for _, values in axes:
        count *= len(values)
    if count > COMBINATIONS_MAX:
        raise ValueError(f"{count} combinations are more than {COMBINATIONS_MAX}")
    fields = [setting.field for setting, _ in axes]
    return [
        Settings(mode=mode, **dict(zip(fields, chosen, strict=True)))
        for mode in modes or [_mode_of_sections(document)]
        for chosen in itertools.product(*(values for _, values in axes))
    ]


def _flat(document: Mapping[Any, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        name = str(key).replace("_", "-")
        if name not in SECTIONS:
            yield name, value
        elif value is not None:
            if not isinstance(value, Mapping) or depth == DEPTH_MAX:
                raise ValueError(f"{name} is no mapping of settings")
            yield from _flat(value, depth + 1)


def _mode_of_sections(document: Mapping[Any, Any]) -> Mode:
    """The nested form says by its section what it measures."""
    names = {str(key).replace("_", "-") for key, value in document.items() if value is not None}
    reads = "consumer-config" in names and "producer-config" not in names
    return Mode.CONSUMER if reads else Mode.PRODUCER


def _mode(value: Any) -> Mode:
    try:
        return Mode(str(value))
    except ValueError:
        raise ValueError(f"mode is {value}: expected one of {', '.join(Mode)}") from None


def _read(setting: Setting, value: Any) -> Any:
    """One value of a file. Raises ValueError that names the setting."""
    if isinstance(value, Mapping) and set(value) == {"secs", "nanos"}:
        value = f"{value['secs']}s {value['nanos']}ns"
    elif isinstance(value, bool):
        value = str(value).lower()
    elif not isinstance(value, str | int | float):
        raise ValueError(f"{setting.name} is {value!r}: expected a text or a number")
    try:
        return setting.read(str(value))
    except ValueError as error:
        if str(error).startswith(setting.name):
            raise
        raise ValueError(f"{setting.name} is {value}: {error}") from None
