"""Runs an application of textual so that a cancelled one leaves the terminal as it was."""

import asyncio

from textual.app import App


async def run_screen(screen: App[None]) -> None:
    """Until somebody has enough; when cancelled, as by SIGTERM, it is asked to end in order."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(screen.run_async())
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            screen.exit()
            await running
            raise
