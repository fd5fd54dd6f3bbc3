"""A GraphSpec as an actorflow Workflow, by the public contract alone (api.md, section 1). Handlers keep nothing but what they append to
`recorder`: (node, canonical input) for each call, in the order in which calls began."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import actorflow as af
from tests.reference.spec import ConnectionSpec, GraphSpec, NodeSpec, Outcome, Port, behave, recorded_input

Recorder = list[tuple[str, Any]]  # list.append is atomic
FLAVOURS = ("sync", "async", "mixed")
_TYPES: dict[str, type] = {t.__name__: t for t in (int, str, list, dict, ValueError, KeyError, ArithmeticError, Exception)}


def to_workflow(spec: GraphSpec, recorder: Recorder | None = None, *, flavour: str = "sync", name: str = "reference") -> af.Workflow:
    """`flavour`: "sync", "async", or "mixed" (by the node's name). The Workflow is not built yet."""
    assert flavour in FLAVOURS, flavour
    flow = af.Workflow(name)
    calls: Recorder = [] if recorder is None else recorder
    for node in spec.nodes:
        asynchronous = flavour == "async" or (flavour == "mixed" and zlib.crc32(node.name.encode()) % 2 == 1)
        options: dict[str, Any] = {"name": node.name}
        if node.join is not None:
            options["join"] = af.Collect(scope=node.scope) if node.scope is not None else node.join
        flow.add(_handler(spec, node, calls, asynchronous), **options)
    for connection in spec.connections:
        flow.connect(connection.source, connection.target, **_options(connection))
    for entry in spec.entries:
        flow.entry(entry)
    return flow


def _options(connection: ConnectionSpec) -> dict[str, Any]:
    """Only what is not a default."""
    options: dict[str, Any] = {}
    if connection.on != "complete":
        options["on"] = connection.on
    if connection.port is not None:
        options["port"] = connection.port
    if connection.to is not None:
        options["to"] = connection.to
    if connection.condition is not None:
        options["when"] = connection.condition_text
    if connection.types is not None:
        kinds = tuple(_TYPES[name] for name in connection.types)
        options["types"] = kinds[0] if len(kinds) == 1 else kinds
    if connection.back:
        options["back"] = True
    if connection.limit is not None:
        options["limit"] = connection.limit
    if not connection.enabled:
        options["enabled"] = False
    return options


def _sent(value: Any, port: Port) -> Any:
    return value if port is None else af.Emit(value, port=port)


def _answer(node: NodeSpec, outcome: Outcome) -> Any:
    """What a handler that is no stream returns, or raises."""
    if outcome.error is not None:
        raise ValueError(f"{node.name} fails")
    if not outcome.messages:
        return af.NOTHING
    if len(outcome.messages) > 1:
        return af.Emits(*(af.Emit(value, port=port) for value, port in outcome.messages))
    ((value, port),) = outcome.messages
    return _sent(value, port)


def _handler(spec: GraphSpec, node: NodeSpec, calls: Recorder, asynchronous: bool) -> Callable[..., Any]:
    """One of four kinds, each with the one parameter `payload`."""

    def called(payload: Any) -> Outcome:
        calls.append((node.name, recorded_input(spec, node, payload)))
        return behave(spec, node, payload)

    def plain(payload: Any) -> Any:
        return _answer(node, called(payload))

    async def plain_async(payload: Any) -> Any:
        return _answer(node, called(payload))

    def stream(payload: Any) -> Iterator[Any]:
        outcome = called(payload)
        for value, port in outcome.messages:
            yield _sent(value, port)
        if outcome.error is not None:
            raise ValueError(f"{node.name} fails midway")

    async def stream_async(payload: Any) -> AsyncIterator[Any]:
        outcome = called(payload)
        for value, port in outcome.messages:
            yield _sent(value, port)
        if outcome.error is not None:
            raise ValueError(f"{node.name} fails midway")

    if node.stream:
        return stream_async if asynchronous else stream
    return plain_async if asynchronous else plain
