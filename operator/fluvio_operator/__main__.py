"""`python -m fluvio_operator`: the controller of a cluster on Kubernetes, until it is told to stop.

Exit 0 after SIGTERM; 1 when it cannot start, or can be the controller no more. The reason is the
last log line.
"""

import asyncio
import logging
import os
import sys

from kubernetes.aio.config import ConfigException

from fluvio_operator.app import WatchLost, run
from fluvio_operator.config import parse_config
from fluvio_operator.kube_api import KubeError
from fluvio_operator.lease import LeaseLost
from fluvio_process.event_loop import loop_factory
from fluvio_process.log import start_logging
from fluvio_protocol.errors import FluvioError

_log = logging.getLogger("fluvio_operator")

_EXPECTED = (ConfigException, FluvioError, KubeError, LeaseLost, OSError, WatchLost)


def main() -> int:
    """Run the process; returns its exit code."""
    config = parse_config(sys.argv[1:], os.environ)
    start_logging(level=config.log_level, log_format=config.log_format)
    logging.getLogger("kopf").setLevel(max(logging.WARNING, logging.getLogger().level))
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run(config))
    except Exception as error:
        for leaf in _leaves(error):
            unexpected = None if isinstance(leaf, _EXPECTED) else leaf
            _log.error("event=operator_failed reason=%s", leaf, exc_info=unexpected)
        return 1
    return 0


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors themselves, out of the groups that tasks wrap them in."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in _leaves(each)]


if __name__ == "__main__":
    sys.exit(main())
