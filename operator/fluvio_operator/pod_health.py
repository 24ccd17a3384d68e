"""Can the pod of an SPU run at present? Pure; called by the runtime.

A session with the controller tells sooner that an SPU lives; this tells what a session cannot:
that the pod is gone or its node is, while nothing closes the connection, and why a pod that never
connected does not start. A pod that is merely not ready is no problem here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_MESSAGE_LENGTH_MAX = 200


def pod_problem(
    pod: Mapping[str, Any] | None, node: Mapping[str, Any] | None, *, name: str
) -> str | None:
    """One line, or None while nothing stands in its way.

    node: that of the pod; None when it is not known, which is no problem
    """
    if pod is None:
        return f"pod {name} does not exist"
    return next(_problems(pod, node, name), None)


def _problems(pod: Mapping[str, Any], node: Mapping[str, Any] | None, name: str) -> Iterator[str]:
    status = pod.get("status") or {}
    phase = status.get("phase")
    if phase in ("Failed", "Succeeded"):
        why = status.get("message") or status.get("reason") or phase
        yield f"pod {name} has ended: {_short(why)}"
    for condition in (node or {}).get("status", {}).get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") != "True":
            yield f"node {pod['spec'].get('nodeName')} is not ready"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"pod {name} waits for a node: {_short(condition.get('message') or '')}"
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason") or ""
        if reason and reason not in ("ContainerCreating", "PodInitializing"):
            yield f"pod {name} does not start: {reason} {_short(waiting.get('message') or '')}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_LENGTH_MAX else line[: _MESSAGE_LENGTH_MAX - 3] + "..."
