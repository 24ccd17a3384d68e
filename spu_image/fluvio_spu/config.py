"""What one SPU process is told at start: flags first, then environment, then defaults.

Built once by `__main__` and handed down; nothing reads the environment later. Names of variables
follow Fluvio's (`FLV_SPU_ID`, `FLV_LOG_BASE_DIR`, ...), so a pod made for its SPU starts ours. In
a pod the id is not said: it is the number at the end of the pod's name, counted from its group's
lowest id. A variable that is empty counts as absent, as a manifest writes it.
"""

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fluvio_process.event_loop import EVENT_LOOPS
from fluvio_process.log import LOG_FORMATS, LOG_LEVELS, rust_log_level
from fluvio_protocol.types import SpuId

MIB = 1 << 20
LOG_BASE_DIR_DEFAULT = "/var/lib/fluvio/data"
DURABILITY_DEFAULT = "page-cache"
REPLICA_LAG_MS_MAX_DEFAULT = 5_000
SPU_ID_MAX = (1 << 31) - 1

SMART_ENGINE_MEMORY_BYTES_DEFAULT = 1 << 30
SMART_ENGINE_CALL_MS_DEFAULT = 5_000
SMART_ENGINE_WORKERS_DEFAULT = 4

WITHOUT_EFFECT = ("FLV_PEER_MAX_BYTES",)
"""Variables of Fluvio's SPU that bound what this one does not do: what a follower is sent is
bounded by its connection. They are taken, and the log says that they change nothing."""

_QUANTITY = re.compile(r"(\d+\.?\d*|\.\d+)(?:(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)|[eE]([+-]?\d{1,2}))?")
_BINARY = "KMGTPE"
_DECIMAL = "kMGTPE"


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
        host.encode("idna")  # a name that no resolver can be asked for, such as one with "a..b"
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_quantity(text: str) -> int:
    """Bytes of a Kubernetes quantity such as `10Gi`, `500M`, `1.5e9`. Raises ValueError."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is no size: expected a number of bytes, or one like "10Gi"')
    number, suffix, exponent = match.groups()
    factor = Fraction(1)
    if exponent:
        factor = Fraction(10) ** int(exponent)
    elif suffix and suffix.endswith("i"):
        factor = Fraction(1024) ** (_BINARY.index(suffix[0]) + 1)
    elif suffix:
        factor = Fraction(1000) ** (_DECIMAL.index(suffix) + 1)
    return math.ceil(Fraction(number) * factor)


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
    http:                  where health and metrics are asked for; None: nowhere
    metrics_socket:        path of a socket that gives the metrics on this machine; None: none
    log_base_dir:          data lives in `<log_base_dir>/spu-logs-<spu_id>/`
    log_size_bytes:        size of the volume as it was asked for; shown beside its real size,
                           and nothing else: retention is the topic's
    index_size_bytes_max, index_interval_bytes: of every log; None is the log's default
    durability:            `page-cache`, `group`, `group:<milliseconds>:<bytes>` or `every-batch`
    file_worker_count:     threads for file work that may block
    replica_lag_ms_max:    a follower that has not caught up for so long is no longer in sync
    catch_up_bytes_per_second: to each follower that is not in sync; 0 sends as fast as it goes
    housekeeping_interval_ms: period of retention and checkpoints
    cold_read_distance_bytes: slices farther from the end of the log are read ahead off the loop
    sendfile_size_bytes_max: slices up to this size go out by sendfile instead of from a mapping;
                           0 turns it off
    smart_engine_memory_bytes_max: of all modules of one chain together
    smart_engine_total_memory_bytes_max: of all chains of the process together; 0: half of what the
                             process may have, and 2 GiB at most
    smart_engine_call_ms_max: of one call of a module, with one batch
    smart_engine_worker_count: threads that run modules
    smart_engine_fuel:      whether instructions of modules are counted
    smart_engine_cache_dir: compiled modules are kept there; None keeps them in memory only
    event_loop:            `asyncio`, `uvloop`, or `auto` for uvloop where it is installed
    log_level, log_dir, log_format: of the process's own log; without a folder it goes to stderr,
                           `json` makes each entry an object on one line
    umask:                 permissions that new files do not get; None leaves the process's own
    without_effect:        variables that were set and change nothing
    """

    spu_id: SpuId
    public: Address = Address("127.0.0.1", 9010)
    private: Address = Address("127.0.0.1", 9011)
    controller: Address | None = None
    http: Address | None = None
    metrics_socket: str | None = None
    log_base_dir: str = LOG_BASE_DIR_DEFAULT
    log_size_bytes: int | None = None
    index_size_bytes_max: int | None = None
    index_interval_bytes: int | None = None
    durability: str = DURABILITY_DEFAULT
    connections_max: int = 10_000
    session: SessionLimits = SessionLimits()
    file_worker_count: int = 4
    replica_lag_ms_max: int = REPLICA_LAG_MS_MAX_DEFAULT
    catch_up_bytes_per_second: int = 0
    housekeeping_interval_ms: int = 1000
    cold_read_distance_bytes: int = 256 * MIB
    sendfile_size_bytes_max: int = 0
    smart_engine_memory_bytes_max: int = SMART_ENGINE_MEMORY_BYTES_DEFAULT
    smart_engine_total_memory_bytes_max: int = 0
    smart_engine_call_ms_max: int = SMART_ENGINE_CALL_MS_DEFAULT
    smart_engine_worker_count: int = SMART_ENGINE_WORKERS_DEFAULT
    smart_engine_fuel: bool = False
    smart_engine_cache_dir: str | None = None
    event_loop: str = "auto"
    log_level: str = "INFO"
    log_dir: str | None = None
    log_format: str = "text"
    umask: int | None = None
    without_effect: tuple[str, ...] = ()

    @property
    def replica_dir(self) -> str:
        """The folder that holds one folder per partition."""
        return f"{self.log_base_dir.rstrip('/') or '/'}/spu-logs-{self.spu_id}"


