"""Figures for people and for spreadsheets. Pure: text from results."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fluvio_cli.benchmark.results import Result, Sample

MIB: Final = 1024 * 1024
SHOWN_PERCENTILES: Final = ("50", "99")
FIGURES: Final = ("records/s", "MiB/s", "mean ms", "p50 ms", "p99 ms", "max ms")
DIGITS: Final = (0, 2, 3, 3, 3, 3)
"""Behind the point of each."""
COLUMNS: Final = (
    *("sample", "records", "size_bytes", "elapsed_s", "records_per_s", "bytes_per_s"),
    *("latency_mean_ms", "latency_max_ms"),
)
"""Of a file of comma-separated values, between the settings and the percentiles."""
IRRELEVANT: Final = frozenset({"topic-name", "keep-topic", "worker-timeout"})
"""Settings that change no figure."""


def running_line(sample: int, so_far: Sample) -> str:
    """How far a sample is."""
    latency = so_far.latency
    return (
        f"sample {sample}: {so_far.records} records, {so_far.records_per_s:.0f} records/s "
        f"({so_far.bytes_per_s / MIB:.2f} MiB/s), {latency.mean_ms:.2f}ms avg latency, "
        f"{latency.max_ms:.2f}ms max latency"
    )


def text(result: Result) -> str:
    """One benchmark: latencies as YAML, and a line of totals."""
    latency = result.total.latency
    lines = [f"{result.mode} benchmark of topic {result.settings['topic-name']}", "latency:"]
    lines.append(f"  mean: {latency.mean_ms:.3f}ms")
    lines += [f"  p{name}: {value:.3f}ms" for name, value in latency.percentiles.items()]
    lines.append(f"  max: {latency.max_ms:.3f}ms")
    total = result.total
    verb = "sent" if result.mode == "producer" else "read"
    lines.append(
        f"{total.records} total records {verb} in {len(result.samples)} samples, "
        f"{total.records_per_s:.0f} records/s ({total.bytes_per_s / MIB:.2f} MiB/s)"
    )
    return "\n".join(lines) + "\n"


def markdown(results: Sequence[Result]) -> str:
    """A table: the samples of a single benchmark, or one row for each of several."""
    if len(results) == 1:
        headers = ["sample", *FIGURES]
        rows = [
            [str(number), *_cells(sample)] for number, sample in enumerate(results[0].samples, 1)
        ]
        rows.append(["all", *_cells(results[0].total)])
    else:
        names = differing(results)
        headers = [*names, *FIGURES]
        rows = [
            [*(str(label(one).get(name, "")) for name in names), *_cells(one.total)]
            for one in results
        ]
    return table(headers, rows)


def label(result: Result) -> dict[str, Any]:
    """What tells benchmarks apart: their mode, and the settings that count for the figures."""
    settings = {name: value for name, value in result.settings.items() if name not in IRRELEVANT}
    return {"mode": result.mode, **settings}


def differing(results: Iterable[Result]) -> list[str]:
    """Names of what is not the same in all of them."""
    labels = [label(result) for result in results]
    names = dict.fromkeys(name for one in labels for name in one)
    return [name for name in names if len({str(one.get(name)) for one in labels}) > 1]


def values(sample: Sample) -> list[float]:
    """The numbers of FIGURES."""
    latency = sample.latency
    return [
        sample.records_per_s,
        sample.bytes_per_s / MIB,
        latency.mean_ms,
        *(latency.percentiles[name] for name in SHOWN_PERCENTILES),
        latency.max_ms,
    ]


def _cells(sample: Sample) -> list[str]:
    return [f"{value:.{digits}f}" for value, digits in zip(values(sample), DIGITS, strict=True)]


def comma_separated(results: Sequence[Result]) -> str:
    """A row for each sample, with a header; settings first. There is one result at least."""
    names = list(dict.fromkeys(name for result in results for name in result.settings))
    percentiles = list(results[0].total.latency.percentiles)
    headers = ["mode", *names, *COLUMNS, *(f"latency_p{one}_ms" for one in percentiles)]
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(headers)
    for result in results:
        settings = [_cell(result.settings, name) for name in names]
        for number, sample in enumerate(result.samples, 1):
            latency = sample.latency
            counted = [number, sample.records, sample.size_bytes, sample.elapsed_s]
            rates = [sample.records_per_s, sample.bytes_per_s, latency.mean_ms, latency.max_ms]
            found = [latency.percentiles[one] for one in percentiles]
            rows.writerow([result.mode, *settings, *counted, *rates, *found])
    return out.getvalue()


def _cell(settings: Mapping[str, Any], name: str) -> Any:
    value = settings.get(name, "")
    return str(value).lower() if isinstance(value, bool) else value


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns aligned."""
    widths = [max(len(line[column]) for line in (headers, *rows)) for column in range(len(headers))]
    lines = [headers, ["-" * width for width in widths], *rows]
    return "".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |\n"
        for line in lines
    )  # fmt: skip
