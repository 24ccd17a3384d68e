"""Waiting until what was asked for is so: bounded, with a line whenever something changes.

Called by install and upgrade. A wait ends when nothing has come further for its time, so that a big
cluster may take as long as it needs and a stuck one does not. Whoever waits in vain is told why, in
the words of Kubernetes: an image that cannot be pulled, a pod that no node takes.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.api import Kubernetes
from fluvio_cli.kubernetes.errors import Refused, Unreachable
from fluvio_cli.kubernetes.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PODS,
    STATEFUL_SETS,
    Object,
)
from fluvio_cli.kubernetes_cluster import bundle
from fluvio_cli.progress import say

POLL_INTERVAL_S = 0.5
REASON_LENGTH_MAX = 110
"""Of a line of progress; the error tells all of it."""
CONTROLLER = "fluvio-sc"
CONTROLLER_PODS = "app=fluvio-sc"
SPU_PODS = "app=spu"
SPU_CONFIG_MAP = "spu-k8"
PAUSED_ANNOTATION = "fluvio.io/pause-reconciliation"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is: `count` of `total`, and why the rest is not."""

    count: int
    total: int
    why: str = ""

    @property
    def done(self) -> bool:
        return self.count >= self.total


def wait_for(
    complaint: str,
    look: Callable[[], Progress],
    *,
    timeout_s: float,
    tell: Callable[[Progress], str] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Progress:
    """Look until it is done; the last look.

    complaint: begins the error, when nothing came further for `timeout_s`.
    tell:      the line to print, when it is another one than before.
    Raises:    Failure.
    """
    deadline, best = clock() + timeout_s, -1
    progress = Progress(0, 1)
    told: set[str] = set()
    while True:
        try:
            progress = look()
        except Unreachable as error:
            progress = Progress(progress.count, progress.total, error.message)
        except Refused as error:
            if not error.for_now:
                raise
            progress = Progress(progress.count, progress.total, error.message)
        else:
            if progress.done:
                if tell is not None and told:
                    say(tell(progress))
                return progress
        if progress.count > best:
            best, deadline = progress.count, clock() + timeout_s
        if tell is not None and (line := tell(progress)) not in told:
            told.add(line)
            say(line)
        if clock() >= deadline:
            reason = f": {progress.why}" if progress.why else ""
            raise Failure(f"{complaint} within {timeout_s:.0f} s{reason}")
        sleep(POLL_INTERVAL_S)


def wait_for_controller(kubernetes: Kubernetes, namespace: str, *, timeout_s: float) -> None:
    """Until all pods of the controller's Deployment are of its newest template, and ready."""

    def look() -> Progress:
        deployment = kubernetes.get(DEPLOYMENTS, CONTROLLER, namespace)
        if deployment is None:
            return Progress(0, 1, f"there is no Deployment {CONTROLLER}")
        spec, status = deployment["spec"], deployment.get("status") or {}
        total = int(spec.get("replicas", 1))
        seen = int(status.get("observedGeneration", 0)) >= int(
            deployment["metadata"].get("generation", 1)
        )
        count = min(int(status.get("updatedReplicas", 0)), int(status.get("availableReplicas", 0)))
        left = int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))
        if not seen or left > 0:
            count = min(count, total - 1)
        why = "" if count >= total else _why(kubernetes, namespace, CONTROLLER_PODS)
        return Progress(count, total, why)

    wait_for(
        "The SC did not start",
        look,
        timeout_s=timeout_s,
        tell=lambda progress: _line("🖥️  Waiting for SC", progress),
    )


def wait_for_spus_online(kubernetes: Kubernetes, namespace: str, *, timeout_s: float) -> int:
    """Until every SPU of every group is online; how many there are."""

    def look() -> Progress:
        total = _spus_wanted(kubernetes, namespace)
        spus = kubernetes.list(bundle.resource("spus"), namespace)
        online = sum(
            (one.get("status") or {}).get("resolution") == "Online"
            for one in spus
            if one["spec"].get("spuType", "Managed") == "Managed"
        )
        if total == 0:
            return Progress(0, 1, "there is no SpuGroup")
        why = "" if online >= total else _why(kubernetes, namespace, SPU_PODS)
        return Progress(min(online, total), total, why)

    progress = wait_for(
        "The SPUs did not come online",
        look,
        timeout_s=timeout_s,
        tell=lambda progress: _line("🤖 Waiting for SPU:", progress),
    )
    return progress.total


