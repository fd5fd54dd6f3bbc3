"""Open runs: open, send, asend, close; room, and what is raised if there is none."""

import asyncio
import threading

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine
from tests.flows.simple import Held, chain


def one(x):
    return x + 1


def small(handler, capacity=2):
    return chain(handler, nodes={"mailbox": af.Mailbox(capacity=capacity)})


@pytest.fixture
def full(engine, held):
    """An open run whose one node is at work on 0, with 1 waiting behind it; there is no room for more."""
    run = engine.open(small(held))
    run.send(0)
    assert held.at_work.wait(5)
    run.send(1)
    return run


def test_each_send_is_an_activation_and_close_ends_the_run(engine):
    run = engine.open(chain(one))
    assert run.status is af.RunStatus.RUNNING
    for number in range(5):
        run.send(number)
    run.close()
    run.close()
    assert run.result(5) == [1, 2, 3, 4, 5]
    run.close()


def test_an_open_run_that_is_sent_nothing_ends_with_its_nodes_skipped(engine):
    run = engine.open(chain(one))
    run.close()
    result = run.wait(5)
    assert (result.status, result.output, result.nodes["one"].status) == (af.RunStatus.COMPLETED, [], af.NodeStatus.SKIPPED)


def test_a_send_may_name_its_node(engine):
    run = engine.open(chain(one, lambda x: x * 10, name="two"))
    run.send(1)
    run.send(7, to="lambda")
    run.close()
    assert sorted(run.result(5)) == [20, 70]


def test_with_several_entries_a_send_must_say_where_to(engine):
    made = af.Workflow("flow")
    made.add(one, name="a")
    made.add(one, name="b")
    run = engine.open(made)
    with pytest.raises(af.UnknownNode, match=r"has the entries 'a', 'b'; say which one with to="):
        run.send(1)
    run.send(1, to="b")
    run.close()
    assert run.wait(5).outputs["b"] == [2]


def test_a_send_to_a_node_that_is_not_there_is_refused(engine):
    run = engine.open(chain(one))
    with pytest.raises(af.UnknownNode, match="no node 'two'") as caught:
        run.send(1, to="two")
    assert caught.value.node == "two"
    run.close()


def test_after_close_and_in_a_run_that_is_not_open_a_send_is_the_wrong_state(engine, held):
    closed = engine.open(chain(held))
    closed.send(1)
    closed.close()
    started = engine.start(chain(held), 1)
    ended = engine.start(chain(one), 1)
    ended.wait(5)
    for run in (closed, started, ended):
        for timeout in (None, 0, 1.0):
            with pytest.raises(af.WrongState, match="takes no more sends") as caught:
                run.send(2, timeout=timeout)
        assert (caught.value.run_id, caught.value.status) == (run.id, run.status)
    started.close()
    held.go.set()
    assert started.result(5) == 1


