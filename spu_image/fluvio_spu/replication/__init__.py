"""Replication decided: what a leader and a follower of one partition do next.

Pure: values in, values out. Nothing here reads a clock, a socket or a disk; `replica/` performs
what is decided, in the order in which it is returned, and the simulator does the same.

    leader.py     one leadership: positions of followers, in-sync set, high watermark, hand-over
    follower.py   one follower: join, cut, copy
    lineage.py    which leadership wrote which offsets, and where two logs part
    effects.py    everything that the two machines can ask for

Source: Kafka KIP-101, KIP-279 (epochs instead of high watermarks when logs are cut), KIP-497 (the
controller stores the in-sync set), KIP-966 (eligible leaders, lost logs).
"""
