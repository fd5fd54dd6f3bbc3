"""Passes of a cycle and its quiet. Source of the idea: loop contexts with pass numbers, as in timely dataflow (Murray et al. 2013).

Not here: which routes and sinks belong to a cycle (`definition.cycles`), what waits at a join (`joins`). For `kind`, `how` and short
keys see `joins`.

A cycle instance lives from the first thing that enters it to its quiet: every entry resolved, nothing live inside. Then what
joins inside still lack counts as skipped, and at last its exits are resolved."""

from __future__ import annotations

from typing import Any

from actorflow.core.activation import look_again, release, waiting_at
from actorflow.core.joins import arrive_back, forget, kill, order, resolve, start_list
from actorflow.core.run_state import Instance, Resolution, RunState, Waiting
from actorflow.definition.plan import Cycle, Mode, Route, Sink
from actorflow.messages import Failure, Key

__all__ = ["enter", "go_back", "hold", "is_exhausted", "leave", "quiet", "settle_gather"]


def instance_of(state: RunState, cycle: Cycle, key: Key) -> Instance:
    """The instance of a cycle that a key belongs to."""
    found = waiting_at(state, cycle.quiet, key[: cycle.depth])
    assert isinstance(found, Instance)
    return found


def enter(state: RunState, route: Route, key: Key, kind: int, how: int) -> Key:
    """A message (`kind` 0), skip or cancellation enters a cycle; returns its key inside, in pass 0. A short key stays as it is: it
    is for all instances under it."""
    border = route.border
    assert border is not None and border.enters is not None
    cycle = border.enters
    if kind == 0:
        _entry_delivered(state, cycle, border.gate_bit, key)
    else:
        resolve(state, cycle.quiet, border.gate_bit, key, kind, how)
    for gather in cycle.gathers:
        if len(key) == cycle.depth:
            look_again(state, gather, key)
    return (*key, 0) if len(key) == cycle.depth else key


def _entry_delivered(state: RunState, cycle: Cycle, bit: int, key: Key) -> None:
    """An entry has brought its message: the instance is opened, and with it what its quiet holds open."""
    if len(key) < cycle.depth:  # opens no instance, and nothing more comes this way
        resolve(state, cycle.quiet, bit, key, Resolution.SKIPPED, 0)
        return
    instance = waiting_at(state, cycle.quiet, key)
    instance.missing &= ~bit
    instance.opened = True
    for held in cycle.quiet.holds:
        state.tables[held.sink.index][key[: held.depth]].opened = True
    look_again(state, cycle.quiet, key)


def is_exhausted(state: RunState, route: Route, key: Key) -> bool:
    """Whether a back connection was taken as often as it may be in the cycle instance of `key`."""
    cycle = route.back
    assert cycle is not None
    return instance_of(state, cycle, key).taken.get(route.index, 0) >= route.connection.limit


def go_back(state: RunState, route: Route, key: Key, payload: Any, carried: tuple[Failure, ...]) -> None:
    """A message takes a back connection: it begins the next pass of its cycle instance."""
    cycle = route.back
    assert cycle is not None
    instance = instance_of(state, cycle, key)
    instance.taken[route.index] = instance.taken.get(route.index, 0) + 1
    instance.passes += 1
    begun = (*key[: cycle.depth], instance.passes)
    state.dead.extend((dead, begun, Resolution.SKIPPED, 0) for dead in cycle.seeds[route.target])
    target = state.plan.nodes[route.target].sink
    if target is not None and target.mode is Mode.GATHER:
        instance.taken_at.setdefault(target.index, set()).add(instance.passes)
    arrive_back(state, route, begun, payload, carried)


def leave(state: RunState, route: Route, key: Key) -> None:
    """A message leaves a cycle: note that this exit delivered, and for which key if anyone behind it wants to know."""
    assert route.leaves is not None
    instance_of(state, route.leaves, key).left.setdefault(route.index, set()).add(key if route.concerns else ())


def hold(state: RunState, route: Route, key: Key, kind: int) -> None:
    """A skip or cancellation reaches an exit: the exit is resolved only when the cycle is quiet, as a later pass may yet deliver.
    One for the whole instance, or for more, is not kept: what becomes of the exit then the quiet finds by itself."""
    assert route.leaves is not None
    if len(key) > route.leaves.depth:
        instance_of(state, route.leaves, key).held.setdefault(route.index, {})[key] = kind


def quiet(state: RunState, sink: Sink, key: Key, instance: Instance) -> None:
    """All entries of a cycle instance are resolved and nothing is live in it. Whatever then settles inside may start something,
    so one thing at a time; the instance is looked at again after each, and ends when there is none left."""
    cycle = sink.cycle
    assert cycle is not None
    if _gathers_fire(state, cycle, key):
        return
    if cycle.gathers and not instance.gathered:
        _skip_gathers(state, cycle, key, instance)
        return
    if instance.partial:
        _resolve_partial(state, sink, key, instance)
        return
    for gather in cycle.gathers:
        if key in state.tables.get(gather.index, {}):
            forget(state, gather, key)
    _resolve_exits(state, cycle, key, instance)
    _forget_shorts(state, cycle, key)
    for kept, at in instance.kept:
        release(state, kept, at)
    forget(state, sink, key)


