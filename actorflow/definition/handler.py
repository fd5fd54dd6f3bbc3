"""Handlers: the user code of a node, made ready to be called with a payload and a context.

Not here: which parameter gets what (`calls`), on which thread or loop it runs (`executors`). A Handler is made once for each
callable and way of calling it, and shared by all nodes and runs; that of a class is bound to an instance for each run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actorflow.definition.calls import Call, Choice, choose, compiled
from actorflow.definition.signature import Facts, Flavour, Parameter, default_name, inspect_callable, is_async
from actorflow.messages import NOTHING
from actorflow.payloads import copy_payload

__all__ = ["ClassNode", "Handler", "HandlerCache", "HandlerFault", "Hook", "default_name", "is_async", "make_handler"]


class HandlerFault(TypeError):
    """A callable that cannot be the handler of a node, or not of this one. Its text is meant for the user."""


class Handler(Struct, frozen=True, eq=False, kw_only=True):
    """A callable and how to call it. `invoke(payload, ctx)` calls it, after the checks; what comes back is, by `flavour`, the
    value, a coroutine, an iterator or an async iterator. `ctx` needs the attributes `error`, a Failure or None, and `node`.

    `plain`: `callable(payload)` does the same as `invoke`. `needs_context`: it, or the `on_start` of its class, has a parameter
    for the context or the failure, so `ctx` must be a Context. `checks`: it may raise PayloadError, in `invoke` itself. `stream`: what it returns is to be
    iterated over. `returns`: the annotation of the values it sends, Any where there is none. `node_class`: set for a class
    node, whose handler is called after `bind`."""

    callable: Callable[..., Any]
    invoke: Call
    flavour: Flavour
    stream: bool
    plain: bool
    needs_context: bool
    checks: bool
    facts: Facts
    choice: Choice
    node_class: ClassNode | None = None

    def __repr__(self) -> str:
        return f"Handler({self.default_name}, {self.flavour})"

    @property
    def streaming(self) -> bool:
        """Whether each value is sent as a message of its own."""
        return self.stream or self.flavour in ("generator", "async_generator")

    @property
    def is_async(self) -> bool:
        """Whether it belongs on an event loop."""
        return self.flavour in ("async", "async_generator")

    @property
    def default_name(self) -> str:
        """The name of a node that was given none."""
        return self.facts.name if self.node_class is None else self.node_class.cls.__name__

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters, without `self`."""
        return self.facts.parameters

    @property
    def returns(self) -> Any:
        """The annotation of the values it sends, Any where there is none."""
        return self.facts.returns

    @property
    def warnings(self) -> tuple[str, ...]:
        """Annotations that are not checked, and why."""
        return self.facts.warnings

    def bind(self, instance: Any) -> Handler:
        """The handler of a class node for the instance of one run."""
        receive = instance.receive
        invoke, plain = compiled(self.facts, self.choice, receive)
        return replace(self, callable=receive, invoke=invoke, plain=plain)


class Hook(Struct, frozen=True, eq=False):
    """`on_start` or `on_stop` of a class node. `call(instance, ctx)` gives a coroutine if `is_async`."""

    name: str
    is_async: bool
    needs_context: bool
    facts: Facts

    def call(self, instance: Any, ctx: Any) -> Any:
        """Call it, with the context if it has a parameter for one."""
        return compiled(self.facts, Choice(False, ()), getattr(instance, self.name))[0](None, ctx)


class ClassNode(Struct, frozen=True, eq=False):
    """A class of which each run makes an instance of its own, and the arguments it is made with."""

    cls: type
    args: Mapping[str, Any]
    on_start: Hook | None
    on_stop: Hook | None

    @property
    def has_async_hooks(self) -> bool:
        """Whether it needs an event loop, whatever its `receive` is."""
        return any(hook is not None and hook.is_async for hook in (self.on_start, self.on_stop))

    def make(self, state: Any = NOTHING) -> Any:
        """A new instance, with copies of the arguments; `state` is what an earlier one has left."""
        instance = self.cls(**copy_payload(dict(self.args), f"args of {self.cls.__name__}"))
        if state is not NOTHING:
            instance.state = state
        return instance

    @staticmethod
    def state_of(instance: Any) -> Any:
        """The state to be kept, not copied; NOTHING if the instance has none."""
        return getattr(instance, "state", NOTHING)


