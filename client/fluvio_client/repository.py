"""What every kind of object can do: be listed, found, described, watched, waited for.

Base of the repositories in `fluvio_client.admin`. Names are whole names; prefixes and patterns are
asked for as such. Servers match parts of names, so every answer is looked through again here.
"""

import asyncio
import fnmatch
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from fluvio_client.errors import (
    ClientError,
    ConnectFailed,
    ConnectionLost,
    NotFound,
    WaitTimedOut,
    server_error,
)
from fluvio_client.likeness import not_found_text
from fluvio_client.objects import AdminObject, Owner
from fluvio_client.quantities import LengthOfTime, seconds_of
from fluvio_client.retry import RetryPolicy
from fluvio_client.session import Session
from fluvio_client.shapes import Shape
from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import WATCHABLE_KINDS, Kind, Metadata
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.delete import DeleteRequest, SpuName, SpuNumber
from fluvio_protocol.sc_public.list import ListRequest
from fluvio_protocol.sc_public.status import Status
from fluvio_protocol.sc_public.watch import ChangeType, WatchRequest

T = TypeVar("T", bound=AdminObject)

CREATE_TIMEOUT_S = 100.0
"""How long to wait for an answer to Create: the controller answers when partitions are online,
and gives up by itself before that."""
WAIT_TIMEOUT_S = 60.0
POLLING = RetryPolicy(initial_s=0.02, maximum_s=0.25, factor=1.5)
"""How often to ask for an object that is waited for."""
NAME_FILTERS_MAX = 100
"""More names than this are picked out of all; servers take no endless list of filters."""
_FILTERED_KINDS = frozenset({Kind.TOPIC, Kind.SPU, Kind.SPU_GROUP, Kind.TABLE_FORMAT})
"""Kinds for which a server's filter is a part of the name; for others it means something else."""
_KINDS_WITH_SYSTEM_OBJECTS = frozenset({Kind.TOPIC, Kind.PARTITION})
_NOT_FOUND: dict[Kind, ErrorCode] = {
    Kind.TOPIC: ErrorCode.TOPIC_NOT_FOUND,
    Kind.SPU: ErrorCode.SPU_NOT_FOUND,
    Kind.CUSTOM_SPU: ErrorCode.SPU_NOT_FOUND,
    Kind.SPU_GROUP: ErrorCode.SPU_NOT_FOUND,
    Kind.TABLE_FORMAT: ErrorCode.TABLE_FORMAT_NOT_FOUND,
    Kind.MIRROR: ErrorCode.MIRROR_NOT_FOUND,
}


class Event(StrEnum):
    """What happened to an object that is watched."""

    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """An object came or changed, or went; then it is as it last was."""

    event: Event
    object: T


