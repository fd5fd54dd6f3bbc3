"""What people see of a run: its result and snapshots, made from its state when somebody asks. Immutable records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from msgspec import Struct

from actorflow.clock import NANOSECONDS
from actorflow.core.joins import order
from actorflow.core.routing import message_of, type_name
from actorflow.core.run_state import RunState
from actorflow.core.status import NodeStatus, RunStatus
from actorflow.definition.plan import NodePlan
from actorflow.errors import RunCancelled, RunFailed, RunTimedOut
from actorflow.messages import Failure, Key

__all__ = ["ConditionFault", "NodeSnapshot", "Nodes", "RunResult", "RunSnapshot", "node_snapshot", "output_of", "referred_value"]

SHOWN = 10
"""Names in the path to a failed node."""


class ConditionFault(Struct, frozen=True):
    """A condition that could not be answered for a message, which it therefore did not let pass."""

    source: str
    target: str
    text: str
    error: str


class NodeSnapshot(Struct, frozen=True):
    """A node of a run at one instant. `executions` counts activations that have ended, `queued` those that wait, `leased`
    those at work, `unrouted` values no connection took, `ignored` messages that came too late for a join, `abandoned`
    handlers that did not return although their attempt was over. `average_s` is the mean time of an execution."""

    status: NodeStatus
    executions: int
    queued: int
    leased: int
    unrouted: int
    ignored: int
    abandoned: int
    average_s: float | None
    last_error: Failure | None


class RunSnapshot(Struct, frozen=True):
    """A run at one instant. `nodes` maps names to NodeSnapshots, `errors` holds the failures that are not handled so far."""

    id: str
    workflow: str
    version: str
    status: RunStatus
    nodes: Mapping[str, NodeSnapshot]
    errors: tuple[Failure, ...]
    started_utc: datetime
    elapsed_s: float


class Nodes(Mapping[str, NodeSnapshot]):
    """The nodes of a run that is over, by name; each record is made when it is asked for."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    def __getitem__(self, name: str) -> NodeSnapshot:
        return node_snapshot(self._state, self._state.plan.definition.index_of[name], 0)

    def __iter__(self) -> Iterator[str]:
        return (node.name for node in self._state.plan.nodes)

    def __len__(self) -> int:
        return len(self._state.plan.nodes)

    def __repr__(self) -> str:
        return f"Nodes({ {name: str(node.status) for name, node in self.items()} })"


def node_snapshot(state: RunState, index: int, leased: int) -> NodeSnapshot:
    """The snapshot of one node, of whose activations `leased` are at work."""
    record = state.records[index]
    status = state.node_status(index, leased)
    if record is None:
        return NodeSnapshot(status, 0, 0, 0, 0, 0, 0, None, None)
    executions = record.executions
    average = record.total_ns / executions / NANOSECONDS if executions else None
    queued = max(0, record.waiting - leased)
    return NodeSnapshot(status, executions, queued, leased, record.unrouted, record.ignored, record.abandoned, average, record.last_error)


def values_in_order(plan: NodePlan, values: Mapping[Key, Any]) -> list[Any]:
    """The values of a node under streams, in key order; of several passes of a cycle only the last one's."""
    keys = sorted(values, key=order)
    for position in plan.cycles_at:
        last: dict[Key, Any] = {}
        for key in keys:
            last[key[:position]] = max(last.get(key[:position], key[position]), key[position])
        keys = [key for key in keys if key[position] == last[key[:position]]]
    return [values[key] for key in keys]


def value_of(state: RunState, plan: NodePlan) -> Any:
    """What a node has put out: a value, a list of them, or (KeyError) nothing."""
    if plan.lists:
        return values_in_order(plan, state.values.get(plan.index, {}))
    value = state.values[plan.index]
    return value[1] if plan.cycles_at else value


def referred_value(state: RunState, name: str, node: int, key: Key) -> Any:
    """What a reference to the node `name` means for one activation, `key`, of another: its value under the openers both are
    under, of its latest pass where passes differ; a list, in key order, if it is under further ones. KeyError: none."""
    plan = state.plan
    index = plan.definition.index_of[name]
    asked = plan.nodes[index]
    own, other = plan.scopes[index], plan.scopes[node]
    common = 0
    for ours, theirs in zip(own, other, strict=False):
        if ours != theirs:
            break
        common += 1
    if asked.streaming and len(own) == common < len(other) and other[common].kind == "stream" and other[common].index == index:
        common += 1  # the node is itself what opened the scope of who asks: the reference is to the very item
    further = len(own) + asked.streaming > common and (asked.streaming or any(opener.kind != "cycle" for opener in own[common:]))
    values = state.referred.get(index, {})
    if not further and key[:common] in values:
        return values[key[:common]]
    passes = asked.cycles_at
    found = {at: value for at, value in values.items() if all(at[place] == key[place] for place in range(common) if place not in passes)}
    if further:
        return values_in_order(asked, found)
    return found[max(found, key=order)] if found else _none_of(name)


