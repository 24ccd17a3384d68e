"""HTTP beside the doors: health, readiness and metrics.

Started by `app` when an address is given. Reads what the SPU shows of itself; changes nothing,
and costs the doors nothing while nobody asks.

    health      the HTTP server (aiohttp, which is imported when an address is given)
    collection  what is published, gathered when somebody asks
    exposition  how Prometheus wants it written
"""
