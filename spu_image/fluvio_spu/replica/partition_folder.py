"""A partition's folder on disk: whose data it holds, and how it goes away.

    <replica_dir>/<topic>-<partition>/            one log
        partition.uid                             identity of the partition object, as text
    <replica_dir>/.removed/<name>.<number>/       on its way out

The identity is on disk before the first record, so a folder with data and without identity was
made by a real Fluvio, and is adopted. One whose identity is not whole (the power went while it was
written) has no record yet, and counts as one without. Removing begins with a rename: after a crash
a folder is there as a whole or not at all. Everything here blocks; it runs in worker threads.
"""

import itertools
import logging
import re

from fluvio_protocol.types import ReplicaKey
from fluvio_spu.replica.errors import ReplicaError
from fluvio_spu.storage import Disk
from fluvio_spu.storage.durable_file import replace_durably

_log = logging.getLogger(__name__)

UID_FILE = "partition.uid"
REMOVED_FOLDER = ".removed"
_UID_SIZE_BYTES_MAX = 4096
_SAFE_TOPIC = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_number = itertools.count()


class UnsafeTopicName(ReplicaError):
    """A topic whose name cannot be a folder's."""


def partition_directory(replica_dir: str, key: ReplicaKey) -> str:
    """Where the log of `key` is. Raises UnsafeTopicName rather than leave `replica_dir`."""
    if not _SAFE_TOPIC.fullmatch(key.topic):
        raise UnsafeTopicName(f'topic "{key.topic}" cannot be kept in a folder of that name')
    return f"{replica_dir}/{key}"


def claim(disk: Disk, replica_dir: str, key: ReplicaKey, uid: str) -> str | None:
    """Make sure that the folder of `key` holds data of `uid` or none, and says so.

    Returns where data of another identity was moved, for `remove_folder`; None when there was
    none. An empty `uid` claims whatever is there.
    """
    directory = partition_directory(replica_dir, key)
    found = read_uid(disk, directory)
    moved = None
    if uid and found is not None and found != uid:
        _log.warning("event=replica_replaced replica=%s old_uid=%s uid=%s", key, found, uid)
        moved = move_aside(disk, replica_dir, key)
        found = None
    if found is None:
        disk.make_directory(directory)
        if uid:
            replace_durably(disk, f"{directory}/{UID_FILE}", f"{uid}\n".encode())
            disk.sync_directory(replica_dir)
    return moved


def read_uid(disk: Disk, directory: str) -> str | None:
    """The identity a folder claims to have; None when it has no whole one, or does not exist."""
    try:
        content = disk.read_file(f"{directory}/{UID_FILE}", _UID_SIZE_BYTES_MAX)
    except FileNotFoundError:
        return None
    if not content.endswith(b"\n"):
        return None
    return content.decode(errors="replace").strip() or None


def move_aside(disk: Disk, replica_dir: str, key: ReplicaKey) -> str | None:
    """Take the folder of `key` away from its name, at once; None when there is none."""
    removed = f"{replica_dir}/{REMOVED_FOLDER}"
    disk.make_directory(removed)
    taken = set(disk.list_directory(removed))
    name = next(name for number in _number if (name := f"{key}.{number}") not in taken)
    target = f"{removed}/{name}"
    try:
        disk.rename(partition_directory(replica_dir, key), target)
    except FileNotFoundError:
        return None
    disk.sync_directory(replica_dir)
    return target


def remove_partition(disk: Disk, replica_dir: str, key: ReplicaKey, uid: str) -> None:
    """Delete the folder of `key`, unless it holds data of an identity other than `uid`."""
    found = read_uid(disk, partition_directory(replica_dir, key))
    if uid and found is not None and found != uid:
        _log.warning("event=removal_refused replica=%s found_uid=%s uid=%s", key, found, uid)
        return
    moved = move_aside(disk, replica_dir, key)
    if moved is not None:
        remove_folder(disk, moved)


def remove_folder(disk: Disk, directory: str) -> None:
    """Delete a folder that was moved aside, with everything in it."""
    for name in disk.list_directory(directory):
        try:
            disk.unlink(f"{directory}/{name}")
        except FileNotFoundError:  # an expired segment, whose own deletion was quicker
            continue
    disk.remove_directory(directory)


def remove_leftovers(disk: Disk, replica_dir: str) -> None:
    """Finish removals that a stop of the process cut short. Run before any other removal."""
    removed = f"{replica_dir}/{REMOVED_FOLDER}"
    try:
        names = disk.list_directory(removed)
    except FileNotFoundError:
        return
    for name in names:
        _log.info("event=leftover_removed folder=%s", name)
        remove_folder(disk, f"{removed}/{name}")
