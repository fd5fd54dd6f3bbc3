"""Static analysis: which openers a message has passed, where its arrivals wait, and what a skip concerns. Makes a Plan.

Not here: whether the graph is well formed (`validate` has seen to that: names exist, cycles are declared), and the two larger
steps, `cycles` and `sinks`; what all steps share is in `analysis`. The semantics are those of docs/joins-and-scopes.md.
Everything is linear in the size of the graph, but for a sink that closes a scope, which looks at the nodes inside that scope,
and for a cycle, which looks at all its nodes for each one that a back connection leads to."""

from __future__ import annotations

from collections.abc import Sequence

from actorflow.definition.analysis import Analysis, begin, is_streaming, seen_scope
from actorflow.definition.components import components, reachable
from actorflow.definition.cycles import finish_cycles, open_cycle, skipped_in_pass
from actorflow.definition.model import Definition, NodeDefinition, Problem
from actorflow.definition.plan import Border, Closing, Mode, NodePlan, Opener, Plan, Route
from actorflow.definition.sinks import closings, place

__all__ = ["ScopeProblems", "make_plan", "skipped_by_send", "skipped_in_pass"]


class ScopeProblems(Exception):
    """The joins of a workflow do not fit its streams and cycles; `problems` says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.text for problem in problems))


def make_plan(definition: Definition, *, open: bool = False) -> Plan:
    """The plan of runs that begin with a payload, or of open ones. Raises ScopeProblems."""
    analysis = begin(definition, open=open)
    order = _order(analysis)
    for component in order:
        _place_component(analysis, component)
    if analysis.problems:
        raise ScopeProblems(analysis.problems)
    for route in analysis.routes.values():
        _finish_route(analysis, route)
    finish_cycles(analysis)
    closing = closings(analysis)
    _mark_concerns(analysis, order)
    return _assemble(analysis, closing)


def skipped_by_send(plan: Plan, node: int) -> tuple[Route, ...]:
    """The routes that a send to `node` skips: from nodes that it cannot reach into nodes that it can; found once, then kept in
    the plan."""
    found = plan.seeds.get(node)
    if found is None:
        successors = [[route.target for route in (*each.routes, *each.fail_only)] for each in plan.nodes]
        reached = reachable(len(successors), [node], successors)
        routes = (route for each in plan.nodes if not reached[each.index] for route in (*each.routes, *each.fail_only))
        found = tuple(route for route in routes if reached[route.target] and route.target != node)
        plan.seeds[node] = found
    return found


# --- the order of the nodes ----------------------------------------------------------------------------------------------


def _order(analysis: Analysis) -> list[list[int]]:
    """Components in topological order; the members of a cycle in the order of its other connections."""
    successors = [[connection.target for connection in outputs] for outputs in analysis.outputs]
    return [_inner_order(analysis, component) if len(component) > 1 else component for component in components(successors)]


def _inner_order(analysis: Analysis, component: list[int]) -> list[int]:
    """The members of a cycle, each after those that feed it without a back connection."""
    members = set(component)
    waiting = {node: sum(1 for connection in analysis.inputs[node] if connection.source in members) for node in component}
    ready = sorted(node for node, count in waiting.items() if count == 0)
    order: list[int] = []
    while ready:
        node = ready.pop()
        order.append(node)
        for connection in analysis.outputs[node]:
            if connection.target in members and not connection.back:
                waiting[connection.target] -= 1
                if waiting[connection.target] == 0:
                    ready.append(connection.target)
    return order


def _place_component(analysis: Analysis, members: list[int]) -> None:
    """Give each node of a component its turn; a cycle has one more, for its quiet."""
    first = members[0]
    if len(members) > 1 or any(connection.source == first for connection in analysis.back_inputs.get(first, ())):
        open_cycle(analysis, members)
    for node in members:
        analysis.turn += 1
        place(analysis, analysis.definition.nodes[node])
    cycle = analysis.cycle_of[first]
    if cycle is not None:
        analysis.turn += 1
        cycle.quiet.turn = analysis.turn


# --- routes ------------------------------------------------------------------------------------------------------------------


def _finish_route(analysis: Analysis, route: Route) -> None:
    """Say what a route has to do with cycles besides the one it enters, and what it does not ask of a message."""
    source, target = analysis.cycle_of[route.connection.source], analysis.cycle_of[route.target]
    if route.connection.back:
        route.border = Border(back=target)
    elif source is not None and source is not target:
        route.border = route.border or Border()
        route.border.leaves = source
    route.open = route.connection.port is None and not route.filtered
    route.simple = route.open and route.sink is None and route.border is None


def _mark_concerns(analysis: Analysis, order: list[list[int]]) -> None:
    """Mark the routes whose skip somebody waits for, from the end of the graph to its beginning."""
    routes = analysis.routes
    for component in reversed(order):
        for node in reversed(component):
            onward = (routes[connection.index] for connection in analysis.outputs[node] if not connection.back)
            passes_on = any(route.concerns or route.leaves is not None for route in onward)
            for connection in analysis.inputs[node]:
                route = routes[connection.index]
                route.concerns = passes_on or route.sink is not None or route.enters is not None


# --- the result ----------------------------------------------------------------------------------------------------------------


def _assemble(analysis: Analysis, closing: list[tuple[Closing, ...]]) -> Plan:
    """The plan, from all that was found. What a send skips is found when there is one."""
    definition = analysis.definition
    outputs = frozenset(definition.outputs)
    referred = {name for node in definition.nodes if node.inputs is not None for name in node.inputs.nodes}
    nodes = tuple(
        _node_plan(analysis, node, closes, terminal=node.index in outputs, referred=node.name in referred)
        for node, closes in zip(definition.nodes, closing, strict=True)
    )
    timed = any(node.options.timeout is not None for node in definition.nodes)
    sinks, cycles, scopes = tuple(analysis.sinks), tuple(analysis.cycles), tuple(analysis.scopes)
    return Plan(definition, len(analysis.base), nodes, sinks, cycles, {}, scopes, timed)


def _node_plan(analysis: Analysis, node: NodeDefinition, closing: tuple[Closing, ...], *, terminal: bool, referred: bool) -> NodePlan:
    """A node as the core sees it."""
    scope = analysis.scopes[node.index]
    streaming = is_streaming(analysis, node.index)
    all_routes = [analysis.routes[connection.index] for connection in analysis.outputs[node.index]]
    routes = tuple(route for route in all_routes if route.connection.on != "fail")
    fail_only = tuple(route for route in all_routes if route.connection.on == "fail")
    lists = streaming or any(opener.kind != "cycle" for opener in scope)
    options = analysis.definition.options
    backs = [route.back is not None for route in routes]
    direct = not any(backs) and options.unrouted == "count" and not referred
    handler = node.handler
    return NodePlan(
        node.index,
        node.name,
        len(scope),
        routes=routes,
        fail_routes=tuple(route for route in all_routes if route.connection.on != "complete"),
        fail_only=fail_only,
        streaming=streaming,
        sink=analysis.sink_of[node.index],
        cycle=analysis.cycle_of[node.index],
        closing=closing,
        breaks=tuple(closes for closes in closing if _is_broken_by(analysis, closes, node.index)) if streaming else (),
        terminal=terminal,
        ends=all(backs),
        lists=lists,
        cycles_at=tuple(position for position, opener in enumerate(scope) if opener.kind == "cycle"),
        direct=direct,
        short_way=direct and not streaming and not closing and not fail_only and all(route.simple for route in routes),
        once=not scope,
        keeps=options.results == "all" or (options.results == "auto" and (terminal or not lists)),
        referred=referred,
        unwatched=not streaming and not handler.needs_context and node.inputs is None and handler.node_class is None,
    )


def _is_broken_by(analysis: Analysis, closing: Closing, node: int) -> bool:
    """Whether a failure of the stream of `node` cancels this sink: the stream opens it, or its messages reach it as such."""
    if closing.opens:
        return True
    if closing.sink.mode not in (Mode.COLLECT, Mode.FIRST, Mode.EACH):
        return False
    opener = Opener("stream", node)
    return any(opener in seen_scope(analysis, connection) for connection in analysis.inputs[closing.sink.node])
