"""Every error actorflow raises. Not here: what a failed handler leaves on record (`definition.model.Failure`).

ActorflowError
├── InvalidWorkflow           build() found problems; all of them at once
├── ConditionSyntaxError      a condition text cannot be read (also a ValueError)
├── UnknownNode               a name that is no node of this workflow (also a LookupError)
├── PayloadError              a payload is not of the declared type (also a TypeError)
├── SlotConflict              two messages for one input slot of one activation
├── TooManyPasses             a cycle went round more often than its limit
├── UnroutedValue             a value no connection took, where the workflow says unrouted="fail"
├── MailboxFull               a bounded mailbox took nothing more
├── RunFailed                 result() of a failed run
├── RunCancelled              result() of a cancelled run
│   └── RunTimedOut           ... which its own timeout cancelled
├── RunStalled                a defect of actorflow: a run that can neither go on nor end
├── RunExists                 a run_id that is taken by another definition or input
├── NodeTimedOut              an attempt ran into its node's timeout (also a TimeoutError)
├── StillRunning              wait() or result() ran into its own timeout (also a TimeoutError)
├── WrongState                the verb does not fit the run's status
├── WouldDeadlock             a blocking call that could never return
├── EngineStopped, EngineForked
├── WorkerLost                the thread, task or process of a handler is gone
└── Cancelled                 raised inside a handler by ctx.raise_if_cancelled()

Facts are attributes; the text says what, where, how much and what helps, and never shows a payload.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "ActorflowError",
    "Cancelled",
    "ConditionSyntaxError",
    "EngineForked",
    "EngineStopped",
    "InvalidWorkflow",
    "MailboxFull",
    "NodeTimedOut",
    "PayloadError",
    "RunCancelled",
    "RunExists",
    "RunFailed",
    "RunStalled",
    "RunTimedOut",
    "SlotConflict",
    "StillRunning",
    "TooManyPasses",
    "UnknownNode",
    "UnroutedValue",
    "WorkerLost",
    "WouldDeadlock",
    "WrongState",
]


SHOWN = 20
"""So many failures are in the text of RunFailed; all of them are in its `failures`."""


class ActorflowError(Exception):
    """The root of all errors of this library."""


class InvalidWorkflow(ActorflowError):
    """A workflow that cannot run. `problems` holds every `af.Problem` found, errors first."""

    def __init__(self, workflow: str, problems: Sequence[Any]) -> None:
        self.workflow = workflow
        self.problems = tuple(problems)
        errors = [problem for problem in self.problems if problem.level == "error"]
        lines = "".join(f"\n  - {problem.text}" for problem in errors)
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        super().__init__(f"workflow {workflow!r} has {count}:{lines}")


class ConditionSyntaxError(ActorflowError, ValueError):
    """A condition text that cannot be read; `text` is the whole of it, `position` the index of the offending character."""

    def __init__(self, what: str, text: str, position: int) -> None:
        self.what = what
        self.text = text
        self.position = position
        shown, caret = _excerpt(text, position)
        super().__init__(f"{what} at position {position}\n  {shown}\n  {' ' * caret}^")


def _excerpt(text: str, position: int, width: int = 60) -> tuple[str, int]:
    """The part of a long text around `position`, in printable characters, and where in it the position lies."""
    start = max(0, position - width // 2)
    part = text[start : start + width]
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in part)
    return shown, min(position - start, len(shown))


class UnknownNode(ActorflowError, LookupError):
    """A name that is no node of the workflow; `node` is the name as given."""

    def __init__(self, text: str, node: str) -> None:
        self.node = node
        super().__init__(text)


class PayloadError(ActorflowError, TypeError):
    """A payload that is not of the declared type; `path` says where in it, like `$.lines[2].sku`."""

    def __init__(self, text: str, *, node: str = "", slot: str = "", path: str = "$") -> None:
        self.node = node
        self.slot = slot
        self.path = path
        super().__init__(text)


class SlotConflict(ActorflowError):
    """Two messages for one input slot of one activation; `to=` on a connection gives it a slot of its own."""

    def __init__(self, node: str, slot: str, sources: Sequence[str]) -> None:
        self.node = node
        self.slot = slot
        self.sources = tuple(sources)
        named = " and ".join(repr(source) for source in self.sources)
        super().__init__(f"node {node!r} got two messages for its slot {slot!r} in one activation, from {named}; give one connection another slot with to=")


class TooManyPasses(ActorflowError):
    """A back connection was taken more often than its limit in one instance of its cycle."""

    def __init__(self, source: str, target: str, limit: int) -> None:
        self.source = source
        self.target = target
        self.limit = limit
        super().__init__(f"the back connection {source!r} -> {target!r} was taken {limit} times; it may be taken no more often (limit={limit})")


class UnroutedValue(ActorflowError):
    """A value that no connection took, in a workflow with unrouted="fail"."""

    def __init__(self, node: str, port: str | None) -> None:
        self.node = node
        self.port = port
        where = "its primary port" if port is None else f"port {port!r}"
        super().__init__(f"no connection took what node {node!r} sent on {where}; the workflow says unrouted='fail'")


class MailboxFull(ActorflowError):
    """A mailbox that takes nothing more; the message that was refused is on `envelope`."""

    def __init__(self, text: str, envelope: Any = None) -> None:
        self.envelope = envelope
        super().__init__(text)


class RunFailed(ActorflowError):
    """A run that ended FAILED; `failures` holds every unhandled `af.Failure`, `__cause__` is the first one's exception.
    `paths` are for the text: what leads to each failed node, like `load > parse > `."""

    def __init__(self, run_id: str, failures: Sequence[Any], paths: Sequence[str] = ()) -> None:
        self.run_id = run_id
        self.failures = tuple(failures)
        before = paths or [""] * len(self.failures)
        shown = list(zip(before, self.failures, strict=True))[:SHOWN]
        lines = "".join(f"\n  {path}{failure}" for path, failure in shown)
        more = len(self.failures) - len(shown)
        super().__init__(f"run {run_id!r} failed:{lines}" + (f"\n  ... and {more} more" if more else ""))


class RunCancelled(ActorflowError):
    """A run that ended CANCELLED; `reason` is what cancel() was given."""

    def __init__(self, reason: str = "", run_id: str = "") -> None:
        self.reason = reason
        self.run_id = run_id
        super().__init__(f"run {run_id!r} was cancelled" + (f": {reason}" if reason else ""))


class RunTimedOut(RunCancelled):
    """A run that its own timeout cancelled."""


class RunStalled(ActorflowError):
    """A defect of actorflow: nothing of the run can move, yet something is unresolved; `lacking` says what, in words."""

    def __init__(self, run_id: str, lacking: Sequence[str]) -> None:
        self.run_id = run_id
        self.lacking = tuple(lacking)
        super().__init__(f"run {run_id!r} has stalled, which is a defect of actorflow: " + "; ".join(self.lacking))


class RunExists(ActorflowError):
    """A run_id that belongs to a run of another definition or with another input."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"there is a run {run_id!r} already, with another definition or another input; choose another run_id")


