"""The sinks of joins: at which scope each works, which parts it waits for, and which activations keep it open.

Not here: the quiet of a cycle (`cycles`), what a run does at a sink (`core.joins`). A node is placed after all that feed it, so
that the scopes of its inputs are known; what keeps sinks open is found when all nodes are placed."""

from __future__ import annotations

from actorflow.definition.analysis import Analysis, Group, Scope, common_prefix, name_of, on_one_line, report, seen_scope
from actorflow.definition.cycles import inner_scope
from actorflow.definition.model import All, Collect, Connection, Each, First, NodeDefinition
from actorflow.definition.plan import Closing, Mode, Opener, Sink

__all__ = ["closings", "place"]


def place(analysis: Analysis, node: NodeDefinition) -> None:
    """Decide the scope of a node, and make its sink if it has a join."""
    inputs = analysis.inputs[node.index]
    inner = inner_scope(analysis, node.index)
    if not inputs:
        analysis.scopes[node.index] = inner
        return
    seen = [seen_scope(analysis, connection) for connection in inputs]
    join = node.join
    if join is None or (isinstance(join, Each) and len(inputs) == 1):
        analysis.scopes[node.index] = seen[0]
    elif isinstance(join, All):
        _place_all(analysis, node, inputs, seen)
    elif isinstance(join, First):
        sink = _place_closing(analysis, node, Mode.FIRST, common_prefix(seen), inputs, seen)
        sink.n, sink.listed = join.n, join.listed
    elif isinstance(join, Each):
        _place_closing(analysis, node, Mode.EACH, common_prefix(seen), inputs, seen)
    else:
        _place_collect(analysis, node, join, inputs, seen)
    _check_stays_inside(analysis, node, inner)
    _check_back(analysis, node, inner)


def _check_stays_inside(analysis: Analysis, node: NodeDefinition, inner: Scope) -> None:
    """A join closes no scope that its own cycle is under."""
    if analysis.cycle_of[node.index] is not None and len(analysis.scopes[node.index]) < len(inner):
        text = f"the join of node {node.name!r} would leave the cycle it is part of; put it behind the cycle"
        report(analysis, "UnrelatedStreams", node, text)


def _check_back(analysis: Analysis, node: NodeDefinition, inner: Scope) -> None:
    """A pass begins at a node of the cycle itself, not of a stream inside it."""
    more = [opener for opener in analysis.scopes[node.index][len(inner) :] if opener != Opener("each", node.index)]
    if more and node.index in analysis.back_inputs:
        text = f"a back connection leads to node {node.name!r}, which is inside a stream of its cycle; lead it to a node before that stream"
        report(analysis, "BackIntoStream", node, text)


# --- one sink for each kind of join --------------------------------------------------------------------------------------


def _place_all(analysis: Analysis, node: NodeDefinition, inputs: list[Connection], seen: list[Scope]) -> None:
    """An `all` works at the longest scope of its inputs; what has a shorter one is for all keys under it."""
    scope = on_one_line(seen)
    if scope is None:
        named = ", ".join(repr(name_of(analysis, connection.source)) for connection in inputs)
        text = (
            f"node {node.name!r} waits for all of {named}, but their messages belong to unrelated streams and have no keys in common; "
            "use join='collect' or close the streams first"
        )
        report(analysis, "UnrelatedStreams", node, text)
        scope = max(seen, key=len)
    analysis.scopes[node.index] = scope
    sink = _add_sink(analysis, node, Mode.ALL, len(scope))
    _add_parts(analysis, sink, inputs, seen)
    shorts = dict(sink.shorts)
    for depth in sorted(shorts.keys() | _partly_dead(analysis, node, scope)):
        if depth > 0:
            longer = [connection.source for connection, passed in zip(inputs, seen, strict=True) if len(passed) > depth]
            _add_forget(analysis, sink, scope, depth, shorts.get(depth, 0), longer)


def _place_collect(analysis: Analysis, node: NodeDefinition, join: Collect, inputs: list[Connection], seen: list[Scope]) -> None:
    """A collect closes the scope it names, else the innermost opener of its inputs, or all that they do not share; one whose
    inputs have passed nothing but its own cycle gathers."""
    line = on_one_line(seen)
    if join.scope == "run":
        scope: Scope = ()
    elif join.scope is not None:
        scope = _up_to(analysis, node, join.scope, seen)
    elif line is None:
        scope = common_prefix(seen)
    elif len(line) > len(inner_scope(analysis, node.index)) or analysis.cycle_of[node.index] is None:
        scope = line[:-1]
    else:
        _place_gather(analysis, node, join, inputs)
        return
    sink = _place_closing(analysis, node, Mode.COLLECT, scope, inputs, seen)
    sink.limit = join.limit


