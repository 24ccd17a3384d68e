"""How commands fail: one line on standard error and exit code 1, or a usage error and 2.

`Failure` is raised by commands; `main` turns it, the client's errors and click's usage errors
into text. The wording of usage errors begins with `error: ` and names the argument, which scripts
match.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import click


class Failure(click.ClickException):
    """The command did not do what it was asked for; the text is all that people see."""

    exit_code = 1


def fail(text: str) -> NoReturn:
    """Raise a Failure."""
    raise Failure(text)


class Parsed(click.ParamType[Any]):
    """A parameter that a function of ours parses; its ValueError says what is wrong.

    The message names the option and its value, as Fluvio's does:
    `invalid value 'zip' for '--compression <COMPRESSION>': unknown compression format: zip`
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            place = spelling(param) if param is not None else self.name
            raise click.UsageError(
                f"invalid value '{value}' for '{place}': {error}", ctx
            ) from error


def spelling(param: click.Parameter) -> str:
    """How a parameter is written in messages: `--head <N>`, `--beginning`, `<TOPIC>`."""
    if isinstance(param, click.Argument):
        return f"<{param.human_readable_name}>"
    name = next((one for one in param.opts if one.startswith("--")), param.opts[0])
    if isinstance(param, click.Option) and (param.is_flag or param.count):
        return name
    return f"{name} <{param.metavar or param.human_readable_name.upper()}>"


def exclude(context: click.Context, *names: str) -> None:
    """Refuse more than one of these parameters. Raises UsageError naming the first two."""
    by_name: Mapping[str | None, click.Parameter] = {
        param.name: param for param in context.command.params
    }
    given = [by_name[name] for name in names if was_given(context, name)]
    if len(given) > 1:
        raise click.UsageError(
            f"the argument '{spelling(given[0])}' cannot be used with '{spelling(given[1])}'",
            context,
        )


def was_given(context: click.Context, name: str) -> bool:
    """True when the user wrote the parameter on the command line."""
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def usage_text(error: click.UsageError) -> str:
    """What a usage error prints, without a newline at the end."""
    match error:
        case click.NoSuchOption():
            text = f"unexpected argument '{error.option_name}' found"
            if error.possibilities:
                text += f"\n\n  tip: a similar argument exists: '{error.possibilities[0]}'"
        case click.NoSuchCommand():
            text = f"unrecognized subcommand '{error.command_name}'"
            if error.possibilities:
                text += f"\n\n  tip: a similar subcommand exists: '{error.possibilities[0]}'"
        case click.MissingParameter() if error.param is not None:
            text = f"the following required arguments were not provided:\n  {spelling(error.param)}"
        case click.BadParameter() if error.param is not None:
            text = f"invalid value for '{spelling(error.param)}': {error.message}"
        case _:
            text = error.message
    usage = f"\n\n{error.ctx.get_usage()}" if error.ctx is not None else ""
    return f"error: {text}{usage}\n\nFor more information, try '--help'."