def parse_config(arguments: Sequence[str], environment: Mapping[str, str]) -> SpuConfig:
    """Read flags and environment. Exits with a usage message, as command lines do."""
    environment = {name: value for name, value in environment.items() if value}
    parser = _parser(environment)
    found = parser.parse_args(arguments)
    # argparse looks at the choices of flags alone, not at those of defaults.
    for name, value, choices in (
        ("FLV_EVENT_LOOP", found.event_loop, EVENT_LOOPS),
        ("FLV_LOG_LEVEL", found.log_level, LOG_LEVELS),
        ("FLV_LOG_FORMAT", found.log_format, LOG_FORMATS),
    ):
        if value not in choices:
            parser.error(f"{name}: {value!r} is none of {', '.join(choices)}")
    try:
        spu_id = found.id if found.id is not None else _id_of_pod(environment)
    except ValueError as error:
        parser.error(str(error))
    if spu_id is None:
        parser.error("--id is required (or FLV_SPU_ID, or SPU_INDEX in a pod)")
    if not 0 <= spu_id <= SPU_ID_MAX:
        parser.error(f"id {spu_id}: expected 0 to {SPU_ID_MAX}")
    return SpuConfig(
        spu_id=SpuId(spu_id),
        public=found.public,
        private=found.private,
        controller=found.sc,
        http=found.http,
        metrics_socket=found.metrics_socket,
        log_base_dir=found.log_base_dir,
        log_size_bytes=found.log_size,
        index_size_bytes_max=found.index_max_bytes,
        index_interval_bytes=found.index_max_interval_bytes,
        durability=found.durability,
        connections_max=found.connections_max,
        sendfile_size_bytes_max=found.sendfile_size_bytes_max,
        smart_engine_memory_bytes_max=found.smart_engine_max_memory_bytes,
        smart_engine_total_memory_bytes_max=found.smart_engine_total_memory_bytes,
        smart_engine_call_ms_max=found.smart_engine_call_ms_max,
        smart_engine_worker_count=found.smart_engine_workers,
        smart_engine_fuel=found.smart_engine_fuel == "on",
        smart_engine_cache_dir=found.smart_engine_cache_dir,
        replica_lag_ms_max=found.replica_lag_max_ms,
        catch_up_bytes_per_second=found.catch_up_rate,
        event_loop=found.event_loop,
        log_level=found.log_level,
        log_dir=found.log_dir,
        log_format=found.log_format,
        umask=found.umask,
        without_effect=tuple(name for name in WITHOUT_EFFECT if name in environment),
    )


def _id_of_pod(environment: Mapping[str, str]) -> int | None:
    """`SPU_INDEX=fluvio-spg-main-2` in a group with `SPU_MIN=100` is SPU 102; None: not a pod."""
    name = environment.get("SPU_INDEX")
    if name is None:
        return None
    _, dash, ordinal = name.rpartition("-")
    if not dash or not (ordinal.isascii() and ordinal.isdigit()):
        raise ValueError(f'SPU_INDEX: "{name}" does not end in "-" and a number')
    lowest = environment.get("SPU_MIN", "0")
    if not (lowest.isascii() and lowest.isdigit()):
        raise ValueError(f'SPU_MIN: "{lowest}" is no id: expected a number from 0 on')
    return int(ordinal) + int(lowest)


