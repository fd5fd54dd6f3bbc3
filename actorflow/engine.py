"""Engine: starts runs and keeps them; the threads their actors use, and the end of all this. Wires the packages together.

Not here: what a run does (`core`), how its actors get turns (`dispatch`). An engine belongs to one process; `stop` ends it,
leaving its `with` block does, and the end of the interpreter does, within 5 seconds."""

from __future__ import annotations

import asyncio
import contextvars
import os
import secrets
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Self

from actorflow.actors.router import CURRENT, RouterActor
from actorflow.clock import NANOSECONDS, Clock, SystemClock, seconds
from actorflow.core import RunState, RunStatus
from actorflow.core.control import Start, Stop
from actorflow.definition.model import Definition
from actorflow.definition.options import duration
from actorflow.definition.scopes import ScopeProblems, make_plan
from actorflow.dispatch import process
from actorflow.dispatch.event_loop import LoopLane
from actorflow.dispatch.leases import LeaseKeeper
from actorflow.dispatch.news import settle
from actorflow.dispatch.waits import in_thread, wait_in_parts
from actorflow.dispatch.workers import Helper, Threads
from actorflow.errors import EngineForked, EngineStopped, InvalidWorkflow, RunExists, WouldDeadlock
from actorflow.messaging.dead_letters import DeadLetterStore
from actorflow.payloads import copy_payload
from actorflow.policies import Timeouts
from actorflow.run import Run, check_timeout
from actorflow.streams.snapshots import RunSnapshot
from actorflow.workflow import Workflow

__all__ = ["Engine", "wait_all"]

STOPPED = "the engine was stopped; it starts no more runs"
END_S = 2.0
"""How long `stop` waits for runs that it has cancelled, then, for THREADS_S, for threads."""
THREADS_S = 1.0


