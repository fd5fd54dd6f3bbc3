"""What an activation's parts and its outcome cause. Each function takes the run from one consistent state to the next,
but for the skips and sinks that `settle` deals with afterwards.

Not here: whether the outcome's lease still holds (the router has asked), joins and cycles themselves."""

from __future__ import annotations

from typing import Any

from actorflow.core.activation import begin, end
from actorflow.core.cycles import enter, go_back, is_exhausted, leave
from actorflow.core.joins import arrive, order, slot_conflict
from actorflow.core.routing import emissions, facts_of, message_of, takes, type_name
from actorflow.core.run_state import NodeRecord, Resolution, RunState
from actorflow.definition.plan import NodePlan, Route
from actorflow.errors import ActorflowError, TooManyPasses, UnroutedValue
from actorflow.messages import NOTHING, Cancelled, Completed, Emit, Emits, Envelope, Failed, Failure, Key, Part, Unfit
from actorflow.payloads import copy_payload

__all__ = ["cancelled", "completed", "failed", "part"]

SPECIAL = frozenset({Emit, Emits, type(NOTHING)})
Taken = list[tuple[Route, Emit]]


def completed(state: RunState, outcome: Completed) -> None:
    """An activation completed: its messages go out, its other connections are skipped. Three ways with one meaning, from
    the plainest case to the general one."""
    envelope = outcome.lease.envelope
    node = state.plan.nodes[envelope.node]
    value = outcome.value
    if not node.direct or type(value) in SPECIAL or outcome.collected or outcome.updates:
        _completed_at_length(state, node, outcome)
        return
    key = envelope.key
    record: NodeRecord = state.records[envelope.node]  # type: ignore[assignment]
    ended = outcome.ended
    duration = ended - outcome.started  # `_book`, written out
    record.waiting -= 1
    record.completed += 1
    record.total_ns += duration
    state.log.append(("completed", envelope.node, key, envelope.attempt, ended, duration, None))
    if envelope.carried:
        state.handled.update(map(id, envelope.carried))
    if node.keeps or state.unkept is not None:
        keep(state, node, key, value)
    if not node.short_way:
        _send_plain(state, node, envelope, key, value)
        if node.fail_only:
            _skip(state, node.fail_only, key, Resolution.SKIPPED)
        end(state, node, key)
        return
    for route in node.routes:
        begin(state, state.plan.nodes[route.target], key, value, route.index)
    state.outstanding -= 1


def _send_plain(state: RunState, node: NodePlan, envelope: Envelope, key: Key, value: Any) -> None:
    """Send one value that goes to the primary port, from a node whose messages nothing can refuse. `key` is that of the
    messages, which for the parts of a stream is longer than the envelope's."""
    facts = None
    taken = node.terminal or node.ends
    for route in node.routes:
        if not route.open:
            if route.filtered == 2 and facts is None:
                facts = facts_of(state, envelope.payload, envelope.key)
            route_taken = takes(state, node, route, None, value, facts)
        else:
            route_taken = True
        if route_taken:
            taken = True
            if route.border is not None:
                deliver(state, route, key, value, ())
            elif route.sink is not None:
                arrive(state, route, key, value, ())
            else:
                begin(state, state.plan.nodes[route.target], key, value, route.index)
        elif not key or route.concerns or route.leaves is not None:
            state.dead.append((route, key, Resolution.SKIPPED, Resolution.PLAINLY))
    if not taken:
        state.record(node.index).unrouted += 1


def _book(state: RunState, node: NodePlan, outcome: Completed, port: str | None) -> None:
    """Count a completion and log it."""
    record: NodeRecord = state.records[node.index]  # type: ignore[assignment]
    duration = outcome.ended - outcome.started
    record.waiting -= 1
    record.completed += 1
    record.total_ns += duration
    envelope = outcome.lease.envelope
    state.log.append(("completed", node.index, envelope.key, envelope.attempt, outcome.ended, duration, port))


def _completed_at_length(state: RunState, node: NodePlan, outcome: Completed) -> None:
    envelope = outcome.lease.envelope
    emits = () if node.streaming else emissions(outcome.value, outcome.collected)
    facts = facts_of(state, envelope.payload, envelope.key)
    taken: Taken = []
    before = state.variables
    error: BaseException | None = _apply(state, outcome.updates)
    if error is None and not node.streaming:
        taken = [(route, emit) for route in node.routes for emit in emits if takes(state, node, route, emit.port, emit.value, facts)]
        error = _refused(state, node, envelope.key, emits, taken)
    if error is not None:
        state.variables = before
        failed(state, Failed(outcome.lease, error, outcome.started, outcome.ended, outcome.parts))
        return
    _book(state, node, outcome, emits[0].port if len(emits) == 1 else None)
    if envelope.carried:
        state.handled.update(map(id, envelope.carried))
    if not node.streaming:
        _keep_emits(state, node, envelope.key, emits)
        _send(state, node, node.routes, envelope.key, taken)
    _skip(state, node.fail_only, envelope.key, Resolution.SKIPPED)
    end(state, node, envelope.key)


