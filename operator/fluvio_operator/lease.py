"""Which process is the controller: one Lease, renewed while we live, taken when it has run out.

Called by the process's assembly. The holder renews every third of the duration. Whoever waits
measures how long the lease has not changed on its own clock, so clocks of machines need not agree.
A holder that could not renew stops believing in itself a fifth of the duration before anybody else
may take over: `held()` says no from then on, and the store writes nothing.

    taken by us --renew--> taken by us          renewed in time
                --late---> lost                 the process should end: others may lead now
    taken by other --unchanged for its duration--> taken by us
                   --released--> taken by us
Source: client-go, tools/leaderelection.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fluvio_operator.kube_api import KubeApi, KubeError
from fluvio_operator.manifests.names import FIELD_MANAGER

_log = logging.getLogger(__name__)

ACQUIRE_INTERVAL_S = 2.0
"""How often one that waits looks: a lease that was given up is taken within this time."""
MARGIN = 0.2
"""Part of the duration by which a holder gives up earlier than others may take over."""


class LeaseLost(Exception):
    """We were the controller and may be no more; the process ends."""


class Lease:
    """`acquire()` waits until it is ours, `keep()` renews until it is lost, `release()` ends it.

    clock_s: steady seconds
    """

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        name: str,
        holder: str,
        *,
        duration_s: float = 15.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.holder = holder
        self.duration_s = duration_s
        self._api = api
        self._namespace = namespace
        self._name = name
        self._clock_s = clock_s
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path = f"{self._collection}/{name}"
        self._held_until_s = 0.0
        self._seen_version = ""
        self._runs_out_at_s = 0.0

    def held(self) -> bool:
        """Whether nobody else can be the controller at this moment."""
        return self._clock_s() < self._held_until_s

    @property
    def renew_interval_s(self) -> float:
        return self.duration_s / 3

    async def acquire(self) -> None:
        """Return when the lease is ours, however long that takes."""
        while True:
            if await self.try_once():
                break
            await asyncio.sleep(self.next_look_s())
        _log.info("event=lease_acquired lease=%s holder=%s", self._name, self.holder)

    def next_look_s(self) -> float:
        """How long one that waits waits: a lease that runs out is taken in that moment, by who has
        waited longest, and not at the next look of whoever happens to look first."""
        usual_s = min(self.renew_interval_s, ACQUIRE_INTERVAL_S)
        left_s = self._runs_out_at_s - self._clock_s()
        return min(usual_s, left_s) if left_s > 0 else usual_s

    async def keep(self) -> None:
        """Renew; raises LeaseLost when that failed for too long, or another took it."""
        while True:
            await asyncio.sleep(self.renew_interval_s)
            taken = await self.try_once()
            if not taken and not self.held():
                raise LeaseLost(f"lease {self._name} is not ours any more")

    async def release(self) -> None:
        """Give it up, so that a standby need not wait until it has run out."""
        if not self.held():
            return
        self._held_until_s = 0.0
        try:
            body = await self._api.get(self._path)
            if body is not None and _spec(body).get("holderIdentity") == self.holder:
                await self._write(body, holder=None)
        except KubeError as error:  # it runs out by itself
            _log.warning("event=lease_not_released reason=%s", error)

    async def try_once(self) -> bool:
        """Take or renew the lease if that is possible now. Never raises KubeError."""
        begun_s = self._clock_s()
        try:
            async with asyncio.timeout(self.renew_interval_s):
                taken = await self._take()
        except (KubeError, TimeoutError) as error:
            _log.warning("event=lease_not_renewed reason=%s", error or "no answer in time")
            return False
        if taken:
            self._held_until_s = begun_s + self.duration_s * (1 - MARGIN)
        return taken

    async def _take(self) -> bool:
        body = await self._api.get(self._path)
        if body is None:
            return await self._create()
        holder = _spec(body).get("holderIdentity")
        if holder != self.holder and holder and not self._has_run_out(body):
            return False
        return await self._write(body, holder=self.holder)

    def _has_run_out(self, body: Mapping[str, Any]) -> bool:
        """Whether its holder was silent for the duration, since we first saw this version."""
        version = str(body["metadata"]["resourceVersion"])
        if version != self._seen_version:
            duration_s = float(_spec(body).get("leaseDurationSeconds") or self.duration_s)
            self._seen_version, self._runs_out_at_s = version, self._clock_s() + duration_s
            return False
        return self._clock_s() >= self._runs_out_at_s

    async def _create(self) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._wanted(self.holder, {}),
        }
        return await self._won(self._api.create(self._collection, body, manager=FIELD_MANAGER))

    async def _write(self, body: Mapping[str, Any], *, holder: str | None) -> bool:
        patch = {
            "metadata": {"resourceVersion": body["metadata"]["resourceVersion"]},
            "spec": self._wanted(holder, _spec(body)),
        }
        return await self._won(self._api.merge(self._path, patch, manager=FIELD_MANAGER))

    async def _won(self, write: Any) -> bool:
        try:
            await write
        except KubeError as error:
            if error.status == 409:  # somebody else was quicker
                return False
            raise
        return True

    def _wanted(self, holder: str | None, before: Mapping[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        transitions = int(before.get("leaseTransitions") or 0)
        wanted: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(self.duration_s)),
            "renewTime": now,
        }
        if holder is not None and before.get("holderIdentity") != holder:
            wanted["acquireTime"] = now
            wanted["leaseTransitions"] = transitions + 1 if before else 0
        return wanted


def _spec(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return body.get("spec") or {}
