"""Rows of a `ClusterModel` as texts: cells for the screen of `top`, a snapshot for pipes. Pure."""

from dataclasses import asdict
from typing import Any

from fluvio_cli.output import format_columns
from fluvio_cli.quantities import format_size_bytes
from fluvio_cli.record_table import Align, Column
from fluvio_cli.screens.top_model import ClusterModel, ConsumerRow, SpuRow, TopicRow

UNKNOWN = "-"


def _right(label: str) -> Column:
    return Column(label, label, align=Align.RIGHT)


TOPIC_COLUMNS = (
    Column("TOPIC", "TOPIC"), _right("PARTITIONS"), _right("OFFLINE"), _right("IN/S"),
    _right("OUT/S"), _right("LAG"), _right("RECORDS"), _right("SIZE"),
)  # fmt: skip
CONSUMER_COLUMNS = (
    Column("CONSUMER", "CONSUMER"), Column("TOPIC", "TOPIC"), _right("PARTITIONS"), _right("LAG"),
    _right("READS/S"),
)  # fmt: skip
SPU_COLUMNS = (
    _right("SPU"), Column("NAME", "NAME"), Column("STATUS", "STATUS"), _right("LEADS"),
    _right("OFFLINE"), _right("IN/S"), Column("ADDRESS", "ADDRESS"), Column("RACK", "RACK"),
)  # fmt: skip


def rate_text(rate: float | None) -> str:
    """Records per second, with a decimal when they are few."""
    if rate is None:
        return UNKNOWN
    return f"{rate:.1f}" if 0 < rate < 10 else f"{rate:.0f}"


def topic_cells(row: TopicRow) -> tuple[str, ...]:
    """Cells under TOPIC_COLUMNS."""
    return (
        row.name,
        str(row.partitions),
        str(row.offline),
        rate_text(row.in_rate),
        rate_text(row.out_rate),
        UNKNOWN if row.lag is None else str(row.lag),
        str(row.high_watermark),
        format_size_bytes(row.size_bytes),
    )


def consumer_cells(row: ConsumerRow) -> tuple[str, ...]:
    """Cells under CONSUMER_COLUMNS."""
    lag = UNKNOWN if row.lag is None else str(row.lag)
    return (row.consumer, row.topic, str(row.partitions), lag, rate_text(row.rate))


def spu_cells(row: SpuRow) -> tuple[str, ...]:
    """Cells under SPU_COLUMNS."""
    return (
        str(row.id),
        row.name,
        row.status.upper() if row.status != "online" else row.status,
        str(row.leads),
        str(row.offline),
        rate_text(row.in_rate),
        row.address,
        row.rack or UNKNOWN,
    )


def snapshot_text(model: ClusterModel, now_s: float) -> str:
    """Everything, as lines for a pipe."""
    totals = model.totals(now_s)
    tables = [
        (TOPIC_COLUMNS, [topic_cells(row) for row in model.topics(now_s)]),
        (CONSUMER_COLUMNS, [consumer_cells(row) for row in model.consumers(now_s)]),
        (SPU_COLUMNS, [spu_cells(row) for row in model.spus(now_s)]),
    ]
    head = (
        f" {totals.spus_online}/{totals.spus} SPUs online, {totals.topics} topics, "
        f"{totals.partitions} partitions, {totals.offline} offline, "
        f"in {rate_text(totals.in_rate)}/s, out {rate_text(totals.out_rate)}/s\n"
    )
    return "\n".join(
        [
            head,
            *(
                format_columns(cells, headers=[column.label for column in columns])
                for columns, cells in tables
                if cells
            ),
        ]
    )


def snapshot_shape(model: ClusterModel, now_s: float) -> dict[str, Any]:
    """Everything, as plain data; rates in records per second, null for what is not known."""
    return {
        "totals": asdict(model.totals(now_s)),
        "topics": [asdict(row) for row in model.topics(now_s)],
        "consumers": [asdict(row) for row in model.consumers(now_s)],
        "spus": [asdict(row) for row in model.spus(now_s)],
    }
