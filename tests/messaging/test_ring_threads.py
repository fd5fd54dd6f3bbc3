"""MB-6: any number of producers and consumers, no message lost and none in two hands. Each thread does a fixed amount of work."""

import random
import sys
from collections import Counter
from threading import Barrier, Event, Thread

import pytest

from actorflow.messages import Envelope
from actorflow.messaging import RingMailbox

THREADS = 10
too_long = Event()
"""Set when threads that should be done are not, so that none goes on behind the next test."""


@pytest.fixture(autouse=True)
def restless():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    too_long.clear()
    yield
    sys.setswitchinterval(before)


def together(*works):
    """Run them at the same time, one thread each; what they return, in their order."""
    start, results, errors = Barrier(len(works)), [None] * len(works), []

    def run(index, work):
        try:
            start.wait(30)
            results[index] = work()
        except BaseException as error:
            errors.append(error)
            raise

    threads = [Thread(target=run, args=pair, daemon=True) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        if thread.is_alive():
            too_long.set()
    assert not too_long.is_set()
    assert errors == []
    return results


def offers(mailbox, first, number):
    return lambda: sum(mailbox.offer(Envelope(id, 0, (), None)) for id in range(first, first + number))


def test_mb6_ten_producers_of_a_hundred_fill_a_thousand_places():
    mailbox = RingMailbox(capacity=1000)
    assert together(*(offers(mailbox, 100 * each, 100) for each in range(THREADS))) == [100] * THREADS
    mailbox._check()
    assert mailbox.count == 1000
    ids = [record.envelope.id for record in mailbox.snapshot()]
    assert sorted(ids) == list(range(1000))
    for each in range(THREADS):  # S9: in order for each sender
        assert [id for id in ids if id // 100 == each] == list(range(100 * each, 100 * each + 100))


def test_mb6_producers_of_more_than_fits_are_refused_exactly_the_rest():
    mailbox = RingMailbox(capacity=333)
    assert sum(together(*(offers(mailbox, 100 * each, 100) for each in range(THREADS)))) == mailbox.count == 333
    mailbox._check()


def test_mb6_ten_consumers_of_ten_messages_get_one_each():
    for _ in range(50):
        mailbox = RingMailbox()
        offers(mailbox, 0, THREADS)()
        leases = together(*[lambda mailbox=mailbox: mailbox.lease(0)] * THREADS)
        assert sorted(lease.envelope.id for lease in leases) == list(range(THREADS))
        assert len({lease.token for lease in leases}) == THREADS
        assert mailbox.lease(0) is None
        assert together(*[lambda mailbox=mailbox, lease=lease: mailbox.ack(lease) for lease in leases]) == [True] * THREADS
        mailbox._check()


def test_mb8_of_ten_acknowledgements_at_once_one_is_true():
    for _ in range(50):
        mailbox = RingMailbox(capacity=1)
        offers(mailbox, 0, 1)()
        lease = mailbox.lease(0)
        assert sorted(together(*[lambda mailbox=mailbox, lease=lease: mailbox.ack(lease)] * THREADS)) == [False] * 9 + [True]
        assert mailbox.count == 0


def test_mb6_a_lease_ends_once_whoever_ends_it():
    """An acknowledgement, a release and an expiry at once: one of them has it, and the message is where that one put it."""
    for _ in range(100):
        mailbox = RingMailbox(lease=1)
        offers(mailbox, 0, 1)()
        lease = mailbox.lease(0)

        def expire(mailbox=mailbox):
            return len(mailbox.expire(1, alive=lambda holder: False).returned) == 1

        ends = together(
            lambda mailbox=mailbox, lease=lease: mailbox.ack(lease),
            lambda mailbox=mailbox, lease=lease: mailbox.release(lease, visible_at=0),
            expire,
        )
        assert sum(ends) == 1
        assert mailbox.count == (0 if ends[0] else 1)
        mailbox._check()


def test_mb6_every_message_is_acknowledged_once_whatever_happens_on_the_way():
    """Producers, consumers that give up now and then, and a reaper, on few places; each works until all is done."""
    producers, consumers, number = 3, 4, 150
    total = producers * number
    mailbox = RingMailbox(capacity=7, lease=3, max_redeliveries=10**9, redelivery_delay=1, redelivery_cap=2)
    done = []

    def produce(first):
        for id in range(first, first + number):
            while not mailbox.offer(Envelope(id, 0, (), None, visible_at=id % 3)):
                if too_long.is_set():
                    return

    def consume(seed):
        rng = random.Random(seed)
        while len(done) < total and not too_long.is_set():
            lease = mailbox.lease(10 + rng.randrange(3), seed)
            if lease is None:
                continue
            mailbox.renew(lease, 10)
            if rng.random() < 0.3:
                mailbox.release(lease, visible_at=rng.randrange(10))
            elif mailbox.ack(lease):
                done.append(lease.envelope.id)

    def reap():
        while len(done) < total and not too_long.is_set():
            mailbox.expire(12, alive=lambda seed: seed % 2 == 0)

    works = [lambda first=number * each: produce(first) for each in range(producers)]
    together(*works, *[lambda seed=each: consume(seed) for each in range(consumers)], reap)
    mailbox._check()
    assert Counter(done) == Counter(range(total))
    assert (mailbox.count, mailbox.leased, mailbox.next_visible()) == (0, 0, None)
