"""The commands, one module each, with an attribute `command` that `fluvio_cli.main` looks for."""
