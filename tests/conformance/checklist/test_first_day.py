"""What somebody does on the first day, with the installed command, in a home of one's own; and the
same from Python, with asyncio and without."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.cluster

WITH_ASYNCIO = """
import asyncio
import fluvio_client

async def main():
    async with fluvio_client.connect() as client:
        await client.admin.topics.create("greetings-async")
        async with client.producer("greetings-async") as producer:
            await producer.send_all(["hello", "1", "two", "3"])
        async with client.consumer("greetings-async", start="beginning", follow=False) as consumer:
            async for record in consumer:
                print(record.offset, record.text)
        for partition in await client.admin.partitions.list(match="greetings-async-*"):
            print(partition.name, partition.status.resolution.name)

asyncio.run(main())
"""
WITHOUT = """
import fluvio_client.sync

with fluvio_client.sync.connect() as client:
    client.admin.topics.create("greetings-sync")
    with client.producer("greetings-sync") as producer:
        producer.send_all(["hello", "1", "two", "3"])
    with client.consumer("greetings-sync", start="beginning", follow=False) as consumer:
        for record in consumer:
            print(record.offset, record.text)
    for partition in client.admin.partitions.list(match="greetings-sync-*"):
        print(partition.name, partition.status.resolution.name)
"""


@pytest.mark.timeout(180)
def test_the_first_day(tmp_path: Path, find_port_base: Callable[[Sequence[int]], int]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = Path(sys.executable).with_name("fluvio")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}

    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def fluvio(*words: str, stdin: str = "") -> str:
        """What the command says on standard output; on the other it says nothing."""
        done = run(str(command), *words, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), (words, done)
        return done.stdout

    def cluster(*words: str) -> str:
        """What a command about clusters tells of its progress, on standard error."""
        done = run(str(command), "cluster", *words)
        assert (done.returncode, done.stdout) == (0, ""), (words, done)
        return done.stderr

    def servers() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["cmdline"]):
            if any(str(home) in word for word in process.info["cmdline"] or []):
                found.append(process)
        return found

    base = find_port_base([0, 1, 10, 11])
    try:
        told = cluster(
            "start",
            *("--spu-port-base", str(base)),
            *("--sc-pub-addr", f"127.0.0.1:{base + 10}"),
            *("--sc-priv-addr", f"127.0.0.1:{base + 11}"),
        )
        assert "📝 Running pre-flight checks" in told
        assert "👤 Profile set" in told
        assert told.endswith("🎯 Successfully installed Local Fluvio cluster\n")
        assert len(servers()) == 2

        assert fluvio("topic", "create", "greetings") == 'topic "greetings" created\n'
        assert fluvio("produce", "greetings", stdin="hello\n") == ""
        assert fluvio("consume", "greetings", "-B", "-d") == "hello\n"
        assert fluvio("profile") == "local\n"
        header, line = fluvio("partition", "list").splitlines()
        assert header.split()[:2] == ["TOPIC", "PARTITION"]
        assert line.split()[:2] == ["greetings", "0"]
        assert "Online" in line.split()

        # Here a SmartModule will be made and used, when there are SmartModules.
        assert fluvio("produce", "greetings", stdin="1\ntwo\n3\n") == ""
        assert fluvio("consume", "greetings", "-B", "-d") == "hello\n1\ntwo\n3\n"

        for program, topic in ((WITH_ASYNCIO, "greetings-async"), (WITHOUT, "greetings-sync")):
            done = run(sys.executable, "-W", "error", "-c", program)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == f"0 hello\n1 1\n2 two\n3 3\n{topic}-0 ONLINE\n"

        cluster("shutdown")
        assert servers() == []
        assert "local" in fluvio("profile")
        cluster("resume")
        for topic in ("greetings", "greetings-async", "greetings-sync"):
            assert fluvio("consume", topic, "-B", "-d") == "hello\n1\ntwo\n3\n"
    finally:
        cluster("delete", "--force")
    assert servers() == []
    assert not (home / ".fluvio" / "data").exists()
    assert fluvio("profile") == "no current profile set\n"
