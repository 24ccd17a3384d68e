"""The `fluvio` command: a thin layer over `fluvio_client` that talks to people and to scripts.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed
with one line that says why, 2 wrong usage. Never imports a server; starts them as processes.
"""
