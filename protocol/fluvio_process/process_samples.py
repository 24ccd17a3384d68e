"""What the system knows of this process, gathered when somebody asks."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from fluvio_process.exposition import Sample


def process_samples() -> Iterator[Sample]:
    """What every process tells, under the names that Prometheus' own clients use."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    about = "user and system time"
    cpu_s = round(usage.ru_utime + usage.ru_stime, 3)
    yield Sample("process_cpu_seconds_total", "counter", about, cpu_s)
    try:
        # Behind the name of the program, which may hold spaces and parentheses itself.
        status = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        system = Path("/proc/stat").read_text()
        # The names, not the files: thousands of connections and logs, a microsecond each.
        descriptor_count = len(os.listdir("/proc/self/fd"))
    except OSError:  # no Linux
        return
    booted_at_s = int(system.partition("btime ")[2].split()[0])
    started_at_s = booted_at_s + int(status[19]) / os.sysconf("SC_CLK_TCK")
    memory_bytes = int(status[21]) * os.sysconf("SC_PAGESIZE")
    about = "memory that is really there"
    yield Sample("process_resident_memory_bytes", "gauge", about, memory_bytes)
    yield Sample("process_virtual_memory_bytes", "gauge", "addresses in use", int(status[20]))
    about = "when it started, in seconds since 1970"
    yield Sample("process_start_time_seconds", "gauge", about, started_at_s)
    yield Sample("process_open_fds", "gauge", "open files and connections", descriptor_count)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield Sample("process_max_fds", "gauge", "how many there may be", limit)
