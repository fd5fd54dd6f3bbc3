"""The record that the analysis of a definition fills in, step by step, and what each step asks of it: which openers a message
has passed, and how the scopes of several messages relate.

Not here: the steps themselves (`cycles` and `sinks`, put in order by `scopes`). A list is by index of the node, a
dict of routes by index of the connection. Connections that are disabled, or come from a node that nothing reaches, are left out."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from actorflow.definition.components import reachable
from actorflow.definition.model import Connection, Definition, NodeDefinition, Problem
from actorflow.definition.plan import Cycle, Opener, Route, Sink

__all__ = [
    "Analysis",
    "Group",
    "Scope",
    "begin",
    "common_prefix",
    "is_streaming",
    "message_scope",
    "name_of",
    "on_one_line",
    "report",
    "seen_scope",
]

OUTPUT_ONLY = frozenset({"output"})
"""The roots of a condition that looks at the value alone."""

Scope = tuple[Opener, ...]
RUN = Opener("run", 0)


class Group(Struct, frozen=True):
    """Messages with longer keys than those of the sink they go to: they have passed `opener` next after the sink's scope. They
    are the parts `part` of the sink (0: none), and come over connections from the nodes `sources`."""

    sink: Sink
    opener: Opener
    part: int
    sources: list[int]


class Analysis(Struct, kw_only=True):
    """What is known of a definition so far. `base` is the scope that everything in the run is under, `entries` the nodes a
    run starts with, `inputs` and `outputs` the connections of each node, without the back connections among its inputs:
    these are in `back_inputs`, for the nodes that have any. `scopes` are those of the activations of each node, `outer` for
    each cycle that of what enters it. `turn` counts nodes and cycles in the order of the analysis; see `Sink.turn`."""

    definition: Definition
    base: Scope
    entries: frozenset[int]
    connections: list[Connection]
    inputs: list[list[Connection]]
    outputs: list[list[Connection]]
    back_inputs: dict[int, list[Connection]]
    routes: dict[int, Route]
    scopes: list[Scope]
    sink_of: list[Sink | None]
    cycle_of: list[Cycle | None]
    sinks: list[Sink] = []
    cycles: list[Cycle] = []
    outer: list[Scope] = []
    groups: list[Group] = []
    problems: list[Problem] = []
    turn: int = 0


def begin(definition: Definition, *, open: bool) -> Analysis:
    """The record before the first step, for runs that begin with a payload or, if `open`, for those that are sent to."""
    count = len(definition.nodes)
    connections = [connection for connection in definition.connections if connection.enabled]
    if not open:
        successors: list[list[int]] = [[] for _ in range(count)]
        for connection in connections:
            successors[connection.source].append(connection.target)
        live = reachable(count, definition.entries, successors)
        connections = [connection for connection in connections if live[connection.source]]
    base: Scope = (RUN,) if open else ()
    analysis = Analysis(
        definition=definition,
        base=base,
        entries=frozenset(definition.entries),
        connections=connections,
        inputs=[[] for _ in range(count)],
        outputs=[[] for _ in range(count)],
        back_inputs={},
        routes={},
        scopes=[base] * count,
        sink_of=[None] * count,
        cycle_of=[None] * count,
    )
    for connection in connections:
        filtered = 1 if connection.types or connection.when is not None else 0
        if connection.when is not None and getattr(connection.when, "roots", None) != OUTPUT_ONLY:
            filtered = 2
        analysis.routes[connection.index] = Route(connection.index, connection.target, connection, filtered)
        analysis.outputs[connection.source].append(connection)
        if connection.back:
            analysis.back_inputs.setdefault(connection.target, []).append(connection)
        else:
            analysis.inputs[connection.target].append(connection)
    return analysis


def is_streaming(analysis: Analysis, node: int) -> bool:
    """Whether each value of an activation of this node has a key of its own."""
    return analysis.definition.nodes[node].handler.streaming


def message_scope(analysis: Analysis, connection: Connection) -> Scope:
    """The openers a message has passed once it is on this connection. A failure is that of the whole stream."""
    scope = analysis.scopes[connection.source]
    if is_streaming(analysis, connection.source) and connection.on != "fail":
        return (*scope, Opener("stream", connection.source))
    return scope


def seen_scope(analysis: Analysis, connection: Connection) -> Scope:
    """The scope of its messages as the target sees them: inside a cycle that they enter."""
    scope = message_scope(analysis, connection)
    cycle = analysis.routes[connection.index].enters
    if cycle is not None and len(scope) == cycle.depth:
        return (*scope, Opener("cycle", cycle.index))
    return scope


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


def name_of(analysis: Analysis, node: int) -> str:
    """The name of the node with this index."""
    return analysis.definition.nodes[node].name


def report(analysis: Analysis, code: str, node: NodeDefinition, text: str) -> None:
    """Put a problem of this node on record; the analysis goes on, so that all are found."""
    analysis.problems.append(Problem("error", code, text, node.name))
