"""Cycles: what enters them and in which scope, what leaves them, and what is skipped in a pass that begins at a given node.

Not here: which nodes make up a cycle (`components`), the joins inside (`sinks`), what a run does with passes (`core.cycles`).
A cycle is opened before its nodes have scopes, as theirs follow from its own, and finished when all nodes have sinks."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from actorflow.definition.analysis import Analysis, Scope, message_scope, name_of, on_one_line, report
from actorflow.definition.model import All, Connection
from actorflow.definition.plan import Border, Cycle, Mode, Opener, Plan, Route, Sink

__all__ = ["finish_cycles", "inner_scope", "open_cycle", "skipped_in_pass"]


def inner_scope(analysis: Analysis, node: int) -> Scope:
    """What every activation of the node is under: the openers of its cycle's entries and the cycle, or those of the whole run."""
    cycle = analysis.cycle_of[node]
    return analysis.base if cycle is None else (*analysis.outer[cycle.index], Opener("cycle", cycle.index))


# --- before the nodes of the cycle have their scopes ---------------------------------------------------------------------


def open_cycle(analysis: Analysis, members: list[int]) -> None:
    """Make the cycle of these nodes, and its quiet, whose parts are the entries."""
    entries = _entries(analysis, members)
    outer = _outer_scope(analysis, members, entries)
    quiet = Sink(len(analysis.sinks), -1, Mode.QUIET, len(outer), 0)
    cycle = Cycle(len(analysis.cycles), len(outer), tuple(members), quiet)
    quiet.cycle = cycle
    for number, connection in enumerate(entries):
        bit = 1 << number
        analysis.routes[connection.index].border = Border(cycle, bit)
        quiet.need |= bit
        length = len(message_scope(analysis, connection))
        if length == len(outer):
            quiet.whole |= bit
        else:
            quiet.shorts = (*quiet.shorts, (length, bit))
            _check_short_entry(analysis, connection)
    for node in members:
        analysis.cycle_of[node] = cycle
    analysis.sinks.append(quiet)
    analysis.cycles.append(cycle)
    analysis.outer.append(outer)


def _entries(analysis: Analysis, members: Collection[int]) -> list[Connection]:
    """The connections that enter a cycle from outside."""
    inside = set(members)
    return [connection for node in members for connection in analysis.inputs[node] if connection.source not in inside]


def _outer_scope(analysis: Analysis, members: list[int], entries: list[Connection]) -> Scope:
    """The scope in which a cycle is entered: the longest of those of its entries."""
    scopes = [message_scope(analysis, connection) for connection in entries]
    scopes += [analysis.base for node in members if node in analysis.entries]
    outer = on_one_line(scopes) if scopes else analysis.base
    if outer is not None:
        return outer
    node = analysis.definition.nodes[members[0]]
    named = ", ".join(repr(name_of(analysis, connection.source)) for connection in entries)
    text = f"the cycle of node {node.name!r} is entered from {named}, whose messages belong to unrelated streams; collect them first"
    report(analysis, "UnrelatedStreams", node, text)
    return analysis.base


def _check_short_entry(analysis: Analysis, connection: Connection) -> None:
    """A message that does not say which instance of the cycle it is for can only go to all of them, at a join."""
    node = analysis.definition.nodes[connection.target]
    if isinstance(node.join, All) and len(analysis.inputs[node.index]) > 1:
        return
    source = name_of(analysis, connection.source)
    text = (
        f"connection {source!r} -> {node.name!r} enters a cycle that belongs to a stream it is not part of; "
        "join it with a message of that stream first"
    )
    report(analysis, "UnrelatedStreams", node, text)


# --- after all nodes have their sinks ------------------------------------------------------------------------------------


