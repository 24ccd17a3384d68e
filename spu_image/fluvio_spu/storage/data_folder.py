"""Which life the data of this SPU is in: a number that changes when records may have been lost.

    <replica_dir>/.identity     Big-endian.
    |  0 | magic           8 bytes  "FLVDATA1"
    |  8 | incarnation         i64  of the data
    | 16 | running              u8  1 from the start of a process to its clean stop
    | 17 | acks wait            u8  1: records were only acknowledged when they were on disk
    | 18 | inherited            u8  1: a killed process left records that nobody has synced since
    | 19 | boot identity  36 bytes  of the machine, zero padded; empty when it has none
    | 55 | checksum            u32  CRC-32C of everything before

Called by `app.py`: opened before the first log is, closed after the last one. While the machine is
up, a killed process loses nothing that it wrote. So records can only be missing when a process did
not stop cleanly, did not wait for syncs, and the machine is not the same boot any more; or when a
log turns out to be damaged. Then the data gets a new incarnation, and the controller no longer
counts what the old one was known to hold.
A file that is not there was never written: a first start. One that is not whole tells nothing, and
counts as a loss.
"""

import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto

from fluvio_protocol.record.checksum import crc32c
from fluvio_spu.storage.data_file import LOG_SUFFIX
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.durable_file import directory_of, replace_durably, sync_file
from fluvio_spu.storage.errors import StorageError, is_out_of_space, storage_error

IDENTITY_FILE = ".identity"
INCARNATION_MAX = (1 << 62) - 1

_log = logging.getLogger(__name__)

_MAGIC = b"FLVDATA1"
_IDENTITY = struct.Struct(">8sq???36s")
_CHECKSUM = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class OpenedDataFolder:
    """What a start found.

    may_have_lost: records that were acknowledged by an earlier process may be missing
    """

    incarnation: int
    may_have_lost: bool


class _NoIdentity(Enum):
    """Why a folder does not say who it is."""

    MISSING = auto()
    BROKEN = auto()


@dataclass(frozen=True, slots=True)
class _Identity:
    """The contents of the file."""

    incarnation: int
    running: bool
    acks_wait: bool
    inherited: bool
    boot_identity: bytes

    def encode(self) -> bytes:
        content = _IDENTITY.pack(
            _MAGIC,
            self.incarnation,
            self.running,
            self.acks_wait,
            self.inherited,
            self.boot_identity,
        )
        return content + _CHECKSUM.pack(crc32c(content))


def open_data_folder(
    disk: Disk, replica_dir: str, *, acks_wait: bool, new_incarnation: Callable[[], int]
) -> OpenedDataFolder:
    """Learn what became of the data, and note durably that a process uses it; made when missing.

    acks_wait:       whether this process acknowledges records only when they are on disk
    new_incarnation: a random number from 1 to INCARNATION_MAX
    Raises OutOfStorage, StorageError.
    """
    try:
        _make_directory(disk, replica_dir)
        found = _read(disk, replica_dir)
        boot_identity = disk.boot_identity()
        now = _next_life(
            found, acks_wait=acks_wait, boot_identity=boot_identity, new_incarnation=new_incarnation
        )
        _write(disk, replica_dir, now, is_there=isinstance(found, _Identity))
    except OSError as error:
        raise storage_error(error, f"opening {replica_dir}") from error
    is_new = not isinstance(found, _Identity) or found.incarnation != now.incarnation
    may_have_lost = is_new and found is not _NoIdentity.MISSING
    if is_new:
        _log.log(
            logging.WARNING if may_have_lost else logging.INFO,
            "event=data_incarnation_began incarnation=%d may_have_lost=%s",
            now.incarnation,
            may_have_lost,
        )
    return OpenedDataFolder(now.incarnation, may_have_lost)


class DataFolder:
    """Which life of its data a running process has; another one begins when records were lost."""

    def __init__(
        self, disk: Disk, replica_dir: str, incarnation: int, new_incarnation: Callable[[], int]
    ) -> None:
        self._disk = disk
        self._replica_dir = replica_dir
        self._new_incarnation = new_incarnation
        self.incarnation = incarnation

    def begin_new_life(self, ended: int, reason: str) -> None:
        """Records that others count on are lost, or will be: durably another incarnation from here.

        ended: the incarnation that is over; when it is already, nothing is done
        Raises OutOfStorage, StorageError.
        """
        if self.incarnation != ended:
            return
        try:
            found = _read(self._disk, self._replica_dir)
            if not isinstance(found, _Identity):
                raise StorageError(f"{self._replica_dir}: nobody can tell whose data this is")
            now = replace(found, incarnation=_checked(self._new_incarnation()))
            _write(self._disk, self._replica_dir, now, is_there=True)
        except OSError as error:
            raise storage_error(error, f"noting a loss in {self._replica_dir}") from error
        self.incarnation = now.incarnation
        _log.warning(
            "event=data_incarnation_began incarnation=%d may_have_lost=True reason=%s",
            now.incarnation,
            reason,
        )


