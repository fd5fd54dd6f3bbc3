"""Random graphs: valid, ending, and with one meaning. A draft is made node by node, each addition checked by `analyse`; the whole is then
run by the interpreter, under several orders where timing has a say, and thrown away if it is dull, huge, depends on timing in what is
compared, or relies on a reading (`Notes`) that is not in `allow`."""

from __future__ import annotations

import random
from collections.abc import Set
from dataclasses import replace
from typing import Any

from tests.reference.interpreter import Notes, Readings, RefResult, Unsupported, run
from tests.reference.spec import Condition, ConnectionSpec, GraphSpec, NodeSpec, Port
from tests.reference.static import Cycle, InvalidSpec, Static, analyse

# Readings that follow from the text; a graph may rely on them unless told otherwise.
SETTLED: frozenset[str] = frozenset(
    {
        Notes.SLOT_CONFLICT,
        Notes.LIMIT,
        Notes.FAIL_ONLY_UNROUTED,
        Notes.LOST_CANCEL,
        Notes.ENTERED_WITHOUT_START,
        Notes.DEEP_EXIT,
        Notes.EMPTY_EXIT,
    }
)
EVERY_NOTE: frozenset[str] = frozenset(value for name, value in vars(Notes).items() if name.isupper())
FEATURES: frozenset[str] = frozenset(
    "all any first each collect collect_scope stream stream_failing fallible fail on_all ports emits nothing condition types slot "
    "disabled cycle limit".split()
)
ORDERS = 6
_NEEDS = {"limit": {"cycle"}, "collect_scope": {"collect"}, "fail": {"fallible"}, "stream_failing": {"stream", "fallible"}}


def random_graph(
    rng: random.Random,
    size: int,
    *,
    only: Set[str] | None = None,
    require: Set[str] = frozenset(),
    allow: Set[str] = SETTLED,
    most: int = 250,
    readings: Readings | None = None,
) -> GraphSpec:
    """A graph of about `size` nodes. `only`: features that may occur, with those they need (None: every one);
    `require`: those that must.
    `most`: activations with the payload of the spec."""
    wanted = require
    require, only = _closed(require), _closed(FEATURES if only is None else only)
    for _ in range(2000):
        spec = _draft(rng, size, only, require)
        if spec is None or not wanted <= spec.features:
            continue
        spec = _accepted(rng, spec, allow, most, readings)
        if spec is not None:
            return spec
    raise RuntimeError(f"no graph of size {size} with {sorted(require)} among {sorted(only)}")


def _closed(features: Set[str]) -> frozenset[str]:
    """With what they cannot do without."""
    return frozenset(features).union(*(_NEEDS.get(feature, set()) for feature in features))


def visible(spec: GraphSpec, result: RefResult) -> dict[str, Any]:
    """What of a result is comparable: the same for every order."""
    nodes = {n: (r.status, r.completed, r.calls, r.activations, r.failed, r.unrouted) for n, r in result.nodes.items()}
    output = None if spec.sort_lists and result.last_pass_only else result.output
    return {"status": result.status, "output": output, "nodes": nodes, "handled": result.handled, "errors": result.errors}


def _accepted(rng: random.Random, spec: GraphSpec, allow: Set[str], most: int, readings: Readings | None) -> GraphSpec | None:
    try:
        result = run(spec, most=20 * most, readings=readings)
        if result.concurrent:
            spec = replace(spec, sort_lists=True)
            result = run(spec, most=20 * most, readings=readings)
        if result.activations > most or not result.notes <= allow:
            return None
        timing = spec.sort_lists or any(node.constant for node in spec.nodes)
        for order in range(ORDERS if timing else 0):
            other = run(spec, order=order, most=20 * most, readings=readings)
            if not other.notes <= allow or (other.concurrent and not spec.sort_lists) or visible(spec, other) != visible(spec, result):
                return None
    except Unsupported:
        return None
    ran = sum(node.activations > 0 for node in result.nodes.values())
    if 2 * ran < len(spec.nodes) and rng.random() < 0.8:
        return None
    return spec


