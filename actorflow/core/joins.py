"""Arrivals and skips at a sink: what waits, what fires, what is skipped in turn.

Not here: which connections a message takes (`routing`), how a skip travels on (`settle`), cycles (`cycles`). An arrival is
(connection, slot, key, payload, carried failures). A resolution has a `kind`: 0 for delivered, or one of `Resolution`; and a `how`,
which is not 0 if it holds in the first pass of a cycle only. A short key has fewer indices than those of the sink: what is
resolved for it is so for all keys that begin with it, and is kept in `state.prefixes` for those to come."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from actorflow.core.activation import begin, held_open, look_again, release, waiting_at
from actorflow.core.run_state import Closed, Resolution, RunState, Waiting
from actorflow.definition.plan import Mode, NodePlan, Route, Sink
from actorflow.errors import ActorflowError, SlotConflict
from actorflow.messages import Failure, Index, Key, Unfit

__all__ = ["arrive", "arrive_back", "fire", "forget", "kill", "order", "resolve", "slot_conflict", "start_list"]

ALL = Mode.ALL  # a global is found faster than a member of an enum, and `arrive` runs for each message at a join
Arrival = tuple[int, str, Key, Any, tuple[Failure, ...]]
_by_connection = itemgetter(0)


def order(key: Key) -> tuple[tuple[int, ...], ...]:
    """What keys are sorted by: plain indices and those of `each` joins alike."""
    return tuple(index if type(index) is tuple else (index,) for index in key)  # type: ignore[misc]


def flat(key: Iterable[Index]) -> tuple[int, ...]:
    """The indices of a key in one row."""
    row: list[int] = []
    for index in key:
        if type(index) is tuple:
            row.extend(index)
        else:
            row.append(index)  # type: ignore[arg-type]
    return tuple(row)


def arrive(state: RunState, route: Route, key: Key, payload: Any, carried: tuple[Failure, ...]) -> None:
    """A message arrives at the sink of its target."""
    sink: Sink = route.sink  # type: ignore[assignment]
    arrival = (route.index, route.connection.slot, key, payload, carried)
    if len(key) < sink.depth:
        _known_for_short_key(state, sink, route.bit, key, 0, 0, arrival)
        return
    mode = sink.mode
    if mode is ALL:
        table = state.tables.get(sink.index)
        waiting = None if table is None else table.get(key)
        if waiting is None:
            waiting = waiting_at(state, sink, key)
        waiting.missing &= ~route.bit
        waiting.arrived.append(arrival)
        if not waiting.missing:
            _settle_all(state, sink, key, waiting)
        return
    at = key[: sink.depth]
    waiting = waiting_at(state, sink, at)
    if mode is Mode.EACH:
        index = (route.index, *flat(key[sink.depth :]))
        begin(state, state.plan.nodes[sink.node], (*at, index), payload, route.index, carried)
        waiting.fired = True
    elif mode is Mode.FIRST:
        _arrive_first(state, sink, waiting, arrival)
    else:
        waiting.arrived.append(arrival)
    if len(key) == sink.depth or mode is Mode.GATHER:
        waiting.missing &= ~route.bit
        look_again(state, sink, at)


def arrive_back(state: RunState, route: Route, key: Key, payload: Any, carried: tuple[Failure, ...]) -> None:
    """A message comes over a back connection, whose pass has begun: it starts its target past the target's join."""
    node = state.plan.nodes[route.target]
    sink = node.sink
    if sink is not None and sink.mode is Mode.EACH:
        waiting = waiting_at(state, sink, key)
        waiting.missing, waiting.fired = 0, True
        look_again(state, sink, key)
        key = (*key, (route.index,))
    begin(state, node, key, payload, route.index, carried)


def _arrive_first(state: RunState, sink: Sink, waiting: Waiting, arrival: Arrival) -> None:
    """Fire at the n-th connection; what comes later, or a second time over a connection, is counted as ignored."""
    if waiting.fired or any(arrival[0] == other[0] for other in waiting.arrived):
        state.record(sink.node).ignored += 1
        return
    waiting.arrived.append(arrival)
    if len(waiting.arrived) == sink.n:
        waiting.fired = True
        fire(state, sink, arrival[2][: sink.depth], waiting, listed=sink.listed)
        waiting.arrived.clear()


