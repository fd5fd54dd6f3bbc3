"""How a run begins, is sent to, closed and ended. Not here: what its activations cause (`outcomes`)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from actorflow.core.activation import begin, look_again, waiting_at
from actorflow.core.run_state import Resolution, RunState
from actorflow.core.status import RunStatus
from actorflow.definition.plan import Cycle, Mode, NodePlan
from actorflow.definition.scopes import skipped_by_send, skipped_in_pass
from actorflow.messages import Key

__all__ = ["Close", "Send", "Start", "Stop", "close", "finish", "send", "start", "stop"]


class Start(Struct, frozen=True):
    """The run begins; its entries get its input, unless it is open."""


class Send(Struct, frozen=True):
    """An open run is sent a payload for one of its nodes."""

    node: int
    payload: Any


class Close(Struct, frozen=True):
    """An open run is sent nothing more."""


class Stop(Struct, frozen=True):
    """The run is cancelled, or (`timed_out`) its time is over."""

    reason: str
    timed_out: bool = False


def start(state: RunState, message: Start) -> None:
    """Begin: every entry gets the run's input."""
    plan = state.plan
    state.status = RunStatus.RUNNING
    state.log.append(("run started", -1, (), 0, state.now, len(plan.nodes)))
    if plan.base:
        return
    for entry in plan.definition.entries:
        node = plan.nodes[entry]
        begin(state, node, (0,) if node.cycle is not None else (), state.input, -1)


def send(state: RunState, message: Send) -> None:
    """One send to an open run: an activation of that node past its join, under a key of its own; what it cannot reach is
    skipped for that key."""
    plan = state.plan
    node = plan.nodes[message.node]
    number = state.sent
    state.sent += 1
    key: Key = (number, *(0 for _ in range(node.depth - 1)))
    for route in skipped_by_send(plan, message.node):
        how = Resolution.PLAINLY if route.leaves is None else Resolution.FROM_QUIET  # that cycle will not be entered
        enters = route.enters
        at = key[: enters.depth] if enters is not None and enters is node.cycle else key[:1]  # this one is entered, past its entries
        state.dead.append((route, at, Resolution.SKIPPED, how))
    if node.cycle is not None:
        _enter_at(state, node.cycle, message.node, key[: node.cycle.depth])
    begin(state, node, key, message.payload, -1)
    _open_scopes(state, node, key)


def _enter_at(state: RunState, cycle: Cycle, node: int, key: Key) -> None:
    """A send opens an instance of a cycle: its first pass begins at the node that is sent to, and not at an entry."""
    waiting_at(state, cycle.quiet, key)
    first = (*key, 0)
    entries = {route.index for route in cycle.seeds[-1]}
    state.dead[:] = [dead for dead in state.dead if dead[1] != first or dead[0].index not in entries]
    state.dead.extend((route, first, Resolution.SKIPPED, Resolution.PLAINLY) for route in skipped_in_pass(cycle, state.plan, node))


def _open_scopes(state: RunState, node: NodePlan, key: Key) -> None:
    """The scopes a sent message is put into count as opened by it."""
    for closing in node.closing:
        at = key[: closing.depth]
        waiting = waiting_at(state, closing.sink, at)
        if closing.sink.mode is Mode.QUIET and closing.depth > 0:
            waiting.missing = 0
        elif closing.part and closing.depth > 0:  # the scope of the whole run is open until `close`
            waiting.missing &= ~closing.part
        look_again(state, closing.sink, at)


def close(state: RunState, message: Close) -> None:
    """No more sends: scopes that only further sends kept open may close."""
    state.intake = False
    for sink in state.plan.sinks:
        if sink.run_part:
            waiting = waiting_at(state, sink, ())
            waiting.missing &= ~sink.run_part
            waiting.opened = True
            look_again(state, sink, ())


def stop(state: RunState, message: Stop) -> None:
    """Cancel: nothing new starts; what is queued will not run. The router sees to what is at work."""
    state.stopping = message.reason or "cancelled"
    state.cancel_asked = True
    state.reason = message.reason
    state.timed_out = message.timed_out


def finish(state: RunState) -> None:
    """Nothing is left to do: decide the run's status and close its nodes."""
    options = state.plan.definition.options
    if state.cancel_asked:
        status = RunStatus.CANCELLED
    elif state.unhandled() or (state.failures and options.handled_failures == "fail"):
        status = RunStatus.FAILED
    else:
        status = RunStatus.COMPLETED
    state.status = status
    for index, record in enumerate(state.records):
        if (record is None or not record.executions) and state.closed[index] in (0, 3):
            closed = 2 if state.closed[index] == 3 or (state.stopping and status is not RunStatus.COMPLETED) else 1
            state.closed[index] = closed
            state.log.append(("closed", index, (), 0, state.now, closed))
    state.log.append((f"run {status}", -1, (), 0, state.now, state.reason))
