"""Pictures of results for a terminal, drawn by plotext, which comes with the extra `benchmark`."""

from collections.abc import Sequence
from typing import Any, Final

from fluvio_cli.benchmark.report import differing, label
from fluvio_cli.benchmark.results import Result
from fluvio_cli.failure import Failure

NOT_INSTALLED: Final = "Plots need plotext: pip install 'fluvio-cluster[benchmark]'"
WIDTH_MAX: Final = 100
HEIGHT: Final = 16
BAR_LINES: Final = 3


def draw(results: Sequence[Result], *, width_columns: int) -> str:
    """Latency by percentile of one benchmark; records/s of several. Raises: Failure."""
    try:
        import plotext
    except ModuleNotFoundError as error:
        raise Failure(NOT_INSTALLED) from error
    picture: Any = plotext.figure
    picture.clear()
    width = min(width_columns, WIDTH_MAX)
    if len(results) == 1:
        latency = results[0].total.latency
        heights = {f"p{name}": value for name, value in latency.percentiles.items()}
        heights["max"] = latency.max_ms
        picture.plot_size(width, HEIGHT)
        picture.title("latency, ms")
        picture.draw(picture.bar(list(heights), list(heights.values())))
    else:
        names = differing(results)
        labels = [
            f"{number}: {' '.join(str(label(one).get(name, '')) for name in names)}".strip()
            for number, one in enumerate(results, 1)
        ]
        rates = [one.total.records_per_s for one in results]
        picture.plot_size(width, BAR_LINES * len(results) + BAR_LINES)
        picture.title(f"records/s by {', '.join(names)}" if names else "records/s")
        picture.draw(
            picture.bar(labels, rates, orientation="h", labeled=[f"{rate:.0f}" for rate in rates])
        )
    return str(plotext.uncolorize(picture.build())).rstrip("\n") + "\n"
