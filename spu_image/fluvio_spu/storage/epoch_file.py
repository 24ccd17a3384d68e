"""Which leadership wrote which offsets of a partition, on disk beside its segments.

    leader-epochs      ours alone; upstream does not look at it.  Big-endian.
    |   0 | magic      8 bytes  "FLVEPOC1"
    |   8 | entries        u32  how many follow
    |  12 | entry     16 bytes  epoch i64, first offset i64; oldest first
    |     | checksum       u32  CRC-32C of everything before

Called by `replica/`, in a worker thread. An entry is durable before the first record of its epoch
is appended; so it may describe offsets that the log never got, and whoever reads it leaves those
out. What the entries mean is for `replication/` to know.
"""

import struct

from fluvio_protocol.record.checksum import crc32c
from fluvio_protocol.spu_private.replication import EpochStart
from fluvio_protocol.types import LeaderEpoch, Offset
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.durable_file import replace_durably
from fluvio_spu.storage.errors import storage_error

EPOCH_FILE = "leader-epochs"
EPOCHS_MAX = 10_000
"""160 kB. Each of them gave at least one record that is still kept."""

_MAGIC = b"FLVEPOC1"
_HEAD = struct.Struct(">8sI")
_ENTRY = struct.Struct(">qq")
_CHECKSUM = struct.Struct(">I")
_SIZE_BYTES_MAX = _HEAD.size + EPOCHS_MAX * _ENTRY.size + _CHECKSUM.size


def write_epochs(disk: Disk, directory: str, entries: tuple[EpochStart, ...]) -> None:
    """Replace the file, and return when that is durable; after a crash it is the old or the new.

    Raises ValueError for more than EPOCHS_MAX; OutOfStorage, StorageError.
    """
    if len(entries) > EPOCHS_MAX:
        raise ValueError(f"{len(entries)} leader epochs in {directory}: at most {EPOCHS_MAX}")
    content = _HEAD.pack(_MAGIC, len(entries))
    content += b"".join([_ENTRY.pack(entry.epoch, entry.offset) for entry in entries])
    content += _CHECKSUM.pack(crc32c(content))
    path = f"{directory}/{EPOCH_FILE}"
    try:
        replace_durably(disk, path, content)
    except OSError as error:
        raise storage_error(error, f"writing {path}") from error


def read_epochs(disk: Disk, directory: str) -> tuple[EpochStart, ...] | None:
    """What the file says; empty when there is no file, since then no leadership was ever noted.

    None when there is one that is not whole: who wrote the log is then not known.
    Raises StorageError.
    """
    path = f"{directory}/{EPOCH_FILE}"
    try:
        content = disk.read_file(path, _SIZE_BYTES_MAX + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise storage_error(error, f"reading {path}") from error
    return _decode(content)


def _decode(content: bytes) -> tuple[EpochStart, ...] | None:
    end = len(content) - _CHECKSUM.size
    if not _HEAD.size <= end <= _SIZE_BYTES_MAX - _CHECKSUM.size:
        return None
    magic, count = _HEAD.unpack_from(content)
    (checksum,) = _CHECKSUM.unpack_from(content, end)
    if magic != _MAGIC or end != _HEAD.size + count * _ENTRY.size:
        return None
    if crc32c(content[:end]) != checksum:
        return None
    return tuple(
        EpochStart(epoch=LeaderEpoch(epoch), offset=Offset(offset))
        for epoch, offset in _ENTRY.iter_unpack(content[_HEAD.size : end])
    )
