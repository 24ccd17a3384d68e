"""Entry of the `fluvio` command: options for all commands, lazy loading, plugins, exit codes.

A command is a module in `fluvio_cli.commands` with an attribute `command`; it is imported when it
is used, so that `fluvio --help` and every single command start quickly. A first word that is no
command is a plugin: an executable `fluvio-<word>`.
"""

import difflib
import errno
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from fluvio_cli.examples import epilog
from fluvio_cli.failure import Failure, usage_text
from fluvio_cli.target import Target

COMMANDS: dict[str, tuple[str, str]] = {
    "produce": ("produce", "Send records to a topic"),
    "consume": ("consume", "Read records from a topic"),
    "topic": ("topic", "Make, show and delete topics"),
    "partition": ("partition", "Show partitions"),
    "consumer": ("consumer", "Show and delete consumer offsets"),
    "table-format": ("table_format", "Make, show and delete table formats"),
    "apply": ("apply", "Make objects what files say"),
    "diff": ("diff", "Show where objects differ from files"),
    "object": ("object_manifests", "Objects of any kind as manifests"),
    "profile": ("profile", "Choose which cluster commands talk to"),
    "cluster": ("cluster", "Start, stop and check clusters"),
    "version": ("version", "Show versions"),
    "completions": ("completions", "Print shell completions"),
}
"""Name: module in `fluvio_cli.commands`, one line of help."""
ALIASES = {"tf": "table-format"}
"""Shorter names, which help does not list."""
_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class RootGroup(click.Group):
    """Knows its commands by name and summary, and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if entry is None:
            return None
        module = importlib.import_module(f"fluvio_cli.commands.{entry[0]}")
        command: click.Command = module.command
        name = ALIASES.get(cmd_name, cmd_name)
        _equip(command, name)
        if ctx.resilient_parsing:  # the shell wants to know how a line may go on
            from fluvio_cli.completion import attach

            attach(command, name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands by the table, without an import; else what the shell gets from any command."""
        options = click.Command.shell_complete(self, ctx, incomplete)
        return options + [
            CompletionItem(name, help=summary)
            for name, (_, summary) in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and ctx.resilient_parsing:
            return None, None, args[1:]
        if command is None:
            ctx.exit(run_plugin(name, args[1:]))
        return name, command, args[1:]


def _set_target(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        setattr(context.ensure_object(Target), str(parameter.name).removeprefix("target_"), value)


def _complete_profile(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from fluvio_cli.completion import profiles

    return profiles(context, parameter, incomplete)


def _target_option(*spellings: str, name: str, metavar: str, text: str, hidden: bool) -> Any:
    return click.Option(
        [*spellings, f"target_{name}"],
        metavar=metavar,
        help=text,
        hidden=hidden,
        expose_value=False,
        callback=_set_target,
        shell_complete=_complete_profile if name == "profile" else None,
    )


def _target_options(*, hidden: bool) -> list[click.Option]:
    return [
        _target_option(
            "-c", "--cluster",
            name="cluster", metavar="HOST:PORT", text="Address of the cluster", hidden=hidden,
        ),
        _target_option(
            "-P", "--profile",
            name="profile", metavar="NAME", text="Profile to use instead of the current one",
            hidden=hidden,
        ),
    ]  # fmt: skip


def _equip(command: click.Command, path: str) -> None:
    """Give a command and those below it what all commands have: examples, global options."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            _equip(inner, f"{path} {name}")
    command.epilog = epilog(path)
    _accept_target(command)


def _accept_target(command: click.Command) -> None:
    """Let the global options stand behind a command too, where they do not mean something else."""
    taken = {spelling for param in command.params for spelling in param.opts}
    for option in _target_options(hidden=True):
        if not taken.intersection(option.opts):
            command.params.append(option)
        elif option.opts[-1] not in taken:
            option.opts = option.opts[-1:]  # the long spelling only
            command.params.append(option)


@click.group(
    cls=RootGroup,
    invoke_without_command=True,
    epilog=epilog(""),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.pass_context
def root(context: click.Context) -> None:
    """Fluvio: event streaming.

    Every command has its own --help.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


root.params.extend(_target_options(hidden=False))


def extensions_directory() -> Path:
    """Where plugins of this user are."""
    return Path.home() / ".fluvio" / "extensions"


def run_plugin(name: str, arguments: Sequence[str]) -> int:
    """Run `fluvio-<name>`: beside this executable, on the PATH, or in the extensions folder.

    Returns its exit code; the signal's number when one ended it; 1 when there is no such plugin.
    """
    plugin = f"fluvio-{name}"
    places = [
        Path(sys.argv[0]).resolve().parent,
        *(Path(place) for place in os.get_exec_path()),
        extensions_directory(),
    ]
    for place in places:
        candidate = place / plugin
        if candidate.is_file() and os.access(candidate, os.X_OK):
            code = subprocess.run([str(candidate), *arguments], check=False).returncode
            return code if code >= 0 else -code
    shown = str(extensions_directory()).replace(str(Path.home()), "~", 1)
    click.echo(f"Unable to find plugin '{plugin}'. Make sure it is installed in \"{shown}\".")
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    if close:
        click.echo(f"Did you mean 'fluvio {close[0]}'?", err=True)
    return 1


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    arguments = list(arguments)
    if arguments[:1] == ["help"]:
        arguments = ["--help"]
    _configure_logging()
    try:
        code = root.main(arguments, prog_name="fluvio", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        click.echo(usage_text(error), err=True)
        return 2
    except Failure as error:
        click.echo(error.message, err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        _give_up_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        click.echo(_system_error_text(error), err=True)
        try:
            sys.stdout.flush()
        except OSError:
            _give_up_output()
        return 1
    except Exception as error:
        from fluvio_protocol.errors import FluvioError

        if not isinstance(error, FluvioError):
            raise
        click.echo(str(error), err=True)
        return 1
    return code if isinstance(code, int) else 0


def _give_up_output() -> None:
    """Nobody takes our output any more: the interpreter must not complain about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _system_error_text(error: OSError) -> str:
    """What the system refused, and of which file; output is what has no name."""
    what = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {what}"
    if error.errno in _OUTPUT_ERRORS:
        return f"Cannot write output: {what}"
    return what


def _configure_logging() -> None:
    """`RUST_LOG` or `FLUVIO_LOG`, as a bare level, for the client's log on standard error."""
    level = (os.environ.get("FLUVIO_LOG") or os.environ.get("RUST_LOG") or "").upper()
    levels = {"TRACE": "DEBUG", "DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARNING"}
    import logging

    logging.basicConfig(
        level=levels.get(level, "ERROR"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
