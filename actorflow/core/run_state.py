"""What a run knows of itself between two steps. It is changed by its router alone, through `step`.

Not here: how it changes (`step` and the modules beside it), what is in mailboxes. What a step wants done is left in
`sends`, `letters` and `log`, which the router empties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actorflow.core.status import NodeStatus, RunStatus
from actorflow.definition.plan import Plan, Route, Sink
from actorflow.messages import Envelope, Failure, Key

__all__ = ["Closed", "Instance", "NodeRecord", "Resolution", "RunState", "Waiting"]


class Resolution:
    """What became of a connection for one key; and how a skip travels (`how` in `dead`)."""

    DELIVERED = 0
    SKIPPED = 1
    CANCELLED = 2

    PLAINLY = 0
    IN_FIRST_PASS = 1
    FROM_QUIET = 2


class Closed:
    """What is known of a node that did not run, one byte each: nothing yet; skipped for good; cancelled for good; was
    cancelled for some key and may still run."""

    NO = 0
    SKIPPED = 1
    CANCELLED = 2
    TOUCHED = 3


class Waiting:
    """What a sink waits for under one key: `missing` parts, `live` activations that can still reach it."""

    __slots__ = ("arrived", "cancelled", "fired", "live", "missing", "opened")

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.live = 0
        self.arrived: list[Any] = []
        self.cancelled = False
        self.fired = False
        self.opened = False

    def resolve(self, bit: int, kind: int, arrival: Any) -> None:
        """One part, still missing, is resolved: delivered with `arrival`, skipped or cancelled."""
        self.missing ^= bit
        if kind == Resolution.DELIVERED:
            self.arrived.append(arrival)
        elif kind == Resolution.CANCELLED:
            self.cancelled = True


class Instance(Waiting):
    """One instance of a cycle, from its first message to its quiet: `passes` is the highest pass number given out, `taken`
    counts passages of each back connection, `left` holds the keys that each exit delivered, `held` those for which a
    skip or cancellation waits at it, `partial` what waits inside, in the order in which it began to, `taken_at`
    the passes in which a collect inside has fired, `gathered` that it was skipped in all others, `ran` the
    streaming nodes and `each` joins inside that have run, `kept` what collects outside, of streams inside, wait for the quiet:
    until then they cannot know whether an input was cancelled."""

    __slots__ = ("gathered", "held", "kept", "left", "partial", "passes", "ran", "taken", "taken_at")

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.passes = 0
        self.taken: dict[int, int] = {}
        self.left: dict[int, set[Key]] = {}
        self.held: dict[int, dict[Key, int]] = {}
        self.partial: dict[tuple[int, Key], Sink] = {}
        self.taken_at: dict[int, set[Any]] = {}
        self.gathered = False
        self.kept: list[tuple[Sink, Key]] = []
        self.ran: set[int] = set()


class NodeRecord:
    """What is on record of a node that got a message. `waiting` counts its activations that have not ended."""

    __slots__ = ("abandoned", "cancelled", "completed", "failed", "ignored", "last_error", "total_ns", "unrouted", "waiting")

    def __init__(self) -> None:
        self.waiting = self.completed = self.failed = self.cancelled = 0
        self.ignored = self.unrouted = self.abandoned = self.total_ns = 0
        self.last_error: Failure | None = None

    @property
    def executions(self) -> int:
        """Activations that have ended."""
        return self.completed + self.failed + self.cancelled


def call(function: Callable[[Any], Any], argument: Any) -> Any:
    """Call a function of the user's as it is."""
    return function(argument)


class RunState:
    """The state of one run. `outstanding` counts activations that have not ended; the run is over when it is zero and
    `intake` (an open run that may still be sent to) is closed. `inside` calls a function of the user's as a part of this run."""

    __slots__ = (
        "broken",
        "cancel_asked",
        "closed",
        "dead",
        "due",
        "failures",
        "faults",
        "handled",
        "input",
        "inside",
        "intake",
        "letters",
        "log",
        "next_id",
        "now",
        "outstanding",
        "plan",
        "prefixes",
        "reason",
        "records",
        "referred",
        "run_id",
        "sends",
        "sent",
        "serial",
        "status",
        "stopping",
        "tables",
        "tags",
        "timed_out",
        "unkept",
        "utc",
        "values",
        "variables",
    )

    def __init__(
        self,
        plan: Plan,
        run_id: str,
        input: Any,
        variables: Mapping[str, Any],
        utc: Callable[[int], Any],
        tags: Mapping[str, str] | tuple[str, ...],
    ) -> None:
        self.plan = plan
        self.run_id = run_id
        self.input = input
        self.variables = dict(variables)
        self.tags = tags
        self.utc = utc
        self.inside = call
        self.status = RunStatus.PENDING
        self.now = 0
        self.outstanding = 0
        self.intake = plan.base == 1
        self.sent = 0
        self.next_id = 1
        self.serial = 0
        self.records: list[NodeRecord | None] = [None] * len(plan.nodes)
        self.closed = bytearray(len(plan.nodes))
        self.tables: dict[int, dict[Key, Any]] = {}
        self.prefixes: dict[int, dict[Key, list[Any]]] = {}
        self.dead: list[tuple[Route, Key, int, int]] = []
        self.due: list[tuple[int, int, Sink, Key]] = []
        self.sends: list[Envelope] = []
        self.letters: list[tuple[Envelope, str]] = []
        self.log: list[tuple[Any, ...]] = []
        self.values: dict[int, Any] = {}
        self.referred: dict[int, dict[Key, Any]] = {}
        self.unkept: list[Any] | None = None
        self.failures: list[Failure] = []
        self.handled: set[int] = set()
        self.faults: list[tuple[str, str, str, str]] = []
        self.stopping = ""
        self.cancel_asked = False
        self.broken: Exception | None = None
        self.timed_out = False
        self.reason = ""

    def record(self, node: int) -> NodeRecord:
        """The record of a node, made when first asked for."""
        record = self.records[node]
        if record is None:
            record = self.records[node] = NodeRecord()
        return record

    @property
    def over(self) -> bool:
        """Whether nothing is left to do now or later."""
        return self.outstanding == 0 and not self.intake

    def unhandled(self) -> list[Failure]:
        """The failures that no Fail connection carried to a node that completed."""
        return [failure for failure in self.failures if id(failure) not in self.handled]

    def node_status(self, node: int, leased: int = 0) -> NodeStatus:
        """The status of a node; `leased` is how many of its activations are at work."""
        record = self.records[node]
        if leased and not self.status.over:
            return NodeStatus.RUNNING
        if record is None or not (record.executions or record.waiting):
            return self._status_unrun(node)
        if not self.status.over and (record.waiting or self.plan.nodes[node].depth > 0):
            return NodeStatus.PENDING
        if record.failed:
            return NodeStatus.FAILED
        if record.completed:
            return NodeStatus.COMPLETED
        return NodeStatus.CANCELLED

    def _status_unrun(self, node: int) -> NodeStatus:
        closed = self.closed[node]
        if closed == Closed.CANCELLED or (closed == Closed.TOUCHED and self.status.over):
            return NodeStatus.CANCELLED
        if closed == Closed.SKIPPED or self.status.over:
            return NodeStatus.SKIPPED
        return NodeStatus.PENDING