def _apply(state: RunState, updates: tuple[Any, ...]) -> BaseException | None:
    """Apply what an attempt did to the run's variables, by a new dict: all of it or, if a function raises, nothing."""
    if not updates:
        return None
    variables = dict(state.variables)
    copies = state.plan.definition.options.isolation == "copy"
    for name, function, value in updates:
        if function is None:
            variables[name] = value
            continue
        try:
            known = variables.get(name)
            variables[name] = state.inside(function, copy_payload(known) if copies else known)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return error
    state.variables = variables
    return None


def _refused(state: RunState, node: NodePlan, key: Key, emits: tuple[Emit, ...], taken: Taken) -> Exception | None:
    """Why an activation's messages cannot be sent, if they cannot; counts values that no connection takes."""
    if len(emits) > 1:
        ports = [(emit.port or "").casefold() for emit in emits]
        if len(set(ports)) < len(ports):
            return ActorflowError(f"node {node.name!r} sent two messages on one port; to send several, write a generator or give the node stream=True")
    declared = state.plan.definition.nodes[node.index].options.ports
    if declared is not None:
        wrong = next((emit.port for emit in emits if emit.port is not None and emit.port.casefold() not in declared), None)
        if wrong is not None:
            known = ", ".join(map(repr, sorted(declared))) or "no port but the primary one"
            return ActorflowError(f"node {node.name!r} sent a message on port {wrong!r}, which it does not declare; it declares {known}")
    for route, _ in taken:
        if route.back is not None and is_exhausted(state, route, key):
            target = state.plan.nodes[route.target].name
            return TooManyPasses(node.name, target, route.connection.limit)
    return _count_unrouted(state, node, emits, taken)


def _count_unrouted(state: RunState, node: NodePlan, emits: tuple[Emit, ...], taken: Taken) -> Exception | None:
    if node.terminal or node.ends or (len(taken) >= len(emits) and all(any(emit is other for _, other in taken) for emit in emits)):
        return None
    what = state.plan.definition.options.unrouted
    for emit in emits:
        if any(emit is other for _, other in taken):
            continue
        if what == "fail":
            return UnroutedValue(node.name, emit.port)
        state.record(node.index).unrouted += 1
        if what == "dead_letter":
            state.letters.append((Envelope(state.next_id, node.index, (), emit.value), "unrouted"))
    return None


def _send(state: RunState, node: NodePlan, routes: tuple[Route, ...], key: Key, taken: Taken) -> None:
    """Deliver what was taken, once a connection, and skip the other connections."""
    seen: set[int] = set()
    for position, (route, emit) in enumerate(taken):
        if route.index in seen:
            continue
        seen.add(route.index)
        value = emit.value
        if position + 1 < len(taken) and taken[position + 1][0] is route:
            value = Unfit(slot_conflict(state, route.target, route.connection.slot, (route.index, route.index)), value)
        deliver(state, route, key, value, (), emit.dedup)
    if len(seen) < len(routes):
        _skip(state, tuple(route for route in routes if route.index not in seen), key, Resolution.SKIPPED)


def deliver(state: RunState, route: Route, key: Key, value: Any, carried: tuple[Failure, ...], dedup: Any = None) -> None:
    """A message goes over a connection."""
    border = route.border
    if border is not None:
        if border.back is not None:
            go_back(state, route, key, value, carried)
            return
        if border.leaves is not None:
            leave(state, route, key)
        if border.enters is not None:
            key = enter(state, route, key, 0, 0)
    if route.sink is not None:
        arrive(state, route, key, value, carried)
    else:
        begin(state, state.plan.nodes[route.target], key, value, route.index, carried, dedup)


def _skip(state: RunState, routes: tuple[Route, ...], key: Key, kind: int) -> None:
    """Connections that were not taken for this key."""
    for route in routes:
        if route.back is None and (not key or route.concerns or route.leaves is not None or kind == Resolution.CANCELLED):
            state.dead.append((route, key, kind, Resolution.PLAINLY))


def keep(state: RunState, node: NodePlan, key: Key, value: Any) -> None:
    """Keep a value for the run's result, as far as the workflow's `results` says so, and for those that refer to it."""
    if node.referred:
        state.referred.setdefault(node.index, {})[key] = value
    if node.terminal and state.unkept is not None:
        state.unkept.append((node.name, key, value))
    elif not node.keeps:
        return
    elif node.lists:
        state.values.setdefault(node.index, {})[key] = value
    elif node.cycles_at:
        known = state.values.get(node.index)
        if known is None or order(known[0]) <= order(key):
            state.values[node.index] = (key, value)
    else:
        state.values[node.index] = value


def _keep_emits(state: RunState, node: NodePlan, key: Key, emits: tuple[Emit, ...]) -> None:
    if len(emits) == 1:
        keep(state, node, key, emits[0].value)
    elif emits:
        keep(state, node, key, {emit.port: emit.value for emit in emits})
    elif not node.lists:
        keep(state, node, key, None)


