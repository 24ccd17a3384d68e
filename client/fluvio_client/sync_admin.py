"""Administration without asyncio: the repositories of `fluvio_client.admin`, waited for.

Reached as `client.admin` of `fluvio_client.sync`. Each method is its asynchronous twin's, with the
same arguments and result.
"""

from typing import Any

from fluvio_client import admin as asynchronous
from fluvio_client.portal import Blocking, Iterating, Portal
from fluvio_client.replicas import Replicas as AsyncReplicas
from fluvio_client.stored_offsets import Consumers as AsyncConsumers
from fluvio_protocol.metadata.kinds import Kind


class _Repository:
    """Of one kind."""

    def __init__(self, portal: Portal, twin: Any) -> None:
        self._portal = portal
        self._twin = twin


class Topics(_Repository):
    """Topics."""

    add_mirror = Blocking(asynchronous.Topics.add_mirror)
    add_partitions = Blocking(asynchronous.Topics.add_partitions)
    create = Blocking(asynchronous.Topics.create)
    create_from_spec = Blocking(asynchronous.Topics.create_from_spec)
    delete = Blocking(asynchronous.Topics.delete)
    describe = Blocking(asynchronous.Topics.describe)
    find = Blocking(asynchronous.Topics.find)
    get = Blocking(asynchronous.Topics.get)
    list = Blocking(asynchronous.Topics.list)
    update = Blocking(asynchronous.Topics.update)
    wait_for = Blocking(asynchronous.Topics.wait_for)
    wait_until_gone = Blocking(asynchronous.Topics.wait_until_gone)
    watch = Iterating(asynchronous.Topics.watch)


class Partitions(_Repository):
    """Partitions, which belong to topics and are changed through them."""

    create = Blocking(asynchronous.Partitions.create)
    delete = Blocking(asynchronous.Partitions.delete)
    describe = Blocking(asynchronous.Partitions.describe)
    find = Blocking(asynchronous.Partitions.find)
    get = Blocking(asynchronous.Partitions.get)
    list = Blocking(asynchronous.Partitions.list)
    update = Blocking(asynchronous.Partitions.update)
    wait_for = Blocking(asynchronous.Partitions.wait_for)
    wait_until_gone = Blocking(asynchronous.Partitions.wait_until_gone)
    watch = Iterating(asynchronous.Partitions.watch)


class Spus(_Repository):
    """All SPUs, managed and custom."""

    delete = Blocking(asynchronous.Spus.delete)
    describe = Blocking(asynchronous.Spus.describe)
    find = Blocking(asynchronous.Spus.find)
    get = Blocking(asynchronous.Spus.get)
    list = Blocking(asynchronous.Spus.list)
    wait_for = Blocking(asynchronous.Spus.wait_for)
    wait_until_gone = Blocking(asynchronous.Spus.wait_until_gone)
    watch = Iterating(asynchronous.Spus.watch)


class CustomSpus(_Repository):
    """SPUs that the user runs."""

    create_from_spec = Blocking(asynchronous.CustomSpus.create_from_spec)
    delete = Blocking(asynchronous.CustomSpus.delete)
    describe = Blocking(asynchronous.CustomSpus.describe)
    find = Blocking(asynchronous.CustomSpus.find)
    get = Blocking(asynchronous.CustomSpus.get)
    list = Blocking(asynchronous.CustomSpus.list)
    register = Blocking(asynchronous.CustomSpus.register)
    unregister = Blocking(asynchronous.CustomSpus.unregister)
    wait_for = Blocking(asynchronous.CustomSpus.wait_for)
    wait_until_gone = Blocking(asynchronous.CustomSpus.wait_until_gone)
    watch = Iterating(asynchronous.CustomSpus.watch)


class SpuGroups(_Repository):
    """Groups of SPUs that the platform runs."""

    create = Blocking(asynchronous.SpuGroups.create)
    create_from_spec = Blocking(asynchronous.SpuGroups.create_from_spec)
    delete = Blocking(asynchronous.SpuGroups.delete)
    describe = Blocking(asynchronous.SpuGroups.describe)
    find = Blocking(asynchronous.SpuGroups.find)
    get = Blocking(asynchronous.SpuGroups.get)
    list = Blocking(asynchronous.SpuGroups.list)
    wait_for = Blocking(asynchronous.SpuGroups.wait_for)
    wait_until_gone = Blocking(asynchronous.SpuGroups.wait_until_gone)
    watch = Iterating(asynchronous.SpuGroups.watch)


