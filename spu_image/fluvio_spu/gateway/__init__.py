"""HTTP beside the doors: health, readiness and metrics.

Started by `app` when a port is given. Reads what the SPU shows of itself; changes nothing.
"""
