"""`fluvio benchmark` on tiny sizes: every mode, every output; and the files that it reads."""

import csv
import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fluvio_cli.benchmark.matrix import DEFAULT, settings_of
from fluvio_cli.benchmark.measure import shares
from fluvio_cli.benchmark.settings import Mode
from fluvio_cli.main import run
from fluvio_client.errors import ClientError
from fluvio_client.topics import Topics

SMALL = ("--num-samples", "2", "--time-between-samples", "0ms", "--record-size", "64")


Fluvio = Callable[..., str]


@pytest.fixture
def fluvio(
    local_cluster: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Fluvio:
    """Run a command that succeeds, in this process, against the cluster; what it prints."""
    monkeypatch.setenv("FLV_PROFILE_PATH", str(local_cluster.profile_path))
    monkeypatch.setenv("CI", "true")

    def run_it(*words: str) -> str:
        code = run(words)
        said = capfd.readouterr()
        assert (code, said.err) == (0, ""), said
        return said.out

    return run_it


def measured(fluvio: Fluvio, *arguments: str) -> Any:
    """The results that a benchmark prints as JSON."""
    return json.loads(fluvio("benchmark", *arguments, "--json", "-"))["results"]


@pytest.mark.cluster
def test_every_mode_counts_all_its_records_and_leaves_nothing(fluvio: Fluvio) -> None:
    for mode, more, records in (
        ("producer", ("--num-producers", "2"), 2 * 101),
        ("consumer", ("--num-consumers", "2"), 2 * 2 * 101),
        ("latency", ("--rate", "5000"), 2 * 101),
    ):
        (result,) = measured(fluvio, mode, *SMALL, "--num-records", "101", *more)
        total, latency = result["total"], result["total"]["latency"]
        assert (result["mode"], total["records"], len(result["samples"])) == (mode, records, 2)
        assert total["size_bytes"] == records * 64
        assert total["records_per_s"] > 0
        # Consumers time their batches, of which there are fewer.
        assert latency["count"] == records if mode != "consumer" else latency["count"] >= 4
        assert 0 < latency["percentiles_ms"]["50"] <= latency["max_ms"]
        topics = fluvio("topic", "list", "-O", "json")
        assert result["settings"]["topic-name"] not in topics


@pytest.mark.cluster
def test_text_files_and_a_topic_that_stays(fluvio: Fluvio, tmp_path: Path) -> None:
    before, after, rows = tmp_path / "before", tmp_path / "after", tmp_path / "rows"
    words = ("producer", *SMALL, "--num-records", "50", "--topic-name", "kept-benchmark")
    out = fluvio(
        "bench", *words, "--keep-topic", "--plot", "--json", str(before), "--csv", str(rows)
    )
    assert "  p99.9: " in out
    assert "100 total records sent in 2 samples" in out
    assert "| sample | records/s" in out
    table = list(csv.DictReader(io.StringIO(rows.read_text())))
    assert [(row["sample"], row["records"]) for row in table] == [("1", "50"), ("2", "50")]
    fluvio("bench", *words, "--json", str(after))  # a topic that was there before stays, too
    assert "kept-benchmark" in fluvio("topic", "list")
    compared = fluvio("bench", "--compare", str(before), str(after))
    assert "| records/s |" in compared
    fluvio("topic", "delete", "kept-benchmark")


@pytest.mark.cluster
def test_a_matrix_measures_every_combination(fluvio: Fluvio, tmp_path: Path) -> None:
    config = tmp_path / "matrix.yaml"
    config.write_text(
        "mode: [producer, consumer]\nnum-records: [10, 20]\nrecord-size: 16\nnum-samples: 1\n"
    )
    found = measured(fluvio, "matrix", "-c", str(config))
    assert [(one["mode"], one["total"]["records"]) for one in found] == [
        ("producer", 10), ("producer", 20), ("consumer", 10), ("consumer", 20),
    ]  # fmt: skip


@pytest.mark.cluster
def test_a_topic_that_is_not_deleted_is_told_and_costs_no_figures(
    fluvio: Fluvio, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def refuse(self: Topics, name: str, **options: Any) -> None:
        raise ClientError("the disk is busy")

    name = f"busy-{uuid.uuid4()}"
    with monkeypatch.context() as patched:
        patched.setattr(Topics, "delete", refuse)
        words = ("producer", *SMALL, "--num-records", "10", "--topic-name", name)
        assert run(["bench", *words]) == 0
    said = capfd.readouterr()
    assert "20 total records sent" in said.out
    assert said.err == f"warning: topic {name} is not deleted: the disk is busy\n"
    fluvio("topic", "delete", name)


@pytest.mark.cluster
def test_a_sample_that_takes_too_long_is_given_up(
    fluvio: Fluvio, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("latency", "--rate", "1", "--num-records", "100", "--worker-timeout", "10ms")
    name = f"slow-{uuid.uuid4()}"
    assert run(["bench", *words, "--topic-name", name]) == 1
    assert "sample 1 is not over after 0.01 s" in capfd.readouterr().err
    assert name not in fluvio("topic", "list")


def test_the_built_in_matrix_is_fluvios() -> None:
    every = settings_of(DEFAULT)
    assert [(one.batch_size_bytes, one.num_records) for one in every] == [
        (batch, records) for batch in (16_384, 1 << 20) for records in (100, 10_000, 100_000)
    ]
    assert {(one.mode, one.record_size_bytes) for one in every} == {(Mode.PRODUCER, 5120)}


def test_fluvios_nested_file_is_understood() -> None:
    (one,) = settings_of(
        {
            "shared_config": {
                "num_samples": 1,
                "time_between_samples": {"secs": 1, "nanos": 500_000_000},
                "topic_config": {"partitions": 2, "delete_topic": False},
            },
            "producer_config": {"batch_size": 100},
        }
    )
    assert (one.time_between_samples_s, one.partitions, one.keep_topic) == (1.5, 2, True)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "expected names"),
        ({"speed": 1}, "speed is no setting"),
        ({"num-records": []}, "num-records has no value"),
        ({"num-records": 0}, "num-records must be 1 at least"),
        ({"mode": "sprint"}, "mode is sprint"),
        ({"num-records": list(range(1, 1002))}, "1001 combinations are more than 1000"),
    ],
)
def test_a_matrix_that_is_none(document: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings_of(document)


def test_work_is_shared_evenly() -> None:
    assert shares(11, 3) == [4, 4, 3]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("producer", "--num-records", "0"), 2, "num-records must be 1 at least"),
        (("latency", "--record-size", "4"), 2, "record-size must be 8 at least"),
        (("producer", "--compression", "zip"), 2, "unknown compression format: zip"),
        (("consumer", "--json", "-", "--csv", "-"), 2, "only one of --json and --csv"),
    ],
)
def test_refusals(
    words: tuple[str, ...], code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["benchmark", *words]) == code
    assert said in capfd.readouterr().err


def test_files_that_are_no_results(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nothing"
    path.write_text("[]")
    assert run(["benchmark", "--compare", str(path), str(path)]) == 1
    assert "this is no file of benchmark results" in capfd.readouterr().err
