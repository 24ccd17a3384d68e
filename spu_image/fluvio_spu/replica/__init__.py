"""Partitions at work: `replica` drives one log, `registry` holds those assigned to this SPU.

Async begins on this floor. Appends go to the page cache on the event loop; syncs, scans and
deletions run in the few threads of `file_work`. Nothing here knows a socket: whoever waits for
data or for an offset is called back.
"""