def _up_to(analysis: Analysis, node: NodeDefinition, opener: str, seen: list[Scope]) -> Scope:
    """What messages had passed before the node named `opener` lengthened their keys."""
    index = analysis.definition.index_of.get(opener, -1)
    for scope in seen:
        for position, passed in reversed(list(enumerate(scope))):
            if passed.kind in ("stream", "each") and passed.index == index:
                return scope[:position]
    text = f"node {node.name!r} collects what node {opener!r} sends, but no message that reaches it was sent by a stream of {opener!r}"
    report(analysis, "UnknownScope", node, text)
    return ()


def _place_gather(analysis: Analysis, node: NodeDefinition, join: Collect, inputs: list[Connection]) -> None:
    """A collect inside the cycle whose passes it collects."""
    cycle = analysis.cycle_of[node.index]
    assert cycle is not None
    analysis.scopes[node.index] = scope = inner_scope(analysis, node.index)
    sink = _add_sink(analysis, node, Mode.GATHER, cycle.depth)
    sink.limit = join.limit
    sink.groups = True
    for connection in inputs:
        analysis.routes[connection.index].sink = sink
    inside = [connection.source for connection in inputs if analysis.cycle_of[connection.source] is cycle]
    analysis.groups.append(Group(sink, scope[-1], 0, inside))


def _place_closing(analysis: Analysis, node: NodeDefinition, mode: Mode, scope: Scope, inputs: list[Connection], seen: list[Scope]) -> Sink:
    """A sink that works at a scope which may be shorter than those of its inputs."""
    analysis.scopes[node.index] = (*scope, Opener("each", node.index)) if mode is Mode.EACH else scope
    sink = _add_sink(analysis, node, mode, len(scope))
    _add_parts(analysis, sink, inputs, seen)
    _add_groups(analysis, sink, scope, inputs, seen)
    for depth in sorted(_partly_dead(analysis, node, scope)):
        inside = [connection.source for connection, passed in zip(inputs, seen, strict=True) if passed[: depth + 1] == scope[: depth + 1]]
        _add_forget(analysis, sink, scope, depth, 0, inside)
    return sink


# --- what sinks are made of ------------------------------------------------------------------------------------------------


def _add_sink(analysis: Analysis, node: NodeDefinition, mode: Mode, depth: int) -> Sink:
    """The sink of a node's join, with no parts yet."""
    sink = Sink(len(analysis.sinks), node.index, mode, depth, analysis.turn)
    cycle = analysis.cycle_of[node.index]
    if cycle is not None:
        sink.cycle = cycle
        sink.pass_at = cycle.depth if depth > cycle.depth else -1
    analysis.sinks.append(sink)
    analysis.sink_of[node.index] = sink
    return sink


def _add_parts(analysis: Analysis, sink: Sink, inputs: list[Connection], seen: list[Scope]) -> None:
    """One part for each input. What enters the cycle of the node does so in the first pass only."""
    shorts: dict[int, int] = {}
    for number, (connection, scope) in enumerate(zip(inputs, seen, strict=True)):
        bit = 1 << number
        route = analysis.routes[connection.index]
        route.sink, route.bit = sink, bit
        sink.need |= bit
        if route.enters is None:
            sink.later |= bit
        if len(scope) < sink.depth:
            shorts[len(scope)] = shorts.get(len(scope), 0) | bit
        else:
            sink.whole |= bit
    sink.shorts = tuple(sorted(shorts.items()))
    sink.late = bool(shorts)


def _add_groups(analysis: Analysis, sink: Sink, scope: Scope, inputs: list[Connection], seen: list[Scope]) -> None:
    """A group for each opener that some input has passed next after the scope of the sink."""
    parts: dict[Opener, int] = {}
    sources: dict[Opener, list[int]] = {}
    for connection, passed in zip(inputs, seen, strict=True):
        if len(passed) > len(scope):
            opener = passed[len(scope)]
            parts[opener] = parts.get(opener, 0) | analysis.routes[connection.index].bit
            sources.setdefault(opener, []).append(connection.source)
    sink.groups = bool(parts)
    for opener, part in parts.items():
        analysis.groups.append(Group(sink, opener, part, sources[opener]))
        if opener.kind == "run":
            sink.run_part = part


