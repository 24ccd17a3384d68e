"""Beside the doors: health, readiness and metrics over HTTP, and metrics over a local socket.

Started by `app` when an address is given. Reads what the SPU shows of itself; changes nothing,
and costs the doors nothing while nobody asks.

    collection      what is published, gathered when somebody asks
    metrics_socket  the same for this machine alone

The HTTP server is that of `fluvio_process.health` (aiohttp, imported when an address is given).
"""