def fire(state: RunState, sink: Sink, key: Key, waiting: Waiting, *, listed: bool = True) -> None:
    """Start the activation of a join with what has arrived: a dict slot -> payload, in the order of the connections, or, if not
    `listed`, the one payload."""
    arrived = waiting.arrived
    carried: tuple[Failure, ...] = ()
    node = state.plan.nodes[sink.node]
    if not listed:
        begin(state, node, key, arrived[0][3], arrived[0][0], arrived[0][4])
        return
    arrived.sort(key=_by_connection)
    slots: dict[str, Any] = {}
    conflict: SlotConflict | None = None
    for _, slot, _, value, failures in arrived:
        if slot in slots:
            conflict = slot_conflict(state, node.index, slot, [arrival[0] for arrival in arrived if arrival[1] == slot])
        else:
            slots[slot] = value
        if failures:
            carried += failures
    payload: Any = slots if conflict is None else Unfit(conflict, slots)
    begin(state, node, key, payload, -1, carried)


def slot_conflict(state: RunState, node: int, slot: str, connections: Iterable[int]) -> SlotConflict:
    """The error of an activation that got messages from several connections in one slot."""
    definition = state.plan.definition
    sources = [definition.nodes[definition.connections[connection].source].name for connection in connections]
    return SlotConflict(definition.nodes[node].name, slot, sources)


def start_list(state: RunState, sink: Sink, key: Key, arrived: list[Arrival]) -> None:
    """Start the activation of a collect with the list of what has arrived."""
    values, carried = collected(arrived)
    payload: Any = values
    node = state.plan.nodes[sink.node]
    if sink.limit is not None and len(values) > sink.limit:
        payload = Unfit(ActorflowError(f"node {node.name!r} collected {len(values)} values; its limit is {sink.limit}"), values)
    begin(state, node, key, payload, -1, carried)


def collected(arrived: list[Arrival]) -> tuple[list[Any], tuple[Failure, ...]]:
    """The payloads in key order, then connection order, and all failures they carry."""
    arrived.sort(key=lambda arrival: (order(arrival[2]), arrival[0]))
    carried: tuple[Failure, ...] = ()
    for arrival in arrived:
        if arrival[4]:
            carried += arrival[4]
    return [arrival[3] for arrival in arrived], carried


def _settle_all(state: RunState, sink: Sink, key: Key, waiting: Waiting) -> None:
    """Every connection of an `all` join is resolved for this key. It fires if anything arrived for the whole key: messages for
    short keys alone start nothing."""
    forget(state, sink, key)
    if waiting.cancelled:
        kill(state, state.plan.nodes[sink.node], key, Resolution.CANCELLED)
    elif waiting.arrived and (not sink.shorts or any(len(arrival[2]) == sink.depth for arrival in waiting.arrived)):
        fire(state, sink, key, waiting)
    else:
        kill(state, state.plan.nodes[sink.node], key, Resolution.SKIPPED)


def forget(state: RunState, sink: Sink, key: Key) -> None:
    """A sink has settled for this key; nothing of it is kept, and what it held open is released."""
    del state.tables[sink.index][key]
    if sink.pass_at >= 0 and sink.cycle is not None and sink.mode is not Mode.FORGET:
        instance = state.tables[sink.cycle.quiet.index].get(key[: sink.cycle.depth])
        if instance is not None:
            instance.partial.pop((sink.index, key), None)
    for held in sink.holds:
        release(state, held.sink, key[: held.depth])
    if sink.late:
        for closing in held_open(state, sink):
            release(state, closing.sink, key[: closing.depth])


def resolve(state: RunState, sink: Sink, bit: int, key: Key, kind: int, how: int) -> None:
    """A connection of the sink was skipped or cancelled for `key`, which may be shorter or longer than the sink's. A longer one
    resolves nothing, as more may come; but where a cancelled part cancels the whole, it is noted."""
    if len(key) > sink.depth:
        if kind == Resolution.CANCELLED and sink.mode in (Mode.COLLECT, Mode.GATHER, Mode.FIRST, Mode.EACH):
            at = key[: sink.depth]
            waiting_at(state, sink, at).cancelled = True
            look_again(state, sink, at)
        return
    if len(key) < sink.depth:
        _known_for_short_key(state, sink, bit, key, kind, how, None)
        return
    waiting = waiting_at(state, sink, key)
    if not waiting.missing & bit:
        if kind == Resolution.CANCELLED and sink.groups:
            waiting.cancelled = True  # its opener was opened, which did not keep this from being cancelled
        if not waiting.missing:
            look_again(state, sink, key)
        return
    waiting.missing ^= bit
    if kind == Resolution.CANCELLED:
        waiting.cancelled = True
    if not waiting.missing:
        if sink.mode is Mode.ALL:
            _settle_all(state, sink, key, waiting)
        else:
            look_again(state, sink, key)


