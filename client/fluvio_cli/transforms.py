"""SmartModules as the command line has them: flags, a file, lines of JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluvio_cli.failure import Failure

if TYPE_CHECKING:
    from fluvio_client.consumer.transform import Transform


def parse_param(text: str) -> tuple[str, str]:
    """`name=value`; the value may have more of them. Raises ValueError."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ValueError('expected name=value, such as "regex=[Cc]at"')
    return name, value


def read_transforms(
    name: str | None,
    path: Path | None,
    *,
    file: Path | None,
    lines: Sequence[str],
    **settings: Any,
) -> "tuple[Transform, ...]":
    """The chain that was asked for; empty without one. Raises Failure, OSError."""
    if name is None and path is None and file is None and not lines:
        return ()
    from fluvio_client import formats
    from fluvio_client.consumer.transform import Transform, transforms_of

    try:
        if file is not None:
            return transforms_of(formats.read(file.read_text("utf-8"), "yaml"))
        if lines:
            return tuple(Transform.of(json.loads(line)) for line in lines)
        code = None if path is None else path.read_bytes()
        return (Transform(uses=name, code=code, **settings),)
    except ValueError as error:
        where = str(file) if file is not None else "transform"
        raise Failure(f"Invalid argument: {where}: {error}") from error
