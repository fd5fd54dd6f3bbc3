"""The only place that reads a clock. Not here: waiting, which is a due time somebody else keeps.

Instants inside actorflow are integer nanoseconds of a monotonic clock (`now`, `visible_at`), exact at a boundary;
wall time is aware UTC and says so (`started_utc`). Users write seconds; `seconds` turns them into nanoseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock", "seconds"]

NANOSECONDS = 1_000_000_000


class Clock(Protocol):
    """Where instants come from. Both methods are called from any thread and never block."""

    def now(self) -> int:
        """Monotonic nanoseconds; only differences mean something."""

    def utc(self) -> datetime:
        """The wall time, aware, in UTC."""


class SystemClock:
    """The clocks of the operating system."""

    now = staticmethod(time.monotonic_ns)

    @staticmethod
    def utc() -> datetime:
        """The wall time, aware, in UTC."""
        return datetime.now(UTC)


def seconds(value: float) -> int:
    """A duration in seconds as nanoseconds, rounded to the nearest."""
    return round(value * NANOSECONDS)