def wait_for_spus_renewed(kubernetes: Kubernetes, namespace: str, *, timeout_s: float) -> int:
    """Until every SPU pod runs the image and the template of today, and is ready; how many.

    Groups whose reconciliation is paused stay as they are, and are not waited for.
    """

    def look() -> Progress:
        config = kubernetes.get(CONFIG_MAPS, SPU_CONFIG_MAP, namespace)
        if config is None:
            return Progress(0, 1, f"there is no ConfigMap {SPU_CONFIG_MAP}")
        image = str(config["data"]["image"])
        sets = {one["metadata"]["name"]: one for one in kubernetes.list(STATEFUL_SETS, namespace)}
        groups = [one for one in _groups(kubernetes, namespace) if not _paused(one)]
        pods = kubernetes.list(PODS, namespace, labels=SPU_PODS)
        total, count, old = 0, 0, []
        for group in groups:
            name = group["metadata"]["name"]
            total += int(group["spec"]["replicas"])
            stateful_set = sets.get(f"fluvio-spg-{name}", {})
            for pod in pods:
                if pod["metadata"].get("labels", {}).get("group") != name:
                    continue
                if _is_renewed(pod, image, stateful_set):
                    count += 1
                else:
                    old.append(pod["metadata"]["name"])
        why = "; ".join(reasons_for_waiting(pods)) or (
            f"{', '.join(sorted(old))} not renewed yet" if old else ""
        )
        return Progress(min(count, total), total, why)

    progress = wait_for(
        "The SPUs were not all renewed",
        look,
        timeout_s=timeout_s,
        tell=lambda progress: _line("🤖 Upgrading SPU:", progress),
    )
    return progress.total


def paused_groups(kubernetes: Kubernetes, namespace: str) -> list[str]:
    """Names of groups that the operator leaves alone, because somebody asked for it."""
    return [one["metadata"]["name"] for one in _groups(kubernetes, namespace) if _paused(one)]


def _line(what: str, progress: Progress) -> str:
    why = progress.why if not progress.done else ""
    if len(why) > REASON_LENGTH_MAX:
        why = why[:REASON_LENGTH_MAX] + "..."
    return f"{what} ({progress.count}/{progress.total}) {why}".rstrip()


def _groups(kubernetes: Kubernetes, namespace: str) -> list[Object]:
    return kubernetes.list(bundle.resource("spugroups"), namespace)


def _paused(group: Mapping[str, Any]) -> bool:
    return (group["metadata"].get("annotations") or {}).get(PAUSED_ANNOTATION) == "true"


def _spus_wanted(kubernetes: Kubernetes, namespace: str) -> int:
    return sum(int(group["spec"]["replicas"]) for group in _groups(kubernetes, namespace))


def _is_renewed(pod: Mapping[str, Any], image: str, stateful_set: Mapping[str, Any]) -> bool:
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp") or not _is_ready(pod):
        return False
    images = [one["image"] for one in pod["spec"]["containers"] if one["name"] == "spu"]
    revision = (stateful_set.get("status") or {}).get("updateRevision")
    own = metadata.get("labels", {}).get("controller-revision-hash")
    return images == [image] and (revision is None or revision == own)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _why(kubernetes: Kubernetes, namespace: str, labels: str) -> str:
    return "; ".join(reasons_for_waiting(kubernetes.list(PODS, namespace, labels=labels)))


def reasons_for_waiting(pods: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What keeps pods from running, one sentence each; nothing of pods that merely start."""
    for pod in pods:
        name = pod["metadata"]["name"]
        status = pod.get("status") or {}
        for condition in status.get("conditions") or ():
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                yield f"pod {name}: {condition.get('message') or condition.get('reason')}"
        for container in status.get("containerStatuses") or ():
            state = container.get("state") or {}
            waiting = state.get("waiting") or {}
            reason = str(waiting.get("reason", ""))
            if reason and reason not in ("ContainerCreating", "PodInitializing"):
                said = waiting.get("message") or _last_end(container)
                yield f"pod {name}: {reason}" + (f": {' '.join(said.split())}" if said else "")


def _last_end(container: Mapping[str, Any]) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    return f"{ended.get('reason', 'ended')}, exit code {ended['exitCode']}" if ended else ""
