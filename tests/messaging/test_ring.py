"""What the ring promises, row by row: MB-1 to MB-16 of features.md, S5 to S8 and S13 of reliability.md; and how it does it."""

import sys
from inspect import signature
from threading import RLock, Thread

import pytest

from actorflow.clock import seconds
from actorflow.messages import Envelope, Lease
from actorflow.messaging import Kept, RingMailbox
from actorflow.policies import Mailbox

LEASE = 10  # ticks; small numbers, so that edges come at once
DELAY = 2


def ring(capacity=8, lease=LEASE, max_redeliveries=3, redelivery_cap=1000, **others):
    return RingMailbox(capacity, lease, max_redeliveries, redelivery_delay=DELAY, redelivery_cap=redelivery_cap, **others)


def envelope(id, payload=None, **facts):
    return Envelope(id, 0, (), payload, **facts)


def filled(*ids, **settings):
    mailbox = ring(**settings)
    for id in ids:
        assert mailbox.offer(envelope(id))
    mailbox._check()
    return mailbox


def drained(mailbox, now=0, types=None):
    """The ids in the order they are lent, until nothing is visible."""
    ids = []
    while lease := mailbox.lease(now, types=types):
        ids.append(lease.envelope.id)
        mailbox._check()
    return ids


def lent(mailbox, now=0, holder=None):
    lease = mailbox.lease(now, holder)
    assert lease is not None
    return lease


WAYS = ("acknowledged", "released", "expired", "dead", "removed", "superseded", "cleared")


def ended(way):
    """A mailbox, and a lease that has ended in this way. It was of message 1 with key "k"; 2 waits behind it."""
    mailbox = ring(max_redeliveries=0 if way == "dead" else 3)
    mailbox.offer(envelope(1, dedup="k"))
    mailbox.offer(envelope(2))
    lease = lent(mailbox)
    ends = {
        "acknowledged": lambda: mailbox.ack(lease),
        "released": lambda: mailbox.release(lease, visible_at=0),
        "expired": lambda: mailbox.expire(LEASE),
        "dead": lambda: mailbox.expire(LEASE),
        "removed": lambda: mailbox.remove(1),
        "superseded": lambda: mailbox.replace(envelope(3, dedup="k")),
        "cleared": lambda: mailbox.clear(),
    }
    assert ends[way]()
    return mailbox, lease


def everything(mailbox):
    """All that can be seen of a mailbox, to tell that nothing has changed."""
    kept = [
        (record.envelope, record.lease and (record.lease.token, record.lease.expires_at, record.lease.renewals))
        for record in mailbox.snapshot()
    ]
    return kept, mailbox.count, mailbox.ready, mailbox.leased, mailbox.next_visible(), mailbox.next_expiry()


# MB-1: bounded, with settings that are checked


@pytest.mark.parametrize(
    "wrong",
    [
        {"capacity": 0},
        {"capacity": -1},
        {"lease": 0},
        {"lease": -1},
        {"max_redeliveries": -1},
        {"redelivery_cap": -1},
        {"redelivery_delay": -1},
    ],
)
def test_mb1_a_setting_out_of_range_is_refused_and_named(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        RingMailbox(**wrong)


def test_mb1_the_least_settings_are_taken():
    mailbox = RingMailbox(capacity=1, lease=1, max_redeliveries=0, redelivery_delay=0, redelivery_cap=0)
    assert mailbox.offer(envelope(1)) is True
    assert lent(mailbox, 5).expires_at == 6


def test_mb1_the_defaults_are_those_of_the_policy():
    given = {name: parameter.default for name, parameter in signature(RingMailbox).parameters.items()}
    policy = Mailbox()
    assert given["capacity"] == policy.capacity == 1000
    assert given["lease"] == seconds(policy.lease) == 30_000_000_000
    assert given["max_redeliveries"] == policy.max_redeliveries == 3
    assert given["redelivery_delay"] == seconds(2)


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"capacity": 0}, ValueError, "capacity of Mailbox must be at least 1, not 0; .* leave it out for 1000"),
        ({"capacity": -5}, ValueError, "not -5"),
        ({"capacity": 1.0}, TypeError, "capacity of Mailbox must be a whole number, not 1.0"),
        ({"capacity": True}, TypeError, "not True"),
        ({"max_redeliveries": -1}, ValueError, "max_redeliveries of Mailbox must be at least 0, not -1; 0 delivers"),
        ({"max_redeliveries": None}, TypeError, "not None"),
        ({"lease": 0}, ValueError, "lease of Mailbox must be a finite number of seconds above 0, not 0; leave it out for 30.0"),
        ({"lease": -0.5}, ValueError, "not -0.5"),
        ({"lease": 1e-10}, ValueError, "not 1e-10"),
        ({"lease": float("inf")}, ValueError, "not inf"),
        ({"lease": float("nan")}, ValueError, "not nan"),
        ({"lease": "30"}, TypeError, "lease of Mailbox must be a number of seconds, not '30'"),
        ({"lease": True}, TypeError, "not True"),
    ],
)
def test_mb1_the_policy_names_the_wrong_value_and_says_what_helps(wrong, error, text):
    with pytest.raises(error, match=text):
        Mailbox(**wrong)


