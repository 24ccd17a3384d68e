"""The admission policy of a namespace: only the operator writes what is the operator's.

    Partition     its spec; its creation and deletion
    managed Spu   the same
    any kind      /status

A Topic that says `deletionPolicy: Retain` is deleted by nobody until it says something else, or
its namespace goes. Everybody may still change metadata, and the garbage collector and the
namespace controller may delete. A Partition annotated `fluvio.io/adopt: "true"` is open to people
for recovery: they may make or delete it, and in one that exists they may change `spec.leader`
alone. The API server itself enforces this, so it holds while the operator is down. Pure; the chart
uses it as text.
"""

from typing import Any

from fluvio_crd.resources import GROUP

ADOPT_ANNOTATION = "fluvio.io/adopt"

_CLEANERS = (
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    "system:kube-controller-manager",
)
_API = "admissionregistration.k8s.io/v1"

_VARIABLES = {
    "isCreate": "request.operation == 'CREATE'",
    "isDelete": "request.operation == 'DELETE'",
    "isStatus": "request.?subResource.orValue('') == 'status'",
    "isPartition": "request.resource.resource == 'partitions'",
    "isSpu": "request.resource.resource == 'spus'",
    "isTopic": "request.resource.resource == 'topics'",
    "subject": "variables.isDelete ? oldObject : object",
    "isManaged": (
        "variables.isSpu && variables.subject.?spec.?spuType.orValue('Managed') == 'Managed'"
    ),
    "isAdopted": (
        f"variables.subject.metadata.?annotations[?'{ADOPT_ANNOTATION}'].orValue('') == 'true'"
    ),
    "isSpecKept": (
        "!variables.isCreate && !variables.isDelete "
        "&& object.?spec.orValue({}) == oldObject.?spec.orValue({})"
    ),
    "isOnlyLeaderChanged": (
        "!variables.isCreate && !variables.isDelete && has(object.spec) && has(oldObject.spec) "
        "&& object.spec.all(k, k == 'leader' "
        "|| (k in oldObject.spec && object.spec[k] == oldObject.spec[k])) "
        "&& oldObject.spec.all(k, k in object.spec)"
    ),
}

_VALIDATIONS = (
    ("!variables.isStatus", "status is written by the operator alone"),
    (
        "variables.isStatus || !variables.isPartition || variables.isSpecKept "
        "|| (variables.isAdopted "
        "&& (variables.isCreate || variables.isDelete || variables.isOnlyLeaderChanged))",
        "partitions are made, changed and deleted by the operator alone: change their topic; "
        f'to recover one, annotate it {ADOPT_ANNOTATION}: "true" and change spec.leader',
    ),
    (
        "variables.isStatus || !variables.isManaged || variables.isSpecKept",
        "managed SPUs are made, changed and deleted by the operator alone: change their group",
    ),
    (
        "!variables.isTopic || !variables.isDelete "
        "|| oldObject.?spec.?deletionPolicy.orValue('Delete') != 'Retain'",
        "this topic is retained: set its spec.deletionPolicy to Delete before you delete it",
    ),
)


def admission_policy(namespace: str, service_account: str) -> list[dict[str, Any]]:
    """The policy and its binding, for the operator that runs as this account."""
    operator = f"system:serviceaccount:{namespace}:{service_account}"
    name = f"fluvio-operator-only.{namespace}"
    labels = {
        "app.kubernetes.io/managed-by": "fluvio-operator",
        "app.kubernetes.io/part-of": "fluvio",
    }
    cleaners = ", ".join(f"'{cleaner}'" for cleaner in _CLEANERS)
    policy = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [GROUP],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE", "DELETE"],
                        "resources": ["partitions", "spus", "topics", "*/status"],
                    }
                ]
            },
            "matchConditions": [
                {
                    "name": "not-the-operator",
                    "expression": f"request.userInfo.username != '{operator}'",
                },
                {
                    "name": "not-a-cleaner-deleting",
                    "expression": "request.operation != 'DELETE' "
                    f"|| !(request.userInfo.username in [{cleaners}])",
                },
            ],
            "variables": [
                {"name": variable, "expression": expression}
                for variable, expression in _VARIABLES.items()
            ],
            "validations": [
                {"expression": expression, "message": message, "reason": "Forbidden"}
                for expression, message in _VALIDATIONS
            ],
        },
    }
    binding = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
            },
        },
    }
    return [policy, binding]
