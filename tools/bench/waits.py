"""A thousand waits at once: nodes whose async handler sleeps, against asyncio.gather."""

from __future__ import annotations

import asyncio

from tools.bench import graphs
from tools.bench.measure import Benchmark, Row, Settings, Yardstick, on_loop, race, timed

__all__ = ["BENCHMARKS"]


def waits(settings: Settings) -> list[Row]:
    """The whole fan-out, as a multiple of the same waits in one gather."""
    count = settings.size(1000, tiny=5, long=10_000)
    definition = graphs.fan(count, graphs.nap, ends=graphs.aone)
    with on_loop() as loop:
        yardstick = Yardstick("asyncio.gather", timed(lambda: loop.run(_by_hand(count)), 1), target=1.5)
        return race(settings, f"{count:,} async waits of 20 ms", "ms", timed(lambda: loop.finish(definition, 1), 1), yardstick)


async def _by_hand(count: int) -> None:
    await asyncio.gather(*(graphs.nap(1) for _ in range(count)))


BENCHMARKS = (Benchmark("waits", "1,000 async waits of 20 ms at once", waits),)
