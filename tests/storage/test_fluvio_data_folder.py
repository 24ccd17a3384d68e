"""A folder that Fluvio 0.18 wrote: it opens, gives every record back, and goes on.

`data/fluvio-data-folder.tar.gz` holds two partitions of 1,500 records from a local cluster of
Fluvio's own, after a clean shutdown: `c-none-0` in three segments, `c-gzip-0` in one. Record i has
key `k<i mod 17>` and value `record <i> of codec <codec>, ` with `abcdefghij` (i mod 13) times.
"""

import tarfile
from pathlib import Path

import pytest
from log_twin import as_input, make_batch

from fluvio_protocol.record.record_set import decode_record_set
from fluvio_protocol.types import Offset
from fluvio_spu.storage import Log, LogConfig, OsDisk

ARCHIVE = Path(__file__).parent / "data" / "fluvio-data-folder.tar.gz"
RECORD_COUNT = 1500
CONFIG = LogConfig(segment_size_bytes_max=65536)
INDEX_SIZE = 10 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def partition(folder: Path, codec: str) -> Path:
    spu = {"none": "spu-logs-5002", "gzip": "spu-logs-5001"}[codec]
    return folder / spu / f"c-{codec}-0"


def read_records(log: Log, *, max_bytes: int) -> list[tuple[int, bytes | None, bytes]]:
    found = []
    offset = log.start_offset
    while piece := log.read(offset, end=log.end_offset, max_bytes=max_bytes):
        for header, records in decode_record_set(piece.view(), size_bytes_max=1 << 20):
            base = header.base_offset
            found += [(base + place, one.key, one.value) for place, one in enumerate(records)]
        offset = piece.next_offset
    return found


def expected_records(codec: str) -> list[tuple[int, bytes | None, bytes]]:
    return [
        (
            number,
            b"k%d" % (number % 17),
            b"record %d of codec %s, " % (number, codec.encode()) + b"abcdefghij" * (number % 13),
        )
        for number in range(RECORD_COUNT)
    ]


@pytest.mark.parametrize("codec", ["none", "gzip"])
@pytest.mark.parametrize("max_bytes", [1, 20_000, 1 << 20])
def test_every_record_comes_back(folder: Path, codec: str, max_bytes: int) -> None:
    log = Log.open(OsDisk(), str(partition(folder, codec)), CONFIG)
    assert log.recovery.clean
    assert (log.start_offset, log.end_offset, log.high_watermark) == (0, 1500, 1500)
    assert read_records(log, max_bytes=max_bytes) == expected_records(codec)


def test_its_segments_and_size_are_what_fluvio_says(folder: Path) -> None:
    """148511 is what its partition resource reported: logs and used index entries."""
    log = Log.open(OsDisk(), str(partition(folder, "none")), CONFIG)
    assert log.segment_count == 3
    assert log.size_bytes == 148_511


@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_appending_goes_on_and_survives_a_restart(folder: Path, codec: str) -> None:
    directory = partition(folder, codec)
    log = Log.open(OsDisk(), str(directory), CONFIG)
    batches = [make_batch(3, payload_size=5000, fill=number) for number in range(40)]
    for batch in batches:
        log.append(as_input([batch]))
    assert log.end_offset == 1500 + 3 * 40
    log.close()
    again = Log.open(OsDisk(), str(directory), CONFIG)
    assert again.recovery.clean
    assert again.recovery.walked_bytes == 0
    offset = Offset(0)
    content = b""
    while piece := again.read(offset, end=again.end_offset, max_bytes=1 << 20):
        content += bytes(piece.view())
        offset = piece.next_offset
    assert offset == again.end_offset
    assert content.endswith(b"".join(bytes(batch) for batch in batches))


def test_what_we_write_beside_it_is_what_fluvio_writes(folder: Path, tmp_path: Path) -> None:
    """The same batches appended to a log of ours give the same files, index and all."""
    theirs = partition(folder, "none")
    ours = tmp_path / "ours-0"
    log = Log.open(OsDisk(), str(ours), CONFIG)
    source = Log.open(OsDisk(), str(theirs), CONFIG)
    offset = Offset(0)
    while piece := source.read(offset, end=source.end_offset, max_bytes=1):
        log.append(as_input([bytearray(piece.view())]))
        offset = piece.next_offset
    log.set_high_watermark(log.end_offset)
    log.close()
    for name in sorted(one.name for one in theirs.iterdir() if one.name != "tail.checkpoint"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    active_index = ours / "00000000000000001213.index"
    assert active_index.stat().st_size == INDEX_SIZE
    assert active_index.stat().st_blocks * 512 < 64 << 10, "the index file is not sparse"


def test_an_empty_high_watermark_file_counts_as_none(folder: Path) -> None:
    """Fluvio leaves one of no bytes for a partition that never had a record."""
    directory = partition(folder, "none")
    (directory / "replication.chk").write_bytes(b"")
    log = Log.open(OsDisk(), str(directory), CONFIG)
    assert log.high_watermark == 0, "nothing is said to be committed that may not be"
    assert log.end_offset == 1500
