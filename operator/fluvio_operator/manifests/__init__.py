"""Pure builders: from what a group wants to the objects Kubernetes is given, as plain dicts.

Called by the runtime. No client, no clock, no cluster: the same input gives the same manifest.
"""
