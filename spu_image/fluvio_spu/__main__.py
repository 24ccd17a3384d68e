"""`python -m fluvio_spu`: run one SPU until it is told to stop.

    python -m fluvio_spu --id 5001 --public 127.0.0.1:9010 --private 127.0.0.1:9011 \\
        --sc 127.0.0.1:9004 --log-base-dir DIR

SIGTERM and SIGINT stop it cleanly. Exit 1 when it cannot start; the reason is the last log line.
"""

import asyncio
import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable

from fluvio_protocol.errors import FluvioError
from fluvio_spu.app import SpuApp
from fluvio_spu.config import SpuConfig, parse_config

_log = logging.getLogger("fluvio_spu")


async def run(config: SpuConfig) -> None:
    """Serve until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with SpuApp(config):
        await stop.wait()
        _log.info("event=spu_stopping spu=%s", config.spu_id)


def main() -> int:
    """Run the process; returns its exit code."""
    config = parse_config(sys.argv[1:], os.environ)
    _start_logging(config)
    gc.freeze()  # modules live as long as the process: collections need not walk them
    try:
        with asyncio.Runner(loop_factory=_loop_factory(config.event_loop)) as runner:
            runner.run(run(config))
    except (FluvioError, ImportError, OSError, ValueError) as error:
        _log.error("event=spu_failed spu=%s reason=%s", config.spu_id, error)
        return 1
    return 0


def _loop_factory(event_loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """The loop that was asked for; nothing depends on which. Raises ImportError without uvloop."""
    if event_loop == "asyncio":
        return asyncio.new_event_loop
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        if event_loop == "uvloop":
            raise
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _start_logging(config: SpuConfig) -> None:
    handler: logging.Handler = logging.StreamHandler()
    if config.log_dir is not None:
        os.makedirs(config.log_dir, exist_ok=True)
        handler = logging.FileHandler(f"{config.log_dir}/spu_{config.spu_id}.log")
    logging.basicConfig(
        level=config.log_level,
        handlers=[handler],
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )


if __name__ == "__main__":
    sys.exit(main())
