"""Durations and sizes as options spell them: the library's own grammars, under the names that
commands use."""

from fluvio_client.quantities import format_duration_s as format_duration_s
from fluvio_client.quantities import format_size_bytes as format_size_bytes
from fluvio_client.quantities import parse_duration_ns as parse_duration_ns
from fluvio_client.quantities import parse_duration_s as parse_duration_s
from fluvio_client.quantities import parse_size_bytes as parse_size_bytes
