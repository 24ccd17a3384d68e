"""kubectl within one namespace, and asking until something is so.

Called by every story. Nothing here waits by the clock: whatever takes its time is asked for again
until a deadline, and a deadline that passes is a failure which shows the last answer. The cluster
is the one of KUBECONFIG; `conftest.py` has made sure that it is one for tests.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import yaml

COMMAND_TIMEOUT_S = 300
EFFECT_TIMEOUT_S = 120.0
POLL_INTERVAL_S = 0.5

Answer = subprocess.CompletedProcess[str]
Body = dict[str, Any]
T = TypeVar("T")


def command(
    words: Sequence[str],
    *,
    stdin: str | None = None,
    check: bool = True,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = COMMAND_TIMEOUT_S,
) -> Answer:
    """Run a program; with `check` a failure shows what it printed."""
    answer = subprocess.run(
        list(words),
        input=stdin,
        env=None if environment is None else dict(environment),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if check and answer.returncode != 0:
        shown = " ".join(words)[:300]
        raise AssertionError(
            f"{shown}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}".rstrip()
        )
    return answer


def until(question: Callable[[], T | None], what: str, *, timeout_s: float = EFFECT_TIMEOUT_S) -> T:
    """Ask again and again; the first answer that is true is returned."""
    end = time.monotonic() + timeout_s
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(
                f"not so after {timeout_s:.0f} s: {what}; the last answer: {answer!r}"
            )
        time.sleep(POLL_INTERVAL_S)


class Kube:
    """kubectl, in a namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def run(
        self,
        *words: str,
        stdin: str | None = None,
        check: bool = True,
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> Answer:
        return command(
            ["kubectl", "--namespace", self.namespace, *words],
            stdin=stdin,
            check=check,
            timeout_s=timeout_s,
        )

    def apply(self, *manifests: Body, check: bool = True) -> Answer:
        """As a user applies a file."""
        return self.run("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests), check=check)

    def delete(self, kind: str, name: str, *words: str) -> None:
        self.run("delete", kind, name, *words)

    def find(self, kind: str, name: str) -> Body | None:
        """The object, or None when there is none."""
        text = self.run("get", kind, name, "-o", "json", "--ignore-not-found").stdout
        body: Body | None = json.loads(text) if text.strip() else None
        return body

    def get(self, kind: str, name: str) -> Body:
        found = self.find(kind, name)
        assert found is not None, f"there is no {kind} {name} in {self.namespace}"
        return found

    def items(self, kind: str, *words: str) -> list[Body]:
        """All of a kind; `words` such as `-l app=spu`."""
        items: list[Body] = json.loads(self.run("get", kind, "-o", "json", *words).stdout)["items"]
        return items

    def names(self, kind: str, *words: str) -> list[str]:
        return sorted(str(item["metadata"]["name"]) for item in self.items(kind, *words))

    def rows(self, *words: str) -> dict[str, dict[str, str]]:
        """What `kubectl get` prints: by name, cells by heading.

        Of two columns with the same heading the second one is `HEADING 2`; an empty cell is "".
        """
        printed = self.run("get", *words).stdout.splitlines()
        if not printed:
            return {}
        heading = printed[0]
        starts = [
            index
            for index, letter in enumerate(heading)
            if letter != " " and (index == 0 or heading[index - 1] == " ")
        ]
        ends: list[int | None] = [*starts[1:], None]
        cut = [
            [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
            for line in printed
        ]
        headings: list[str] = []
        for word in cut[0]:
            headings.append(f"{word} 2" if word in headings else word)
        return {cells[0]: dict(zip(headings, cells, strict=True)) for cells in cut[1:]}

    def condition(self, kind: str, name: str, of_type: str) -> Body:
        """The condition, or an empty object when it is not there."""
        body = self.find(kind, name) or {}
        return condition_of(body, of_type)

    def is_ready(self, kind: str, name: str) -> bool:
        """Ready, and judged as it is written now."""
        body = self.find(kind, name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return False
        ready = condition_of(body, "Ready")
        current: int = body["metadata"]["generation"]
        return ready.get("status") == "True" and ready.get("observedGeneration") == current

    def until_ready(self, kind: str, *names: str, timeout_s: float = EFFECT_TIMEOUT_S) -> None:
        for name in names:
            is_ready = partial(self.is_ready, kind, name)
            until(is_ready, f"{kind} {name} is Ready", timeout_s=timeout_s)

    def until_gone(self, kind: str, *names: str, timeout_s: float = EFFECT_TIMEOUT_S) -> None:
        wanted = set(names)
        until(
            lambda: not wanted & set(self.names(kind)),
            f"{kind} {', '.join(names)} gone",
            timeout_s=timeout_s,
        )

    def execute(self, pod: str, *words: str, stdin: str | None = None) -> str:
        """What a command in a pod's first container printed."""
        inside = ("-i",) if stdin is not None else ()
        return self.run("exec", *inside, pod, "--", *words, stdin=stdin).stdout

    def events_of(self, kind: str, name: str) -> list[Body]:
        """Events about an object; `kind` as in manifests."""
        fields = f"involvedObject.kind={kind},involvedObject.name={name}"
        return self.items("events", "--field-selector", fields)


def condition_of(body: Mapping[str, Any], of_type: str) -> Body:
    conditions = (body.get("status") or {}).get("conditions") or []
    return next((dict(one) for one in conditions if one["type"] == of_type), {})


@contextmanager
def no_node_takes_pods() -> Iterator[None]:
    """A pod that is deleted meanwhile does not come back."""
    listed = json.loads(command(["kubectl", "get", "nodes", "-o", "json"]).stdout)["items"]
    nodes = [str(node["metadata"]["name"]) for node in listed]
    command(["kubectl", "cordon", *nodes])
    try:
        yield
    finally:
        command(["kubectl", "uncordon", *nodes])