def _none_of(name: str) -> Any:
    raise KeyError(name)


def output_of(state: RunState) -> Any:
    """The output of a run: of its one terminal node, or a dict of those that have one."""
    plans = [state.plan.nodes[index] for index in state.plan.definition.outputs]
    if not plans:
        return None
    if len(plans) == 1:
        return value_of(state, plans[0]) if plans[0].lists or plans[0].index in state.values else None
    return {plan.name: value_of(state, plan) for plan in plans if plan.lists or plan.index in state.values}


def ways_to(state: RunState) -> Callable[[int], str]:
    """A function that tells on which way a run came to a node, as a shortest path over nodes that ran: `load > parse > `."""
    nodes = state.plan.nodes
    ran = [record is not None and record.executions > 0 for record in state.records]
    starts = [index for index in state.plan.definition.entries if ran[index]]
    came_from = dict.fromkeys(starts, -1)
    for index in starts:  # grows on the way
        for route in (*nodes[index].routes, *nodes[index].fail_only):
            if ran[route.target] and route.target not in came_from:
                came_from[route.target] = index
                starts.append(route.target)

    def way(index: int) -> str:
        names: list[str] = []
        while (index := came_from.get(index, -1)) >= 0:
            names.append(nodes[index].name)
        names.reverse()
        if len(names) > SHOWN:
            names = [*names[: SHOWN - 2], "...", names[-1]]
        return "".join(f"{name} > " for name in names)

    return way


class RunResult:
    """What has become of a run that is over. `errors` are the failures that were not handled, `handled` those that a Fail
    connection carried to a node that completed."""

    def __init__(self, state: RunState, started_utc: datetime, duration_ns: int) -> None:
        self._state = state
        self.status = state.status
        self.timed_out = state.timed_out
        self.started_utc = started_utc
        self.duration_s = duration_ns / NANOSECONDS

    def __repr__(self) -> str:
        return f"RunResult({self._state.run_id!r}, {self.status}, {len(self.errors)} errors, {len(self.handled)} handled)"

    @cached_property
    def output(self) -> Any:
        """The run's output; see `build()` for its shape."""
        return output_of(self._state)

    @property
    def outputs(self) -> dict[str, Any]:
        """What each node has put out, as far as it was kept: a value, or a list in key order."""
        state = self._state
        return {state.plan.nodes[index].name: value_of(state, state.plan.nodes[index]) for index in state.values}

    @cached_property
    def errors(self) -> tuple[Failure, ...]:
        """The unhandled failures, in the order in which they came. A defect of ours that ended the run is one of no node."""
        state = self._state
        broken = state.broken
        if broken is None:
            return tuple(state.unhandled())
        return (*state.unhandled(), Failure("", (), 0, type_name(broken), message_of(broken), broken, self.ended_utc))

    @cached_property
    def handled(self) -> tuple[Failure, ...]:
        """The handled failures."""
        return tuple(failure for failure in self._state.failures if id(failure) in self._state.handled)

    @property
    def condition_faults(self) -> tuple[ConditionFault, ...]:
        """Conditions that could not be answered."""
        return tuple(ConditionFault(*fault) for fault in self._state.faults)

    @property
    def ended_utc(self) -> datetime:
        """When the run ended."""
        return self.started_utc + timedelta(seconds=self.duration_s)

    @cached_property
    def nodes(self) -> Nodes:
        """Each node's NodeSnapshot, by name."""
        return Nodes(self._state)

    @property
    def metrics(self) -> dict[str, Any]:
        """Measurements as plain data: `parallelism` (the sum of handler times divided by the duration; 1.0 if that is too
        short to measure) and `nodes`: name -> `total_s`, `mean_s`."""
        nodes = {}
        total = 0
        for plan, record in zip(self._state.plan.nodes, self._state.records, strict=True):
            if record is not None and record.executions:
                total += record.total_ns
                nodes[plan.name] = {"total_s": record.total_ns / NANOSECONDS, "mean_s": record.total_ns / record.executions / NANOSECONDS}
        return {"parallelism": total / NANOSECONDS / self.duration_s if self.duration_s else 1.0, "nodes": nodes}

    def raise_for_failure(self) -> None:
        """Raise what `run.result()` would: RunFailed, RunCancelled or RunTimedOut; nothing if the run completed."""
        state = self._state
        if state.broken is not None:
            raise RunFailed(state.run_id, self.errors) from state.broken
        if self.status is RunStatus.FAILED:
            failures = self.errors or self.handled
            ways = ways_to(state)
            paths = [ways(state.plan.definition.index_of[failure.node]) for failure in failures]
            raise RunFailed(state.run_id, failures, paths) from failures[0].exception
        if self.status is RunStatus.CANCELLED:
            raise (RunTimedOut if self.timed_out else RunCancelled)(state.reason, state.run_id)
