"""The workflows that are measured. Their handlers do nothing, so that what is left is the engine. Not here: the same work by
hand (`handwritten`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import actorflow as af

__all__ = ["Handler", "ahead", "aone", "apass", "chain", "diamond", "fan", "layered", "nap", "one", "passes", "stream"]

Handler = Callable[..., Any]


def passes(value: Any) -> Any:
    """The sync handler that does nothing."""
    return value


async def apass(value: Any) -> Any:
    """The async handler that does nothing."""
    return value


def one(inputs: Any) -> int:
    """The sync handler that does nothing in a graph with joins, whose inputs would else grow from layer to layer."""
    return 1


async def aone(inputs: Any) -> int:
    """The same, async."""
    return 1


async def nap(value: Any) -> Any:
    """20 ms."""
    await asyncio.sleep(0.02)
    return value


def chain(length: int, handler: Handler, **filters: Any) -> af.Definition:
    """One node after another; `filters` go to each connection."""
    flow = af.Workflow("chain")
    names = [f"n{number}" for number in range(length)]
    for name in names:
        flow.add(handler, name=name)
    for source, target in pairwise(names):
        flow.connect(source, target, **filters)
    return flow.build()


def fan(width: int, handler: Handler, ends: Handler | None = None) -> af.Definition:
    """A source, `width` nodes beside each other, and a join of all of them. `ends`: the handler of source and join."""
    flow = af.Workflow("fan", results="none")
    flow.add(ends or handler, name="source")
    flow.add(ends or handler, name="join")
    for number in range(width):
        flow.add(handler, name=f"n{number}")
        flow.connect("source", f"n{number}")
        flow.connect(f"n{number}", "join")
    return flow.build()


def ahead(number: int, layer: int, width: int, fanin: int) -> list[int]:
    """The nodes of the next layer that a node feeds; each node there is fed by `fanin`. Nodes are numbered layer by layer."""
    first = (layer + 1) * width
    return [first + (number - layer * width + step) % width for step in range(fanin)]


def layered(layers: int, width: int, fanin: int, handler: Handler, gate: Handler | None = None) -> af.Definition:
    """Layers of nodes, each waiting for `fanin` of the layer before, with a node before the first and one after the last;
    these two have the handler `gate`, if it is given."""
    flow = af.Workflow("layered", results="none")
    flow.add(gate or handler, name="begin")
    flow.add(gate or handler, name="end")
    for number in range(layers * width):
        flow.add(handler, name=f"n{number}")
    for number in range(width):
        flow.connect("begin", f"n{number}")
        flow.connect(f"n{(layers - 1) * width + number}", "end")
    for layer in range(layers - 1):
        for number in range(layer * width, (layer + 1) * width):
            for target in ahead(number, layer, width, fanin):
                flow.connect(f"n{number}", f"n{target}")
    return flow.build()


def diamond(handler: Handler) -> af.Definition:
    """Five nodes: one, two beside each other (one of them on a condition), the join, and one more."""
    flow = af.Workflow("diamond")
    for name in ("first", "left", "right", "join", "last"):
        flow.add(handler, name=name)
    flow.connect("first", "left", when="output > 0")
    flow.connect("first", "right")
    flow.connect("left", "join")
    flow.connect("right", "join")
    flow.connect("join", "last")
    return flow.build()


def stream(handler: Handler, source: Handler) -> af.Definition:
    """A generator and three stages; what comes out of the last is not kept."""
    flow = af.Workflow("stream", results="none")
    flow.add(source, name="source")
    for name in ("first", "second", "third"):
        flow.add(handler, name=name)
    flow.chain("source", "first", "second", "third")
    return flow.build()
