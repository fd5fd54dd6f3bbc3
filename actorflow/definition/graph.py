"""The mutable side of a workflow: its verbs. `add` and `connect` refuse at once what cannot be understood; whatever only the
whole graph can tell is left to `problems` and `build`, which report all of it at once.

Not here: what the checks are (`validate`), what a built workflow is (`model`). A graph may be changed and built again at
any time; a definition that was built never changes. A graph belongs to one thread."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MappingProxyType, UnionType
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar, Unpack, overload

from actorflow.definition import options as check
from actorflow.definition.expression import Condition, parse
from actorflow.definition.handler import default_name, is_async, make_handler
from actorflow.definition.handles import Connection, Node, NodeLike
from actorflow.definition.mapping import parse_inputs
from actorflow.definition.model import Collect, Definition, NodeOptions, Problem, WorkflowOptions
from actorflow.definition.names import listed
from actorflow.definition.validate import assemble, examine
from actorflow.definition.view import Added, View
from actorflow.errors import InvalidWorkflow, UnknownNode
from actorflow.messages import Message
from actorflow.policies import Mailbox

__all__ = ["Graph"]

P = ParamSpec("P")
R = TypeVar("R")
JoinOption = Literal["all", "any", "each", "collect"] | int | Collect | None
DEFAULT_LIMIT = 1000
DEFAULTS = NodeOptions()


class Options(TypedDict, total=False):
    """What `add` and `node` take beside the function; see `Graph.add`."""

    name: str | None
    join: JoinOption
    concurrency: int
    timeout: float | None
    mailbox: Mailbox | None
    ports: Iterable[str] | None
    accepts: Any
    emits: Any
    inputs: Mapping[str, str] | None
    pinned: bool
    stream: bool
    args: Mapping[str, Any] | None


class Graph:
    """Nodes and connections while they are being written. Wherever a node is meant, its name, its `Node` or its function
    will do."""

    def __init__(self, name: str, version: str, variables: Mapping[str, Any], options: WorkflowOptions) -> None:
        self._name = name
        self._version = version
        self._variables = variables
        self._options = options
        self._added: list[Added] = []
        self._names_of: dict[Hashable, list[str]] = {}
        self._connections: dict[Connection, Connection] = {}
        self._entries: dict[str, None] = {}
        self._outputs: dict[str, None] = {}
        self._conditions: dict[str, Condition] = {}
        self._shared: dict[NodeOptions, NodeOptions] = {}
        self._built: Definition | None = None

    @property
    def name(self) -> str:
        """The name of the workflow."""
        return self._name

    @property
    def version(self) -> str:
        """The version, as a text."""
        return self._version

    @property
    def label(self) -> str:
        """Name and version, like `ingest@2`."""
        return f"{self._name}@{self._version}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label}, {len(self._added)} nodes, {len(self._connections)} connections)"

    # --- nodes -----------------------------------------------------------------------------------------------------

    @overload
    def node(self, function: Callable[P, R], /) -> Node[P, R]: ...

    @overload
    def node(self, /, **options: Unpack[Options]) -> Callable[[Callable[P, R]], Node[P, R]]: ...

    def node(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Decorator: make the function a node. With or without options, which are those of `add`."""
        if function is None:
            return functools.partial(self.add, **options)
        if isinstance(function, str):
            raise TypeError(f"node takes the function; to give it a name write name={function!r}")
        return self.add(function, **options)

    def add(
        self,
        function: Callable[P, R],
        /,
        *,
        name: str | None = None,
        join: JoinOption = None,
        concurrency: int = 1,
        timeout: float | None = None,
        mailbox: Mailbox | None = None,
        ports: Iterable[str] | None = None,
        accepts: Any = None,
        emits: Any = None,
        inputs: Mapping[str, str] | None = None,
        pinned: bool = False,
        stream: bool = False,
        args: Mapping[str, Any] | None = None,
    ) -> Node[P, R]:
        """Add a node whose handler is a function, another callable or a class (one instance a run, made with `args`).

        `name` is by default that of the function; `join` says which arrivals start the node; `concurrency` is how many of
        its activations run at once, `timeout` the seconds one attempt may take. `ports`, `accepts` and `emits` declare
        what `problems` checks. `inputs` maps slots to references like `"${fetch.output.rows}"`. `stream` sends each value
        of a returned iterable as a message of its own; `pinned` keeps a generator on one thread."""
        function = self._plain(function)
        name = sys.intern(check.name_of(default_name(function) if name is None else name, "name of a node"))
        of = f"of node {name!r}"
        node_join = check.join_of(join, f"join {of}")
        if mailbox is not None and not isinstance(mailbox, Mailbox):
            raise TypeError(f"mailbox {of} must be an af.Mailbox, not {check.shown(mailbox)}")
        if args is not None and not isinstance(function, type):
            raise TypeError(f"args {of} are for a class, and its handler is none; bind arguments of a function with functools.partial")
        options = NodeOptions(
            concurrency=check.whole(concurrency, f"concurrency {of}"),
            timeout=check.duration(timeout, f"timeout {of}"),
            mailbox=mailbox,
            ports=check.ports_of(ports, f"ports {of}"),
            accepts=check.type_of(accepts, f"accepts {of}"),
            emits=check.type_of(emits, f"emits {of}"),
            pinned=check.flag(pinned, f"pinned {of}"),
        )
        check.flag(stream, f"stream {of}")
        read = None if inputs is None else parse_inputs(inputs)
        arguments = None if args is None else check.copied(args, "args", of)
        self._built = None
        self._added.append(Added(name, function, node_join, self._share(options), read, stream, arguments))
        self._names_of.setdefault(_key(function), []).append(name)
        return Node(name, function, self)

    def _plain(self, function: Any) -> Any:
        """The function to be called; that of a node of this graph may be added again."""
        if isinstance(function, Node):
            self._own(function)
            return function.__wrapped__
        if not callable(function):
            make_handler(function, node=default_name(function))  # says what it is instead
        return function

    def _share(self, options: NodeOptions) -> NodeOptions:
        """The first options that equal these: a graph of many nodes has few of them."""
        if options == DEFAULTS:
            return DEFAULTS
        try:
            return self._shared.setdefault(options, options)
        except TypeError:  # a type expression that has no hash
            return options

    # --- connections -----------------------------------------------------------------------------------------------

    def connect(
        self,
        source: NodeLike,
        target: NodeLike,
        *,
        on: Literal["complete", "fail", "all"] = "complete",
        when: str | Callable[[Message], object] | None = None,
        port: str | None = None,
        to: str | None = None,
        types: type | UnionType | tuple[type | UnionType, ...] | None = None,
        enabled: bool = True,
        back: bool = False,
        limit: int = DEFAULT_LIMIT,
    ) -> Connection:
        """Connect two nodes, by name also such as will be added later. Connecting twice in exactly the same way connects once.

        `when` is a condition text (blank: always) or a quick, pure callable of the message; `port` the output taken (None:
        the primary one, "*": any); `to` the input slot (default: the name of the source); `types` the classes of values
        taken. `back` declares that it closes a cycle, which goes round at most `limit` times. Raises ConditionSyntaxError."""
        start = self._resolve(source, "source of a connection")
        end = self._resolve(target, "target of a connection")
        of = f"of connection {start!r} -> {end!r}"
        if limit != DEFAULT_LIMIT and back is False:
            raise ValueError(f"limit {of} is given, but only a connection with back=True has one")
        connection = Connection(
            start,
            end,
            on=check.choice(on, f"on {of}", ("complete", "fail", "all")),
            when=self._condition(when, of),
            port=check.port_of(port, f"port {of}"),
            to=None if to is None else sys.intern(check.name_of(to, f"to (the input slot) {of}")),
            types=check.types_of(types, f"types {of}"),
            enabled=check.flag(enabled, f"enabled {of}"),
            back=check.flag(back, f"back {of}"),
            limit=check.whole(limit, f"limit {of}"),
        )
        self._built = None
        return self._connections.setdefault(connection, connection)

    def chain(self, *nodes: NodeLike) -> tuple[Connection, ...]:
        """Connect each of the nodes to the next one."""
        names = [self._resolve(node, "node of a chain") for node in nodes]
        return tuple(self.connect(source, target) for source, target in itertools.pairwise(names))

    def _condition(self, when: object, of: str) -> Condition | Callable[[Any], object] | None:
        if when is None:
            return None
        if callable(when):
            if is_async(when):
                raise TypeError(f"when {of} is async; a condition answers at once: give a plain function")
            return when
        if not isinstance(when, str):
            raise TypeError(f"when {of} must be a condition text or a callable, not {check.shown(when)}")
        if not when.strip():
            return None
        known = self._conditions.get(when)
        if known is None:
            known = self._conditions[when] = parse(when)
        return known

    # --- where it begins and what it gives -----------------------------------------------------------------------------

    def entry(self, *nodes: NodeLike) -> None:
        """The nodes a run starts with, instead of all that have no incoming connections. Several calls add up."""
        names = [self._resolve(node, "entry") for node in nodes]
        if not names:
            raise TypeError("entry needs at least one node")
        self._built = None
        self._entries.update(dict.fromkeys(names))

    def output(self, *nodes: NodeLike) -> None:
        """The nodes whose values are the output of a run, instead of all terminal ones. Several calls add up."""
        names = [self._resolve(node, "output") for node in nodes]
        if not names:
            raise TypeError("output needs at least one node")
        self._built = None
        self._outputs.update(dict.fromkeys(names))

    # --- the whole -----------------------------------------------------------------------------------------------------

    def problems(self) -> list[Problem]:
        """All that is wrong with the workflow as it is now, errors first."""
        return self._examined()[0]

    def build(self) -> Definition:
        """The workflow as it is now, frozen; the same Definition until it is changed. Raises InvalidWorkflow with all problems
        if there is an error among them."""
        if self._built is None:
            problems, definition = self._examined()
            if definition is None:
                raise InvalidWorkflow(self.label, problems)
            self._built = definition
        return self._built

    def _examined(self) -> tuple[list[Problem], Definition | None]:
        view = View(self._name, self._version, self._added, tuple(self._connections), tuple(self._entries), tuple(self._outputs))
        problems = examine(view)
        if any(problem.level == "error" for problem in problems):
            return problems, None
        variables = MappingProxyType(check.copied(self._variables, "variables", f"of workflow {self.label!r}"))
        return assemble(view, variables, self._options, problems)

    # --- what stands for a node ----------------------------------------------------------------------------------------

    def _resolve(self, node: object, what: str) -> str:
        """The name of the node that is meant. A name need not be known yet; a function must be."""
        if isinstance(node, str):
            return sys.intern(check.name_of(node, what))
        if isinstance(node, Node):
            self._own(node)
            return node.name
        if not callable(node):
            raise TypeError(f"{what} must be a name, a node or a function, not {check.shown(node)}")
        names = self._names_of.get(_key(node), [])
        if len(names) == 1:
            return names[0]
        if not names:
            name = default_name(node)
            text = f"{what}: function {name!r} is no node of workflow {self.label!r}; add it first, or write the node's name"
            raise UnknownNode(text, name)
        several = f"function {default_name(node)!r} is several nodes of workflow {self.label!r}, {listed(names)}"
        raise ValueError(f"{what}: {several}; write the name of the one meant")

    def _own(self, node: Node[..., Any]) -> None:
        """Refuse a node of another workflow."""
        owner: Graph = node._owner
        if owner is not self:
            other = f"workflow {owner.label!r}" if owner.label != self.label else f"another workflow {owner.label!r}"
            raise ValueError(
                f"node {node.name!r} belongs to {other}, not to workflow {self.label!r}; workflows share functions, not nodes: "
                f"add {node.name}.__wrapped__ here"
            )


def _key(function: Any) -> Hashable:
    """What a callable is found again by."""
    try:
        hash(function)
    except TypeError:
        return id(function)
    return function  # type: ignore[no-any-return]
