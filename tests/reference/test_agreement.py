"""The engine and the reference interpreter agree on random graphs: which activations run with which inputs, what becomes of each
node, what the run puts out. On the simulator in seeded orders, and with threads and an event loop.

A seed that disagrees is printed with its graph, made as small as it gets; put it into SEEDS, so that it stays here for good."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine
from tests.reference.build import to_workflow
from tests.reference.compare import differences
from tests.reference.graphs import SETTLED, random_graph
from tests.reference.interpreter import Notes, Stalled, run
from tests.reference.shrink import shrink

LONG = os.environ.get("ACTORFLOW_LONG") == "1"
ALLOWED = SETTLED - {Notes.EMPTY_EXIT}
SEEDS = (92, 109, 148, 379, 395, 529, 567, 592, 623, 677, 761, 1054, 1093, 1150, 1263, 1329, 1803, 1837, 2019, 2141, 2228, 2632, 3017, 3231)
SEEDS += (3815, 4186, 4283, 4650, 4901, 5801, 6069, 6677, 6721, 9152, 9155, 10134, 10579, 10796, 22124, 23275, 51471, 53300)
FRESH = range(50_000, 50_000 + (10_000 if LONG else 250))


def graph(seed):
    """A random graph. About one in a thousand is beyond the interpreter: a cycle entered from exits below a stream of another
    cycle that never delivered, for a pass that no exit left. It says so (Stalled), and another graph takes the place."""
    for attempt in range(3):
        try:
            spec = random_graph(random.Random(seed + attempt * 1_000_000), 4 + seed % 12, allow=ALLOWED)
            run(spec)
        except Stalled:
            continue
        return spec
    raise AssertionError(f"the interpreter decides none of three graphs of seed {seed}")


def simulated(spec, flavour="sync", seed=1):
    """The differences between one simulated run and the reference."""
    calls = []
    engine = SimulatedEngine(seed)
    try:
        result = engine.start(to_workflow(spec, calls, flavour=flavour), spec.payload).wait(timeout=60)
    finally:
        engine.stop(drain=False)
    return differences(run(spec), result, calls, spec=spec)


def explained(spec, found):
    """What to print of a disagreement."""
    small = shrink(spec, lambda candidate: bool(simulated(candidate)))
    return "\n".join([small.to_text(), *simulated(small), "before it was made smaller:", *found])


@pytest.mark.timeout(0 if LONG else 120)
@pytest.mark.parametrize("part", range(10))
def test_the_simulator_agrees_on_random_graphs(part):
    for seed in (*SEEDS, *FRESH)[part::10]:
        spec = graph(seed)
        found = simulated(spec, seed=seed)
        assert not found, f"seed {seed}\n{explained(spec, found)}"


@pytest.mark.parametrize("flavour", ["async", "mixed"])
def test_async_handlers_agree_in_virtual_time(flavour):
    for seed in (*SEEDS, *FRESH)[::4]:
        found = simulated(graph(seed), flavour=flavour, seed=seed)
        assert not found, f"seed {seed}: {found}"


@pytest.mark.parametrize("flavour", ["sync", "mixed"])
def test_threads_agree_with_all_runs_in_flight_at_once(flavour):
    specs = [graph(seed) for seed in (*SEEDS, *FRESH)[::3]]
    calls = [[] for _ in specs]
    with af.Engine(workers=4) as engine:
        runs = [engine.start(to_workflow(spec, made, flavour=flavour), spec.payload) for spec, made in zip(specs, calls, strict=True)]
        results = af.wait_all(runs, timeout=50)
    for spec, result, made in zip(specs, results, calls, strict=True):
        assert not differences(run(spec), result, made, spec=spec), spec.to_text()


def test_an_event_loop_agrees_with_all_runs_in_flight_at_once():
    specs = [graph(seed) for seed in (*SEEDS, *FRESH)[1::3]]
    calls = [[] for _ in specs]

    async def main():
        async with af.Engine() as engine:
            runs = [engine.start(to_workflow(spec, made, flavour="async"), spec.payload) for spec, made in zip(specs, calls, strict=True)]
            return [await asyncio.wait_for(run.settled(), 50) for run in runs]

    for spec, result, made in zip(specs, asyncio.run(main()), calls, strict=True):
        assert not differences(run(spec), result, made, spec=spec), spec.to_text()
