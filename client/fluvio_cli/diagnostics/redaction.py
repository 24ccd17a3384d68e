"""Taking secrets out of what is shown to strangers. Pure.

Called for everything that goes into a diagnostics archive. Errs on the side of taking out too much:
a value goes for its name, for its form, or for its place.
"""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret(?!name|ref)|token(?!review)|credential|private_?-?key|api_?-?key"
    r"|access_?-?key|client_?-?key|server_?-?key|tls\.key|\bauthorization\b|cert$|certs?data|\.crt$"
    r"|\.pem$|\.key$|cookie|dsn$|connection_?-?string",
    re.IGNORECASE,
)
_NEVER_SECRET = {"automountserviceaccounttoken", "imagepullsecrets", "secretname"}
_PEM = re.compile(r"-----BEGIN [^-]+-----.*?(-----END [^-]+-----|\Z)", re.DOTALL)
# Every repetition has a limit, so that long lines take no longer than they are long.
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s{1,4}[A-Za-z0-9._~+/=-]{8,}")
_ASSIGNED = re.compile(
    r"(?i)((?:passw(?:or)?d|passphrase|secret|token|api_?key|private_?key|access_?key)[\w.-]{0,40}"
    r"[\"']?\s{0,4}[=:]\s{0,4}[\"']?)([^\s\"',;}]+)"
)
_IN_ADDRESS = re.compile(r"(://[^/\s:@]{0,100}:)[^@\s/]{1,200}@")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def redact_text(text: str) -> str:
    """Logs and the like: PEM blocks, tokens, passwords in addresses and after their names."""
    text = _PEM.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _IN_ADDRESS.sub(rf"\1{REDACTED}@", text)
    return _ASSIGNED.sub(rf"\1{REDACTED}", text)


def redact(value: Any) -> Any:
    """Plain data: the same shape, with secrets taken out."""
    match value:
        case Mapping():
            return _redact_map(value)
        case list() | tuple():
            return [redact(one) for one in value]
        case str():
            return redact_text(value)
        case _:
            return value


def _redact_map(value: Mapping[str, Any]) -> dict[str, Any]:
    # A variable in a pod: {name: DB_PASSWORD, value: ...}
    named = value.get("name")
    if isinstance(named, str) and "value" in value and is_secret_name(named):
        return {**value, "value": REDACTED}
    return {
        name: REDACTED if _is_secret(name, inner) else redact(inner)
        for name, inner in value.items()
        if name != _LAST_APPLIED
    }


def _is_secret(name: str, inner: Any) -> bool:
    return isinstance(inner, str | bytes | int | float) and (
        not isinstance(inner, bool) and is_secret_name(name)
    )


def is_secret_name(name: str) -> bool:
    """Is what bears this name to be kept?"""
    return name.lower() not in _NEVER_SECRET and _SECRET_NAME.search(name) is not None


def redact_object(body: Mapping[str, Any]) -> dict[str, Any]:
    """An object of Kubernetes: bookkeeping goes too; of a Secret only names and sizes stay."""
    metadata = {
        name: value for name, value in body.get("metadata", {}).items() if name != "managedFields"
    }
    if body.get("kind") == "Secret":
        sizes = {
            name: f"{REDACTED}, {len(str(value))} characters"
            for name, value in (body.get("data") or {}).items()
        }
        shown = {key: body[key] for key in ("apiVersion", "kind", "type") if key in body}
        kept = ("name", "namespace", "labels", "creationTimestamp", "ownerReferences")
        return {
            **shown,
            "metadata": {key: metadata[key] for key in kept if key in metadata},
            "data": sizes,
        }
    result: dict[str, Any] = redact({**body, "metadata": metadata})
    if body.get("kind") == "SmartModule":
        wasm = (result.get("spec") or {}).get("wasm") or {}
        if isinstance(wasm.get("payload"), str):
            wasm["payload"] = f"{len(wasm['payload'])} characters left out"
    return result
