"""The Fluvio wire protocol: bytes to values and back.

Everything here is pure: no socket, no clock, no disk. Layers, top to bottom:
the four doors (`sc_public`, `sc_private`, `spu_public`, `spu_private`), the
objects and record batches they carry (`metadata`, `record`), frames and headers
(`api`), the declarative codec (`codec`), and the shared vocabulary (`types`, `errors`).
"""
