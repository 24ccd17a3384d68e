"""`python -m fluvio_cli`: the same as the console script."""

from fluvio_cli.main import main

main()
