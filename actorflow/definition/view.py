"""A graph as numbers, for the checks and for the definition: who follows whom, what a run reaches, how arrivals join.
All of it is linear in the size of the graph and without recursion.

Not here: what is wrong with it (`validate`). Unknown ends of connections are -1; what depends on them is computed as if
the connection were not there, but its known target is no entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct

from actorflow.definition.binding import bind
from actorflow.definition.components import components, reachable
from actorflow.definition.handler import Handler
from actorflow.definition.handles import Connection
from actorflow.definition.mapping import Inputs
from actorflow.definition.model import All, Collect, Each, First, Join, NodeOptions, Problem
from actorflow.definition.names import Nearest

__all__ = ["Added", "View", "cycle_through"]

ALL = All()
Edges = list[list[int]]


class Added(Struct, frozen=True, eq=False):
    """A node as it was added. `join` is None where none was asked for; `inputs` and `args` are None where not given."""

    name: str
    function: Callable[..., Any]
    join: Join | None
    options: NodeOptions
    inputs: Inputs | None
    stream: bool
    args: dict[str, Any] | None


class View:
    """Nodes are numbered in the order they were added, connections likewise."""

    def __init__(
        self,
        name: str,
        version: str,
        added: Sequence[Added],
        connections: Sequence[Connection],
        entries: Sequence[str],
        outputs: Sequence[str],
    ) -> None:
        self.name = name
        self.version = version
        self.added = tuple(added)
        self.asked_entries = entries
        self.asked_outputs = outputs
        self.index_of: dict[str, int] = {}
        for index, node in enumerate(self.added):
            self.index_of.setdefault(node.name, index)
        self.left_out = [connection for connection in connections if not connection.enabled and not self._has_ends(connection)]
        """Disabled connections with unknown ends."""
        if self.left_out:
            connections = [connection for connection in connections if connection.enabled or self._has_ends(connection)]
        self.connections = connections
        find = self.index_of.get
        self.sources = [find(connection.source, -1) for connection in connections]
        self.targets = [find(connection.target, -1) for connection in connections]
        self.known = -1 not in self.sources and -1 not in self.targets and all(name in self.index_of for name in (*entries, *outputs))
        """Whether each name that stands somewhere is that of a node."""
        self._sort()

    def _has_ends(self, connection: Connection) -> bool:
        return connection.source in self.index_of and connection.target in self.index_of

    def _sort(self) -> None:
        """Sort the connections by their ends. `forward` and `onward` are successors over enabled connections, those over
        back connections left out and included; `inputs` are the enabled connections a join waits for."""
        count = len(self.added)
        self.forward: Edges = [[] for _ in range(count)]
        self.onward: Edges = [[] for _ in range(count)]
        self.inputs: Edges = [[] for _ in range(count)]
        self.awaited = bytearray(count)
        """The nodes that have incoming connections, enabled or not, other than back ones."""
        self.counts = [0] * count
        """How many connections a join waits for, those from unknown nodes included."""
        self.backs: list[int] = []
        """The enabled back connections whose ends are known."""
        for index, connection in enumerate(self.connections):
            source, target = self.sources[index], self.targets[index]
            if target < 0:
                continue
            if not connection.back:
                self.awaited[target] = 1
                self.counts[target] += connection.enabled
            if source < 0 or not connection.enabled:
                continue
            self.onward[source].append(target)
            if connection.back:
                self.backs.append(index)
            else:
                self.forward[source].append(target)
                self.inputs[target].append(index)

    @property
    def label(self) -> str:
        """Name and version, like `ingest@2`."""
        return f"{self.name}@{self.version}"

    def __len__(self) -> int:
        return len(self.added)

    @cached_property
    def entries(self) -> list[int]:
        """The nodes a run starts with."""
        if self.asked_entries:
            return [self.index_of[name] for name in self.asked_entries if name in self.index_of]
        return [index for index, awaited in enumerate(self.awaited) if not awaited]

    @cached_property
    def reached(self) -> bytearray:
        """The nodes that a run can come to."""
        return self._reach(self.onward)

    @cached_property
    def outputs(self) -> list[int]:
        """The nodes whose values are the output: those asked for, else all terminal ones."""
        if self.asked_outputs:
            return [self.index_of[name] for name in self.asked_outputs if name in self.index_of]
        goes_on = bytearray(len(self))
        normal: Edges = [[] for _ in range(len(self))]
        for connection, source, target in zip(self.connections, self.sources, self.targets, strict=True):
            if source >= 0 and target >= 0 and connection.enabled and connection.on != "fail":
                normal[source].append(target)
                if not connection.back:
                    goes_on[source] = 1
        reached = self._reach(normal)
        return [index for index in range(len(self)) if reached[index] and not goes_on[index]]

    def _reach(self, successors: Edges) -> bytearray:
        return reachable(len(self), self.entries, successors)

    @cached_property
    def undeclared(self) -> list[list[int]]:
        """The groups of nodes that form cycles without a back connection."""
        if self._has_order():
            return []
        return [group for group in components(self.forward) if len(group) > 1 or group[0] in self.forward[group[0]]]

    def _has_order(self) -> bool:
        """Whether the nodes can be put in order. Source: Kahn 1962."""
        waiting = [len(inputs) for inputs in self.inputs]
        ready = [index for index, count in enumerate(waiting) if not count]
        for node in ready:  # grows on the way
            for target in self.forward[node]:
                waiting[target] -= 1
                if not waiting[target]:
                    ready.append(target)
        return len(ready) == len(self)

    @cached_property
    def component_of(self) -> list[int]:
        """For each node the number of the strongly connected component it is part of, back connections included."""
        numbers = [0] * len(self)
        for number, group in enumerate(components(self.onward)):
            for node in group:
                numbers[node] = number
        return numbers

    @cached_property
    def joins(self) -> list[Join | None]:
        """How the arrivals of each node join; None where each message starts an activation."""
        return [self._join(node, len(inputs)) for node, inputs in zip(self.added, self.inputs, strict=True)]

    @staticmethod
    def _join(node: Added, count: int) -> Join | None:
        if isinstance(node.join, Collect):
            return node.join
        return (node.join or ALL) if count > 1 else None

    @cached_property
    def bound(self) -> tuple[list[Handler | None], list[Problem]]:
        """The handlers of the nodes (None for one that cannot be), and what is wrong with them."""
        return bind(self)

    @cached_property
    def nearest(self) -> Nearest:
        """Hints for names that are not there."""
        return Nearest(self.index_of)

    def gets_message(self, index: int) -> bool:
        """Whether the payload of a node is what one message carries: neither a dict by slot nor a list."""
        join = self.joins[index]
        single = join is None or isinstance(join, Each) or (isinstance(join, First) and not join.listed)
        return single and self.added[index].inputs is None

    def slots(self, index: int) -> tuple[str, ...] | None:
        """The input slots of a node whose join makes a dict by slot of what arrives, in the order of the connections; else None."""
        join = self.joins[index]
        if not (isinstance(join, All) or (isinstance(join, First) and join.listed)):
            return None
        connections = (self.connections[number] for number in self.inputs[index])
        return tuple(dict.fromkeys(connection.to or connection.source for connection in connections))


def cycle_through(successors: Edges, group: Iterable[int], start: int) -> list[int]:
    """A shortest cycle from `start` back to it, inside a strongly connected group; begins and ends with `start`."""
    inside = set(group)
    came_from: dict[int, int] = {}
    queue = [start]
    for node in queue:  # grows on the way
        for target in successors[node]:
            if target == start:
                path = [start, node]
                while node != start:
                    node = came_from[node]
                    path.append(node)
                return path[::-1]
            if target in inside and target not in came_from:
                came_from[target] = node
                queue.append(target)
    raise AssertionError("the group has no cycle through this node")
