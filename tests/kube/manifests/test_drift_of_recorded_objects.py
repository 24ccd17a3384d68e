"""Our golden manifests against what a real API server (Kubernetes 1.34) made of them.

`live/` holds the objects as they were read after a server-side apply of the file of the same name
in `golden/`, with its defaults and its notes; only times and identities were evened out. After a
change of a golden file, apply and record it again.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluvio_operator.manifests.drift import first_difference, frozen_differences

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in (HERE / "golden").glob("*.yaml"))
Manifest = dict[str, Any]


def read(folder: str, name: str) -> Manifest:
    manifest: Manifest = yaml.safe_load((HERE / folder / f"{name}.yaml").read_text())
    return manifest


def container_of(stateful_set: Manifest) -> dict[str, Any]:
    container: dict[str, Any] = stateful_set["spec"]["template"]["spec"]["containers"][0]
    return container


def test_every_golden_file_was_recorded() -> None:
    assert sorted(path.stem for path in (HERE / "live").glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_applied_twice(name: str) -> None:
    wanted, live = read("golden", name), read("live", name)
    assert first_difference(wanted, live) is None
    if wanted["kind"] == "StatefulSet":
        assert frozen_differences(wanted, live) == ()


def scaled(live: Manifest) -> None:
    live["spec"]["replicas"] = 9


def image_changed(live: Manifest) -> None:
    container_of(live)["image"] = "other"


def variable_changed(live: Manifest) -> None:
    container_of(live)["env"][1]["value"] = "7"


def probe_removed(live: Manifest) -> None:
    del container_of(live)["livenessProbe"]


def security_loosened(live: Manifest) -> None:
    container_of(live)["securityContext"]["allowPrivilegeEscalation"] = True


def node_selector_added(live: Manifest) -> None:
    live["spec"]["template"]["spec"]["nodeSelector"]["more"] = "x"


def argument_added(live: Manifest) -> None:
    container_of(live)["args"].append("--more")


def label_removed(live: Manifest) -> None:
    del live["metadata"]["labels"]["fluvio.io/group"]


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        (scaled, "spec.replicas"),
        (image_changed, "spec.template.spec.containers[spu].image"),
        (variable_changed, "spec.template.spec.containers[spu].env[SPU_MIN].value"),
        (probe_removed, "spec.template.spec.containers[spu].livenessProbe"),
        (
            security_loosened,
            "spec.template.spec.containers[spu].securityContext.allowPrivilegeEscalation",
        ),
        (node_selector_added, "spec.template.spec.nodeSelector"),
        (argument_added, "spec.template.spec.containers[spu].args"),
        (label_removed, "metadata.labels.fluvio.io/group"),
    ],
)
def test_edits_by_hand_are_found(edit: Callable[[Manifest], None], path: str) -> None:
    live = read("live", "stateful-set-everything-said")
    edit(live)
    assert first_difference(read("golden", "stateful-set-everything-said"), live) == path


def test_what_others_add_is_theirs() -> None:
    live = read("live", "stateful-set")
    live["metadata"]["annotations"] = {"tool.example.test/checked": "yes"}
    container_of(live)["env"].append({"name": "INJECTED", "value": "1"})
    live["spec"]["template"]["spec"]["containers"].append({"name": "injected", "image": "x"})
    assert first_difference(read("golden", "stateful-set"), live) is None


def test_what_a_group_says_no_more_is_found() -> None:
    live = read("live", "stateful-set-everything-said")
    wanted = read("golden", "stateful-set-everything-said")
    for fields, path in (
        (("tolerations",), "spec.template.spec.tolerations"),
        (("nodeSelector",), "spec.template.spec.nodeSelector"),
        (("affinity",), "spec.template.spec.affinity"),
    ):
        less = copy.deepcopy(wanted)
        for field in fields:
            del less["spec"]["template"]["spec"][field]
        found = first_difference(less, live)
        assert found is not None
        assert found.startswith(path)
    fewer = copy.deepcopy(wanted)
    del container_of(fewer)["env"][-1]
    assert first_difference(fewer, live) == "spec.template.spec.containers[spu].env[EMPTY]"


def test_an_upstream_stateful_set_is_made_anew() -> None:
    """Fluvio's own starts its pods one after the other, which Kubernetes lets nobody change."""
    live = read("live", "stateful-set")
    live["spec"]["podManagementPolicy"] = "OrderedReady"
    del live["spec"]["volumeClaimTemplates"][0]["metadata"]["labels"]
    assert frozen_differences(read("golden", "stateful-set"), live) == (
        "spec.podManagementPolicy",
        "spec.volumeClaimTemplates",
    )
