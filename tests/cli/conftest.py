"""A Kubernetes for the command line: an API server of dictionaries, and a helm that reports to it.

`FakeKubernetes` answers over HTTP, so that the real client, kubeconfig and credentials are in use.
Its `helm` is a program on the PATH that hands its words to the server, which does what the chart
and the operator behind it would have done, as far as the command line can see it.
"""

import json
import sys
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluvio_cli.kubernetes_cluster import bundle, rollout
from fluvio_cli.main import run

Key = tuple[str, str | None, str]
CONTEXT = "lab"
TOKEN = "token-of-the-lab"
HELM_VERSION = "v3.19.5"
GROUP = "fluvio.infinyon.com"

HELM = """\
#!{python} -S
import json, sys, urllib.request
body = json.dumps({{"words": sys.argv[1:], "stdin": sys.stdin.read()}}).encode()
answer = json.load(urllib.request.urlopen(urllib.request.Request("{url}/helm", data=body)))
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["code"])
"""


class Refusal(Exception):
    """An answer of the API server that is an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class FakeKubernetes:
    """State and behaviour; the handler below is only its mouth."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.denied: set[tuple[str, str]] = set()
        self.refusals: list[tuple[str, str, str]] = []  # method, kind and text, each once
        self.requests: list[str] = []
        self.logs: dict[tuple[str, str, bool], str] = {}
        self.metrics: dict[str, str] = {}
        self.version = "v1.34.2"
        self.helm_version = HELM_VERSION
        self.helm_calls: list[list[str]] = []
        self.helm_failure: str | None = None
        self.release: dict[str, Any] | None = None
        self.node_port = 30003
        self.on_list: Callable[[str], None] = lambda plural: None
        self.lock = threading.RLock()
        self._revision = 0
        self.url = ""

    # What tests ask

    def names(self, plural: str, namespace: str | None = "default") -> list[str]:
        return sorted(
            name for kind, place, name in self.objects if (kind, place) == (plural, namespace)
        )

    def helm_words(self, verb: str) -> list[str]:
        """The words of the last call of that verb."""
        return next(words for words in reversed(self.helm_calls) if words[0] == verb)

    # What tests arrange

    def put(
        self, plural: str, name: str, *, namespace: str | None = "default", **body: Any
    ) -> dict[str, Any]:
        """An object as if it had always been there."""
        metadata = {"name": name, **body.pop("metadata", {})}
        if namespace is not None:
            metadata["namespace"] = namespace
        return self._store(plural, {"metadata": metadata, **body})

    def put_node(self, name: str = "node-1", **spec: Any) -> None:
        addresses = [
            {"type": "Hostname", "address": name},
            {"type": "InternalIP", "address": "172.18.0.2"},
        ]
        self.put("nodes", name, namespace=None, spec=spec, status={"addresses": addresses})

    def put_storage_class(self, name: str = "standard") -> None:
        mark = {"storageclass.kubernetes.io/is-default-class": "true"}
        self.put("storageclasses", name, namespace=None, metadata={"annotations": mark})

    def put_definitions(self) -> None:
        for definition in bundle.definitions():
            self._store("customresourcedefinitions", json.loads(json.dumps(definition)))

    # The API server

    def answer(self, method: str, target: str, body: Any, content_type: str) -> Any:
        path, _, query_text = target.partition("?")
        query = dict(urllib.parse.parse_qsl(query_text))
        self.requests.append(f"{method} {target}")
        if path == "/version":
            return {"gitVersion": self.version}
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if parts[0] == "apis" and parts[1] == "authorization.k8s.io":
            attributes = body["spec"]["resourceAttributes"]
            denied = (attributes["verb"], attributes["resource"]) in self.denied
            return {"status": {"allowed": not denied}}
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        namespace = None
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        plural, name, *below = [*rest, None]
        assert isinstance(plural, str)
        with self.lock:
            self._refuse_denied(method, plural)
            defined = ("customresourcedefinitions", None, f"{plural}.{group}") in self.objects
            if group == GROUP and not defined:
                raise Refusal(404, "NotFound", "the server could not find the requested resource")
            if name is None:
                if method == "GET":
                    return self._list(plural, namespace, query)
                return self._create(plural, namespace, body)
            if plural == "pods" and below[0] == "log":
                return self._log(name, query)
            if plural == "pods" and below[0] == "exec":
                raise Refusal(403, "Forbidden", f"exec in {name} is not for this test: hunter2")
            if plural == "pods" and below[0] == "proxy":
                return self.metrics[name.split(":")[0]]
            return self._one(method, (plural, namespace, name), body, query, content_type)

    def _refuse_denied(self, method: str, plural: str) -> None:
        for refusal in self.refusals:
            if refusal[:2] == (method, plural):
                self.refusals.remove(refusal)
                raise Refusal(422, "Forbidden", refusal[2])
        verbs = {"GET": ("get", "list"), "POST": ("create",), "DELETE": ("delete",)}
        for verb in verbs.get(method, ("patch", "update")):
            if (verb, plural) in self.denied:
                raise Refusal(
                    403, "Forbidden", f'{plural} is forbidden: User "me" cannot {verb} {plural}'
                )

    def _list(self, plural: str, namespace: str | None, query: dict[str, str]) -> Any:
        self.on_list(plural)
        selector = dict(
            pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair
        )
        found = [
            one
            for (kind, place, _), one in sorted(self.objects.items(), key=lambda item: str(item))
            if kind == plural and namespace in (None, place)
            if selector.items() <= (one["metadata"].get("labels") or {}).items()
        ]
        size = int(query["limit"])
        start = int(query.get("continue", 0))
        following = {"continue": str(start + size)} if len(found) > start + size else {}
        kind = found[0].get("kind", "Thing") if found else "Thing"
        items = found[start : start + size]
        return {"kind": f"{kind}List", "apiVersion": "v1", "metadata": following, "items": items}

    def _create(self, plural: str, namespace: str | None, body: Any) -> Any:
        if (plural, namespace, body["metadata"]["name"]) in self.objects:
            raise Refusal(409, "AlreadyExists", f"{plural} already exists")
        return self._store(plural, body)

    def _one(
        self, method: str, key: Key, body: Any, query: dict[str, str], content_type: str
    ) -> Any:
        stored = self.objects.get(key)
        if content_type == "application/apply-patch+yaml":
            if "dryRun" in query:
                return {**(stored or {}), **body}
            return self._store(key[0], {**(stored or {}), **body})
        if stored is None:
            raise Refusal(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        match method:
            case "GET":
                return stored
            case "DELETE":
                self._delete(key)
                return {}
            case "PUT":
                return self._store(key[0], body)
            case _:
                wanted = body.get("metadata", {}).get("resourceVersion")
                if wanted not in (None, stored["metadata"]["resourceVersion"]):
                    raise Refusal(409, "Conflict", "the object has been modified")
                changed = self._store(key[0], _merge(stored, body))
                if changed["metadata"].get("deletionTimestamp"):
                    self._delete(key)
                return changed

    def _log(self, pod: str, query: dict[str, str]) -> str:
        key = (pod, query["container"], "previous" in query)
        if key not in self.logs:
            raise Refusal(400, "BadRequest", f"previous terminated container in {pod} not found")
        return self.logs[key]

    def _store(self, plural: str, body: dict[str, Any]) -> dict[str, Any]:
        self._revision += 1
        metadata = body["metadata"]
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata["resourceVersion"] = str(self._revision)
        if plural == "customresourcedefinitions":
            stored = [one["name"] for one in body["spec"]["versions"] if one.get("storage")]
            body.setdefault("status", {}).setdefault("storedVersions", stored)
            body["status"]["conditions"] = [{"type": "Established", "status": "True"}]
        self.objects[(plural, metadata.get("namespace"), metadata["name"])] = body
        return body

    def _delete(self, key: Key) -> None:
        body = self.objects[key]
        if body["metadata"].get("finalizers"):
            body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            return
        del self.objects[key]
        owner = body["metadata"]["uid"]
        for other, child in list(self.objects.items()):
            owners = child["metadata"].get("ownerReferences") or ()
            if other in self.objects and any(one["uid"] == owner for one in owners):
                self._delete(other)

    # Helm, the chart, and the operator that it starts

    def run_helm(self, words: list[str], stdin: str) -> dict[str, Any]:
        self.helm_calls.append(words)
        if self.helm_failure is not None and words[0] in ("install", "upgrade", "uninstall"):
            return {"code": 1, "out": "", "err": f"WARNING: old\n{self.helm_failure}\n"}
        namespace = words[words.index("--namespace") + 1] if "--namespace" in words else ""
        release = self.release if self.release and self.release["namespace"] == namespace else None
        match words[:2]:
            case ["version", *_]:
                return {"code": 0, "out": self.helm_version, "err": ""}
            case ["get" | "uninstall", *_] if release is None:
                return {"code": 1, "out": "", "err": "Error: release: not found\n"}
            case ["get", "metadata"]:
                return {"code": 0, "out": json.dumps(release), "err": ""}
            case ["get", "values"]:
                assert release is not None
                return {"code": 0, "out": yaml.safe_dump(release["values"]), "err": ""}
            case ["list", *_]:
                return {"code": 0, "out": "NAME\tSTATUS\nfluvio\tdeployed\n", "err": ""}
            case ["uninstall", *_]:
                self._uninstall(namespace)
            case _ if not any(word.startswith("--dry-run") for word in words):
                self._install(words, stdin, namespace)
        return {"code": 0, "out": "", "err": ""}

    def _install(self, words: list[str], stdin: str, namespace: str) -> None:
        values: dict[str, Any] = yaml.safe_load((Path(words[2]) / "values.yaml").read_text())
        if self.release is not None:
            values = _merge(values, self.release["values"])
        files = [words[index + 1] for index, word in enumerate(words) if word == "--values"]
        for file in files:
            text = stdin if file == "-" else Path(file).read_text()
            values = _merge(values, yaml.safe_load(text))
        version = yaml.safe_load((Path(words[2]) / "Chart.yaml").read_text())["appVersion"]
        self.release = {
            "namespace": namespace,
            "status": "deployed",
            "chart": "fluvio",
            "version": version,
            "appVersion": version,
            "values": values,
        }
        with self.lock:
            self._render(values, namespace, values["image"]["tag"] or version)

    def _render(self, values: dict[str, Any], namespace: str, tag: str) -> None:
        self.put(
            "deployments",
            "fluvio-sc",
            namespace=namespace,
            metadata={"generation": 1},
            spec={"replicas": 1},
            status={
                "observedGeneration": 1,
                "replicas": 1,
                "updatedReplicas": 1,
                "availableReplicas": 1,
            },
        )
        self.put(
            "services",
            "fluvio-sc-public",
            namespace=namespace,
            metadata={"annotations": values["loadBalancer"]["serviceAnnotations"]},
            spec={
                "type": values["service"]["type"],
                "clusterIP": "10.96.0.7",
                "ports": [{"port": 9003, "nodePort": self.node_port}],
            },
        )
        self.put("configmaps", "spu-k8", namespace=namespace, data={"image": f"fluvio-spu:{tag}"})
        if values["spg"]["create"] and ("spugroups", namespace, "main") not in self.objects:
            self.put_group(values["spg"]["name"], values["spg"]["replicas"], namespace, tag)

    def put_group(self, name: str, replicas: int, namespace: str, tag: str) -> None:
        """A SpuGroup with all that the operator makes of it."""
        group = self.put(
            "spugroups",
            name,
            namespace=namespace,
            kind="SpuGroup",
            metadata={"finalizers": [f"spugroups.finalizer.{GROUP}"]},
            spec={"replicas": replicas, "minId": 0},
            status={"resolution": "Reserved"},
        )
        owned = {"ownerReferences": [{"uid": group["metadata"]["uid"]}]}
        self.put(
            "statefulsets",
            f"fluvio-spg-{name}",
            namespace=namespace,
            metadata=owned,
            status={"updateRevision": tag},
        )
        for number in range(replicas):
            self.put(
                "spus",
                f"{name}-{number}",
                namespace=namespace,
                kind="Spu",
                metadata=owned,
                spec={
                    "spuId": number,
                    "spuType": "Managed",
                    "publicEndpoint": {"port": 30004, "ingress": []},
                    "privateEndpoint": {"host": f"{name}-{number}", "port": 9006},
                },
                status={"resolution": "Online"},
            )
            self.put_pod(f"fluvio-spg-{name}-{number}", name, namespace, tag, owned)
            self.put(
                "persistentvolumeclaims",
                f"data-fluvio-spg-{name}-{number}",
                namespace=namespace,
                metadata={"labels": {"app": "spu", "group": name}},
            )

    def put_pod(
        self, name: str, group: str, namespace: str, tag: str, metadata: dict[str, Any]
    ) -> None:
        labels = {"app": "spu", "group": group, "controller-revision-hash": tag}
        self.put(
            "pods",
            name,
            namespace=namespace,
            kind="Pod",
            metadata={"labels": labels, **metadata},
            spec={"containers": [{"name": "spu", "image": f"fluvio-spu:{tag}"}]},
            status={"conditions": [{"type": "Ready", "status": "True"}]},
        )

    def _uninstall(self, namespace: str) -> None:
        self.release = None
        with self.lock:
            for plural, name in (
                ("deployments", "fluvio-sc"),
                ("services", "fluvio-sc-public"),
                ("configmaps", "spu-k8"),
            ):
                self.objects.pop((plural, namespace, name), None)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = _merge(result[name], value)
        else:
            result[name] = value
    return result


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kubernetes: FakeKubernetes

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length).decode()
        body = json.loads(text) if text else None
        status = 200
        try:
            if self.path == "/helm":
                answer: Any = self.kubernetes.run_helm(body["words"], body["stdin"])
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refusal(401, "Unauthorized", "Unauthorized")
            else:
                content_type = self.headers.get("Content-Type", "")
                answer = self.kubernetes.answer(self.command, self.path, body, content_type)
        except Refusal as refusal:
            status = refusal.status
            answer = {"kind": "Status", "reason": refusal.reason, "message": str(refusal)}
        content = answer if isinstance(answer, str) else json.dumps(answer)
        data = content.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests look at `requests`."""


@pytest.fixture
def kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    """An empty cluster with a node and a storage class, its kubeconfig, and a helm."""
    fake = FakeKubernetes()
    handler = type("Handler", (_Handler,), {"kubernetes": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    fake.put_node()
    fake.put_storage_class()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": CONTEXT,
                "clusters": [{"name": "lab", "cluster": {"server": fake.url}}],
                "users": [
                    {"name": "me", "user": {"token": TOKEN}},
                    {"name": "stranger", "user": {"token": "none"}},
                ],
                "contexts": [
                    {"name": CONTEXT, "context": {"cluster": "lab", "user": "me"}},
                    {"name": "expired", "context": {"cluster": "lab", "user": "stranger"}},
                ],
            }
        )
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    helm = programs / "helm"
    helm.write_text(HELM.format(python=sys.executable, url=fake.url))
    helm.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("FLV_PROFILE_PATH", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(rollout, "POLL_INTERVAL_S", 0.01)
    monkeypatch.chdir(tmp_path)
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def fluvio(
    local_cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs a command line within this process; returns what it printed."""
    monkeypatch.setenv("FLV_PROFILE_PATH", str(local_cluster.profile_path))

    def command(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        found = run(arguments)
        said = capsys.readouterr()
        assert found == code, f"fluvio {' '.join(arguments)}: exit {found}\n{said.out}{said.err}"
        return said.out if code == 0 else said.out + said.err

    return command
