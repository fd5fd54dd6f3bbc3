"""What a workflow is once it is built: frozen records of names and numbers, safe to share between runs and threads.

Not here: how it is written (`graph`), what may be wrong with it (`validate`), what follows from it for a run (`scopes`).
A node and a connection are named by their index in the definition from here on. Durations are seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct

from actorflow.definition.expression import Condition
from actorflow.definition.handler import Handler
from actorflow.policies import Mailbox

__all__ = [
    "All",
    "Collect",
    "Connection",
    "Definition",
    "Each",
    "First",
    "Join",
    "NodeDefinition",
    "NodeOptions",
    "Problem",
    "WorkflowOptions",
]


class Problem(Struct, frozen=True):
    """Something wrong with a workflow. `level` is "error" or "warning", `code` a stable name like "UnknownNode",
    `node` the node it is about and `connection` a pair (source, target), where it is about one."""

    level: Literal["error", "warning"]
    code: str
    text: str
    node: str | None = None
    connection: tuple[str, str] | None = None


class All(Struct, frozen=True, tag=True):
    """Starts when every connection is resolved and at least one delivered."""


class Each(Struct, frozen=True, tag=True):
    """Starts for each message of any connection."""


class First(Struct, frozen=True, tag=True):
    """Starts at the delivery of the n-th connection, once for each key. `listed`: the payload is a dict slot -> payload
    (join=n); otherwise that of the message (join="any")."""

    n: int
    listed: bool


class Collect(Struct, frozen=True, tag=True):
    """Starts once for each closed scope, with the list of what arrived in it, in key order, then connection order.
    `scope`: the streaming node whose messages make up the scope, "run" for the whole run, None for the innermost opener
    of the node's inputs. `limit`: more values than this fail the activation."""

    scope: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.scope is not None and (not isinstance(self.scope, str) or not self.scope.strip()):
            raise ValueError(f"scope of Collect must be a node's name, 'run' or None, not {self.scope!r}")
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise ValueError(f"limit of Collect must be at least 1, not {self.limit!r}; for no limit use None")


Join = All | Each | First | Collect


class NodeOptions(Struct, frozen=True, kw_only=True):
    """What a node was given beside its handler and join; None is "not given". `timeout` is that of one attempt."""

    concurrency: int = 1
    timeout: float | None = None
    mailbox: Mailbox | None = None
    ports: frozenset[str] | None = None
    accepts: Any = None
    emits: Any = None
    pinned: bool = False


class NodeDefinition(Struct, frozen=True, eq=False):
    """A node. `join` is None where every message starts an activation (one connection, or none)."""

    index: int
    name: str
    handler: Handler
    join: Join | None
    options: NodeOptions
    inputs: Any = None


class Connection(Struct, frozen=True, eq=False):
    """From a port of `source` to the slot `slot` of `target`. `port` is None for the primary port, "*" for any, else
    case-folded. `when` is a condition, a callable of the message, or None for always. `types` is empty for any type."""

    index: int
    source: int
    target: int
    on: Literal["complete", "fail", "all"]
    port: str | None
    slot: str
    when: Condition | Callable[[Any], Any] | None
    types: tuple[type, ...]
    enabled: bool
    back: bool
    limit: int


class WorkflowOptions(Struct, frozen=True, kw_only=True):
    """What holds for a whole run of the workflow; see `Workflow` for each."""

    timeout: float | None = None
    on_failure: Literal["continue", "stop"] = "continue"
    handled_failures: Literal["complete", "fail"] = "complete"
    unrouted: Literal["count", "dead_letter", "fail"] = "count"
    results: Literal["auto", "all", "none"] = "auto"
    isolation: Literal["copy", "share"] = "copy"


class Definition(Struct, frozen=True, eq=False):
    """A workflow that was built. It never changes; a run keeps the one it began with.

    `entries` are the nodes a run starts with, `outputs` those whose values are the run's output, `named_outputs` says
    that flow.output() chose them, `warnings` are the problems that did not keep it from being built."""

    name: str
    version: str
    nodes: tuple[NodeDefinition, ...]
    connections: tuple[Connection, ...]
    entries: tuple[int, ...]
    outputs: tuple[int, ...]
    variables: Mapping[str, Any]
    options: WorkflowOptions
    warnings: tuple[Problem, ...]
    index_of: Mapping[str, int]
    plans: dict[bool, Any]
    named_outputs: bool = False

    def __repr__(self) -> str:
        return f"Definition({self.name}@{self.version}, {len(self.nodes)} nodes, {len(self.connections)} connections)"

    @property
    def label(self) -> str:
        """Name and version, like `ingest@2`."""
        return f"{self.name}@{self.version}"


NO_VARIABLES: Mapping[str, Any] = MappingProxyType({})
