"""What one SPU process is told at start: flags first, then environment, then defaults.

Built once by `__main__` and handed down; nothing reads the environment later. Names of variables
follow Fluvio's (`FLV_SPU_ID`, `FLV_LOG_BASE_DIR`, ...).
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fluvio_protocol.types import SpuId

MIB = 1 << 20
LOG_BASE_DIR_DEFAULT = "/var/lib/fluvio/data"
DURABILITY_DEFAULT = "page-cache"
EVENT_LOOPS = ("auto", "asyncio", "uvloop")


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port; port 0 lets the system choose when listening."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """`host:port`, with an IPv6 host in brackets. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise ValueError(f'"{text}" is no address: expected "host:port"')
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one client connection may hold; each bound protects the others."""

    streams_max: int = 4096
    """Open streams. A client cannot close one, so those it dropped count until it disconnects."""
    requests_pending_max: int = 1024
    """Answers that wait for something; the connection is not read while more are pending."""
    routes_max: int = 4096
    """Remembered (topic, partition) targets of produce requests."""
    fetch_bytes_max: int = 32 * MIB
    """Batches in one answer, whatever the client allows; one larger batch is still sent."""


@dataclass(frozen=True, slots=True)
class SpuConfig:
    """Everything an SPU process is told.

    spu_id:                identity in the cluster
    public, private:       where to listen for clients and for other SPUs
    controller:            door 9004 of the controller; None runs alone, as tests do
    log_base_dir:          data lives in `<log_base_dir>/spu-logs-<spu_id>/`
    durability:            `page-cache`, `group`, `group:<milliseconds>:<bytes>` or `every-batch`
    file_worker_count:     threads for file work that may block
    housekeeping_interval_ms: period of retention and checkpoints
    cold_read_distance_bytes: slices farther from the end of the log are read ahead off the loop
    sendfile_size_bytes_max: slices up to this size go out by sendfile instead of from a mapping;
                           0 turns it off
    event_loop:            `asyncio`, `uvloop`, or `auto` for uvloop where it is installed
    log_level, log_dir:    of the process's own log; without a folder it goes to stderr
    """

    spu_id: SpuId
    public: Address = Address("127.0.0.1", 9010)
    private: Address = Address("127.0.0.1", 9011)
    controller: Address | None = None
    log_base_dir: str = LOG_BASE_DIR_DEFAULT
    durability: str = DURABILITY_DEFAULT
    connections_max: int = 10_000
    session: SessionLimits = SessionLimits()
    file_worker_count: int = 4
    housekeeping_interval_ms: int = 1000
    cold_read_distance_bytes: int = 256 * MIB
    sendfile_size_bytes_max: int = 0
    event_loop: str = "auto"
    log_level: str = "INFO"
    log_dir: str | None = None

    @property
    def replica_dir(self) -> str:
        """The folder that holds one folder per partition."""
        return f"{self.log_base_dir.rstrip('/') or '/'}/spu-logs-{self.spu_id}"


def parse_config(arguments: Sequence[str], environment: Mapping[str, str]) -> SpuConfig:
    """Read flags and environment. Exits with a usage message, as command lines do."""
    parser = _parser(environment)
    found = parser.parse_args(arguments)
    if found.id is None:
        parser.error("--id is required (or FLV_SPU_ID)")
    if found.event_loop not in EVENT_LOOPS:  # argparse looks at flags alone, not at defaults
        parser.error(f"FLV_EVENT_LOOP: {found.event_loop!r} is none of {', '.join(EVENT_LOOPS)}")
    return SpuConfig(
        spu_id=SpuId(found.id),
        public=found.public,
        private=found.private,
        controller=found.sc,
        log_base_dir=found.log_base_dir,
        durability=found.durability,
        connections_max=found.connections_max,
        sendfile_size_bytes_max=found.sendfile_size_bytes_max,
        event_loop=found.event_loop,
        log_level=found.log_level.upper(),
        log_dir=found.log_dir,
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fluvio_spu", description="Run one streaming processing unit."
    )
    add = parser.add_argument
    add("--id", "-i", type=int, default=environment.get("FLV_SPU_ID"), help="identity of this SPU")
    add(
        "--public",
        "-p",
        type=Address.parse,
        default=environment.get("FLV_SPU_PUBLIC", "127.0.0.1:9010"),
        metavar="HOST:PORT",
        help="where clients connect (default %(default)s)",
    )
    add(
        "--private",
        "-v",
        type=Address.parse,
        default=environment.get("FLV_SPU_PRIVATE", "127.0.0.1:9011"),
        metavar="HOST:PORT",
        help="where other SPUs connect (default %(default)s)",
    )
    add(
        "--sc",
        "--sc-addr",
        type=Address.parse,
        default=environment.get("FLV_SC_PRIVATE_HOST"),
        metavar="HOST:PORT",
        help="private address of the controller",
    )
    add(
        "--log-base-dir",
        default=environment.get("FLV_LOG_BASE_DIR", LOG_BASE_DIR_DEFAULT),
        metavar="DIR",
        help="where partitions are kept (default %(default)s)",
    )
    add(
        "--durability",
        default=environment.get("FLV_DURABILITY", DURABILITY_DEFAULT),
        metavar="POLICY",
        help="page-cache, group, group:<ms>:<bytes> or every-batch (default %(default)s)",
    )
    add(
        "--connections-max",
        type=int,
        default=environment.get("FLV_SPU_CONNECTIONS_MAX", 10_000),
        help="client connections at a time (default %(default)s)",
    )
    add(
        "--sendfile-size-bytes-max",
        type=int,
        default=environment.get("FLV_SPU_SENDFILE_SIZE_BYTES_MAX", 0),
        help="send slices up to this size by sendfile (default %(default)s: from a mapping)",
    )
    add(
        "--event-loop",
        default=environment.get("FLV_EVENT_LOOP", "auto"),
        choices=EVENT_LOOPS,
        help="what waits for sockets; auto is uvloop where it is installed (default %(default)s)",
    )
    add(
        "--log-level",
        default=environment.get("FLV_LOG_LEVEL", "INFO"),
        type=str.upper,
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="of the process's own log (default %(default)s)",
    )
    add(
        "--log-dir",
        default=environment.get("FLV_LOG_DIR"),
        metavar="DIR",
        help="write the process's own log to spu_<id>.log in this folder",
    )
    return parser
