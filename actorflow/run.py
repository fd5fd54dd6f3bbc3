"""Run: the caller's handle of one run. It holds no state of its own: the run's router does.

Not here: how a caller waits, which depends on the engine's threads (`engine`), or on virtual time (`testing`)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from threading import Condition
from types import MappingProxyType
from typing import Any, Protocol

from actorflow.actors.router import RouterActor
from actorflow.clock import NANOSECONDS
from actorflow.core.control import Send, Stop
from actorflow.core.status import RunStatus
from actorflow.definition.handles import Node
from actorflow.dispatch.news import News, settle
from actorflow.errors import MailboxFull, StillRunning, UnknownNode, WrongState
from actorflow.messages import Envelope
from actorflow.payloads import copy_payload
from actorflow.streams.snapshots import NodeSnapshot, RunResult, RunSnapshot, node_snapshot, value_of

__all__ = ["Run", "Waits", "check_timeout"]


class Waits(Protocol):
    """How the engine waits."""

    def check(self) -> None:
        """Raise if the engine can no longer be used from here."""

    def wait_for(self, router: RouterActor, timeout: float | None) -> bool:
        """Wait until the run is over; False if `timeout` seconds were not enough. Raises WouldDeadlock."""

    def wait_until(self, router: RouterActor, condition: Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until `ready()`, which `condition` is notified of; False if `timeout` seconds were not enough. `ready` may be
        asked any number of times."""

    def go_on(self, router: RouterActor, ready: Callable[[], bool]) -> None:
        """A coroutine is about to wait until `ready()`: in virtual time that is when the run goes on."""

    def refuse_inside(self, router: RouterActor) -> None:
        """Raise WouldDeadlock in a handler of this run, and in one of a run that it was started from."""


