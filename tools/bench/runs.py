"""Many small runs of a diamond of five nodes with a condition: one after another, and many in flight at once."""

from __future__ import annotations

import asyncio

import actorflow as af
from tools.bench import graphs, handwritten
from tools.bench.measure import Benchmark, Loop, Row, Settings, Yardstick, on_loop, race, timed

__all__ = ["BENCHMARKS"]

LIMIT_US = 50.0


def one_after_another(settings: Settings) -> list[Row]:
    """Each run is awaited before the next is started."""
    count = settings.size(2000, tiny=4, long=20_000)
    of_sync, of_async = graphs.diamond(graphs.one), graphs.diamond(graphs.aone)
    with on_loop() as loop, af.Engine() as engine:
        yardstick = Yardstick("asyncio.gather", timed(lambda: loop.run(_by_hand(count)), count))
        work = f"{count:,} runs of 5 nodes, one after another"
        ours = timed(lambda: _in_turn(engine, of_sync, count), count)
        rows = race(settings, f"{work}, sync", "us/run", ours, yardstick, limit=LIMIT_US)
        ours = timed(lambda: loop.run(_await_in_turn(loop.engine, of_async, count)), count)
        return rows + race(settings, f"{work}, async", "us/run", ours, yardstick, limit=LIMIT_US)


def in_flight(settings: Settings) -> list[Row]:
    """All are started, then all are awaited; against the same number one after another."""
    count = settings.size(1000, tiny=4, long=10_000)
    of_sync, of_async = graphs.diamond(graphs.one), graphs.diamond(graphs.aone)
    with on_loop() as loop, af.Engine() as engine:
        by_hand = Yardstick("asyncio.gather", timed(lambda: loop.run(_by_hand_at_once(count)), count))
        in_turn = Yardstick("one after another", timed(lambda: _in_turn(engine, of_sync, count), count), target=1.0)
        work = f"{count:,} runs of 5 nodes in flight"
        ours = timed(lambda: af.wait_all([engine.start(of_sync, 1) for _ in range(count)]), count)
        rows = race(settings, f"{work}, sync", "us/run", ours, in_turn, by_hand)
        in_turn = in_turn._replace(go=timed(lambda: loop.run(_await_in_turn(loop.engine, of_async, count)), count))
        ours = timed(lambda: _at_once(loop, of_async, count), count)
        return rows + race(settings, f"{work}, async", "us/run", ours, in_turn, by_hand)


def _in_turn(engine: af.Engine, definition: af.Definition, count: int) -> None:
    for _ in range(count):
        engine.run(definition, 1)


async def _await_in_turn(engine: af.Engine, definition: af.Definition, count: int) -> None:
    for _ in range(count):
        await engine.start(definition, 1)


def _at_once(loop: Loop, definition: af.Definition, count: int) -> None:
    async def go() -> None:
        for run in [loop.engine.start(definition, 1) for _ in range(count)]:
            await run

    loop.run(go())


async def _by_hand(count: int) -> None:
    for _ in range(count):
        await handwritten.diamond(1)


async def _by_hand_at_once(count: int) -> None:
    await asyncio.gather(*(handwritten.diamond(1) for _ in range(count)))


BENCHMARKS = (
    Benchmark("runs", "small runs one after another, per run", one_after_another),
    Benchmark("in-flight", "small runs, a thousand at once, per run", in_flight),
)
