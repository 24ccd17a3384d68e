"""The Kubernetes API for commands, and the only place of the command line that speaks it.

Called by `fluvio_cli.kubernetes_cluster`. Knows nothing of Fluvio. Of the `kubernetes` package it
uses what is hard: kubeconfig files, credentials, commands run in a pod.
"""
