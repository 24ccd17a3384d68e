"""The blocking client: the same names, several threads, Ctrl-C, and an end without `close`."""

import inspect
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

import fluvio_client.sync
from fluvio_client import Fluvio as AsyncFluvio
from fluvio_client import sync_admin
from fluvio_client.admin import Admin as AsyncAdmin
from fluvio_client.errors import ClientError, ConfigError, ConnectFailed, TopicNotFound
from fluvio_client.portal import Portal


def connect(cluster: Any) -> fluvio_client.sync.Fluvio:
    return fluvio_client.sync.connect(address=cluster.public_address)


def new_topic(client: fluvio_client.sync.Fluvio, *, count: int = 0, partitions: int = 1) -> str:
    name = f"sync-{uuid4()}"
    client.admin.topics.create(name, partitions=partitions)
    if count:
        with client.producer(name, batch_size_bytes=200) as producer:
            producer.send_all(str(number) for number in range(count))
    return name


def public_methods(kind: type) -> set[str]:
    return {
        name
        for name, found in inspect.getmembers(kind)
        if not name.startswith("_") and not isinstance(found, property) and callable(found)
        if inspect.isfunction(found)
    }


def test_nothing_of_the_asynchronous_client_is_missing() -> None:
    client = fluvio_client.sync.connect(address="127.0.0.1:1")
    pairs: list[tuple[type, object]] = [
        (AsyncFluvio, client),
        (type(client._twin.producer("t")), client.producer("t")),
        (type(client._twin.consumer("t")), client.consumer("t")),
        (AsyncAdmin, client.admin),
    ]
    for name, twin in vars(client._twin.admin).items():
        pairs.append((type(twin), getattr(client.admin, name)))
    for kind, mirror in pairs:
        missing = {name for name in public_methods(kind) if not hasattr(type(mirror), name)}
        assert missing - {"lend", "give_back"} == set(), f"{kind}: add them to its twin in sync.py"
    assert isinstance(client.admin.of("topic"), sync_admin.Topics)


def test_what_goes_wrong_before_there_is_a_connection(unused_tcp_port: int) -> None:
    with pytest.raises(ConfigError):
        fluvio_client.sync.connect("a", address="b:1")
    client = fluvio_client.sync.connect(address=f"127.0.0.1:{unused_tcp_port}")
    with pytest.raises(ClientError, match="not open"):
        client.admin.topics.list()
    with pytest.raises(ConnectFailed):
        client.open()
    with pytest.raises(ClientError, match="entered once"):
        client.open()
    client.close()


def test_what_leaving_raises_comes_out_of_close() -> None:
    class Bad:
        async def __aenter__(self) -> None:
            """Works."""

        async def __aexit__(self, *error: object) -> None:
            raise OSError("no way out")

    portal = Portal(Bad())
    portal.open()
    with pytest.raises(OSError, match="no way out"):
        portal.close()
    portal.close()


@pytest.mark.cluster
def test_the_map_of_the_founding_page(local_cluster: Any) -> None:
    with connect(local_cluster) as client:
        assert client.platform_version == "0.18.1"
        topic = new_topic(client, partitions=3)
        with client.producer(topic, linger_s=0.01) as producer:
            sent = producer.send_all({"Norway": b"100", "Denmark": b"50"})
            metadata = producer.send_and_wait("10", key="Iceland")
            assert [one.metadata().partition for one in sent] == [one.partition for one in sent]
            delivery = producer.send("20", key="Iceland")
            producer.flush(timeout_s=30)
            assert delivery.done
            assert delivery.result().offset == metadata.offset + 1
            told: queue.Queue[Any] = queue.Queue()
            delivery.add_done_callback(told.put)
            assert told.get(timeout=30) is delivery
            assert producer.stats().records_sent == 4
        found = client.consumer(topic, start="beginning").fetch()
        assert sorted(record.text for record in found) == ["10", "100", "20", "50"]
        assert client.admin.topics.get(topic).name == topic
        changes = client.admin.topics.watch()
        assert next(changes).object.name
        changes.close()
        with pytest.raises(TopicNotFound):
            client.producer("nosuch").start()
    with pytest.raises(ClientError, match="not open"):
        client.admin.topics.list()
    client.close()


@pytest.mark.cluster
def test_places_are_as_if_records_came_one_by_one(local_cluster: Any) -> None:
    """They come by batches from the other thread, which must not show."""
    with connect(local_cluster) as client:
        topic, me = new_topic(client, count=50), f"me-{uuid4()}"
        managed: dict[str, Any] = {"consumer_id": me, "commit": "auto", "start": 0}
        with client.consumer(topic, **managed) as consumer:
            assert [next(consumer).offset for _ in range(3)] == [0, 1, 2]
            assert consumer.position() == {(topic, 0): 3}
            assert consumer.lag() == {(topic, 0): 47}
            consumer.pause()
            assert consumer.next_batch(timeout_s=0.05) == []
            consumer.resume()
            assert [record.offset for record in consumer.next_batch(2, timeout_s=10)] == [3, 4]
            assert next(consumer).offset == 5
            consumer.seek(40)
            assert [next(consumer).offset for _ in range(2)] == [40, 41]
            assert next(iter(consumer.batches())).tuples[0][0] == 42
            consumer.seek(20)
            assert [next(consumer).offset for _ in range(4)] == [20, 21, 22, 23]
        (stored,) = client.admin.consumers.list(me)
        assert stored.offset == 22, "the last record was handed out, and perhaps not processed"
        with client.consumer(topic, max_records=7, **{**managed, "commit": "manual"}) as consumer:
            assert [record.offset for record in consumer] == list(range(7))
            assert list(consumer) == []
            consumer.commit()
            consumer.flush()
        (stored,) = client.admin.consumers.list(me)
        assert stored.offset == 6


