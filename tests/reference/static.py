"""What a graph says before it runs: who can be reached, scopes, cycles, terminals, and why it is not valid.
Written from the documents, by plain search over the whole graph; no sharing with actorflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tests.reference.spec import ConnectionSpec, GraphSpec, NodeSpec

Scope = tuple[str, ...]  # labels: "stream:x", "each:x", "cycle:x"


class InvalidSpec(Exception):
    """`code` is the kind of the problem."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


@dataclass
class Cycle:
    """A strongly connected component closed by back connections. Connections are numbers."""

    label: str
    members: tuple[str, ...]  # in the order of the connections inside that are not back
    outer: Scope = ()
    starts: tuple[str, ...] = ()  # members that are entries of the run
    full_entries: tuple[int, ...] = ()  # from outside, with the outer scope
    short_entries: tuple[int, ...] = ()
    exits: tuple[int, ...] = ()
    backs: tuple[int, ...] = ()
    collects: tuple[str, ...] = ()  # members that collect over this very cycle, in order


@dataclass
class Static:
    spec: GraphSpec
    nodes: dict[str, NodeSpec]
    connections: dict[int, ConnectionSpec]  # active: enabled, the source can be reached
    entries: tuple[str, ...]
    reachable: frozenset[str]
    units: list[str | Cycle] = field(default_factory=list)  # sources before targets
    scopes: dict[str, Scope] = field(default_factory=dict)  # of a node's activations
    terminals: tuple[str, ...] = ()

    def inputs(self, name: str) -> list[int]:
        """Active connections that count for the join of `name`."""
        return [i for i, c in self.connections.items() if c.target == name and not c.back]

    def outputs(self, name: str) -> list[int]:
        return [i for i, c in self.connections.items() if c.source == name]

    def width(self, name: str) -> int:
        """The number of enabled non-back connections, by which the payload's shape goes."""
        return sum(c.enabled and not c.back and c.target == name for c in self.spec.connections)

    def message_scope(self, name: str) -> Scope:
        return (*self.scopes[name], f"stream:{name}") if self.nodes[name].stream else self.scopes[name]

    def cycle_of(self, name: str) -> Cycle | None:
        return next((unit for unit in self.units if isinstance(unit, Cycle) and name in unit.members), None)

    def scope(self, number: int) -> Scope:
        """Scope of a connection as its target's join sees it: an entry into a cycle counts as being in pass 0."""
        connection = self.connections[number]
        own = self.scopes[connection.source] if connection.on == "fail" else self.message_scope(connection.source)
        cycle = self.cycle_of(connection.target)
        if cycle is not None and connection.source not in cycle.members and own == cycle.outer:
            return (*own, cycle.label)
        return own

    def raw_scope(self, number: int) -> Scope:
        connection = self.connections[number]
        return self.scopes[connection.source] if connection.on == "fail" else self.message_scope(connection.source)


def analyse(spec: GraphSpec) -> Static:
    """Raises InvalidSpec."""
    nodes = {node.name: node for node in spec.nodes}
    if len(nodes) != len(spec.nodes):
        raise InvalidSpec("DuplicateName", "two nodes of one name")
    for connection in spec.connections:
        if connection.source not in nodes or connection.target not in nodes:
            raise InvalidSpec("UnknownNode", repr(connection))
    if len({replace(c, port=c.port and c.port.lower(), to=c.slot) for c in spec.connections}) != len(spec.connections):
        raise InvalidSpec("Duplicate", "an exact duplicate of a connection")

    entries = spec.entries or tuple(n for n in nodes if not any(c.target == n and not c.back for c in spec.connections))
    if not entries:
        raise InvalidSpec("NoEntry", "no node without incoming connections")
    enabled = [(i, c) for i, c in enumerate(spec.connections) if c.enabled]
    reachable = frozenset(_reach(entries, [(c.source, c.target) for _, c in enabled]))
    active = {i: c for i, c in enabled if c.source in reachable}
    static = Static(spec, nodes, active, entries, reachable)

    for name, node in nodes.items():
        if isinstance(node.join, int) and not 1 <= node.join <= static.width(name):
            raise InvalidSpec("TooFewConnections", name)
        if node.join == "collect" and static.width(name) == 0:
            raise InvalidSpec("CollectsNothing", name)
    _order(static)
    for unit in static.units:
        if isinstance(unit, Cycle):
            _cycle_scopes(static, unit)
        else:
            static.scopes[unit] = _node_scope(static, unit, [static.scope(i) for i in static.inputs(unit)])
    _terminals(static)
    return static


def _reach(starts: Iterable[str], edges: list[tuple[str, str]]) -> set[str]:
    found = set(starts)
    while True:
        more = {target for source, target in edges if source in found} - found
        if not more:
            return found
        found |= more


