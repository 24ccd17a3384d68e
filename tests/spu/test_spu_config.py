"""What an SPU is told in a pod: its id, sizes, addresses, levels, and what changes nothing."""

import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fluvio_spu.config import Address, SpuConfig, parse_config, parse_quantity

POD = {"SPU_INDEX": "fluvio-spg-main-2", "SPU_MIN": "100"}


@pytest.mark.parametrize(
    ("environment", "arguments", "spu_id"),
    [
        (POD, [], 102),
        ({"SPU_INDEX": "fluvio-spg-main-0"}, [], 0),
        ({"SPU_INDEX": "fluvio-spg-us-west-2-11", "SPU_MIN": "5"}, [], 16),
        ({**POD, "FLV_SPU_ID": "7"}, [], 7),
        ({**POD, "FLV_SPU_ID": ""}, [], 102),
        ({**POD, "FLV_SPU_ID": "7"}, ["--id", "9"], 9),
        ({"SPU_INDEX": "nonsense"}, ["-i", "0"], 0),
    ],
)
def test_the_id_is_said_or_follows_from_the_name_of_the_pod(
    environment: dict[str, str], arguments: list[str], spu_id: int
) -> None:
    assert parse_config(arguments, environment).spu_id == spu_id


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({}, "--id is required"),
        ({"SPU_INDEX": "main"}, 'SPU_INDEX: "main"'),
        ({"SPU_INDEX": "7"}, 'SPU_INDEX: "7"'),
        ({"SPU_INDEX": "fluvio-spg-main-x"}, "SPU_INDEX"),
        ({"SPU_INDEX": "main-1", "SPU_MIN": "-1"}, 'SPU_MIN: "-1"'),
        ({"SPU_INDEX": "main-1", "SPU_MIN": "2147483647"}, "id 2147483648"),
        ({"FLV_SPU_ID": "-1"}, "id -1"),
        ({"FLV_SPU_ID": "1", "FLV_LOG_SIZE": "10 Gi"}, '"10 Gi" is no size'),
        ({"FLV_SPU_ID": "1", "FLV_LOG_LEVEL": "loud"}, "FLV_LOG_LEVEL"),
        ({"FLV_SPU_ID": "1", "FLV_LOG_FORMAT": "xml"}, "FLV_LOG_FORMAT"),
        ({"FLV_SPU_ID": "1", "FLV_SPU_UMASK": "8"}, '"8" is no umask'),
        ({"FLV_SPU_ID": "1", "FLV_SPU_HTTP": "9100"}, "--http"),
        ({"FLV_SPU_ID": "1", "FLV_SC_PRIVATE_HOST": f"{'x' * 64}.svc:9004"}, "--sc"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(
    environment: dict[str, str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_config([], environment)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("1024", 1024),
        ("10Gi", 10 << 30),
        ("1.5Ki", 1536),
        (".5Mi", 1 << 19),
        ("500M", 500_000_000),
        ("1k", 1000),
        ("2E", 2 * 10**18),
        ("1Ei", 1 << 60),
        ("12e6", 12_000_000),
        ("1E3", 1000),
        ("1500e-1", 150),
        ("0.3", 1),
    ],
)
def test_sizes_are_read_as_kubernetes_reads_them(text: str, size_bytes: int) -> None:
    assert parse_quantity(text) == size_bytes


@pytest.mark.parametrize("text", ["", "Gi", "10GB", "10K", "-1", "1e", "1e400", "ten", "1Gi ", "."])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("environment", "level"),
    [
        ({}, "INFO"),
        ({"RUST_LOG": "debug"}, "DEBUG"),
        ({"RUST_LOG": "trace"}, "DEBUG"),
        ({"RUST_LOG": "WARN"}, "WARNING"),
        ({"RUST_LOG": "off"}, "ERROR"),
        ({"RUST_LOG": "tokio=off, warn,fluvio_spu=debug"}, "WARNING"),
        ({"RUST_LOG": "fluvio_spu=debug"}, "INFO"),
        ({"RUST_LOG": "debug", "FLV_LOG_LEVEL": "error"}, "ERROR"),
    ],
)
def test_the_level_is_ours_else_that_of_rust_log(environment: dict[str, str], level: str) -> None:
    assert parse_config(["--id", "1"], environment).log_level == level