class Engine:
    """Runs workflows inside this process. A context manager: `with` for sync programs, `async with` to run async handlers
    on the current event loop.

    `workers`: at most so many threads for sync handlers, made on demand (None: up to min(32, cpus + 4)). `keep_runs`: how many
    finished runs are remembered. `clock` is for tests. `timeouts`: those of nodes and runs that have none of their own."""

    def __init__(
        self, *, workers: int | None = None, keep_runs: int = 1000, clock: Clock | None = None, timeouts: Timeouts | None = None
    ) -> None:
        if workers is not None and (type(workers) is not int or workers < 1):
            raise ValueError(f"workers must be at least 1, or None for as many as fit this machine, not {workers!r}")
        if type(keep_runs) is not int or keep_runs < 0:
            raise ValueError(f"keep_runs must be at least 0, not {keep_runs!r}")
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.dead_letters = DeadLetterStore(self.clock)
        self._timeouts = timeouts if timeouts is not None else Timeouts()
        self._dispatch = self._make_dispatch(workers if workers is not None else min(32, (os.cpu_count() or 1) + 4))
        self._leases = LeaseKeeper(self._dispatch)
        self._prefix = secrets.token_hex(5)
        self._numbers = count(1)
        self._keep_runs = keep_runs
        self._runs: dict[str, Run] = {}
        self._finished: OrderedDict[str, Run] = OrderedDict()
        self._lock = threading.Lock()
        self._stopping = False
        self._stopped = threading.Event()
        self._forked = False
        process.join(self)
        weakref.finalize(self, self._dispatch.let_go).atexit = False

    def _make_dispatch(self, workers: int) -> Any:
        return Threads(self.clock, workers)

    def __repr__(self) -> str:
        active = sum(1 for run in list(self._runs.values()) if not run._router.ended)
        return f"Engine({'stopped' if self._stopping else 'running'}, {active} runs active)"

    # --- starting --------------------------------------------------------------------------------------------------------

    def start(
        self,
        workflow: Workflow | Definition,
        input: Any = None,
        *,
        run_id: str | None = None,
        variables: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        tags: Mapping[str, str] | Iterable[str] = (),
    ) -> Run:
        """Start a run and return its handle at once. `run_id`: a name of your own, unique while the run is remembered: a
        second start with it is the same run. `variables` go over those of the workflow, `timeout` (seconds) likewise.

        Raises InvalidWorkflow, RunExists, EngineStopped, EngineForked, PayloadError."""
        return self._start(self._make(workflow, input, run_id, variables, timeout, tags, opened=False))

    def run(
        self,
        workflow: Workflow | Definition,
        input: Any = None,
        *,
        run_id: str | None = None,
        variables: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        tags: Mapping[str, str] | Iterable[str] = (),
    ) -> Any:
        """Start a run and return its output; the calling thread helps with it. An interrupt (Ctrl-C) cancels the run.
        Raises as `start` and `Run.result`."""
        self.check()
        if self._here_is_loop():
            raise WouldDeadlock("engine.run() on the event loop that its run may need to go on; use 'await engine.start(...)'")
        run = self._make(workflow, input, run_id, variables, timeout, tags, opened=False)
        try:
            known = self._enter(run)
            if known is run:
                self._help(run)
            return known.result()
        except KeyboardInterrupt:
            run._router.rescue()
            run._router.cancel(Stop("interrupted"))
            raise

    def open(
        self,
        workflow: Workflow | Definition,
        *,
        run_id: str | None = None,
        variables: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        tags: Mapping[str, str] | Iterable[str] = (),
    ) -> Run:
        """Start a run without a payload whose entries stay open for `run.send(...)` until `run.close()`."""
        return self._start(self._make(workflow, None, run_id, variables, timeout, tags, opened=True))

    def _make(
        self, workflow: Any, input: Any, run_id: str | None, variables: Any, timeout: float | None, tags: Any, *, opened: bool
    ) -> Run:
        """A run that nobody knows yet."""
        self.check()
        if self._stopping:
            raise EngineStopped(STOPPED)
        definition = self._definition(workflow)
        if run_id is None:
            run_id = f"{self._prefix}-{next(self._numbers)}"
        elif not isinstance(run_id, str) or not run_id.strip():
            raise ValueError(f"run_id must be a text that is not blank, not {run_id!r}")
        plan = definition.plans.get(opened)
        if plan is None:
            try:
                plan = definition.plans[opened] = make_plan(definition, open=opened)
            except ScopeProblems as found:
                raise InvalidWorkflow(definition.label, found.problems) from None
        begin = dict(definition.variables)
        if variables:
            if not isinstance(variables, Mapping):
                raise TypeError(f"variables must be a mapping of names to values, not a {type(variables).__name__}")
            begin.update(copy_payload(dict(variables), "variables"))
        marks = _marks(tags)
        limit = self._limit(definition, timeout)
        started_utc, started = self.clock.utc(), self.clock.now()
        if definition.options.isolation == "copy":
            input = copy_payload(input, "the run's input")
        state = RunState(plan, run_id, input, begin, lambda at: started_utc + timedelta(microseconds=(at - started) // 1000), marks)
        router = RouterActor(state, self._dispatch, contextvars.copy_context(), self._timeouts.node, self.dead_letters, CURRENT.get())
        router.started = started
        if limit is not None:
            message = Stop(f"the run's timeout of {limit:g} s is over", timed_out=True)
            router.dues.append(self._dispatch.at(started + seconds(limit), lambda: router.cancel(message)))
        return Run(router, self, started_utc)

    def _definition(self, workflow: Any) -> Definition:
        if isinstance(workflow, Workflow):
            return workflow.build()
        if isinstance(workflow, Definition):
            return workflow
        raise TypeError(f"an engine starts a Workflow or a Definition, not a {type(workflow).__name__}")

    def _limit(self, definition: Definition, timeout: float | None) -> float | None:
        """A run's timeout: its own, else that of its workflow, else the engine's."""
        if timeout is not None:
            return duration(timeout, "timeout of a run")
        own = definition.options.timeout
        return own if own is not None else self._timeouts.run

    def _enter(self, run: Run) -> Run:
        """Let everybody know of the run; one of the same id that is known already is returned in its place."""
        router = run._router
        router.farewell.tell(partial(self._over, run))
        self._leases.watch(router)
        with self._lock:
            stopping = self._stopping
            known = run if stopping else self._runs.setdefault(run.id, run)
        if stopping or known is not run:
            self._leases.forget(router)
            for due in router.dues:
                due.cancel()
        if stopping:
            raise EngineStopped(STOPPED)
        if known is not run and not _is_same(known._router, router):
            raise RunExists(run.id)
        return known

    def _start(self, run: Run) -> Run:
        try:
            known = self._enter(run)
            if known is run:
                run._router.ask(Start())
            return known
        except KeyboardInterrupt:
            run._router.cancel(Stop("interrupted"))  # nobody has a handle of it
            raise

    def _over(self, run: Run) -> None:
        """A run has ended: forget the oldest of those beyond `keep_runs`."""
        run._router.tell_room()
        self._leases.forget(run._router)
        with self._lock:
            if self._runs.get(run.id) is run:
                self._finished[run.id] = run
            while len(self._finished) > self._keep_runs:
                del self._runs[self._finished.popitem(last=False)[0]]

    def _help(self, run: Run) -> None:
        """The calling thread gives turns to its own run, as long as they are short."""
        router = run._router
        timed = router.dues or router.node_timeout is not None or router.plan.timed
        if timed or not self._dispatch.can_help:
            router.post(Start())
            return
        helper = Helper(self._dispatch.now)
        try:
            router.put(Start())
            self._dispatch.join(helper, router)
            try:
                router.work(helper)
            finally:
                self._dispatch.leave(helper)
        except BaseException:
            router.abort()
            raise
        if helper.interrupted is not None:
            raise helper.interrupted

    # --- asking ----------------------------------------------------------------------------------------------------------

    def get(self, run_id: str) -> Run | None:
        """The run of this id, None if it is unknown or forgotten."""
        self.check()
        return self._runs.get(run_id)

    def snapshot(self, run_id: str) -> RunSnapshot | None:
        """A snapshot of the run of this id, None if it is unknown or forgotten."""
        run = self.get(run_id)
        return None if run is None else run.snapshot()

    def runs(self, status: RunStatus | str | None = None) -> list[Run]:
        """The runs that are remembered, oldest first; `status`: only those that have it."""
        self.check()
        wanted = None if status is None else RunStatus(status)
        return [run for run in list(self._runs.values()) if wanted is None or run.status is wanted]

    def forget(self, run_id: str) -> bool:
        """Forget a run that is over. False if it is unknown or still going on."""
        self.check()
        with self._lock:
            run = self._runs.get(run_id)
            if run is None or not run._router.ended:
                return False
            del self._runs[run_id]
            self._finished.pop(run_id, None)
            return True

    # --- waiting ---------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise if the engine can no longer be used from here."""
        if self._forked:
            raise EngineForked("this engine belongs to the parent process; make one in the child")

    def _here_is_loop(self) -> bool:
        return bool(self._dispatch.on_loop())

    def wait_for(self, router: RouterActor, timeout: float | None) -> bool:
        """Wait for the end of a run; see `Run.wait`."""
        if router.farewell.said:
            return True
        if timeout == 0:
            return bool(router.ended)
        self._refuse_deadlock(router)
        with self._waiting():
            return _wait_for_end(router, timeout)

    def wait_until(self, router: RouterActor, condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        """Wait for something else of a run; see `Run.send` and `Run.results`."""
        with condition:
            if ready():
                return True
        if timeout == 0:
            return False
        self._refuse_deadlock(router)
        with self._waiting(), condition:
            return wait_in_parts(partial(condition.wait_for, ready), timeout)

    def _waiting(self) -> AbstractContextManager[None]:
        """A thread is about to wait; if a handler is at work on it, whichever engine's, another may take its place."""
        inner = CURRENT.get()
        dispatch: Any = self._dispatch if inner is None else inner.dispatch
        return dispatch.waiting_inside(inner is not None)  # type: ignore[no-any-return]

    def go_on(self, router: RouterActor, ready: Callable[[], bool]) -> None:
        """A coroutine is about to wait: our threads and loops go on without it."""

    def refuse_inside(self, router: RouterActor) -> None:
        """Raise WouldDeadlock in a handler of this run, and in one of a run that it was started from."""
        inner = CURRENT.get()
        while inner is not None and not router.farewell.said:
            if inner is router:
                raise WouldDeadlock(
                    f"a handler of run {router.state.run_id!r} waits for its own run, which cannot go on before the handler returns"
                )
            inner = inner.parent

    def _refuse_deadlock(self, router: RouterActor) -> None:
        self.refuse_inside(router)
        if self._here_is_loop():
            raise WouldDeadlock(
                f"a blocking call on the event loop that run {router.state.run_id!r} needs to go on; "
                "use 'await run', 'await run.settled()', 'await run.asend()' or 'async for'"
            )

    # --- the end ---------------------------------------------------------------------------------------------------------

    def stop(self, drain: bool = True, timeout: float = 30.0) -> None:
        """Start nothing more, wait up to `timeout` seconds for the runs that can go on by themselves (`drain=False`: do
        not), cancel what is left, end the threads. From any thread, also from a handler, which it then does not wait for;
        again: waits for the first stop."""
        self.check()
        check_timeout(timeout)
        inside = self._inside()
        if not inside and self._here_is_loop() and not self._stopped.is_set():
            raise WouldDeadlock("stop() on the engine's own event loop; use 'await engine.astop()'")
        if not self._is_first_stop():
            if not drain:
                self._cancel_runs("engine stopped")
            if not inside:
                self._stopped.wait(timeout)
        elif inside:
            in_thread(self._stop, drain, timeout)
        else:
            self._stop(drain, timeout)

    async def astop(self, drain: bool = True, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """As `stop`, without blocking the event loop, whose async handlers may go on meanwhile."""
        self.check()
        check_timeout(timeout)
        if self._inside():
            self.stop(drain, timeout)
            return
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        first = self._is_first_stop()
        if not first and not drain:
            self._cancel_runs("engine stopped")
        in_thread(self._stop_for, over, (drain, timeout) if first else None)
        try:
            await over
        except asyncio.CancelledError:
            self._cancel_runs("engine stopped")
            raise

    def _stop_for(self, over: asyncio.Future[None], first: tuple[bool, float] | None) -> None:
        """Stop, or wait for the stop, on a thread of its own; then tell a loop."""
        try:
            if first is None:
                self._stopped.wait()
            else:
                self._stop(*first)
        finally:
            settle(over)

    def _is_first_stop(self) -> bool:
        with self._lock:
            first, self._stopping = not self._stopping, True
        return first

    def _inside(self) -> bool:
        """Whether a handler of this engine calls, or one of a run that such a handler waits for."""
        inner = CURRENT.get()
        while inner is not None and inner.dispatch is not self._dispatch:
            inner = inner.parent
        return inner is not None

    def _unfinished(self) -> list[Run]:
        with self._lock:
            return [run for run in self._runs.values() if not run._router.ended]

    def _cancel_runs(self, reason: str) -> None:
        for run in self._unfinished():
            run._router.cancel(Stop(reason))

    def _stop(self, drain: bool, timeout: float) -> None:
        """Close open runs, wait for all, cancel those that take too long. A second interrupt (Ctrl-C) leaves handlers behind
        that do not end by themselves."""
        runs = self._unfinished()
        try:
            for run in runs:
                run.close()
            if drain:
                self._wait_for_all(runs, self._dispatch.deadline(timeout))
        finally:
            try:
                self._cancel_runs("engine stopped")
                self._wait_for_all(runs, self._dispatch.deadline(END_S))
            finally:
                self._dispatch.stop(THREADS_S)
                self._last_farewells()
                self._stopped.set()

    def _last_farewells(self) -> None:
        """No worker is left that could run `on_stop`: whoever still waits for a run that is over is told."""
        for run in list(self._runs.values()):
            if run._router.ended and not run._router.farewell.said:
                run._router.farewell.say(hooks=False)

    def _wait_for_all(self, runs: list[Run], left: Callable[[], float]) -> None:
        for run in runs:
            self._wait_at_end(run, left)

    def _wait_at_end(self, run: Run, until: Callable[[], float]) -> None:
        _wait_for_end(run._router, until())

    # --- what the process tells ------------------------------------------------------------------------------------------

    def _process_exits(self) -> None:
        """A forgotten stop: runs are cancelled, and no thread is made any more."""
        if not self._forked and not self._stopped.is_set():
            self._stopping = True
            self._dispatch.freeze()
            self._cancel_runs("interpreter exit")

    def _process_ends(self, timeout: float) -> None:
        """End the threads that can end in time."""
        if not self._forked and not self._stopped.is_set():
            self._dispatch.stop(timeout)

    def _process_forked(self) -> None:
        """This is the child of a fork."""
        self._forked = True
        self._dispatch.forked()
        for run in list(self._runs.values()):
            run._router.forked()

    # --- with ------------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.check()
        if self._stopping:
            raise EngineStopped("the engine was stopped; make another")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._forked:
            self.stop(drain=kind is None)

    async def __aenter__(self) -> Self:
        self.__enter__()
        self._dispatch.use_loop(LoopLane(asyncio.get_running_loop(), threading.get_ident()))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._forked:
            await self.astop(drain=kind is None)


def _marks(tags: Mapping[str, str] | Iterable[str]) -> dict[str, str] | tuple[str, ...]:
    """The tags of a run: texts, or a mapping of texts."""
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise TypeError(f"tags must be texts in a list or the like, or a mapping of texts, not {tags!r}")
    marks = dict(tags) if isinstance(tags, Mapping) else tuple(tags)
    if not all(isinstance(mark, str) for mark in (*marks, *(marks.values() if isinstance(marks, dict) else ()))):
        raise TypeError("tags must be texts")
    return marks


def wait_all(runs: Iterable[Run], timeout: float | None = None) -> list[Any]:
    """Wait for several runs, at most `timeout` seconds in all, and return their RunResults in the same order. Raises
    StillRunning for the first that is not over by then."""
    clock = SystemClock()
    end = None if timeout is None else clock.now() + seconds(timeout)
    results = []
    for run in runs:
        left = None if end is None else max(0.0, (end - clock.now()) / NANOSECONDS)
        results.append(run.wait(left))
    return results


def _is_same(known: RouterActor, new: RouterActor) -> bool:
    """Whether two runs were started in the same way; asks users' objects whether they are equal, so with nothing locked."""
    return known.definition is new.definition and known.plan.base == new.plan.base and bool(known.state.input == new.state.input)


def _wait_for_end(router: RouterActor, timeout: float | None) -> bool:
    """Wait until a run is over and everybody was told, at most `timeout` seconds. An interrupt leaves nothing locked."""
    over = threading.Lock()
    over.acquire()
    router.farewell.tell(over.release)
    try:
        return wait_in_parts(lambda part: over.acquire(timeout=part), timeout)
    finally:
        router.farewell.tell_no_more(over.release)