def make_handler(
    function: Any,
    slots: Sequence[str] | None = None,
    *,
    node: str = "",
    stream: bool = False,
    inputs: Sequence[str] | None = None,
    args: Mapping[str, Any] | None = None,
) -> Handler:
    """One handler; see `HandlerCache.make`."""
    return HandlerCache().make(function, slots, node=node, stream=stream, inputs=inputs, args=args)


class HandlerCache:
    """Makes handlers, the same one for the same callable called in the same way. For one graph, or for the time of one build:
    it keeps what it has seen."""

    def __init__(self) -> None:
        self._facts: dict[Any, tuple[Any, Facts]] = {}
        self._handlers: dict[Any, Handler] = {}
        self._fixed: dict[Any, Handler] = {}
        self._classes: dict[type, _ClassFacts] = {}

    def make(
        self,
        function: Any,
        slots: Sequence[str] | None = None,
        *,
        node: str = "",
        stream: bool = False,
        inputs: Sequence[str] | None = None,
        args: Mapping[str, Any] | None = None,
    ) -> Handler:
        """The handler of a node. `slots` are the input slots of a join whose payload is a dict of them, `inputs` those that
        `inputs=` maps, which then stand for the former; `args` are those of a class. Raises HandlerFault."""
        key = _identity(function)
        fixed = self._fixed.get((key, stream))
        if fixed is not None and inputs is None:
            return fixed
        if isinstance(function, type):
            return self._class_handler(function, slots, node, stream, inputs, args)
        facts = self._facts_of(key, function, node)
        choice = _chosen(facts, slots, inputs, node)
        handler = self._handlers.get((key, stream, choice))
        if handler is None:
            handler = self._handlers[key, stream, choice] = _handler(function, facts, choice, stream)
        if inputs is None and _ignores_slots(facts):
            self._fixed[key, stream] = handler
        return handler

    def _facts_of(self, key: Any, function: Any, node: str) -> Facts:
        known = self._facts.get(key)
        if known is None:
            if not callable(function):
                raise HandlerFault(_not_callable(function, node))
            known = self._facts[key] = function, inspect_callable(function)  # the function is kept, for its id is the key
        return known[1]

    def _class_handler(
        self, cls: type, slots: Sequence[str] | None, node: str, stream: bool, inputs: Sequence[str] | None, args: Mapping[str, Any] | None
    ) -> Handler:
        """Not shared, as its arguments belong to one node; what is seen of the class is."""
        seen = self._classes.get(cls)
        if seen is None:
            seen = self._classes[cls] = _look_at_class(cls, node)
        arguments = {} if args is None else dict(args)
        if seen.signature is not None:
            _check_arguments(cls, seen.signature, arguments, node)
        node_class = ClassNode(cls, arguments, seen.on_start, seen.on_stop)
        handler = _handler(cls, seen.facts, _chosen(seen.facts, slots, inputs, node), stream)
        needs_context = handler.needs_context or (seen.on_start is not None and seen.on_start.needs_context)
        return replace(handler, invoke=_not_bound, plain=False, needs_context=needs_context, node_class=node_class)


def _identity(function: Any) -> Any:
    """What tells callables apart, whatever they say of being equal; a method is another object each time it is looked up."""
    if type(function) is MethodType:
        return id(function.__self__), id(function.__func__)
    return id(function)


def _chosen(facts: Facts, slots: Sequence[str] | None, inputs: Sequence[str] | None, node: str) -> Choice:
    choice = choose(facts.parameters, slots if inputs is None else inputs, mapped=inputs is not None)
    if isinstance(choice, str):
        raise HandlerFault(f"node {node!r}: {choice}")
    return choice


