"""`fluvio smartmodule describe`, `watch` and `stats`, and `object watch`."""

import gzip
import json
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fluvio_cli.commands.smartmodule_describe import code_shape
from fluvio_cli.commands.smartmodule_stats import _table
from fluvio_cli.main import run
from fluvio_cli.smartmodules import ready_made
from fluvio_cli.smartmodules.statistics import ModuleTotals, added, module_totals, spu_of
from fluvio_process.exposition import Sample, render

FLUVIO_COMMAND = "from fluvio_cli.main import main; main()"


# Statistics


def metrics(spu: int, **modules: tuple[int, int, int, int, float]) -> str:
    """What an SPU tells: calls, records in and out, errors, seconds of each module."""
    names = ("call", "record_in", "record_out", "error", "seconds")
    return render(
        [
            Sample("fluvio_spu_info", "gauge", "", 1, {"spu": str(spu), "platform_version": "1"}),
            *(
                Sample(
                    f"fluvio_spu_smart_module_{name}_total", "counter", "", values[index],
                    {"module": module},
                )
                for index, name in enumerate(names)
                for module, values in modules.items()
            ),
            *(
                Sample("fluvio_spu_smart_module_fuel_total", "counter", "", 0, {"module": module})
                for module in modules
            ),
        ]
    )  # fmt: skip


ONE = metrics(5001, odd=(2, 10, 5, 1, 0.5), cats=(1, 1, 1, 0, 0.001))
TWO = metrics(5002, odd=(1, 2, 1, 0, 1.5))


def test_what_spus_say_is_added_up() -> None:
    assert (spu_of(ONE), spu_of("")) == (5001, None)
    totals = {"5001": module_totals(ONE), "5002": module_totals(TWO)}
    assert totals["5001"]["odd"] == ModuleTotals(2, 10, 5, 1, 0.5)
    sums = added(totals)
    assert list(sums.items()) == [
        ("odd", ModuleTotals(3, 12, 6, 1, 2.0)),
        ("cats", ModuleTotals(1, 1, 1, 0, 0.001)),
    ]
    assert totals["5001"]["odd"].calls == 2


def test_fuel_has_a_column_when_spus_count_it() -> None:
    counted = ONE.replace('fuel_total{module="odd"} 0', 'fuel_total{module="odd"} 1234')
    assert counted != ONE
    for text, told in ((ONE, False), (counted, True)):
        (odd, cats) = added({"5001": module_totals(text)}).items()
        shown = _table(dict((odd, cats)), {})
        assert ("FUEL" in shown, "1234" in shown) == (told, told)
        assert ("fuel" in odd[1].shape()) is told


