"""Groups of SPUs as StatefulSets and Services: the controller's `SpuRuntime` on Kubernetes.

Called by the controller (`apply_spus`, `member_spec`) and by its own `run`. One pass looks at every
group: what it should consist of (`manifests/`), what there is (`KubeCache`), and what differs is
applied, whoever made it differ. Then it tells the controller what it saw: where each SPU is
reached, and whether its pod can run. There are few groups, so a pass costs little; nothing is
asked of the API server while nothing differs.

    group reserved, its SPU objects exist -> Services, StatefulSet of as many pods
    SPU object gone                       -> its Service removed, the StatefulSet one smaller
    group being deleted                   -> only smaller; the garbage collector takes the rest

Invariants: what is not reserved is not built; an object is created by server-side apply under its
one possible name, so that doing it twice is doing it once; a pass that fails for one group goes on
with the others and is repeated.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from fluvio_operator.conditions.reasons import Reason
from fluvio_operator.conditions.spu_group import GroupObservation
from fluvio_operator.event_recorder import EventRecorder
from fluvio_operator.group_plan import plan_of
from fluvio_operator.kube_api import Body, KubeApi, KubeError
from fluvio_operator.kube_cache import KubeCache, Watched, path_of
from fluvio_operator.manifests.addresses import public_address, zone_of
from fluvio_operator.manifests.disruption_budget import build_disruption_budget
from fluvio_operator.manifests.drift import first_difference, frozen_differences
from fluvio_operator.manifests.group_problem import group_problem
from fluvio_operator.manifests.headless_service import build_headless_service
from fluvio_operator.manifests.names import (
    FIELD_MANAGER,
    OWN_GROUP_LABEL,
    pod_name,
    spu_of_service,
    spu_service_name,
    stateful_set_name,
)
from fluvio_operator.manifests.plan import ClusterNames, GroupPlan
from fluvio_operator.manifests.settings import BadSettings, SpuPodSettings, parse_spu_settings
from fluvio_operator.manifests.spu_service import build_spu_service
from fluvio_operator.manifests.spu_spec import spu_spec_of
from fluvio_operator.manifests.stateful_set import build_stateful_set
from fluvio_operator.platform_view import GroupOnPlatform, PlatformView, SpuOnPlatform
from fluvio_operator.pod_health import pod_problem
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu import SpuSpec
from fluvio_protocol.metadata.spu_group import SpuGroupResolution
from fluvio_sc.controller import Controller
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.ports import DesiredSpu
from fluvio_sc.memory_store import MemoryStore, Publication
from fluvio_socket.backoff import Backoff

_log = logging.getLogger(__name__)

PAUSE_ANNOTATION = "fluvio.io/pause-reconciliation"
LOOK_INTERVAL_S = 30.0
PASS_INTERVAL_S = 0.1
"""Changes come in crowds; what happens within this time is one pass."""
CORRECTION_INTERVAL_S = 5.0
"""An object that somebody keeps changing is changed back no more often than that."""

_KINDS = {
    "StatefulSet": Watched.STATEFUL_SETS,
    "Service": Watched.SERVICES,
    "PodDisruptionBudget": Watched.DISRUPTION_BUDGETS,
}


class KubeRuntime:
    """See the module. `controller` is set before `run` begins.

    may_write:  whether this process leads; asked before every write
    log_filter: RUST_LOG of the SPUs
    """

    def __init__(
        self,
        api: KubeApi,
        cache: KubeCache,
        names: ClusterNames,
        memory_store: MemoryStore,
        view: PlatformView,
        events: EventRecorder,
        *,
        may_write: Callable[[], bool],
        config_map: str,
        log_filter: str = "info",
    ) -> None:
        self.controller: Controller | None = None
        self._api = api
        self._cache = cache
        self._names = names
        self._memory_store = memory_store
        self._view = view
        self._events = events
        self._may_write = may_write
        self._config_map = config_map
        self._log_filter = log_filter
        self._wake = asyncio.Event()
        self._backoff = Backoff(initial_s=0.5, maximum_s=60.0)
        self._applied: dict[str, Body] = {}
        self._corrected_at_s: dict[str, float] = {}
        self._known_spus: dict[str, StoredObject] = {}
        self._known_groups: set[str] = set()
        self._failing: dict[str, str] = {}

    # The port.

    async def apply_spus(self, desired: Sequence[DesiredSpu]) -> None:
        """The SPU objects are what a pass looks at; it comes soon."""
        self._wake.set()

    def member_spec(self, group: StoredObject, ordinal: int) -> SpuSpec:
        """The spec of an SPU of a group, but for its address."""
        plan = self._plan(group)
        node = self._node_of(self._cache.get(Watched.PODS, pod_name(group.name, ordinal)))
        return spu_spec_of(plan, self._names, ordinal, None, zone=zone_of(node))

    # The passes.

    async def run(self) -> None:
        """Pass after pass, until cancelled."""
        self._cache.on_change = self._wake.set
        kinds = (Kind.SPU_GROUP, Kind.SPU)
        self._memory_store.subscribe(kinds, self._published)
        try:
            while True:
                pause_s = LOOK_INTERVAL_S
                if self._may_write():
                    well = await self._pass()
                    if well:
                        self._backoff.reset()
                    else:
                        pause_s = self._backoff.next_delay_s()
                await asyncio.sleep(PASS_INTERVAL_S)
                await self._wait(pause_s)
        finally:
            self._memory_store.unsubscribe(kinds, self._published)

    async def _wait(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    def _published(self, publication: Publication) -> None:
        self._wake.set()

    async def _pass(self) -> bool:
        """Look at everything once; whether nothing has to be repeated."""
        settings, problem = self._settings()
        groups = list(self._memory_store.of(Kind.SPU_GROUP))
        well = True
        for group in groups:
            well = await self._look_at(group, settings, problem) and well
        well = await self._keep_budget(groups) and well
        self._forget_gone(groups)
        return well

    def _settings(self) -> tuple[SpuPodSettings | None, str]:
        body = self._cache.get(Watched.CONFIG_MAPS, self._config_map)
        if body is None:
            return None, f"ConfigMap {self._config_map} does not exist: install the chart"
        try:
            return parse_spu_settings(body.get("data") or {}), ""
        except BadSettings as error:
            return None, f"ConfigMap {self._config_map}: {error}"

    async def _look_at(
        self, group: StoredObject, settings: SpuPodSettings | None, problem: str
    ) -> bool:
        spus = self._members(group)
        plan = self._plan(group)
        if settings is not None:
            problem = group_problem(plan, settings) or ""
        paused = group.annotations.get(PAUSE_ANNOTATION) == "true"
        failing = None
        is_reserved = group.status.resolution is SpuGroupResolution.RESERVED
        if settings is not None and not problem and not paused and is_reserved:
            try:
                await self._build(group, plan, settings, spus)
            except KubeError as error:
                failing = str(error)
                self._note_failing(group, failing)
        if failing is None:
            self._failing.pop(group.uid, None)
        if settings is not None and not problem:
            for spu in spus:
                self._tell_address(spu, plan, settings)
        self._tell_group(group, spus, problem or None, failing, paused)
        return failing is None

    async def _build(
        self,
        group: StoredObject,
        plan: GroupPlan,
        settings: SpuPodSettings,
        spus: Sequence[StoredObject],
    ) -> None:
        """Make what is there equal to what should be. Raises KubeError."""
        ordinals = [int(spu.spec.id - group.spec.min_id) for spu in spus]
        if not ordinals and group.spec.replicas and not group.deletion_requested:
            return  # its SPU objects come first
        plan = replace(plan, replicas_now=max(ordinals, default=-1) + 1)
        wanted = [
            build_headless_service(plan),
            *(build_spu_service(plan, settings, ordinal) for ordinal in ordinals),
            build_stateful_set(plan, settings, self._names, log_filter=self._log_filter),
        ]
        for manifest in wanted:
            if group.deletion_requested and self._live(manifest) is None:
                continue  # the garbage collector was quicker
            await self._apply(group, manifest)
        kept = {spu_service_name(group.name, ordinal) for ordinal in ordinals}
        for service in self._services_of(group):
            if service["metadata"]["name"] not in kept:
                await self._delete(Watched.SERVICES, service)

    def _live(self, manifest: Body) -> Body | None:
        return self._cache.get(_KINDS[manifest["kind"]], manifest["metadata"]["name"])

    async def _apply(self, group: StoredObject | None, manifest: Body) -> None:
        kind, name = _KINDS[manifest["kind"]], manifest["metadata"]["name"]
        path = path_of(kind, self._names.namespace, name)
        live = self._cache.get(kind, name)
        if live is not None and live["metadata"].get("deletionTimestamp"):
            return  # its event comes when it is gone
        difference = None
        if live is not None:
            difference = first_difference(manifest, live)
            if difference is None:
                self._applied[path] = manifest
                return
        if not self._may_write():
            return
        is_drift = live is not None and self._applied.get(path) == manifest
        if is_drift and not self._may_correct(path):
            asyncio.get_running_loop().call_later(CORRECTION_INTERVAL_S, self._wake.set)
            return
        if live is not None and kind is Watched.STATEFUL_SETS:
            frozen = frozen_differences(manifest, live)
            if frozen:
                _log.info("event=recreated object=%s fields=%s", name, ",".join(frozen))
                await self._delete(kind, live, propagation="Orphan")
                self._record(group, Reason.RECREATED, f"{name}: {', '.join(frozen)} changed")
                return
        body = await self._api.apply(path, manifest, manager=FIELD_MANAGER)
        self._applied[path] = manifest
        self._cache.observe(kind, body)
        _log.info("event=applied object=%s/%s difference=%s", kind.value, name, difference)
        if live is None:
            self._record(group, Reason.CREATED, f"{manifest['kind']} {name}")
        elif is_drift:
            note = f"{manifest['kind']} {name}: {difference} was changed by somebody else"
            self._record(group, Reason.DRIFT_CORRECTED, note, warning=True)
        elif kind is Watched.STATEFUL_SETS:
            self._record(group, Reason.UPDATED, f"StatefulSet {name}: {difference}")

    def _may_correct(self, path: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._corrected_at_s.get(path, -CORRECTION_INTERVAL_S) < CORRECTION_INTERVAL_S:
            return False
        self._corrected_at_s[path] = now_s
        return True

    async def _delete(self, kind: Watched, body: Body, *, propagation: str = "Background") -> None:
        if body["metadata"].get("deletionTimestamp") or not self._may_write():
            return
        name, uid = body["metadata"]["name"], body["metadata"]["uid"]
        path = path_of(kind, self._names.namespace, name)
        await self._api.delete(path, uid=uid, propagation=propagation)
        self._applied.pop(path, None)
        _log.info("event=deleted object=%s/%s", kind.value, name)

    async def _keep_budget(self, groups: Sequence[StoredObject]) -> bool:
        """One disruption budget over all groups that have SPUs."""
        plans = [
            self._plan(group)
            for group in groups
            if group.status.resolution is SpuGroupResolution.RESERVED
            and not group.deletion_requested
        ]
        if not plans:
            return True
        try:
            await self._apply(None, build_disruption_budget(self._names, plans))
        except KubeError as error:
            _log.warning("event=budget_not_applied reason=%s", error)
            return False
        return True

    # What is told.

    def _tell_address(self, spu: StoredObject, plan: GroupPlan, settings: SpuPodSettings) -> None:
        assert self.controller is not None
        ordinal = int(spu.spec.id - plan.spec.min_id)
        pod = self._cache.get(Watched.PODS, pod_name(plan.name, ordinal))
        node = self._node_of(pod)
        address = public_address(
            plan,
            settings,
            self._names,
            ordinal,
            service=self._cache.get(Watched.SERVICES, spu_service_name(plan.name, ordinal)),
            node=node,
        )
        known = address.public
        if address.missing is not None and spu.spec.public_endpoint.host is not None:
            known = None  # the last one that was whole is better than half a new one
        self.controller.spu_reachable(spu.name, known)
        problem = pod_problem(pod, node, name=pod_name(plan.name, ordinal))
        self.controller.spu_available(spu.spec.id, problem)
        node_name = (pod or {}).get("spec", {}).get("nodeName")
        self._view.show_spu(spu.name, SpuOnPlatform(node_name, problem, address.missing))

    def _tell_group(
        self,
        group: StoredObject,
        spus: Sequence[StoredObject],
        invalid: str | None,
        failing: str | None,
        paused: bool,
    ) -> None:
        live = self._cache.get(Watched.STATEFUL_SETS, stateful_set_name(group.name)) or {}
        status = live.get("status") or {}
        is_current = int(status.get("observedGeneration") or 0) >= int(
            (live.get("metadata") or {}).get("generation") or 0
        )
        observed = GroupObservation(
            replicas=int(status.get("replicas") or 0),
            ready=int(status.get("readyReplicas") or 0),
            updated=int(status.get("updatedReplicas") or 0) if is_current else 0,
            invalid=invalid,
            failing=failing,
            held_up_by=self._held_up_by(group, spus),
            paused=paused,
        )
        containers = live.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [
            {}
        ]
        self._view.show_group(group.name, GroupOnPlatform(observed, containers[0].get("image")))

    def _held_up_by(self, group: StoredObject, spus: Sequence[StoredObject]) -> str | None:
        """The SPU that should go, and that is still there."""
        kept = 0 if group.deletion_requested else group.spec.replicas
        doomed = [spu for spu in spus if spu.spec.id - group.spec.min_id >= kept]
        doomed = [spu for spu in doomed if self._holds_replicas(spu)]
        return doomed[-1].name if doomed else None

    def _holds_replicas(self, spu: StoredObject) -> bool:
        return any(
            spu.spec.id in partition.spec.replicas
            for partition in self._memory_store.of(Kind.PARTITION)
        )

    def _note_failing(self, group: StoredObject, reason: str) -> None:
        if self._failing.get(group.uid) != reason:
            self._failing[group.uid] = reason
            _log.warning("event=group_not_applied group=%s reason=%s", group.name, reason)
            self._record(group, Reason.APPLY_FAILED, reason, warning=True)

    def _record(
        self, group: StoredObject | None, reason: Reason, note: str, *, warning: bool = False
    ) -> None:
        if group is not None:
            self._events.record(group, reason, note, warning=warning)

    def _forget_gone(self, groups: Sequence[StoredObject]) -> None:
        assert self.controller is not None
        for name in self._known_groups - {group.name for group in groups}:
            self._view.show_group(name, None)
        self._known_groups = {group.name for group in groups}
        now = {spu.name: spu for group in groups for spu in self._members(group)}
        for name, spu in self._known_spus.items():
            if name not in now:
                self.controller.spu_available(spu.spec.id, None)
                self.controller.spu_reachable(name, None)
                self._view.show_spu(name, None)
        self._known_spus = now

    # What there is.

    def _plan(self, group: StoredObject) -> GroupPlan:
        body = self._cache.get(Watched.GROUPS, group.name)
        return plan_of(group, body, namespace=self._names.namespace)

    def _members(self, group: StoredObject) -> list[StoredObject]:
        """SPU objects of the group, by id."""
        found = [
            spu
            for spu in self._memory_store.of(Kind.SPU)
            if spu.owner is not None and spu.owner.uid == group.uid
        ]
        return sorted(found, key=lambda spu: spu.spec.id)

    def _node_of(self, pod: Body | None) -> Body | None:
        name = ((pod or {}).get("spec") or {}).get("nodeName")
        return self._cache.get(Watched.NODES, name) if name else None

    def _services_of(self, group: StoredObject) -> Iterator[Body]:
        """Those of single SPUs that were made for this very group."""
        for service in list(self._cache.of(Watched.SERVICES)):
            metadata = service["metadata"]
            labels = metadata.get("labels") or {}
            owners = metadata.get("ownerReferences") or ()
            if (
                labels.get(OWN_GROUP_LABEL) == group.name
                and any(owner.get("uid") == group.uid for owner in owners)
                and spu_of_service(metadata["name"]) is not None
            ):
                yield service
