"""What `fluvio benchmark` measures with, and what becomes of the figures.

`settings` says what is measured, `matrix` reads many of them from a file, `measure` does it on the
public client API, `latencies` counts, `results` holds and stores the figures, `report` and
`comparison` write them for people, and `plot` draws them. Only `measure` talks to a cluster.
"""
