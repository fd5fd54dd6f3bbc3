"""A mailbox of fixed size that lends messages. Not here: threads, clocks, what a message means; how messages are laid
out is in `slots`. A leased message keeps its slot, so a slow handler makes the mailbox full, never lossy.

A third of the time of offer, lease and ack is their lock. They take it by acquire and release, at half the price of a
`with` on CPython 3.11, and inside the `try`: KeyboardInterrupt may come right after acquire has returned. If it comes
while acquire still waits, there is nothing to release; an RLock knows that, a Lock would let another thread's hold go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any

from msgspec.structs import replace as changed

from actorflow.clock import seconds
from actorflow.messages import Envelope, Lease
from actorflow.messaging.mailbox import Expired, Kept
from actorflow.messaging.slots import NOTHING_YET, RingLease, Slots, envelope_of

__all__ = ["RingMailbox"]

_NONE_EXPIRED = Expired()


class RingMailbox(Slots):
    """An `Inbox` in memory; `Inbox` has the contract of each method, here is what it costs. `lease`, `redelivery_delay`
    and `redelivery_cap` are nanoseconds; mailboxes may share one `lock`.
    Sources: leases, Gray and Cheriton 1989; fencing tokens, Kleppmann 2016."""

    __slots__ = ("_duration", "_max_redeliveries", "_redelivery_delay", "_redelivery_cap", "_lock", "_issued")

    def __init__(
        self,
        capacity: int = 1000,
        lease: int = seconds(30.0),
        max_redeliveries: int = 3,
        redelivery_delay: int = seconds(2.0),
        redelivery_cap: int = seconds(60.0),
        lock: RLock | None = None,
    ) -> None:
        if capacity < 1 or lease < 1 or max_redeliveries < 0 or redelivery_delay < 0 or redelivery_cap < 0:
            raise ValueError(
                f"RingMailbox takes capacity and lease from 1 on and the others from 0, not capacity={capacity}, lease={lease} ns, "
                f"max_redeliveries={max_redeliveries}, redelivery_delay={redelivery_delay} ns, redelivery_cap={redelivery_cap} ns"
            )
        self.capacity = capacity  # `Slots.__init__`, written out: a run makes a mailbox for every node
        self._slots = self._arrivals = self._order = NOTHING_YET
        self._mask = self._head = self._tail = self._end = self._arrived = 0
        self._late = self._keys = None
        self._duration = lease
        self._max_redeliveries = max_redeliveries
        self._redelivery_delay = redelivery_delay
        self._redelivery_cap = redelivery_cap
        self._lock = RLock() if lock is None else lock
        self._issued = 0

    def __repr__(self) -> str:
        return f"RingMailbox({self.count} of {self.capacity} places taken, {self.leased} leased)"

    def __len__(self) -> int:
        return self.count

    @property
    def count(self) -> int:
        """O(1), as are `ready` and `leased`."""
        with self._lock:
            return self._count()

    @property
    def ready(self) -> int:
        with self._lock:
            return self._count() - self._leased()

    @property
    def leased(self) -> int:
        with self._lock:
            return self._leased()

    def offer(self, envelope: Envelope) -> bool:
        """O(1); O(log n) if it is not visible at once."""
        lock = self._lock
        try:
            lock.acquire()
            if self._tail == self._end and not self._grow():
                return False
            if envelope.visible_at > 0 or envelope.dedup is not None:
                self._check_key(envelope)
                self._place(envelope)
                return True
            tail = self._tail
            slot = self._order[tail & self._mask]
            self._slots[slot] = envelope
            self._arrived = self._arrivals[slot] = self._arrived + 1
            self._tail = tail + 1
            return True
        finally:
            try:
                lock.release()
            except RuntimeError:  # interrupted before it had the lock
                pass

    def replace(self, envelope: Envelope) -> Envelope | None:
        """O(1) for a message that is leased, O(n) for one that is ready."""
        key = envelope.dedup
        if key is None or (type(key) is str and not key.strip()):
            raise ValueError(f"envelope {envelope.id:x} has no dedup key to replace by; a message without one is offered")
        with self._lock:
            slot = None if self._keys is None else self._keys.get(key)
            if slot is None:
                return None
            older = self._take_out(slot)
            self._place(envelope)
            return older

    def lease(self, now: int, holder: Any = None, types: tuple[type, ...] | None = None) -> Lease | None:
        """O(1); O(log n) if messages are out of turn, O(n) with `types`."""
        if type(holder) is str and not holder.strip():
            raise ValueError("holder of a lease must not be a blank text; leave it out if nobody vouches for the lease")
        lock = self._lock
        try:
            lock.acquire()
            if self._late is types:  # type: ignore[comparison-overlap]  # both are None
                head = self._head
                if head == self._tail:
                    return None
                slot = self._order[head & self._mask]
                self._head = head + 1
            else:
                slot = self._next_slot(now, types)
                if slot < 0:
                    return None
            self._issued = token = self._issued + 1
            lease = RingLease(self._slots[slot], token, now, now + self._duration, holder, 0, slot)  # type: ignore[arg-type]
            self._slots[slot] = lease
            return lease
        finally:
            try:
                lock.release()
            except RuntimeError:
                pass

    def ack(self, lease: Lease) -> bool:
        """O(1)."""
        lock = self._lock
        try:
            lock.acquire()
            try:  # `_slot_of`, written out
                slot = lease.slot  # type: ignore[attr-defined]
                if self._slots[slot] is not lease:
                    return False
            except (AttributeError, IndexError):
                return False
            self._slots[slot] = None
            end = self._end
            self._order[end & self._mask] = slot
            self._end = end + 1
            if self._keys is not None:
                self._forget_key(lease.envelope)
            return True
        finally:
            try:
                lock.release()
            except RuntimeError:
                pass

    def renew(self, lease: Lease, now: int) -> bool:
        """O(1)."""
        with self._lock:
            if self._slot_of(lease) < 0:
                return False
            lease.expires_at = now + self._duration
            lease.renewals += 1
            return True

    def release(self, lease: Lease, *, visible_at: int, count: bool = True) -> bool:
        """O(log n)."""
        with self._lock:
            slot = self._slot_of(lease)
            if slot < 0:
                return False
            self._give_back(slot, lease.envelope, visible_at, lease.envelope.attempt + count)
            return True

    def expire(self, now: int, alive: Callable[[Any], bool] | None = None) -> Expired:
        """O(slots + k log n) for k expired ones; O(1) if nothing is leased. A heap by expiry would make every lease and
        renewal dearer, for the sake of a call that comes once in many seconds and meets few leases."""
        with self._lock:
            due = [lease for lease in self._leases() if lease.expires_at <= now]
        if alive is not None:
            due = [lease for lease in due if lease.holder is None or not alive(lease.holder)]
        if not due:
            return _NONE_EXPIRED
        returned, dead = [], []
        with self._lock:
            for lease in sorted(due, key=lambda lease: lease.token):
                slot = self._slot_of(lease)
                if slot < 0 or lease.expires_at > now:  # ended or renewed while `alive` was asked
                    continue
                redelivery = lease.envelope.attempt
                if redelivery > self._max_redeliveries:
                    self._take_out(slot)
                    dead.append(lease)
                else:
                    delay = min(self._redelivery_delay * redelivery, self._redelivery_cap)
                    self._give_back(slot, lease.envelope, now + delay, redelivery + 1)
                    returned.append(lease)
        return Expired(tuple(returned), tuple(dead))

    def holds(self, lease: Lease) -> bool:
        """O(1)."""
        with self._lock:
            return self._slot_of(lease) >= 0

    def remove(self, id: int) -> bool:
        """O(n)."""
        with self._lock:
            for slot, content in enumerate(self._slots):
                if content is not None and envelope_of(content).id == id:
                    self._take_out(slot)
                    return True
            return False

    def clear(self) -> list[Envelope]:
        """O(n log n)."""
        with self._lock:
            gone = [envelope_of(content) for content in self._contents()]
            Slots.__init__(self, self.capacity)
            return gone

    def clear_ready(self) -> list[Envelope]:
        """O(n log n), O(n²) beside leased messages."""
        with self._lock:
            if not self._leased():
                return self.clear()
            ready = [slot for slot, content in enumerate(self._slots) if content is not None and type(content) is not RingLease]
            return [self._take_out(slot) for slot in ready]

    def leases(self) -> list[Lease]:
        """O(slots) if something is leased."""
        with self._lock:
            return self._leases()

    def next_visible(self) -> int | None:
        """O(1)."""
        with self._lock:
            if self._head != self._tail:
                return 0
            return None if self._late is None else self._late.next_visible()

    def next_expiry(self) -> int | None:
        """O(slots); O(1) if nothing is leased."""
        with self._lock:
            return min((lease.expires_at for lease in self._leases()), default=None)

    def snapshot(self) -> tuple[Kept, ...]:
        """O(n log n)."""
        with self._lock:
            return tuple(Kept(envelope_of(content), _copied(content)) for content in self._contents())

    def restore(self, records: Iterable[Kept]) -> tuple[Envelope, ...]:
        """O(n log n)."""
        records = tuple(records)
        keys = [record.envelope.dedup for record in records if record.envelope.dedup is not None]
        if len(set(keys)) < len(keys):
            raise ValueError("two of the messages to restore have the same dedup key; a mailbox never has two, so this is no snapshot")
        with self._lock:
            if self._count():
                raise ValueError(f"only an empty mailbox can be restored; this one holds {self._count()} messages")
            if len(records) > self.capacity:
                raise ValueError(f"{len(records)} messages to restore do not fit a mailbox of {self.capacity}; give it that capacity")
            dead = []
            for record in records:
                attempt = record.envelope.attempt
                if record.leased and attempt > self._max_redeliveries:
                    dead.append(record.envelope)
                    continue
                if self._tail == self._end:
                    self._grow()
                self._place(changed(record.envelope, attempt=attempt + 1) if record.leased else record.envelope)
            return tuple(dead)

    def _check(self) -> None:
        """For tests."""
        with self._lock:
            Slots._check(self)
            tokens = [lease.token for lease in self._leases()]
            assert len(set(tokens)) == len(tokens) and all(0 < token <= self._issued for token in tokens), "tokens differ and were issued"


def _copied(content: Envelope | Lease) -> Lease | None:
    """A lease as it is now, good for no verb."""
    if not isinstance(content, Lease):
        return None
    return Lease(content.envelope, content.token, content.taken_at, content.expires_at, content.holder, content.renewals)
