"""A SmartModule is a resource: applied with kubectl, run by SPUs, asked for by its name."""

import base64
import json

import pytest
import wasmtime
from clients import PublishedClient
from kube import Kube
from manifests import topic
from release import REPOSITORY, Release

pytestmark = pytest.mark.timeout(300)

MODULE = REPOSITORY / "tests" / "spu" / "modules" / "odd.wat"

_CONSUME = """
import json, sys, fluvio
address, topic, module = sys.argv[1:]
config = fluvio.FluvioConfig.new(address)
config.disable_tls()
client = fluvio.Fluvio.connect_with_config(config)
how = fluvio.ConsumerConfig()
how.disable_continuous()
how.smartmodule(name=module)
records = client.partition_consumer(topic, 0).stream_with_config(fluvio.Offset.beginning(), how)
print(json.dumps([record.value_string() for record in records]))
"""

_METRICS = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9100/metrics").read().decode())
"""


def smart_module(name: str, code: bytes) -> dict[str, object]:
    return {
        "apiVersion": "fluvio.infinyon.com/v2",
        "kind": "SmartModule",
        "metadata": {"name": name},
        "spec": {"wasm": {"format": "BINARY", "payload": base64.b64encode(code).decode()}},
    }


def test_a_module_that_was_applied_filters_a_stream(
    release: Release, kube: Kube, published: PublishedClient
) -> None:
    code = bytes(wasmtime.wat2wasm(MODULE.read_text()))
    kube.apply(smart_module("odd", code), topic("numbers"))
    kube.until_ready("topic", "numbers")
    published.produce("numbers", [str(number) for number in range(6)])
    printed = published.run(_CONSUME, "numbers", "odd")
    assert json.loads(printed) == ["1", "3", "5"]
    metrics = kube.execute("fluvio-spg-main-0", "python3", "-c", _METRICS)
    assert 'fluvio_spu_smart_module_record_out_total{module="odd"} 3' in metrics
