"""Door 9005: what producers and consumers ask of this SPU.

`service` is one table, request to handler; `session` is one client connection. Frames are parsed
where they lie: a produced batch goes from the receive buffer to the log without a copy of ours.
No task per stream, no timer per request; only consumer offsets, which may live on another SPU,
run as coroutines.
"""
