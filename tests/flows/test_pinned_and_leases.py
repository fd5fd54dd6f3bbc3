"""Streams that keep their thread, and leases whose holder is gone."""

import threading

import pytest

import actorflow as af
from actorflow.clock import seconds
from actorflow.dispatch.leases import INTERVAL
from actorflow.testing import SimulatedEngine


def flow_of(pinned, seen):
    flow = af.Workflow("pinned")

    @flow.node(pinned=pinned)
    def numbers(count):
        for number in range(count):
            seen.add(threading.get_ident())
            yield number

    flow.add(lambda number: number, name="take", mailbox=af.Mailbox(capacity=2))
    flow.add(lambda values: sum(values), name="total", join="collect")
    flow.chain("numbers", "take", "total")
    return flow


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_pinned_stream_stays_on_its_thread_although_it_waits_for_room(workers):
    seen = set()
    with af.Engine(workers=workers) as engine:
        assert engine.start(flow_of(True, seen), 500).result(timeout=30) == sum(range(500))
        assert len(seen) == 1
        assert engine.run(flow_of(True, seen), 500) == sum(range(500))


def test_in_virtual_time_pinned_changes_nothing():
    assert SimulatedEngine().start(flow_of(True, set()), 50).result(10) == sum(range(50))


class Gone:
    """A holder that does not live any more."""

    def alive(self):
        return False


def leased_away(engine, run, holder):
    """Take the lease of the run's next turn, as a worker would that is then lost with it."""
    router = run._router
    actor = router.ready.popleft()
    return actor, actor.mailbox.lease(router.now(), holder)


def test_a_message_whose_holder_is_gone_comes_back_when_its_lease_is_over():
    flow = af.Workflow("lost")
    flow.add(lambda x, ctx: (x, ctx.attempt), name="work")
    engine = SimulatedEngine()
    run = engine.start(flow, "x")
    actor, lease = leased_away(engine, run, Gone())
    engine.advance(29)
    assert actor.mailbox.holds(lease)
    engine.advance(2)
    assert not actor.mailbox.holds(lease)
    assert not run.done()
    engine.advance(1)  # 2 s after it came back it shows again
    assert run.result(0) == ("x", 2)


def test_a_message_that_is_lost_too_often_is_a_dead_letter_and_fails_its_activation():
    flow = af.Workflow("poison")
    flow.add(lambda x: x, name="work", mailbox=af.Mailbox(max_redeliveries=1))
    flow.add(lambda x: x, name="park")
    flow.connect("work", "park", on="fail")
    engine = SimulatedEngine()
    run = engine.start(flow, "x")
    for _ in range(2):
        engine.advance(45) if not run._router.ready else None
        leased_away(engine, run, Gone())
        engine._advance_to(engine.clock.now() + seconds(60), lambda: bool(run._router.ready) or run.done())
    result = run.wait(200)
    assert [letter.reason for letter in engine.dead_letters.list()] == ["redeliveries exhausted"]
    assert [failure.type for failure in (*result.errors, *result.handled)] == ["actorflow.errors.WorkerLost"]


def test_a_living_holder_keeps_its_lease_for_as_long_as_it_takes():
    flow = af.Workflow("slow")
    flow.add(lambda x: x, name="work")
    engine = SimulatedEngine()
    run = engine.start(flow, "x")

    class Alive:
        def alive(self):
            return True

    actor, lease = leased_away(engine, run, Alive())
    engine.advance(600)
    assert actor.mailbox.holds(lease)
    assert lease.renewals > 50


def test_a_keeper_that_comes_late_renews_and_ends_nothing_in_that_pass():
    flow = af.Workflow("late")
    flow.add(lambda x: x, name="work")
    engine = SimulatedEngine()
    run = engine.start(flow, "x")
    actor, lease = leased_away(engine, run, Gone())
    engine.clock.move_to(engine.clock.now() + 6 * INTERVAL)  # the process was stopped: nothing could run on the way
    engine.run_until_idle()
    assert actor.mailbox.holds(lease)
    engine.advance(10)
    assert not actor.mailbox.holds(lease)
