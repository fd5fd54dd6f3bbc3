"""What every mailbox must pass: the promises of `Inbox`, by its public methods only.

    class TestMine(MailboxContract):
        def make(self, capacity, lease, max_redeliveries):
            return MyMailbox(...)  # `lease` in nanoseconds

How long a mailbox hides a message whose lease expired is its own affair; `next_visible` tells."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import Any

import pytest

from actorflow.messages import Envelope, Lease

__all__ = ["MailboxContract"]

LEASE = 10


def envelope(id: Any, payload: Any = None, **facts: Any) -> Any:
    return Envelope(id, 0, (), payload, **facts)


def ids(mailbox: Any, now: Any = 0) -> Any:
    """What is visible, in the order it is lent."""
    found = []
    while (lease := mailbox.lease(now)) is not None:
        found.append(lease.envelope.id)
    return found


class MailboxContract:
    """Subclass it under a name that begins with Test, and give it a `make`."""

    def make(self, capacity: Any, lease: Any, max_redeliveries: Any) -> Any:
        raise NotImplementedError("give the contract a factory: make(capacity, lease, max_redeliveries) -> Inbox")

    def filled(self, *given: Any, capacity: Any = 8, max_redeliveries: Any = 3) -> Any:
        """A mailbox with these envelopes; a number stands for a plain one of that id."""
        mailbox = self.make(capacity, LEASE, max_redeliveries)
        for each in given:
            assert mailbox.offer(each if isinstance(each, Envelope) else envelope(each)) is True
        return mailbox

    # Room

    def test_a_new_mailbox_is_empty(self) -> None:
        mailbox = self.filled(capacity=3)
        assert (mailbox.capacity, mailbox.count, len(mailbox), mailbox.ready, mailbox.leased) == (3, 0, 0, 0, 0)
        assert (mailbox.lease(0), mailbox.next_visible(), mailbox.next_expiry(), mailbox.snapshot(), mailbox.clear()) == (
            None,
            None,
            None,
            (),
            [],
        )

    def test_ready_leased_and_hidden_messages_all_take_up_room(self) -> None:
        mailbox = self.filled(1, 2, envelope(3, visible_at=50), capacity=3)
        mailbox.lease(0)
        assert (mailbox.count, len(mailbox), mailbox.ready, mailbox.leased) == (3, 3, 2, 1)
        assert mailbox.offer(envelope(4)) is False
        assert [kept.envelope.id for kept in mailbox.snapshot()] == [1, 2, 3]

    @pytest.mark.parametrize("end", ["ack", "remove", "dead"])
    def test_a_message_that_is_done_frees_its_room(self, end: Any) -> None:
        mailbox = self.filled(1, 2, capacity=2, max_redeliveries=0)
        lease = mailbox.lease(0)
        if end == "dead":
            mailbox.expire(LEASE)
        else:
            assert mailbox.ack(lease) if end == "ack" else mailbox.remove(1)
        assert mailbox.offer(envelope(3)) is True
        assert ids(mailbox) == [2, 3]

    def test_a_message_is_given_back_however_full_the_mailbox_is(self) -> None:
        mailbox = self.filled(1, 2, capacity=2)
        assert mailbox.release(mailbox.lease(0), visible_at=0) is True
        assert ids(mailbox) == [1, 2]

    # Order and visibility

    def test_messages_are_lent_in_the_order_of_offer(self) -> None:
        mailbox = self.filled(*range(100), capacity=100)
        assert ids(mailbox) == list(range(100))

    def test_what_comes_back_or_becomes_visible_late_goes_by_its_offer(self) -> None:
        mailbox = self.filled(1, envelope(2, visible_at=5), 3, 4)
        mailbox.release(mailbox.lease(0), visible_at=7)
        assert mailbox.lease(0).envelope.id == 3
        assert ids(mailbox, 7) == [1, 2, 4]

    def test_a_message_is_invisible_until_exactly_its_instant(self) -> None:
        mailbox = self.filled(envelope(1, visible_at=7), envelope(2, visible_at=9))
        assert (mailbox.lease(6), mailbox.next_visible()) == (None, 7)
        assert mailbox.lease(7).envelope.id == 1
        assert (mailbox.lease(8), mailbox.next_visible()) == (None, 9)

    def test_next_visible_is_past_when_something_is_visible(self) -> None:
        assert self.filled(1).next_visible() == 0
        mailbox = self.filled(envelope(1, visible_at=5))
        mailbox.lease(4)
        assert mailbox.next_visible() <= 5

    def test_types_pick_the_oldest_payload_of_exactly_these_types(self) -> None:
        mailbox = self.filled(*(envelope(id, payload) for id, payload in enumerate([True, "a", 1, 2.0, "b"])))
        assert [mailbox.lease(0, types=(int, float)).envelope.id for _ in range(2)] == [2, 3]
        assert mailbox.lease(0, types=(int, float)) is None
        assert ids(mailbox) == [0, 1, 4]

    def test_no_types_and_a_blank_holder_are_refused(self) -> None:
        mailbox = self.filled(1)
        for wrong in ({"types": ()}, {"holder": " "}):
            with pytest.raises(ValueError):
                mailbox.lease(0, **wrong)
        assert ids(mailbox) == [1]

    # Leases

    def test_a_lease_says_who_has_what_since_when_and_until_when(self) -> None:
        sent, worker = envelope(1, ["payload"], offered_at=2), object()
        lease = self.filled(sent).lease(7, worker)
        assert (lease.envelope.payload, lease.envelope.attempt, lease.envelope.offered_at) == (["payload"], 1, 2)
        assert lease.envelope.payload is sent.payload
        assert (lease.holder, lease.taken_at, lease.expires_at, lease.renewals) == (worker, 7, 7 + LEASE, 0)

    def test_what_remains_of_a_lease_is_never_below_nothing(self) -> None:
        lease = self.filled(1).lease(0)
        assert [lease.remaining(now) for now in (0, LEASE - 1, LEASE, LEASE + 5)] == [LEASE, 1, 0, 0]
        assert [lease.expired(now) for now in (LEASE - 1, LEASE, LEASE + 5)] == [False, True, True]

    def test_tokens_go_up_whatever_happens(self) -> None:
        mailbox, tokens = self.filled(1), []
        for end in ("release", "expire", "restore", "ack", "ack", "replace", "ack"):
            lease = mailbox.lease(mailbox.next_visible())
            tokens.append(lease.token)
            if end == "release":
                mailbox.release(lease, visible_at=0)
            elif end == "expire":
                mailbox.expire(lease.expires_at)
            elif end == "restore":
                records = mailbox.snapshot()
                mailbox.clear()
                mailbox.restore(records)
            elif end == "ack":
                mailbox.ack(lease)
                mailbox.offer(envelope(len(tokens), dedup="k"))
            else:
                mailbox.replace(envelope(len(tokens), dedup="k"))
        assert tokens == sorted(set(tokens))

    @pytest.mark.parametrize("end", ["ack", "release", "expire", "remove", "replace", "clear"])
    def test_a_lease_that_has_ended_does_nothing(self, end: Any) -> None:
        mailbox = self.filled(envelope(1, dedup="k"), 2)
        lease = mailbox.lease(0)
        assert mailbox.holds(lease) is True
        if end == "release":
            mailbox.release(lease, visible_at=0)
        elif end == "replace":
            mailbox.replace(envelope(3, dedup="k"))
        else:
            {
                "ack": mailbox.ack,
                "expire": lambda _: mailbox.expire(LEASE),
                "remove": lambda _: mailbox.remove(1),
                "clear": lambda _: mailbox.clear(),
            }[end](lease)
        mailbox.lease(100)
        before = self.seen(mailbox)
        assert [mailbox.holds(lease), mailbox.ack(lease), mailbox.renew(lease, 50), mailbox.release(lease, visible_at=0)] == [False] * 4
        assert self.seen(mailbox) == before
        assert (lease.renewals, lease.expires_at, lease.envelope.attempt) == (0, LEASE, 1)

    def test_a_lease_of_another_mailbox_or_a_copy_does_nothing(self) -> None:
        mailbox = self.filled(1)
        lease = mailbox.lease(0)
        for stranger in (self.filled(1).lease(0), Lease(lease.envelope, lease.token, 0, LEASE), mailbox.snapshot()[0].lease):
            assert [
                mailbox.holds(stranger),
                mailbox.ack(stranger),
                mailbox.renew(stranger, 5),
                mailbox.release(stranger, visible_at=0),
            ] == [False] * 4
        assert mailbox.ack(lease) is True

    def test_time_alone_does_not_end_a_lease(self) -> None:
        mailbox = self.filled(1, 2)
        first, second = mailbox.lease(0), mailbox.lease(0)
        assert mailbox.ack(first) is True  # no instant is asked for: only `expire` ends a lease for its time
        assert mailbox.renew(second, 10**9) is True
        assert mailbox.holds(second) is True

    def test_a_renewal_puts_the_expiry_off_and_is_counted(self) -> None:
        mailbox = self.filled(1)
        lease = mailbox.lease(0)
        assert mailbox.renew(lease, 6) is True
        assert (lease.expires_at, lease.renewals, mailbox.next_expiry()) == (6 + LEASE, 1, 6 + LEASE)
        assert mailbox.expire(6 + LEASE - 1).returned == ()
        assert mailbox.expire(6 + LEASE).returned == (lease,)

    def test_a_release_counts_unless_told_otherwise_and_changes_nothing_else(self) -> None:
        sent = envelope(1, "payload", offered_at=2, source=3)
        mailbox = self.filled(sent)
        first = mailbox.lease(0)
        assert mailbox.release(first, visible_at=5, count=False) is True
        second = mailbox.lease(5)
        assert (second.envelope.attempt, mailbox.release(second, visible_at=6)) == (1, True)
        third = mailbox.lease(6).envelope
        assert (third.id, third.payload, third.offered_at, third.source, third.attempt, third.visible_at) == (1, "payload", 2, 3, 2, 6)
        assert (sent.attempt, sent.visible_at, second.envelope.attempt) == (1, 0, 1)

    # Expiry

    def test_a_lease_expires_exactly_at_its_expiry(self) -> None:
        mailbox = self.filled(1, 2)
        lease = mailbox.lease(0)
        mailbox.lease(1)
        assert mailbox.next_expiry() == LEASE
        assert mailbox.expire(LEASE - 1).returned == ()
        assert mailbox.expire(LEASE).returned == (lease,)
        assert (mailbox.leased, mailbox.next_expiry()) == (1, 1 + LEASE)

    def test_a_living_holder_keeps_its_lease_and_nobody_is_no_living_holder(self) -> None:
        mailbox = self.filled(1, 2, 3)
        alive, dead, nobody = mailbox.lease(0, "alive"), mailbox.lease(0, "dead"), mailbox.lease(0)
        assert mailbox.expire(LEASE, alive=lambda holder: holder == "alive").returned == (dead, nobody)
        assert mailbox.ack(alive) is True

    def test_the_question_whether_a_holder_lives_may_use_the_mailbox(self) -> None:
        mailbox = self.filled(1, 2)
        leases = [mailbox.lease(0, "worker"), mailbox.lease(0, "worker")]

        def alive(holder: Any) -> Any:
            thread = Thread(target=mailbox.ack, args=(leases[0],), daemon=True)
            thread.start()
            thread.join(10)
            return thread.is_alive()

        assert mailbox.expire(LEASE, alive).returned == (leases[1],)

    @pytest.mark.parametrize("redeliveries", [0, 2])
    def test_a_message_is_delivered_again_as_often_as_its_redeliveries_and_is_then_dead(self, redeliveries: Any) -> None:
        mailbox, now = self.filled(1, max_redeliveries=redeliveries), 0
        for attempt in range(1, redeliveries + 2):
            lease = mailbox.lease(now)
            assert lease.envelope.attempt == attempt
            done = mailbox.expire(lease.expires_at)
            now = mailbox.next_visible()
            assert now is None or now > lease.expires_at
        assert (done.returned, done.dead, mailbox.count) == ((), (lease,), 0)

    # Replacement, removal, snapshot

    @pytest.mark.parametrize("leased", [False, True])
    def test_a_newer_message_of_the_same_key_takes_the_place_of_the_older_and_queues_anew(self, leased: Any) -> None:
        mailbox = self.filled(envelope(1, dedup="k"), 2, capacity=2)
        lease = mailbox.lease(0) if leased else None
        assert mailbox.replace(envelope(3, dedup="k")).id == 1
        assert (mailbox.count, mailbox.leased, mailbox.offer(envelope(4))) == (2, 0, False)
        assert lease is None or mailbox.ack(lease) is False
        assert ids(mailbox) == [2, 3]

    def test_without_a_message_of_that_key_nothing_is_replaced(self) -> None:
        mailbox = self.filled(1, envelope(2, dedup="other"))
        assert mailbox.replace(envelope(3, dedup="k")) is None
        assert mailbox.count == 2
        for key in (None, " "):
            with pytest.raises(ValueError):
                mailbox.replace(envelope(3, dedup=key))

    def test_an_offer_with_a_key_that_is_taken_is_refused_as_a_fault(self) -> None:
        mailbox = self.filled(envelope(1, dedup="k"))
        with pytest.raises(ValueError):
            mailbox.offer(envelope(2, dedup="k"))
        assert ids(mailbox) == [1]

    def test_a_message_is_removed_by_its_id(self) -> None:
        mailbox = self.filled(1, 2, envelope(3, visible_at=5), 4)
        lease = mailbox.lease(0)
        assert [mailbox.remove(id) for id in (1, 3, 4, 9, 1)] == [True, True, True, False, False]
        assert (mailbox.ack(lease), ids(mailbox, 5)) == (False, [2])

    def test_clear_gives_everything_back_oldest_first(self) -> None:
        mailbox = self.filled(1, envelope(2, visible_at=5), 3)
        mailbox.release(mailbox.lease(0), visible_at=9)
        mailbox.lease(0)
        assert [each.id for each in mailbox.clear()] == [1, 2, 3]
        assert (mailbox.count, mailbox.leased, mailbox.next_visible(), mailbox.next_expiry()) == (0, 0, None, None)

    def test_a_restored_mailbox_goes_on_where_the_snapshot_was_taken(self) -> None:
        mailbox = self.filled(1, 2, envelope(3, visible_at=5, dedup="k"))
        mailbox.release(mailbox.lease(0), visible_at=7)
        lease = mailbox.lease(1, "worker")
        records = mailbox.snapshot()
        assert [(kept.envelope.id, kept.envelope.attempt, kept.leased) for kept in records] == [(1, 2, False), (2, 1, True), (3, 1, False)]
        assert (records[1].lease.token, records[1].lease.holder, records[1].lease.expires_at) == (lease.token, "worker", 1 + LEASE)
        other = self.make(3, LEASE, 3)
        assert other.restore(records) == ()
        assert (other.ack(lease), other.leased, other.next_expiry()) == (False, 0, None)
        assert [(kept.envelope.id, kept.envelope.attempt) for kept in other.snapshot()] == [(1, 2), (2, 2), (3, 1)]
        assert other.replace(envelope(4, dedup="k")).id == 3
        assert ids(other, 7) == [1, 2, 4]

    def test_what_was_out_on_its_last_delivery_is_not_restored_but_returned(self) -> None:
        mailbox = self.filled(1, 2, max_redeliveries=0)
        mailbox.lease(0)
        other = self.make(8, LEASE, 0)
        assert [each.id for each in other.restore(mailbox.snapshot())] == [1]
        assert ids(other) == [2]

    def test_a_restore_that_does_not_fit_is_refused_and_changes_nothing(self) -> None:
        records = self.filled(1, 2).snapshot()
        for mailbox in (self.filled(capacity=1), self.filled(5)):
            before = self.seen(mailbox)
            with pytest.raises(ValueError):
                mailbox.restore(records)
            assert self.seen(mailbox) == before
        keyed = self.filled(envelope(1, dedup="k")).snapshot() * 2
        with pytest.raises(ValueError):
            self.filled().restore(keyed)

    # Threads

    def test_ten_producers_and_ten_consumers_lose_nothing_and_share_nothing(self) -> None:
        mailbox, start, taken = self.make(1000, LEASE, 3), Barrier(20), []

        def produce(first: Any) -> Any:
            start.wait(10)
            for id in range(first, first + 100):
                assert mailbox.offer(envelope(id))

        def consume() -> Any:
            start.wait(10)
            for _ in range(200):
                if (lease := mailbox.lease(0)) is not None and mailbox.ack(lease):
                    taken.append(lease.envelope.id)

        threads = [Thread(target=produce, args=(100 * each,), daemon=True) for each in range(10)]
        threads += [Thread(target=consume, daemon=True) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in threads)
        assert sorted(taken + ids(mailbox)) == list(range(1000))

    def seen(self, mailbox: Any) -> Any:
        """All that can be seen of a mailbox, to tell that nothing has changed."""
        kept = [
            (each.envelope, each.lease and (each.lease.token, each.lease.expires_at, each.lease.renewals)) for each in mailbox.snapshot()
        ]
        return kept, mailbox.count, mailbox.ready, mailbox.leased, mailbox.next_visible(), mailbox.next_expiry()
