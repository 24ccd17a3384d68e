"""A small API server for tests: objects of any collection, as Kubernetes keeps them.

Create, read, list in pages, merge patch with an expected version, delete with preconditions and
finalizers, server-side apply, discovery and watches, a status that only its subresource changes.
`events` has every change in order; `failures` makes the next requests fail.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Body = dict[str, Any]


@dataclass
class Failure:
    """The next matching request gets this; `after` does the work first, and loses the answer."""

    method: str
    status: int
    path: str = ""
    after: bool = False


@dataclass
class ApiServer:
    objects: dict[str, Body] = field(default_factory=dict)
    events: list[tuple[str, Body]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    port: int = 0
    _collections: dict[str, str] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _version: int = 1000
    _uid: int = 0
    _applied: dict[tuple[str, str], Body] = field(default_factory=dict)
    """The status that a field manager applied last, by path and manager."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["ApiServer"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    def fail(self, method: str, status: int, *, path: str = "") -> None:
        self.failures.append(Failure(method, status, path))

    def by_name(self, name: str) -> Body:
        (found,) = (body for path, body in self.objects.items() if path.endswith("/" + name))
        return found

    def put(self, path: str, body: Body) -> Body:
        """As somebody else would with kubectl."""
        before = self.objects.get(path)
        metadata = body.setdefault("metadata", {})
        metadata.setdefault("name", path.rpartition("/")[2])
        if before is None:
            self._uid += 1
            metadata.setdefault("uid", f"server-{self._uid}")
            metadata["generation"] = 1
        else:
            metadata.setdefault("uid", before["metadata"]["uid"])
        return self._keep(path, body)

    def _keep(self, path: str, body: Body) -> Body:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self._collections[body["metadata"]["uid"]] = path.rpartition("/")[0]
        self._changed.set()
        if body["metadata"].get("deletionTimestamp") and not body["metadata"].get("finalizers"):
            del self.objects[path]
            self.events.append(("DELETED", json.loads(json.dumps(body))))
            return body
        kind = "MODIFIED" if path in self.objects else "ADDED"
        self.objects[path] = body
        self.events.append((kind, json.loads(json.dumps(body))))
        return body

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        for failure in self.failures:
            if failure.method == request.method and failure.path in request.path:
                self.failures.remove(failure)
                if failure.after:
                    await self._answer(request)
                return _refusal(failure.status, "Failure", "told to fail")
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removesuffix("/status")
        content = json.loads(await request.read() or b"{}")
        match request.method:
            case "GET" if path in self.objects:
                return web.json_response(self.objects[path])
            case "GET" if _is_discovery(path):
                return _discovery(path)
            case "GET" if path.rpartition("/")[2] in PLURALS:
                if request.query.get("watch"):
                    return await self._watch(path, request)
                return self._list(path, request)
            case "POST":
                return self._create(path, content)
            case "PATCH" if "apply-patch" in request.content_type and request.path == path:
                return self._apply(path, content)
            case "PATCH" if path in self.objects:
                if "apply-patch" in request.content_type and request.path != path:
                    return self._apply_status(path, content, request.query["fieldManager"])
                return self._patch(path, content, is_status=request.path != path)
            case "DELETE" if path in self.objects:
                return self._delete(path, content)
        return _refusal(404, "NotFound", f"{path} not found")

    def _list(self, path: str, request: web.Request) -> web.Response:
        limit = int(request.query.get("limit", "500"))
        start = int(request.query.get("continue", "0"))
        found = [body for key, body in self.objects.items() if key.rpartition("/")[0] == path]
        more = str(start + limit) if len(found) > start + limit else ""
        return web.json_response(
            {
                "metadata": {"continue": more, "resourceVersion": str(self._version)},
                "items": found[start : start + limit],
            }
        )

    async def _watch(self, collection: str, request: web.Request) -> web.StreamResponse:
        """Changes of a collection since a version, as they come, until the client hangs up."""
        response = web.StreamResponse()
        await response.prepare(request)
        since = int(request.query["resourceVersion"])
        told = 0
        while True:
            self._changed.clear()
            for event, body in self.events[told:]:
                is_new = int(body["metadata"]["resourceVersion"]) > since
                if is_new and self._collections[body["metadata"]["uid"]] == collection:
                    line = json.dumps({"type": event, "object": body}) + "\n"
                    await response.write(line.encode())
            told = len(self.events)
            await self._changed.wait()

    def _apply(self, path: str, applied: Body) -> web.Response:
        """Server-side apply without its bookkeeping: what is there is ours."""
        live = self.objects.get(path, {})
        metadata = {**live.get("metadata", {}), **applied["metadata"]}
        body = {**live, **applied, "metadata": metadata}
        if body == live:
            return web.json_response(body)
        if live and body.get("spec") != live.get("spec"):
            metadata["generation"] = metadata.get("generation", 1) + 1
        return web.json_response(self.put(path, body))

    def _create(self, collection: str, body: Body) -> web.Response:
        path = f"{collection}/{body['metadata']['name']}"
        if path in self.objects:
            return _refusal(409, "AlreadyExists", f"{path} already exists")
        body.pop("status", None)
        return web.json_response(self.put(path, body), status=201)

    def _patch(self, path: str, patch: Body, *, is_status: bool) -> web.Response:
        body: Body = json.loads(json.dumps(self.objects[path]))
        metadata = patch.get("metadata", {})
        for name in ("resourceVersion", "uid"):
            if metadata.get(name, body["metadata"][name]) != body["metadata"][name]:
                return _refusal(409, "Conflict", f"{path} has been modified")
        if is_status:
            body["status"] = _merged(body.get("status", {}), patch.get("status", {}))
        else:
            body["metadata"] = _merged(body["metadata"], metadata)
            spec = _merged(body.get("spec", {}), patch.get("spec", {}))
            if spec != body.get("spec", {}):
                body["metadata"]["generation"] = body["metadata"].get("generation", 1) + 1
            body["spec"] = spec
        return web.json_response(self._keep(path, body))

    def _apply_status(self, path: str, applied: Body, manager: str) -> web.Response:
        body: Body = json.loads(json.dumps(self.objects[path]))
        if applied["metadata"].get("uid", body["metadata"]["uid"]) != body["metadata"]["uid"]:
            return _refusal(409, "Conflict", f"{path} is another object")
        before = self._applied.get((path, manager), {})
        body["status"] = _with_applied(body.get("status", {}), before, applied["status"])
        self._applied[path, manager] = applied["status"]
        if body == self.objects[path]:
            return web.json_response(body)
        return web.json_response(self._keep(path, body))

    def _delete(self, path: str, options: Body) -> web.Response:
        body: Body = json.loads(json.dumps(self.objects[path]))
        wanted = options.get("preconditions", {}).get("uid")
        if wanted is not None and wanted != body["metadata"]["uid"]:
            return _refusal(409, "Conflict", "another uid")
        body["metadata"].setdefault("deletionTimestamp", "2026-01-02T03:04:05Z")
        return web.json_response(self._keep(path, body))