def close_data_folder(disk: Disk, replica_dir: str, *, all_durable: bool = True) -> None:
    """Note a clean stop: everything that was acknowledged is on disk, whatever comes.

    For after all logs were closed. May take long when an earlier process was killed, as folders
    that nobody opened since have to be synced. Never raises for the disk: what cannot be noted
    makes the next start more careful.
    all_durable: whether every log could be synced when it was closed; if not, nothing is noted
    """
    try:
        identity = _read(disk, replica_dir)
        if not isinstance(identity, _Identity) or not all_durable:
            _log.warning("event=data_folder_closed_uncleanly all_durable=%s", all_durable)
            return
        if identity.inherited:
            _sync_logs(disk, replica_dir)
        stopped = replace(identity, running=False, inherited=False)
        _write(disk, replica_dir, stopped, is_there=True)
    except OSError as error:
        _log.warning("event=data_folder_closed_uncleanly error=%s", error)


def _next_life(
    found: _Identity | _NoIdentity,
    *,
    acks_wait: bool,
    boot_identity: bytes,
    new_incarnation: Callable[[], int],
) -> _Identity:
    inherited = False
    incarnation = None
    if isinstance(found, _Identity):
        same_boot = bool(boot_identity) and found.boot_identity == boot_identity
        unsynced = found.running and (found.inherited or not found.acks_wait)
        if same_boot or not unsynced:
            incarnation = found.incarnation
            inherited = unsynced
    if incarnation is None:
        incarnation = _checked(new_incarnation())
    return _Identity(
        incarnation,
        running=True,
        acks_wait=acks_wait,
        inherited=inherited,
        boot_identity=boot_identity,
    )


def _checked(incarnation: int) -> int:
    if not 0 < incarnation <= INCARNATION_MAX:
        raise ValueError(f"incarnation {incarnation} is not within 1 and {INCARNATION_MAX}")
    return incarnation


def _read(disk: Disk, replica_dir: str) -> _Identity | _NoIdentity:
    """What the file says, or that there is none, or no whole one. Raises OSError."""
    try:
        content = disk.read_file(
            f"{replica_dir}/{IDENTITY_FILE}", _IDENTITY.size + _CHECKSUM.size + 1
        )
    except FileNotFoundError:
        return _NoIdentity.MISSING
    if len(content) != _IDENTITY.size + _CHECKSUM.size or not content.startswith(_MAGIC):
        return _NoIdentity.BROKEN
    (checksum,) = _CHECKSUM.unpack_from(content, _IDENTITY.size)
    if crc32c(content[: _IDENTITY.size]) != checksum:
        return _NoIdentity.BROKEN
    _, incarnation, running, acks_wait, inherited, boot = _IDENTITY.unpack_from(content)
    return _Identity(incarnation, running, acks_wait, inherited, boot.rstrip(b"\0"))


def _write(disk: Disk, replica_dir: str, identity: _Identity, *, is_there: bool) -> None:
    """Replace the file; on a full disk write over the one there is, which needs no space.

    It is far shorter than a sector, so a power cut does not tear it. Raises OSError.
    """
    path = f"{replica_dir}/{IDENTITY_FILE}"
    try:
        replace_durably(disk, path, identity.encode())
    except OSError as error:
        if not is_there or not is_out_of_space(error):
            raise
        disk.overwrite_file(path, identity.encode())
        sync_file(disk, path)


def _make_directory(disk: Disk, path: str) -> None:
    try:
        disk.list_directory(path)
    except FileNotFoundError:
        disk.make_directory(path)
        disk.sync_directory(directory_of(path))


def _sync_logs(disk: Disk, replica_dir: str) -> None:
    """Make every log in the folder durable, open or not. Raises OSError."""
    for folder in disk.list_directory(replica_dir):
        if folder.startswith("."):
            continue
        directory = f"{replica_dir}/{folder}"
        with suppress(FileNotFoundError, NotADirectoryError):
            for name in disk.list_directory(directory):
                if name.endswith(LOG_SUFFIX):
                    with suppress(FileNotFoundError):  # retention took it in the meantime
                        sync_file(disk, f"{directory}/{name}")
            disk.sync_directory(directory)
    disk.sync_directory(replica_dir)
