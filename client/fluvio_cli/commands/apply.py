"""`fluvio apply`: make the objects of a cluster what files say they are."""

from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.failure import Failure, fail
from fluvio_cli.output import DRY_RUN_MARK, OutputType, format_data, output_option
from fluvio_cli.target import run_client
from fluvio_cli.waiting import wait_options

if TYPE_CHECKING:
    from fluvio_client.desired import Applied, Difference
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.manifests import Desired


def files_option(command: Any) -> Any:
    """`-f FILE`, once or several times; the parameter is `files`."""
    return click.option(
        "-f",
        "--filename",
        "--file",
        "files",
        multiple=True,
        required=True,
        type=click.Path(allow_dash=True),
        metavar="FILE",
        help="Manifests in YAML; - is standard input. May be given several times.",
    )(command)


@click.command("apply")
@files_option
@click.option("-d", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--strict", is_flag=True, help="Refuse settings that this protocol cannot carry.")
@output_option()
@wait_options(what="new topics can be used", default_s=None)
@click.pass_context
def command(
    context: click.Context,
    *,
    files: tuple[str, ...],
    dry_run: bool,
    strict: bool,
    output: OutputType,
    wait_s: float | None,
) -> None:
    """Create and change objects, so that they are as manifests say.

    The manifests are those that kubectl takes: Topic, SpuGroup, custom Spu, TableFormat,
    SmartModule and Mirror, several in a file. What is already so is left alone, so a second run
    changes nothing. What Fluvio's protocol cannot change is refused, and the rest still done.
    """
    from fluvio_client import FluvioError

    wanted = read_wanted(files, strict=strict)
    told: list[dict[str, Any]] = []
    failed: list[str] = []

    async def work(client: "Fluvio") -> None:
        for one in wanted:
            try:
                done = await client.admin.apply(
                    one.kind, one.name, one.spec, dry_run=dry_run, wait=wait_s
                )
            except FluvioError as error:
                failed.append(one.title)
                told.append(outcome_shape(one, "failed", reason=str(error)))
                click.echo(f"{one.title}: {error}", err=True)
            else:
                told.append(outcome_shape(one, done.outcome.value, done.differences))
                if output is OutputType.TABLE:
                    click.echo(_line(one, done, dry_run=dry_run))
                    if dry_run:
                        click.echo("".join(difference_lines(done.differences)), nl=False)

    run_client(context, work)
    if output is not OutputType.TABLE:
        click.echo(format_data(output, told, kind="objects"), nl=False)
    if failed:
        raise Failure(f"{len(failed)} of {len(wanted)} objects could not be applied")


def read_wanted(files: tuple[str, ...], *, strict: bool) -> "list[Desired]":
    """What files want; settings that are lost on the way are warned of. Raises Failure."""
    from fluvio_cli.manifests import read_files

    wanted = read_files(files)
    for one in wanted:
        for path in one.ignored:
            if strict:
                fail(f"{one.title}: {path} has no place in Fluvio's protocol")
            click.echo(f"warning: {one.title}: {path} is ignored", err=True)
    return wanted


def _line(one: "Desired", done: "Applied", *, dry_run: bool) -> str:
    return f'{one.kind.value.lower()} "{one.name}" {done.outcome}{DRY_RUN_MARK if dry_run else ""}'


def difference_lines(differences: "tuple[Difference, ...]") -> list[str]:
    """A line that goes and a line that comes, for every field."""
    lines = []
    for one in differences:
        if one.now is not None:
            lines.append(f"- {one.path}: {one.now}\n")
        if one.wanted is not None:
            lines.append(f"+ {one.path}: {one.wanted}\n")
    return lines


def outcome_shape(
    one: "Desired",
    outcome: str,
    differences: "tuple[Difference, ...]" = (),
    *,
    reason: str | None = None,
) -> dict[str, Any]:
    """What became of an object, for programs."""
    shape: dict[str, Any] = {"kind": one.kind.value, "name": one.name, "outcome": outcome}
    if reason is not None:
        shape["reason"] = reason
    shape["differences"] = [
        {"path": each.path, "now": each.now, "wanted": each.wanted} for each in differences
    ]
    return shape
