"""Where the messages of a ring are: slots, the order of arrival, what is out of turn, and who has which dedup key.
Not here: the lock and the verbs (`ring`), which call everything in here with the lock held.

A message stays in one slot from offer to end; `_slots[i]` is None (free), an Envelope (ready) or its lease. So a lease is
current exactly while it *is* what its slot holds. `_order` is a circle of slot numbers with three cursors:

    head .............. tail ............ end ............ head + len(_order)
      ready, by arrival     free slots       nothing: of the slots that are leased or late

An offer moves tail, a lease moves head, an ack moves end, whatever the number of messages. What comes back, or is not
visible yet, would break the order of arrival and is kept in `Late`, made when first needed. A deque, and a dict of
leases, would be as fast; but with them a mailbox that is empty again weighs twice as much, and a run has one per node."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, cast

from msgspec.structs import replace as changed

from actorflow.messages import Envelope, Lease
from actorflow.messaging.late import Late

__all__ = ["NOTHING_YET", "RingLease", "Slots", "envelope_of"]

_SECOND_SIZE = 4
NOTHING_YET: list[Any] = []
"""The lists of a mailbox that never had a message: shared, and never written, as `_grow` replaces them."""


class RingLease(Lease, eq=False):
    """A lease that knows the slot of its message."""

    slot: int = -1


class Slots:
    """The base of RingMailbox: a base rather than a part of it, as one more look-up a step would be felt."""

    __slots__ = (
        "capacity",
        *("_slots", "_arrivals"),  # what each slot holds, and the number of the offer that filled it
        *("_order", "_mask", "_head", "_tail", "_end"),  # the circle; its length is a power of two, _mask one less
        "_arrived",  # offers taken so far
        *("_late", "_keys"),  # what is out of turn; dedup -> slot. None while there is nothing
    )

    def __init__(self, capacity: int) -> None:
        """Also called to throw everything away."""
        self.capacity = capacity
        self._slots: list[Envelope | Lease | None] = NOTHING_YET
        self._arrivals: list[int] = NOTHING_YET
        self._order: list[int] = NOTHING_YET
        self._mask = self._head = self._tail = self._end = self._arrived = 0
        self._late: Late | None = None
        self._keys: dict[Hashable, int] | None = None

    def _count(self) -> int:
        return len(self._slots) - (self._end - self._tail)

    def _leased(self) -> int:
        return len(self._slots) - (self._end - self._head) - (0 if self._late is None else len(self._late))

    def _leases(self) -> list[Lease]:
        return [content for content in self._slots if type(content) is RingLease] if self._leased() else []

    def _contents(self) -> list[Envelope | Lease]:
        """What the slots hold, oldest arrival first."""
        taken = [(arrival, content) for arrival, content in zip(self._arrivals, self._slots, strict=True) if content is not None]
        return [content for _, content in sorted(taken, key=lambda pair: pair[0])]

    def _slot_of(self, lease: Lease) -> int:
        """The slot of a current lease, -1 for any other."""
        try:
            slot: int = lease.slot  # type: ignore[attr-defined]
            return slot if self._slots[slot] is lease else -1
        except (AttributeError, IndexError):  # of another mailbox, or from before `clear`
            return -1

    def _grow(self) -> bool:
        """Twice the slots, up to the capacity; False if there are as many already. Called when none is free. The first
        slot comes alone: most mailboxes of a run never hold a second message."""
        size = len(self._slots)
        if not size:
            self._slots, self._arrivals, self._order, self._end = [None], [0], [0], 1
            return True
        larger = min(max(_SECOND_SIZE, 2 * size), self.capacity)
        if larger == size:
            return False
        ready = [self._order[position & self._mask] for position in range(self._head, self._tail)]
        length = 1 << (larger - 1).bit_length()
        self._head, self._tail, self._end = 0, len(ready), len(ready) + larger - size
        self._order = [*ready, *range(size, larger), *[0] * (length - self._end)]
        self._mask = length - 1
        self._slots = [*self._slots, *[None] * (larger - size)]
        self._arrivals = [*self._arrivals, *[0] * (larger - size)]
        return True

    def _place(self, envelope: Envelope) -> None:
        """Put a message into a free slot, of which there must be one; `offer` has the short form for the common case."""
        self._arrived += 1
        if envelope.visible_at > 0:
            self._end -= 1
            slot = self._order[self._end & self._mask]
            self._put_late(envelope.visible_at, self._arrived, slot)
        else:
            slot = self._order[self._tail & self._mask]
            self._tail += 1
        self._slots[slot] = envelope
        self._arrivals[slot] = self._arrived
        if envelope.dedup is not None:
            if self._keys is None:
                self._keys = {}
            self._keys[envelope.dedup] = slot

    def _check_key(self, envelope: Envelope) -> None:
        if self._keys is not None and envelope.dedup in self._keys:
            raise ValueError(f"the dedup key of envelope {envelope.id:x} is that of a message in the mailbox; use replace")

    def _forget_key(self, envelope: Envelope) -> None:
        if self._keys is not None and envelope.dedup is not None:
            del self._keys[envelope.dedup]
            self._keys = self._keys or None

    def _give_back(self, slot: int, envelope: Envelope, visible_at: int, attempt: int) -> None:
        """End a lease; the envelope in it stays as its holder saw it, a changed copy takes its place."""
        self._slots[slot] = changed(envelope, visible_at=visible_at, attempt=attempt)
        self._put_late(visible_at, self._arrivals[slot], slot)

    def _put_late(self, visible_at: int, arrival: int, slot: int) -> None:
        if self._late is None:
            self._late = Late()
        self._late.add(visible_at, arrival, slot)

    def _take_out(self, slot: int) -> Envelope:
        """Free a slot, ready or leased, at once."""
        content = cast("Envelope | Lease", self._slots[slot])
        if type(content) is not RingLease:
            self._pull(slot)
        self._slots[slot] = None
        self._order[self._end & self._mask] = slot
        self._end += 1
        envelope = envelope_of(content)
        self._forget_key(envelope)
        return envelope

    def _pull(self, slot: int) -> None:
        """Take the slot of a ready message out of its turn, wherever that is."""
        if self._late is not None and self._late.discard(slot):
            self._late = self._late or None
            return
        start = self._head & self._mask
        order = self._order[start:] + self._order[:start]
        order.remove(slot)
        order.append(0)
        self._order = order
        self._head, self._tail, self._end = 0, self._tail - self._head - 1, self._end - self._head - 1

    def _next_slot(self, now: int, types: tuple[type, ...] | None) -> int:
        """Take the slot of the oldest visible message of these types out of its turn; -1 if there is none."""
        late = self._late
        if late is not None:
            late.show(now)
        if types is not None:
            return self._next_slot_of(types)
        slot = self._order[self._head & self._mask] if self._head != self._tail else -1
        if late is not None and late.shown and (slot < 0 or late.shown[0][0] < self._arrivals[slot]):
            slot = late.pop()
            self._late = late or None
        elif slot >= 0:
            self._head += 1
        return slot

    def _next_slot_of(self, types: tuple[type, ...]) -> int:
        if not types:
            raise ValueError("types of a lease must name at least one type; leave it out for messages of every type")
        wanted = {id(kind) for kind in types}  # a metaclass may define ==, and no code of users runs under the lock
        visible = [self._order[position & self._mask] for position in range(self._head, self._tail)]
        if self._late is not None:
            visible += [entry[-1] for entry in self._late.shown]
        fitting = [slot for slot in visible if id(type(cast(Envelope, self._slots[slot]).payload)) in wanted]
        slot = min(fitting, key=self._arrivals.__getitem__, default=-1)
        if slot >= 0:
            self._pull(slot)
        return slot

    def _check(self) -> None:
        """Assert all that always holds. O(n log n)."""
        late = [] if self._late is None else [*self._late.shown, *self._late.hidden]
        ready = [self._order[position & self._mask] for position in range(self._head, self._tail)]
        free = [self._order[position & self._mask] for position in range(self._tail, self._end)]
        waiting = [*ready, *(entry[-1] for entry in late)]
        leased = [content for content in self._slots if type(content) is RingLease]
        slots = range(len(self._slots))
        assert sorted([*waiting, *free, *(lease.slot for lease in leased)]) == [*slots], "a slot is one of ready, late, free, leased"
        assert all(self._slots[slot] is None for slot in free), "a free slot holds nothing"
        assert all(isinstance(self._slots[slot], Envelope) for slot in waiting), "a slot that is ready or late holds an envelope"
        assert all(self._slots[lease.slot] is lease for lease in leased), "a lease knows its slot"
        assert len(slots) == len(self._arrivals) <= self.capacity, "there are no more slots than the capacity"
        assert len(self._order) == (self._mask + 1 if slots else 0), "the circle is as long as its mask says"
        assert self._leased() == len(leased), "what the cursors leave over is leased"
        arrivals = [self._arrivals[slot] for slot in ready]
        assert arrivals == sorted(set(arrivals)), "the circle is in order of arrival"
        assert all(entry[-2] == self._arrivals[entry[-1]] for entry in late), "what is late keeps its arrival"
        assert self._late is None or late, "Late is dropped when it is empty"
        keys = {envelope_of(content).dedup: slot for slot, content in enumerate(self._slots) if content is not None}
        keys.pop(None, None)
        assert (self._keys or {}) == keys and self._keys != {}, "each dedup key leads to its message"


def envelope_of(content: Envelope | Lease) -> Envelope:
    return content.envelope if isinstance(content, Lease) else content
