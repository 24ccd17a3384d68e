"""Resources as YAML and JSON: pydantic models, and the CRDs made from them.

Called by the Kubernetes adapter and the command line. Bytes of the wire, the cluster and the
network are not its business: a manifest becomes values of `fluvio_protocol.metadata`, and back.
"""
