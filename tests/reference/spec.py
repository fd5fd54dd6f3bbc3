"""A graph as plain data, and what its handlers do. Independent of actorflow: both the reference interpreter and `build.py` read it.
A handler is a pure function of (node, payload): `behave` is the only place that says what a node answers.
Payloads are dicts {"v", "m", "n"}: v a stable hash in 0..10**6, m = v % 7, n a countdown that ends cycles; or the dict or list a join builds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, fields, replace
from typing import Any

Port = str | None
Condition = tuple[str, str, Any]  # (path below `output`, or "error.type"; comparison; literal); path "" is the output itself


@dataclass(frozen=True)
class NodeSpec:
    """`join`: None, "all", "any", an int, "each" or "collect"; `scope` is that of Collect(scope=). With h the hash of (name, payload):
    it fails if `fail_mod` and h % fail_mod == 0; it returns NOTHING if `nothing_mod` and h // 7 % nothing_mod == 0;
    a stream sends items[0] + h % (items[1] - items[0] + 1) values and, if it fails, does so after some of them;
    each value goes to ports[h % len(ports)]; `emits` sends one value on each of its ports. `constant`: the payload is ignored, but for n if
    `keep_n`. `lower`: n becomes one less. `script`, if given, replaces all of this: an expression over `p`, with the names in `_SCRIPT`."""

    name: str
    join: str | int | None = None
    scope: str | None = None
    stream: bool = False
    items: tuple[int, int] = (0, 3)
    ports: tuple[Port, ...] = (None,)
    emits: tuple[Port, ...] = ()
    fail_mod: int = 0
    nothing_mod: int = 0
    constant: bool = False
    keep_n: bool = False
    lower: bool = False
    script: str | None = None

    @property
    def fallible(self) -> bool:
        return self.fail_mod > 0 or (self.script is not None and "fail" in self.script)


@dataclass(frozen=True)
class ConnectionSpec:
    """`types` are names of built-in classes. `limit` None is the default of the engine, out of reach."""

    source: str
    target: str
    on: str = "complete"
    port: Port = None
    to: str | None = None
    condition: Condition | None = None
    types: tuple[str, ...] | None = None
    back: bool = False
    limit: int | None = None
    enabled: bool = True

    @property
    def slot(self) -> str:
        return self.to if self.to is not None else self.source

    @property
    def condition_text(self) -> str | None:
        """The condition as the engine reads it."""
        if self.condition is None:
            return None
        path, comparison, literal = self.condition
        root = path if path.startswith("error.") else f"output.{path}" if path else "output"
        return f"{root} {comparison} {_literal_text(literal)}"


@dataclass(frozen=True)
class GraphSpec:
    """Nodes and connections in the order in which they are added. `entries` empty: the nodes without incoming non-back connections.
    `sort_lists`: pass numbers depend on timing here, so lists are hashed, recorded and compared as multisets, and a value that is
    "that of the last pass" is not compared."""

    nodes: tuple[NodeSpec, ...]
    connections: tuple[ConnectionSpec, ...] = ()
    entries: tuple[str, ...] = ()
    payload: Any = field(default_factory=lambda: {"v": 1, "m": 1, "n": 2})
    sort_lists: bool = False
    seed: int | None = None

    @property
    def exposes_timing(self) -> bool:
        return self.sort_lists

    def node(self, name: str) -> NodeSpec:
        return next(node for node in self.nodes if node.name == name)

    def with_node(self, node: NodeSpec) -> GraphSpec:
        return replace(self, nodes=tuple(node if other.name == node.name else other for other in self.nodes))

    @property
    def features(self) -> frozenset[str]:
        """What is statically present. Several inputs are needed for the name of a join, except for `collect`."""
        found = set()
        enabled = [c for c in self.connections if c.enabled]
        for node in self.nodes:
            inputs = sum(c.target == node.name and not c.back for c in enabled)
            if node.join == "collect":
                found.add("collect_scope" if node.scope else "collect")
            elif inputs > 1:
                found.add("all" if node.join in (None, "all") else "first" if isinstance(node.join, int) else str(node.join))
            found |= {"stream"} if node.stream else set()
            found |= {"fallible"} if node.fallible else set()
            found |= {"stream_failing"} if node.fallible and node.stream else set()
            found |= {"nothing"} if node.nothing_mod else set()
            found |= {"emits"} if node.emits else set()
            found |= {"ports"} if node.ports != (None,) else set()
        for connection in self.connections:
            found |= {"disabled"} if not connection.enabled else set()
            found |= {"fail"} if connection.on == "fail" else {"on_all"} if connection.on == "all" else set()
            found |= {"condition"} if connection.condition and not connection.back else set()
            found |= {"types"} if connection.types else set()
            found |= {"cycle"} if connection.back and connection.enabled else set()
            found |= {"limit"} if connection.limit is not None else set()
            found |= {"slot"} if connection.to is not None else set()
        return frozenset(found)

    def to_text(self) -> str:
        """A Python literal that gives this graph again (`from tests.reference.spec import *`)."""
        lines = ["GraphSpec(", "    nodes=("]
        lines += [f"        {_literal(node)}," for node in self.nodes]
        lines += ["    ),", "    connections=("]
        lines += [f"        {_literal(connection)}," for connection in self.connections]
        lines += ["    ),"]
        for name, empty in (("entries", ()), ("sort_lists", False), ("seed", None)):
            value = getattr(self, name)
            lines += [f"    {name}={value!r},"] if value != empty else []
        return "\n".join([*lines, f"    payload={self.payload!r},", ")"])


def _literal(item: NodeSpec | ConnectionSpec) -> str:
    """Only what is not a default; the fields without one come first and without their names."""
    needed = {"name", "source", "target"}
    parts = []
    for slot in fields(item):
        value = getattr(item, slot.name)
        if slot.name in needed:
            parts.append(repr(value))
        elif value != slot.default or type(value) is not type(slot.default):
            parts.append(f"{slot.name}={value!r}")
    return f"{type(item).__name__}({', '.join(parts)})"


def _literal_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else repr(value)


# --- payloads


def canonical(payload: Any, *, sort_lists: bool = False) -> Any:
    """Hashable, comparable with ==, and independent of the order of dict keys (and of list items, if so wished)."""
    if isinstance(payload, dict):
        return ("dict", *sorted(((key, canonical(value, sort_lists=sort_lists)) for key, value in payload.items()), key=repr))
    if isinstance(payload, list | tuple):
        items = [canonical(value, sort_lists=sort_lists) for value in payload]
        return ("list", *(sorted(items, key=repr) if sort_lists else items))
    return payload


def recorded_input(spec: GraphSpec, node: NodeSpec, payload: Any) -> Any:
    """What is compared of an activation's input: nothing where it depends on which arrival came first."""
    return "*" if node.constant else canonical(payload, sort_lists=spec.sort_lists)


