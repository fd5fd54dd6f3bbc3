"""One run of very many nodes: what a hop costs compared with a run of 1,000, and how much memory a node takes. Each process
that measures is a new one, as what is left of earlier work would count."""

from __future__ import annotations

import gc
import threading
import tracemalloc

import actorflow as af
from tools.bench import graphs
from tools.bench.measure import Benchmark, Row, Scale, Settings, apart, row_of, timed

__all__ = ["BENCHMARKS", "hop_times", "memory"]

FANIN = 3
LAYERS = 10
KIB = 1024.0


def hops(settings: Settings) -> list[Row]:
    """The time of a hop in the large graph against that in a small one, the latter run as often as makes as many hops."""
    width = settings.size(10_000, tiny=4, long=50_000)
    small = min(width, 100)
    rounds = 1 if settings.tiny else min(settings.rounds, 3)
    large, little = apart(hop_times, width, small, rounds)
    work, against = f"{LAYERS * width:,} nodes in one run", f"{LAYERS * small:,} nodes"
    return [row_of(work, "us/hop", large, against=against, others=little, scale=Scale.RATIO, target=1.3)]


def hop_times(width: int, small: int, rounds: int) -> tuple[list[float], list[float]]:
    """The seconds of a hop in the large and in the small graph, of each round."""
    large_graph, small_graph = (graphs.layered(LAYERS, size, FANIN, graphs.one) for size in (width, small))
    with af.Engine(keep_runs=0) as engine:
        of_large = timed(lambda: engine.run(large_graph, 1), LAYERS * width)
        of_small = timed(lambda: engine.run(small_graph, 1), LAYERS * small, times=max(1, width // small))
        of_large(), of_small()
        pairs = [(of_large(), of_small()) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def node_memory(settings: Settings) -> list[Row]:
    """Bytes a node, of the definition and of the state of one run."""
    width = settings.size(10_000, tiny=4, long=50_000)
    nodes = LAYERS * width
    limits = {
        "definition, as built": 1.5 * KIB,
        "definition, with what its first run adds": 1.5 * KIB,
        "run state before the nodes have run": 64.0,
        "run state once they have, the run going on": 2 * KIB,
        "run state, the run being over": 2 * KIB,
    }
    work = f"{nodes:,} nodes of {FANIN} connections"
    sizes = apart(memory, width)
    return [
        row_of(f"{work}: {what}", "B/node", [size / nodes], target=limit) for (what, limit), size in zip(limits.items(), sizes, strict=True)
    ]


class _Gate:
    """A handler that waits until it is let through."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, inputs: object) -> int:
        self.entered.release()
        self.leave.acquire()
        return 1


def memory(width: int) -> tuple[int, int, int, int, int]:
    """Bytes in all: the definition as built, the same after a run; the run before its nodes, after them, and when it is over."""
    gate = _Gate()
    with af.Engine(keep_runs=0) as engine:
        engine.run(graphs.layered(2, 2, 2, graphs.one), 1)
        tracemalloc.start()
        definition = graphs.layered(LAYERS, width, FANIN, graphs.one, gate)
        held = [_held()]
        run = engine.start(definition, 1)
        for _ in range(2):  # before the first layer and after the last
            gate.entered.acquire()
            held.append(_held())
            gate.leave.release()
        run.wait()
        held.append(_held())
        del run
    planned = _held()
    built, waiting, going_on, over = held
    return built, planned, waiting - planned, going_on - planned, over - planned


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


BENCHMARKS = (
    Benchmark("large", "100,000 nodes in one run, per hop, against 1,000 nodes", hops),
    Benchmark("large-memory", "100,000 nodes in one run, bytes a node", node_memory),
)
