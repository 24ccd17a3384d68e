"""Entry of the `fluvio` command: options for all commands, lazy loading, plugins, exit codes.

A command is a module in `fluvio_cli.commands` with an attribute `command`; it is imported when it
is used, so that `fluvio --help` and every single command start quickly. A first word that is no
command is a plugin: an executable `fluvio-<word>`.
"""

import errno
import importlib
import os
import signal
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
    "partition": ("partition", "Show partitions, and move their replicas"),
    "consumer": ("consumer", "Show and delete consumer offsets"),
    "smartmodule": ("smartmodule", "Write, compile, try, store and show SmartModules"),
    "table-format": ("table_format", "Make, show and delete table formats"),
    "top": ("top", "Show the cluster as it works"),
    "apply": ("apply", "Make objects what files say"),
    "diff": ("diff", "Show where objects differ from files"),
    "object": ("object_manifests", "Objects of any kind as manifests"),
    "profile": ("profile", "Choose which cluster commands talk to"),
    "cluster": ("cluster", "Start, stop and check clusters"),
    "benchmark": ("benchmark", "Measure producers, consumers and latency"),
    "version": ("version", "Show versions"),
    "completions": ("completions", "Print shell completions"),
}
"""Name: module in `fluvio_cli.commands`, one line of help."""
ALIASES = {"tf": "table-format", "bench": "benchmark"}
"""Shorter names: help shows them in brackets."""
HIDDEN = {
    "metadata": ("metadata", "command"),
    "update": ("upgrade_hint", "update"),
    "install": ("upgrade_hint", "install"),
}
"""What help does not list. Name: module in `fluvio_cli.commands`, attribute."""
ALIAS_LABEL = "Also called:"
COLORS = {"auto": None, "always": True, "never": False}
_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class RootGroup(click.Group):
    """Knows its commands by name and summary, and imports the one that is asked for."""

    def invoke(self, ctx: click.Context) -> Any:
        _configure_logging()  # not for --help, which is to be quick
        return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = ALIASES.get(cmd_name, cmd_name)
        module_name, attribute = HIDDEN.get(name) or (COMMANDS.get(name, ("",))[0], "command")
        if not module_name:
            return None
        module = importlib.import_module(f"fluvio_cli.commands.{module_name}")
        command: click.Command = getattr(module, attribute)
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
            formatter.write_dl(
                [(_with_aliases(name), summary) for name, (_, summary) in COMMANDS.items()]
            )
        from fluvio_cli import plugins

        found = plugins.installed()
        if found:
            with formatter.section("Plugins"):
                formatter.write_dl([(one.name, one.description or one.title) for one in found])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and ctx.resilient_parsing:
            return None, None, args[1:]
        if command is None:
            ctx.exit(run_plugin(name, args[1:]))
        return ALIASES.get(name, name), command, args[1:]


def _with_aliases(name: str) -> str:
    """`table-format (tf)`"""
    others = [other for other, meant in ALIASES.items() if meant == name]
    return f"{name} ({', '.join(others)})" if others else name


def _set_color(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.find_root().color = context.color = COLORS[value]


def _set_verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Target).verbose = True


def _set_target(
    context: click.Context, parameter: click.Parameter, value: str | bool | None
) -> None:
    if value is not None and value is not False:
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


def _tls_options() -> list[click.Option]:
    """Fluvio's; help does not show them as long as they can only be refused."""
    flags = [
        click.Option(
            [f"--{name.replace('_', '-')}", f"target_{name}"],
            is_flag=True, hidden=True, expose_value=False, callback=_set_target,
        )
        for name in ("tls", "enable_client_cert")
    ]  # fmt: skip
    values = [
        _target_option(
            f"--{name.replace('_', '-')}", name=name, metavar=metavar, text="", hidden=True
        )
        for name, metavar in (
            ("domain", "NAME"), ("ca_cert", "PATH"),
            ("client_cert", "PATH"), ("client_key", "PATH"),
        )
    ]  # fmt: skip
    return flags + values


def _target_options(*, hidden: bool) -> list[click.Option]:
    return [
        *_tls_options(),
        _target_option(
            "-c", "--cluster",
            name="cluster", metavar="HOST:PORT", text="Address of the cluster", hidden=hidden,
        ),
        _target_option(
            "-P", "--profile",
            name="profile", metavar="NAME", text="Profile to use instead of the current one",
            hidden=hidden,
        ),
        click.Option(
            ["-v", "--verbose", "target_verbose"],
            is_flag=True, hidden=hidden, expose_value=False, callback=_set_verbose,
            help="After a failure, show its causes, its code, and what to do.",
        ),
        click.Option(
            ["--color", "target_color"],
            type=click.Choice(list(COLORS)), metavar="WHEN", hidden=hidden, expose_value=False,
            callback=_set_color, help="Coloured output: auto (the default), always or never.",
        ),
    ]  # fmt: skip


def _equip(command: click.Command, path: str) -> None:
    """Give a command and those below it what all commands have: examples, global options."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            _equip(inner, f"{path} {name}")
    command.epilog = epilog(path)
    aliases = [other for other, meant in ALIASES.items() if meant == path]
    if aliases and command.help and ALIAS_LABEL not in command.help:
        command.help += f"\n\n{ALIAS_LABEL} {', '.join(aliases)}"
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


def run_plugin(name: str, arguments: Sequence[str]) -> int:
    """Run `fluvio-<name>`; its exit code, the signal's number, or 1 when there is none."""
    import difflib

    from fluvio_cli import plugins

    executable = plugins.find(name)
    if executable is not None:
        return plugins.run(executable, arguments)
    shown = str(plugins.extensions_directory()).replace(str(Path.home()), "~", 1)
    click.echo(
        f"Unable to find plugin '{plugins.PREFIX}{name}'. Make sure it is installed in \"{shown}\"."
    )
    close = difflib.get_close_matches(name, [*COMMANDS, *ALIASES], n=1)
    if close:
        click.echo(f"Did you mean 'fluvio {close[0]}'?", err=True)
    return 1


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    arguments = list(arguments)
    if arguments[:1] == ["help"]:
        arguments = ["--help"]
    target = Target()
    try:
        code = root.main(arguments, prog_name="fluvio", standalone_mode=False, obj=target)
        sys.stdout.flush()
    except click.UsageError as error:
        click.echo(usage_text(error), err=True)
        return 2
    except Failure as error:
        _report(error.message, error, target)
        return error.exit_code
    except click.ClickException as error:
        _report(error.format_message(), error, target)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        _give_up_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        _report(_system_error_text(error), error, target)
        try:
            sys.stdout.flush()
        except OSError:
            _give_up_output()
        return 1
    except Exception as error:
        from fluvio_protocol.errors import FluvioError

        if not isinstance(error, FluvioError):
            raise
        _report(str(error), error, target)
        return 1
    return code if isinstance(code, int) else 0


def _report(text: str, error: BaseException, target: Target) -> None:
    """Tell of a failure: one line, and what is behind it when that is asked for."""
    click.echo(text, err=True)
    if target.verbose:
        from fluvio_cli.error_codes import details

        click.echo(details(error), err=True)


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
    """The level of `FLUVIO_LOG` or `RUST_LOG` for the client's log on standard error.

    Of `warn,fluvio=debug` that is `warn`: levels of single modules are not ours.
    """
    said = (os.environ.get("FLUVIO_LOG") or os.environ.get("RUST_LOG") or "").upper()
    level = next((word.strip() for word in said.split(",") if "=" not in word), "")
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
