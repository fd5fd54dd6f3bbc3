"""Many items from a generator through three stages: the time of each, and whether memory stays flat."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import perf_counter

import actorflow as af
from tools.bench import graphs, handwritten
from tools.bench.measure import Benchmark, Row, Scale, Settings, Skipped, Yardstick, apart, on_loop, race, row_of, timed

__all__ = ["BENCHMARKS", "growth", "item_times"]

BOUND = 1000
STATM = Path("/proc/self/statm")
FLAT = 2.0
"""MiB that a process may grow by while items pass, however many: what queues and the allocator take."""


def items(settings: Settings) -> list[Row]:
    """Against a pipeline by hand with bounded queues."""
    count = settings.size(50_000, tiny=20)
    of_sync, of_async = graphs.stream(graphs.passes, source), graphs.stream(graphs.apass, async_source)
    with on_loop() as loop, af.Engine() as engine:
        yardstick = Yardstick("asyncio queues", timed(lambda: loop.run(handwritten.pipeline(count, BOUND)), count), target=2.0)
        work = f"{count:,} items through 3 stages"
        rows = race(settings, f"{work}, sync", "us/item", timed(lambda: engine.run(of_sync, count), count), yardstick)
        return rows + race(settings, f"{work}, async", "us/item", timed(lambda: loop.finish(of_async, count), count), yardstick)


def source(count: int) -> Iterator[int]:
    """The numbers from 0 on."""
    yield from range(count)


async def async_source(count: int) -> AsyncIterator[int]:
    """The same, as an async generator."""
    for number in range(count):
        yield number


def flat(settings: Settings) -> list[Row]:
    """What the process grows by between a tenth of the items and the last."""
    return [_growth_row(settings.size(50_000, tiny=20))]


def million(settings: Settings) -> list[Row]:
    """Twenty times as many items: as fast for each, and no more memory."""
    count = settings.size(1_000_000, tiny=40)
    fewer = count // 20
    many, few = apart(item_times, count, fewer)
    work = f"{count:,} items through 3 stages, sync"
    return [
        row_of(work, "us/item", [many], against=f"{fewer:,} items", others=[few], scale=Scale.RATIO, target=1.3),
        _growth_row(count),
    ]


def _growth_row(count: int) -> Row:
    if not STATM.exists():
        raise Skipped("the size of a process is read from /proc, which this system has not")
    return row_of(f"{count:,} items: growth of the process from 10 % to 100 %", "MiB", [apart(growth, count)], target=FLAT)


def item_times(count: int, fewer: int) -> tuple[float, float]:
    """The seconds an item, of many and of fewer items."""
    definition = graphs.stream(graphs.passes, source)
    times = []
    with af.Engine() as engine:
        for number in (fewer, fewer, count):
            begun = perf_counter()
            engine.run(definition, number)
            times.append((perf_counter() - begun) / number)
    return times[2], times[1]


def growth(count: int) -> float:
    """The bytes by which this process grows while the last nine tenths of the items pass."""
    sizes = []

    def watched(number: int) -> Iterator[int]:
        for item in range(number):
            if item == number // 10:
                sizes.append(resident())
            yield item
        sizes.append(resident())

    with af.Engine() as engine:
        engine.run(graphs.stream(graphs.passes, watched), count)
    return float(sizes[1] - sizes[0])


def resident() -> int:
    """The bytes of memory that this process has."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


BENCHMARKS = (
    Benchmark("stream", "50,000 items through three stages, per item", items),
    Benchmark("stream-memory", "50,000 items through three stages, growth of memory", flat),
    Benchmark("stream-million", "1,000,000 items: per item and growth of memory", million, slow=True),
)