def test_mb1_the_policy_takes_the_least_values_and_whole_seconds():
    assert Mailbox(capacity=1, lease=1, max_redeliveries=0) == Mailbox(capacity=1, lease=1.0, max_redeliveries=0)


# MB-2: states and counts


def test_mb2_count_is_ready_and_leased_and_what_is_not_visible_yet_is_ready():
    mailbox = filled(1, 2)
    mailbox.offer(envelope(3, visible_at=50))
    lease = lent(mailbox)
    assert (mailbox.count, len(mailbox), mailbox.ready, mailbox.leased) == (3, 3, 2, 1)
    mailbox.release(lease, visible_at=20)
    assert (mailbox.count, mailbox.ready, mailbox.leased) == (3, 3, 0)


def test_mb2_an_acknowledged_message_leaves_its_place():
    mailbox = filled(1)
    mailbox.ack(lent(mailbox))
    assert everything(mailbox) == ([], 0, 0, 0, None, None)
    mailbox._check()


@pytest.mark.parametrize("leased", [False, True])
def test_mb2_the_place_of_a_superseded_message_is_free_at_once(leased):
    mailbox = ring(capacity=2)
    mailbox.offer(envelope(1, dedup="k"))
    if leased:
        lent(mailbox)
    for id in range(2, 20):  # more often than there are places
        assert mailbox.replace(envelope(id, dedup="k")).id == id - 1
        mailbox._check()
    assert mailbox.count == 1
    assert mailbox.offer(envelope(99)) is True
    assert drained(mailbox) == [19, 99]


# MB-3 and S13: full is full, whatever the messages are doing


