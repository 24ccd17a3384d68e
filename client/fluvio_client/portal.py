"""A thread with an event loop of its own, through which other threads use a client.

For `fluvio_client.sync`. Invariants: one thread per portal, none before it is opened; whoever waits
is woken by Ctrl-C and by the end of the portal; a portal that nobody closed does not keep the
interpreter alive.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from fluvio_client.errors import ClientError

P = ParamSpec("P")
T = TypeVar("T")

EXIT_TIMEOUT_S = 2.0
_open_portals: "weakref.WeakSet[Portal]" = weakref.WeakSet()


class Portal:
    """Runs coroutines for other threads, while it holds something open."""

    def __init__(self, held: AbstractAsyncContextManager[object]) -> None:
        """held: what is entered when the portal opens, and left when it closes."""
        self._held = held
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._holding: asyncio.Task[None] | None = None
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="fluvio-client", daemon=True)
        self._closing = False
        self._failure: BaseException | None = None

    def open(self) -> None:
        """Start the thread and enter what is held. Raises what that raises."""
        opened = self.begin()
        try:
            opened.result()
        except BaseException:
            self.close()
            raise

    def begin(self) -> "concurrent.futures.Future[None]":
        """Let the thread begin; the result is there when what is held is entered. For `open`, and
        for who opens several at once; then `close` is to be called in any case."""
        if self._thread.ident is not None or self._closing:
            raise ClientError("a client is entered once; connect again for another one")
        _open_portals.add(self)
        _close_forgotten_ones_at_exit()
        self._thread.start()
        return self._opened

    def close(self, timeout_s: float | None = None) -> None:
        """Leave what is held and end the thread. Later calls do nothing.

        Raises: what leaving raises. timeout_s: wait no longer than this for the end.
        """
        self._closing = True  # before the look at the loop: `_hold` looks the other way round
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(self._end)
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        _open_portals.discard(self)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _end(self) -> None:
        self._stop.set()
        if not self._opened.done() and self._holding is not None:
            self._holding.cancel()  # it is still being entered

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the portal's loop and return its result.

        Raises: what it raises; ClientError when the portal is closed, also meanwhile.
        """
        waiting = self._submit(work)
        try:
            return waiting.result()
        except concurrent.futures.CancelledError:
            raise ClientError("the client was closed meanwhile") from None
        except BaseException:
            waiting.cancel()  # Ctrl-C, say; nothing happens when it is done
            raise

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Like `run`, for who waits in an event loop of another thread."""
        waiting = self._submit(work)
        try:
            return await asyncio.wrap_future(waiting)
        except asyncio.CancelledError:
            if self._closing:
                raise ClientError("the client was closed meanwhile") from None
            raise

    def _submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        loop = self._loop
        refusal = None
        if loop is None or self._closing or not self._opened.done():
            refusal = "the client is not open"
        elif threading.current_thread() is self._thread:
            refusal = "a callback of the client must not wait for the client"
        if refusal is not None:
            work.close()
            raise ClientError(refusal)
        assert loop is not None, "there is a loop, or a refusal"
        try:
            return asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:
            work.close()
            raise ClientError("the client is closed") from None

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the portal's loop and return its result."""

        async def called() -> T:
            return function(*args, **kwargs)

        return self.run(called())

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._hold())
        except BaseException as error:
            if self._opened.done():
                self._failure = error
            else:
                self._opened.set_exception(error)
        finally:
            self._closing = True

    async def _hold(self) -> None:
        self._holding = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        if self._closing:
            raise asyncio.CancelledError
        async with self._held:
            self._opened.set_result(None)
            await self._stop.wait()


@functools.cache
def _close_forgotten_ones_at_exit() -> None:
    def close_all() -> None:
        for portal in tuple(_open_portals):
            with contextlib.suppress(Exception):
                portal.close(EXIT_TIMEOUT_S)

    atexit.register(close_all)


class Mirror(Protocol):
    """An object that does what its asynchronous twin does."""

    _portal: Portal
    _twin: Any


class Blocking(Generic[P, T]):
    """A method of the twin, waited for: the same name, arguments and result."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, instance: None, owner: object) -> Self: ...

    @overload
    def __get__(self, instance: Mirror, owner: object) -> Callable[P, T]: ...

    def __get__(self, instance: Mirror | None, owner: object) -> Self | Callable[P, T]:
        if instance is None:
            return self
        method, portal, twin = self._method, instance._portal, instance._twin

        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return portal.run(method(twin, *args, **kwargs))

        return call


class Iterating(Generic[P, T]):
    """A method of the twin that gives an asynchronous iterator, as one that gives a plain one."""

    def __init__(self, method: Callable[Concatenate[Any, P], AsyncIterator[T]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, instance: None, owner: object) -> Self: ...

    @overload
    def __get__(self, instance: Mirror, owner: object) -> "Callable[P, BlockingIterator[T]]": ...

    def __get__(
        self, instance: Mirror | None, owner: object
    ) -> "Self | Callable[P, BlockingIterator[T]]":
        if instance is None:
            return self
        method, portal, twin = self._method, instance._portal, instance._twin

        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> BlockingIterator[T]:
            return BlockingIterator(portal, method(twin, *args, **kwargs))

        return call


class BlockingIterator(Generic[T]):
    """Waits for each item of an asynchronous iterator. May be closed before its end."""

    def __init__(self, portal: Portal, items: AsyncIterator[T]) -> None:
        self._portal = portal
        self._items = items

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return self._portal.run(self._next())
        except StopAsyncIteration:
            raise StopIteration from None

    async def _next(self) -> T:
        return await anext(self._items)

    def close(self) -> None:
        """End it now, with what it holds open."""
        self._portal.run(self._close())

    async def _close(self) -> None:
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()