def finish_cycles(analysis: Analysis) -> None:
    """Say of each cycle what leaves it, what waits in it and behind it, and what is skipped in its passes. The borders of all
    routes must be known."""
    _find_beyond(analysis)
    _find_collected_outside(analysis)
    for cycle in analysis.cycles:
        routes = [analysis.routes[connection.index] for node in cycle.members for connection in analysis.outputs[node]]
        _describe_exits(analysis, cycle, routes)
        cycle.sinks = tuple(sink for node in cycle.members if (sink := analysis.sink_of[node]) is not None)
        cycle.gathers = tuple(sink for sink in cycle.sinks if sink.mode is Mode.GATHER)
        first = {node for node in cycle.members if node in analysis.entries}
        first.update(connection.target for connection in _entries(analysis, cycle.members))
        begins = {route.target for route in routes if route.back is not None}
        cycle.seeds = {node: _skipped_from({node}, routes, cycle) for node in begins}
        cycle.seeds[-1] = _skipped_from(first, routes, cycle)


def _find_beyond(analysis: Analysis) -> None:
    """The joins behind a cycle whose keys have a pass number of it; a cycle's quiet resolves what they wait for."""
    beyond: list[list[Sink]] = [[] for _ in analysis.cycles]
    for sink in analysis.sinks:
        if sink.mode is Mode.QUIET or sink.mode is Mode.FORGET:
            continue
        for opener in analysis.scopes[sink.node][: sink.depth]:
            if opener.kind == "cycle" and analysis.cycle_of[sink.node] is not analysis.cycles[opener.index]:
                beyond[opener.index].append(sink)
                sink.late = True
    for cycle, sinks in zip(analysis.cycles, beyond, strict=True):
        cycle.beyond = tuple(sinks)


def _find_collected_outside(analysis: Analysis) -> None:
    """The sinks behind a cycle, under a pass of it, that close an opener inside it. Should several cycles have openers that
    one sink closes, it is the last of these that counts."""
    for group in analysis.groups:
        if group.opener.kind not in ("stream", "each"):
            continue
        sink, cycle = group.sink, analysis.cycle_of[group.opener.index]
        if cycle is None or analysis.cycle_of[sink.node] is cycle or sink.depth <= cycle.depth:
            continue
        if sink.after_quiet is None or sink.after_quiet.index < cycle.index:
            sink.after_quiet = cycle


def _describe_exits(analysis: Analysis, cycle: Cycle, routes: Iterable[Route]) -> None:
    """The exits of a cycle, and which openers inside it they are under."""
    cycle.exits = tuple(route for route in routes if route.leaves is cycle)
    scopes = {route.index: message_scope(analysis, route.connection) for route in cycle.exits}
    cycle.told = {index: frozenset(at for at, opener in enumerate(scope) if opener.kind == "each") for index, scope in scopes.items()}
    cycle.inner = {index: scope[cycle.depth + 1].index if len(scope) > cycle.depth + 1 else -1 for index, scope in scopes.items()}


# --- what a pass skips -----------------------------------------------------------------------------------------------------


def skipped_in_pass(cycle: Cycle, plan: Plan, node: int) -> tuple[Route, ...]:
    """The routes that are skipped in a pass of a cycle that begins at this node; found once, then kept in the cycle."""
    found = cycle.seeds.get(node)
    if found is None:
        routes = [route for member in cycle.members for route in (*plan.nodes[member].routes, *plan.nodes[member].fail_only)]
        found = cycle.seeds[node] = _skipped_from({node}, routes, cycle)
    return found


def _skipped_from(starts: Collection[int], routes: Iterable[Route], cycle: Cycle) -> tuple[Route, ...]:
    """Of these routes from nodes of a cycle those that a pass beginning at `starts` cannot take, but that lead out of the cycle or
    to a node that it can reach; not to `starts` themselves, as it begins behind their joins."""
    inner = [route for route in routes if route.back is None]
    successors: dict[int, list[int]] = {node: [] for node in cycle.members}
    for route in inner:
        if route.leaves is None:
            successors[route.connection.source].append(route.target)
    reached = set(starts)
    stack = list(starts)
    while stack:
        for target in successors[stack.pop()]:
            if target not in reached:
                reached.add(target)
                stack.append(target)
    missed = (route for route in inner if route.connection.source not in reached)
    return tuple(route for route in missed if route.leaves is not None or (route.target in reached and route.target not in starts))
