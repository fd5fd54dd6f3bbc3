"""The end of a step: skips travel on, and sinks that nothing more can reach settle, in an order in which one that can feed
another comes first. When both lists, `state.dead` and `state.due`, are empty the run is consistent again.

Not here: what a skip does at a join (`joins`) or at the border of a cycle (`cycles`)."""

from __future__ import annotations

from heapq import heappop

from actorflow.core.cycles import enter, hold, quiet, settle_gather
from actorflow.core.joins import forget, kill, resolve, start_list
from actorflow.core.run_state import Instance, Resolution, RunState, Waiting
from actorflow.definition.plan import Mode, Sink
from actorflow.messages import Key

__all__ = ["settle"]


def settle(state: RunState) -> None:
    """Carry skips and cancellations on and settle sinks, until neither is left."""
    dead, due = state.dead, state.due
    while dead or due:
        if dead:
            _carry_on(state)
            continue
        _, _, sink, key = heappop(due)
        waiting = state.tables.get(sink.index, {}).get(key)
        if waiting is None:
            continue
        if sink.mode is Mode.GATHER:
            settle_gather(state, sink, key, waiting)
        elif not waiting.missing and not waiting.live:
            _settle_sink(state, sink, key, waiting)


def _carry_on(state: RunState) -> None:
    """Take one skip or cancellation over one connection: to its join, or else to the node itself. At an exit it waits for the quiet
    of the cycle, unless it comes from there."""
    route, key, kind, how = state.dead.pop()
    if route.leaves is not None and how != Resolution.FROM_QUIET:
        hold(state, route, key, kind)
        return
    how &= Resolution.IN_FIRST_PASS
    if route.enters is not None:
        short = len(key) < route.enters.depth
        key = enter(state, route, key, kind, how)
        how = Resolution.IN_FIRST_PASS if short else how
    if route.sink is not None:
        resolve(state, route.sink, route.bit, key, kind, how)
    else:
        kill(state, state.plan.nodes[route.target], key, kind, how)


def _settle_sink(state: RunState, sink: Sink, key: Key, waiting: Waiting) -> None:
    """Nothing more can come to the sink under this key."""
    mode = sink.mode
    if mode is Mode.QUIET:
        assert isinstance(waiting, Instance)
        quiet(state, sink, key, waiting)
        return
    node = state.plan.nodes[sink.node]
    kind = Resolution.CANCELLED if waiting.cancelled else Resolution.SKIPPED
    if mode is Mode.COLLECT:
        if waiting.cancelled or not (waiting.opened or waiting.arrived):
            kill(state, node, key, kind)
        else:
            start_list(state, sink, key, waiting.arrived)
    elif mode is Mode.FORGET:
        state.prefixes.get(_owner(state, sink).index, {}).pop(key, None)
    elif not waiting.fired:
        kill(state, node, key, kind)
    forget(state, sink, key)


def _owner(state: RunState, sink: Sink) -> Sink:
    """The join whose short inputs a FORGET sink sees to."""
    owner = state.plan.nodes[sink.node].sink
    assert owner is not None
    return owner
