"""The objects of a cluster as values: spec (desired) and status (actual) of every kind.

Layouts and gates: protocol reference, section 3. Names of wire fields are translated here and
nowhere else; YAML spellings live in `fluvio_crd`.
"""