def _size(text: str) -> int:
    """For argparse, which shows the words of this kind of error alone."""
    try:
        return parse_quantity(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size_above_zero(text: str) -> int:
    size = _size(text)
    if not size:
        raise argparse.ArgumentTypeError("0 is too little")
    return size


def _above_zero(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise argparse.ArgumentTypeError(f'"{text}" is no number from 1 on')
    return int(text)


def _umask(text: str) -> int:
    if re.fullmatch(r"0?[0-7]{1,3}", text) is None:
        raise argparse.ArgumentTypeError(f'"{text}" is no umask: expected octal, such as "007"')
    return int(text, 8)


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
        "--http",
        type=Address.parse,
        default=environment.get("FLV_SPU_HTTP"),
        metavar="HOST:PORT",
        help="where /healthz, /readyz and /metrics are served (default: nowhere)",
    )
    add(
        "--metrics-socket",
        default=environment.get("FLV_SPU_METRICS_SOCKET"),
        metavar="PATH",
        help="a socket of this machine that gives the metrics to whoever connects (default: none)",
    )
    add(
        "--log-base-dir",
        default=environment.get("FLV_LOG_BASE_DIR", LOG_BASE_DIR_DEFAULT),
        metavar="DIR",
        help="where partitions are kept (default %(default)s)",
    )
    add(
        "--log-size",
        type=_size,
        default=environment.get("FLV_LOG_SIZE"),
        metavar="SIZE",
        help="size of the volume that was asked for, such as 10Gi; only shown in the metrics",
    )
    add(
        "--index-max-bytes",
        type=int,
        default=environment.get("FLV_LOG_INDEX_MAX_BYTES"),
        metavar="BYTES",
        help="size of a segment's offset index; a full one ends its segment",
    )
    add(
        "--index-max-interval-bytes",
        type=int,
        default=environment.get("FLV_LOG_INDEX_MAX_INTERVAL_BYTES"),
        metavar="BYTES",
        help="bytes of batches between two entries of an offset index",
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
        "--replica-lag-max-ms",
        type=int,
        default=environment.get("FLV_REPLICA_LAG_MAX_MS", REPLICA_LAG_MS_MAX_DEFAULT),
        metavar="MS",
        help="a follower that has not caught up for so long is not in sync (default %(default)s)",
    )
    add(
        "--catch-up-rate",
        type=_size,
        default=environment.get("FLV_CATCH_UP_RATE", "0"),
        metavar="SIZE",
        help="bytes per second for a follower that is not in sync, such as 20Mi "
        "(default %(default)s: as fast as it goes)",
    )
    add(
        "--smart-engine-max-memory-bytes",
        type=_size_above_zero,
        default=environment.get(
            "FLV_SMART_ENGINE_MAX_MEMORY_BYTES", str(SMART_ENGINE_MEMORY_BYTES_DEFAULT)
        ),
        metavar="SIZE",
        help="memory of all SmartModules of one stream together (default %(default)s)",
    )
    add(
        "--smart-engine-total-memory-bytes",
        type=_size,
        default=environment.get("FLV_SMART_ENGINE_TOTAL_MEMORY_BYTES", "0"),
        metavar="SIZE",
        help="memory of the SmartModules of all streams together; those of a stream that need "
        "no more than 16 MiB always get it (default %(default)s: half of the memory that the "
        "process may have, and 2 GiB at most)",
    )
    add(
        "--smart-engine-call-ms-max",
        type=_above_zero,
        default=environment.get("FLV_SMART_ENGINE_CALL_MS_MAX", str(SMART_ENGINE_CALL_MS_DEFAULT)),
        metavar="MS",
        help="a SmartModule that takes longer for one batch is stopped (default %(default)s)",
    )
    add(
        "--smart-engine-workers",
        type=_above_zero,
        default=environment.get("FLV_SMART_ENGINE_WORKERS", str(SMART_ENGINE_WORKERS_DEFAULT)),
        metavar="COUNT",
        help="threads that run SmartModules (default %(default)s)",
    )
    add(
        "--smart-engine-fuel",
        default=environment.get("FLV_SMART_ENGINE_FUEL", "off"),
        choices=("off", "on"),
        help="count the instructions that SmartModules run, for the metrics; slows them down "
        "(default %(default)s)",
    )
    add(
        "--smart-engine-cache-dir",
        default=environment.get("FLV_SMART_ENGINE_CACHE_DIR"),
        metavar="DIR",
        help="where compiled SmartModules are kept; nobody else may write there (default: nowhere)",
    )
    add(
        "--event-loop",
        default=environment.get("FLV_EVENT_LOOP", "auto"),
        choices=EVENT_LOOPS,
        help="what waits for sockets; auto is uvloop where it is installed (default %(default)s)",
    )
    add(
        "--log-level",
        default=environment.get("FLV_LOG_LEVEL")
        or rust_log_level(environment.get("RUST_LOG"))
        or "INFO",
        type=str.upper,
        choices=LOG_LEVELS,
        help="of the process's own log (default %(default)s)",
    )
    add(
        "--log-dir",
        default=environment.get("FLV_LOG_DIR"),
        metavar="DIR",
        help="write the process's own log to spu_<id>.log in this folder",
    )
    add(
        "--log-format",
        default=environment.get("FLV_LOG_FORMAT", "text"),
        choices=LOG_FORMATS,
        help="of the process's own log: text, or json for one object a line (default %(default)s)",
    )
    add(
        "--umask",
        type=_umask,
        default=environment.get("FLV_SPU_UMASK"),
        metavar="OCTAL",
        help="permissions that new files do not get, such as 007 (default: as the process has it)",
    )
    return parser
