"""All checks of a graph, each a short function in the table at the end; and, when none finds an error, the frozen definition.

Not here: checks of single option values (`options`), which are made at once, and the analysis of streams and joins
(`scopes`), which needs a sound graph. Every check is linear in the size of the graph."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from actorflow.definition.codes import problem
from actorflow.definition.handles import Connection as Asked
from actorflow.definition.model import Collect, Connection, Definition, Each, First, NodeDefinition, Problem, WorkflowOptions
from actorflow.definition.names import Nearest, listed, path
from actorflow.definition.scopes import ScopeProblems, make_plan
from actorflow.definition.view import View, cycle_through

__all__ = ["assemble", "examine"]


def examine(view: View) -> list[Problem]:
    """All problems that can be told without the analysis of scopes, errors first."""
    found = [problem for check in CHECKS for problem in check(view)]
    return [p for p in found if p.level == "error"] + [p for p in found if p.level == "warning"]


def assemble(
    view: View, variables: Mapping[str, Any], options: WorkflowOptions, warnings: list[Problem]
) -> tuple[list[Problem], Definition | None]:
    """The definition of a graph without errors, or, if the analysis of scopes finds some, None; and all problems."""
    definition = _definition(view, variables, options, warnings)
    errors = list(_scope_problems(definition))
    return (errors + warnings, None) if errors else (warnings, definition)


# >>> the seam to scopes.py >>>


def _scope_problems(definition: Definition) -> Iterator[Problem]:
    """What does not fit in streams, joins and cycles. The plan that comes of it is kept with the definition."""
    try:
        definition.plans[False] = make_plan(definition, open=False)
    except ScopeProblems as found:
        yield from found.problems


# <<< the seam to scopes.py <<<


def _definition(view: View, variables: Mapping[str, Any], options: WorkflowOptions, warnings: list[Problem]) -> Definition:
    numbers = list(range(max(len(view), len(view.connections))))  # one object for each number, wherever it stands
    nodes = []
    for index, added, handler, join in zip(numbers, view.added, view.bound[0], view.joins, strict=False):
        assert handler is not None
        nodes.append(NodeDefinition(index, added.name, handler, join, added.options, added.inputs))
    connections = []
    for index, asked in zip(numbers, view.connections, strict=False):
        source, target = numbers[view.sources[index]], numbers[view.targets[index]]
        slot = asked.to or asked.source
        connections.append(
            Connection(index, source, target, asked.on, asked.port, slot, asked.when, asked.types, asked.enabled, asked.back, asked.limit)
        )
    return Definition(
        name=view.name,
        version=view.version,
        nodes=tuple(nodes),
        connections=tuple(connections),
        entries=tuple(view.entries),
        outputs=tuple(view.outputs),
        variables=variables,
        options=options,
        warnings=tuple(warnings),
        index_of=MappingProxyType(view.index_of),
        plans={},
        named_outputs=bool(view.asked_outputs),
    )


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"


def _ends(connection: Asked) -> tuple[str, str]:
    return connection.source, connection.target


# --- names -----------------------------------------------------------------------------------------------------------


def _no_nodes(view: View) -> Iterator[Problem]:
    if not len(view):
        yield problem("NoNodes", f"workflow {view.label!r} has no nodes; add one with @flow.node or flow.add()")


def _empty_name(view: View) -> Iterator[Problem]:
    if not view.name.strip():
        yield problem("EmptyName", "the workflow has an empty name, which tells its runs and events from no others")


def _duplicate_names(view: View) -> Iterator[Problem]:
    if len(view.index_of) == len(view):
        return
    times: dict[str, int] = {}
    for node in view.added:
        times[node.name] = times.get(node.name, 0) + 1
    for name, count in times.items():
        if count > 1:
            text = f"{count} nodes of workflow {view.label!r} have the name {name!r}; give the others names of their own with name="
            yield problem("DuplicateName", text, name)


def _unknown_names(view: View) -> Iterator[Problem]:
    if view.known:
        return
    known, label = view.nearest, view.label
    for connection, source, target in zip(view.connections, view.sources, view.targets, strict=True):
        if source < 0:
            text = f"connection {connection.label}: workflow {label!r} has no node {connection.source!r}{known.hint(connection.source)}"
            yield problem("UnknownNode", text, connection.source, _ends(connection))
        if target < 0 and connection.target != connection.source:
            text = f"connection {connection.label}: workflow {label!r} has no such node{known.hint(connection.target)}"
            yield problem("UnknownNode", text, connection.target, _ends(connection))
    for what, names in (("entry", view.asked_entries), ("output", view.asked_outputs)):
        for name in names:
            if name not in view.index_of:
                yield problem("UnknownNode", f"{what} {name!r}: workflow {label!r} has no such node{known.hint(name)}", name)


def _left_out(view: View) -> Iterator[Problem]:
    for connection in view.left_out:
        unknown = connection.source if connection.source not in view.index_of else connection.target
        text = f"disabled connection {connection.label} is left out: workflow {view.label!r} has no node {unknown!r}{view.nearest.hint(unknown)}"
        yield problem("LeftOut", text, unknown, _ends(connection))


# --- cycles and entries ----------------------------------------------------------------------------------------------


def _undeclared_cycles(view: View) -> Iterator[Problem]:
    for group in view.undeclared:
        inside = set(group)
        entered = (node for node in sorted(group) if any(view.sources[number] not in inside for number in view.inputs[node]))
        names = [view.added[node].name for node in cycle_through(view.forward, group, next(entered, min(group)))]
        closing = f"{names[-2]!r} -> {names[-1]!r}"
        text = f"undeclared cycle {path(names)}; the connection that closes it, such as {closing}, needs back=True"
        yield problem("UndeclaredCycle", text, names[0], (names[-2], names[-1]))


def _idle_back_connections(view: View) -> Iterator[Problem]:
    if not view.backs:
        return
    component = view.component_of
    for number in view.backs:
        connection = view.connections[number]
        if component[view.sources[number]] != component[view.targets[number]]:
            text = (
                f"connection {connection.label} has back=True but closes no cycle: "
                f"no path leads from {connection.target!r} to {connection.source!r}"
            )
            yield problem("BackWithoutCycle", text, connection.source, _ends(connection))


def _no_entry(view: View) -> Iterator[Problem]:
    if len(view) and not view.entries and view.known:
        text = (
            f"workflow {view.label!r} has no entry: each of its nodes has incoming connections; "
            "name the first node with flow.entry(), and give the connection that closes a cycle back=True"
        )
        yield problem("NoEntry", text)


def _entries_with_connections(view: View) -> Iterator[Problem]:
    for entry in view.entries if view.asked_entries else ():
        for number in view.inputs[entry]:
            connection = view.connections[number]
            if view.reached[view.sources[number]]:
                text = (
                    f"node {connection.target!r} is named by flow.entry() but also waits for connection {connection.label}; "
                    f"leave it out of flow.entry(), or give the connection back=True if it closes a cycle"
                )
                yield problem("EntryHasConnections", text, connection.target, _ends(connection))


def _several_entries(view: View) -> Iterator[Problem]:
    if len(view.entries) > 1 and not view.asked_entries and view.known:
        names = [view.added[index].name for index in view.entries]
        text = (
            f"workflow {view.label!r} has {len(names)} entries, each of which gets the input of the run: {listed(names)}; "
            "if that is meant, say so with flow.entry()"
        )
        yield problem("SeveralEntries", text)


def _unreached(view: View) -> Iterator[Problem]:
    if not view.known or not view.entries:
        return
    for index, node in enumerate(view.added):
        if view.reached[index]:
            continue
        if view.awaited[index] and not view.inputs[index]:
            text = f"node {node.name!r} will be skipped: all its incoming connections are disabled"
            yield problem("DisabledNode", text, node.name)
        else:
            yield problem("UnreachableNode", f"node {node.name!r} will be skipped: no path leads to it from an entry", node.name)


# --- nodes -----------------------------------------------------------------------------------------------------------


def _handlers(view: View) -> Iterator[Problem]:
    yield from view.bound[1]


def _joins(view: View) -> Iterator[Problem]:
    for index, node in enumerate(view.added):
        if isinstance(node.join, First) and node.join.listed:
            count = view.counts[index]
            if count < node.join.n and (count or not view.awaited[index]):
                text = f"node {node.name!r} waits for {_connections(node.join.n)} (join={node.join.n}) but has {_connections(count)} to it"
                yield problem("JoinTooLarge", f"{text}; disabled and back connections do not count", node.name)
        elif isinstance(node.join, Collect):
            if not view.awaited[index]:
                text = f"node {node.name!r} collects what arrives on its connections but has none; leave join= out"
                yield problem("CollectWithoutConnections", text, node.name)
            if node.join.scope is not None and node.join.scope != "run":
                yield from _collect_scope(view, node.name, node.join.scope)


def _input_references(view: View) -> Iterator[Problem]:
    for node in view.added:
        for name, slot in node.inputs.nodes.items() if node.inputs is not None else ():
            if name not in view.index_of:
                of = f"inputs[{slot!r}] of node {node.name!r} refer to {name!r}"
                yield problem("UnknownNode", f"{of}: workflow {view.label!r} has no such node{view.nearest.hint(name)}", name)


def _collect_scope(view: View, name: str, scope: str) -> Iterator[Problem]:
    index = view.index_of.get(scope, -1)
    if index < 0:
        text = f"Collect(scope={scope!r}) of node {name!r}: workflow {view.label!r} has no such node{view.nearest.hint(scope)}"
        yield problem("UnknownNode", text, scope)
        return
    handler = view.bound[0][index]
    if handler is not None and not handler.streaming and not isinstance(view.joins[index], Each):
        text = (
            f"Collect(scope={scope!r}) of node {name!r}: messages of {scope!r} make up no scope, "
            "for it neither streams nor starts for each message of several connections (join='each')"
        )
        yield problem("NotAnOpener", text, name)


# --- connections -----------------------------------------------------------------------------------------------------


def _undeclared_ports(view: View) -> Iterator[Problem]:
    for connection, source in zip(view.connections, view.sources, strict=True):
        port = connection.port
        if port is None or port == "*" or source < 0 or not connection.enabled or connection.on == "fail":
            continue
        declared = view.added[source].options.ports
        if declared is not None and port not in declared:
            text = f"connection {connection.label}: node {connection.source!r} does not declare port {port!r}{Nearest(declared).hint(port)}"
            yield problem("UndeclaredPort", text, connection.source, _ends(connection))


def _types(view: View) -> Iterator[Problem]:
    for connection, source, target in zip(view.connections, view.sources, view.targets, strict=True):
        if source < 0 or target < 0 or not connection.enabled or connection.on == "fail" or connection.types:
            continue
        accepts, emits = view.added[target].options.accepts, view.added[source].options.emits
        if accepts is None or emits is None or not view.gets_message(target) or not _apart(emits, accepts):
            continue
        text = f"connection {connection.label}: {connection.source!r} emits {emits.__name__}, but {connection.target!r} accepts {accepts.__name__}"
        yield problem("TypeMismatch", text, connection.target, _ends(connection))


PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, set, frozenset, dict)
SEQUENCES = (list, tuple, set, frozenset)


def _apart(emits: Any, accepts: Any) -> bool:
    """Whether no value of one class can be meant where the other is asked for. Only plain classes are judged; plain data
    may be converted to anything that is no plain data, an int to a float, and sequences to one another."""
    if not (_is_plain_class(emits) and _is_plain_class(accepts)):
        return False
    if issubclass(emits, accepts) or issubclass(accepts, emits):
        return False
    if emits in PLAIN and (accepts not in PLAIN or (emits is int and accepts is float)):
        return False
    return not (emits in SEQUENCES and accepts in SEQUENCES)


def _is_plain_class(value: object) -> bool:
    return isinstance(value, type) and typing.get_origin(value) is None and not getattr(value, "_is_protocol", False)


CHECKS: tuple[Callable[[View], Iterator[Problem]], ...] = (
    _empty_name,
    _no_nodes,
    _duplicate_names,
    _unknown_names,
    _left_out,
    _undeclared_cycles,
    _idle_back_connections,
    _no_entry,
    _entries_with_connections,
    _several_entries,
    _unreached,
    _handlers,
    _joins,
    _input_references,
    _undeclared_ports,
    _types,
)
