"""The Kubernetes adapter: custom resources in, running SPU pods and status out.

It implements the two ports of `fluvio_sc.core.ports` over the Kubernetes API and decides nothing
itself: kopf watches and feeds, the controller's queue decides, the store and the runtime act.
"""
