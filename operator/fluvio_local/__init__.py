"""This machine as a platform: objects in SQLite, SPUs as processes of their own.

One of the two adapters of `fluvio_sc`. `python -m fluvio_local run` is a whole controller;
`fluvio cluster ...` starts it as a process and never imports it.
"""
