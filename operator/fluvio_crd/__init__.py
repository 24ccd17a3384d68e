"""Resources as YAML and JSON: pydantic models, and the CRDs made from them.

Called by the Kubernetes adapter and the command line. Bytes of the wire, the cluster and the
network are not its business: a manifest becomes values of `fluvio_protocol.metadata`, and back.

    manifest.py    the way in for everybody: spec and status of any kind, read and written
    resources.py   names of the kinds in Kubernetes
    settings.py    our additions to a spec, as values
    admission.py   the policy that keeps people out of what the operator writes
    generate.py    writes `crds/`
    topic.py ...   one module per kind: its models, and their translation

`resources`, `settings` and `admission` load no pydantic; the command line counts on that.
"""

from fluvio_crd.resources import GROUP as GROUP