def test_names_are_what_they_were() -> None:
    name = 'a "b" \\n\n}'
    assert list(module_totals(metrics(1, **{name: (1, 1, 1, 0, 0.1)}))) == [name]


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """`serve(text)` gives the address of an SPU that tells that."""
    servers = []

    def start(text: str, status: int = 200) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/metrics"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_statistics_of_spus_anywhere(
    serve: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["smartmodule", "stats", "--url", serve(ONE), "--url", serve(TWO)]
    assert run(words) == 0
    assert capsys.readouterr().out == (
        "  SMARTMODULE  BATCHES  IN  OUT  ERRORS  TIME      PER RECORD  \n"
        "  odd          3        12  6    1       2.000 s   166666.7 µs \n"
        "  cats         1        1   1    0       1.000 ms  1000.0 µs   \n"
    )
    assert run([*words, "odd", "--per-spu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["odd", "3", "12"], ["spu", "5001", "2"], ["spu", "5002", "1"],
    ]  # fmt: skip
    assert run([*words, "odd", "-O", "json"]) == 0
    figures = {"calls": 3, "records_in": 12, "records_out": 6, "errors": 1, "seconds": 2.0}
    (told,) = json.loads(capsys.readouterr().out)
    assert [one["spu"] for one in told.pop("spus")] == [5001, 5002]
    assert told == {"smartmodule": "odd", **figures}
    assert run([*words, "none"]) == 0
    assert capsys.readouterr().out == "no smartmodule ran\n"


def test_spus_that_do_not_tell_are_named(
    serve: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = serve("", status=503)
    assert run(["smartmodule", "stats", "--url", broken, "--url", serve(ONE)]) == 0
    said = capsys.readouterr()
    assert f"warning: {broken} does not tell its metrics: HTTP Error 503" in said.err
    assert "odd" in said.out
    assert run(["smartmodule", "stats", "--data-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path}: no SPU runs there")
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as left:  # by a process that was killed
        left.bind(str(tmp_path / "run" / "spu-5001.sock"))
    assert run(["smartmodule", "stats", "--data-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "warning: spu 5001 does not tell its metrics: Connection refused\nno SPU told its metrics\n"
    )
    assert run(["smartmodule", "stats", "--url", "ftp://spu.test/"]) == 1
    assert "expected http://" in capsys.readouterr().err
    assert run(["-c", "127.0.0.1:1", "smartmodule", "stats"]) == 1
    assert "say --data-dir, --namespace or --url" in capsys.readouterr().err


def test_statistics_of_pods(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for name, app in {"spg-main-1": "spu", "spg-main-0": "spu", "sc-0": "fluvio-sc"}.items():
        kubernetes.put("pods", name, kind="Pod", metadata={"labels": {"app": app}})
    kubernetes.metrics |= {"spg-main-0": ONE, "spg-main-1": TWO}
    assert run(["smartmodule", "stats", "odd", "--namespace", "default", "-O", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["calls"], [one["spu"] for one in told["spus"]]) == (3, [5001, 5002])
    kubernetes.denied.add(("get", "pods"))
    assert run(["smartmodule", "stats", "--namespace", "default"]) == 1
    assert "cannot get pods" in capsys.readouterr().err
    kubernetes.denied.clear()
    assert run(["smartmodule", "stats", "--namespace", "other"]) == 1
    assert capsys.readouterr().err == "no SPU runs in the namespace other\n"


# What a module is


def test_what_the_code_of_a_module_says() -> None:
    code = ready_made.wasm("sum")
    packed = gzip.compress(code, mtime=0)
    for payload in (code, packed):
        assert code_shape(payload) == {
            "size": len(payload),
            "unpackedSize": len(code),
            "sha256": sha256(code).hexdigest(),
            "kind": "aggregate",
            "otherKinds": [],
            "init": True,
            "lookBack": False,
            "problem": None,
        }
    assert code_shape(ready_made.wasm("dedup-exact"))["lookBack"] is True
    for payload in (b"", b"none", packed[:40], code[:8]):
        shape = code_shape(payload)
        assert shape["problem"]
        assert (shape["size"], shape["kind"], shape["init"]) == (len(payload), None, None)


# With a cluster

Fluvio = Callable[..., str]


@pytest.fixture
def fluvio(local_cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Fluvio:
    """Runs a command against the cluster, in this process; what it says, if it works."""
    monkeypatch.setenv("FLV_PROFILE_PATH", str(local_cluster.profile_path))

    def command(*words: str) -> str:
        code = run(list(words))
        said = capsys.readouterr()
        assert (code, said.err) == (0, ""), words
        out: str = said.out
        return out

    return command


@pytest.fixture
def module(fluvio: Fluvio) -> Iterator[str]:
    """The name of a stored module."""
    name = f"contains-{uuid.uuid4()}"
    fluvio("smartmodule", "create", name, "--ready-made", "contains")
    yield name
    fluvio("smartmodule", "delete", name)


@pytest.mark.cluster
def test_a_module_is_described_without_its_code(
    fluvio: Fluvio, module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = fluvio("smartmodule", "describe", module)
    for line in (f"Name:{module}", "Kind:filter", "Deduplicates:-", "Status:can be run"):
        assert f"   {line} " in shown
    (found,) = json.loads(fluvio("smartmodule", "describe", module, "-O", "json"))
    assert found["name"] == module
    assert found["spec"]["wasm"]["payload"] == ""
    assert found["code"]["sha256"] == sha256(ready_made.wasm("contains")).hexdigest()
    assert (found["owner"], found["deduplicates"]) == (None, [])
    assert run(["smartmodule", "describe", f"no-{module}"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"SmartModule not found: no-{module}" in said.err


@pytest.mark.cluster
def test_a_module_that_drops_duplicates_names_its_topics(fluvio: Fluvio, tmp_path: Path) -> None:
    name = f"dedup-{uuid.uuid4()}"
    fluvio("smartmodule", "create", name, "--ready-made", "dedup-exact")
    topic = tmp_path / "topic.yaml"
    filtered = f"{{bounds: {{count: 5}}, filter: {{transform: {{uses: {name}}}}}}}"
    topic.write_text(f"meta: {{name: {name}}}\ndeduplication: {filtered}\n")
    fluvio("topic", "create", "--config", str(topic))
    assert f"   Deduplicates:{name} " in fluvio("smartmodule", "describe", name)
    fluvio("topic", "delete", name)
    fluvio("smartmodule", "delete", name)


@pytest.mark.cluster
def test_statistics_of_a_cluster_on_this_machine(
    fluvio: Fluvio, module: str, tmp_path: Path
) -> None:
    topic = f"stats-{uuid.uuid4()}"
    animals = tmp_path / "animals.txt"
    animals.write_text("a cat\na dog\n")
    fluvio("topic", "create", topic)
    fluvio("produce", topic, "-f", str(animals))
    words = ("--smartmodule", module, "-e", "text=cat")
    assert fluvio("consume", topic, "-B", "-d", *words) == "a cat\n"
    (told,) = json.loads(fluvio("smartmodule", "stats", module, "-O", "json"))
    assert told.pop("seconds") > 0
    (spu,) = told.pop("spus")
    figures = {"calls": 1, "records_in": 2, "records_out": 1, "errors": 0}
    assert told == {"smartmodule": module, **figures}
    assert spu["spu"] in (5001, 5002)
    assert spu.items() >= figures.items()


@pytest.mark.cluster
def test_diagnostics_of_a_cluster_on_this_machine_have_the_metrics(
    local_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLV_PROFILE_PATH", str(local_cluster.profile_path))
    words = ("--quiet", "--local", "--data-dir", str(local_cluster.data_dir))
    assert run(["cluster", "diagnostics", *words]) == 0
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        name = f"{path.name.removesuffix('.tar.gz')}/metrics/spu-5002.txt"
        content = archive.extractfile(name)
        assert content is not None
        assert spu_of(content.read().decode()) == 5002


@pytest.mark.cluster
def test_changes_are_told_until_ctrl_c(local_cluster: Any, fluvio: Fluvio) -> None:
    name = f"watched-{uuid.uuid4()}"

    def watching(*words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", FLUVIO_COMMAND, *words],
            stdout=subprocess.PIPE,
            text=True,
            env=local_cluster.environment,
        )

    def until(process: "subprocess.Popen[str]", wanted: Callable[[str], bool]) -> str:
        assert process.stdout is not None
        return next(line for line in process.stdout if wanted(line))

    with (
        watching("smartmodule", "watch") as modules,
        watching("object", "watch", "smartmodule", name, "-O", "json") as events,
        watching("object", "watch", "spu") as spus,
    ):
        until(spus, lambda line: line == "updated SPU custom-spu-5002 online\n")
        until(modules, lambda line: True)  # it has asked, and hears of what comes
        fluvio("smartmodule", "create", name, "--ready-made", "contains")
        until(modules, lambda line: name in line)
        assert json.loads(until(events, lambda line: True))["event"] == "updated"
        fluvio("smartmodule", "delete", name)
        assert json.loads(until(events, lambda line: True)) == {
            "event": "deleted",
            "kind": "SmartModule",
            "name": name,
            "spec": {"meta": None, "wasm": {"format": "BINARY", "payload": ""}},
            "status": {},
        }
        for process in (modules, events, spus):
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
