"""Single parts: a message through the mailbox, copies of payloads, and what it costs a handler to ask whether it is cancelled."""

from __future__ import annotations

import copy
import threading
from collections import deque
from typing import Any

import actorflow as af
from actorflow.messages import Envelope
from actorflow.messaging import RingMailbox
from actorflow.payloads import copy_payload
from tools.bench.measure import Benchmark, Row, Scale, Settings, Yardstick, race, timed

__all__ = ["BENCHMARKS"]


def mailbox(settings: Settings) -> list[Row]:
    """One message through a mailbox: offered, leased, acknowledged."""
    cycles = settings.size(100_000, tiny=10)
    yardstick = Yardstick("deque under a lock", timed(lambda: _through_deque(cycles), cycles))
    return race(settings, "mailbox: offer, lease, ack", "us/cycle", timed(lambda: _through_mailbox(cycles), cycles), yardstick)


def _through_mailbox(cycles: int) -> None:
    ring, envelope = RingMailbox(), Envelope(1, 0, (), None)
    for now in range(cycles):
        ring.offer(envelope)
        lease = ring.lease(now)
        assert lease is not None
        ring.ack(lease)


def _through_deque(cycles: int) -> None:
    queue: deque[Envelope] = deque()
    lock, envelope = threading.Lock(), Envelope(1, 0, (), None)
    for _ in range(cycles):
        with lock:
            queue.append(envelope)
        with lock:
            queue.popleft()


def copies(settings: Settings) -> list[Row]:
    """A payload copied, against copy.deepcopy."""
    record: dict[str, Any] = {f"field{number}": number for number in range(10)}
    table = [{"id": number, "name": f"row {number}", "price": 1.5} for number in range(settings.size(10_000, tiny=3))]
    payloads: tuple[tuple[str, Any, int], ...] = (
        ("a number", 7, 100_000),
        ("a dict of ten keys", record, 20_000),
        (f"{len(table):,} rows", table, 1),
    )
    rows = []
    for name, payload, normal in payloads:
        times = settings.size(normal, tiny=1)
        yardstick = Yardstick("copy.deepcopy", timed(lambda payload=payload: copy.deepcopy(payload), 1, times))  # type: ignore[misc]
        rows += race(settings, f"copy of {name}", "us", timed(lambda payload=payload: copy_payload(payload), 1, times), yardstick)  # type: ignore[misc]
    return rows


class _Empty:
    """An object with an attribute that means nothing."""

    __slots__ = ("cancelled",)

    def __init__(self) -> None:
        self.cancelled = False


def cancelled(settings: Settings) -> list[Row]:
    """`ctx.cancelled` as a handler reads it, against an attribute of an empty object."""
    reads = settings.size(1_000_000, tiny=10)
    with af.Engine() as engine:
        context = engine.run(_context_of_a_handler())
    yardstick = Yardstick("an empty attribute", timed(lambda: _read(_Empty(), reads), reads), target=10.0, scale=Scale.EXTRA)
    return race(settings, "reading ctx.cancelled", "ns", timed(lambda: _read(context, reads), reads), yardstick)


def _context_of_a_handler() -> af.Definition:
    flow = af.Workflow("context")

    def handler(payload: Any, ctx: af.Context) -> af.Context:
        return ctx

    flow.add(handler)
    return flow.build()


def _read(owner: Any, reads: int) -> None:
    for _ in range(reads):
        owner.cancelled  # noqa: B018


BENCHMARKS = (
    Benchmark("mailbox", "offer, lease and ack of one message", mailbox),
    Benchmark("copies", "copies of payloads", copies),
    Benchmark("cancelled", "a read of ctx.cancelled", cancelled),
)