def _partly_dead(analysis: Analysis, node: NodeDefinition, scope: Scope) -> set[int]:
    """The lengths of keys for which some of a join's long inputs may be skipped as a whole while others are not: exits of a
    cycle, and in an open run what a send cannot reach. Such a skip must be forgotten when the opener is done."""
    own = analysis.cycle_of[node.index]
    depths = {depth for depth, opener in enumerate(scope) if opener.kind == "cycle" and (own is None or opener.index != own.index)}
    if analysis.base and len(scope) > 1 and (own is None or own.depth != 1):
        depths.add(1)
    return depths - {0}


def _add_forget(analysis: Analysis, sink: Sink, scope: Scope, depth: int, bits: int, sources: list[int]) -> None:
    """A FORGET sink: it tells when what was resolved for keys of `depth` indices, by the parts `bits` or as a skip, is no longer
    needed by the sink of a join, as nothing more comes from `sources` under the opener at that depth."""
    forget = Sink(
        len(analysis.sinks),
        sink.node,
        Mode.FORGET,
        depth,
        analysis.turn,
        need=sink.whole | bits,
        later=sink.whole | (bits & sink.later),
        groups=True,
        pass_at=sink.pass_at if depth > sink.pass_at else -1,
        cycle=sink.cycle,
    )
    analysis.sinks.append(forget)
    sink.forgets = (*sink.forgets, forget)
    analysis.groups.append(Group(forget, scope[depth], sink.whole, sources))
    for opener in scope[:depth]:
        if opener.kind == "cycle":
            cycle = analysis.cycles[opener.index]
            inside = scope[depth].kind != "cycle" and analysis.cycle_of[scope[depth].index] is cycle
            cycle.forgets = (*cycle.forgets, (forget, 0 if inside else sink.whole))


# --- what keeps sinks open -------------------------------------------------------------------------------------------------


def closings(analysis: Analysis) -> list[tuple[Closing, ...]]:
    """For each node the sinks that its activations keep open. Openers that are no single activation keep them open too; what
    they hold is noted at their own sinks."""
    found: list[list[Closing]] = [[] for _ in analysis.scopes]
    for cycle in analysis.cycles:
        counted = Closing(cycle.quiet, cycle.depth, 0)
        for node in cycle.members:
            found[node].append(counted)
    for group in analysis.groups:
        sink, opener = group.sink, group.opener
        closing = Closing(sink, sink.depth, group.part)
        for node in _sources_under(analysis, group):
            opens = opener.kind == "stream" and node == opener.index
            found[node].append(Closing(sink, sink.depth, group.part, opens=True) if opens else closing)
        _hold(analysis, opener, closing)
    return [tuple(each) for each in found]


def _hold(analysis: Analysis, opener: Opener, closing: Closing) -> None:
    """An opener that is no single activation holds what it opens open until it has itself settled."""
    if opener.kind == "each":
        holder = analysis.sink_of[opener.index]
    elif opener.kind == "cycle" and closing.sink.mode is not Mode.GATHER:
        holder = analysis.cycles[opener.index].quiet
    else:
        return
    assert holder is not None
    holder.holds = (*holder.holds, closing)


def _sources_under(analysis: Analysis, group: Group) -> set[int]:
    """The nodes under the group's opener, itself included if it is a stream, from which its sink can be reached, back
    connections included; for a gather, without passing through its own node."""
    sink, opener = group.sink, group.opener
    depth, gathers = sink.depth, sink.mode is Mode.GATHER
    found: set[int] = set()
    stack = list(group.sources)
    while stack:
        node = stack.pop()
        if node in found:
            continue
        scope = analysis.scopes[node]
        is_opener = opener.kind == "stream" and node == opener.index and len(scope) == depth
        if not is_opener and (len(scope) <= depth or scope[depth] != opener):
            continue
        found.add(node)
        if is_opener or (gathers and node == sink.node):
            continue
        stack.extend(connection.source for connection in analysis.inputs[node])
        if gathers or analysis.cycle_of[node] is not None:
            stack.extend(connection.source for connection in analysis.back_inputs.get(node, ()))
    return found
