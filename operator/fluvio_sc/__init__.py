"""The streaming controller: keeps the objects of a cluster, and makes the cluster follow them.

`core/` decides and is pure; `controller.py` performs; `public_api/` serves clients at door 9003,
`private_api/` serves SPUs at door 9004. Where objects live and how SPUs run is behind
`core/ports.py`, so that this package knows neither SQLite nor Kubernetes.
"""