def _countdown(payload: Any) -> int:
    """The lowest n anywhere in the payload, 0 if there is none."""
    found: list[int] = []

    def visit(value: Any) -> None:
        if isinstance(value, dict) and isinstance(value.get("n"), int):
            found.append(value["n"])
        elif isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                visit(inner)

    visit(payload)
    return min(found, default=0)


def _hash(*parts: Any) -> int:
    return zlib.crc32(repr(parts).encode()) % (10**6 + 1)


# --- behaviour


@dataclass(frozen=True)
class Outcome:
    """What a handler does with one payload: the messages (value, port) it sends, and the name of the exception it then raises, if any."""

    messages: tuple[tuple[Any, Port], ...] = ()
    error: str | None = None


def behave(spec: GraphSpec, node: NodeSpec, payload: Any) -> Outcome:
    if node.script is not None:
        return _scripted(node, payload)
    countdown = _countdown(payload) if node.keep_n or not node.constant else 0
    seen: Any = countdown if node.constant else canonical(payload, sort_lists=spec.sort_lists)
    digest = _hash(node.name, seen)
    countdown -= node.lower

    def value(index: int) -> Any:
        v = _hash(node.name, seen, index)
        return {"v": v, "m": v % 7, "n": countdown}

    fails = node.fail_mod > 0 and digest % node.fail_mod == 0
    if node.stream:
        low, high = node.items
        count = low + digest % (high - low + 1)
        sent = digest // 11 % (count + 1) if fails else count
        messages = tuple((value(i), node.ports[(digest // 3 + i) % len(node.ports)]) for i in range(sent))
        return Outcome(messages, "ValueError" if fails else None)
    if fails:
        return Outcome(error="ValueError")
    if node.nothing_mod and digest // 7 % node.nothing_mod == 0:
        return Outcome()
    if node.emits:
        return Outcome(tuple((value(i), port) for i, port in enumerate(node.emits)))
    return Outcome(((value(0), node.ports[digest // 3 % len(node.ports)]),))


def _scripted(node: NodeSpec, payload: Any) -> Outcome:
    answer = eval(node.script or "", {"__builtins__": {}, **_SCRIPT, "p": payload})
    if isinstance(answer, Outcome):
        return answer
    return Outcome(tuple((value, None) for value in answer) if node.stream else ((answer, None),))


_SCRIPT: dict[str, Any] = {
    "len": len,
    "sum": sum,
    "max": max,
    "min": min,
    "sorted": sorted,
    "list": list,
    "range": range,
    "nothing": Outcome(),
    "fail": lambda *sent: Outcome(tuple((value, None) for value in sent), "ValueError"),  # a stream: after these values
    "port": lambda value, name: Outcome(((value, name),)),
    "emits": lambda **by_port: Outcome(tuple((value, None if name == "primary" else name) for name, value in by_port.items())),
    "on_ports": lambda *pairs: Outcome(tuple(pairs)),  # a stream of (value, port)
}