@pytest.mark.cluster
def test_several_threads(local_cluster: Any) -> None:
    """Producers and readers share one client; every record is handed out once."""
    with connect(local_cluster) as client:
        topic = new_topic(client, partitions=5)
        found: queue.Queue[Any] = queue.Queue()
        count = 5 * 200

        with (
            client.producer(topic) as producer,
            client.consumer(topic, start=0, max_records=count) as consumer,
        ):

            def produce(name: str) -> None:
                for number in range(200):
                    producer.send(f"{name} {number}")

            def consume() -> None:
                for record in consumer:
                    found.put(record)

            def disturb() -> None:
                while not done.is_set():
                    consumer.position()

            done = threading.Event()
            workers = [threading.Thread(target=produce, args=(str(n),)) for n in range(5)]
            workers += [threading.Thread(target=consume) for _ in range(2)]
            disturber = threading.Thread(target=disturb)
            for thread in [*workers, disturber]:
                thread.start()
            for thread in workers:
                thread.join(60)
            done.set()
            disturber.join(60)
        records = [found.get_nowait() for _ in range(count)]
        assert len({record.text for record in records}) == count
        spread = Counter(record.partition for record in records)
        assert spread == dict.fromkeys(range(5), 200), "without keys they take turns"


@pytest.mark.cluster
def test_closing_wakes_a_reader_in_another_thread(local_cluster: Any) -> None:
    with connect(local_cluster) as client:
        topic = new_topic(client)
        ended: queue.Queue[Any] = queue.Queue()
        consumer = client.consumer(topic)
        consumer.start()

        def read() -> None:
            try:
                next(consumer)
            except ClientError as error:
                ended.put(error)

        reader = threading.Thread(target=read)
        reader.start()
    assert isinstance(ended.get(timeout=10), ClientError)
    reader.join(10)


BLOCKED = """
import sys
import fluvio_client.sync
with fluvio_client.sync.connect(address=sys.argv[1]) as client:
    with client.consumer(sys.argv[2], start=0) as consumer:
        try:
            for record in consumer:
                print("waiting", flush=True)
        except KeyboardInterrupt:
            print("woken", flush=True)
"""

PROCESSING = """
import sys
import fluvio_client.sync
with fluvio_client.sync.connect(address=sys.argv[1]) as client:
    with client.consumer(
        sys.argv[2], start=0, consumer_id=sys.argv[3], commit="auto", flush_interval_s=0.02
    ) as consumer:
        for record in consumer:
            print(record.offset, flush=True)
            sys.stdin.readline()  # it is being processed
"""

FORGOTTEN = """
import sys, threading
import fluvio_client.sync
client = fluvio_client.sync.connect(address=sys.argv[1]).open()
producer = client.producer(sys.argv[2]); producer.start()
consumer = client.consumer(sys.argv[2], start=0); consumer.start()
next(consumer)
threading.Thread(target=lambda: next(consumer), daemon=True).start()
"""


@pytest.mark.cluster
def test_ctrl_c_wakes_a_reader_at_once(local_cluster: Any) -> None:
    with connect(local_cluster) as client:
        topic = new_topic(client, count=1)
    with subprocess.Popen(
        [sys.executable, "-c", BLOCKED, local_cluster.public_address, topic],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "woken\n"
        assert process.wait(30) == 0
        assert time.monotonic() - begun < 5


@pytest.mark.cluster
def test_a_forgotten_close_does_not_hang_the_interpreter(local_cluster: Any) -> None:
    with connect(local_cluster) as client:
        topic = new_topic(client, count=1)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORGOTTEN, local_cluster.public_address, topic],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.cluster
def test_a_record_that_was_being_processed_when_the_process_died_comes_again(
    local_cluster: Any,
) -> None:
    me = f"me-{uuid4()}"
    with connect(local_cluster) as client:
        topic = new_topic(client, count=20)
        with subprocess.Popen(
            [sys.executable, "-c", PROCESSING, local_cluster.public_address, topic, me],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for offset in range(4):
                assert process.stdout.readline() == f"{offset}\n"
                if offset < 3:
                    process.stdin.write("\n")
                    process.stdin.flush()
            deadline = time.monotonic() + 30
            while [one.offset for one in client.admin.consumers.list(me)] != [2]:
                assert time.monotonic() < deadline, "offsets were not stored"
            process.kill()
        with client.consumer(topic, start="beginning", consumer_id=me, follow=False) as consumer:
            assert next(consumer).offset == 3, "neither lost, nor more than that repeated"