class TestNoRoom:
    def test_s13_a_timeout_of_0_means_at_once(self, full):
        with pytest.raises(af.MailboxFull, match=r"mailbox of 'Held' in run .* is full; the payload was not taken") as caught:
            full.send({"id": 2}, timeout=0)
        assert caught.value.envelope.payload == {"id": 2}

    def test_s13_a_send_waits_for_room_as_long_as_it_may(self, full, held):
        with pytest.raises(af.MailboxFull):
            full.send(2, timeout=0.01)
        threading.Timer(0.01, held.go.set).start()
        full.send(3)
        full.close()
        assert full.result(5) == [0, 1, 3]

    def test_asend_waits_without_blocking_its_loop(self, full, held):
        async def main():
            with pytest.raises(af.MailboxFull) as caught:
                await full.asend(2, timeout=0)
            assert caught.value.envelope.payload == 2
            with pytest.raises(af.MailboxFull):
                await full.asend(2, timeout=0.01)
            sending = asyncio.create_task(full.asend(3))
            await asyncio.sleep(0)
            assert not sending.done()
            held.go.set()
            await sending

        asyncio.run(main())
        full.close()
        assert full.result(5) == [0, 1, 3]

    def test_an_asend_that_is_cancelled_sends_nothing(self, full, held):
        async def main():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(full.asend(2), 0.01)

        asyncio.run(main())
        held.go.set()
        full.close()
        assert full.result(5) == [0, 1]

    def test_who_waits_for_room_is_told_that_the_run_was_closed(self, full):
        errors = []

        def sends():
            try:
                full.send(2)
            except af.WrongState as error:
                errors.append(error)

        threads = [threading.Thread(target=sends) for _ in range(3)]
        for thread in threads:
            thread.start()
        full.close()
        for thread in threads:
            thread.join(5)
        assert len(errors) == 3

    def test_who_waits_for_room_is_told_of_a_stop(self, full):
        errors = []

        async def main():
            with pytest.raises(af.WrongState):
                await full.asend(2)
            errors.append(1)

        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        while not full._router.intake.room._loops:
            pass
        full._waits.stop(drain=False)
        thread.join(5)
        assert errors == [1]

    def test_a_handler_that_waits_for_room_in_its_own_run_is_refused(self, engine):
        runs = []

        def sends(x):
            runs[0].send(x + 1, timeout=5)

        run = engine.open(small(sends, capacity=1))
        runs.append(run)
        run.send(1)
        run.close()
        assert run.wait(5).errors[0].type in ("actorflow.errors.WouldDeadlock", "actorflow.errors.WrongState")

    def test_s13_the_mailbox_never_holds_more_than_it_may_whoever_sends(self, engine, held):
        run = engine.open(small(held, capacity=5))
        together, taken = threading.Barrier(8), []

        def sends():
            together.wait(5)
            for number in range(50):
                try:
                    run.send(number, timeout=0)
                    taken.append(number)
                except af.MailboxFull:
                    pass

        threads = [threading.Thread(target=sends) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(taken) == 5
        held.go.set()
        run.close()
        assert sorted(run.result(5)) == sorted(taken)

    def test_s13_what_is_sent_while_another_closes_is_either_taken_or_refused(self, engine):
        for _ in range(100):
            run = engine.open(chain(one))
            taken = []

            def sends(run=run, taken=taken):
                try:
                    for number in range(1000):
                        run.send(number)
                        taken.append(number + 1)
                except af.WrongState:
                    pass

            thread = threading.Thread(target=sends)
            thread.start()
            run.close()
            thread.join(10)
            assert run.result(5) == taken

    def test_in_virtual_time_a_send_runs_what_makes_room(self):
        engine = SimulatedEngine()
        run = engine.open(small(one))
        for number in range(10):
            run.send(number)
        run.close()
        assert run.result(10) == list(range(1, 11))

    def test_in_virtual_time_a_send_without_time_is_refused(self):
        engine = SimulatedEngine()
        run = engine.open(small(one))
        for number in range(2):
            run.send(number, timeout=0)
        with pytest.raises(af.MailboxFull):
            run.send(2, timeout=0)
        engine.run_until_idle()
        run.send(2, timeout=0)
        run.close()
        assert run.result(10) == [1, 2, 3]

    def test_in_virtual_time_a_send_waits_as_long_as_it_may(self):
        engine = SimulatedEngine()

        async def slow(x):
            await asyncio.sleep(10)
            return x

        run = engine.open(small(slow, capacity=1))
        run.send(1)
        with pytest.raises(af.MailboxFull):
            run.send(2, timeout=5)
        run.send(2, timeout=5)
        assert engine.clock.now() == 10_000_000_000
        run.close()
        assert run.result(100) == [1, 2]


def test_many_may_send_at_once(engine):
    run = engine.open(chain(one, one))
    threads = [threading.Thread(target=lambda: [run.send(number) for number in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    run.close()
    assert sorted(run.result(10)) == sorted([number + 2 for number in range(100)] * 8)


def test_a_handler_may_send_to_another_run(engine):
    target = engine.open(chain(one))
    assert engine.run(chain(lambda x: target.send(x)), 5) is None

    async def sends(x):
        await target.asend(x)

    engine.run(chain(sends), 6)
    target.close()
    assert target.result(5) == [6, 7]


def test_what_is_sent_is_copied(engine, held):
    held_first = Held()
    run = engine.open(chain(held_first, lambda x: x))
    payload = {"n": 1}
    run.send(payload)
    payload["n"] = 2
    held_first.go.set()
    run.close()
    assert run.result(5) == [{"n": 1}]
