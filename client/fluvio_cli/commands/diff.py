"""`fluvio diff`: where the objects of a cluster differ from what files say they are."""

from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.commands.apply import difference_lines, files_option, outcome_shape, read_wanted
from fluvio_cli.failure import Failure
from fluvio_cli.output import OutputType, format_data, output_option
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio

DIFFERENT = 1
TROUBLE = 2


class Trouble(Failure):
    """It is not known whether anything differs."""

    exit_code = TROUBLE


@click.command("diff")
@files_option
@output_option()
@click.pass_context
def command(context: click.Context, *, files: tuple[str, ...], output: OutputType) -> None:
    """Show what `fluvio apply` would change.

    Exits with 0 when nothing differs, with 1 when something does, with 2 when that is not known.
    """
    from fluvio_client import FluvioError
    from fluvio_client.desired import Difference, Outcome, fields

    told: list[dict[str, Any]] = []
    different = False
    try:
        wanted = read_wanted(files, strict=False)

        async def work(client: "Fluvio") -> None:
            nonlocal different
            for one in wanted:
                found = await client.admin.diff(one.kind, one.name, one.spec)
                if found is None:
                    outcome = Outcome.CREATED
                    news = fields(one.kind, one.spec).items()
                    found = [Difference(path, None, value) for path, value in news]
                else:
                    outcome = Outcome.CHANGED if found else Outcome.UNCHANGED
                told.append(outcome_shape(one, outcome.value, tuple(found)))
                if outcome is Outcome.UNCHANGED:
                    continue
                different = True
                if output is OutputType.TABLE:
                    click.echo(f"{one.title}: {NOTES[outcome]}")
                    click.echo("".join(difference_lines(tuple(found))), nl=False)

        run_client(context, work)
    except (Failure, FluvioError) as error:
        raise Trouble(error.message if isinstance(error, Failure) else str(error)) from error
    if output is not OutputType.TABLE:
        click.echo(format_data(output, told, kind="objects"), nl=False)
    if different:
        context.exit(DIFFERENT)


NOTES = {"created": "is not there", "changed": "differs"}
