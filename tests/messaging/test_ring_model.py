"""The ring against a list: Hypothesis calls both in any order and compares all that can be seen after each call.

The model is the plainest mailbox there can be, and shares no code with the ring. Time is a small integer that stops at
and beside every boundary; every lease ever issued stays in play, those of earlier mailboxes too. Rules that throw much
away are rare, and those that need a lease see to it that there is one: with all equally likely, hardly a lease lived
long enough to expire."""

import os
from dataclasses import dataclass

import pytest
from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actorflow.messages import Envelope, Lease
from actorflow.messaging import RingMailbox

LEASE, DELAY, CAP = 5, 2, 3
CURRENT = st.sampled_from([True, True, False])
WHICH = st.integers(0, 20)
BESIDE = st.sampled_from([0, 0, -1, 1])
WORKERS = ("ann", "bob", None)
PAYLOADS = (1, "text", 2.5, True)


@dataclass
class Item:
    """A message of the model; `lease` is None while it is ready."""

    id: int
    payload: object
    visible_at: int
    dedup: object
    attempt: int = 1
    lease: Lease | None = None
    expires_at: int = 0
    renewals: int = 0

    def envelope(self):
        return Envelope(self.id, 0, (), self.payload, visible_at=self.visible_at, dedup=self.dedup, offered_at=self.id)


def read(lease):
    """All that the holder of a lease can read of it."""
    return lease.token, lease.holder, lease.taken_at, lease.expires_at, lease.renewals, lease.envelope.id, lease.envelope.attempt


