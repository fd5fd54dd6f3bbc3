"""What one hop costs, from node to node: in a chain, a fan-out with its fan-in, and layers of joins; sync and async handlers.
A hop is one activation of a node, by hand one message or one set of inputs that a task has taken."""

from __future__ import annotations

from actorflow import Definition, Engine
from tools.bench import graphs, handwritten
from tools.bench.measure import Benchmark, Loop, Row, Settings, Yardstick, on_loop, race, timed

__all__ = ["BENCHMARKS"]

TIMES = 3


def chain(settings: Settings) -> list[Row]:
    """A chain against a pipeline by hand, made anew for each message or kept, and against a bare loop of calls."""
    length = settings.size(1000, tiny=5, long=10_000)
    calls = [graphs.passes] * length
    with on_loop() as loop:
        kept = loop.run(_kept(length))
        yardsticks = (
            Yardstick("asyncio queues", timed(lambda: loop.run(handwritten.Chain.once(length, 1)), length, TIMES), target=1.0),
            Yardstick("asyncio queues, made before", timed(lambda: loop.run(kept.send(1)), length, TIMES)),
            Yardstick("bare calls", timed(lambda: handwritten.calls(calls, 1), length, TIMES)),
        )
        definitions = graphs.chain(length, graphs.passes), graphs.chain(length, graphs.apass)
        rows = _sync_and_async(settings, f"chain of {length:,}", definitions, length, loop, *yardsticks)
        loop.run(kept.close())
    return rows


async def _kept(length: int) -> handwritten.Chain:
    return handwritten.Chain(length)


def fan(settings: Settings) -> list[Row]:
    """Fan-out and fan-in against tasks and queues by hand."""
    width = settings.size(1000, tiny=5, long=10_000)
    definitions = graphs.fan(width, graphs.one), graphs.fan(width, graphs.aone)
    with on_loop() as loop:
        yardstick = Yardstick("asyncio queues", timed(lambda: loop.run(handwritten.fan(width, 1)), width, TIMES), target=1.0)
        return _sync_and_async(settings, f"fan-out/fan-in of {width:,}", definitions, width, loop, yardstick)


def layered(settings: Settings) -> list[Row]:
    """Layers of nodes that each wait for three of the layer before."""
    layers, width, fanin = 10, settings.size(100, tiny=4, long=1000), 3
    hops = layers * width
    definitions = graphs.layered(layers, width, fanin, graphs.one), graphs.layered(layers, width, fanin, graphs.aone)
    with on_loop() as loop:
        by_hand = timed(lambda: loop.run(handwritten.layered(layers, width, fanin, 1)), hops, TIMES)
        yardstick = Yardstick("asyncio queues", by_hand, target=1.0)
        return _sync_and_async(settings, f"layered {layers} x {width:,} x {fanin}", definitions, hops, loop, yardstick)


def _sync_and_async(
    settings: Settings, work: str, definitions: tuple[Definition, Definition], hops: int, loop: Loop, *yardsticks: Yardstick
) -> list[Row]:
    """The graph with sync handlers in `engine.run`, then that with async ones on the loop."""
    of_sync, of_async = definitions
    with Engine() as engine:
        rows = race(settings, f"{work}, sync", "us/hop", timed(lambda: engine.run(of_sync, 1), hops, TIMES), *yardsticks)
    return rows + race(settings, f"{work}, async", "us/hop", timed(lambda: loop.finish(of_async, 1), hops, TIMES), *yardsticks)


BENCHMARKS = (
    Benchmark("chain", "a chain of no-op nodes, per hop", chain),
    Benchmark("fan", "fan-out and fan-in of no-op nodes, per hop", fan),
    Benchmark("layered", "layers of no-op nodes with three inputs each, per hop", layered),
)
