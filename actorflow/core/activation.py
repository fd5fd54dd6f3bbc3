"""Activations begin and end here, and with them the counts of what is still live: in the run, and at each sink that closes
a scope. Not here: why they begin (`joins`, `routing`) and what follows when a count is zero (`settle`)."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappush
from typing import Any

from actorflow.core.run_state import Instance, Resolution, RunState, Waiting
from actorflow.definition.plan import Closing, Mode, NodePlan, Sink
from actorflow.messages import Envelope, Failure, Key

__all__ = ["begin", "end", "held_open", "look_again", "release", "waiting_at"]

OF_A_CYCLE = frozenset({Mode.QUIET, Mode.GATHER})


def begin(
    state: RunState, node: NodePlan, key: Key, payload: Any, source: int, carried: tuple[Failure, ...] = (), dedup: Hashable | None = None
) -> Envelope:
    """Start an activation: count it, and leave its envelope in `state.sends`. `source` is the index of the connection whose
    message starts it, -1 if there is no one such connection."""
    state.outstanding += 1
    record = state.records[node.index]
    if record is None:
        record = state.record(node.index)
    record.waiting += 1
    for closing in node.closing:
        sink = closing.sink
        waiting = waiting_at(state, sink, key[: closing.depth])
        if closing.opens:
            waiting.missing &= ~closing.part
        waiting.live += 1
        waiting.opened = True
    if node.streaming and node.cycle is not None:
        waiting_at(state, node.cycle.quiet, key[: node.cycle.depth]).ran.add(node.index)
    state.next_id = number = state.next_id + 1
    envelope = Envelope(number, node.index, key, payload, source, 1, 0, state.now, dedup, carried)
    state.sends.append(envelope)
    return envelope


def end(state: RunState, node: NodePlan, key: Key) -> None:
    """An activation has ended, and whatever it caused has begun."""
    state.outstanding -= 1
    for closing in node.closing:
        release(state, closing.sink, key[: closing.depth])


def release(state: RunState, sink: Sink, key: Key) -> None:
    """One thing less is live that can reach the sink."""
    waiting = state.tables[sink.index][key]
    waiting.live -= 1
    if waiting.live == 0:
        look_again(state, sink, key)


def look_again(state: RunState, sink: Sink, key: Key) -> None:
    """Have `settle` look at a sink at the end of this step, after all that can feed it."""
    state.serial += 1
    heappush(state.due, (sink.turn, state.serial, sink, key))


def waiting_at(state: RunState, sink: Sink, key: Key) -> Any:
    """What the sink waits for under this key, made when first asked for: an Instance at the quiet of a cycle, else a Waiting."""
    table = state.tables.get(sink.index)
    if table is None:
        table = state.tables[sink.index] = {}
    waiting = table.get(key)
    if waiting is None:
        waiting = table[key] = _make(state, sink, key)
    return waiting


def _make(state: RunState, sink: Sink, key: Key) -> Waiting:
    """What the sink waits for under a new key, after all that is known already; and what follows elsewhere from its waiting."""
    later_pass = sink.pass_at >= 0 and key[sink.pass_at] != 0
    missing = sink.later if later_pass else sink.need
    if sink.mode is Mode.FORGET:
        missing &= ~_resolved_before(state, sink, key)
    waiting: Waiting
    if sink.mode is Mode.QUIET:
        waiting = Instance(missing)
        assert sink.cycle is not None
        state.dead.extend((route, (*key, 0), Resolution.SKIPPED, Resolution.PLAINLY) for route in sink.cycle.seeds[-1])
    else:
        waiting = Waiting(missing)
    if sink.mode is Mode.EACH and sink.cycle is not None:
        waiting_at(state, sink.cycle.quiet, key[: sink.cycle.depth]).ran.add(sink.node)
    for held in sink.holds:
        kept_open = waiting_at(state, held.sink, key[: held.depth])
        kept_open.missing &= ~held.part
        kept_open.live += 1
    if sink.late:
        _hold_open(state, sink, key)
    if sink.after_quiet is not None:
        instance = state.tables.get(sink.after_quiet.quiet.index, {}).get(key[: sink.after_quiet.depth])
        if instance is not None:
            instance.kept.append((sink, key))
            waiting.live += 1
    if sink.index in state.prefixes:
        _apply_short_inputs(state, sink, key, waiting, later_pass)
    if sink.pass_at >= 0 and sink.mode is not Mode.FORGET:
        assert sink.cycle is not None
        own: Instance = waiting_at(state, sink.cycle.quiet, key[: sink.cycle.depth])
        own.partial[(sink.index, key)] = sink
    return waiting


def _resolved_before(state: RunState, sink: Sink, key: Key) -> int:
    """The parts of a FORGET sink that were resolved for a beginning of its key."""
    owner = state.plan.nodes[sink.node].sink
    assert owner is not None
    known = state.prefixes.get(owner.index, {})
    bits = 0
    for length in range(sink.depth):
        for bit, _, _, _ in known.get(key[:length], ()):
            bits |= bit
    return bits


def _hold_open(state: RunState, sink: Sink, key: Key) -> None:
    """What waits here may yet reach what its node's activations can reach, although none is live. A cycle's own sinks count
    only what is live inside: they know of its entries."""
    for closing in held_open(state, sink):
        waiting_at(state, closing.sink, key[: closing.depth]).live += 1


def held_open(state: RunState, sink: Sink) -> list[Closing]:
    """What a sink holds open while something waits at it; see `_hold_open`."""
    closings = state.plan.nodes[sink.node].closing
    return [closing for closing in closings if closing.depth <= sink.depth and closing.sink.mode not in OF_A_CYCLE]


def _apply_short_inputs(state: RunState, sink: Sink, key: Key, waiting: Waiting, later_pass: bool) -> None:
    """Resolve for this key what was resolved for a beginning of it, but in a later pass not what holds in the first only."""
    known = state.prefixes[sink.index]
    for length in range(sink.depth):
        for bit, kind, arrival, how in known.get(key[:length], ()):
            if waiting.missing & bit and not (how and later_pass):
                waiting.resolve(bit, kind, arrival)