class SmartModules(_Repository):
    """Stored SmartModules; lists leave the code out."""

    create = Blocking(asynchronous.SmartModules.create)
    create_from_spec = Blocking(asynchronous.SmartModules.create_from_spec)
    delete = Blocking(asynchronous.SmartModules.delete)
    describe = Blocking(asynchronous.SmartModules.describe)
    find = Blocking(asynchronous.SmartModules.find)
    get = Blocking(asynchronous.SmartModules.get)
    get_with_code = Blocking(asynchronous.SmartModules.get_with_code)
    list = Blocking(asynchronous.SmartModules.list)
    update = Blocking(asynchronous.SmartModules.update)
    wait_for = Blocking(asynchronous.SmartModules.wait_for)
    wait_until_gone = Blocking(asynchronous.SmartModules.wait_until_gone)
    watch = Iterating(asynchronous.SmartModules.watch)


class TableFormats(_Repository):
    """Table formats."""

    create = Blocking(asynchronous.TableFormats.create)
    create_from_spec = Blocking(asynchronous.TableFormats.create_from_spec)
    delete = Blocking(asynchronous.TableFormats.delete)
    describe = Blocking(asynchronous.TableFormats.describe)
    find = Blocking(asynchronous.TableFormats.find)
    get = Blocking(asynchronous.TableFormats.get)
    list = Blocking(asynchronous.TableFormats.list)
    update = Blocking(asynchronous.TableFormats.update)
    wait_for = Blocking(asynchronous.TableFormats.wait_for)
    wait_until_gone = Blocking(asynchronous.TableFormats.wait_until_gone)
    watch = Iterating(asynchronous.TableFormats.watch)


class Mirrors(_Repository):
    """Other clusters."""

    create = Blocking(asynchronous.Mirrors.create)
    create_from_spec = Blocking(asynchronous.Mirrors.create_from_spec)
    delete = Blocking(asynchronous.Mirrors.delete)
    describe = Blocking(asynchronous.Mirrors.describe)
    find = Blocking(asynchronous.Mirrors.find)
    get = Blocking(asynchronous.Mirrors.get)
    list = Blocking(asynchronous.Mirrors.list)
    wait_for = Blocking(asynchronous.Mirrors.wait_for)
    wait_until_gone = Blocking(asynchronous.Mirrors.wait_until_gone)
    watch = Iterating(asynchronous.Mirrors.watch)


class Consumers(_Repository):
    """Offsets that the cluster keeps for consumers."""

    delete = Blocking(AsyncConsumers.delete)
    lags = Blocking(AsyncConsumers.lags)
    list = Blocking(AsyncConsumers.list)


class Replicas(_Repository):
    """Replicas of all partitions."""

    cancel_move = Blocking(AsyncReplicas.cancel_move)
    describe = Blocking(AsyncReplicas.describe)
    drain = Blocking(AsyncReplicas.drain)
    elect = Blocking(AsyncReplicas.elect)
    move = Blocking(AsyncReplicas.move)
    rebalance = Blocking(AsyncReplicas.rebalance)


class Admin:
    """The repositories, and what works for every kind."""

    def __init__(self, portal: Portal, twin: asynchronous.Admin) -> None:
        """Use `client.admin`."""
        self._portal = portal
        self._twin = twin
        self.topics = Topics(portal, twin.topics)
        self.partitions = Partitions(portal, twin.partitions)
        self.spus = Spus(portal, twin.spus)
        self.custom_spus = CustomSpus(portal, twin.custom_spus)
        self.spu_groups = SpuGroups(portal, twin.spu_groups)
        self.smart_modules = SmartModules(portal, twin.smart_modules)
        self.table_formats = TableFormats(portal, twin.table_formats)
        self.mirrors = Mirrors(portal, twin.mirrors)
        self.consumers = Consumers(portal, twin.consumers)
        self.replicas = Replicas(portal, twin.replicas)

    apply = Blocking(asynchronous.Admin.apply)
    diff = Blocking(asynchronous.Admin.diff)
    wait_for = Blocking(asynchronous.Admin.wait_for)

    def of(self, kind: Kind | str) -> Any:
        """The repository of a kind, which may be a word. Raises ValueError."""
        twin = self._twin.of(kind)
        for mine in vars(self).values():
            if isinstance(mine, _Repository) and mine._twin is twin:
                return mine
        raise AssertionError(f"every kind has a repository: {kind}")
