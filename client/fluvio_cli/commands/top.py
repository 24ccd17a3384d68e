"""`fluvio top`: a cluster at work, live on the screen of a terminal, or once as text."""

import sys
from typing import TYPE_CHECKING

import click

from fluvio_cli.failure import Parsed, fail
from fluvio_cli.interrupt import Interrupt
from fluvio_cli.output import OutputType, format_data, output_option
from fluvio_cli.quantities import parse_duration_s
from fluvio_cli.screens import require_textual
from fluvio_cli.screens.top_model import ClusterModel, Order
from fluvio_cli.target import run_client
from fluvio_cli.terminal import is_interactive

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio

INTERVAL_S_MIN = 0.1


def parse_interval(text: str) -> float:
    """A length of time that a screen can keep up with. Raises ValueError."""
    interval_s = parse_duration_s(text)
    if interval_s < INTERVAL_S_MIN:
        raise ValueError(f"the shortest interval is {INTERVAL_S_MIN * 1000:g}ms")
    return interval_s


@click.command("top")
@click.option(
    "--interval",
    "interval_s",
    type=Parsed("TIME", parse_interval),
    default="1s",
    show_default=True,
    metavar="TIME",
    help="How often to draw; with --once, over what rates are taken.",
)
@click.option("--once", is_flag=True, help="Print one snapshot after one interval, and end.")
@click.option(
    "--sort",
    type=click.Choice([one.value for one in Order]),
    default=Order.NAME.value,
    show_default=True,
    metavar="ORDER",
    help="Begin with topics by name, in, out, lag or size.",
)
@click.option(
    "--filter", "part", default="", metavar="TEXT", help="Only topics whose name has this part."
)
@click.option("-s", "--system", is_flag=True, help="Begin with system topics shown too.")
@output_option()
@click.pass_context
def command(
    context: click.Context,
    *,
    interval_s: float,
    once: bool,
    sort: str,
    part: str,
    system: bool,
    output: OutputType,
) -> None:
    """Show topics with their rates, consumers with their lag, and SPUs, live.

    Keys: q or Escape ends it, o changes the order of topics, s shows system topics, / asks for a
    part of topics' names, Tab goes to the next table, and arrows, PageUp, PageDown, Home and End
    move in it.

    Formats for programs print one snapshot, as --once does.
    """
    model = ClusterModel()
    model.order, model.with_system, model.part = Order(sort), system, part
    if once or output is not OutputType.TABLE:
        sys.stdout.write(_snapshot(context, model, interval_s, output))
        return
    if not is_interactive():
        fail("top fills the screen of a terminal: use 'top --once' elsewhere")
    require_textual("top")
    interrupt = Interrupt()

    async def work(client: "Fluvio") -> None:
        from fluvio_cli.screens.run_screen import run_screen
        from fluvio_cli.screens.top_feed import TopFeed
        from fluvio_cli.screens.top_screen import Top

        feed = TopFeed(client, model)
        screen = Top(
            model,
            cluster=client.address,
            interval_s=interval_s,
            feed=feed.run,
            problem=lambda: feed.problem,
        )
        await interrupt.guard(run_screen(screen))
        if screen.failure is not None:
            raise screen.failure

    with interrupt:
        run_client(context, work)


def _snapshot(
    context: click.Context, model: "ClusterModel", interval_s: float, output: OutputType
) -> str:
    """What a model says after an interval."""
    import asyncio
    import time

    from fluvio_cli.screens.top_feed import TopFeed
    from fluvio_cli.screens.top_text import snapshot_shape, snapshot_text

    async def work(client: "Fluvio") -> None:
        feed = TopFeed(client, model)
        await feed.ask()
        await asyncio.sleep(interval_s)
        await feed.ask()

    run_client(context, work)
    now_s = time.monotonic()
    if output is OutputType.TABLE:
        return snapshot_text(model, now_s)
    return format_data(output, snapshot_shape(model, now_s), kind="cluster")
