"""What the actors need of whoever gives them turns. Not here: threads, loops, clocks; see `workers`, `event_loop`, `due`,
and `actorflow.testing` for a dispatcher that is one thread with virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol

__all__ = ["Dispatch", "Due", "Lane", "Turns"]


class Turns(Protocol):
    """Something whose actors want turns: a run's router. `ready` holds the actors, `work` gives them turns until none is left."""

    ready: Any

    def work(self, worker: Any) -> None:
        """Give turns to ready actors on the calling thread until none is ready, or others have waited long enough."""


class Due(Protocol):
    """A call that was arranged for an instant."""

    instant: int

    def cancel(self) -> None:
        """Do not make the call, if it has not been made."""


class Lane(Protocol):
    """An event loop that gives turns to actors with async handlers."""

    def offer(self, actor: Any) -> None:
        """Give this actor a turn on the loop. From any thread."""

    def here(self) -> bool:
        """Whether the calling thread is the loop's."""

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function on the loop soon."""

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine on the loop, beside the turns."""


class Dispatch(Protocol):
    """The port between actors and threads. Every method may be called from any thread and none blocks."""

    eager: bool
    """Whether work that waits behind any handler is reason enough for another worker: time tells nothing of handlers."""

    def now(self) -> int:
        """Monotonic nanoseconds."""

    def schedule(self, turns: Turns) -> None:
        """Have a worker give turns to these actors soon."""

    def help(self, turns: Turns) -> None:
        """Work is waiting behind a handler that is expected to be slow: another worker would pay."""

    def at(self, instant: int, call: Callable[[], None], *, idle: bool = False) -> Due:
        """Make a call at an instant, on a thread that never runs handlers. The call must be quick. `idle`: it only keeps
        house, so that virtual time need not go on for it."""

    def lane(self) -> Lane:
        """The event loop for async handlers, made when first asked for."""

    def waiting_inside(self, handler: bool) -> AbstractContextManager[None]:
        """A thread is about to wait; if it is one of ours (`handler`), another may take its place meanwhile."""

    def abandon(self, worker: Any) -> None:
        """A worker is stuck in a handler whose attempt is over: have another in its place until it returns."""

    def runs_user_code(self) -> bool:
        """Whether sync code of users may run on the calling thread: it may block neither the keeper nor an event loop."""
