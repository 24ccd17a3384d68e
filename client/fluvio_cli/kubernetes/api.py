"""The API server: objects as plain dictionaries, one method per verb.

Requests are plain JSON over the connection pool of the `kubernetes` package, which is imported only
inside `connect`, since it takes half a second and need not be installed.

Every method raises a `KubernetesError`; commands let it pass to the user.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fluvio_cli.kubernetes.errors import KubernetesError, Refused, Unreachable, in_one_line
from fluvio_cli.kubernetes.kubeconfig import Context, configure
from fluvio_cli.kubernetes.resources import ACCESS_REVIEWS, PODS, Object, Resource

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0
PAGE_SIZE = 500
EXEC_TIMEOUT_S = 30
MANAGER = "fluvio-cli"
"""Who we are in `managedFields`: owner of what we apply."""
NOT_INSTALLED = (
    "Kubernetes support is not installed in this Python: pip install 'fluvio-cluster[k8]'"
)


class Kubernetes:
    """One API server with one user's rights. Belongs to one caller at a time."""

    def __init__(self, client: Any, context: Context) -> None:
        """Use `connect`."""
        self._client = client
        self.context = context

    @classmethod
    def connect(cls, context_name: str | None = None) -> "Kubernetes":
        """Read kubeconfig (`$KUBECONFIG`, else `~/.kube/config`); asks nobody yet.

        context_name: of kubeconfig; its current context when not given. In a pod without a
        kubeconfig, the pod's own account.
        """
        try:
            from kubernetes import client
        except ImportError as error:
            raise KubernetesError(NOT_INSTALLED) from error
        configuration = client.Configuration()
        context = configure(configuration, context_name)
        return cls(client.ApiClient(configuration), context)

    def version(self) -> str:
        """Of the API server, such as `1.34.2`."""
        return str(self._json("GET", "/version")["gitVersion"]).removeprefix("v").split("+")[0]

    def can_i(self, verb: str, resource: Resource, namespace: str | None) -> bool:
        """May this user do that?"""
        attributes: Object = {"verb": verb, "group": resource.group, "resource": resource.plural}
        if resource.namespaced and namespace is not None:
            attributes["namespace"] = namespace
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._json("POST", ACCESS_REVIEWS.path(None), body=review)
        return bool(answer.get("status", {}).get("allowed"))

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """One object; None when there is none of that name."""
        try:
            return self._json("GET", resource.path(namespace, name))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str | None = None
    ) -> list[Object]:
        """All objects there, in pages. namespace: None means all. labels: a selector.

        An API that the server does not know, such as a CRD that is not there, has no objects.
        """
        return [*self._pages(resource, namespace, labels)]

    def _pages(
        self, resource: Resource, namespace: str | None, labels: str | None
    ) -> Iterator[Object]:
        query: dict[str, str] = {"limit": str(PAGE_SIZE)}
        if labels is not None:
            query["labelSelector"] = labels
        while True:
            try:
                page = self._json("GET", resource.path(namespace), query=query)
            except Refused as error:
                if error.status == 404:
                    return
                raise
            kind = str(page.get("kind", "List")).removesuffix("List")
            for item in page.get("items") or ():
                # Items of a list do not say what they are.
                yield {"apiVersion": page.get("apiVersion", ""), "kind": kind} | item
            following = page.get("metadata", {}).get("continue")
            if not following:
                return
            query["continue"] = following

    def apply(
        self, resource: Resource, body: Mapping[str, Any], *, dry_run: bool = False
    ) -> Object:
        """Server-side apply, and take over fields that others own; the object as it is then."""
        metadata = body["metadata"]
        query = {"fieldManager": MANAGER, "force": "true"}
        if dry_run:
            query["dryRun"] = "All"
        return self._json(
            "PATCH",
            resource.path(metadata.get("namespace"), metadata["name"]),
            query=query,
            body=body,
            content_type="application/apply-patch+yaml",
        )

    def create(self, resource: Resource, body: Mapping[str, Any]) -> Object:
        """A new object. Raises Refused with reason `AlreadyExists`."""
        return self._json(
            "POST",
            resource.path(body["metadata"].get("namespace")),
            query={"fieldManager": MANAGER},
            body=body,
        )

    def replace(self, resource: Resource, body: Mapping[str, Any]) -> Object:
        """Store an object as it was read. Raises Refused with reason `Conflict`."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"])
        return self._json("PUT", path, query={"fieldManager": MANAGER}, body=body)

    def merge(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Mapping[str, Any],
        *,
        subresource: str | None = None,
    ) -> None:
        """Merge patch; nothing happens when the object is gone."""
        parts = (name,) if subresource is None else (name, subresource)
        try:
            self._json(
                "PATCH",
                resource.path(namespace, *parts),
                query={"fieldManager": MANAGER},
                body=patch,
                content_type="application/merge-patch+json",
            )
        except Refused as error:
            if error.status != 404:
                raise

    def delete(self, resource: Resource, name: str, namespace: str | None = None) -> None:
        """Ask for an object's end; what it owns goes after it. Nothing happens when it is gone."""
        try:
            body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
            self._json("DELETE", resource.path(namespace, name), body=body)
        except Refused as error:
            if error.status != 404:
                raise

    def logs(
        self, pod: str, namespace: str, container: str, *, previous: bool = False, lines: int
    ) -> str:
        """The end of a container's log. previous: of the run before the last restart."""
        query = {"container": container, "tailLines": str(lines), "timestamps": "true"}
        if previous:
            query["previous"] = "true"
        return self._text("GET", PODS.path(namespace, pod, "log"), query=query)

    def fetch(self, pod: str, namespace: str, port: int, path: str) -> str:
        """What a pod serves over HTTP, by way of the API server."""
        return self._text("GET", PODS.path(namespace, f"{pod}:{port}", "proxy", path))

    def run(self, pod: str, namespace: str, container: str, command: Sequence[str]) -> str:
        """What a command prints that is run in a container."""
        from kubernetes import client, stream

        try:
            printed: str = stream.stream(
                client.CoreV1Api(self._client).connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(command),
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
                _request_timeout=EXEC_TIMEOUT_S,
            )
        except Exception as error:  # websocket errors are of a package that is not named here
            # The websocket's error ends with the headers and the body of the answer.
            said = in_one_line(error).split(" -+-+- ")[0]
            raise KubernetesError(f"exec in pod {pod}: {said}") from error
        return printed

    def _json(self, method: str, path: str, **arguments: Any) -> Object:
        text = self._text(method, path, **arguments)
        try:
            answer: Object = json.loads(text)
        except ValueError as error:
            raise KubernetesError(
                f"{self.context.server} does not answer as a Kubernetes API server does: is "
                "something else at that address?"
            ) from error
        return answer

    def _text(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> str:
        import urllib3

        configuration = self._client.configuration
        headers = dict(self._client.default_headers) | {"Accept": "application/json, */*"}
        for setting in configuration.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        if body is not None:
            headers["Content-Type"] = content_type
        url = configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._client.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=ANSWER_TIMEOUT_S),
                # A read may be repeated; whether a write was done is for its caller to see.
                retries=1 if method == "GET" else False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(
                f"Kubernetes does not answer at {self.context.server} (context "
                f'"{self.context.name}"): {_cause(error)}'
            ) from error
        text: str = response.data.decode("utf-8", "replace")
        if response.status >= 400:
            raise self._refused(response.status, text)
        return text

    def _refused(self, status: int, text: str) -> Refused:
        try:
            answer = json.loads(text)
            said, reason = str(answer["message"]), str(answer.get("reason", ""))
        except (ValueError, KeyError, TypeError):
            said, reason = " ".join(text.split())[:300] or f"HTTP status {status}", ""
        match status:
            case 401:
                message = (
                    f'Kubernetes does not accept the credentials of context "{self.context.name}": '
                    "they may have expired; log in again"
                )
            case 403:
                message = (
                    f"Kubernetes does not allow it: {said}. Ask for that right, or use another "
                    "context"
                )
            case _:
                message = f"Kubernetes refused: {said}"
        return Refused(" ".join(message.split()), status=status, reason=reason)


def _cause(error: BaseException) -> str:
    """The innermost reason in words: urllib3 wraps them several times over."""
    reason = getattr(error, "reason", None)
    while isinstance(reason, BaseException):
        error, reason = reason, getattr(reason, "reason", None)
    text = in_one_line(error)
    marker = "Failed to establish a new connection: "
    text = text.split(marker)[-1] if marker in text else text
    if "[Errno" in text:
        text = text.split("] ", 1)[-1]
    return text.removesuffix("'))").removesuffix("')")
