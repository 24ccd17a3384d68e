"""What `fluvio top` makes of what it is told, with time by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_cli.screens.top_model import (
    RATE_WINDOW_S,
    SAMPLES_MAX,
    ClusterModel,
    ConsumerNews,
    Meter,
    Order,
    PartitionNews,
    SpuNews,
)


def partition(topic: str, number: int, *, hw: int | None = 0, leader: int = 1, **more: object):  # type: ignore[no-untyped-def]
    return PartitionNews(
        topic=topic,
        number=number,
        leader=leader,
        online=bool(more.get("online", True)),
        high_watermark=hw,
        size_bytes=more.get("size"),  # type: ignore[arg-type]
        system=bool(more.get("system", False)),
    )


@pytest.fixture
def model() -> ClusterModel:
    """Two topics and a system topic on two SPUs, one of which is away; told at second 0."""
    model = ClusterModel()
    model.put_spu("spu-1", SpuNews(1, "spu-1", "online", "localhost:9010", None))
    model.put_spu("spu-2", SpuNews(2, "spu-2", "offline", "localhost:9020", "b"))
    for number in (0, 1):
        name = f"orders-{number}"
        model.put_partition(name, partition("orders", number, hw=100, size=1000), 0.0)
    away = partition("clicks", 0, hw=7, leader=2, online=False)
    model.put_partition("clicks-0", away, 0.0)
    model.put_partition("consumer-offset-0", partition("consumer-offset", 0, system=True), 0.0)
    return model


def test_rates_are_differences_of_high_watermarks(model: ClusterModel) -> None:
    model.put_partition("orders-0", partition("orders", 0, hw=300, size=3000), 2.0)
    clicks, orders = model.topics(4.0)
    assert (orders.name, orders.in_rate, orders.partitions) == ("orders", 50.0, 2)
    assert (orders.size_bytes, orders.high_watermark) == (4000, 400)
    assert (clicks.in_rate, clicks.offline, clicks.lag) == (0.0, 1, None)
    later = 2.0 + RATE_WINDOW_S + 1
    assert model.topics(later)[1].in_rate == 0.0, "nothing has come for a whole window"


def test_before_a_second_moment_there_is_no_rate(model: ClusterModel) -> None:
    assert [row.in_rate for row in model.topics(0.0)] == [None, None]
    assert model.totals(0.0).in_rate is None


def test_lags_and_rates_of_consumers(model: ClusterModel) -> None:
    def told(offset: int, lag: int | None) -> list[ConsumerNews]:
        return [
            ConsumerNews("billing", "orders", 0, offset, lag),
            ConsumerNews("billing", "orders", 1, 50, 5),
            ConsumerNews("audit", "orders", 0, 10, 90),
        ]

    model.set_consumers(told(20, 80), 0.0)
    model.set_consumers(told(60, 40), 4.0)
    audit, billing = model.consumers(4.0)
    assert (audit.consumer, audit.lag, audit.rate, audit.partitions) == ("audit", 90, 0.0, 1)
    assert (billing.consumer, billing.lag, billing.rate, billing.partitions) == (
        *("billing", 45, 10.0, 2),
    )
    orders = model.topics(4.0)[1]
    assert (orders.lag, orders.out_rate) == (90, 10.0), "the lag of who is furthest behind"
    model.set_consumers(told(60, None), 5.0)
    assert [row.lag for row in model.consumers(5.0)] == [90, None]
    model.set_consumers([], 6.0)
    assert model.consumers(6.0) == []
    assert model.topics(6.0)[1].lag is None


def test_spus_and_totals(model: ClusterModel) -> None:
    model.put_partition("orders-0", partition("orders", 0, hw=300), 2.0)
    first, second = model.spus(2.0)
    assert (first.id, first.status, first.leads, first.offline) == (1, "online", 3, 0)
    assert (second.status, second.rack, second.leads, second.offline) == ("offline", "b", 1, 1)
    assert (first.in_rate, second.in_rate) == (100.0, 0.0)
    totals = model.totals(2.0)
    assert (totals.topics, totals.partitions, totals.offline) == (2, 3, 1)
    assert (totals.spus, totals.spus_online, totals.in_rate) == (2, 1, 100.0)
    model.with_system = True
    assert model.totals(2.0).topics == 3
    assert [row.name for row in model.topics(2.0)] == ["clicks", "consumer-offset", "orders"]


def test_what_is_gone_is_gone(model: ClusterModel) -> None:
    for name in ("orders-0", "orders-1", "nosuch-0"):
        model.remove_partition(name)
    model.remove_spu("spu-2")
    assert [row.name for row in model.topics(1.0)] == ["clicks"]
    assert [row.id for row in model.spus(1.0)] == [1]


def test_orders_of_topics(model: ClusterModel) -> None:
    model.put_partition("orders-0", partition("orders", 0, hw=300), 2.0)
    model.set_consumers([ConsumerNews("c", "clicks", 0, 1, 5)], 0.0)
    model.set_consumers([ConsumerNews("c", "clicks", 0, 3, 3)], 2.0)
    first = {}
    for _ in Order:
        first[model.order] = model.topics(2.0)[0].name
        model.order = model.order.following
    assert model.order is Order.NAME
    assert first == {
        Order.NAME: "clicks",
        Order.IN: "orders",
        Order.OUT: "clicks",
        Order.LAG: "clicks",
        Order.SIZE: "orders",
    }


def test_a_topic_that_was_made_anew_has_no_negative_rate(model: ClusterModel) -> None:
    model.put_partition("orders-0", partition("orders", 0, hw=0), 2.0)
    model.put_partition("orders-0", partition("orders", 0, hw=10), 3.0)
    model.put_partition("orders-1", partition("orders", 1, hw=None), 3.0)
    assert model.topics(4.0)[1].in_rate == 5.0


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(0, 1000)), min_size=1, max_size=200))
def test_a_rate_is_what_came_in_the_window(steps: list[tuple[float, int]]) -> None:
    """Against the plain definition; samples closer than half a second may blur the edge."""
    meter, now_s, value = Meter(), 0.0, 0
    history = [(0.0, 0)]
    meter.tell(0, 0.0)
    for step_s, grown in steps:
        now_s, value = now_s + step_s, value + grown
        meter.tell(value, now_s)
        history.append((now_s, value))
    assert len(meter._samples) <= SAMPLES_MAX
    rate = meter.rate(now_s)
    assert rate is not None

    def at(moment_s: float) -> int:
        return max((said for told_s, said in history if told_s <= moment_s), default=0)

    begin_s = max(0.0, now_s - RATE_WINDOW_S)
    since_s = min(now_s, RATE_WINDOW_S)
    least = (value - at(begin_s + 1.0)) / since_s
    most = (value - at(begin_s - 1.0)) / since_s
    assert least - 1e-6 <= rate <= most + 1e-6