class RingMachine(RuleBasedStateMachine):
    @initialize(capacity=st.sampled_from([9, 6, 5, 3, 2, 1]), redeliveries=st.integers(0, 2))
    def begin(self, capacity, redeliveries):
        self.capacity, self.redeliveries = capacity, redeliveries
        self.mailbox = self.make()
        self.items = []  # in order of offer
        self.now = 0
        self.ids = self.token = 0
        self.dead_workers = {"bob"}
        self.issued = {}  # every lease ever issued, by its identity: the lease, and what it must read

    def make(self):
        return RingMailbox(self.capacity, LEASE, self.redeliveries, redelivery_delay=DELAY, redelivery_cap=CAP)

    # What the model says

    def visible(self):
        return [item for item in self.items if item.lease is None and item.visible_at <= self.now]

    def leased(self):
        return [item for item in self.items if item.lease is not None]

    def of(self, lease):
        """The item a lease is current for, or None."""
        return next((item for item in self.items if item.lease is lease), None)

    def new_item(self, delay, payload, dedup):
        self.ids += 1
        return Item(self.ids, payload, 0 if delay is None else self.now + delay, dedup)

    # Time

    @rule(steps=st.integers(1, 3))
    def tick(self, steps):
        self.now += steps

    @rule(boundary=st.sampled_from(["expiry", "visible"]), beside=BESIDE)
    def tick_to(self, boundary, beside):
        if boundary == "expiry":
            instants = [item.expires_at for item in self.leased()]
        else:
            instants = [item.visible_at for item in self.items if item.lease is None and item.visible_at > self.now]
        if instants:
            self.now = max(self.now, min(instants) + beside)

    # Calls

    @rule(
        delay=st.sampled_from([None, None, None, 0, 1, 4]),
        payload=st.sampled_from(PAYLOADS),
        dedup=st.sampled_from([None, None, None, "a", "b"]),
    )
    def offer(self, delay, payload, dedup):
        item = self.new_item(delay, payload, dedup)
        if len(self.items) == self.capacity:
            assert self.mailbox.offer(item.envelope()) is False
        elif dedup is not None and any(other.dedup == dedup for other in self.items):
            try:
                self.mailbox.offer(item.envelope())
            except ValueError:
                return
            raise AssertionError("a key that is taken was taken again")
        else:
            assert self.mailbox.offer(item.envelope()) is True
            self.items.append(item)

    @rule(number=st.integers(2, 6))
    def offer_several(self, number):
        for index in range(min(number, self.capacity - len(self.items))):
            self.offer(None, PAYLOADS[-1 - index % len(PAYLOADS)], None)

    @rule(number=st.integers(1, 9))
    def hand_through(self, number):
        """What a healthy mailbox does all day, and what moves its circle on."""
        for _ in range(number):
            if len(self.items) < self.capacity:
                self.offer(None, "text", None)
            if visible := self.visible():
                self.lease("ann", None, None)
                self.ack(True, self.leased().index(visible[0]))

    @rule(delay=st.sampled_from([None, 0, 3]), dedup=st.sampled_from(["a", "b"]))
    def replace(self, delay, dedup):
        item = self.new_item(delay, "newer", dedup)
        older = next((other for other in self.items if other.dedup == dedup), None)
        superseded = self.mailbox.replace(item.envelope())
        if older is None:
            assert superseded is None
        else:
            assert (superseded.id, superseded.attempt) == (older.id, older.attempt)
            self.items.remove(older)
            self.items.append(item)

    @rule(
        holder=st.sampled_from(WORKERS),
        types=st.sampled_from([None, None, None, (int,), (str, float)]),
        beside=st.sampled_from([None, None, 0, -1]),
    )
    def lease(self, holder, types, beside):
        if beside is not None:
            self.tick_to("visible", beside)
        fitting = [item for item in self.visible() if types is None or type(item.payload) in types]
        lease = self.mailbox.lease(self.now, holder, types)
        if not fitting:
            assert lease is None
            return
        item = fitting[0]
        assert lease.envelope.id == item.id
        assert lease.token > self.token
        assert (lease.holder, lease.taken_at, lease.expires_at, lease.renewals) == (holder, self.now, self.now + LEASE, 0)
        self.token = lease.token
        item.lease, item.expires_at, item.renewals = lease, self.now + LEASE, 0
        self.issued[id(lease)] = lease, (self.token, holder, self.now, item.expires_at, 0, item.id, item.attempt)

    @rule(number=st.integers(2, 4))
    def lease_several(self, number):
        for index in range(min(number, len(self.visible()))):
            self.lease(WORKERS[index % 3], None, None)

    def pick(self, current, which):
        """A current lease, taken for the purpose if need be, or any that was ever issued, the latest first; None if there is none."""
        if current:
            self.have_a_lease()
        leases = [item.lease for item in self.leased()] if current else [lease for lease, _ in reversed(self.issued.values())]
        return leases[which % len(leases)] if leases else None

    def have_a_lease(self, holder="bob"):
        if not self.leased():
            if not self.items:
                self.offer(None, 1, None)
            self.lease(holder, None, 0)

    @rule(current=CURRENT, which=WHICH)
    def ack(self, current, which):
        if lease := self.pick(current, which):
            item = self.of(lease)
            assert self.mailbox.ack(lease) is (item is not None)
            if item is not None:
                self.items.remove(item)

    @rule()
    def ack_all(self):
        while self.leased():
            self.ack(True, 0)

    @rule(current=CURRENT, which=WHICH)
    def renew(self, current, which):
        if lease := self.pick(current, which):
            item = self.of(lease)
            assert self.mailbox.renew(lease, self.now) is (item is not None)
            if item is not None:
                item.expires_at = self.now + LEASE
                item.renewals += 1
                self.issued[id(lease)] = (
                    lease,
                    (lease.token, lease.holder, lease.taken_at, item.expires_at, item.renewals, item.id, item.attempt),
                )

    @rule(current=CURRENT, which=WHICH, delay=st.sampled_from([None, 0, 1, 3]), count=st.booleans())
    def release(self, current, which, delay, count):
        if lease := self.pick(current, which):
            item = self.of(lease)
            visible_at = 0 if delay is None else self.now + delay
            assert self.mailbox.release(lease, visible_at=visible_at, count=count) is (item is not None)
            if item is not None:
                item.lease, item.visible_at = None, visible_at
                item.attempt += 1 if count else 0

    @rule(worker=st.sampled_from(["ann", "bob"]))
    def a_worker_dies_or_is_replaced(self, worker):
        self.dead_workers ^= {worker}

    @rule(ask=st.booleans(), beside=BESIDE, holder=st.sampled_from(WORKERS))
    def expire(self, ask, beside, holder):
        self.have_a_lease(holder)
        self.tick_to("expiry", beside)
        over = [item for item in self.leased() if item.expires_at <= self.now and not (ask and self.lives(item.lease.holder))]
        dead = [item for item in over if item.attempt > self.redeliveries]
        returned = [item for item in over if item.attempt <= self.redeliveries]
        done = self.mailbox.expire(self.now, self.lives if ask else None)
        assert ids(done.dead) == sorted(item.id for item in dead)
        assert ids(done.returned) == sorted(item.id for item in returned)
        for item in dead:
            self.items.remove(item)
        for item in returned:
            item.lease, item.visible_at = None, self.now + min(DELAY * item.attempt, CAP)
            item.attempt += 1

    def lives(self, worker):
        return worker is not None and worker not in self.dead_workers

    @rule(what=st.sampled_from(["remove", "remove", "remove", "restore", "restore anew"]), back=st.integers(0, 9))
    def throw_away(self, what, back):
        if what == "remove":
            self.remove(self.ids - back)
        elif back < 3:
            self.restore(anew=what == "restore anew")

    def remove(self, id):
        item = next((item for item in self.items if item.id == id), None)
        assert self.mailbox.remove(id) is (item is not None)
        if item is not None:
            self.items.remove(item)

    def restore(self, anew):
        records = self.mailbox.snapshot()
        if self.items:
            try:
                self.mailbox.restore(records[:1])
            except ValueError:
                pass
            else:
                raise AssertionError("restored over live messages")
        if anew:
            self.mailbox = self.make()
            self.token = 0
        else:
            assert [envelope.id for envelope in self.mailbox.clear()] == [item.id for item in self.items]
        lost = [item for item in self.leased() if item.attempt > self.redeliveries]
        assert [envelope.id for envelope in self.mailbox.restore(records)] == [item.id for item in lost]
        self.items = [item for item in self.items if item not in lost]
        for item in self.leased():
            item.lease = None
            item.attempt += 1

    # What holds after every call

    @invariant()
    def all_that_can_be_seen_is_as_the_model_says(self):
        mailbox, leased = self.mailbox, self.leased()
        mailbox._check()
        assert (mailbox.count, mailbox.ready, mailbox.leased) == (len(self.items), len(self.items) - len(leased), len(leased))
        assert mailbox.next_expiry() == min((item.expires_at for item in leased), default=None)
        coming = mailbox.next_visible()
        if self.visible():
            assert coming is not None and coming <= self.now
        else:
            assert coming == min((item.visible_at for item in self.items if item.lease is None), default=None)

    @invariant()
    def every_message_is_as_the_model_says(self):
        records = self.mailbox.snapshot()
        assert [(each.envelope.id, each.envelope.attempt, each.envelope.payload, each.envelope.visible_at) for each in records] == [
            (item.id, item.attempt, item.payload, item.visible_at) for item in self.items
        ]
        assert all(each.envelope.offered_at == each.envelope.id for each in records)
        assert [each.lease and (each.lease.token, each.lease.expires_at, each.lease.renewals) for each in records] == [
            item.lease and (item.lease.token, item.expires_at, item.renewals) for item in self.items
        ]

    @invariant()
    def every_lease_ever_issued_is_current_or_does_not_hold_and_reads_as_it_did(self):
        for lease, facts in self.issued.values():
            assert self.mailbox.holds(lease) is (self.of(lease) is not None)
            assert read(lease) == facts


def ids(leases):
    return sorted(lease.envelope.id for lease in leases)


LONG = os.environ.get("ACTORFLOW_LONG") == "1"
PHASES = [phase for phase in Phase if phase is not Phase.shrink or "ACTORFLOW_NO_SHRINKING" not in os.environ]
TestRing = pytest.mark.timeout(3600 if LONG else 60)(RingMachine.TestCase)
TestRing.settings = settings(max_examples=20_000 if LONG else 500, stateful_step_count=100 if LONG else 50, deadline=None, phases=PHASES)