def _ignores_slots(facts: Facts) -> bool:
    """Whether it is called in the same way whatever the slots of a join are."""
    return sum(p.role == "value" for p in facts.parameters) <= 1 and all(p.kind != "kwargs" for p in facts.parameters)


def _handler(function: Callable[..., Any], facts: Facts, choice: Choice, stream: bool) -> Handler:
    invoke, plain = compiled(facts, choice, function)
    return Handler(
        callable=function,
        invoke=invoke,
        flavour=facts.flavour,
        stream=stream,
        plain=plain,
        needs_context=any(parameter.role != "value" for parameter in facts.parameters),
        checks=choice.by_slot or any(p.check is not None for p in facts.parameters if p.name in choice.names),
        facts=facts,
        choice=choice,
    )


def _not_callable(value: Any, node: str) -> str:
    if inspect.iscoroutine(value) or inspect.isgenerator(value) or inspect.isasyncgen(value):
        return f"node {node!r}: its handler is a {type(value).__name__}, which runs once; give the function, without calling it"
    if hasattr(value, "receive"):
        return f"node {node!r}: its handler is an instance of {type(value).__name__}; give the class, of which each run makes one"
    return f"node {node!r}: its handler is a {type(value).__name__}, which cannot be called"


# --- class nodes -----------------------------------------------------------------------------------------------------


class _ClassFacts(Struct, frozen=True, eq=False):
    """What is known of a class: the facts of its `receive`, without self, its hooks, and how it is made, if it tells."""

    facts: Facts
    on_start: Hook | None
    on_stop: Hook | None
    signature: inspect.Signature | None


def _look_at_class(cls: type, node: str) -> _ClassFacts:
    if not callable(getattr(cls, "receive", None)):
        text = f"class {cls.__name__} has no method receive(self, payload)"
        raise HandlerFault(f"node {node!r}: {text}; for a node that calls the class, give a function that does")
    if inspect.isabstract(cls):
        raise HandlerFault(f"node {node!r}: class {cls.__name__} is abstract, so no run can make an instance")
    facts = inspect_callable(cls.receive, bound=_takes_self(cls, "receive"))  # type: ignore[attr-defined]
    try:
        signature = inspect.signature(cls)
    except (ValueError, TypeError):
        signature = None
    return _ClassFacts(facts, _hook(cls, "on_start", node), _hook(cls, "on_stop", node), signature)


def _takes_self(cls: type, name: str) -> bool:
    held = inspect.getattr_static(cls, name)
    return hasattr(type(held), "__get__") and not isinstance(held, staticmethod | classmethod)


def _hook(cls: type, name: str, node: str) -> Hook | None:
    function = getattr(cls, name, None)
    if function is None:
        return None
    if not callable(function):
        raise HandlerFault(f"node {node!r}: {name} of class {cls.__name__} is not a method")
    facts = inspect_callable(function, bound=_takes_self(cls, name))
    others = [p.name for p in facts.parameters if p.role != "context" and p.required and p.kind not in ("args", "kwargs")]
    if others or facts.flavour in ("generator", "async_generator"):
        raise HandlerFault(f"node {node!r}: {name} of class {cls.__name__} must be {name}(self) or {name}(self, ctx), sync or async")
    return Hook(name, facts.flavour == "async", any(p.role == "context" for p in facts.parameters), facts)


def _check_arguments(cls: type, signature: inspect.Signature, args: Mapping[str, Any], node: str) -> None:
    """Refuse arguments that the class would not take."""
    try:
        signature.bind(**args)
        return
    except TypeError as error:
        reason = str(error)
    raise HandlerFault(f"node {node!r}: class {cls.__name__} cannot be made with its args=: {reason}")


def _not_bound(payload: Any, ctx: Any) -> Any:
    raise RuntimeError("the handler of a class node is called through bind()")
