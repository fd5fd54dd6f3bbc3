"""Messages that nobody could handle, kept with the reason. Bounded: when it is full the oldest goes, which is counted."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from itertools import count
from typing import Any

from msgspec import Struct

from actorflow.clock import Clock
from actorflow.messages import Envelope, Key

__all__ = ["DeadLetter", "DeadLetterStore"]


class DeadLetter(Struct, frozen=True, eq=False):
    """A message that was given up. `node` is the one it was meant for, or for an unrouted value the one that sent it."""

    id: str
    run_id: str
    node: str
    key: Key
    payload: Any
    reason: str
    first_failed_utc: datetime

    def __repr__(self) -> str:
        return f"DeadLetter({self.id!r}, run {self.run_id!r}, node {self.node!r}, {self.reason!r})"


class DeadLetterStore:
    """The dead letters of an engine, oldest first. Thread-safe."""

    def __init__(self, clock: Clock, capacity: int = 1000) -> None:
        if type(capacity) is not int or capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity!r}")
        self.capacity = capacity
        self.dropped = 0
        self._clock = clock
        self._letters: OrderedDict[str, DeadLetter] = OrderedDict()
        self._numbers = count(1)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._letters)

    def put(self, run_id: str, node: str, envelope: Envelope, reason: str) -> DeadLetter:
        """Keep a message; the oldest goes if there is no room."""
        letter = DeadLetter(f"{run_id}/{next(self._numbers)}", run_id, node, envelope.key, envelope.payload, reason, self._clock.utc())
        with self._lock:
            self._letters[letter.id] = letter
            if len(self._letters) > self.capacity:
                self._letters.popitem(last=False)
                self.dropped += 1
        return letter

    def list(self, *, node: str | None = None, run_id: str | None = None) -> list[DeadLetter]:
        """Those of a node or run, or all, oldest first."""
        with self._lock:
            letters = tuple(self._letters.values())
        return [letter for letter in letters if (node is None or letter.node == node) and (run_id is None or letter.run_id == run_id)]

    def get(self, id: str) -> DeadLetter | None:
        """The one of this id, None if there is none."""
        return self._letters.get(id)

    def remove(self, id: str) -> bool:
        """Throw one away; False if there is none of this id."""
        with self._lock:
            return self._letters.pop(id, None) is not None

    def clear(self) -> int:
        """Throw all away; returns how many there were."""
        with self._lock:
            number = len(self._letters)
            self._letters.clear()
            return number
