"""Which event loop a process runs on; nothing depends on which."""

import asyncio
import importlib
from collections.abc import Callable

EVENT_LOOPS = ("auto", "asyncio", "uvloop")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def loop_factory(choice: str = "auto") -> LoopFactory:
    """The loop that was asked for; `auto` takes uvloop where it is installed.

    Raises ImportError when uvloop was asked for and is not there.
    """
    if choice == "asyncio":
        return asyncio.new_event_loop
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        if choice == "uvloop":
            raise
        return asyncio.new_event_loop
    factory: LoopFactory = uvloop.new_event_loop
    return factory
