"""Why a pod cannot run, in one line."""

from typing import Any

import pytest

from fluvio_operator.pod_health import pod_problem

RUNNING = {"spec": {"nodeName": "a"}, "status": {"phase": "Running"}}
NODE = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def test_a_pod_that_runs_or_merely_starts_has_no_problem() -> None:
    starting = {
        "spec": {},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}],
        },
    }
    assert pod_problem(RUNNING, NODE, name="p") is None
    assert pod_problem(RUNNING, None, name="p") is None
    assert pod_problem(starting, None, name="p") is None
    assert pod_problem({"spec": {}}, None, name="p") is None


@pytest.mark.parametrize(
    ("pod", "node", "problem"),
    [
        (None, None, "pod p does not exist"),
        (
            {"spec": {}, "status": {"phase": "Failed", "reason": "Evicted"}},
            None,
            "pod p has ended: Evicted",
        ),
        (
            RUNNING,
            {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
            "node a is not ready",
        ),
        (
            {
                "spec": {},
                "status": {
                    "conditions": [
                        {"type": "PodScheduled", "status": "False", "message": "0/2 nodes\n fit"}
                    ]
                },
            },
            None,
            "pod p waits for a node: 0/2 nodes fit",
        ),
        (
            {
                "spec": {},
                "status": {
                    "containerStatuses": [
                        {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}
                    ]
                },
            },
            None,
            "pod p does not start: ImagePullBackOff no",
        ),
    ],
)
def test_a_problem_is_told(pod: Any, node: Any, problem: str) -> None:
    assert pod_problem(pod, node, name="p") == problem
