"""Others that could do the work. pykka is there in any case, as actorflow is built on it: a chain of its own actors, each with
a thread. langgraph is asked for with --peers, and measured where it can be imported: docs/benchmarks.md says how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypedDict

import pykka

from actorflow import Engine
from tools.bench import graphs
from tools.bench.measure import Benchmark, Row, Settings, Skipped, Yardstick, on_loop, race, timed

__all__ = ["BENCHMARKS"]

TIMES = 10


class _Link(pykka.ThreadingActor):
    """Passes a message on to the next actor, the last one to a future."""

    def __init__(self, target: pykka.ActorRef[Any] | None) -> None:
        super().__init__()
        self.target = target

    def on_receive(self, message: tuple[Any, pykka.Future[Any]]) -> None:
        value, result = message
        if self.target is None:
            result.set(graphs.passes(value))
        else:
            self.target.tell((graphs.passes(value), result))


def plain_pykka(settings: Settings) -> list[Row]:
    """A chain of plain pykka actors, made before, against a run of ours, which makes its own."""
    length = settings.size(100, tiny=3)
    definition = graphs.chain(length, graphs.passes)
    with Engine() as engine, _links(length) as first:
        yardstick = Yardstick("pykka.ThreadingActor", timed(lambda: _send(first), length, TIMES))
        return race(settings, f"chain of {length}, sync", "us/hop", timed(lambda: engine.run(definition, 1), length, TIMES), yardstick)


@contextmanager
def _links(length: int) -> Iterator[pykka.ActorRef[Any]]:
    links: list[pykka.ActorRef[Any]] = []
    try:
        for _ in range(length):
            links.append(_Link.start(links[-1] if links else None))
        yield links[-1]
    finally:
        for link in reversed(links):
            link.stop()


def _send(first: pykka.ActorRef[Any]) -> Any:
    result: pykka.Future[Any] = pykka.ThreadingFuture()
    first.tell((1, result))
    return result.get()


class _State(TypedDict):
    value: int


def langgraph(settings: Settings) -> list[Row]:
    """A chain and a fan-out of langgraph's, compiled before, invoked sync and async, without a checkpointer."""
    if not settings.peers:
        raise Skipped("a full engine beside ours is measured only with --peers")
    try:
        graph = import_module("langgraph.graph")
    except ImportError:
        raise Skipped("langgraph cannot be imported here; docs/benchmarks.md says how to measure it") from None
    length = settings.size(100, tiny=3)
    theirs = _langgraph_chain(graph, length)
    limit = {"recursion_limit": length + 10}
    of_sync, of_async = graphs.chain(length, graphs.passes), graphs.chain(length, graphs.apass)
    with on_loop() as loop, Engine() as engine:
        yardstick = Yardstick("langgraph", timed(lambda: theirs.invoke({"value": 1}, limit), length), target=0.1)
        rows = race(settings, f"chain of {length}, sync", "us/hop", timed(lambda: engine.run(of_sync, 1), length, TIMES), yardstick)
        yardstick = yardstick._replace(go=timed(lambda: loop.run(theirs.ainvoke({"value": 1}, limit)), length))
        return rows + race(
            settings, f"chain of {length}, async", "us/hop", timed(lambda: loop.finish(of_async, 1), length, TIMES), yardstick
        )


def _langgraph_chain(graph: Any, length: int) -> Any:
    builder = graph.StateGraph(_State)
    names = [f"n{number}" for number in range(length)]
    for name in names:
        builder.add_node(name, _step)
    for source, target in zip([graph.START, *names], [*names, graph.END]):
        builder.add_edge(source, target)
    return builder.compile()


def _step(state: _State) -> _State:
    return {"value": state["value"]}


BENCHMARKS = (
    Benchmark("pykka", "a chain of 100 beside plain pykka actors", plain_pykka),
    Benchmark("langgraph", "a chain of 100 beside langgraph, with --peers", langgraph),
)
