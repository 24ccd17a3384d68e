"""What is there when a story fails: objects, conditions, Events, logs. Called by `conftest.py`.

Nothing here may fail: a command that does is shown with its error.
"""

import subprocess
from collections.abc import Iterator

COMMAND_TIMEOUT_S = 30
LOG_LINES_MAX = 150
OUTPUT_CHARACTERS_MAX = 20_000

_OURS = "topics,partitions,spus,spugroups"
_THEIRS = "deployments,statefulsets,pods,services,persistentvolumeclaims,leases"


def evidence_of(namespace: str) -> str:
    """All of it, as text for a test's report."""
    return "\n\n".join(_parts(namespace))


def _parts(namespace: str) -> Iterator[str]:
    yield _shown("get", "nodes,namespaces", "-o", "wide")
    here = ("--namespace", namespace)
    yield _shown(*here, "get", _OURS, "-o", "wide")
    yield _shown(*here, "get", _THEIRS, "-o", "wide")
    yield _shown(*here, "get", "events", "--sort-by=.lastTimestamp")
    yield _shown(*here, "get", "topics,spugroups,spus", "-o", "yaml")
    yield _shown(*here, "describe", "pods")
    lines = f"--tail={LOG_LINES_MAX}"
    for selector in ("app=fluvio-sc", "app=spu"):
        logs = (*here, "logs", "-l", selector, "--prefix", "--all-containers", lines)
        yield _shown(*logs)
        yield _shown(*logs, "--previous")


def _shown(*words: str) -> str:
    title = f"$ kubectl {' '.join(words)}"
    try:
        answer = subprocess.run(
            ["kubectl", *words],
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{title}\n{error}"
    text = (answer.stdout + answer.stderr).rstrip()
    if len(text) > OUTPUT_CHARACTERS_MAX:
        text = f"... the last {OUTPUT_CHARACTERS_MAX} characters:\n{text[-OUTPUT_CHARACTERS_MAX:]}"
    return f"{title}\n{text}"
