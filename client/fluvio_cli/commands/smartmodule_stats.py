"""`fluvio smartmodule stats`: what SmartModules did on all SPUs. `smartmodule.py` has it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fluvio_cli.failure import Failure, exclude
from fluvio_cli.output import OutputType, emit, format_columns, output_option

if TYPE_CHECKING:
    from fluvio_cli.smartmodules.statistics import ModuleTotals

HEADERS = ("SMARTMODULE", "BATCHES", "IN", "OUT", "ERRORS", "TIME", "PER RECORD")


@click.command("stats")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@output_option()
@click.option("--per-spu", is_flag=True, help="A line for each SPU too.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the data of a cluster on this machine is, instead of where its profile says.",
)
@click.option(
    "--url",
    "urls",
    multiple=True,
    metavar="URL",
    help="Where an SPU gives its metrics, as http://spu.test:9100/metrics. May be given again.",
)
@click.option("--namespace", metavar="NAME", help="K8: namespace of the cluster.")
@click.option(
    "--kube-context",
    "context_name",
    metavar="NAME",
    help="K8: context of kubeconfig, instead of the current one.",
)
@click.pass_context
def stats(
    context: click.Context,
    *,
    names: tuple[str, ...],
    output: OutputType,
    per_spu: bool,
    data_dir: Path | None,
    urls: tuple[str, ...],
    namespace: str | None,
    context_name: str | None,
) -> None:
    """Show what SmartModules did, added up over the SPUs since they started.

    NAME is a stored module, or ad-hoc: all those that came with requests.
    """
    from fluvio_cli.smartmodules.statistics import added, module_totals, spu_of
    from fluvio_cli.spu_metrics import NoMetrics, sources_of

    exclude(context, "data_dir", "urls", "namespace")
    exclude(context, "data_dir", "urls", "context_name")
    sources = sources_of(
        context, data_dir=data_dir, namespace=namespace, context_name=context_name, urls=urls
    )
    by_spu: dict[str, dict[str, ModuleTotals]] = {}
    for source in sources:
        try:
            metrics = source.read()
        except NoMetrics as error:
            click.echo(
                f"warning: {source.name} does not tell its metrics: {error.message}", err=True
            )
            continue
        number = spu_of(metrics)
        by_spu[source.name if number is None else str(number)] = {
            name: one for name, one in module_totals(metrics).items() if not names or name in names
        }
    if not by_spu:
        raise Failure("no SPU told its metrics")
    sums = added(by_spu)
    emit(
        output,
        [
            {
                "smartmodule": name,
                **total.shape(),
                "spus": [
                    {"spu": int(spu) if spu.isdecimal() else spu, **found[name].shape()}
                    for spu, found in by_spu.items()
                    if name in found
                ],
            }
            for name, total in sums.items()
        ],
        kind="smartmodules",
        empty="no smartmodule ran",
        table=lambda: _table(sums, by_spu if per_spu else {}),
    )


def _table(sums: "dict[str, ModuleTotals]", by_spu: "dict[str, dict[str, ModuleTotals]]") -> str:
    rows = []
    for name, total in sums.items():
        rows.append(_row(name, total))
        rows += [
            _row(f"  spu {spu}", found[name]) for spu, found in by_spu.items() if name in found
        ]
    if not any(total.fuel for total in sums.values()):
        return format_columns([row[:-1] for row in rows], headers=HEADERS)
    return format_columns(rows, headers=[*HEADERS, "FUEL"])


def _row(name: str, total: "ModuleTotals") -> list[str]:
    each = total.microseconds_per_record
    return [
        name,
        str(total.calls),
        str(total.records_in),
        str(total.records_out),
        str(total.errors),
        f"{total.seconds:.3f} s" if total.seconds >= 1 else f"{total.seconds * 1000:.3f} ms",
        "-" if each is None else f"{each:.1f} µs",
        str(total.fuel),
    ]
