"""The real disk: what the fake one pretends, seen on this machine's file system."""

import errno
import os
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from log_twin import as_input, make_batch

from fluvio_protocol.types import Offset
from fluvio_spu.storage import Log, LogConfig, LogFailed, OsDisk


@pytest.fixture
def os_disk() -> OsDisk:
    return OsDisk()


def test_a_mapping_shows_what_is_written_later(os_disk: OsDisk, tmp_path: Path) -> None:
    fd = os_disk.open(f"{tmp_path}/file", writable=True, create=True)
    os_disk.write_at(fd, [b"hello"], 0)
    mapping = os_disk.map(fd, 1 << 20)
    assert bytes(mapping.view(0, 5)) == b"hello"
    os_disk.write_at(fd, [b", ", b"world" * 2000], 5)
    view = mapping.view(5, 10_002)
    assert bytes(view) == b", " + b"world" * 2000
    assert view.readonly
    assert mapping.close() is False
    os_disk.close(fd)
    assert bytes(view[:4]) == b", wo", "a view keeps the memory, whatever else is closed"
    del view
    assert mapping.close() is True


def test_a_mapping_without_help_of_the_system(
    os_disk: OsDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os_disk, "_mmap", None)
    monkeypatch.setattr(os_disk, "_fallocate", None)
    log = Log.open(os_disk, f"{tmp_path}/topic-0", LogConfig())
    for number in range(50):
        batch = make_batch(1, payload_size=100_000, fill=number)
        log.append(as_input([batch]))
        piece = log.read(Offset(number), end=Offset(number + 1), max_bytes=1)
        assert piece is not None
        assert bytes(piece.view()) == bytes(batch)


def test_mapping_what_cannot_be_mapped(os_disk: OsDisk, tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match=os.strerror(errno.ENODEV)):
            os_disk.map(fd, 4096)
    finally:
        os.close(fd)


def test_preallocation_does_not_change_the_size(os_disk: OsDisk, tmp_path: Path) -> None:
    fd = os_disk.open(f"{tmp_path}/file", writable=True, create=True)
    os_disk.write_at(fd, [b"x" * 5000], 0)
    if not os_disk.preallocate(fd, 5000, 1 << 20):
        pytest.skip("this file system cannot preallocate")
    assert os_disk.size(fd) == 5000
    assert os.fstat(fd).st_blocks * 512 >= 1 << 20
    os_disk.truncate(fd, 5000)
    assert os.fstat(fd).st_blocks * 512 < 1 << 20
    os_disk.close(fd)


def test_small_files(os_disk: OsDisk, tmp_path: Path) -> None:
    path = f"{tmp_path}/file"
    os_disk.write_file(path, b"abc", position=2, size_bytes=10)
    assert os_disk.read_file(path, 100) == b"\0\0abc\0\0\0\0\0"
    os_disk.write_file(path, b"", position=0, size_bytes=4)
    assert os_disk.read_file(path, 100) == b"\0\0ab"
    os_disk.replace_file(path, b"new")
    assert os_disk.read_file(path, 2) == b"ne"
    assert sorted(os_disk.list_directory(str(tmp_path))) == ["file"]
    assert os_disk.status(path).size_bytes == 3
    os_disk.sync_directory(str(tmp_path))
    assert os_disk.free_bytes(str(tmp_path)) > 0
    assert os_disk.boot_identity() == OsDisk().boot_identity()


