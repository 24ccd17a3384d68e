"""Which cluster, as which user: kubeconfig files, or the account that a pod is given.

Called by `api.py`. Reading them, with all the ways there are to log in, is the package's part.
"""

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluvio_cli.kubernetes.errors import KubernetesError, in_one_line

IN_CLUSTER = "in-cluster"
"""The name of the context of a pod that has no kubeconfig."""
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Context:
    """A way to a cluster, as kubeconfig names it. namespace: the one it prefers, if any."""

    name: str
    server: str
    namespace: str | None


def configure(configuration: Any, context_name: str | None) -> Context:
    """Fill a `kubernetes.client.Configuration`; which context that was. Raises KubernetesError."""
    files = os.environ.get("KUBECONFIG") or "~/.kube/config"
    if _any_exists(files):
        return _read_kubeconfig(files, context_name, configuration)
    if "KUBERNETES_SERVICE_HOST" in os.environ and context_name in (None, IN_CLUSTER):
        return _read_service_account(configuration)
    raise KubernetesError(
        f"There is no Kubernetes configuration at {files}: set KUBECONFIG, or write there "
        "what the tool that made your cluster gives you"
    )


def _any_exists(files: str) -> bool:
    return any(Path(one).expanduser().exists() for one in files.split(os.pathsep) if one)


def _read_kubeconfig(files: str, context_name: str | None, configuration: Any) -> Context:
    """Fill `configuration` from kubeconfig files; which context that was."""
    config: Any = importlib.import_module("kubernetes.config")
    unusable = f"kubeconfig {files} cannot be used"
    try:
        contexts, active = config.list_kube_config_contexts(config_file=files)
        named = {str(one["name"]): one.get("context") or {} for one in contexts}
    except Exception as error:  # of the package, of yaml, or of its assumptions on the contents
        raise KubernetesError(f"{unusable}: {in_one_line(error)}") from error
    name = context_name or (str(active["name"]) if active else None)
    if name is None or name not in named:
        missing = "no current context" if name is None else f'no context "{name}"'
        raise KubernetesError(
            f"kubeconfig {files} has {missing}: it has {', '.join(sorted(named)) or 'none'}"
        )
    try:
        config.load_kube_config(
            config_file=files,
            context=name,
            client_configuration=configuration,
            persist_config=False,
        )
    except Exception as error:  # as above, and of the programs that kubeconfig may name
        raise KubernetesError(f'{unusable}, context "{name}": {in_one_line(error)}') from error
    return Context(name, str(configuration.host), named[name].get("namespace"))


def _read_service_account(configuration: Any) -> Context:
    """Fill `configuration` from what every pod is given."""
    config: Any = importlib.import_module("kubernetes.config")
    try:
        config.load_incluster_config(client_configuration=configuration)
        namespace = (_SERVICE_ACCOUNT / "namespace").read_text("utf-8").strip()
    except (config.ConfigException, OSError) as error:
        raise KubernetesError(f"This pod has no account to use: {in_one_line(error)}") from error
    return Context(IN_CLUSTER, str(configuration.host), namespace)