PLURALS = {
    "topics", "partitions", "spus", "spugroups", "smartmodules", "tableformats", "mirrors",
    "statefulsets", "services", "pods", "configmaps", "poddisruptionbudgets", "nodes",
}  # fmt: skip

_VERSIONS = {
    "": {"v1": ("services", "pods", "configmaps", "nodes", "namespaces", "events")},
    "apiextensions.k8s.io": {"v1": ("customresourcedefinitions",)},
    "apps": {"v1": ("statefulsets",)},
    "policy": {"v1": ("poddisruptionbudgets",)},
    "fluvio.infinyon.com": {
        "v1": ("partitions", "spus", "spugroups", "tableformats", "mirrors"),
        "v2": ("topics", "smartmodules"),
    },
}


def _is_discovery(path: str) -> bool:
    return path in ("/api", "/apis") or path.count("/") == (3 if path.startswith("/apis/") else 2)


def _discovery(path: str) -> web.Response:
    """Which groups there are, and what is in a version of one."""
    if path == "/api":
        return web.json_response({"versions": list(_VERSIONS[""])})
    if path == "/apis":
        groups = [
            {
                "name": group,
                "versions": [{"version": version} for version in versions],
                "preferredVersion": {"version": next(iter(versions))},
            }
            for group, versions in _VERSIONS.items()
            if group
        ]
        return web.json_response({"groups": groups})
    *_, group, version = path.split("/")
    group = "" if group == "api" else group
    resources = [
        {
            "name": plural,
            "singularName": plural[:-1],
            "kind": plural[:-1].capitalize(),
            "namespaced": plural not in ("nodes", "namespaces", "customresourcedefinitions"),
            "verbs": ["get", "list", "watch", "patch"],
        }
        for plural in _VERSIONS.get(group, {}).get(version, ())
    ]
    return web.json_response({"resources": resources})


def _merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def _with_applied(live: Body, before: Body, applied: Body) -> Body:
    """Fields of the manager as applied, its earlier ones gone; conditions are a list by type."""
    found = {name: value for name, value in live.items() if name not in before or name in applied}
    gone = {each["type"] for each in before.get("conditions", ())}
    conditions = {each["type"]: each for each in live.get("conditions", ())}
    conditions = {kind: each for kind, each in conditions.items() if kind not in gone}
    conditions.update({each["type"]: each for each in applied.get("conditions", ())})
    return {**found, **applied, "conditions": list(conditions.values())}


def _refusal(status: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message}
    return web.json_response(body, status=status)
