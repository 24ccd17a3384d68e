"""The controller process put together: store, queue, both doors.

    async with ScApp(config, store, runtime) as app:
        ... app.public_port, app.private_port ...

Entering reads the store, lets the queue settle once, makes the objects that are declared, and only
then opens the doors, so that no client ever sees a cluster without them or its system topic.
Leaving closes the doors first.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from fluvio_protocol.errors import FluvioError
from fluvio_sc.config import ScConfig
from fluvio_sc.controller import Controller
from fluvio_sc.core.actions import Action
from fluvio_sc.core.admission import SMART_MODULE_SIZE_BYTES_MAX
from fluvio_sc.core.cluster_state import MemberSpec
from fluvio_sc.core.declaration import STAGES, DeclarationRefused, admission_of
from fluvio_sc.core.ports import ObjectStore, SpuRuntime
from fluvio_sc.memory_store import MemoryStore
from fluvio_sc.private_api.service import PrivateService
from fluvio_sc.public_api.service import PublicService
from fluvio_socket.connection import Connection
from fluvio_socket.server import FrameServer, ServerLimits

_FRAME_SIZE_BYTES_MAX = SMART_MODULE_SIZE_BYTES_MAX + 65_536
"""The largest request creates a SmartModule."""


class ScApp:
    """One streaming controller. `memory_store` is what it shows; read it, do not write to it."""

    def __init__(
        self,
        config: ScConfig,
        store: ObjectStore,
        runtime: SpuRuntime,
        *,
        clock_ms: Callable[[], int] | None = None,
        member_spec: MemberSpec | None = None,
        performed: Callable[[Sequence[Action]], None] | None = None,
        memory_store: MemoryStore | None = None,
    ) -> None:
        self.config = config
        self.memory_store = MemoryStore() if memory_store is None else memory_store
        self.controller = Controller(
            store=store,
            runtime=runtime,
            memory_store=self.memory_store,
            config=config,
            clock_ms=clock_ms,
            member_spec=member_spec,
            performed=performed,
        )
        self._public = FrameServer(
            "sc-public",
            PublicService(
                config=config, controller=self.controller, memory_store=self.memory_store
            ),
            limits=ServerLimits(frame_size_bytes_max=_FRAME_SIZE_BYTES_MAX),
        )
        self._private = FrameServer(
            "sc-private",
            PrivateService(
                controller=self.controller,
                memory_store=self.memory_store,
                timings=config.timings,
            ),
        )
        self._stack = AsyncExitStack()

    @property
    def public_port(self) -> int:
        return self._public.port

    @property
    def private_port(self) -> int:
        return self._private.port

    @property
    def public_connections(self) -> Iterable[Connection]:
        """Connections of clients, at this moment."""
        return self._public.connections

    async def __aenter__(self) -> Self:
        """Raises StoreError, DeclarationRefused, and ListenFailed when a port is taken."""
        try:
            async with AsyncExitStack() as stack:
                await self.controller.load()
                tasks = await stack.enter_async_context(asyncio.TaskGroup())
                queue = tasks.create_task(self.controller.run())
                stack.callback(queue.cancel)
                await self.controller.execute(lambda state: [])
                await self._declare()
                if self.config.read_only_reason is not None:
                    self.controller.refuse_changes(self.config.read_only_reason)
                await stack.enter_async_context(self._private)
                await stack.enter_async_context(self._public)
                await self._private.start(self.config.private_host, self.config.private_port)
                await self._public.start(self.config.public_host, self.config.public_port)
                self._stack = stack.pop_all()
        except ExceptionGroup as group:  # the task group wraps what is raised among its tasks
            if len(group.exceptions) == 1 and isinstance(group.exceptions[0], FluvioError):
                raise group.exceptions[0] from None
            raise
        return self

    async def _declare(self) -> None:
        """Raises DeclarationRefused, which names everything of a stage that cannot be had."""
        for kinds in STAGES:
            stage = [one for one in self.config.declared if one.kind in kinds]
            outcomes = await asyncio.gather(
                *(self.controller.execute(admission_of(one)) for one in stage),
                return_exceptions=True,
            )
            problems = [
                (one, outcome)
                for one, outcome in zip(stage, outcomes, strict=True)
                if isinstance(outcome, Exception)
            ]
            if problems:
                raise DeclarationRefused(problems)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)
