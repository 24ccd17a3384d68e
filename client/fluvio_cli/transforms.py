"""SmartModules as the command line has them: flags, a file, lines of JSON."""

import json
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.failure import Failure, Parsed, exclude, was_given
from fluvio_cli.quantities import parse_duration_s

if TYPE_CHECKING:
    from fluvio_client.consumer.transform import Transform
    from fluvio_client.errors import SmartModuleRuntimeError

_OF_ONE_MODULE = ("params", "aggregate_initial", "lookback_last", "lookback_age")
_SHOWN_CHARACTERS_MAX = 200


def parse_param(text: str) -> tuple[str, str]:
    """`name=value`; the value may have more of them. Raises ValueError."""
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"invalid KEY=value: no `=` found in `{text}`")
    if not name:
        raise ValueError(f"invalid KEY=value: nothing before the `=` of `{text}`")
    return name, value


def transform_options(command: Callable[..., Any]) -> Any:
    """Give a command the options of SmartModules; its parameter `transforms` is their chain."""

    @wraps(command)
    def transforming(
        *args: Any,
        smartmodule: str | None,
        smartmodule_path: Path | None,
        params: tuple[tuple[str, str], ...],
        aggregate_initial: str | None,
        lookback_last: int | None,
        lookback_age: float | None,
        transforms_file: Path | None,
        transforms_line: tuple[str, ...],
        **options: Any,
    ) -> Any:
        context = click.get_current_context()
        exclude(context, "smartmodule", "smartmodule_path", "transforms_file", "transforms_line")
        if smartmodule is None and smartmodule_path is None:
            for name in _OF_ONE_MODULE:
                if was_given(context, name):
                    raise click.UsageError(
                        f"--{name.replace('_', '-')} needs --smartmodule or --smartmodule-path",
                        context,
                    )
        transforms = read_transforms(
            smartmodule,
            smartmodule_path,
            file=transforms_file,
            lines=transforms_line,
            params=dict(params),
            accumulator=(aggregate_initial or "").encode(),
            lookback_last=lookback_last,
            lookback_age=lookback_age,
        )
        return command(*args, transforms=transforms, **options)

    decorated: Any = transforming
    for option in reversed(_options()):
        decorated = option(decorated)
    return decorated


def _options() -> list[Callable[[Any], Any]]:
    """In the order of the help."""
    return [
        click.option(
            "--smartmodule",
            "--sm",
            metavar="NAME",
            help="Let this stored SmartModule filter or change the records: name or "
            "group/name@version.",
        ),
        click.option(
            "--smartmodule-path",
            "--sm_path",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The same with a module that is sent along.",
        ),
        click.option(
            "-e",
            "--params",
            type=Parsed("PARAM", parse_param),
            multiple=True,
            metavar="NAME=VALUE",
            help="A parameter of the module. May be given again.",
        ),
        click.option(
            "--aggregate-initial",
            "--a-init",
            metavar="TEXT",
            help="What a module that aggregates begins with.",
        ),
        click.option(
            "--lookback-last",
            type=click.IntRange(min=0),
            metavar="N",
            help="Show the module the last N records before the first new one.",
        ),
        click.option(
            "--lookback-age",
            type=Parsed("DURATION", parse_duration_s),
            metavar="DURATION",
            help="None of those that are older.",
        ),
        click.option(
            "-t",
            "--transforms-file",
            "--transforms",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="A chain of SmartModules in YAML: transforms, a list of uses, with and lookback.",
        ),
        click.option(
            "--transforms-line",
            "--transform",
            multiple=True,
            metavar="JSON",
            help="One step of a chain in JSON. May be given again.",
        ),
    ]


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


def refusal_text(error: "SmartModuleRuntimeError") -> str:
    """What a module says of a record that it cannot process, in one line."""
    key = "NULL" if error.key is None else _shown(error.key)
    return (
        f"SmartModule transform error: {' '.join(error.hint.split())}; "
        f"{error.kind}, key: {key}, value: {_shown(error.value)}"
    )


def _shown(data: bytes) -> str:
    try:
        text = " ".join(data.decode().split())
    except UnicodeDecodeError:
        return f"binary of {len(data)} bytes"
    if len(text) <= _SHOWN_CHARACTERS_MAX:
        return text
    return f"{text[:_SHOWN_CHARACTERS_MAX]}... of {len(data)} bytes"
