"""What every story may use: the cluster, a namespace of its own, a release of the chart, clients.

`make e2e` has brought up a cluster, put both images into its nodes and set KUBECONFIG. Which tags
and which address that is, the environment says:

    FLUVIO_E2E_TAG, FLUVIO_E2E_NEXT_TAG   tags of both images; the second is another name of the
                                          same ones, for upgrades
    FLUVIO_E2E_HOST                       where this machine reaches node ports
    FLUVIO_E2E_CONTROLLER_PORT, FLUVIO_E2E_SPU_PORT
                                          node ports other than 30003, and 30004 on
    FLUVIO_E2E_CONTEXT                    a context beside kind-*, minikube and k3d-* that may be
                                          used for tests

No cluster, or one that is not known to be for tests, ends the run as a failure. A story file has
one release, which its tests share and go through in their order; `VALUES` in the file are values
of the chart. When a test fails, its report shows what there was in the namespace.
"""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from clients import CommandLine, PodClient, PublishedClient
from evidence import evidence_of
from kube import Body, Kube, command
from release import (
    REPOSITORY,
    Images,
    Release,
    clear_away,
    fresh_namespace,
    left_over_namespaces,
)

IMAGES = Images(
    tag=os.environ.get("FLUVIO_E2E_TAG", "e2e"),
    next_tag=os.environ.get("FLUVIO_E2E_NEXT_TAG", "e2e-next"),
)
HOST = os.environ.get("FLUVIO_E2E_HOST", "127.0.0.1")

_namespaces: list[str] = []
"""Those in use now; a failure shows them."""


@dataclass(frozen=True)
class Kubernetes:
    """A cluster, and a fresh namespace in it.

    operator_image, spu_image, next_image: tags of images that the nodes have
    """

    kubeconfig: Path
    namespace: str
    operator_image: str
    spu_image: str
    next_image: str
    kube: Kube


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report: pytest.TestReport = outcome.get_result()
    if report.failed and report.when in ("setup", "call"):
        for namespace in _namespaces:
            report.sections.append((f"namespace {namespace}", evidence_of(namespace)))


def _may_be_used(context: str) -> bool:
    if context == os.environ.get("FLUVIO_E2E_CONTEXT"):
        return True
    return context == "minikube" or context.startswith(("kind-", "k3d-"))


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """A cluster for tests that answers, without what an earlier run has left."""
    context = command(["kubectl", "config", "current-context"], check=False).stdout.strip()
    if not _may_be_used(context):
        pytest.exit(
            f'the context "{context}" is not one for tests: run `make e2e`, '
            "or name it in FLUVIO_E2E_CONTEXT",
            returncode=1,
        )
    answer = command(["kubectl", "get", "nodes"], check=False)
    if answer.returncode != 0:
        pytest.exit(f"no cluster answers: {answer.stderr}", returncode=1)
    for namespace in left_over_namespaces():
        clear_away(Kube(namespace))
    _renew_definitions()


def _renew_definitions() -> None:
    """As they are in this checkout. Where there are none, the first install brings them."""
    known = command(["kubectl", "get", "crd", "topics.fluvio.infinyon.com", "--ignore-not-found"])
    if known.stdout.strip():
        words = ["kubectl", "apply", "--server-side", "--force-conflicts"]
        command([*words, "-f", str(REPOSITORY / "crds")])


@pytest.fixture(scope="module")
def make_kube(request: pytest.FixtureRequest, cluster: None) -> Iterator[Callable[[], Kube]]:
    """Makes namespaces for a story; they are cleared away with all that is in them."""
    story = request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")

    def make() -> Kube:
        kube = stack.enter_context(fresh_namespace(f"e2e-{story}-{uuid.uuid4().hex[:4]}"))
        _namespaces.append(kube.namespace)
        return kube

    with ExitStack() as stack:
        stack.callback(_namespaces.clear)
        yield make


@pytest.fixture(scope="module")
def kubernetes(make_kube: Callable[[], Kube]) -> Kubernetes:
    kube = make_kube()
    return Kubernetes(
        kubeconfig=Path(os.environ.get("KUBECONFIG", Path.home() / ".kube" / "config")),
        namespace=kube.namespace,
        operator_image=IMAGES.tag,
        spu_image=IMAGES.tag,
        next_image=IMAGES.next_tag,
        kube=kube,
    )


@pytest.fixture(scope="module")
def release(request: pytest.FixtureRequest, kubernetes: Kubernetes) -> Release:
    """The release of the story's file, with its VALUES."""
    release = Release(kubernetes.kube, IMAGES, HOST)
    release.install(getattr(request.module, "VALUES", {}))
    return release


@pytest.fixture(scope="module")
def make_release(make_kube: Callable[[], Kube]) -> Callable[[Body], Release]:
    """Makes further releases, in namespaces of their own."""

    def make(values: Body) -> Release:
        release = Release(make_kube(), IMAGES, HOST)
        release.install(values)
        return release

    return make


@pytest.fixture(scope="module")
def kube(release: Release) -> Kube:
    """kubectl in the release's namespace."""
    return release.kube


@pytest.fixture
def published(release: Release) -> PublishedClient:
    return PublishedClient(release.address)


@pytest.fixture
def fluvio(release: Release, tmp_path: Path) -> CommandLine:
    return CommandLine(release.address, tmp_path)


@pytest.fixture(scope="module")
def in_pod(release: Release) -> PodClient:
    client = PodClient(release.kube)
    client.start(release)
    return client
