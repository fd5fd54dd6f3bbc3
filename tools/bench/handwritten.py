"""The yardsticks: the same work written by hand in plain asyncio, as somebody would who needs just that, a task and a queue
for each node. No leases, no joins that settle, no status, no records. Not here: our side (`graphs`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from tools.bench.graphs import ahead, apass

__all__ = ["Chain", "calls", "diamond", "fan", "layered", "pipeline"]

Queue = asyncio.Queue[Any]


def calls(handlers: Sequence[Callable[[Any], Any]], value: Any) -> Any:
    """A bare loop of function calls."""
    for handler in handlers:
        value = handler(value)
    return value


class Chain:
    """One node after another; made once, it takes any number of messages, one at a time."""

    def __init__(self, length: int) -> None:
        self.queues = [Queue() for _ in range(length + 1)]
        self.tasks = [asyncio.create_task(_forward(source, target)) for source, target in pairwise(self.queues)]

    async def send(self, value: Any) -> Any:
        """Send a message through all nodes."""
        await self.queues[0].put(value)
        return await self.queues[-1].get()

    async def close(self) -> None:
        """End the tasks."""
        await _end(self.tasks)

    @classmethod
    async def once(cls, length: int, value: Any) -> Any:
        """Make it, send one message, end it."""
        chain = cls(length)
        result = await chain.send(value)
        await chain.close()
        return result


async def _forward(source: Queue, target: Queue) -> None:
    while True:
        await target.put(await apass(await source.get()))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def fan(width: int, value: Any) -> int:
    """A source, `width` nodes, each with a task and a queue, and a collector that counts what they send."""
    queues, joined = [Queue() for _ in range(width)], Queue()
    tasks = [asyncio.create_task(_forward(queue, joined)) for queue in queues]
    collector = asyncio.create_task(_count(joined, width))
    for queue in queues:
        await queue.put(value)
    count = await collector
    await _end(tasks)
    return count


async def _count(joined: Queue, width: int) -> int:
    count = 0
    while count < width:
        await joined.get()
        count += 1
    return count


async def layered(layers: int, width: int, fanin: int, value: Any) -> int:
    """Layers of nodes, each a task that takes `fanin` messages from its queue and then sends to its successors."""
    queues, done = [Queue() for _ in range(layers * width)], Queue()
    tasks = []
    for layer in range(layers):
        for number in range(layer * width, (layer + 1) * width):
            last = layer == layers - 1
            targets = [done] if last else [queues[target] for target in ahead(number, layer, width, fanin)]
            tasks.append(asyncio.create_task(_join(queues[number], 1 if layer == 0 else fanin, targets)))
    for queue in queues[:width]:
        await queue.put(value)
    count = await _count(done, width)
    await asyncio.gather(*tasks)
    return count


async def _join(source: Queue, fanin: int, targets: Sequence[Queue]) -> None:
    for _ in range(fanin):
        value = await source.get()
    value = await apass(value)
    for target in targets:
        await target.put(value)


async def diamond(value: int) -> Any:
    """Five calls, two of them beside each other, one of these on a condition."""
    value = await apass(value)
    branches = [apass(value), apass(value)] if value > 0 else [apass(value)]
    return await apass(await apass(await asyncio.gather(*branches)))


async def pipeline(items: int, bound: int) -> int:
    """A source and three stages: three tasks, a queue of at most `bound` items before each."""
    queues = [Queue(bound) for _ in range(3)]
    stages = [asyncio.create_task(_stage(queue, target)) for queue, target in zip(queues, [*queues[1:], None])]
    for item in range(items):
        await queues[0].put(item)
    await queues[0].put(None)
    return sum(await asyncio.gather(*stages))


async def _stage(source: Queue, target: Queue | None) -> int:
    """Forward until None comes; the last stage, which has no target, counts."""
    count = 0
    while True:
        item = await source.get()
        if target is not None:
            await target.put(item)
        if item is None:
            return count
        await apass(item)
        count += target is None
