"""HTTP beside the doors: health, readiness and metrics.

Started by `app` when an address is given. Reads what the SPU shows of itself; changes nothing,
and costs the doors nothing while nobody asks.

    collection  what is published, gathered when somebody asks

The HTTP server is that of `fluvio_process.health` (aiohttp, imported when an address is given).
"""