@pytest.mark.parametrize("capacity", [1, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("what", ["ready", "leased", "delayed", "returned", "mixed"])
def test_mb3_s13_a_full_mailbox_takes_nothing_and_changes_nothing(capacity, what):
    mailbox = ring(capacity=capacity)
    for id in range(capacity):
        assert mailbox.offer(envelope(id, visible_at=50 if what == "delayed" or (what == "mixed" and id % 3 == 0) else 0)) is True
        if what in ("leased", "returned") or (what == "mixed" and id % 3 == 1):
            lease = mailbox.lease(0)
            if what == "returned":
                mailbox.release(lease, visible_at=30)
    before = everything(mailbox)
    for _ in range(3):
        assert mailbox.offer(envelope(99)) is False
        assert mailbox.offer(envelope(99, visible_at=5)) is False
        assert mailbox.offer(envelope(99, dedup="k")) is False
    assert everything(mailbox) == before
    assert mailbox.count == mailbox.capacity == capacity
    mailbox._check()


def test_mb3_a_place_that_is_free_again_is_used_again():
    mailbox = filled(1, 2, 3, capacity=3)
    held = lent(mailbox)
    for id in range(4, 40):
        assert mailbox.offer(envelope(id)) is False
        lease = lent(mailbox)
        assert lease.envelope.id == id - 2
        mailbox.ack(lease)
        assert mailbox.offer(envelope(id)) is True
        mailbox._check()
    assert mailbox.ack(held) is True


# MB-4: first in, first out


def test_mb4_messages_come_in_the_order_of_offer_through_growth_and_wrap():
    mailbox = ring(capacity=50)
    given, taken = iter(range(1000)), []
    for more in (3, 1, 5, 2, 9, 30, 1, 1, 7, 12):
        for _ in range(more):
            mailbox.offer(envelope(next(given)))
            mailbox._check()
        for _ in range(more // 2 + 1):
            if lease := mailbox.lease(0):
                taken.append(lease.envelope.id)
                mailbox.ack(lease)
                mailbox._check()
    taken += drained(mailbox)
    assert taken == list(range(next(given)))


def test_mb4_a_message_given_back_goes_before_all_that_were_offered_after_it():
    mailbox = filled(1, 2, 3, 4)
    first, second = lent(mailbox), lent(mailbox)
    mailbox.release(second, visible_at=0)
    mailbox.release(first, visible_at=0)
    mailbox.offer(envelope(5))
    assert drained(mailbox) == [1, 2, 3, 4, 5]


def test_mb4_a_message_given_back_does_not_go_before_older_ones():
    mailbox = filled(1, 2, 3)
    first, second = lent(mailbox), lent(mailbox)
    mailbox.release(second, visible_at=0)
    assert lent(mailbox).envelope.id == 2
    mailbox.release(first, visible_at=0)
    assert drained(mailbox) == [1, 3]


def test_mb4_what_becomes_visible_late_goes_by_its_offer():
    mailbox = ring()
    for id, visible_at in enumerate((30, 0, 20, 0, 20)):
        mailbox.offer(envelope(id, visible_at=visible_at))
    assert lent(mailbox, 0).envelope.id == 1
    assert lent(mailbox, 20).envelope.id == 2
    assert drained(mailbox, 30) == [0, 3, 4]


def test_mb4_a_message_given_back_keeps_id_payload_and_time_of_offer():
    mailbox = ring()
    payload = [1]
    mailbox.offer(envelope(7, payload, offered_at=3, dedup="k", source=4))
    mailbox.release(lent(mailbox), visible_at=5)
    again = lent(mailbox, 5).envelope
    assert again.payload is payload
    assert (again.id, again.offered_at, again.dedup, again.source, again.attempt, again.visible_at) == (7, 3, "k", 4, 2, 5)


# MB-5: a lease


def test_mb5_a_lease_says_who_since_when_and_until_when():
    mailbox, worker = filled(1), object()
    lease = lent(mailbox, 7, worker)
    assert (lease.holder, lease.taken_at, lease.expires_at, lease.renewals) == (worker, 7, 7 + LEASE, 0)
    assert lease.holder is worker


def test_mb5_nothing_visible_is_none_at_once():
    mailbox = ring()
    assert mailbox.lease(0) is None
    mailbox.offer(envelope(1, visible_at=5))
    assert mailbox.lease(4) is None
    assert mailbox.lease(5) is not None
    assert mailbox.lease(5) is None


def test_mb5_types_pick_the_oldest_that_fits_and_leave_the_others_in_order():
    mailbox = ring(capacity=10)
    for id, payload in enumerate(["a", 1, "b", 2.0, 2, "c", True]):
        mailbox.offer(envelope(id, payload))
    assert lent(mailbox).envelope.id == 0
    assert [mailbox.lease(0, types=(int, float)).envelope.id for _ in range(3)] == [1, 3, 4]
    assert mailbox.lease(0, types=(int, float)) is None  # True is no int here: subclasses are not included
    mailbox._check()
    assert drained(mailbox) == [2, 5, 6]


def test_mb5_types_see_what_was_given_back_and_not_what_is_hidden():
    mailbox = ring()
    for id, payload in enumerate(["a", 1, "b", "c"]):
        mailbox.offer(envelope(id, payload, visible_at=9 if id == 3 else 0))
    first = lent(mailbox)
    mailbox.release(first, visible_at=5)
    assert mailbox.lease(4, types=(str,)).envelope.id == 2
    assert mailbox.lease(4, types=(str,)) is None
    mailbox._check()
    assert mailbox.lease(5, types=(str,)).envelope.id == 0
    assert mailbox.lease(8, types=(str,)) is None
    assert mailbox.lease(9, types=(str,)).envelope.id == 3
    assert mailbox._late is None
    assert drained(mailbox) == [1]


def test_mb5_no_code_of_a_payload_runs():
    class Meta(type):
        def __eq__(cls, other):
            raise AssertionError("asked")

        __hash__ = type.__hash__

    class Payload(metaclass=Meta):
        def __getattribute__(self, name):
            raise AssertionError(f"looked at {name}")

        __eq__ = __hash__ = __bool__ = __len__ = __getattribute__

    mailbox = ring()
    mailbox.offer(envelope(1, Payload()))
    assert mailbox.lease(0, types=(int, str)) is None
    lease = mailbox.lease(0, types=(int, Payload))
    mailbox.release(lease, visible_at=0)
    assert mailbox.lease(0) is not None
    assert len(mailbox.snapshot()) == 1


@pytest.mark.parametrize("asked", [{"types": ()}, {"holder": ""}, {"holder": " \t"}])
def test_mb5_no_types_and_a_blank_holder_are_argument_errors(asked):
    mailbox = filled(1)
    with pytest.raises(ValueError, match="leave it out"):
        mailbox.lease(0, **asked)
    assert (mailbox.ready, mailbox.leased) == (1, 0)


# MB-7: not before


def test_mb7_a_message_is_invisible_until_its_instant_and_visible_at_it():
    mailbox = ring()
    mailbox.offer(envelope(1, visible_at=7))
    assert mailbox.lease(6) is None
    assert mailbox.lease(7).envelope.visible_at == 7


def test_mb7_the_instant_survives_being_given_back_and_being_restored():
    mailbox = filled(1)
    mailbox.release(lent(mailbox), visible_at=8)
    copy = ring()
    copy.restore(mailbox.snapshot())
    for each in (mailbox, copy):
        assert (each.lease(7), each.next_visible()) == (None, 8)
        assert each.lease(8).envelope.id == 1


def test_mb7_next_visible_says_when_to_look_again():
    mailbox = ring()
    assert mailbox.next_visible() is None
    mailbox.offer(envelope(1, visible_at=9))
    mailbox.offer(envelope(2, visible_at=5))
    assert mailbox.next_visible() == 5
    assert mailbox.lease(4) is None
    lease = lent(mailbox, 5)
    assert mailbox.next_visible() == 9
    mailbox.release(lease, visible_at=0)
    assert mailbox.next_visible() == 0
    drained(mailbox, 5)
    mailbox.offer(envelope(3))
    assert mailbox.next_visible() == 0
    drained(mailbox, 9)
    assert mailbox.next_visible() is None


def test_mb7_what_was_visible_once_stays_visible_for_a_thread_that_lags_behind():
    mailbox = ring()
    mailbox.offer(envelope(1, visible_at=5))
    mailbox.offer(envelope(2, visible_at=5))
    assert mailbox.lease(5).envelope.id == 1
    assert mailbox.lease(4).envelope.id == 2


# MB-8, MB-9, MB-14, S5 and S6: tokens, and verbs with a lease that has ended


def test_mb8_acknowledging_is_true_once():
    mailbox = filled(1)
    lease = lent(mailbox)
    assert [mailbox.ack(lease) for _ in range(3)] == [True, False, False]
    assert mailbox.count == 0


@pytest.mark.parametrize("verb", ["ack", "renew", "release", "holds", "expire"])
@pytest.mark.parametrize("way", WAYS)
def test_s6_a_lease_that_has_ended_does_nothing(way, verb):
    mailbox, lease = ended(way)
    mailbox.lease(100)  # what is there now may well be in the same slot
    mailbox.offer(envelope(50))
    before, facts = everything(mailbox), (lease.expires_at, lease.renewals, lease.envelope.attempt)
    if verb == "release":
        assert mailbox.release(lease, visible_at=0) is False
        assert mailbox.release(lease, visible_at=0, count=False) is False
    elif verb == "renew":
        assert mailbox.renew(lease, 5) is False
    elif verb == "expire":
        mailbox.expire(LEASE, alive=lambda holder: True)
    else:
        assert getattr(mailbox, verb)(lease) is False
    assert (everything(mailbox), (lease.expires_at, lease.renewals, lease.envelope.attempt)) == (before, facts)
    mailbox._check()


def test_s6_the_next_holder_keeps_its_lease_whatever_the_earlier_one_does():
    mailbox = filled(1, capacity=1)
    first = lent(mailbox, 0)
    mailbox.expire(LEASE)
    second = lent(mailbox, LEASE + DELAY)
    assert [mailbox.ack(first), mailbox.renew(first, 50), mailbox.release(first, visible_at=0), mailbox.holds(first)] == [False] * 4
    assert (mailbox.holds(second), second.renewals, mailbox.ack(second)) == (True, 0, True)


def test_s6_leases_that_are_not_of_this_mailbox_do_nothing():
    mailbox, other = filled(1, 2, 3), filled(*range(20), capacity=20)
    lease = lent(mailbox)
    foreign = [other.lease(0) for _ in range(20)]
    built = Lease(lease.envelope, lease.token, lease.taken_at, lease.expires_at)
    for stranger in [*foreign, built, mailbox.snapshot()[0].lease]:
        assert [mailbox.ack(stranger), mailbox.renew(stranger, 5), mailbox.holds(stranger)] == [False] * 3
        assert mailbox.release(stranger, visible_at=0) is False
        assert ring().ack(stranger) is False
    assert mailbox.holds(lease) is True


def test_s5_tokens_go_up_and_are_never_used_twice():
    mailbox = ring(capacity=3)
    tokens = []
    for turn in range(30):
        mailbox.offer(envelope(turn, dedup="k" if turn == 20 else None))
        lease = lent(mailbox, 1000 * turn)
        tokens.append(lease.token)
        if turn % 3 == 0:
            mailbox.ack(lease)
        elif turn % 3 == 1:
            mailbox.release(lease, visible_at=0)
        else:
            mailbox.expire(lease.expires_at)
        if turn in (10, 20):
            mailbox.clear()
    assert tokens == sorted(set(tokens))
    assert tokens[0] > 0


def test_s5_a_lease_can_be_acknowledged_late_as_long_as_nobody_else_could_have_it():
    mailbox = filled(1)
    lease = lent(mailbox)
    assert lease.expired(10**9)
    assert mailbox.holds(lease) is True
    assert mailbox.ack(lease) is True


def test_mb9_a_release_counts_and_hides_until_its_instant():
    mailbox = filled(1)
    first = lent(mailbox)
    assert mailbox.release(first, visible_at=6) is True
    assert (mailbox.lease(5), mailbox.leased) == (None, 0)
    again = lent(mailbox, 6)
    assert (again.envelope.attempt, first.envelope.attempt) == (2, 1)  # what the earlier holder sees does not change


def test_s8_a_release_that_does_not_count_keeps_the_attempt():
    mailbox = filled(1)
    for _ in range(10):
        assert mailbox.release(lent(mailbox), visible_at=0, count=False) is True
        mailbox._check()
    assert lent(mailbox).envelope.attempt == 1


def test_mb9_how_often_a_release_may_be_is_for_the_retry_policy_to_say():
    mailbox = filled(1, max_redeliveries=1)
    for attempt in range(1, 10):
        lease = lent(mailbox)
        assert lease.envelope.attempt == attempt
        assert mailbox.release(lease, visible_at=0) is True


def test_mb9_a_message_is_given_back_into_a_full_mailbox():
    mailbox = filled(1, 2, capacity=2)
    lease = lent(mailbox)
    assert mailbox.offer(envelope(3)) is False
    assert mailbox.release(lease, visible_at=0) is True
    assert drained(mailbox) == [1, 2]


# MB-10, MB-11 and S7: expiry


@pytest.mark.parametrize(("now", "expired"), [(LEASE - 1, False), (LEASE, True), (LEASE + 1, True)])
def test_s5_a_lease_is_over_exactly_at_its_expiry(now, expired):
    mailbox = filled(1)
    lease = lent(mailbox, 0)
    done = mailbox.expire(now)
    assert lease.expired(now) is expired
    assert (mailbox.holds(lease), mailbox.leased, done.returned, done.dead) == (
        not expired,
        0 if expired else 1,
        (lease,) if expired else (),
        (),
    )


def test_mb10_an_expired_message_waits_its_redelivery_delay_which_grows_and_is_capped():
    mailbox = filled(1, max_redeliveries=5, redelivery_cap=7)
    now, delays = 0, []
    for attempt in range(1, 6):
        lease = lent(mailbox, now)
        assert lease.envelope.attempt == attempt
        mailbox.expire(lease.expires_at)
        now = mailbox.next_visible()
        assert mailbox.lease(now - 1) is None
        delays.append(now - lease.expires_at)
    assert delays == [2, 4, 6, 7, 7]


def test_mb10_the_delay_counts_from_when_the_expiry_was_noticed():
    mailbox = filled(1)
    lent(mailbox)
    mailbox.expire(500)
    assert mailbox.next_visible() == 500 + DELAY


def test_mb10_next_expiry_says_when_to_come_back():
    mailbox = filled(1, 2, 3)
    assert mailbox.next_expiry() is None
    first, second = lent(mailbox, 5), lent(mailbox, 3)
    assert mailbox.next_expiry() == 3 + LEASE
    mailbox.renew(second, 9)
    assert mailbox.next_expiry() == 5 + LEASE
    mailbox.ack(first)
    assert mailbox.next_expiry() == 9 + LEASE
    mailbox.ack(second)
    assert mailbox.next_expiry() is None


@pytest.mark.parametrize("redeliveries", [0, 1, 3])
def test_mb11_s8_a_message_is_delivered_once_and_then_as_often_as_its_redeliveries(redeliveries):
    mailbox = filled(1, 2, max_redeliveries=redeliveries, capacity=2)
    mailbox.release(mailbox.lease(0), visible_at=10**6, count=False)  # 1 waits aside
    now, deliveries = 0, 0
    while (lease := mailbox.lease(now)) is not None:
        deliveries += 1
        done = mailbox.expire(lease.expires_at)
        now = lease.expires_at + 100
        mailbox._check()
    assert deliveries == redeliveries + 1
    assert (done.returned, [(lease.envelope.id, lease.envelope.attempt) for lease in done.dead]) == ((), [(2, redeliveries + 1)])
    assert mailbox.offer(envelope(3)) is True  # its place is free
    assert drained(mailbox, 10**6) == [1, 3]


def test_s7_a_lease_of_a_living_holder_does_not_expire():
    mailbox = filled(1, 2, 3, 4)
    alive, dead = object(), object()
    leases = [lent(mailbox, 0, holder) for holder in (alive, dead, alive)]
    nobody = lent(mailbox, 0)
    asked = []
    done = mailbox.expire(LEASE, alive=lambda holder: asked.append(holder) or holder is alive)
    assert (done.returned, asked) == ((leases[1], nobody), [alive, dead, alive])
    assert [mailbox.holds(lease) for lease in leases] == [True, False, True]
    assert mailbox.expire(10**6).returned == (leases[0], leases[2])


def test_s7_the_living_are_not_asked_about_before_their_lease_is_over():
    mailbox = filled(1)
    lent(mailbox, 0, "worker")
    assert mailbox.expire(LEASE - 1, alive=lambda holder: pytest.fail("asked")).returned == ()


def test_s7_a_late_keeper_renews_first_and_the_living_keep_their_leases():
    mailbox = filled(1)
    lease = lent(mailbox, 0)
    assert mailbox.renew(lease, 400) is True  # long past expiry, but nobody expired it
    assert mailbox.expire(400 + LEASE - 1).returned == ()
    assert mailbox.expire(400 + LEASE).returned == (lease,)
    assert mailbox.renew(lease, 401 + LEASE) is False


@pytest.mark.parametrize("meanwhile", ["ack", "release", "renew"])
def test_s7_what_happens_while_the_holder_is_asked_about_counts(meanwhile):
    mailbox = filled(1)
    lease = lent(mailbox, 0, "worker")

    def alive(holder):
        thread = Thread(target=lambda: mailbox.renew(lease, LEASE) if meanwhile == "renew" else end())
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), "the question is asked outside the lock"
        return False

    def end():
        return mailbox.ack(lease) if meanwhile == "ack" else mailbox.release(lease, visible_at=3)

    done = mailbox.expire(LEASE, alive)
    assert (done.returned, done.dead) == ((), ())
    mailbox._check()
    assert (mailbox.count, mailbox.leased, mailbox.next_visible()) == {"ack": (0, 0, None), "release": (1, 0, 3), "renew": (1, 1, None)}[
        meanwhile
    ]


def test_s7_a_question_that_fails_changes_nothing():
    mailbox = filled(1)
    lease = lent(mailbox, 0, "worker")
    with pytest.raises(ZeroDivisionError):
        mailbox.expire(LEASE, alive=lambda holder: 1 / 0)
    assert mailbox.ack(lease) is True


# MB-12: renewal


def test_mb12_a_renewal_counts_and_sets_a_new_expiry():
    mailbox = filled(1)
    lease = lent(mailbox, 0)
    assert [mailbox.renew(lease, 4), mailbox.renew(lease, 6)] == [True, True]
    assert (lease.renewals, lease.expires_at, lease.taken_at) == (2, 6 + LEASE, 0)
    assert mailbox.expire(6 + LEASE - 1).returned == ()
    assert lease.envelope.attempt == 1


# MB-13: replacement by key


@pytest.mark.parametrize("state", ["ready", "leased", "delayed", "returned"])
def test_mb13_a_newer_message_takes_the_place_of_the_older_even_when_full(state):
    mailbox = ring(capacity=3)
    mailbox.offer(envelope(1))
    old = envelope(2, dedup=("k", 1), visible_at=9 if state == "delayed" else 0)
    mailbox.offer(old)
    mailbox.offer(envelope(3))
    lease = None
    if state in ("leased", "returned"):
        mailbox.release(lent(mailbox), visible_at=0, count=False)
        first, lease = lent(mailbox), lent(mailbox)
        mailbox.release(first, visible_at=0, count=False)
        if state == "returned":
            mailbox.release(lease, visible_at=0, count=False)
    assert mailbox.offer(envelope(4)) is False
    superseded = mailbox.replace(envelope(5, dedup=("k", 1)))
    mailbox._check()
    assert superseded.id == 2
    assert lease is None or mailbox.ack(lease) is False
    assert (mailbox.count, mailbox.offer(envelope(4))) == (3, False)
    assert drained(mailbox, 100) == [1, 3, 5]  # as if offered now: the older one's turn is not inherited


def test_mb13_no_holder_of_the_key_is_none_and_changes_nothing():
    mailbox = filled(1)
    assert mailbox.replace(envelope(2, dedup="k")) is None
    mailbox.offer(envelope(3, dedup="other"))
    assert mailbox.replace(envelope(4, dedup="k")) is None
    mailbox.replace(envelope(5, dedup="other"))
    first = lent(mailbox)
    assert mailbox.ack(lent(mailbox)) is True
    assert mailbox.replace(envelope(6, dedup="other")) is None  # the holder is done
    assert (mailbox.count, mailbox.ack(first)) == (1, True)


@pytest.mark.parametrize("key", [None, "", "  "])
def test_mb13_a_blank_key_is_an_argument_error(key):
    mailbox = filled(1)
    with pytest.raises(ValueError, match="envelope ff has no dedup key"):
        mailbox.replace(envelope(255, dedup=key))


def test_mb13_an_offer_with_a_key_that_is_taken_is_a_fault():
    mailbox = ring()
    mailbox.offer(envelope(1, dedup="k"))
    with pytest.raises(ValueError, match=r"envelope ff .* use replace"):
        mailbox.offer(envelope(255, dedup="k"))
    assert drained(mailbox) == [1]
    assert mailbox.replace(envelope(3, dedup="k")) is not None


def test_mb13_a_replacement_may_be_delayed():
    mailbox = ring(capacity=1)
    mailbox.offer(envelope(1, dedup=0))
    assert mailbox.replace(envelope(2, dedup=0, visible_at=9)).id == 1
    assert (mailbox.lease(8), mailbox.next_visible(), drained(mailbox, 9)) == (None, 9, [2])


@pytest.mark.parametrize("way", WAYS)
def test_mb13_a_key_is_free_again_however_its_message_left(way):
    mailbox, _ = ended(way)
    while lease := mailbox.lease(10**6):
        mailbox.ack(lease)
    assert mailbox.count == 0
    assert mailbox.offer(envelope(9, dedup="k")) is True


# MB-14: removal, snapshot, restore


@pytest.mark.parametrize("id", [0, 1, 2, 3, 4])
def test_mb14_a_message_is_removed_by_its_id_wherever_it_is(id):
    mailbox = ring()
    for each in range(5):
        mailbox.offer(envelope(each, visible_at=7 if each == 3 else 0))
    leases = [lent(mailbox), lent(mailbox)]
    mailbox.release(leases[1], visible_at=0, count=False)
    assert [mailbox.remove(id), mailbox.remove(id)] == [True, False]
    mailbox._check()
    assert mailbox.count == 4
    assert mailbox.ack(leases[0]) is (id != 0)
    assert drained(mailbox, 7) == [each for each in (1, 2, 3, 4) if each != id]


def test_mb14_an_unknown_id_is_false():
    assert filled(1).remove(2) is False


def test_mb14_clear_gives_back_everything_oldest_first():
    mailbox = filled(1, 2, 3)
    mailbox.offer(envelope(4, visible_at=5, dedup="k"))
    first, second = lent(mailbox), lent(mailbox)
    mailbox.release(first, visible_at=8)
    assert [each.id for each in mailbox.clear()] == [1, 2, 3, 4]
    assert everything(mailbox) == ([], 0, 0, 0, None, None)
    assert mailbox.ack(second) is False
    mailbox._check()
    assert mailbox.offer(envelope(5, dedup="k")) is True


def test_mb14_a_snapshot_has_everything_oldest_first_and_stays_as_it_was():
    mailbox = filled(1, 2, 3)
    mailbox.release(lent(mailbox), visible_at=9)
    worker = object()
    lease = lent(mailbox, 4, worker)
    mailbox.renew(lease, 5)
    records = mailbox.snapshot()
    mailbox.renew(lease, 6)
    mailbox.clear()
    assert [(record.envelope.id, record.envelope.attempt, record.leased) for record in records] == [
        (1, 2, False),
        (2, 1, True),
        (3, 1, False),
    ]
    kept = records[1].lease
    assert (kept.token, kept.taken_at, kept.expires_at, kept.holder, kept.renewals) == (lease.token, 4, 5 + LEASE, worker, 1)
    assert [records[0].lease, records[2].lease] == [None, None]


def test_mb14_what_is_restored_keeps_order_attempts_and_instants_and_leases_are_void():
    mailbox = filled(1, 2, 3)
    mailbox.offer(envelope(4, visible_at=40, dedup="k"))
    mailbox.release(lent(mailbox), visible_at=30)
    lease = lent(mailbox)
    copy = ring(capacity=4)
    assert copy.restore(mailbox.snapshot()) == ()
    copy._check()
    assert copy.ack(lease) is False
    assert [(each.envelope.id, each.envelope.attempt, each.envelope.visible_at, each.lease) for each in copy.snapshot()] == [
        *[(1, 2, 30, None), (2, 2, 0, None), (3, 1, 0, None), (4, 1, 40, None)]
    ]
    assert copy.replace(envelope(5, dedup="k")).id == 4
    assert drained(copy, 40) == [1, 2, 3, 5]
    assert lease.envelope.attempt == 1


def test_s8_a_message_that_was_out_on_its_last_delivery_at_a_crash_is_not_delivered_again():
    mailbox = filled(1, 2, max_redeliveries=1)
    for _ in range(2):
        lease = lent(mailbox)
        if lease.envelope.attempt == 1:
            mailbox.release(lease, visible_at=0)
    copy = ring(max_redeliveries=1)
    dead = copy.restore(mailbox.snapshot())
    assert [(each.id, each.attempt) for each in dead] == [(1, 2)]
    assert drained(copy) == [2]


def test_mb14_a_restore_that_would_overflow_is_refused_and_changes_nothing():
    small = ring(capacity=2)
    with pytest.raises(ValueError, match="3 messages to restore do not fit a mailbox of 2"):
        small.restore(filled(1, 2, 3).snapshot())
    assert small.count == 0


def test_mb14_a_restore_over_live_messages_is_refused_and_changes_nothing():
    mailbox = filled(1)
    with pytest.raises(ValueError, match="only an empty mailbox can be restored; this one holds 1"):
        mailbox.restore(filled(2).snapshot())
    assert drained(mailbox) == [1]


def test_mb14_a_restore_with_a_key_twice_is_refused_and_changes_nothing():
    mailbox = ring()
    with pytest.raises(ValueError, match="the same dedup key"):
        mailbox.restore([Kept(envelope(1, dedup="k")), Kept(envelope(2, dedup="k"))])
    assert mailbox.count == 0


# How it is made


def test_slots_grow_up_to_the_capacity_and_not_before_they_are_needed():
    mailbox, sizes = ring(capacity=11), [0]
    for id in range(12):
        mailbox.offer(envelope(id))
        if len(mailbox._slots) != sizes[-1]:
            sizes.append(len(mailbox._slots))
    assert sizes == [0, 1, 4, 8, 11]  # the first comes alone: most mailboxes never hold a second message
    for _ in range(100):
        mailbox.ack(lent(mailbox))
        mailbox.offer(envelope(1))
    assert len(mailbox._slots) == 11


@pytest.mark.parametrize("moved", range(5))
@pytest.mark.parametrize("held", range(4))
def test_growing_keeps_the_order_wherever_the_circle_stands(moved, held):
    mailbox = ring(capacity=9)
    for _ in range(moved):
        mailbox.offer(envelope(0))
        mailbox.ack(lent(mailbox))
    for id in range(4):
        mailbox.offer(envelope(id))
    leases = [lent(mailbox) for _ in range(held)]
    for id in range(4, 9):
        assert mailbox.offer(envelope(id)) is True
        mailbox._check()
    assert mailbox.offer(envelope(9)) is False
    for lease in reversed(leases):
        assert mailbox.release(lease, visible_at=0) is True
    assert drained(mailbox) == list(range(9))


def test_an_idle_mailbox_is_small_and_one_that_never_had_a_message_smaller():
    def size(mailbox):
        own = [mailbox, mailbox._lock, mailbox._late, mailbox._keys]
        return sum(map(sys.getsizeof, own)) + sum(
            sys.getsizeof(part) for part in (mailbox._slots, mailbox._arrivals, mailbox._order) if part
        )

    never, used = RingMailbox(), RingMailbox()
    used.offer(envelope(1, visible_at=1, dedup="k"))
    lease = used.lease(1)
    used.release(lease, visible_at=2)
    used.ack(used.lease(2))
    assert size(never) < 350
    assert size(used) < 650


def test_a_message_that_is_gone_is_not_kept_alive():
    payload = object()
    mailbox = ring()
    before = sys.getrefcount(payload)
    mailbox.offer(envelope(1, payload))
    mailbox.release(mailbox.lease(0), visible_at=1)
    mailbox.ack(mailbox.lease(1))
    assert sys.getrefcount(payload) == before


def test_mailboxes_may_share_a_lock():
    lock = RLock()
    mailboxes = [ring(lock=lock), ring(lock=lock)]
    for mailbox in mailboxes:
        mailbox.offer(envelope(1))
        assert mailbox.ack(lent(mailbox)) is True


def test_its_text_says_how_full_it_is_and_no_payload():
    mailbox = filled(1, 2)
    mailbox.offer(envelope(3, "secret"))
    lent(mailbox)
    assert repr(mailbox) == "RingMailbox(3 of 8 places taken, 1 leased)"


class InterruptedLock:
    """A lock whose next acquire ends in KeyboardInterrupt, `after` it has the lock or while it still waits for it."""

    def __init__(self, after):
        self.lock, self.after, self.armed = RLock(), after, False

    def acquire(self):
        if not self.armed:
            return self.lock.acquire()
        self.armed = False
        if self.after:
            self.lock.acquire()
        raise KeyboardInterrupt

    def release(self):
        self.lock.release()

    def __enter__(self):
        return self.lock.acquire()

    def __exit__(self, *_):
        self.lock.release()


def in_another_thread(work):
    answers = []
    thread = Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    thread.join(10)
    return answers[0]


@pytest.mark.parametrize("verb", ["offer", "lease", "ack"])
def test_s26_an_interrupt_right_after_the_lock_was_taken_leaves_it_free(verb):
    lock = InterruptedLock(after=True)
    mailbox, argument = interrupted(lock, verb)
    before = everything(mailbox)
    lock.armed = True
    with pytest.raises(KeyboardInterrupt):
        getattr(mailbox, verb)(argument)
    assert in_another_thread(lambda: everything(mailbox)) == before


@pytest.mark.parametrize("verb", ["offer", "lease", "ack"])
def test_s26_an_interrupt_while_waiting_for_the_lock_leaves_it_with_whoever_has_it(verb):
    lock = InterruptedLock(after=False)
    mailbox, argument = interrupted(lock, verb)
    in_another_thread(lock.acquire)  # that thread is over, and the lock stays taken
    lock.armed = True
    with pytest.raises(KeyboardInterrupt):
        getattr(mailbox, verb)(argument)
    assert lock.lock.acquire(blocking=False) is False


def interrupted(lock, verb):
    mailbox = ring(lock=lock)
    mailbox.offer(envelope(1))
    mailbox.offer(envelope(2))
    return mailbox, {"offer": envelope(3), "lease": 0, "ack": lent(mailbox)}[verb]
