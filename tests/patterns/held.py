"""What the tests of patterns share: handlers that wait until the test lets them go, and short words for results."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import actorflow as af
from actorflow.testing import SimulatedEngine

__all__ = ["SEEDS", "Gate", "counts", "recorded", "simulated", "statuses"]

SEEDS = range(100)


class Gate:
    """Makes handlers that wait until `open()`; each counts in `waiting` while it does."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.waiting = 0

    def open(self) -> None:
        """Let all go, those that wait and those to come."""
        self._event.set()

    def held(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The function, but its result comes only once the gate is open."""

        async def handler(payload: Any) -> Any:
            self.waiting += 1
            await self._event.wait()
            self.waiting -= 1
            return function(payload)

        return handler


def recorded(calls: list[Any], name: str, function: Callable[[Any], Any] = lambda payload: payload) -> Callable[[Any], Any]:
    """The function, and a note of each of its calls."""

    def handler(payload: Any) -> Any:
        calls.append(name)
        return function(payload)

    return handler


def simulated(flow: af.Workflow, payload: Any = None, seed: int = 0) -> tuple[SimulatedEngine, af.Run]:
    """An engine, and a run of it that has gone on until nothing can go on at this instant."""
    engine = SimulatedEngine(seed)
    run = engine.start(flow, payload)
    engine.run_until_idle()
    return engine, run


def counts(result: af.RunResult | af.Run) -> dict[str, int]:
    """How often each node has completed, failed or been cancelled, without those that have not."""
    nodes = result.snapshot().nodes if isinstance(result, af.Run) else result.nodes
    return {name: node.executions for name, node in nodes.items() if node.executions}


def statuses(result: af.RunResult | af.Run) -> dict[str, str]:
    """The status of each node, as text."""
    nodes = result.snapshot().nodes if isinstance(result, af.Run) else result.nodes
    return {name: str(node.status) for name, node in nodes.items()}
