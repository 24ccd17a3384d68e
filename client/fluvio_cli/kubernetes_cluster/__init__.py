"""A Fluvio cluster on Kubernetes: installing, checking, upgrading, removing and explaining it.

Called by `fluvio_cli.commands`. Two ways lead out: `fluvio_cli.kubernetes` for the API server, and
the helm executable (helm.py). One cluster is one namespace; its release is always named `fluvio`.
Nothing here touches an object that is not ours: what is ours, labels, owners and the release say.
"""
