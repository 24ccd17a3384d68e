"""The Kubernetes API as plain dicts: one method per verb, errors as values of one class.

Called by the store and the runtime; the only module that talks to the client library. Requests
that the server could not take at the moment (429, 5xx, connection lost) are repeated a few times
with growing pauses, as it asks; everything else is the caller's to judge. No state but the
connection pool.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient

from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_socket.backoff import Backoff

ATTEMPTS_MAX = 5
REQUEST_TIMEOUT_S = 30.0
PAGE_SIZE = 500
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})

Body = dict[str, Any]


class KubeError(FluvioError):
    """The API server refused, or could not be reached (`status` 0)."""

    code = ErrorCode.OTHER
    retriable = True

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{message} ({status} {reason})" if status else message)
        self.status = status
        self.reason = reason


class KubeApi:
    """Verbs on resource paths such as `/apis/apps/v1/namespaces/a/statefulsets/b`.

    All raise KubeError. Field managers name us to the server, which keeps per field who wrote it.
    """

    def __init__(self, client: ApiClient) -> None:
        self.request_counts: Counter[str] = Counter()
        """By HTTP method, repetitions included."""
        self._client = client

    async def list_all(self, path: str) -> list[Body]:
        """All objects of a collection, read in pages."""
        items: list[Body] = []
        token = ""
        while True:
            query = [("limit", str(PAGE_SIZE)), *([("continue", token)] if token else [])]
            page = await self._request("GET", path, query)
            items.extend(page.get("items") or ())
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return items

    async def get(self, path: str) -> Body | None:
        """One object; None when there is none."""
        try:
            return await self._request("GET", path)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, path: str, body: Mapping[str, Any], *, manager: str) -> Body:
        """POST to a collection. 409 when the name is taken."""
        return await self._request("POST", path, [("fieldManager", manager)], body)

    async def merge(self, path: str, patch: Mapping[str, Any], *, manager: str) -> Body:
        """Merge patch; with `metadata.resourceVersion` in it, 409 when the object has another."""
        return await self._request(
            "PATCH", path, [("fieldManager", manager)], patch, "application/merge-patch+json"
        )

    async def apply(self, path: str, body: Mapping[str, Any], *, manager: str) -> Body:
        """Server-side apply: the fields of `body` become ours, whoever wrote them before."""
        query = [("fieldManager", manager), ("force", "true")]
        return await self._request("PATCH", path, query, body, "application/apply-patch+yaml")

    async def delete(self, path: str, *, uid: str, propagation: str = "Background") -> Body | None:
        """Delete this very object; one that is gone, or has a successor, is no error.

        propagation: Background, Foreground or Orphan: what becomes of what it owns
        Returns the object when finalizers keep it for now; None when it is gone.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": propagation,
        }
        try:
            answer = await self._request("DELETE", path, body=options)
        except KubeError as error:
            if error.status not in (404, 409):
                raise
            return None
        metadata = answer.get("metadata") or {}
        return answer if metadata.get("uid") == uid and metadata.get("finalizers") else None

    async def _request(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Body:
        backoff = Backoff(initial_s=0.1, maximum_s=5.0)
        for attempt in range(1, ATTEMPTS_MAX + 1):
            pause_s = backoff.next_delay_s()
            try:
                return await self._request_once(method, path, query, body, content_type)
            except KubeError as error:
                if error.status != 0 and error.status not in _TRY_AGAIN:
                    raise
                if attempt == ATTEMPTS_MAX:
                    raise
            await asyncio.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    async def _request_once(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None,
        body: Mapping[str, Any] | None,
        content_type: str,
    ) -> Body:
        self.request_counts[method] += 1
        _, url, headers, _, _ = await self._client.param_serialize(
            method,
            path,
            query_params=list(query or ()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._client.call_api(
                method, url, headers, body, _request_timeout=REQUEST_TIMEOUT_S
            )
            text: bytes = await response.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KubeError(0, "", f"the API server does not answer: {error}") from error
        answer = _decoded(text)
        if response.status >= 400:
            reason = str(answer.get("reason") or response.reason or "")
            message = str(answer.get("message") or f"{method} {path} failed")
            raise KubeError(response.status, reason, message)
        return answer


def _decoded(text: bytes) -> Body:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
