"""SmartModules on this machine: compiling C, the modules that come ready-made, and templates.

Called by the commands below `fluvio smartmodule`. Talks to no cluster.
"""
