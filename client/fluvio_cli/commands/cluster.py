"""`fluvio cluster`: start, stop and look at a cluster.

Local clusters are processes of `fluvio_local` (cluster_process.py), those on Kubernetes the
business of `fluvio_cli.kubernetes_cluster`; SPUs and groups are objects that any cluster has.
"""

import click

from fluvio_cli.commands.cluster_check import check, status
from fluvio_cli.commands.cluster_diagnostics import diagnostics
from fluvio_cli.commands.cluster_spu import spg, spu
from fluvio_cli.commands.cluster_start import resume, start
from fluvio_cli.commands.cluster_stop import delete, shutdown
from fluvio_cli.commands.cluster_upgrade import upgrade


@click.group("cluster")
def command() -> None:
    """Start, stop and check clusters."""


for _command in (
    *(start, upgrade, resume, shutdown, delete, check, status, diagnostics),
    *(spu, spg),
):
    command.add_command(_command)