class _Weights:
    """How often things are chosen in one draft: of the features that may occur, some are left out and some come more often."""

    def __init__(self, rng: random.Random, only: Set[str], require: Set[str]) -> None:
        self.rng = rng
        self.factor = {name: rng.choice((0.0, 0.6, 1.0, 1.0, 2.0)) if name in only else 0.0 for name in sorted(FEATURES)}
        for name in sorted(require):
            self.factor[name] = max(1.5, self.factor[name])

    def of(self, name: str, weight: float) -> float:
        return self.factor[name] * weight

    def chance(self, name: str, probability: float) -> bool:
        return self.rng.random() < self.of(name, probability)

    def one_of(self, **weights: float) -> str:
        """Keys are features; "none" is always possible."""
        names = [name for name in weights if name == "none" or self.factor[name] > 0]
        return self.rng.choices(names, [weights[n] if n == "none" else self.of(n, weights[n]) for n in names])[0]


def _draft(rng: random.Random, size: int, only: Set[str], require: Set[str]) -> GraphSpec | None:
    weights = _Weights(rng, only, require)
    spec = GraphSpec((_node(weights, "n0", None, None, 0),))
    for number in range(1, size):
        spec = _with_node(rng, weights, spec, f"n{number}") or _with_plain(spec, f"n{number}")
    if weights.chance("cycle", 0.5):
        for _ in range(rng.choice((1, 2, 2, 3))):
            spec = _with_back(rng, weights, spec) or spec
    spec = replace(spec, payload=_payload(rng, (1, 2, 2, 3, 3, 4) if "cycle" in spec.features else (0, 1)))
    static = analyse(spec)
    for node in spec.nodes:
        if node.constant:
            spec = spec.with_node(replace(node, keep_n=_same_n(static, node.name)))
    return spec if _is_sound(analyse(spec)) else None


def _payload(rng: random.Random, countdowns: tuple[int, ...]) -> dict[str, int]:
    v = rng.randrange(10**6)
    return {"v": v, "m": v % 7, "n": rng.choice(countdowns)}


def _node(weights: _Weights, name: str, join: str | int | None, scope: str | None, depth: int) -> NodeSpec:
    """`depth`: how many scopes it is in; the deeper, the fewer streams."""
    rng = weights.rng
    stream = weights.chance("stream", 0.3 / (1 + depth))
    node = NodeSpec(name, join, scope, stream=stream, constant=join == "any" or isinstance(join, int))
    if stream:
        node = replace(node, items=rng.choice(((0, 3), (0, 2), (1, 3), (2, 2), (3, 3), (0, 0))))
    if weights.chance("stream_failing" if stream else "fallible", 0.2) and weights.factor["fallible"]:
        node = replace(node, fail_mod=rng.choice((1, 2, 2, 3, 3)))
    if not stream and weights.chance("nothing", 0.1):
        node = replace(node, nothing_mod=rng.choice((1, 2, 2, 3)))
    if weights.chance("ports", 0.25):
        node = replace(node, ports=rng.choice(((None, "a"), ("a", "b"), (None, "a", "b"), ("a",))))
    elif not stream and weights.chance("emits", 0.12):
        node = replace(node, emits=rng.choice((("a", "b"), (None, "a"), ("a", "b", None))), nothing_mod=0)
    return node


def _connection(weights: _Weights, source: NodeSpec, target: str, several: bool) -> ConnectionSpec:
    rng = weights.rng
    connection = ConnectionSpec(source.name, target)
    if source.fallible:
        connection = replace(
            connection, on={"none": "complete", "fail": "fail", "on_all": "all"}[weights.one_of(none=0.6, fail=0.3, on_all=0.15)]
        )
    elif weights.chance("on_all", 0.05):
        connection = replace(connection, on="all")
    port: Port = None
    if source.emits:
        port = rng.choice(source.emits)
    elif source.ports != (None,):
        port = "*" if rng.random() < 0.2 else rng.choice(source.ports)
        port = port.upper() if port is not None and rng.random() < 0.2 else port
    connection = replace(connection, port=port)
    if weights.chance("condition", 0.2):
        connection = replace(connection, condition=_condition(rng, connection.on))
    if weights.chance("types", 0.06):
        names = ("ValueError", "ValueError", "KeyError") if connection.on == "fail" else ("dict", "dict", "int")
        connection = replace(connection, types=(rng.choice(names),))
    if several and weights.chance("slot", 0.12):
        connection = replace(connection, to=rng.choice(("x", "y")))
    return replace(connection, enabled=not weights.chance("disabled", 0.05))


