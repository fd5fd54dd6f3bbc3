"""Static analysis: which openers a message has passed, where its arrivals wait, and what a skip concerns. Makes a Plan.

Not here: whether the graph is well formed (`validate` has seen to that: names exist, cycles are declared). The semantics
are those of docs/joins-and-scopes.md. Everything is linear in the size of the graph, but for sinks that close a scope:
each of these looks at the nodes inside its scope."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actorflow.definition.components import components
from actorflow.definition.model import All, Collect, Connection, Definition, Each, First, NodeDefinition, Problem
from actorflow.definition.plan import Border, Closing, Cycle, Mode, NodePlan, Opener, Plan, Route, Sink

__all__ = ["ScopeProblems", "make_plan", "reachable", "skipped_by_send", "skipped_in_pass"]

Scope = tuple[Opener, ...]
RUN = Opener("run", 0)


class ScopeProblems(Exception):
    """The joins of a workflow do not fit its streams and cycles; `problems` says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.text for problem in problems))


def make_plan(definition: Definition, *, open: bool = False) -> Plan:
    """The plan of runs that begin with a payload, or of open ones. Raises ScopeProblems."""
    return _Analysis(definition, open).plan()


def reachable(count: int, starts: Iterable[int], successors: Sequence[Sequence[int]]) -> bytearray:
    """Which of `count` nodes can be reached from `starts`, themselves included: one byte each."""
    seen = bytearray(count)
    stack = [start for start in starts]
    for start in stack:
        seen[start] = 1
    while stack:
        for target in successors[stack.pop()]:
            if not seen[target]:
                seen[target] = 1
                stack.append(target)
    return seen


def skipped_by_send(plan: Plan, node: int) -> tuple[Route, ...]:
    """The routes that a send to `node` skips: from nodes that it cannot reach into nodes that it can."""
    found = plan.seeds.get(node)
    if found is None:
        successors = [[route.target for route in (*each.routes, *each.fail_only)] for each in plan.nodes]
        reached = reachable(len(successors), [node], successors)
        routes = (route for each in plan.nodes if not reached[each.index] for route in (*each.routes, *each.fail_only))
        found = tuple(route for route in routes if reached[route.target] and route.target != node)
        plan.seeds[node] = found
    return found


def skipped_in_pass(cycle: Cycle, plan: Plan, node: int) -> tuple[Route, ...]:
    """The routes that are skipped in a pass of a cycle that begins at this node."""
    found = cycle.seeds.get(node)
    if found is None:
        routes = [route for member in cycle.members for route in (*plan.nodes[member].routes, *plan.nodes[member].fail_only)]
        found = cycle.seeds[node] = _dead_routes({node}, [route for route in routes if route.back is None], cycle.members)
    return found


def _dead_routes(starts: set[int], inner: list[Route], members: Sequence[int]) -> tuple[Route, ...]:
    """The routes from nodes that cannot be reached from `starts` into sinks of nodes that can, or out of the cycle."""
    successors: dict[int, list[int]] = {node: [] for node in members}
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
    dead = (route for route in inner if route.connection.source not in reached)
    return tuple(route for route in dead if route.leaves or (route.target in reached and route.target not in starts))


def common_prefix(scopes: Sequence[Scope]) -> Scope:
    """The longest scope that all of these begin with."""
    first = min(scopes, key=len)
    for length in range(len(first), -1, -1):
        if all(scope[:length] == first[:length] for scope in scopes):
            return first[:length]
    return ()


def on_one_line(scopes: Sequence[Scope]) -> Scope | None:
    """The longest of the scopes if each of the others is a beginning of it, else None."""
    longest = max(scopes, key=len)
    return longest if all(scope == longest[: len(scope)] for scope in scopes) else None


