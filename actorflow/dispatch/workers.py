"""Threads that give turns to actors, made on demand. A hop is not handed to another thread unless it pays: the worker that
made an actor ready runs it next. Another worker is woken when work is waiting behind a handler that is expected to be slow,
or has turned out to be: the keeper looks at busy workers as long as there are any.

Not here: what a turn is (`actors`), event loops. The keeper is the one further thread; it never runs handlers.
While something waits, every worker is busy and no more may be made: both change under one lock, so no wake-up is lost."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from actorflow.clock import NANOSECONDS, Clock, SystemClock, seconds
from actorflow.dispatch.due import DueCall, DueCalls
from actorflow.dispatch.event_loop import LoopLane, LoopThread
from actorflow.dispatch.port import Turns

__all__ = ["Helper", "Threads"]

log = logging.getLogger("actorflow")
LOOK_S = 0.005
LATE_NS = 5_000_000
PATIENCE = 15
"""A worker is asked whether it leaves after each slow turn, and when this many (a power of two, less one) have passed."""
QUIET_LOOKS = 200


class Worker:
    """One thread of the pool. `since` is when the handler at work began (0: none), `actor` whose turn it is."""

    helps = False
    pins = True
    patience = PATIENCE

    def __init__(self, threads: Threads, first: Turns) -> None:
        self.threads = threads
        self.since = 0
        self.actor: Any = None
        self.turns: Turns | None = None
        self.abandoned = False
        self.box: SimpleQueue[Turns | None] = SimpleQueue()
        self.box.put(first)
        self.thread = threading.Thread(target=self.run, name="actorflow-worker", daemon=True)

    def alive(self) -> bool:
        """Whether the thread can still bring what it holds to an end."""
        return self.thread.is_alive()

    def leaves(self) -> bool:
        """Asked after some turns, and after each slow one: whether others should have this worker now."""
        waiting = self.threads.waiting
        return self.abandoned or len(waiting) > (self.turns in waiting)

    def run(self) -> None:
        """Give turns until told to stop. Between two of them it holds on to nothing, so that a run that is over can go."""
        self.turns = self.box.get()
        while self.turns is not None:
            try:
                self.turns.work(self)
            except BaseException:
                self._broke(self.turns)
            self.turns = self.actor = None
            self.turns = self.threads.next_for(self)

    def _broke(self, turns: Turns) -> None:
        """No exception leaves a turn, so this is a defect; the thread lives on, and the turns that are left are not lost."""
        log.exception("a worker's turn raised; this is a defect of actorflow")
        self.since = 0
        if turns.ready:
            self.threads.schedule(turns)


class Helper:
    """The thread that calls `engine.run` and helps with its own run. It stops at a first turn over 10 ms."""

    abandoned = False
    pins = True
    patience = PATIENCE

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.since = 0
        self.actor: Any = None
        self.turns: Turns | None = None
        self.interrupted: BaseException | None = None
        self.begun = now()
        self.thread = threading.current_thread()

    def alive(self) -> bool:
        """Whether the thread can still bring what it holds to an end."""
        return self.thread.is_alive()

    @property
    def helps(self) -> bool:
        """Whether a KeyboardInterrupt in a handler is meant for the user; on any thread but the main one it is a failure."""
        return threading.current_thread() is threading.main_thread()

    def leaves(self) -> bool:
        """Whether a turn took so long that a worker should go on instead."""
        now = self.now()
        slow = now - self.begun > 2 * LATE_NS
        self.begun = now
        return slow or self.interrupted is not None


class Threads:
    """The pool: implements `Dispatch` with threads. `limit`: at most so many workers; `lost` counts those that are stuck in
    handlers whose attempts are over."""

    can_help = True

    def __init__(self, clock: Clock, limit: int) -> None:
        self.clock = clock
        self.eager = not isinstance(clock, SystemClock)
        self.now = clock.now
        self.limit = limit
        self.due = DueCalls(clock)
        self.waiting: OrderedDict[Turns, None] = OrderedDict()
        self.helpers: set[Helper] = set()
        self.lost = 0
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._workers: set[Worker] = set()
        self._keeper: threading.Thread | None = None
        self._looking = False
        self._quiet = 0
        self._lane: LoopLane | None = None
        self._loop_thread: LoopThread | None = None
        self._frozen = False
        self._stopped = False

    # --- Dispatch ----------------------------------------------------------------------------------------------------------

    def schedule(self, turns: Turns) -> None:
        """Have a worker give turns to these actors soon."""
        with self._lock:
            self.waiting[turns] = None
            self._staff()
        self.watch()

    def help(self, turns: Turns) -> None:
        """Another worker would pay: wake or make one, unless these turns wait for one already."""
        if turns not in self.waiting:
            with self._lock:
                self.waiting[turns] = None
                self._staff()

    def at(self, instant: int, call: Callable[[], None], *, idle: bool = False) -> DueCall:
        """Make a call at an instant, on the keeper's thread."""
        self._keep()
        return self.due.at(instant, call, idle=idle)

    def lane(self) -> LoopLane:
        """The event loop for async handlers."""
        if self._lane is None:
            with self._lock:
                if self._lane is None:
                    self._loop_thread = LoopThread()
                    self._lane = self._loop_thread.lane
        return self._lane

    def use_loop(self, lane: LoopLane) -> None:
        """Run async handlers on the user's loop."""
        self._lane = lane

    def abandon(self, worker: Any) -> None:
        """A worker is stuck in a handler whose attempt is over: it leaves the pool when it returns, another may come now."""
        with self._lock:
            if worker in self._workers:
                worker.abandoned = True
                self._workers.discard(worker)
                self.lost += 1
                self._staff()

    def runs_user_code(self) -> bool:
        """Whether sync code of users may run on the calling thread: it may block neither the keeper nor an event loop."""
        return threading.current_thread() is not self._keeper and not self.on_loop()

    # --- what the engine asks ------------------------------------------------------------------------------------------------

    def join(self, helper: Helper, turns: Turns) -> None:
        """The calling thread helps with its own run: the keeper looks at it too."""
        helper.turns = turns
        self.helpers.add(helper)
        self.watch()

    def leave(self, helper: Helper) -> None:
        """It helps no more; what is still ready goes to the workers."""
        self.helpers.discard(helper)
        turns, helper.turns = helper.turns, None
        if turns is not None and turns.ready:
            self.schedule(turns)

    def on_loop(self) -> bool:
        """Whether the calling thread is that of the event loop in use."""
        return self._lane is not None and self._lane.here()

    @contextmanager
    def waiting_inside(self, handler: bool) -> Iterator[None]:
        """A thread is about to wait; if it is one of ours at work in a handler, another may take its place meanwhile."""
        if not handler:
            yield
            return
        with self._lock:
            self.limit += 1
            self._staff()
        try:
            yield
        finally:
            with self._lock:
                self.limit -= 1
                if self._idle and len(self._workers) > self.limit:
                    worker = self._idle.pop()
                    self._workers.discard(worker)
                    worker.box.put(None)

    def deadline(self, timeout: float) -> Callable[[], float]:
        """How many seconds are left of `timeout`, whenever it is asked, never below 0; in real time, whatever the engine's
        clock."""
        end = SystemClock.now() + seconds(timeout)
        return lambda: max(0.0, (end - SystemClock.now()) / NANOSECONDS)

    # --- workers -------------------------------------------------------------------------------------------------------------

    def next_for(self, worker: Worker) -> Turns | None:
        """What a worker does next; waits for it. None: end."""
        with self._lock:
            if worker.abandoned:
                self.lost -= 1
                return None
            if self._stopped or len(self._workers) > self.limit:
                self._workers.discard(worker)
                return None
            if self.waiting:
                return self.waiting.popitem(last=False)[0]
            self._idle.append(worker)
        return worker.box.get()

    def _staff(self) -> None:
        """Find workers for what waits: idle ones, else new ones as far as the limit allows. With the lock held."""
        while self.waiting and (self._idle or (len(self._workers) < self.limit and not self._frozen)):
            turns, _ = self.waiting.popitem(last=False)
            if self._idle:
                self._idle.pop().box.put(turns)
                continue
            worker = Worker(self, turns)
            self._workers.add(worker)
            try:
                worker.thread.start()
            except RuntimeError:  # the system has no more threads; with one at least, what waits will have its turn
                self._workers.discard(worker)
                self.waiting[turns] = None
                if self._workers:
                    return
                raise

    # --- the keeper --------------------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Somebody is at work: have the keeper look whether others wait behind a slow handler."""
        if self._looking and self._quiet < QUIET_LOOKS // 2:
            return  # it will look again before it stops, and finds a busy worker
        with self._lock:
            self._quiet = 0
            looking, self._looking = self._looking, True
        if not looking:
            self._keep()
            self.due.nudge()

    def _keep(self) -> None:
        if self._keeper is None:
            with self._lock:
                if self._keeper is None and not self._frozen:
                    self._keeper = threading.Thread(target=self._keeps, name="actorflow-keeper", daemon=True)
                    self._keeper.start()

    def _keeps(self) -> None:
        self.due.run(self._look)
        if not self._stopped:  # nobody else stops the threads
            self.stop(0.0)

    def _look(self) -> float | None:
        """One look at all busy workers. Goes on every 5 ms while there are any, then sleeps."""
        if not self._looking:
            return None
        now = self.now()
        everybody: tuple[Worker | Helper, ...] = (*self._workers.copy(), *self.helpers.copy())
        busy = [worker for worker in everybody if worker.turns is not None]
        behind = []
        for worker in busy:
            turns, since, actor = worker.turns, worker.since, worker.actor
            if not since or now - since <= LATE_NS or turns is None:
                continue
            if actor is not None:
                actor.average = max(actor.average, now - since)
            if turns.ready:
                behind.append(turns)
        with self._lock:
            for turns in behind:
                self.waiting[turns] = None
            self._staff()
            self._quiet = 0 if busy or self.waiting else self._quiet + 1
            self._looking = self._quiet <= QUIET_LOOKS
            return LOOK_S if self._looking else None

    # --- the end -------------------------------------------------------------------------------------------------------------------

    def freeze(self) -> None:
        """Make no thread from now on: the interpreter is about to end."""
        self._frozen = True

    def let_go(self) -> None:
        """Nobody has a use for the pool any more: its threads end soon. Safe wherever the garbage collector may strike."""
        self.due.stop()

    def stop(self, timeout: float) -> None:
        """End all threads that can end; wait for them, at most `timeout` seconds in all."""
        left = self.deadline(timeout)
        with self._lock:
            self._stopped = self._frozen = True
            threads = [worker.thread for worker in self._workers]
            idle, self._idle = self._idle, []
            self._workers.difference_update(idle)
            self.waiting.clear()
        for worker in idle:
            worker.box.put(None)
        self.due.stop()
        if self._lane is not None:
            self._lane.settle(left())
        if self._loop_thread is not None:
            self._loop_thread.stop(left())
        if self._keeper is not None:
            threads.append(self._keeper)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(left())

    def forked(self) -> None:
        """In the child of a fork, where none of the threads exist: no lock that one of them may hold is touched again, and
        should the fork have been made by a worker, it ends once its handler has returned."""
        self._lock = threading.Lock()
        self._stopped = self._frozen = True
        self._idle = []
        self._workers = set()
        self.waiting = OrderedDict()