def _condition(rng: random.Random, on: str) -> Condition | None:
    if on == "all":
        return None
    if on == "fail" and rng.random() < 0.5:
        return ("error.type", rng.choice(("==", "==", "!=")), "ValueError")
    return rng.choice((("m", "<", rng.randint(2, 6)), ("m", ">=", rng.randint(1, 4)), ("m", "!=", rng.randrange(7)), ("m", "<=", 3)))


def _with_plain(spec: GraphSpec, name: str) -> GraphSpec:
    last = spec.nodes[-1]
    port = last.emits[0] if last.emits else last.ports[0]
    return replace(spec, nodes=(*spec.nodes, NodeSpec(name)), connections=(*spec.connections, ConnectionSpec(last.name, name, port=port)))


def _with_node(rng: random.Random, weights: _Weights, spec: GraphSpec, name: str) -> GraphSpec | None:
    """`spec` and one node more; None if no try was valid."""
    if rng.random() < 0.04:
        return replace(spec, nodes=(*spec.nodes, _node(weights, name, None, None, 0)))
    static = analyse(spec)
    for _ in range(8):
        near = spec.nodes[-5:] if rng.random() < 0.7 else spec.nodes
        count = min(rng.choices((1, 2, 3, 4), (0.42, 0.36, 0.16, 0.06))[0], len(near) + 1)
        sources = rng.sample(near, min(count, len(near)))
        if count > len(sources) or (count > 1 and rng.random() < 0.1):
            sources[-1] = sources[0]
        join: str | int | None = None
        if count == 1:
            join = "collect" if weights.chance("collect", 0.15) else rng.choice((None, None, None, "all", "each"))
        else:
            chosen = weights.one_of(all=0.4, any=0.14, first=0.12, each=0.16, collect=0.28) if _any_join(weights) else "all"
            join = {"all": rng.choice((None, "all")), "first": rng.randint(1, count)}.get(chosen, chosen)
        scopes = [static.message_scope(source.name) for source in sources if source.name in static.reachable]
        scope = None
        if join == "collect" and weights.chance("collect_scope", 0.3):
            inside = [label.partition(":")[2] for label in set(scopes[0] if scopes else ())]
            scope = rng.choice((*sorted(inside), "run"))
        depth = max((len(scope) for scope in scopes), default=0)
        node = _node(weights, name, join, scope, depth)
        connections = tuple(_connection(weights, source, name, count > 1) for source in sources)
        if isinstance(join, int):
            connections = tuple(replace(connection, to=None) for connection in connections)
        if not weights.factor["all"] and join in (None, "all") and count > 1:
            continue
        if len({*spec.connections, *connections}) != len(spec.connections) + len(connections):
            continue
        grown = replace(spec, nodes=(*spec.nodes, node), connections=(*spec.connections, *connections))
        try:
            if _is_sound(analyse(grown)):
                return grown
        except InvalidSpec:
            continue
    return None


def _any_join(weights: _Weights) -> bool:
    return any(weights.factor[name] for name in ("all", "any", "first", "each", "collect"))


