"""A lane: an event loop that gives turns to actors with async handlers. The loop is the user's, when the engine was opened with
`async with` on it, or one on a thread of ours.

Turns run inside a few tasks, the drivers. A driver goes from turn to turn without going back to the loop while handlers do
not wait, at most 64 turns or 1 ms. When a handler does wait, its driver waits with it, and the loop's next round finds
other drivers for the rest. What comes from other threads costs one wake-up for many."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from contextvars import Context as ContextVariables
from typing import Any

from actorflow.clock import SystemClock

__all__ = ["LoopLane", "LoopThread"]

log = logging.getLogger("actorflow")
TURNS = 64
ROUND_NS = 1_000_000
DRIVERS_A_ROUND = 64


class LoopLane:
    """Turns on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: int, now: Callable[[], int] = SystemClock.now) -> None:
        self.loop = loop
        self.thread = thread
        self.now = now
        self.ready: deque[Any] = deque()
        self.drivers: set[asyncio.Task[None]] = set()
        self.spawned: set[Future[None]] = set()
        self._asked = False
        self._looking = 0
        self._empty = ContextVariables()

    def here(self) -> bool:
        """Whether the calling thread is the loop's."""
        return threading.get_ident() == self.thread

    def alive(self) -> bool:
        """Whether the loop can still bring what it holds to an end."""
        return not self.loop.is_closed()

    def offer(self, actor: Any) -> None:
        """Give this actor a turn on the loop. From any thread."""
        self.ready.append(actor)
        if not self._asked and not (self._looking and self.here()):
            self._asked = True
            self.call(self._hire)

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function on the loop soon; once the loop is closed nothing is called any more. Nothing of the caller's
        context variables gets into what is called, nor into the drivers it makes."""
        call = self.loop.call_soon if self.here() else self.loop.call_soon_threadsafe
        with suppress(RuntimeError):
            call(function, *arguments, context=self._empty)

    def _hire(self) -> None:
        """Find drivers for what is ready."""
        self._asked = False
        for _ in range(min(len(self.ready), DRIVERS_A_ROUND)):
            task = self.loop.create_task(self._drive())
            self.drivers.add(task)
            task.add_done_callback(self.drivers.discard)
        if len(self.ready) > DRIVERS_A_ROUND and not self._asked:
            self._asked = True
            self.call(self._hire)

    async def _drive(self) -> None:
        """Turn after turn. While this task is the one that runs (`_looking`), what becomes ready needs no other."""
        ready = self.ready
        turns = 0
        begun = self.now()
        self._looking += 1
        try:
            while ready:
                left = ready.popleft().begin(self)
                if left is not None:
                    await self._aside(left)
                turns += 1
                if turns >= TURNS or (not turns & 7 and self.now() - begun > ROUND_NS):
                    await self._aside(asyncio.sleep(0))
                    turns, begun = 0, self.now()
        finally:
            self._looking -= 1

    async def _aside(self, awaited: Coroutine[Any, Any, None]) -> None:
        """Await something; meanwhile others see to what is ready."""
        if self.ready and not self._asked:
            self._asked = True
            self.call(self._hire)
        self._looking -= 1
        try:
            await awaited
        finally:
            self._looking += 1

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine on the loop, beside the turns; `settle` waits for it."""
        over: Future[None] = Future()
        self.spawned.add(over)

        def start() -> None:
            task = self.loop.create_task(work())
            self.drivers.add(task)
            task.add_done_callback(done)

        def done(task: asyncio.Task[None]) -> None:
            self.drivers.discard(task)
            self.spawned.discard(over)
            over.set_result(None)

        self.call(start)

    def settle(self, timeout: float) -> None:
        """Wait for what was spawned, at most `timeout` seconds; from another thread than the loop's."""
        if self.spawned and self.loop.is_running() and not self.here():
            wait(tuple(self.spawned), timeout)


class LoopThread:
    """An event loop on a daemon thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.ending: asyncio.Task[None] | None = None
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(started,), name="actorflow-loop", daemon=True)
        self.thread.start()
        started.wait()
        self.lane = LoopLane(self.loop, self.thread.ident or 0)

    def _run(self, started: threading.Event) -> None:
        """Run the loop until `stop`. asyncio lets SystemExit and KeyboardInterrupt of any task end its loop; here other
        handlers need it."""
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(started.set)
        while self.ending is None or not self.ending.done():
            try:
                self.loop.run_forever()
            except BaseException:
                log.exception("a task on the loop of async handlers raised what would have ended the loop")
        self.loop.close()

    def stop(self, timeout: float) -> None:
        """Cancel what is at work, end the loop and wait for its thread, at most `timeout` seconds."""
        with suppress(RuntimeError):  # it was closed before
            self.loop.call_soon_threadsafe(self._begin_to_end, timeout)
        self.thread.join(timeout)

    def _begin_to_end(self, timeout: float) -> None:
        if self.ending is None:
            self.ending = self.loop.create_task(self._end(timeout))
            self.ending.add_done_callback(lambda _: self.loop.stop())

    async def _end(self, within: float) -> None:
        """Cancel all tasks; who does not end in time is left behind, and asyncio says nothing of it."""
        tasks = [task for task in asyncio.all_tasks() if task is not self.ending]
        for task in tasks:
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=within / 2)
            for task in left:
                task._log_destroy_pending = False  # type: ignore[attr-defined]
        await asyncio.wait([asyncio.ensure_future(self.loop.shutdown_asyncgens())], timeout=within / 2)
