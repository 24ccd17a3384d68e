"""The only sockets of this project: frames in, frames out, and nothing about their meaning.

A server (`server`) accepts connections, `connection.dial` makes one; both hand whole frames to
a session (`connection.FrameSession`) and send what it gives them. `multiplexer` is the client's
side of a request/response door. Above this package nobody touches a socket; inside it nobody
knows a topic. What is sans-I/O stands apart and is tested so: `frame_receiver`, `send_queue`.

Everything is bounded: frame size, connections, memory of unfinished frames, send queues, and
the time a peer may take for either. Works on any asyncio event loop.
"""