def _gathers_fire(state: RunState, cycle: Cycle, key: Key) -> bool:
    """Let a collect inside fire first, if something waits at it."""
    for gather in cycle.gathers:
        waiting = state.tables.get(gather.index, {}).get(key)
        if waiting is not None and (waiting.arrived or waiting.cancelled):
            look_again(state, gather, key)
            look_again(state, cycle.quiet, key)
            return True
    return False


def _skip_gathers(state: RunState, cycle: Cycle, key: Key, instance: Instance) -> None:
    """A collect inside its own cycle counts as skipped in the passes in which it did not fire."""
    instance.gathered = True
    for gather in cycle.gathers:
        fired = instance.taken_at.get(gather.index, ())
        for number in range(instance.passes + 1):
            if number not in fired:
                kill(state, state.plan.nodes[gather.node], (*key, number), Resolution.SKIPPED)
    look_again(state, cycle.quiet, key)


def _resolve_exits(state: RunState, cycle: Cycle, key: Key, instance: Instance) -> None:
    """An exit that never delivered is resolved once, for the key with which the cycle was entered; but if it is under an
    opener inside the cycle that has run, for the keys held at it, as what closes that opener has been told of its runs. One
    that did deliver, for those of the keys held at it for which something has arrived, or waits, behind the cycle."""
    ran = {route.index for route in cycle.exits if route.index not in instance.left and cycle.inner[route.index] in instance.ran}
    awaited = _awaited(state, cycle, key, instance)
    begun = _beginnings(cycle, awaited)
    beside = _beginnings(cycle, {at for index in ran for at in instance.held.get(index, ())}) if ran else begun
    for route in cycle.exits:
        held = instance.held.get(route.index, {})
        if route.index not in instance.left and route.index not in ran:
            cancelled = Resolution.CANCELLED in held.values() or (instance.cancelled and not instance.opened)
            state.dead.append((route, key, Resolution.CANCELLED if cancelled else Resolution.SKIPPED, Resolution.FROM_QUIET))
            continue
        for at, kind in held.items():
            known = route.index in ran or at in begun or any(at[:length] in awaited for length in range(cycle.depth + 1, len(at)))
            if (known or at in beside) and len(at) not in cycle.told[route.index]:
                state.dead.append((route, at, kind if known else Resolution.SKIPPED, Resolution.FROM_QUIET))
        if cycle.inner[route.index] < 0 and route.concerns:
            _skip_untold(state, cycle, route, begun, instance)


def _skip_untold(state: RunState, cycle: Cycle, route: Route, begun: set[Key], instance: Instance) -> None:
    """Of a pass that was skipped for a shorter key an exit has not been told: it counts as skipped, where that is awaited."""
    told = (instance.left.get(route.index, ()), instance.held.get(route.index, ()))
    for at in begun:
        if len(at) == cycle.depth + 1 and not any(at in keys for keys in told):
            state.dead.append((route, at, Resolution.SKIPPED, Resolution.FROM_QUIET))


def _awaited(state: RunState, cycle: Cycle, key: Key, instance: Instance) -> set[Key]:
    """Keys for which something has come out of the cycle, or waits behind it."""
    awaited: set[Key] = {left for keys in instance.left.values() for left in keys if left}
    for beyond in cycle.beyond:
        awaited.update(at for at in state.tables.get(beyond.index, ()) if at[: cycle.depth] == key)
    return awaited


def _beginnings(cycle: Cycle, keys: set[Key]) -> set[Key]:
    """All beginnings of these keys that have a pass number of the cycle."""
    return {at[:length] for at in keys for length in range(cycle.depth + 1, len(at) + 1)}


def _forget_shorts(state: RunState, cycle: Cycle, key: Key) -> None:
    """Short inputs that come out of this cycle instance are complete now: nothing more is resolved for its passes."""
    for part, kept in cycle.forgets:
        for at, waiting in state.tables.get(part.index, {}).items():
            if at[: cycle.depth] == key:
                waiting.missing &= kept
                look_again(state, part, at)


def _resolve_partial(state: RunState, sink: Sink, key: Key, instance: Instance) -> None:
    """Count one part that the earliest waiting join still lacks as skipped."""
    index, at = min(instance.partial, key=lambda entry: (order(entry[1][:1]), instance.partial[entry].turn, order(entry[1])))
    waiting_sink = instance.partial[(index, at)]
    waiting: Waiting = state.tables[index][at]
    look_again(state, sink, key)
    if waiting.missing:
        lowest = waiting.missing
        resolve(state, waiting_sink, lowest & -lowest, at, Resolution.SKIPPED, 0)
    else:
        del instance.partial[(index, at)]
        look_again(state, waiting_sink, at)


def settle_gather(state: RunState, sink: Sink, key: Key, waiting: Waiting) -> None:
    """If nothing live can reach a collect inside its own cycle any more, it fires with what has arrived, and is armed again. It
    fires in the highest pass that anything arrived from."""
    cycle = sink.cycle
    assert cycle is not None
    instance = instance_of(state, cycle, key)
    if waiting.live or instance.missing or not (waiting.arrived or waiting.cancelled):
        return
    passes = [arrival[2][cycle.depth] for arrival in waiting.arrived]
    at = (*key, max(passes, default=instance.passes))
    instance.taken_at.setdefault(sink.index, set()).add(at[-1])
    arrived, cancelled = waiting.arrived, waiting.cancelled
    waiting.arrived, waiting.cancelled = [], False
    if cancelled:
        kill(state, state.plan.nodes[sink.node], at, Resolution.CANCELLED)
    else:
        start_list(state, sink, at, arrived)
