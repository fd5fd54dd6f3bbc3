"""Waiting for something to change, on a thread or on an event loop: who waits looks again whenever there are news.

Not here: what one waits for. A waiter's question is asked anew after each change, so no news are missed between two looks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

__all__ = ["News", "settle"]


def settle(future: asyncio.Future[None]) -> None:
    """Settle a future from any thread. If its loop is closed nobody waits any more."""
    loop = future.get_loop()
    if asyncio._get_running_loop() is loop:
        _settle(future)
        return
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_settle, future)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class News:
    """Who is to be told of changes. Threads wait on `condition`, coroutines with `until`."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self._loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def tell(self) -> None:
        """Something has changed. From any thread."""
        with self.condition:
            self.condition.notify_all()
            for loop, event in self._loops:
                with suppress(RuntimeError):  # that loop is closed
                    loop.call_soon_threadsafe(event.set)

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait on the running loop until `ready()`; what that raises ends the wait."""
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        with self.condition:
            self._loops.append(waiter)
        try:
            while not ready():
                await event.wait()
                event.clear()
        finally:
            with self.condition:
                self._loops.remove(waiter)