def _order(static: Static) -> None:
    """Units in topological order, by the number of units that come before each."""
    edges = [(c.source, c.target) for c in static.connections.values()]
    after = {name: _reach([t for s, t in edges if s == name], edges) for name in static.reachable}
    forward = [(c.source, c.target) for c in static.connections.values() if not c.back]
    later = {name: _reach([t for s, t in forward if s == name], forward) for name in static.reachable}
    loops = [name for name in static.reachable if name in later[name]]
    if loops:
        raise InvalidSpec("UndeclaredCycle", ", ".join(sorted(loops)))

    names = [name for name in static.nodes if name in static.reachable]
    components: dict[str, tuple[str, ...]] = {}
    for name in names:
        same = [other for other in names if other == name or (other in after[name] and name in after[other])]
        components[name] = tuple(sorted(same, key=lambda n: (sum(n in later[o] for o in names), names.index(n))))
    for number, connection in static.connections.items():
        if connection.back and connection.target not in components[connection.source]:
            raise InvalidSpec("BackClosesNothing", repr(static.connections[number]))

    done: set[str] = set()
    while len(done) < len(names):
        for name in names:
            members = components[name]
            sources = {s for s, t in edges if t in members} - set(members)
            if name in done or not sources <= done:
                continue
            done |= set(members)
            if name in after[name]:
                inside = {i: c for i, c in static.connections.items() if c.source in members and c.target in members}
                static.units.append(
                    Cycle(
                        label=f"cycle:{min(members)}",
                        members=members,
                        starts=tuple(n for n in members if n in static.entries),
                        exits=tuple(i for i, c in static.connections.items() if c.source in members and c.target not in members),
                        backs=tuple(i for i, c in inside.items() if c.back),
                    )
                )
            else:
                static.units.append(name)


def _prefix(scopes: list[Scope]) -> Scope:
    common: Scope = scopes[0]
    for scope in scopes[1:]:
        while scope[: len(common)] != common:
            common = common[:-1]
    return common


def on_one_line(scopes: list[Scope]) -> bool:
    longest = max(scopes, key=len)
    return all(longest[: len(scope)] == scope for scope in scopes)


def is_collect(static: Static, name: str) -> bool:
    return static.nodes[name].join == "collect"


def _node_scope(static: Static, name: str, inputs: list[Scope]) -> Scope:
    node = static.nodes[name]
    if not inputs:
        return ()
    if node.join == "collect":
        if node.scope == "run":
            return ()
        if node.scope is not None:
            closed = [label for scope in inputs for label in scope if label.partition(":")[2] == node.scope and label[0] != "c"]
            if not closed or node.scope not in static.scopes:
                raise InvalidSpec("UnknownScope", f"{name}: {node.scope}")
            label = f"stream:{node.scope}" if f"stream:{node.scope}" in closed else closed[0]
            outer = static.scopes[node.scope] if label[0] == "s" else static.scopes[node.scope][:-1]
            if any(scope[: len(outer)] != outer for scope in inputs):
                raise InvalidSpec("UnknownScope", f"{name}: an input lies outside {node.scope}")
            return outer
        if on_one_line(inputs):
            return max(inputs, key=len)[:-1]
        return _prefix(inputs)
    if static.width(name) <= 1:
        return inputs[0]
    if node.join in (None, "all"):
        if not on_one_line(inputs):
            raise InvalidSpec("UnrelatedStreams", f"{name}: {inputs}")
        return max(inputs, key=len)
    if node.join == "each":
        return (*_prefix(inputs), f"each:{name}")
    return _prefix(inputs)


def _cycle_scopes(static: Static, cycle: Cycle) -> None:
    outside = [i for i, c in static.connections.items() if c.target in cycle.members and c.source not in cycle.members]
    raw = {i: static.raw_scope(i) for i in outside}
    starts: list[Scope] = [() for _ in cycle.starts]
    cycle.outer = max([*raw.values(), *starts], key=len)
    if any(scope != cycle.outer for scope in starts):
        raise InvalidSpec("CycleEntries", f"{cycle.label}: the run starts inside, and a stream comes in")
    for number, scope in raw.items():
        if scope == cycle.outer:
            cycle.full_entries += (number,)
            continue
        target = static.connections[number].target
        is_all = static.nodes[target].join in (None, "all") and static.width(target) > 1
        if cycle.outer[: len(scope)] != scope or not is_all:
            raise InvalidSpec("CycleEntries", f"{cycle.label}: {static.connections[number]}")
        cycle.short_entries += (number,)
    base = (*cycle.outer, cycle.label)
    for name in cycle.members:  # each after its sources
        scopes = [static.scope(i) for i in static.inputs(name)]
        if scopes and max(map(len, scopes)) < len(base):
            raise InvalidSpec("CycleEntries", f"{name}: a shorter input alone")
        node = static.nodes[name]
        if is_collect(static, name) and scopes and node.scope is None and on_one_line(scopes) and max(scopes, key=len) == base:
            cycle.collects += (name,)
            static.scopes[name] = base
        else:
            static.scopes[name] = _node_scope(static, name, scopes) if scopes else base
        if static.scopes[name][: len(base)] != base:
            raise InvalidSpec("LeavesCycle", f"{name}: scope {static.scopes[name]}")
    for number in cycle.backs:
        if static.scopes[static.connections[number].target] != base:
            raise InvalidSpec("BackIntoStream", repr(static.connections[number]))


def _terminals(static: Static) -> None:
    taking = [c for c in static.connections.values() if c.on != "fail"]
    normal = _reach(static.entries, [(c.source, c.target) for c in taking])
    sending = {c.source for c in taking if not c.back}
    static.terminals = tuple(name for name in static.nodes if name in normal and name not in sending)


def walk_prefixes(key: tuple[object, ...]) -> Iterator[tuple[object, ...]]:
    """The key, then all that it begins with, longest first."""
    for length in range(len(key), -1, -1):
        yield key[:length]
