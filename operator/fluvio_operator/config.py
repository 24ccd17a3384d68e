"""What the operator's process is told at start: flags first, then environment, then defaults.

Built once by `__main__`; nothing reads the environment later. Names are those of the chart's
Deployment. A variable that is empty counts as absent, as a manifest writes it.
"""

import argparse
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fluvio_process.log import LOG_FORMATS, LOG_LEVELS, rust_log_level

LEASE_DURATION_S_MIN = 3.0


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """Everything the process is told.

    namespace:        the one it serves, and lives in
    pod_name:         its own pod; the holder's name in the lease
    is_pod:           whether there is such a pod, to be marked as the leader
    public, private, http: host and port of clients' door, of SPUs', and of health and metrics
    config_map:       the settings of the SPUs' pods, written by the chart
    lease_duration_s: how long a silent leader is believed in
    log_filter:       RUST_LOG, handed on to the SPUs
    """

    namespace: str
    pod_name: str
    is_pod: bool
    public: tuple[str, int]
    private: tuple[str, int]
    http: tuple[str, int]
    config_map: str
    cluster_domain: str
    lease_duration_s: float
    log_level: str
    log_format: str
    log_filter: str


def parse_config(arguments: Sequence[str], environment: Mapping[str, str]) -> OperatorConfig:
    """Raises SystemExit, after a line on stderr that says what to change."""
    said = {name: value for name, value in environment.items() if value}
    log_filter = said.get("RUST_LOG", "info")
    parser = argparse.ArgumentParser(
        prog="python -m fluvio_operator",
        description="The controller of a cluster on Kubernetes.",
    )
    option = parser.add_argument
    option("--namespace", default=said.get("POD_NAMESPACE"), help="[POD_NAMESPACE]")
    option("--pod-name", default=said.get("POD_NAME"), help="[POD_NAME]")
    option("--public", type=_address, default=said.get("FLV_SC_PUBLIC", "0.0.0.0:9003"))
    option("--private", type=_address, default=said.get("FLV_SC_PRIVATE", "0.0.0.0:9004"))
    option("--http", type=_address, default=said.get("FLV_SC_HTTP", "0.0.0.0:9100"))
    option("--spu-config-map", default=said.get("FLV_SPU_CONFIG_MAP", "spu-k8"))
    option("--cluster-domain", default=said.get("FLV_CLUSTER_DOMAIN", "cluster.local"))
    option("--lease-duration-s", type=_duration, default=said.get("FLV_LEASE_DURATION_S", "15"))
    option("--log-level", type=str.upper, choices=LOG_LEVELS, default=_level(said, log_filter))
    option("--log-format", choices=LOG_FORMATS, default=said.get("FLV_LOG_FORMAT", "text"))
    found = parser.parse_args(arguments)
    if not found.namespace:
        parser.error("which namespace? set POD_NAMESPACE, or give --namespace")
    return OperatorConfig(
        namespace=found.namespace,
        pod_name=found.pod_name or socket.gethostname(),
        is_pod=bool(found.pod_name),
        public=found.public,
        private=found.private,
        http=found.http,
        config_map=found.spu_config_map,
        cluster_domain=found.cluster_domain,
        lease_duration_s=found.lease_duration_s,
        log_level=found.log_level,
        log_format=found.log_format,
        log_filter=log_filter,
    )


def _level(said: Mapping[str, str], log_filter: str) -> str:
    """FLV_LOG_LEVEL, or the level that RUST_LOG gives to everything."""
    wanted = said.get("FLV_LOG_LEVEL", "").upper()
    if wanted in LOG_LEVELS:
        return wanted
    return rust_log_level(log_filter) or "INFO"


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f'"{text}" is no address: expected "host:port"')
    return host.removeprefix("[").removesuffix("]"), int(port)


def _duration(text: str) -> float:
    try:
        duration_s = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of seconds') from None
    if not duration_s >= LEASE_DURATION_S_MIN:
        raise argparse.ArgumentTypeError(f"at least {LEASE_DURATION_S_MIN:.0f} s, not {text}")
    return duration_s
