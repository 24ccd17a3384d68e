"""`python -m fluvio_spu`: run one SPU until it is told to stop.

    python -m fluvio_spu --id 5001 --public 127.0.0.1:9010 --private 127.0.0.1:9011 \\
        --sc 127.0.0.1:9004 --log-base-dir DIR

SIGTERM and SIGINT stop it cleanly, as the first process of a container too. Exit 1 when it cannot
start; the reason is the last log line.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading

from fluvio_process.event_loop import loop_factory
from fluvio_process.log import start_logging
from fluvio_protocol.errors import FluvioError
from fluvio_spu.app import SpuApp
from fluvio_spu.config import SpuConfig, parse_config

_log = logging.getLogger("fluvio_spu")

EXIT_PATIENCE_S = 1.0
"""How long the process may still be there when everything is closed."""


async def run(config: SpuConfig) -> None:
    """Serve until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    for name in config.without_effect:
        _log.info("event=setting_without_effect name=%s", name)
    async with SpuApp(config):
        await stop.wait()
        _log.info("event=spu_stopping spu=%s", config.spu_id)


def main() -> int:
    """Run the process; returns its exit code."""
    config = parse_config(sys.argv[1:], os.environ)
    if config.umask is not None:
        os.umask(config.umask)
    try:
        start_logging(level=config.log_level, log_format=config.log_format, path=_log_path(config))
    except OSError as error:
        print(f"cannot write to the log: {error}", file=sys.stderr)
        return 1
    try:
        new_loop = loop_factory(config.event_loop)
    except ImportError as error:
        _log.error("event=spu_failed spu=%s reason=%s", config.spu_id, error)
        return 1
    gc.freeze()  # modules live as long as the process: collections need not walk them
    with asyncio.Runner(loop_factory=new_loop) as runner:
        code = _serve(runner, config)
        _leave_within(EXIT_PATIENCE_S, code)
    return code


def _serve(runner: asyncio.Runner, config: SpuConfig) -> int:
    try:
        runner.run(run(config))
    except (FluvioError, ImportError, OSError, ValueError) as error:
        _log.error("event=spu_failed spu=%s reason=%s", config.spu_id, error)
        return 1
    except Exception:
        _log.exception("event=spu_failed spu=%s", config.spu_id)
        return 1
    return 0


def _log_path(config: SpuConfig) -> str | None:
    return None if config.log_dir is None else f"{config.log_dir}/spu_{config.spu_id}.log"


def _leave_within(patience_s: float, code: int) -> None:
    """End the process by then, whatever still runs.

    A name server that does not answer holds the thread that asks it for a minute; neither the loop
    nor the interpreter ends before, and nobody can cancel it. Logs and connections are closed.
    """
    timer = threading.Timer(patience_s, os._exit, (code,))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
