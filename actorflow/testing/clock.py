"""A clock that stands still until it is told to move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from actorflow.clock import seconds

__all__ = ["ManualClock"]


class ManualClock:
    """A clock that moves when it is told to. For an Engine with threads, and inside SimulatedEngine."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._now = 0
        self._watchers: list[Callable[[], None]] = []

    def now(self) -> int:
        """Nanoseconds since the clock was made."""
        return self._now

    def utc(self) -> datetime:
        """The instant it was made for, and what it advanced since."""
        return self._start + timedelta(microseconds=self._now // 1000)

    def advance(self, seconds_: float) -> None:
        """Move the clock; what falls due on threads happens soon after."""
        if not seconds_ >= 0:
            raise ValueError(f"a clock advances by at least 0 seconds, not {seconds_!r}")
        self.move_to(self._now + seconds(seconds_))

    def move_to(self, instant: int) -> None:
        """Move the clock to an instant, in nanoseconds; never back."""
        self._now = max(self._now, instant)
        for watcher in self._watchers:
            watcher()

    def watch(self, call: Callable[[], None]) -> None:
        """Call this after each move."""
        self._watchers.append(call)
