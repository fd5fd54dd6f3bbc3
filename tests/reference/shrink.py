"""A smaller graph that still shows a fault: parts are left out one at a time for as long as `fails` holds. Plain greedy search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from tests.reference.interpreter import Readings, Unsupported, run
from tests.reference.spec import GraphSpec
from tests.reference.static import InvalidSpec


def shrink(spec: GraphSpec, fails: Callable[[GraphSpec], bool], *, readings: Readings | None = None) -> GraphSpec:
    """`fails` is asked only of graphs that are valid, have a meaning and do not rely on more notes than `spec` does."""
    notes = run(spec, readings=readings).notes

    def still(smaller: GraphSpec) -> bool:
        try:
            result = run(smaller, most=20_000, readings=readings)
        except (InvalidSpec, Unsupported):
            return False
        return result.notes <= notes and (smaller.sort_lists or not result.concurrent) and fails(smaller)

    while True:
        smaller = next((candidate for candidate in _smaller(spec) if still(candidate)), None)
        if smaller is None:
            return spec
        spec = smaller


def _smaller(spec: GraphSpec) -> Iterator[GraphSpec]:
    for node in reversed(spec.nodes):
        rest = tuple(c for c in spec.connections if node.name not in (c.source, c.target))
        if len(spec.nodes) > 1:
            yield replace(spec, nodes=tuple(other for other in spec.nodes if other != node), connections=rest)
    for connection in reversed(spec.connections):
        yield replace(spec, connections=tuple(other for other in spec.connections if other is not connection))
    for node in spec.nodes:
        for slot in fields(node):
            # What keeps a graph from depending on timing, or from going round for ever, stays.
            if slot.name not in ("name", "constant", "lower", "keep_n") and getattr(node, slot.name) != slot.default:
                yield spec.with_node(replace(node, **{slot.name: slot.default}))
    for i, connection in enumerate(spec.connections):
        for name in ("condition", "port", "types", "to", "on", "limit"):
            default = next(slot.default for slot in fields(connection) if slot.name == name)
            if getattr(connection, name) != default and not (connection.back and name == "condition"):
                changed = replace(connection, **{name: default})
                yield replace(spec, connections=(*spec.connections[:i], changed, *spec.connections[i + 1 :]))
    if isinstance(spec.payload, dict) and spec.payload.get("n", 0) > 0:
        yield replace(spec, payload={**spec.payload, "n": spec.payload["n"] - 1})
