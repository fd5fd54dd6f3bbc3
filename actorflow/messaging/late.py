"""Messages out of turn: those not visible yet, and those visible again or late, by age. A ring makes one when it first
needs it and drops it when it is empty. Not here: the messages themselves; an entry is numbers, the last one its slot."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

__all__ = ["Late"]


class Late:
    """Two heaps: `hidden` holds (visible_at, arrival, slot), `shown` holds (arrival, slot)."""

    __slots__ = ("hidden", "shown")

    def __init__(self) -> None:
        self.hidden: list[tuple[int, ...]] = []
        self.shown: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        return len(self.hidden) + len(self.shown)

    def add(self, visible_at: int, arrival: int, slot: int) -> None:
        """O(log n)."""
        if visible_at > 0:
            heappush(self.hidden, (visible_at, arrival, slot))
        else:
            heappush(self.shown, (arrival, slot))

    def show(self, now: int) -> None:
        """Move what has become visible by `now`. O(log n) each."""
        hidden = self.hidden
        while hidden and hidden[0][0] <= now:
            heappush(self.shown, heappop(hidden)[1:])

    def pop(self) -> int:
        """Take out the oldest that is shown, and give its slot. O(log n)."""
        return heappop(self.shown)[-1]

    def discard(self, slot: int) -> bool:
        """Take out a slot wherever it is; False if it is not here. O(n)."""
        return _discard(self.shown, slot) or _discard(self.hidden, slot)

    def next_visible(self) -> int | None:
        """0 if something is shown; else the earliest instant of what is hidden, None if nothing is."""
        if self.shown:
            return 0
        return self.hidden[0][0] if self.hidden else None


def _discard(heap: list[tuple[int, ...]], slot: int) -> bool:
    for index, entry in enumerate(heap):
        if entry[-1] == slot:
            heap[index] = heap[-1]
            heap.pop()
            heapify(heap)
            return True
    return False