def test_a_pod_as_the_operator_makes_it() -> None:
    arguments = [
        *("--sc-addr", "fluvio-sc-internal.stream.svc.cluster.local:9004"),
        *("--log-base-dir", "/var/lib/fluvio/data", "--log-size", "10Gi"),
        *("--public", "0.0.0.0:9005", "--private", "0.0.0.0:9006", "--http", "0.0.0.0:9100"),
    ]
    environment = {
        **POD,
        "RUST_LOG": "info",
        "FLV_LOG_FORMAT": "json",
        "FLV_SPU_UMASK": "007",
        "FLV_LOG_INDEX_MAX_BYTES": "4096",
        "FLV_LOG_INDEX_MAX_INTERVAL_BYTES": "512",
        "FLV_PEER_MAX_BYTES": "1000000",
        "FLV_SMART_ENGINE_MAX_MEMORY_BYTES": "268435456",
    }
    assert parse_config(arguments, environment) == SpuConfig(
        spu_id=parse_config([], POD).spu_id,
        public=Address("0.0.0.0", 9005),
        private=Address("0.0.0.0", 9006),
        http=Address("0.0.0.0", 9100),
        controller=Address("fluvio-sc-internal.stream.svc.cluster.local", 9004),
        log_base_dir="/var/lib/fluvio/data",
        log_size_bytes=10 << 30,
        index_size_bytes_max=4096,
        index_interval_bytes=512,
        log_level="INFO",
        log_format="json",
        umask=0o007,
        smart_engine_memory_bytes_max=256 << 20,
        without_effect=("FLV_PEER_MAX_BYTES",),
    )


def test_what_bounds_modules_is_said_by_flags_too() -> None:
    words = {
        "--smart-engine-max-memory-bytes": "64Mi",
        "--smart-engine-total-memory-bytes": "1Gi",
        "--smart-engine-call-ms-max": "250",
        "--smart-engine-workers": "2",
        "--smart-engine-fuel": "on",
        "--smart-engine-cache-dir": "/cache",
    }
    arguments = [word for pair in words.items() for word in pair]
    found = parse_config(["--id", "1", *arguments], {"FLV_SMART_ENGINE_CALL_MS_MAX": "9"})
    assert found.smart_engine_memory_bytes_max == 64 << 20
    assert found.smart_engine_total_memory_bytes_max == 1 << 30
    assert found.smart_engine_call_ms_max == 250
    assert found.smart_engine_worker_count == 2
    assert found.smart_engine_fuel
    assert found.smart_engine_cache_dir == "/cache"


@pytest.mark.parametrize(
    "name",
    [
        "FLV_SMART_ENGINE_MAX_MEMORY_BYTES",
        "FLV_SMART_ENGINE_CALL_MS_MAX",
        "FLV_SMART_ENGINE_WORKERS",
    ],
)
@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_bounds_that_leave_nothing_are_refused(
    capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    with pytest.raises(SystemExit):
        parse_config(["--id", "1"], {name: text})
    assert "--smart-engine-" in capsys.readouterr().err


def test_a_process_without_modules_does_not_load_the_engine() -> None:
    look = "import sys, fluvio_spu.__main__, fluvio_spu.app; print('wasmtime' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "False"


@pytest.mark.asyncio
async def test_the_sizes_of_indexes_may_change_from_one_start_to_the_next(
    spu_factory: Any, assignment: Any, batch: Any, values: Any
) -> None:
    """They say how logs are written from now on, and nothing of what is there."""
    written: list[str] = []
    for size_bytes, interval_bytes in [(16, 1), (4096, 100_000), (8, 1), (None, None)]:
        async with AsyncExitStack() as stack:
            spu = await spu_factory.start(
                assignment(),
                stack=stack,
                index_size_bytes_max=size_bytes,
                index_interval_bytes=interval_bytes,
            )
            client = await spu.client()
            for _ in range(10):
                written.append(f"{len(written)}")
                assert (await client.produce("t", batch(written[-1]))).base_offset == (
                    len(written) - 1
                )
            read: list[tuple[int, str]] = []
            while len(read) < len(written):
                found = spu.replica().read(len(read), committed=True, max_bytes=1)
                read += values(bytes(found.view()))
            assert read == list(enumerate(written))
    assert 8 in index_sizes(spu_factory.data_dir)


def index_sizes(directory: Path) -> set[int]:
    return {path.stat().st_size for path in directory.rglob("*.index")}