class Repository(Generic[T]):
    """Objects of one kind."""

    kind: Kind
    object_type: type[T]
    label: str = ""
    """The kind in messages, when it is not the wire's word."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def list(
        self,
        names: Iterable[str] | None = None,
        *,
        prefix: str | None = None,
        match: str | None = None,
        system: bool = False,
    ) -> list[T]:
        """All objects, or those that fulfil every condition given.

        names:  exactly these
        prefix: names that begin so
        match:  a pattern for the whole name: `*`, `?`, `[ab]`
        system: system objects instead of the others
        """
        wanted = None if names is None else set(names)
        return list(await self._found(wanted, prefix=prefix, match=match, system=system))

    async def _found(
        self,
        wanted: set[str] | None,
        *,
        prefix: str | None = None,
        match: str | None = None,
        system: bool = False,
        summary: bool = True,
    ) -> Sequence[T]:
        """See `list`. summary: leave the code of SmartModules out."""
        request = ListRequest(
            kind=self.kind,
            name_filters=self._filters(wanted, prefix, match),
            summary=summary,
            system=system,
        )
        try:
            response = await self._session.ask_controller(request)
        except ConnectionLost:
            response = await self._session.ask_controller(request)
        return [
            self._object(one)
            for one in response.objects
            if wanted is None or one.name in wanted
            if prefix is None or one.name.startswith(prefix)
            if match is None or fnmatch.fnmatchcase(one.name, match)
        ]

    async def get(self, name: str) -> T:
        """The object of that name, a system object too. Raises NotFound, with a suggestion."""
        found = await self.find(name)
        if found is None:
            raise await self._not_found(name)
        return found

    async def describe(self, name: str) -> Shape:
        """An object as plain data, with its kind and its owner. Raises NotFound."""
        found = await self.get(name)
        owner = found.owner
        return {
            "kind": found.kind.value,
            **found.shape(),
            "owner": None if owner is None else {"kind": owner.kind.value, "name": owner.name},
        }

    async def watch(self) -> AsyncGenerator[Change[T], None]:
        """Everything that is there, then every change. Ends with ConnectionLost.

        Leaving the loop stops this side only: the controller goes on telling for as long as the
        client is connected. To wait for something, use `wait_for`.
        Raises: ClientError for a kind that cannot be watched.
        """
        known: Mapping[str, T] = {}
        async with aclosing(self._states()) as states:
            async for now in states:
                for name, found in now.items():
                    if known.get(name) != found:
                        yield Change(Event.UPDATED, found)
                for name, found in known.items():
                    if name not in now:
                        yield Change(Event.DELETED, found)
                known = now

    async def wait_for(
        self,
        name: str,
        predicate: Callable[[T], bool] = lambda found: True,
        *,
        timeout: LengthOfTime = WAIT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> T:
        """The object of that name, as soon as it is there and `predicate` holds for it.

        It need not exist yet, and the controller may go away and come back meanwhile.
        Raises: WaitTimedOut, saying how far it came; what the predicate raises.
        """
        last: T | None = None
        reached: T | None = None

        def satisfied(found: T | None) -> bool:
            nonlocal last, reached
            last = found
            if found is not None and predicate(found):
                reached = found
            return reached is not None

        if not await self._wait(name, satisfied, seconds_of(timeout)) or reached is None:
            came = "it is not there" if last is None else f"it is {_resolution(last)}"
            raise WaitTimedOut(f"{self._label} {name} did not get ready in time: {came}")
        return reached

    async def wait_until_gone(
        self,
        name: str,
        *,
        timeout: LengthOfTime = WAIT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> None:
        """Return as soon as there is no object of that name, or the cluster has made it again.

        Raises: WaitTimedOut.
        """

        def is_gone(found: T | None) -> bool:
            return found is None or self._is_made_again(found)

        if not await self._wait(name, is_gone, seconds_of(timeout)):
            raise WaitTimedOut(f"{self._label} {name} is still there")

    # For the kinds

    @property
    def _label(self) -> str:
        return self.label or self.kind.value

    def _is_made_again(self, found: T) -> bool:
        """Whether the cluster itself replaces such an object, and has."""
        return False

    def _object(self, found: Metadata) -> T:
        return self.object_type(found.name, found.spec, found.status)

    def _filters(
        self, names: set[str] | None, prefix: str | None, match: str | None
    ) -> tuple[str, ...]:
        """What to ask the server for: something that all wanted names have."""
        if self.kind not in _FILTERED_KINDS:
            return ()
        if names is not None:
            return tuple(sorted(names)) if len(names) <= NAME_FILTERS_MAX else ()
        if prefix:
            return (prefix,)
        if match is not None:
            begin = next((at for at, char in enumerate(match) if char in "*?["), len(match))
            return (match[:begin],) if begin else ()
        return ()

    async def _not_found(self, name: str) -> NotFound:
        known: set[str] = set()
        for system in (False, True) if self.kind in _KINDS_WITH_SYSTEM_OBJECTS else (False,):
            known.update(one.name for one in await self.list(system=system))
        text = not_found_text(self._label, name, known)
        code = _NOT_FOUND.get(self.kind)
        return NotFound(text, ErrorStatus.other(text) if code is None else ErrorStatus(code))

    async def _states(self) -> AsyncGenerator[Mapping[str, T], None]:
        """All objects by name, now and after every change."""
        if self.kind not in WATCHABLE_KINDS:
            raise ClientError(f"a {self._label} cannot be watched, only listed")
        connection = await self._session.controller()
        stream = connection.open_stream(WatchRequest(kind=self.kind, summary=True))
        known: dict[str, T] = {}
        first = True
        try:
            async for update in stream:
                if first or update.all:
                    known = {found.name: self._object(found) for found in update.all}
                for change in update.changes:
                    if change.change_type is ChangeType.DELETE:
                        known.pop(change.object.name, None)
                    else:
                        known[change.object.name] = self._object(change.object)
                first = False
                yield dict(known)
        finally:
            stream.close()

    async def find(self, name: str) -> T | None:
        """The object of that name, a system object too, or None."""
        for system in (False, True) if self.kind in _KINDS_WITH_SYSTEM_OBJECTS else (False,):
            for found in await self.list([name], system=system):
                return found
        return None

    async def _wait(self, name: str, condition: Callable[[T | None], bool], limit_s: float) -> bool:
        """True as soon as the condition holds for the object, false when it does not in time.

        It asks again and again, for the protocol cannot end a watch: each one that was begun goes
        on for as long as the connection.
        """
        backoff = POLLING.backoff()
        try:
            async with asyncio.timeout(limit_s) as limit:
                while True:
                    with suppress(ConnectionLost, ConnectFailed):
                        if condition(await self.find(name)):
                            return True
                    await asyncio.sleep(backoff.next_delay_s())
        except TimeoutError:
            if not limit.expired():
                raise
            return False

    async def _delete(self, key: str | SpuName | SpuNumber, *, force: bool = False) -> None:
        try:
            await self._ask(DeleteRequest(kind=self.kind, key=key, force=force))
        except NotFound as error:
            match key:
                case str() | SpuName():
                    name = key if isinstance(key, str) else key.name
                    raise await self._not_found(name) from error
                case SpuNumber():
                    text = f"{self._label} not found: id {key.id}"
                    raise NotFound(text, error.status) from error

    async def _ask(self, request: Any, *, timeout_s: float | None = None) -> None:
        status: Status = await self._session.ask_controller(request, timeout_s=timeout_s)
        if status.error_code:
            raise server_error(status.error_code, status.error_message)


class CreatableRepository(Repository[T]):
    """Objects that users make and delete."""

    async def create_from_spec(
        self, name: str, spec: Any, *, dry_run: bool = False, wait: LengthOfTime | None = None
    ) -> None:
        """Make an object of this spec.

        dry_run: only let the controller check it
        wait:    how long the controller may take until a topic is usable; its own choice when
                 None, and 0 to be answered as soon as the topic is stored
        Raises:  AlreadyExists, InvalidRequest, PermissionDenied, ServerError
        """
        wait_s = None if wait is None else seconds_of(wait)
        request = CreateRequest(
            name=name,
            dry_run=dry_run,
            timeout_ms=None if wait_s is None else int(wait_s * 1000),
            spec=spec,
        )
        await self._ask(request, timeout_s=CREATE_TIMEOUT_S + (wait_s or 0))

    async def delete(self, name: str, *, force: bool = False) -> None:
        """Remove an object and what it owns.

        force:  also a system object, and one whose partitions are lost with it
        Raises: NotFound with a suggestion, SystemObject, ServerError.
        """
        await self._delete(name, force=force)


def owned_by(owner: Owner | None) -> str:
    """`its topic orders`, for messages."""
    return "another object" if owner is None else f"{owner.kind.value} {owner.name}"


def _resolution(found: AdminObject) -> str:
    resolution = getattr(found.status, "resolution", None)
    word = "not as wanted" if resolution is None else resolution.name.lower().replace("_", " ")
    reason = getattr(found.status, "reason", None)
    return f"{word}: {reason}" if reason else word
