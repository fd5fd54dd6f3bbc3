"""Random workflows of known output."""

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Any

import actorflow as af

Shape = tuple[af.Definition, Callable[[int], Any]]


def handler(rng: Random, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a handler: sync or async, quick or not quite."""

    def sync(x):
        return function(x)

    def sync_slow(x):
        time.sleep(0.0002)
        return function(x)

    async def at_once(x):
        return function(x)

    async def waits(x):
        await asyncio.sleep(0)
        return function(x)

    async def sleeps(x):
        await asyncio.sleep(0.0002)
        return function(x)

    return rng.choice((sync, sync, sync_slow, at_once, waits, sleeps))


def chain(rng: Random) -> Shape:
    """One after the other, each adds 1."""
    length = rng.randint(1, 12)
    flow = af.Workflow("chain")
    for number in range(length):
        flow.add(handler(rng, lambda x: x + 1), name=f"n{number}")
    if length > 1:
        flow.chain(*(f"n{number}" for number in range(length)))
    return flow.build(), lambda x: x + length


def fan(rng: Random) -> Shape:
    """Several beside each other, added up by a join."""
    width = rng.randint(2, 10)
    flow = af.Workflow("fan")
    flow.add(handler(rng, lambda x: x), name="source")
    flow.add(handler(rng, lambda slots: sum(slots.values())), name="sum", join="all")
    for number in range(width):
        flow.add(handler(rng, lambda x, n=number: x + n), name=f"n{number}")
        flow.connect("source", f"n{number}")
        flow.connect(f"n{number}", "sum")
    return flow.build(), lambda x: width * x + sum(range(width))


def diamond(rng: Random) -> Shape:
    """Two branches of which one may be skipped, three times in a row."""
    flow = af.Workflow("diamond")
    flow.add(handler(rng, lambda x: x), name="top0")
    for number in range(3):
        flow.add(handler(rng, lambda x: x + 1), name=f"even{number}")
        flow.add(handler(rng, lambda x: x + 3), name=f"odd{number}")
        flow.add(handler(rng, lambda slots: sum(slots.values())), name=f"top{number + 1}", join="all")
        flow.connect(f"top{number}", f"even{number}", when=lambda message: message.payload % 2 == 0)
        flow.connect(f"top{number}", f"odd{number}", when=lambda message: message.payload % 2 == 1)
        flow.connect(f"even{number}", f"top{number + 1}")
        flow.connect(f"odd{number}", f"top{number + 1}")

    def expected(x: int) -> int:
        for _ in range(3):
            x += 1 if x % 2 == 0 else 3
        return x

    return flow.build(), expected


def stream(rng: Random) -> Shape:
    """A stream through nodes that work on several at once and have little room, collected again."""
    count = rng.randint(0, 40)

    def values(x):
        for number in range(count):
            yield x + number

    async def values_async(x):
        for number in range(count):
            if number % 7 == 0:
                await asyncio.sleep(0)
            yield x + number

    flow = af.Workflow("stream")
    flow.add(rng.choice((values, values_async)), name="values")
    room = af.Mailbox(capacity=rng.choice((1, 2, 1000)))
    for number in range(2):
        flow.add(handler(rng, lambda x: x * 2), name=f"n{number}", concurrency=rng.choice((1, 3)), mailbox=room)
    flow.add(handler(rng, lambda xs: xs), name="all", join="collect")
    flow.chain("values", "n0", "n1", "all")
    return flow.build(), lambda x: [4 * (x + number) for number in range(count)]


def loop(rng: Random) -> Shape:
    """A cycle that is left once it has been taken often enough."""
    limit = rng.randint(1, 15)
    flow = af.Workflow("loop")
    flow.add(handler(rng, lambda x: x + 1), name="body", join="any")
    flow.add(handler(rng, lambda x: x), name="done")
    flow.connect("body", "body", back=True, when=lambda message: message.payload % 20 < limit)
    flow.connect("body", "done", when=lambda message: message.payload % 20 >= limit)

    def expected(x: int) -> int:
        x += 1
        while x % 20 < limit:
            x += 1
        return x

    return flow.build(), expected


SHAPES = (chain, fan, diamond, stream, loop)


def some(rng: Random, count: int) -> list[Shape]:
    """So many random workflows."""
    return [rng.choice(SHAPES)(rng) for _ in range(count)]
