"""Clients as users have them: the published one, our command line, and our command line in a pod.

Called by the stories. The published client runs in a process of its own: native code that never
returns could not be interrupted here, and a hung client must be a failed test.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kube import Kube, command, until
from release import Release

CLIENT_TIMEOUT_S = 60
POD_NAME = "client"
_FLUVIO = "from fluvio_cli.main import main; main()"

_PRODUCE = """
import json, sys, fluvio
address, topic = sys.argv[1:]
config = fluvio.FluvioConfig.new(address)
config.disable_tls()
producer = fluvio.Fluvio.connect_with_config(config).topic_producer(topic)
sent = [(value, producer.send(value.encode(), value.encode())) for value in json.load(sys.stdin)]
producer.flush()
stored = [(value, output.wait()) for value, output in sent]
print(json.dumps([[at.partition_id(), at.offset(), value] for value, at in stored]))
"""

_CONSUME = """
import itertools, json, sys, fluvio
address, topic, counts = sys.argv[1:]
config = fluvio.FluvioConfig.new(address)
config.disable_tls()
client = fluvio.Fluvio.connect_with_config(config)
for partition, count in json.loads(counts).items():
    stream = client.partition_consumer(topic, int(partition)).stream(fluvio.Offset.beginning())
    for record in itertools.islice(stream, count):
        print(json.dumps([int(partition), record.offset(), record.value_string()]))
"""

Stored = tuple[int, int, str]
"""Partition, offset, value of a record."""


class PublishedClient:
    """`fluvio` from the package index, on this machine."""

    def __init__(self, address: str) -> None:
        self.address = address

    def produce(self, topic: str, values: Sequence[str]) -> list[Stored]:
        """Where each value, its own key, was stored; returns when all were acknowledged."""
        printed = self.run(_PRODUCE, topic, stdin=json.dumps(list(values)))
        return [_stored(one) for one in json.loads(printed)]

    def consume(self, topic: str, count_of: Mapping[int, int]) -> list[Stored]:
        """The first records of each partition: so many, and it fails when there are fewer."""
        printed = self.run(_CONSUME, topic, json.dumps(dict(count_of)))
        return [_stored(json.loads(line)) for line in printed.splitlines()]

    def read_back(self, topic: str, stored: Sequence[Stored]) -> list[Stored]:
        """As many records as `stored` has, sorted."""
        count_of: dict[int, int] = {}
        for partition, offset, _ in stored:
            count_of[partition] = max(count_of.get(partition, 0), offset + 1)
        return sorted(self.consume(topic, count_of))

    def run(self, program: str, *arguments: str, stdin: str = "") -> str:
        """What a program of its own printed, given the address first."""
        words = [sys.executable, "-c", program, self.address, *arguments]
        return command(words, stdin=stdin, timeout_s=CLIENT_TIMEOUT_S).stdout


def _stored(one: list[Any]) -> Stored:
    partition, offset, value = one
    return int(partition), int(offset), str(value)


class CommandLine:
    """`fluvio` of this checkout, on this machine."""

    def __init__(self, address: str, directory: Path) -> None:
        self.address = address
        self._environment = {**os.environ, "FLV_PROFILE_PATH": str(directory / "config")}

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What it printed."""
        words = [sys.executable, "-c", _FLUVIO, "--cluster", self.address, *arguments]
        return command(
            words, stdin=stdin, environment=self._environment, timeout_s=CLIENT_TIMEOUT_S
        ).stdout

    def topics(self) -> list[str]:
        listed = json.loads(self("topic", "list", "-O", "json"))
        return sorted(str(one["name"]) for one in listed)


class PodClient:
    """`fluvio` in a pod of the release's namespace, with the profile that the chart offers."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def start(self, release: Release) -> None:
        self._kube.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": POD_NAME},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [
                        {
                            "name": "client",
                            "image": f"fluvio-spu:{release.images.tag}",
                            "command": ["sleep", "infinity"],
                            "env": [{"name": "FLV_PROFILE_PATH", "value": "/fluvio/config"}],
                            "volumeMounts": [{"name": "fluvio", "mountPath": "/fluvio"}],
                        }
                    ],
                    "volumes": [
                        {
                            "name": "fluvio",
                            "configMap": {
                                "name": "fluvio-config-map",
                                "items": [{"key": "fluvioClientConfig", "path": "config"}],
                            },
                        }
                    ],
                },
            }
        )
        until(
            lambda: self._kube.get("pod", POD_NAME)["status"].get("phase") == "Running",
            "the client's pod runs",
        )

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        return self._kube.execute(POD_NAME, "python", "-m", "fluvio_cli", *arguments, stdin=stdin)