def test_a_log_on_it(os_disk: OsDisk, tmp_path: Path) -> None:
    directory = f"{tmp_path}/logs/topic-0"
    config = LogConfig(segment_size_bytes_max=4 << 20)
    log = Log.open(os_disk, directory, config)
    content = b""
    for number in range(100):
        batches = [make_batch(2, payload_size=50_000, fill=number + one) for one in range(2)]
        log.append(as_input(batches))
        content += b"".join(bytes(one) for one in batches)
    log.sync_handle().run()
    log.set_high_watermark(Offset(400))
    reserved = sum(one.stat().st_blocks * 512 for one in Path(directory).glob("*.log"))
    assert len(content) <= reserved <= 2 * len(content) + (1 << 20), "preallocated within reason"
    log.close()
    reserved = sum(one.stat().st_blocks * 512 for one in Path(directory).glob("*.log"))
    assert reserved <= len(content) + (1 << 16), "and trimmed"
    log = Log.open(os_disk, directory, config)
    assert log.recovery.clean
    assert log.recovery.walked_bytes == 0
    assert (log.end_offset, log.high_watermark) == (400, 400)
    found = b""
    offset = Offset(0)
    while piece := log.read(offset, end=log.end_offset, max_bytes=1 << 20):
        found += bytes(piece.view())
        assert os.pread(piece.fd, piece.size_bytes, piece.position) == bytes(piece.view())
        offset = piece.next_offset
    assert found == content
    del piece
    log.remove()
    assert list((tmp_path / "logs").iterdir()) == []


KILLED_WRITER = """
import os, signal, sys
from fluvio_spu.storage import Log, LogConfig, OsDisk
sys.path.insert(0, sys.argv[2])
from log_twin import as_input, make_batch
log = Log.open(OsDisk(), sys.argv[1], LogConfig(segment_size_bytes_max=100_000))
number = 0
while True:
    log.append(as_input([make_batch(3, payload_size=1000, fill=number)]))
    number += 1
    print(log.end_offset, flush=True)
"""


def test_kill_nine(os_disk: OsDisk, tmp_path: Path) -> None:
    """A process of its own appends and says so; it is killed; what it said is there."""
    directory = f"{tmp_path}/topic-0"
    acknowledged = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_WRITER, directory, str(Path(__file__).parent)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                acknowledged = int(line)
                if acknowledged % 700 < 3:
                    writer.kill()
            writer.wait()
        log = Log.open(os_disk, directory, LogConfig(segment_size_bytes_max=100_000))
        assert log.end_offset >= acknowledged > 0
        assert log.recovery.damaged == ()
        offset = Offset(0)
        while piece := log.read(offset, end=log.end_offset, max_bytes=50_000):
            offset = piece.next_offset
        assert offset == log.end_offset
        log.close()


def test_a_file_that_may_not_grow(os_disk: OsDisk, tmp_path: Path) -> None:
    """The system's own refusal, in the middle of a write; a limit on files is the nearest."""
    log = Log.open(os_disk, f"{tmp_path}/topic-0", LogConfig(index_size_bytes_max=4096))
    log.append(as_input([make_batch(2, payload_size=1000)]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(LogFailed, match=os.strerror(errno.EFBIG)):
            log.append(as_input([make_batch(2, payload_size=10_000)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert Path(f"{tmp_path}/topic-0/{0:020d}.log").stat().st_size == 1057
    assert log.end_offset == 2


def test_memory_of_a_partition(os_disk: OsDisk, tmp_path: Path) -> None:
    """4 KiB besides the index: a thousand partitions are ordinary."""
    config = LogConfig()
    Log.open(os_disk, f"{tmp_path}/warm-0", config).append(as_input([make_batch(1)]))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        logs = []
        for number in range(50):
            log = Log.open(os_disk, f"{tmp_path}/topic-{number}", config)
            for _ in range(500):
                log.append(as_input([make_batch(1)]))
            logs.append(log)
        each = (tracemalloc.get_traced_memory()[0] - before) / len(logs)
    finally:
        tracemalloc.stop()
    index = 8 * 500 * 77 // 4096
    assert each < 4096 + 2 * index, f"{each} bytes"


def test_a_thousand_quiet_partitions_reserve_nothing(os_disk: OsDisk, tmp_path: Path) -> None:
    log = Log.open(os_disk, f"{tmp_path}/topic-0", LogConfig())
    log.append(as_input([make_batch(1)]))
    used = sum(one.stat().st_blocks * 512 for one in Path(log.directory).iterdir())
    assert used <= 16 << 10
