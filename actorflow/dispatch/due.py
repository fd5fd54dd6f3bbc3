"""What is to happen when. One thread, made on demand, makes the calls; it never runs handlers, so no call is late for them.

Not here: what the calls do. Source: a binary heap of due times with lazy deletion, as in the standard library's `sched`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

from actorflow.clock import NANOSECONDS, Clock

__all__ = ["DueCall", "DueCalls"]

log = logging.getLogger("actorflow")
SWEEP = 1024


class DueCall:
    """One arranged call."""

    __slots__ = ("call", "idle", "instant")

    def __init__(self, instant: int, call: Callable[[], None], idle: bool = False) -> None:
        self.instant = instant
        self.idle = idle
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Do not make the call, if it has not been made."""
        self.call = None


class DueCalls:
    """The calls that are arranged, in order. `pop` is what a simulator uses; `run` what the keeper's thread does."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[tuple[int, int, DueCall]] = []
        self._serial = count()
        self._changed = threading.Condition()
        self._stopped = False
        self._nudged = False
        self._added = 0
        watch = getattr(clock, "watch", None)
        if watch is not None:
            watch(self.nudge)

    def at(self, instant: int, call: Callable[[], None], *, idle: bool = False) -> DueCall:
        """Arrange a call. `idle`: nobody waits for it, it only keeps house."""
        due = DueCall(instant, call, idle)
        with self._changed:
            heappush(self._heap, (instant, next(self._serial), due))
            self._sweep()
            if self._heap[0][2] is due:
                self._changed.notify()
        return due

    def _sweep(self) -> None:
        """Cancelled calls are thrown away once as many have been added as half of the heap: O(1) a call, on average."""
        self._added += 1
        if self._added > max(SWEEP, len(self._heap) // 2):
            self._added = 0
            self._heap = [entry for entry in self._heap if entry[2].call is not None]
            heapify(self._heap)

    def next_instant(self) -> int | None:
        """When the next call is due; None if there is none."""
        with self._changed:
            while self._heap and self._heap[0][2].call is None:
                heappop(self._heap)
            return self._heap[0][0] if self._heap else None

    def only_idle(self) -> bool:
        """Whether nothing is arranged but what keeps house."""
        with self._changed:
            return all(due.idle or due.call is None for _, _, due in self._heap)

    def pop(self, now: int) -> Callable[[], None] | None:
        """The next call that is due at `now`, taken out; None if there is none."""
        with self._changed:
            while self._heap and (self._heap[0][0] <= now or self._heap[0][2].call is None):
                call = heappop(self._heap)[2].call
                if call is not None:
                    return call
            return None

    def run(self, tick: Callable[[], float | None]) -> None:
        """Make calls when they are due, until `stop`. `tick` is called each round and says when it wants the next one
        at the latest (seconds; None: no need)."""
        while not self._stopped:
            self._make_calls()
            self._nudged = False
            wanted = tick()
            with self._changed:
                instant = self.next_instant()
                until = None if instant is None else max(0.0, (instant - self.clock.now()) / NANOSECONDS)
                waits = [wait for wait in (wanted, until) if wait is not None]
                if not self._stopped and not self._nudged:
                    self._changed.wait(min(*waits, threading.TIMEOUT_MAX) if waits else None)

    def _make_calls(self) -> None:
        """Make all calls that are due. One that raises is a defect; the others are made all the same."""
        while (call := self.pop(self.clock.now())) is not None:
            try:
                call()
            except BaseException:
                log.exception("a due call raised; this is a defect of actorflow")

    def nudge(self) -> None:
        """Have `tick` called soon."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def stop(self) -> None:
        """Make no more calls."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