class _Analysis:
    """One pass over a definition. The order of the steps is that of `plan`."""

    def __init__(self, definition: Definition, open_run: bool) -> None:
        self.definition = definition
        self.base: Scope = (RUN,) if open_run else ()
        count = len(definition.nodes)
        self.problems: list[Problem] = []
        enabled = [connection for connection in definition.connections if connection.enabled]
        successors: list[list[int]] = [[] for _ in range(count)]
        for connection in enabled:
            successors[connection.source].append(connection.target)
        self.live = bytearray(b"\1" * count) if open_run else reachable(count, definition.entries, successors)
        self.connections = [connection for connection in enabled if self.live[connection.source]]
        self.inputs: list[list[Connection]] = [[] for _ in range(count)]
        self.outputs: list[list[Connection]] = [[] for _ in range(count)]
        for connection in self.connections:
            self.outputs[connection.source].append(connection)
            if not connection.back:
                self.inputs[connection.target].append(connection)
        self.scopes: list[Scope] = [self.base] * count
        self.sinks: list[Sink] = []
        self.sink_of: list[Sink | None] = [None] * count
        self.cycles: list[Cycle] = []
        self.cycle_of: list[Cycle | None] = [None] * count
        self.outer: list[Scope] = []
        self.routes: dict[int, Route] = {}
        self.groups: list[tuple[Sink, Opener, int, list[int]]] = []
        self.turn = 0

    def plan(self) -> Plan:
        """All steps in order."""
        order = self._order()
        for component in order:
            self._component(component)
        if self.problems:
            raise ScopeProblems(self.problems)
        for connection in self.connections:
            self._finish_route(self._route(connection))
        for cycle in self.cycles:
            self._finish_cycle(cycle)
        closing = self._closings()
        self._concerns(order)
        return self._assemble(closing)

    # --- order -----------------------------------------------------------------------------------------------------

    def _order(self) -> list[list[int]]:
        """Components in topological order; the members of a cycle in the order of its other connections."""
        successors: list[list[int]] = [[] for _ in self.scopes]
        for connection in self.connections:
            successors[connection.source].append(connection.target)
        return [self._inner_order(component) if len(component) > 1 else component for component in components(successors)]

    def _inner_order(self, component: list[int]) -> list[int]:
        members = set(component)
        waiting = {node: sum(1 for connection in self.inputs[node] if connection.source in members) for node in component}
        ready = sorted(node for node, count in waiting.items() if count == 0)
        order: list[int] = []
        while ready:
            node = ready.pop()
            order.append(node)
            for connection in self.outputs[node]:
                if connection.target in members and not connection.back:
                    waiting[connection.target] -= 1
                    if waiting[connection.target] == 0:
                        ready.append(connection.target)
        return order

    def _component(self, members: list[int]) -> None:
        if len(members) > 1 or any(connection.back for connection in self.outputs[members[0]] if connection.target == members[0]):
            self._open_cycle(members)
        for node in members:
            self.turn += 1
            self._place(self.definition.nodes[node])
        cycle = self.cycle_of[members[0]]
        if cycle is not None:
            self.turn += 1
            cycle.quiet.turn = self.turn

    # --- cycles ----------------------------------------------------------------------------------------------------

    def _open_cycle(self, members: list[int]) -> None:
        inside = set(members)
        entries = [connection for node in members for connection in self.inputs[node] if connection.source not in inside]
        scopes = [self._scope_of(connection) for connection in entries]
        scopes += [self.base for node in members if node in self.definition.entries]
        outer = on_one_line(scopes) if scopes else self.base
        if outer is None:
            names = ", ".join(repr(self._name(connection.source)) for connection in entries)
            self._problem("UnrelatedStreams", members[0], f"the cycle of node {self._name(members[0])!r} is entered from {names}, whose messages belong to unrelated streams; collect them first")
            outer = self.base
        quiet = Sink(len(self.sinks), -1, Mode.QUIET, len(outer), 0)
        self.sinks.append(quiet)
        cycle = Cycle(len(self.cycles), len(outer), tuple(members), quiet)
        quiet.cycle = cycle
        bit = 1
        for connection in entries:
            scope = self._scope_of(connection)
            route = self._route(connection)
            route.border = Border(cycle, bit)
            quiet.need |= bit
            if len(scope) == len(outer):
                quiet.whole |= bit
            else:
                quiet.shorts = (*quiet.shorts, (len(scope), bit))
                self._check_short_entry(connection)
            bit <<= 1
        for node in members:
            self.cycle_of[node] = cycle
        self.cycles.append(cycle)
        self.outer.append(outer)

    def _check_short_entry(self, connection: Connection) -> None:
        node = self.definition.nodes[connection.target]
        full = [other for other in self.inputs[connection.target] if other is not connection]
        if isinstance(node.join, All) and full:
            return
        self._problem(
            "UnrelatedStreams",
            connection.target,
            f"connection {self._name(connection.source)!r} -> {node.name!r} enters a cycle that belongs to a stream it is not part of; "
            "join it with a message of that stream first",
        )

    def _finish_cycle(self, cycle: Cycle) -> None:
        inside = set(cycle.members)
        routes = [self.routes[connection.index] for node in cycle.members for connection in self.outputs[node]]
        cycle.exits = tuple(route for route in routes if route.leaves is cycle)
        scopes = {route.index: self._scope_of(route.connection) for route in cycle.exits}
        cycle.told = {index: frozenset(at for at, opener in enumerate(scope) if opener.kind == "each") for index, scope in scopes.items()}
        cycle.inner = {index: scope[cycle.depth + 1].index if len(scope) > cycle.depth + 1 else -1 for index, scope in scopes.items()}
        inner = [route for route in routes if route.back is None]
        cycle.sinks = tuple(sink for node in cycle.members if (sink := self.sink_of[node]) is not None)
        cycle.gathers = tuple(sink for sink in cycle.sinks if sink.mode is Mode.GATHER)
        cycle.beyond = tuple(sink for sink in self._sinks_under(Opener("cycle", cycle.index)) if sink.node not in inside)
        for sink in cycle.beyond:
            sink.late = True
        for sink, closed, _, _ in self.groups:
            if closed.kind in ("stream", "each") and closed.index in inside and sink.node not in inside and sink.depth > cycle.depth:
                sink.after_quiet = cycle
        starts = {route.target for route in routes if route.back is not None}
        entries = {node for node in cycle.members if node in self.definition.entries}
        entries |= {c.target for node in cycle.members for c in self.inputs[node] if c.source not in inside}
        cycle.seeds = {node: _dead_routes({node}, inner, cycle.members) for node in starts}
        cycle.seeds[-1] = _dead_routes(entries, inner, cycle.members)

    def _sinks_under(self, opener: Opener) -> list[Sink]:
        """The joins whose keys have an index of this opener."""
        joins = (sink for sink in self.sinks if sink.node >= 0 and sink.mode is not Mode.FORGET)
        return [sink for sink in joins if opener in self.scopes[sink.node][: sink.depth]]

    # --- nodes and their sinks -----------------------------------------------------------------------------------------

    def _scope_of(self, connection: Connection) -> Scope:
        """The openers a message has passed once it is on this connection."""
        scope = self.scopes[connection.source]
        if self._streams(connection.source) and connection.on != "fail":
            return (*scope, Opener("stream", connection.source))
        return scope

    def _streams(self, node: int) -> bool:
        return self.definition.nodes[node].handler.streaming

    def _seen(self, connection: Connection) -> Scope:
        """Its scope as the target sees it: inside a cycle that it enters."""
        scope = self._scope_of(connection)
        cycle = self._route(connection).enters
        if cycle is not None and len(scope) == cycle.depth:
            return (*scope, Opener("cycle", cycle.index))
        return scope

    def _place(self, node: NodeDefinition) -> None:
        """Decide the scope of a node and make its sink."""
        inputs = self.inputs[node.index]
        cycle = self.cycle_of[node.index]
        own: Scope = (*self.outer[cycle.index], Opener("cycle", cycle.index)) if cycle is not None else self.base
        if not inputs:
            self.scopes[node.index] = own
            return
        self._place_inputs(node, inputs, own)
        self._check_back(node, own)

    def _check_back(self, node: NodeDefinition, own: Scope) -> None:
        """A pass begins at a node of the cycle itself, not of a stream inside it."""
        inside = [opener for opener in self.scopes[node.index][len(own) :] if opener != Opener("each", node.index)]
        if inside and self._back_inputs(node.index):
            text = f"a back connection leads to node {node.name!r}, which is inside a stream of its cycle; lead it to a node before that stream"
            self._problem("BackIntoStream", node.index, text)

    def _place_inputs(self, node: NodeDefinition, inputs: list[Connection], own: Scope) -> None:
        """By its join."""
        seen = [self._seen(connection) for connection in inputs]
        join = node.join
        if join is None or (isinstance(join, Each) and len(inputs) == 1):
            self.scopes[node.index] = seen[0]
        elif isinstance(join, All):
            self._place_all(node, inputs, seen)
        elif isinstance(join, First):
            self._place_closing(node, Mode.FIRST, common_prefix(seen), inputs, seen)
        elif isinstance(join, Each):
            self._place_closing(node, Mode.EACH, common_prefix(seen), inputs, seen)
        else:
            self._place_collect(node, join, inputs, seen, own)
        if self.cycle_of[node.index] is not None and len(self.scopes[node.index]) < len(own):
            self._problem("UnrelatedStreams", node.index, f"the join of node {node.name!r} would leave the cycle it is part of; put it behind the cycle")

    def _sink(self, node: NodeDefinition, mode: Mode, depth: int) -> Sink:
        sink = Sink(len(self.sinks), node.index, mode, depth, self.turn)
        cycle = self.cycle_of[node.index]
        if cycle is not None:
            sink.cycle = cycle
            sink.pass_at = cycle.depth if depth > cycle.depth else -1
        self.sinks.append(sink)
        self.sink_of[node.index] = sink
        return sink

    def _place_all(self, node: NodeDefinition, inputs: list[Connection], seen: list[Scope]) -> None:
        longest = on_one_line(seen)
        if longest is None:
            named = ", ".join(repr(self._name(connection.source)) for connection in inputs)
            self._problem(
                "UnrelatedStreams",
                node.index,
                f"node {node.name!r} waits for all of {named}, but their messages belong to unrelated streams and have no keys in common; use join='collect' or close the streams first",
            )
            longest = max(seen, key=len)
        self.scopes[node.index] = longest
        sink = self._sink(node, Mode.ALL, len(longest))
        shorts: dict[int, int] = {}
        for number, (connection, scope) in enumerate(zip(inputs, seen)):
            bit = 1 << number
            route = self._route(connection)
            route.sink, route.bit = sink, bit
            sink.need |= bit
            if route.enters is None:
                sink.later |= bit
            if len(scope) == len(longest):
                sink.whole |= bit
            else:
                sink.late = True
                shorts[len(scope)] = shorts.get(len(scope), 0) | bit
        sink.shorts = tuple(sorted(shorts.items()))
        for depth in sorted({*shorts, *self._partly_dead(node, longest)}):
            if depth > 0:
                longer = [connection.source for connection, scope in zip(inputs, seen) if len(scope) > depth]
                self._forget(sink, longest, depth, shorts.get(depth, 0), longer)

    def _partly_dead(self, node: NodeDefinition, scope: Scope) -> list[int]:
        """The lengths of keys for which some of a join's long inputs may be skipped as a whole while others are not: exits of a
        cycle, and in an open run what a send cannot reach. Such a skip must be forgotten when the opener is done."""
        own = self.cycle_of[node.index]
        depths = [depth for depth, opener in enumerate(scope) if opener.kind == "cycle" and (own is None or opener.index != own.index)]
        if self.base and len(scope) > 1 and (own is None or own.depth != 1):
            depths.append(1)
        return [depth for depth in depths if depth > 0]

    def _forget(self, sink: Sink, scope: Scope, depth: int, bits: int, sources: list[int]) -> None:
        """Keep count of when the short inputs of an `all` join are no longer needed for a key of `depth` indices."""
        forget = Sink(len(self.sinks), sink.node, Mode.FORGET, depth, self.turn, need=sink.whole | bits, later=sink.whole | (bits & sink.later))
        forget.groups, forget.cycle = True, sink.cycle
        forget.pass_at = sink.pass_at if depth > sink.pass_at else -1
        self.sinks.append(forget)
        sink.forgets = (*sink.forgets, forget)
        self.groups.append((forget, scope[depth], sink.whole, sources))
        for opener in scope[:depth]:
            if opener.kind == "cycle":
                cycle = self.cycles[opener.index]
                inside = scope[depth].kind != "cycle" and scope[depth].index in cycle.members
                cycle.forgets = (*cycle.forgets, (forget, 0 if inside else sink.whole))

    def _place_collect(self, node: NodeDefinition, join: Collect, inputs: list[Connection], seen: list[Scope], own: Scope) -> None:
        line = on_one_line(seen)
        if join.scope == "run":
            scope: Scope = ()
        elif join.scope is not None:
            scope = self._up_to(node, join.scope, seen)
        elif line is None:
            scope = common_prefix(seen)
        elif len(line) > len(own) or self.cycle_of[node.index] is None:
            scope = line[:-1]
        else:
            self._place_gather(node, inputs, own)
            return
        self._place_closing(node, Mode.COLLECT, scope, inputs, seen, limit=join.limit)

    def _up_to(self, node: NodeDefinition, opener: str, seen: list[Scope]) -> Scope:
        index = self.definition.index_of.get(opener, -1)
        for scope in seen:
            for position, passed in reversed(list(enumerate(scope))):
                if passed.kind in ("stream", "each") and passed.index == index:
                    return scope[:position]
        self._problem("UnknownScope", node.index, f"node {node.name!r} collects what node {opener!r} sends, but no message that reaches it was sent by a stream of {opener!r}")
        return ()

    def _place_gather(self, node: NodeDefinition, inputs: list[Connection], own: Scope) -> None:
        """A collect inside the cycle whose passes it collects."""
        cycle = self.cycle_of[node.index]
        assert cycle is not None
        self.scopes[node.index] = own
        sink = self._sink(node, Mode.GATHER, cycle.depth)
        join = node.join
        sink.limit = join.limit if isinstance(join, Collect) else None
        sink.groups = True
        for connection in inputs:
            self._route(connection).sink = sink
        self.groups.append((sink, own[-1], 0, [connection.source for connection in inputs if connection.source in cycle.members]))

    def _place_closing(
        self, node: NodeDefinition, mode: Mode, scope: Scope, inputs: list[Connection], seen: list[Scope], *, limit: int | None = None
    ) -> None:
        """A sink that works at a scope which may be shorter than those of its inputs."""
        self.scopes[node.index] = (*scope, Opener("each", node.index)) if mode is Mode.EACH else scope
        sink = self._sink(node, mode, len(scope))
        sink.limit = limit
        if isinstance(node.join, First):
            sink.n, sink.listed = node.join.n, node.join.listed
        shorts: dict[int, int] = {}
        sources: dict[Opener, list[int]] = {}
        groups: dict[Opener, int] = {}
        for number, (connection, passed) in enumerate(zip(inputs, seen, strict=True)):
            bit = 1 << number
            route = self._route(connection)
            route.sink, route.bit = sink, bit
            sink.need |= bit
            if route.enters is None:
                sink.later |= bit
            if len(passed) < len(scope):
                sink.late = True
                shorts[len(passed)] = shorts.get(len(passed), 0) | bit
            elif len(passed) > len(scope):
                opener = passed[len(scope)]
                sources.setdefault(opener, []).append(connection.source)
                groups[opener] = groups.get(opener, 0) | bit
        sink.shorts = tuple(sorted(shorts.items()))
        sink.whole = sink.need & ~sum(shorts.values())
        sink.groups = bool(groups)
        for opener, nodes in sources.items():
            self.groups.append((sink, opener, groups[opener], nodes))
            if opener.kind == "run":
                sink.run_part = groups[opener]
        for depth in sorted({*self._partly_dead(node, scope)}):
            inside = [connection.source for connection, passed in zip(inputs, seen, strict=True) if passed[: depth + 1] == scope[: depth + 1]]
            self._forget(sink, scope, depth, 0, inside)

    # --- what closes what -------------------------------------------------------------------------------------------

    def _closings(self) -> list[list[Closing]]:
        """For each node the sinks that its activations keep open."""
        closing: list[list[Closing]] = [[] for _ in self.scopes]
        for cycle in self.cycles:
            counted = Closing(cycle.quiet, cycle.depth, 0)
            for node in cycle.members:
                closing[node].append(counted)
        for sink, opener, part, sources in self.groups:
            closes = Closing(sink, sink.depth, part)
            for node in self._inside(sink, opener, sources):
                opens = opener.kind == "stream" and node == opener.index
                closing[node].append(Closing(sink, sink.depth, part, opens=True) if opens else closes)
            self._hold(opener, closes, sink)
        return closing

    def _hold(self, opener: Opener, closing: Closing, sink: Sink) -> None:
        """An opener that is no single activation holds what it opens open until it has itself settled."""
        if opener.kind == "each":
            holder = self.sink_of[opener.index]
        elif opener.kind == "cycle" and sink.mode is not Mode.GATHER:
            holder = self.cycles[opener.index].quiet
        else:
            return
        assert holder is not None
        holder.holds = (*holder.holds, closing)

    def _inside(self, sink: Sink, opener: Opener, sources: list[int]) -> set[int]:
        """The nodes under `opener` from which the sink can be reached without passing through its own node."""
        depth = sink.depth
        found: set[int] = set()
        stack = list(sources)
        while stack:
            node = stack.pop()
            if node in found:
                continue
            scope = self.scopes[node]
            streams = opener.kind == "stream" and node == opener.index and len(scope) == depth
            if not streams and (len(scope) <= depth or scope[depth] != opener):
                continue
            found.add(node)
            if streams or (sink.mode is Mode.GATHER and node == sink.node):
                continue
            stack.extend(connection.source for connection in self.inputs[node])
            if sink.mode is Mode.GATHER or self.cycle_of[node] is not None:
                stack.extend(c.source for c in self._back_inputs(node))
        return found

    def _back_inputs(self, node: int) -> list[Connection]:
        if not hasattr(self, "_backs"):
            self._backs: dict[int, list[Connection]] = {}
            for connection in self.connections:
                if connection.back:
                    self._backs.setdefault(connection.target, []).append(connection)
        return self._backs.get(node, [])

    # --- routes ------------------------------------------------------------------------------------------------------

    def _route(self, connection: Connection) -> Route:
        route = self.routes.get(connection.index)
        if route is None:
            filtered = bool(connection.types) or connection.when is not None
            route = Route(connection.index, connection.target, connection, filtered)
            self.routes[connection.index] = route
        return route

    def _finish_route(self, route: Route) -> None:
        source, target = self.cycle_of[route.connection.source], self.cycle_of[route.target]
        if route.connection.back:
            route.border = Border(back=target)
        elif source is not None and source is not target:
            route.border = route.border or Border()
            route.border.leaves = source
        route.open = route.connection.port is None and not route.filtered
        route.simple = route.open and route.sink is None and route.border is None

    def _concerns(self, order: list[list[int]]) -> None:
        """Mark the routes whose skip somebody waits for, from the end of the graph to its beginning."""
        for component in reversed(order):
            for node in reversed(component):
                for connection in self.inputs[node]:
                    route = self.routes[connection.index]
                    onward = (self.routes[c.index] for c in self.outputs[node] if not c.back)
                    route.concerns = route.sink is not None or route.enters is not None or any(r.concerns or r.leaves for r in onward)

    # --- the result ------------------------------------------------------------------------------------------------------

    def _assemble(self, closing: list[list[Closing]]) -> Plan:
        definition = self.definition
        terminals = set(definition.outputs)
        self.referred = {name for node in definition.nodes if node.inputs is not None for name in node.inputs.nodes}
        nodes = tuple(self._node_plan(node, tuple(closing[node.index]), node.index in terminals) for node in definition.nodes)
        seeds: dict[int, tuple[Route, ...]] = {}
        timed = any(node.options.timeout is not None for node in definition.nodes)
        return Plan(definition, len(self.base), nodes, tuple(self.sinks), tuple(self.cycles), seeds, tuple(self.scopes), timed)

    def _node_plan(self, node: NodeDefinition, closing: tuple[Closing, ...], terminal: bool) -> NodePlan:
        routes = [self.routes[connection.index] for connection in self.outputs[node.index]]
        scope = self.scopes[node.index]
        streaming = self._streams(node.index)
        out = (*scope, Opener("stream", node.index)) if streaming else scope
        fail_only = tuple(route for route in routes if route.connection.on == "fail")
        plan = NodePlan(
            node.index,
            node.name,
            len(scope),
            routes=tuple(route for route in routes if route.connection.on != "fail"),
            fail_routes=tuple(route for route in routes if route.connection.on != "complete"),
            fail_only=fail_only,
            streaming=streaming,
            sink=self.sink_of[node.index],
            cycle=self.cycle_of[node.index],
            closing=closing,
            terminal=terminal,
            lists=any(opener.kind != "cycle" for opener in out),
            cycles_at=tuple(position for position, opener in enumerate(scope) if opener.kind == "cycle"),
        )
        if streaming:
            plan.breaks = tuple(closes for closes in closing if closes.opens or self._feeds_past(closes, node.index))
        plan.once = not scope
        results = self.definition.options.results
        plan.keeps = results == "all" or (results == "auto" and (plan.terminal or not plan.lists))
        plan.ends = all(route.back is not None for route in plan.routes)
        backs = any(route.back is not None for route in plan.routes)
        plan.referred = node.name in self.referred
        plan.direct = not backs and self.definition.options.unrouted == "count" and not plan.referred
        plan.short_way = plan.direct and not streaming and not closing and not fail_only and all(route.simple for route in plan.routes)
        handler = node.handler
        plan.unwatched = not streaming and not handler.needs_context and node.inputs is None and handler.node_class is None
        return plan

    def _feeds_past(self, closing: Closing, node: int) -> bool:
        """Whether messages of the stream of `node` reach this sink as such, so that its failure cancels the sink."""
        return closing.sink.mode in (Mode.COLLECT, Mode.FIRST, Mode.EACH) and any(
            Opener("stream", node) in self._seen(connection) for connection in self.inputs[closing.sink.node]
        )

    def _name(self, node: int) -> str:
        return self.definition.nodes[node].name

    def _problem(self, code: str, node: int, text: str) -> None:
        self.problems.append(Problem("error", code, text, self._name(node)))