class Run:
    """One execution of a workflow. Awaiting it gives its output; cancelling the task that awaits never cancels the run."""

    def __init__(self, router: RouterActor, waits: Waits, started_utc: datetime) -> None:
        self._router = router
        self._waits = waits
        self._started_utc = started_utc
        self._flow: _Results | None = None

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self._router.definition.label}, {self._status()})"

    @property
    def id(self) -> str:
        """The run's id."""
        return self._router.state.run_id

    @property
    def status(self) -> RunStatus:
        """Where the run is in its life."""
        self._waits.check()
        return self._status()

    def _status(self) -> RunStatus:
        """It is over once it has ended, not when its end is decided."""
        status = self._router.state.status
        return RunStatus.RUNNING if status.over and not self._router.ended else status

    @property
    def variables(self) -> Mapping[str, Any]:
        """A read-only copy of the run's variables at this moment."""
        self._waits.check()
        return MappingProxyType(copy_payload(dict(self._router.state.variables)))

    def done(self) -> bool:
        """Whether the run is over."""
        self._waits.check()
        return self._router.ended

    # --- waiting ---------------------------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> RunResult:
        """Wait for the run's end, at most `timeout` seconds (None: as long as it takes, 0: not at all). Never raises for a
        failed run; raises StillRunning past the timeout and WouldDeadlock where waiting could never end."""
        self._waits.check()
        check_timeout(timeout)
        if not self._waits.wait_for(self._router, timeout):
            raise StillRunning(self.id, timeout or 0.0, self._waiting())
        return self._result()

    def result(self, timeout: float | None = None) -> Any:
        """The run's output; waits for it like `wait`. Raises RunFailed, RunCancelled or RunTimedOut if there is none."""
        result = self.wait(timeout)
        result.raise_for_failure()
        return result.output

    async def settled(self) -> RunResult:
        """Wait for the run's end, on any event loop."""
        self._waits.check()
        self._waits.refuse_inside(self._router)
        self._waits.go_on(self._router, lambda: self._router.ended)
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tell = partial(settle, over)
        self._router.farewell.tell(tell)
        try:
            await over
        finally:
            self._router.farewell.tell_no_more(tell)
        return self._result()

    def __await__(self) -> Generator[Any, None, Any]:
        result = yield from self.settled().__await__()
        result.raise_for_failure()
        return result.output

    def _result(self) -> RunResult:
        router = self._router
        return RunResult(router.state, self._started_utc, router.ended_at - router.started)

    def _waiting(self) -> str:
        """What the run is at, in words, for the error of a wait that took too long."""
        snapshot = self.snapshot()
        running = [f"{name!r}" for name, node in snapshot.nodes.items() if node.leased or node.queued][:5]
        if running:
            return f"at work or queued: {', '.join(running)}"
        return "it is open: close() lets it end" if self._router.state.intake else ""

    # --- looking ---------------------------------------------------------------------------------------------------------

    def snapshot(self) -> RunSnapshot:
        """The run at this instant; never stops it."""
        self._waits.check()
        router = self._router
        state = router.state
        nodes = {node.name: node_snapshot(state, node.index, self._leased(node.index)) for node in router.plan.nodes}
        elapsed = (router.ended_at if router.ended else router.now()) - router.started
        definition = router.definition
        return RunSnapshot(
            self.id,
            definition.name,
            definition.version,
            self._status(),
            MappingProxyType(nodes),
            tuple(state.unhandled()),
            self._started_utc,
            elapsed / NANOSECONDS,
        )

    def node(self, name: str | Node[..., Any]) -> NodeSnapshot:
        """One node at this instant. Raises UnknownNode."""
        self._waits.check()
        index = self._index(name)
        return node_snapshot(self._router.state, index, self._leased(index))

    def _leased(self, index: int) -> int:
        actor = self._router.actors.get(index)
        return 0 if actor is None or self._router.ended else actor.mailbox.leased

    def _index(self, node: str | Node[..., Any] | Callable[..., Any]) -> int:
        name = node if isinstance(node, str) else getattr(node, "name", getattr(node, "__name__", str(node)))
        try:
            return self._router.definition.index_of[name]
        except KeyError:
            raise UnknownNode(f"workflow {self._router.definition.label!r} of run {self.id!r} has no node {name!r}", name) from None

    # --- acting ----------------------------------------------------------------------------------------------------------

    def cancel(self, reason: str = "") -> bool:
        """End the run: nothing new starts, what is at work is told, and after a moment no longer waited for. False if it is
        over, or was cancelled before."""
        self._waits.check()
        return self._router.cancel(Stop(reason))

    def send(self, payload: Any, to: str | Node[..., Any] | None = None, timeout: float | None = None) -> None:
        """Send a payload to an open run: to its one entry, or to the node named. It is an activation of its own, never a
        join's input. Waits up to `timeout` seconds for room (None: as long as it takes, 0: not at all).

        Raises WrongState if the run is closed or was not opened with `engine.open`, MailboxFull, UnknownNode."""
        self._waits.check()
        check_timeout(timeout)
        sending = _Sending(self, self._message(payload, to))
        if not sending.claimed() and not self._waits.wait_until(self._router, sending.room.condition, sending.claimed, timeout):
            raise sending.refused()
        self._router.again()

    async def asend(self, payload: Any, to: str | Node[..., Any] | None = None, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """As `send`, without blocking the event loop. If the awaiting task is cancelled nothing is sent."""
        self._waits.check()
        check_timeout(timeout)
        sending = _Sending(self, self._message(payload, to))
        if not sending.claimed() and timeout != 0:
            self._waits.refuse_inside(self._router)
            self._waits.go_on(self._router, sending.claimed)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await sending.room.until(sending.claimed)
        if not sending.claimed():
            raise sending.refused()
        self._router.again()

    def _message(self, payload: Any, to: str | Node[..., Any] | None) -> Send:
        plan = self._router.plan
        node = plan.nodes[self._entry() if to is None else self._index(to)]
        if plan.base > node.depth:
            raise ValueError(
                f"node {node.name!r} of run {self.id!r} comes after a join that collects the whole run; nothing can be sent to it"
            )
        return Send(node.index, copy_payload(payload) if self._router.copies else payload)

    def _entry(self) -> int:
        entries = self._router.definition.entries
        if len(entries) != 1:
            names = ", ".join(repr(self._router.plan.nodes[entry].name) for entry in entries)
            raise UnknownNode(f"run {self.id!r} has the entries {names}; say which one with to=", "")
        return entries[0]

    def close(self) -> None:
        """An open run takes no more sends, and ends when what it was sent has been dealt with. Again: no effect."""
        self._waits.check()
        if self._router.intake is not None:
            self._router.intake.close()

    # --- results as they come ----------------------------------------------------------------------------------------------

    def results(self) -> _Results:
        """An iterator, also an async one, over the values of terminal nodes as they come; ends with the run. What was
        iterated is not kept for the result."""
        self._waits.check()
        with self._router.ending:
            found = self._flow
            flow = self._flow = found if found is not None else _Results(self._router, self._waits)
        if found is None:
            flow.attach()
        return flow


class _Sending:
    """One send on its way into a run."""

    def __init__(self, run: Run, message: Send) -> None:
        self._run = run
        self._message = message
        self._claimed = False
        if run._router.intake is None:
            raise self._closed()
        self._intake = run._router.intake
        self.room = self._intake.room

    def _closed(self) -> WrongState:
        run = self._run
        return WrongState(run.id, run.status, "it takes no more sends; only a run of engine.open() that was not closed does")

    def claimed(self) -> bool:
        """Whether the run has taken it, now or before. Raises WrongState."""
        try:
            self._claimed = self._claimed or self._intake.claim(self._message)
        except LookupError:
            raise self._closed() from None
        return self._claimed

    def refused(self) -> MailboxFull:
        """What is raised if there was no room in time."""
        run, message = self._run, self._message
        name = run._router.plan.nodes[message.node].name
        return MailboxFull(
            f"mailbox of {name!r} in run {run.id!r} is full; the payload was not taken", Envelope(0, message.node, (), message.payload)
        )


class _Results:
    """The values of terminal nodes as they come. One stream a run: several iterators share it."""

    def __init__(self, router: RouterActor, waits: Waits) -> None:
        self._router = router
        self._waits = waits
        self._values: deque[Any] = deque()
        self._news = News()
        self._attached = False
        self._over = False

    def attach(self) -> None:
        """Take over what the run has so far, and from now on."""
        self._router.post(self._take_over)
        self._router.farewell.tell(self._end)

    def _take_over(self) -> None:
        """From now on values come here; in the router's turn, or after the run's end."""
        if self._attached:
            return
        self._attached = True
        state = self._router.state
        for index in self._router.definition.outputs:
            plan = self._router.plan.nodes[index]
            if index in state.values:
                value = value_of(state, plan)
                self._values.extend(value if plan.lists else (value,))
                del state.values[index]
        state.unkept = self  # type: ignore[assignment]  # of a list the core needs `append` alone
        self._news.tell()

    def _end(self) -> None:
        self._take_over()
        self._over = True
        self._news.tell()

    def append(self, item: tuple[str, Any, Any]) -> None:
        """The core has a value."""
        self._values.append(item[2])
        self._news.tell()

    def _ready(self) -> bool:
        return self._over or bool(self._values)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while True:
            over = self._over
            with suppress(IndexError):
                return self._values.popleft()
            if over:
                raise StopIteration
            if not self._waits.wait_until(self._router, self._news.condition, self._ready, None):
                raise StillRunning(self._router.state.run_id, 0.0, "nothing is left that could bring a value")

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._each()

    async def _each(self) -> AsyncIterator[Any]:
        while True:
            over = self._over
            try:
                value = self._values.popleft()
            except IndexError:
                if over:
                    return
                self._waits.refuse_inside(self._router)
                self._waits.go_on(self._router, self._ready)
                await self._news.until(self._ready)
            else:
                yield value


def check_timeout(timeout: float | None) -> None:
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0):
        raise ValueError(f"timeout must be at least 0 seconds, or None for no limit, not {timeout!r}")
