"""`--wait/--no-wait/--timeout` of commands that change something, as one parameter `wait_s`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from fluvio_cli.failure import Parsed, was_given
from fluvio_cli.quantities import parse_duration_s


def wait_options(
    *, what: str, default_s: float | None, default_wait: bool = True
) -> Callable[[Any], Any]:
    """Give a command the three options; its parameter `wait_s` is 0 when it must not wait.

    what:      what is waited for, to end the sentence "Wait until ..."
    default_s: seconds without --timeout; None leaves it to the controller
    """

    def decorate(command: Callable[..., Any]) -> Any:
        @wraps(command)
        def waiting(*args: Any, wait: bool, timeout: float | None, **options: Any) -> Any:
            context = click.get_current_context()
            if not wait and was_given(context, "wait") and timeout is not None:
                raise click.UsageError(
                    "the argument '--no-wait' cannot be used with '--timeout <TIME>'", context
                )
            limit_s = default_s if timeout is None else timeout
            wanted = wait or timeout is not None
            return command(*args, wait_s=limit_s if wanted else 0.0, **options)

        decorated: Any = click.option(
            "--timeout",
            type=Parsed("TIME", parse_duration_s),
            metavar="TIME",
            help="How long to wait, such as 30s"
            + ("." if default_s is None else f" [default: {default_s:g}s]."),
        )(waiting)
        return click.option(
            "--wait/--no-wait",
            default=default_wait,
            show_default=True,
            help=f"Wait until {what}.",
        )(decorated)

    return decorate
