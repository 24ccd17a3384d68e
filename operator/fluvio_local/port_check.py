"""Are the ports of a cluster free, and if not, who has them? Blocks; called before a start.

The owner is looked up in /proc, which tells only about processes of the same user; for others
the port is named alone.
"""

import errno
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fluvio_local.cluster_files import Address


@dataclass(frozen=True, slots=True)
class BusyPort:
    """A port that cannot be listened on."""

    address: Address
    reason: str
    pid: int | None = None
    command: str = ""

    def __str__(self) -> str:
        if self.pid is not None:
            return f"port {self.address.port} is in use by process {self.pid} ({self.command})"
        return f"port {self.address.port} {self.reason}"


def find_busy(addresses: Iterable[Address]) -> tuple[BusyPort, ...]:
    """Those of the addresses that cannot be listened on now."""
    return tuple(busy for address in addresses if (busy := _try(address)) is not None)


def _try(address: Address) -> BusyPort | None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen(1)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return BusyPort(address, f"of {address.host} cannot be used: {error.strerror}")
        else:
            return None
    pid = _listening_pid(address.port)
    if pid is None:
        return BusyPort(address, "is in use by another program")
    return BusyPort(address, "is in use", pid, _command(pid))


def _listening_pid(port: int) -> int | None:
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            descriptors = list((process / "fd").iterdir())
        except OSError:  # ended, or of another user
            continue
        for descriptor in descriptors:
            try:
                if os.readlink(descriptor) in wanted:
                    return int(process.name)
            except OSError:
                continue
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            local, state, inode = columns[1], columns[3], columns[9]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:  # 0A: listening
                inodes.add(inode)
    return inodes


def _command(pid: int) -> str:
    try:
        words = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "ended meanwhile"
    text = " ".join(word.decode("utf-8", "replace") for word in words if word)
    return text if len(text) <= 100 else text[:97] + "..."
