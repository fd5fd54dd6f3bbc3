"""What conditions, ports and type filters add to the same chain without them: at handlers that do nothing, in microseconds a
hop, and at handlers of 5 ms, in per cent."""

from __future__ import annotations

import time
from typing import Any

import actorflow as af
from tools.bench import graphs
from tools.bench.measure import Benchmark, Contestant, Row, Scale, Settings, Yardstick, race, timed

__all__ = ["BENCHMARKS"]

FILTERS: dict[str, dict[str, Any]] = {
    "a condition": {"when": "output >= 0"},
    "a condition that is a callable": {"when": lambda message: message.payload >= 0},
    "a type filter": {"types": int},
}
MOST_US = 0.2
MOST_PERCENT = 2.0
TIMES = 3


def _emits(value: Any) -> af.Emit:
    return af.Emit(value)


def _emits_on_port(value: Any) -> af.Emit:
    return af.Emit(value, port="main")


def _sleeps(value: Any) -> Any:
    time.sleep(0.005)
    return value


def _sleeps_and_emits(value: Any) -> af.Emit:
    time.sleep(0.005)
    return af.Emit(value, port="main")


def at_no_ops(settings: Settings) -> list[Row]:
    """Beside the filters: a port, against a chain of the same handlers that send on the primary port, and against plain ones."""
    length = settings.size(1000, tiny=4, long=10_000)
    with af.Engine() as engine:
        bare = _hops(engine, length, graphs.passes)
        rows = [
            row
            for name, filters in FILTERS.items()
            for row in _extra(settings, name, _hops(engine, length, graphs.passes, **filters), "the chain without", bare)
        ]
        on_port, emitting = _hops(engine, length, _emits_on_port, port="main"), _hops(engine, length, _emits)
        rows += _extra(settings, "a port", on_port, "a chain that returns Emit(value)", emitting)
        return rows + _extra(settings, "a port, with its Emit", on_port, "the chain without", bare)


def _extra(settings: Settings, name: str, ours: Contestant, against: str, other: Contestant) -> list[Row]:
    return race(settings, f"{name} at each hop, no-op", "us/hop", ours, Yardstick(against, other, target=MOST_US, scale=Scale.EXTRA))


def _hops(engine: af.Engine, length: int, handler: graphs.Handler, times: int = TIMES, **filters: Any) -> Contestant:
    definition = graphs.chain(length, handler, **filters)
    return timed(lambda: engine.run(definition, 1), length, times)


def at_five_ms(settings: Settings) -> list[Row]:
    """A few nodes that take 5 ms each."""
    length = settings.size(20, tiny=2)
    chains = {name: (_sleeps, filters) for name, filters in FILTERS.items()} | {
        "a port, with its Emit": (_sleeps_and_emits, {"port": "main"})
    }
    with af.Engine() as engine:
        yardstick = Yardstick("the chain without", _hops(engine, length, _sleeps, 1), target=MOST_PERCENT, scale=Scale.PERCENT)
        return [
            row
            for name, (handler, filters) in chains.items()
            for row in race(settings, f"{name} at each hop, 5 ms", "us/hop", _hops(engine, length, handler, 1, **filters), yardstick)
        ]


BENCHMARKS = (
    Benchmark("filters", "conditions, ports and type filters at no-op handlers", at_no_ops),
    Benchmark("filters-5ms", "the same at handlers of 5 ms", at_five_ms),
)
