"""Attempts at work, and what is told to the router about them. Not here: how an attempt is made (`node`, `async_node`)."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context as ContextVariables
from typing import TYPE_CHECKING, Any

from actorflow.definition.context import Context
from actorflow.messages import Lease

if TYPE_CHECKING:
    from actorflow.actors.node import NodeActor

__all__ = ["Execution", "Forced", "Idle", "Stream", "Suspended", "TimedOut"]


class Execution:
    """An attempt that the router may have to cancel or give up: `worker` is the thread's, `cancel` cancels a handler on a
    loop, `stream` is set for a streaming attempt, `due` is its timeout, `parts` how many values of it the router has taken,
    `told` that its handler was told to end."""

    __slots__ = ("cancel", "context", "due", "lease", "parts", "stream", "told", "worker")

    def __init__(self, lease: Lease, worker: Any, context: Context | None) -> None:
        self.lease = lease
        self.worker = worker
        self.context = context
        self.cancel: Callable[[str], None] | None = None
        self.stream: Stream | None = None
        self.due: Any = None
        self.parts = 0
        self.told = False

    def tell_cancelled(self, reason: str) -> None:
        """Let the handler know that nobody waits for it any more. What it makes from now on finds `told`."""
        self.told = True
        if self.context is not None:
            self.context.reason = reason
            self.context.cancelled = True
        if self.stream is not None:
            self.stream.closed = True
        if self.cancel is not None:
            self.cancel(reason)


class Stream:
    """A streaming attempt; `at_work` while a worker takes values, `worked` how long it
    has been so, in nanoseconds. `closed` is set when nothing more of it will be taken."""

    __slots__ = ("at_work", "worked", "closed", "context", "execution", "iterator", "lease", "number", "started", "variables")

    def __init__(self, iterator: Any, variables: ContextVariables, execution: Execution, started: int) -> None:
        self.lease = execution.lease
        self.iterator = iterator
        self.variables = variables
        self.execution = execution
        self.context = execution.context
        self.started = started
        self.number = 0
        self.worked = 0
        self.at_work = True
        self.closed = False
        execution.stream = self
        if execution.told:
            self.closed = True


class Idle:
    """A turn found nothing to do; the router takes the grant back."""

    __slots__ = ("actor",)

    def __init__(self, actor: NodeActor) -> None:
        self.actor = actor


class Suspended:
    """A stream has sent some values and could go on."""

    __slots__ = ("actor", "stream")

    def __init__(self, actor: NodeActor, stream: Stream) -> None:
        self.actor = actor
        self.stream = stream


class TimedOut:
    """An attempt's time is over."""

    __slots__ = ("actor", "execution")

    def __init__(self, actor: NodeActor, execution: Execution) -> None:
        self.actor = actor
        self.execution = execution


class Forced:
    """The grace of a cancelled run is over."""

    __slots__ = ()
