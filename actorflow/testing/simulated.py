"""An engine that is one thread, with virtual time and a seeded order, and a search through such orders.

`SimulatedEngine` runs the same workflows with the same `Run` API. `start` runs nothing; `run_until_idle` runs what is due and
never moves the clock; `advance(seconds)` runs what falls due on the way, each at its instant; `wait` and `result` advance up
to their timeout, in virtual seconds. Among what could run next the seed decides, so one seed gives one history."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from actorflow.actors.router import RouterActor
from actorflow.clock import NANOSECONDS, seconds
from actorflow.definition.model import Definition
from actorflow.dispatch.due import DueCall, DueCalls
from actorflow.dispatch.port import Turns
from actorflow.engine import Engine
from actorflow.errors import StillRunning
from actorflow.policies import Timeouts
from actorflow.run import Run
from actorflow.streams.snapshots import RunResult
from actorflow.testing.clock import ManualClock
from actorflow.workflow import Workflow

__all__ = ["SimulatedEngine", "explore"]

MAX_TURNS = 50_000_000


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that is run one round at a time, with the simulator's clock."""

    def __init__(self, due: DueCalls) -> None:
        self.due = due
        self.busy = False
        super().__init__()

    def time(self) -> float:
        return self.due.clock.now() / NANOSECONDS

    def call_soon(self, *args: Any, **kwargs: Any) -> asyncio.Handle:  # type: ignore[override]
        self.busy = True
        return super().call_soon(*args, **kwargs)

    def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> asyncio.Handle:  # type: ignore[override]
        self.busy = True
        return super().call_soon_threadsafe(*args, **kwargs)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        timer = asyncio.TimerHandle(when, callback, args, self, context)

        def fire() -> None:
            self.call_soon(run)

        def run() -> None:
            if not timer.cancelled():
                timer._run()

        self.due.at(round(when * NANOSECONDS), fire)
        return timer

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Its due call finds that out by itself."""

    def round(self) -> None:
        """One round of what is ready."""
        self.busy = False
        super().call_soon(self.stop)
        around = asyncio._get_running_loop()  # whoever simulates may itself be a coroutine
        asyncio._set_running_loop(None)
        try:
            self.run_forever()
        finally:
            asyncio._set_running_loop(around)


class _Lane:
    """Turns on the virtual loop, in seeded order."""

    def __init__(self, loop: _VirtualLoop, rng: random.Random) -> None:
        self.loop = loop
        self.rng = rng
        self.ready: list[Any] = []

    def here(self) -> bool:
        return False

    def alive(self) -> bool:
        return True

    def offer(self, actor: Any) -> None:
        self.ready.append(actor)

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        self.loop.call_soon(function, *arguments)

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.loop.call_soon(lambda: self._keep(self.loop.create_task(work())))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._last = task
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # one that still waits when nobody steps on is no fault

    def turn(self) -> None:
        """Begin a turn of one of the ready actors, in a task of its own."""
        actor = self.ready.pop(self.rng.randrange(len(self.ready)))
        self._keep(self.loop.create_task(actor.turn_async(self)))
        self.loop.busy = True


class _Worker:
    """Stands for the one thread."""

    helps = True
    patience = 0
    pins = False
    since = 0
    actor: Any = None
    interrupted: BaseException | None = None

    def alive(self) -> bool:
        return True

    def leaves(self) -> bool:
        return True


class _Simulation:
    """Implements `Dispatch` on one thread."""

    eager = False
    can_help = False

    def __init__(self, clock: ManualClock, seed: int) -> None:
        self.clock = clock
        self.rng = random.Random(seed)
        self.now = clock.now
        self.due = DueCalls(clock)
        self.routers: dict[int, Turns] = {}
        self.worker = _Worker()
        self.turns = 0
        self._lane: _Lane | None = None

    def schedule(self, turns: Turns) -> None:
        self.routers[id(turns)] = turns

    help = schedule

    def at(self, instant: int, call: Callable[[], None], *, idle: bool = False) -> DueCall:
        return self.due.at(instant, call, idle=idle)

    def lane(self) -> _Lane:
        if self._lane is None:
            self._lane = _Lane(_VirtualLoop(self.due), self.rng)
        return self._lane

    def abandon(self, worker: Any) -> None:
        """The one thread cannot be replaced, and never needs to be."""

    def runs_user_code(self) -> bool:
        return True

    def on_loop(self) -> bool:
        return False

    def freeze(self) -> None:
        """There are no threads to be made."""

    forked = let_go = freeze

    def stop(self, timeout: float) -> None:
        """Close the virtual loop."""
        if self._lane is not None and not self._lane.loop.is_closed():
            loop = self._lane.loop
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            while any(not task.done() for task in tasks) and loop.busy:
                loop.round()
            loop.close()

    @contextmanager
    def waiting_inside(self, handler: bool) -> Iterator[None]:
        yield

    def deadline(self, timeout: float) -> Callable[[], float]:
        return lambda: 0.0

    def step(self) -> bool:
        """Run one thing that can run now; False if there is none."""
        call = self.due.pop(self.clock.now())
        if call is not None:
            call()
            return True
        choices: list[tuple[str, Any]] = []
        for key, turns in list(self.routers.items()):
            if turns.ready:
                choices.extend(("turn", turns) for _ in turns.ready)
            else:
                del self.routers[key]
        lane = self._lane
        if lane is not None:
            choices.extend(("lane", lane) for _ in lane.ready)
            if lane.loop.busy:
                choices.append(("loop", lane))
        if not choices:
            return False
        self.turns += 1
        kind, chosen = choices[self.rng.randrange(len(choices))]
        if kind == "turn":
            chosen.ready.rotate(self.rng.randrange(len(chosen.ready)))
            chosen.work(self.worker)
        elif kind == "lane":
            chosen.turn()
        else:
            chosen.loop.round()
        if self.worker.interrupted is not None:
            error, self.worker.interrupted = self.worker.interrupted, None
            raise error
        return True


class SimulatedEngine(Engine):
    """An Engine of one thread in virtual time. `seed` decides the order of what could run at once."""

    def __init__(self, seed: int = 0, *, keep_runs: int = 1000, timeouts: Timeouts | None = None) -> None:
        self.seed = seed
        super().__init__(keep_runs=keep_runs, clock=ManualClock(), timeouts=timeouts)

    def _make_dispatch(self, workers: int) -> _Simulation:
        assert isinstance(self.clock, ManualClock)
        return _Simulation(self.clock, self.seed)

    def run_until_idle(self) -> None:
        """Run all that can run now; the clock stays where it is."""
        while self._dispatch.step():
            pass

    def advance(self, seconds_: float) -> None:
        """Move the clock by so many seconds; what falls due on the way happens at its instant."""
        if not seconds_ >= 0:
            raise ValueError(f"time advances by at least 0 seconds, not {seconds_!r}")
        self._advance_to(self.clock.now() + seconds(seconds_), lambda: False)

    def _advance_to(self, end: int | None, enough: Callable[[], bool]) -> None:
        clock = self.clock
        assert isinstance(clock, ManualClock)
        while not enough():
            if self._dispatch.step():
                continue
            instant = self._dispatch.due.next_instant()
            if instant is None or (instant > end if end is not None else self._dispatch.due.only_idle()):
                break
            clock.move_to(instant)
        if end is not None and not enough():
            clock.move_to(end)

    def wait_for(self, router: RouterActor, timeout: float | None) -> bool:
        """Advance until the run is over, at most `timeout` virtual seconds; None: as long as anything is due."""
        if not router.ended:
            self._refuse_deadlock(router)
            self._advance_to(None if timeout is None else self.clock.now() + seconds(timeout), lambda: router.ended)
        return router.ended

    def wait_until(self, router: RouterActor, condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        """Advance until `ready()`."""
        if not ready() and timeout != 0:
            self._refuse_deadlock(router)
            self._advance_to(None if timeout is None else self.clock.now() + seconds(timeout), ready)
        return ready()

    def go_on(self, router: RouterActor, ready: Callable[[], bool]) -> None:
        """Advance until `ready()`. Raises StillRunning if it never will be."""
        if not self.wait_until(router, threading.Condition(), ready, None):
            raise StillRunning(router.state.run_id, 0.0, "nothing more will happen in virtual time")

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop(drain=kind is None)

    def _wait_at_end(self, run: Run, until: Callable[[], float]) -> None:
        self._advance_to(self.clock.now() + seconds(30.0), run.done)


def explore(
    workflow: Workflow | Definition,
    input: Any = None,
    *,
    seeds: Iterable[int] = range(500),
    check: Callable[[RunResult], object],
    timeout: float | None = 3600.0,
) -> int:
    """Run a workflow once for each seed, each with another order of what could run at once, and `check` each result (an
    assertion in it, or a False). Returns how many seeds were run. The first failure is raised with a note that names the
    seed and how to repeat it."""
    definition = workflow.build() if isinstance(workflow, Workflow) else workflow
    number = 0
    for seed in seeds:
        engine = SimulatedEngine(seed)
        try:
            result = engine.start(definition, input).wait(timeout)
            if check(result) is False:
                raise AssertionError(f"check returned False for {result!r}")
        except BaseException as error:
            error.add_note(f"seed {seed} of workflow {definition.label!r}; to repeat it: explore(workflow, input, seeds=[{seed}], check=check)")
            raise
        finally:
            engine.stop(drain=False)
        number += 1
    return number


