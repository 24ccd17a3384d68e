"""`python -m fluvio_local run | inspect | stop | delete`: what the command line calls.

    run      be a cluster until SIGTERM, in the foreground
    inspect  print what there is and what runs, as JSON
    stop     stop all processes of a cluster, whichever of them still run
    delete   stop, then remove its data

Failures are one line on stderr and exit status 1.
"""

import argparse
import asyncio
import json
import logging
import logging.handlers
import sys
from collections.abc import Sequence
from pathlib import Path

from fluvio_local.cluster_files import (
    Address,
    ClusterDescription,
    DataDirectory,
    UnreadableFile,
)
from fluvio_local.inspection import StillRunning, find_busy_ports, find_running, stop_cluster
from fluvio_local.object_json import to_json
from fluvio_protocol.api.versions import PLATFORM_VERSION
from fluvio_protocol.errors import FluvioError

LOG_SIZE_BYTES_MAX = 16 << 20
LOG_FILES_KEPT = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of one command."""
    found = _parser().parse_args(arguments)
    directory = DataDirectory(found.data_dir)
    try:
        match found.command:
            case "run":
                return _run(directory, found)
            case "inspect":
                return _inspect(directory, found)
            case _:
                return _stop(directory, found)
    except (StillRunning, UnreadableFile, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fluvio_local", description="A cluster on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a cluster in the foreground")
    inspect = commands.add_parser("inspect", help="print what runs, as JSON")
    stop = commands.add_parser("stop", help="stop a cluster's processes")
    delete = commands.add_parser("delete", help="stop a cluster and remove its data")
    for command in (run, inspect, stop, delete):
        command.add_argument(
            "--data-dir", type=Path, required=True, metavar="DIR", help="where its data is"
        )
    for command in (run, inspect):
        _add_cluster_options(command)
    inspect.add_argument(
        "--ports", action="store_true", help="also look whether the ports given are free"
    )
    run.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    for command in (stop, delete):
        command.add_argument(
            "--patience-s",
            type=float,
            default=20.0,
            help="how long a process may take before it is killed (default %(default)s)",
        )
    return parser


def _add_cluster_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--name", default="local", help="of the cluster (default %(default)s)")
    add("--log-dir", type=Path, metavar="DIR", help="where logs are (default DATA_DIR/log)")
    add("--public", type=Address.parse, default="127.0.0.1:9003", metavar="HOST:PORT")
    add("--private", type=Address.parse, default="127.0.0.1:9004", metavar="HOST:PORT")
    add("--spu", type=int, default=1, metavar="N", help="number of SPUs (default %(default)s)")
    add(
        "--spu-port-base",
        type=int,
        default=9010,
        metavar="PORT",
        help="port of the first SPU; each takes two, ten apart (default %(default)s)",
    )
    add(
        "--durability",
        metavar="POLICY",
        help="of all SPUs: page-cache, group, group:<ms>:<bytes> or every-batch "
        "(default: FLV_DURABILITY, else page-cache)",
    )
    add(
        "--min-in-sync-replicas",
        type=int,
        default=1,
        metavar="N",
        help="replicas in sync that a record needs before it is committed (default %(default)s)",
    )
    add(
        "--read-only",
        type=Path,
        metavar="FILE",
        help="the objects are those of this file, and clients cannot change them",
    )


def _describe(directory: DataDirectory, found: argparse.Namespace) -> ClusterDescription:
    log_directory: Path = found.log_dir or directory.path / "log"
    return ClusterDescription(
        platform_version=PLATFORM_VERSION,
        public=found.public,
        private=found.private,
        spu_count=found.spu,
        spu_port_base=found.spu_port_base,
        log_directory=str(log_directory.absolute()),
        name=found.name,
        durability=found.durability,
        min_in_sync_replicas=max(found.min_in_sync_replicas, 1),
        read_only=None if found.read_only is None else str(found.read_only.absolute()),
    )


def _run(directory: DataDirectory, found: argparse.Namespace) -> int:
    # Imported here: the other commands are quick because they load no server.
    from fluvio_local.app import CannotStart, RunConfig, run

    cluster = _describe(directory, found)
    directory.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    _configure_logging(Path(cluster.log_directory), found.log_level)
    try:
        asyncio.run(run(RunConfig(directory, cluster)))
    except (CannotStart, FluvioError) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception:
        logging.getLogger(__name__).exception("the controller failed; SPUs go on without it")
        return 1
    return 0


def _configure_logging(directory: Path, level: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(
            directory / "sc.log", maxBytes=LOG_SIZE_BYTES_MAX, backupCount=LOG_FILES_KEPT
        )
    ]
    if sys.stderr.isatty():
        handlers.append(logging.StreamHandler())
    logging.basicConfig(
        level=level,
        handlers=handlers,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _inspect(directory: DataDirectory, found: argparse.Namespace) -> int:
    cluster = directory.read_cluster()
    running = find_running(directory, cluster)
    answer = {
        "cluster": to_json(ClusterDescription, cluster),
        "platform_version": PLATFORM_VERSION,
        "controller_pid": running.controller.pid if running.controller is not None else None,
        "spu_pids": {str(spu_id): process.pid for spu_id, process in running.spus.items()},
        "busy_ports": [],
    }
    if found.ports:
        wanted = _describe(directory, found)
        busy = find_busy_ports(wanted, running_spus=tuple(running.spus))
        answer["busy_ports"] = [str(port) for port in busy]
    json.dump(answer, sys.stdout, indent=2)
    print()
    return 0


def _stop(directory: DataDirectory, found: argparse.Namespace) -> int:
    def report(text: str) -> None:
        print(f"stopping {text}", flush=True)

    stop_cluster(directory, patience_s=found.patience_s, report=report)
    if found.command == "delete":
        directory.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