def _with_back(rng: random.Random, weights: _Weights, spec: GraphSpec) -> GraphSpec | None:
    """`spec` and one back connection more. It needs output.n > 0, and its target makes n less: so cycles end."""
    static = analyse(spec)
    names = [node.name for node in spec.nodes if node.name in static.reachable]
    forward = [(c.source, c.target) for c in static.connections.values() if not c.back]
    for _ in range(12):
        source = spec.node(rng.choice(names))
        before = {source.name}
        while more := {s for s, t in forward if t in before} - before:
            before |= more
        near = [name for name in names if name in before and name != source.name][-rng.choice((2, 4, 8, 20)) :]
        taken = [c.target for c in spec.connections if c.back and c.target in before]
        if taken and rng.random() < 0.4:
            near = taken
        target = spec.node(rng.choice(near) if near and rng.random() < 0.85 else source.name)
        connection = replace(_connection(weights, source, target.name, False), condition=("n", ">", 0), types=None, back=True, enabled=True)
        if connection.on != "complete" and (target.fallible or target.join is not None):
            connection = replace(connection, on="complete")
        if weights.chance("limit", 0.15) and connection.on == "complete":
            connection = replace(connection, limit=rng.choice((1, 2)))
        if any(c.back and c.on != "complete" and c.target == target.name for c in spec.connections) and target.fallible:
            continue
        if connection in spec.connections:
            continue
        grown = replace(spec.with_node(replace(target, lower=True)), connections=(*spec.connections, connection))
        try:
            if _is_sound(analyse(grown)):
                return grown
        except InvalidSpec:
            continue
    return None


def _is_sound(static: Static) -> bool:
    """No meaning that depends on timing by construction, and no more than one collecting join over a cycle."""
    inside = {name: unit for unit in static.units if isinstance(unit, Cycle) for name in unit.members}
    for name, node in static.nodes.items():
        if name not in static.reachable:
            continue
        incoming = [static.connections[number] for number in static.inputs(name)]
        outgoing = [static.connections[number] for number in static.outputs(name)]
        slots = [connection.slot for connection in incoming]
        clash = len(set(slots)) < len(slots) and static.width(name) > 1 and not isinstance(node.join, str)
        failing = any(connection.on != "complete" for connection in outgoing)
        if node.constant and static.width(name) > 1:
            if any(c.on == "fail" or (c.on == "all" and static.nodes[c.source].fallible) for c in incoming):
                return False
            if clash or (failing and node.fallible):
                return False
        if clash and failing:
            return False
        if static.width(name) > len(incoming) and node.join not in (None, "all"):
            return False  # what a source that is never reached means for other joins is open
        if (
            node.scope in static.nodes
            and node.join == "collect"
            and static.nodes[node.scope].stream
            and static.nodes[node.scope].join == "each"
        ):
            return False  # two openers of one name
        if node.emits and name in static.terminals:
            return False
        if node.emits and any(c.port == "*" for c in outgoing):
            return False
        if name in inside and inside[name].collects and node.fallible:
            return False
    return all(len(cycle.collects) <= 1 and _apart(static, cycle) for cycle in inside.values())


def _apart(static: Static, cycle: Cycle) -> bool:
    """What follows a collecting join of a cycle within a pass joins nothing that does not follow it: else passes wait for one another."""
    if not cycle.collects:
        return True
    follows = {cycle.collects[0]}
    while (
        more := {c.target for c in static.connections.values() if not c.back and c.source in follows and c.target in cycle.members}
        - follows
    ):
        follows |= more
    return all(static.connections[number].source in follows for name in follows - {cycle.collects[0]} for number in static.inputs(name))


def _same_n(static: Static, name: str) -> bool:
    """Whether all that reaches this join for one key has the same n, whatever comes first."""
    edges = [(c.source, c.target) for c in static.connections.values()]
    before = {name}
    while more := {s for s, t in edges if t in before} - before:
        before |= more
    cycles = [unit for unit in static.units if isinstance(unit, Cycle) and before & set(unit.members)]
    if any(static.nodes[other].join == "collect" for other in before) or len(cycles) > 1:
        return False
    if not cycles:
        return True
    (cycle,) = cycles
    heads = {static.connections[n].target for n in (*cycle.full_entries, *cycle.short_entries, *cycle.backs)} | set(cycle.starts)
    return name in cycle.members and len(heads) == 1 and static.scopes[name] == (*cycle.outer, cycle.label)
