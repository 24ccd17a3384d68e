"""The pure half of the controller: values in, actions with reasons out.

Nothing here does I/O, reads a clock, or logs; `now_ms` comes in as an argument.
"""