def part(state: RunState, outcome: Part) -> None:
    """A streaming activation sent one value and goes on: a message of its own (an Emits: several, with one key), with the
    key extended by its number."""
    envelope = outcome.lease.envelope
    node = state.plan.nodes[envelope.node]
    value = outcome.value
    key = (*envelope.key, outcome.number)
    if node.direct and type(value) not in SPECIAL:
        if node.keeps or state.unkept is not None:
            keep(state, node, key, value)
        _send_plain(state, node, envelope, key, value)
        return
    emits = emissions(value, ())
    if not emits:
        return
    facts = facts_of(state, envelope.payload, envelope.key)
    taken = [(route, emit) for route in node.routes for emit in emits if takes(state, node, route, emit.port, emit.value, facts)]
    error = _refused(state, node, envelope.key, emits, taken)
    if error is not None:
        raise error
    _keep_emits(state, node, key, emits)
    _send(state, node, node.routes, key, taken)


def make_failure(state: RunState, node: str, envelope: Envelope, error: BaseException, at: int) -> Failure:
    """The record of a failed activation."""
    return Failure(node, envelope.key, envelope.attempt, type_name(error), message_of(error), error, state.utc(at))


def failed(state: RunState, outcome: Failed) -> None:
    """An activation failed: its Fail connections take its input; its Complete connections are cancelled, or skipped if a
    Fail connection took the failure."""
    envelope = outcome.lease.envelope
    node = state.plan.nodes[envelope.node]
    payload = envelope.payload.payload if type(envelope.payload) is Unfit else envelope.payload
    error, taken = _taken_by(state, node, envelope.key, payload, outcome.error)
    failure = make_failure(state, node.name, envelope, error, outcome.ended)
    record = state.record(node.index)
    record.waiting -= 1
    record.failed += 1
    record.total_ns += outcome.ended - outcome.started
    record.last_error = failure
    state.failures.append(failure)
    state.log.append(("failed", node.index, envelope.key, envelope.attempt, outcome.ended, failure, outcome.ended - outcome.started))
    kind = Resolution.SKIPPED if taken else Resolution.CANCELLED
    _skip(state, tuple(route for route in node.fail_only if route not in taken), envelope.key, Resolution.SKIPPED)
    if node.streaming:
        _fail_stream(state, node, envelope.key, max(outcome.parts, 0), taken, kind, payload, failure)
    else:
        _skip(state, tuple(route for route in node.routes if route.connection.on == "complete"), envelope.key, kind)
        refused = tuple(route for route in node.routes if route.connection.on == "all" and route not in taken)
        _skip(state, refused, envelope.key, Resolution.SKIPPED)
    for route in taken:
        if route.connection.on == "fail" or not node.streaming:
            deliver(state, route, envelope.key, payload, (failure,))
    end(state, node, envelope.key)
    if not taken and state.plan.definition.options.on_failure == "stop":
        state.stopping = state.stopping or f"node {node.name!r} failed"


def _taken_by(state: RunState, node: NodePlan, key: Key, payload: Any, error: BaseException) -> tuple[BaseException, list[Route]]:
    """The connections that take a failure, and the failure: TooManyPasses if one of them goes back too often."""
    facts = facts_of(state, payload, key, error)
    taken = [route for route in node.fail_routes if takes(state, node, route, None, payload, facts, error)]
    exhausted = [route for route in taken if route.back is not None and is_exhausted(state, route, key)]
    if not exhausted:
        return error, taken
    limit = exhausted[0].connection.limit
    instead = TooManyPasses(node.name, state.plan.nodes[exhausted[0].target].name, limit)
    instead.__cause__ = error
    facts = facts_of(state, payload, key, instead)
    routes = (route for route in node.fail_routes if route.back is None or not is_exhausted(state, route, key))
    return instead, [route for route in routes if takes(state, node, route, None, payload, facts, instead)]


def _fail_stream(state: RunState, node: NodePlan, key: Key, parts: int, taken: list[Route], kind: int, payload: Any, failure: Failure) -> None:
    """A stream broke off: what it has sent stands. A connection for all outcomes gets the failure as one more message."""
    both = [route for route in taken if route.connection.on == "all"]
    if both:
        at = (*key, parts)
        for route in both:
            deliver(state, route, at, payload, (failure,))
        _skip(state, tuple(route for route in node.routes if route not in both), at, Resolution.SKIPPED)
    elif parts == 0 and not taken:
        _skip(state, node.routes, key, kind)
    if not taken:
        for closing in node.breaks:
            state.tables[closing.sink.index][key[: closing.depth]].cancelled = True


def cancelled(state: RunState, outcome: Cancelled) -> None:
    """An activation was cancelled while it was at work: its connections are skipped."""
    envelope = outcome.lease.envelope
    node = state.plan.nodes[envelope.node]
    record = state.record(node.index)
    record.waiting -= 1
    record.cancelled += 1
    record.total_ns += outcome.ended - outcome.started
    state.log.append(("cancelled", node.index, envelope.key, envelope.attempt, outcome.ended, outcome.reason))
    if not state.stopping:
        _skip(state, node.routes if not node.streaming else (), envelope.key, Resolution.SKIPPED)
        _skip(state, node.fail_only, envelope.key, Resolution.SKIPPED)
    end(state, node, envelope.key)