def _known_for_short_key(state: RunState, sink: Sink, bit: int, key: Key, kind: int, how: int, arrival: Arrival | None) -> None:
    """A resolution that holds for every key of the sink that begins with `key`: those that wait and those to come."""
    known = state.prefixes.setdefault(sink.index, {})
    known.setdefault(key, []).append((bit, kind, arrival, how))
    length = len(key)
    for full, waiting in list(state.tables.get(sink.index, {}).items()):
        if full[:length] != key or not waiting.missing & bit or (how and sink.pass_at >= 0 and full[sink.pass_at] != 0):
            continue
        waiting.resolve(bit, kind, arrival)
        if not waiting.missing:
            if sink.mode is Mode.ALL:
                _settle_all(state, sink, full, waiting)
            else:
                look_again(state, sink, full)
    for forget_sink in sink.forgets:
        if forget_sink.depth == length:
            _no_longer_needed(state, forget_sink, key, bit)
        elif forget_sink.depth > length:
            for at in [at for at in state.tables.get(forget_sink.index, ()) if at[:length] == key]:
                _no_longer_needed(state, forget_sink, at, bit)
    if kind and bit & sink.whole:
        _kill_dead_prefixes(state, sink, key, how)
    if kind:
        _drop_dead_prefixes(sink, known, key)


def _no_longer_needed(state: RunState, forget_sink: Sink, key: Key, bit: int) -> None:
    """A part is resolved for `key`: one less that the FORGET sink waits for. After the last, what is known for the key is dropped."""
    waiting = waiting_at(state, forget_sink, key)
    waiting.missing &= ~bit
    look_again(state, forget_sink, key)


def _kill_dead_prefixes(state: RunState, sink: Sink, key: Key, how: int) -> None:
    """Skip the node for each short key under which all its long inputs are dead by now; once for the shortest, as that
    stands for all keys under it."""
    known = state.prefixes[sink.index]
    skipped: list[Key] = []
    for short in sorted((short for short in known if short[: len(key)] == key), key=len):
        if any(short[: len(above)] == above for above in skipped):
            continue
        dead, cancelled = 0, False
        for length in range(len(short) + 1):
            for bit, kind, _, _ in known.get(short[:length], ()):
                if kind and bit & sink.whole:
                    dead |= bit
                    cancelled = cancelled or kind == Resolution.CANCELLED
        if dead != sink.whole:
            continue
        skipped.append(short)
        kind = Resolution.CANCELLED if cancelled else Resolution.SKIPPED
        if sink.mode is Mode.QUIET:
            assert sink.cycle is not None
            state.dead.extend((route, short, kind, Resolution.FROM_QUIET) for route in sink.cycle.exits)
        else:
            kill(state, state.plan.nodes[sink.node], short, kind, how)


def _drop_dead_prefixes(sink: Sink, known: dict[Key, list[Any]], key: Key) -> None:
    """Forget what was resolved for short keys under which nothing comes any more that could ask. Where a short input may yet
    come, a FORGET sink sees to it."""
    deepest = max((forget_sink.depth for forget_sink in sink.forgets), default=-1)
    for short in [short for short in known if short[: len(key)] == key]:
        dead = 0
        for length in range(len(short) + 1):
            for bit, kind, _, _ in known.get(short[:length], ()):
                if kind:
                    dead |= bit
        if dead & sink.need == sink.need or (dead & sink.whole == sink.whole and deepest < len(short)):
            del known[short]


def kill(state: RunState, node: NodePlan, key: Key, kind: int, how: int = 0) -> None:
    """The node is skipped or cancelled for `key` (and all keys under it): so are its connections, save back connections, which
    nobody waits for. Those whose skip concerns nobody are passed over, but not where the nodes behind are to be closed too."""
    if not how and len(key) == 0:
        _close(state, node.index, kind)
    elif kind == Resolution.CANCELLED and not state.closed[node.index]:
        state.closed[node.index] = Closed.TOUCHED
    all_routes = not key or kind == Resolution.CANCELLED
    dead = state.dead
    for routes in (node.routes, node.fail_only):
        for route in routes:
            if route.back is None and (all_routes or route.concerns or route.leaves is not None):
                dead.append((route, key, kind, how))


def _close(state: RunState, node: int, kind: int) -> None:
    """The node will not run any more. If it never did, it is skipped or cancelled for good, and the log says so."""
    record = state.records[node]
    if state.closed[node] in (Closed.NO, Closed.TOUCHED) and (record is None or not (record.executions or record.waiting)):
        cancelled = kind == Resolution.CANCELLED or state.closed[node] == Closed.TOUCHED
        state.closed[node] = Closed.CANCELLED if cancelled else Closed.SKIPPED
        state.log.append(("closed", node, (), 0, state.now, state.closed[node]))