class NodeTimedOut(ActorflowError, TimeoutError):
    """An attempt that ran into its node's timeout."""

    def __init__(self, node: str, timeout_s: float) -> None:
        self.node = node
        self.timeout_s = timeout_s
        super().__init__(f"node {node!r} did not end within its timeout of {timeout_s:g} s")


class StillRunning(ActorflowError, TimeoutError):
    """wait() or result() ran into its own timeout; the run goes on."""

    def __init__(self, run_id: str, timeout_s: float, waiting: str = "") -> None:
        self.run_id = run_id
        self.timeout_s = timeout_s
        super().__init__(f"run {run_id!r} is not over after {timeout_s:g} s" + (f"; {waiting}" if waiting else ""))


class WrongState(ActorflowError):
    """A verb that does not fit what the run is doing; `status` is its status at that moment."""

    def __init__(self, run_id: str, status: Any, why: str = "") -> None:
        self.run_id = run_id
        self.status = status
        super().__init__(f"run {run_id!r} is {status}" + (f": {why}" if why else ""))


class WouldDeadlock(ActorflowError):
    """A blocking call from a place that the awaited run needs to go on."""


class EngineStopped(ActorflowError):
    """The engine was stopped and starts nothing more."""


class EngineForked(ActorflowError):
    """The engine belongs to the parent process; a child process needs one of its own."""


class WorkerLost(ActorflowError):
    """The thread, task or process that ran a handler is gone."""


class Cancelled(ActorflowError):
    """Raised inside a handler by `ctx.raise_if_cancelled()`."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason or "cancelled")
