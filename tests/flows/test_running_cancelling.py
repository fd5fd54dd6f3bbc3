"""Cancelling and timing out: of runs and of nodes, with handlers on threads and on loops that care, or do not."""

import asyncio
import threading
import time

import pytest

import actorflow as af
from actorflow.testing import ManualClock, SimulatedEngine, explore
from tests.flows.simple import Held, chain, fan

CANCELLED = af.RunStatus.CANCELLED
FAILED = af.RunStatus.FAILED
COMPLETED = af.RunStatus.COMPLETED


def one(x):
    return x + 1


class Attentive:
    """A handler that returns once it is told to."""

    def __init__(self):
        self.at_work = threading.Event()
        self.reason = None

    def __call__(self, x, ctx: af.Context):
        self.at_work.set()
        while not ctx.cancelled:
            time.sleep(0.001)
        self.reason = ctx.reason
        ctx.raise_if_cancelled()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def timed(clock):
    with af.Engine(clock=clock) as engine:
        yield engine


class TestCancel:
    def test_s17_the_first_cancel_counts_and_says_so(self, engine):
        handler = Attentive()
        run = engine.start(chain(handler, one), 1)
        handler.at_work.wait(5)
        assert run.cancel("enough") is True
        assert run.cancel("again") is False
        result = run.wait(5)
        assert (result.status, handler.reason) == (CANCELLED, "enough")
        assert [node.status for node in result.nodes.values()] == [af.NodeStatus.CANCELLED] * 2
        with pytest.raises(af.RunCancelled, match="enough") as caught:
            run.result()
        assert caught.value.reason == "enough" and not result.errors

    def test_s17_after_the_end_cancel_returns_false_and_changes_nothing(self, engine):
        run = engine.start(chain(one), 1)
        run.wait(5)
        assert run.cancel() is False
        assert run.status is COMPLETED and run.result() == 2

    def test_of_a_run_nobody_sent_to_ends_it(self, engine):
        run = engine.open(chain(one))
        assert run.cancel("not needed") is True
        assert run.wait(5).status is CANCELLED
        with pytest.raises(af.WrongState):
            run.send(1)

    def test_before_anything_ran_runs_nothing(self):
        engine = SimulatedEngine()
        ran = []
        run = engine.start(chain(ran.append), 1)
        assert run.cancel() is True
        engine.run_until_idle()
        assert (run.wait(0).status, ran) == (CANCELLED, [])

    def test_in_a_handler_of_its_own_run(self, engine):
        runs = []
        go = threading.Event()

        def cancels(x):
            go.wait(5)
            return runs.append(runs[0].cancel("by myself"))

        run = engine.start(chain(cancels, one), 1)
        runs.append(run)
        go.set()
        assert run.wait(5).status is CANCELLED
        assert runs[1:] == [True]

    def test_leaves_the_queue_alone_of_what_will_not_run(self, engine, held):
        run = engine.open(chain(held))
        for number in range(50):
            run.send(number)
        held.at_work.wait(5)
        run.cancel()
        held.go.set()
        result = run.wait(5)
        snapshot = result.nodes["Held"]
        assert (result.status, snapshot.queued, snapshot.leased) == (CANCELLED, 0, 0)

    def test_waits_a_moment_for_a_handler_that_does_not_care(self, clock, timed):
        held = Held()
        run = timed.start(chain(held), 1)
        held.at_work.wait(5)
        run.cancel()
        clock.advance(0.999)
        assert not run.done()
        clock.advance(0.001)
        result = run.wait(5)
        assert (result.status, result.nodes["Held"].abandoned) == (CANCELLED, 1)
        held.go.set()

    def test_s10_handlers_that_do_not_care_cost_the_engine_no_worker(self, clock):
        held = [Held() for _ in range(6)]
        with af.Engine(workers=2, clock=clock) as engine:
            for pair in range(3):
                runs = [engine.start(chain(handler), 1) for handler in held[2 * pair : 2 * pair + 2]]
                for handler in held[2 * pair : 2 * pair + 2]:
                    assert handler.at_work.wait(5)
                assert [run.cancel() for run in runs] == [True, True]
                clock.advance(1.0)
                af.wait_all(runs, timeout=10)
            assert engine.start(chain(one), 1).result(5) == 2
            threads = engine._dispatch
            assert threads.lost == 6
            for handler in held:
                handler.go.set()
            for handler in held:
                assert handler.returned.wait(5)
            both = threading.Barrier(2)
            engine.start(fan(4, lambda x: both.wait(5) and None), 1).result(10)
            assert len(threads._workers) <= 2

    def test_an_async_handler_is_really_cancelled(self, engine):
        began, ended = threading.Event(), []

        async def waits(x):
            try:
                began.set()
                await asyncio.sleep(1000)
            except asyncio.CancelledError as error:
                ended.append(error.args)
                raise

        run = engine.start(chain(waits), 1)
        began.wait(5)
        run.cancel("enough")
        assert (run.wait(5).status, ended) == (CANCELLED, [("enough",)])

    def test_an_async_handler_is_cancelled_whatever_it_was_at(self, engine):
        """Also in its first step, which is made before the router knows of the attempt."""
        blocks, go, cancelled = threading.Event(), threading.Event(), threading.Event()

        async def waits(x):
            blocks.set()
            go.wait(5)
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        run = engine.start(chain(waits), 1)
        blocks.wait(5)
        run.cancel()
        go.set()
        assert cancelled.wait(5)
        assert run.wait(5).status is CANCELLED

    def test_a_generator_is_closed(self, engine):
        closed, yielded = threading.Event(), threading.Event()

        def values(x):
            try:
                while True:
                    yield x
                    yielded.set()
            finally:
                closed.set()

        run = engine.start(chain(values, one), 1)
        yielded.wait(5)
        run.cancel()
        assert run.wait(5).status is CANCELLED
        assert closed.wait(5)

    def test_an_async_generator_is_closed(self, engine):
        closed, yielded = threading.Event(), threading.Event()

        async def values(x):
            try:
                while True:
                    yield x
                    yielded.set()
                    await asyncio.sleep(0.001)
            finally:
                closed.set()

        run = engine.start(chain(values, one), 1)
        yielded.wait(5)
        run.cancel()
        assert run.wait(5).status is CANCELLED
        assert closed.wait(5)

    def test_s17_what_is_asked_in_time_counts_and_what_comes_too_late_does_not(self, engine):
        """True: CANCELLED. False: it had been over. Whoever cancels, and however close to the end."""
        for number in range(300):
            run = engine.start(chain(one), 1)
            for _ in range(number % 10 * 10):
                pass
            assert run.cancel() is (run.wait(5).status is CANCELLED)

    def test_s17_of_many_that_cancel_at_once_one_counts(self, engine, held):
        run = engine.start(chain(held), 1)
        together, answers = threading.Barrier(8), []
        threads = [threading.Thread(target=lambda: (together.wait(5), answers.append(run.cancel()))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert sorted(answers) == [False] * 7 + [True]

    def test_at_every_step_of_a_run_ends_it_cancelled_or_lets_it_have_been_over(self):
        made = af.Workflow("flow")
        made.add(lambda n: iter(range(n)), name="source", stream=True)
        made.add(lambda x: x, name="work", concurrency=2)
        made.add(lambda xs: len(xs), name="all", join="collect")
        made.chain("source", "work", "all")
        definition = made.build()
        statuses = set()
        for step in range(40):
            engine = SimulatedEngine(seed=step)
            run = engine.start(definition, 5)
            for _ in range(step):
                engine._dispatch.step()
            counts = run.cancel()
            result = run.wait(10)
            statuses.add(result.status)
            assert counts is (result.status is CANCELLED)
            assert all(node.queued == node.leased == 0 for node in result.nodes.values())
        assert statuses == {CANCELLED, COMPLETED}


class TestRunTimeout:
    def test_ends_the_run_at_its_limit_although_a_handler_sleeps_on(self, clock, timed):
        held = Held()
        run = timed.start(chain(held, one), 1, timeout=5)
        held.at_work.wait(5)
        clock.advance(4.999)
        assert not run.done()
        clock.advance(0.001)
        result = run.wait(5)
        assert (result.status, result.timed_out, result.duration_s) == (CANCELLED, True, 5.0)
        with pytest.raises(af.RunTimedOut, match=r"the run's timeout of 5 s is over"):
            run.result()
        assert not issubclass(af.RunTimedOut, TimeoutError)
        held.go.set()

    def test_in_real_time_too(self, engine, held):
        begun = time.monotonic()
        with pytest.raises(af.RunTimedOut):
            engine.run(chain(held), 1, timeout=0.05)
        assert time.monotonic() - begun < 5

    def test_that_of_start_goes_before_that_of_the_workflow_and_this_before_the_engine_s(self):
        for own, given, limit in ((None, None, 9), (7, None, 7), (7, 3, 3)):
            with SimulatedEngine(timeouts=af.Timeouts(run=9)) as engine:
                definition = chain(asyncio.sleep, timeout=own)
                result = engine.start(definition, 1000, timeout=given).wait(2000)
                assert (result.timed_out, result.duration_s) == (True, limit)

    def test_of_a_run_that_ended_before_is_void(self, clock, timed):
        run = timed.start(chain(one), 1, timeout=5)
        assert run.result(5) == 2
        clock.advance(10)
        assert timed.start(chain(one), 1).result(5) == 2
        assert run.status is COMPLETED

    def test_a_generator_that_waits_for_room_is_closed_by_a_worker(self, clock, timed):
        held, closed, where = Held(), threading.Event(), []

        def values(x):
            try:
                while True:
                    yield x
            finally:
                where.append(threading.current_thread().name)
                closed.set()

        made = af.Workflow("flow")
        made.add(values)
        made.add(held, name="held", mailbox=af.Mailbox(capacity=1))
        made.connect("values", "held")
        run = timed.start(made, 1, timeout=2.0)
        held.at_work.wait(5)
        _until(lambda: run._router.actors[0].parked)
        clock.advance(2.0)
        assert closed.wait(5)
        assert where == ["actorflow-worker"]
        held.go.set()
        run.wait(5)

    def test_after_a_cancel_changes_nothing(self, clock, timed):
        handler = Attentive()
        run = timed.start(chain(handler), 1, timeout=5)
        handler.at_work.wait(5)
        run.cancel("mine")
        clock.advance(10)
        with pytest.raises(af.RunCancelled, match="mine"):
            run.result(5)
        assert not run.wait().timed_out


class TestNodeTimeout:
    def test_fails_the_attempt_at_its_limit_not_after_the_work(self, clock, timed):
        held = Held()
        run = timed.start(chain(held, one, nodes={"timeout": 2.0}), 1)
        held.at_work.wait(5)
        clock.advance(1.999)
        assert not run.done()
        clock.advance(0.001)
        result = run.wait(5)
        assert result.status is FAILED and not held.returned.is_set()
        assert isinstance(result.errors[0].exception, af.NodeTimedOut) and isinstance(result.errors[0].exception, TimeoutError)
        assert result.nodes["Held"].abandoned == 1
        assert result.nodes["one"].status is af.NodeStatus.CANCELLED
        held.go.set()

    def test_engine_run_does_not_help_with_what_could_time_out(self, engine, held):
        """The caller's thread would be in the handler, and could not come back at the limit."""
        begun = time.monotonic()
        with pytest.raises(af.RunFailed, match="NodeTimedOut"):
            engine.run(chain(held, nodes={"timeout": 0.05}), 1)
        assert time.monotonic() - begun < 5

    def test_s6_a_late_result_is_discarded(self, clock, timed):
        late, other, ran = Held(), Held(), []
        made = af.Workflow("flow")
        made.add(late, name="late", timeout=1.0)
        made.add(ran.append, name="after")
        made.add(other, name="other")
        made.connect("late", "after")
        run = timed.start(made, 1)
        assert late.at_work.wait(5) and other.at_work.wait(5)
        clock.advance(1.0)
        _until(lambda: run.node("late").abandoned)
        late.go.set()
        assert late.returned.wait(5)
        other.go.set()
        result = run.wait(5)
        assert (result.status, ran, result.outputs) == (FAILED, [], {"other": 1})

    def test_s10_a_worker_takes_the_place_of_one_that_is_stuck_and_the_node_goes_on(self, clock):
        stuck = [Held() for _ in range(3)]
        done = []

        def handler(x):
            if x < 3:
                stuck[x](x)
            done.append(x)

        with af.Engine(workers=1, clock=clock) as engine:
            run = engine.open(chain(handler, nodes={"timeout": 1.0}))
            for x in range(4):
                run.send(x)
            for x in range(3):
                assert stuck[x].at_work.wait(5)
                clock.advance(1.0)
            run.close()
            result = run.wait(5)
            assert done == [3] and len(result.errors) == 3
            assert result.nodes["handler"].abandoned == 3
            for held in stuck:
                held.go.set()
            assert engine.start(chain(one), 1).result(5) == 2

    def test_an_async_handler_is_really_cancelled(self, clock, timed):
        began, ended = threading.Event(), threading.Event()

        async def waits(x):
            try:
                began.set()
                await asyncio.sleep(1000)
            finally:
                ended.set()

        run = timed.start(chain(waits, nodes={"timeout": 2.0}), 1)
        began.wait(5)
        clock.advance(2.0)
        assert isinstance(run.wait(5).errors[0].exception, af.NodeTimedOut)
        assert ended.wait(5)
        assert run.node("waits").abandoned == 0

    def test_an_async_handler_that_swallows_its_cancellation_is_given_up_after_a_moment(self, clock, timed):
        calls, let_go = [], threading.Event()

        async def stubborn(x):
            calls.append(x)
            while x == 0 and not let_go.is_set():
                try:
                    await asyncio.sleep(0.005)
                except asyncio.CancelledError:
                    calls.append("told")
            return x

        run = timed.open(chain(stubborn, nodes={"timeout": 2.0}))
        run.send(0)
        run.send(1)
        _until(lambda: 0 in calls)
        clock.advance(2.0)
        _until(lambda: "told" in calls)
        assert calls == [0, "told"], "it may still clean up, so its node waits"
        _until(lambda: clock.advance(0.1) or 1 in calls)
        run.close()
        result = run.wait(5)
        assert (result.output, result.nodes["stubborn"].abandoned) == ([1], 1)
        let_go.set()

    def test_a_generator_that_is_stuck_is_given_up_too(self, clock, timed):
        held = Held()

        def values(x):
            yield 1
            held(x)
            yield 2

        run = timed.start(chain(values, one, nodes={"timeout": 2.0}), 1)
        held.at_work.wait(5)
        clock.advance(2.0)
        result = run.wait(5)
        assert isinstance(result.errors[0].exception, af.NodeTimedOut)
        assert result.nodes["values"].abandoned == 1 and result.outputs["one"] == [2]
        held.go.set()

    def test_the_engine_s_own_applies_to_nodes_that_have_none(self):
        with SimulatedEngine(timeouts=af.Timeouts(node=3)) as engine:
            assert engine.start(chain(asyncio.sleep), 100).wait(1000).duration_s == 3
            assert engine.start(chain(asyncio.sleep, nodes={"timeout": 200}), 100).wait(1000).status is COMPLETED

    def test_in_whatever_order_things_happen_the_outcome_is_one_of_two(self):
        async def waits(x):
            await asyncio.sleep(1.0)
            return x

        def check(result):
            failed = result.status is FAILED and isinstance(result.errors[0].exception, af.NodeTimedOut)
            return failed or (result.status is COMPLETED and result.output == 1)

        assert explore(chain(waits, nodes={"timeout": 1.0}), 1, seeds=range(100), check=check) == 100


class TestRaisedByHandlers:
    ODD = (
        SystemExit,
        KeyboardInterrupt,
        GeneratorExit,
        StopIteration,
        StopAsyncIteration,
        asyncio.CancelledError,
        af.Cancelled,
        RecursionError,
    )

    @pytest.mark.parametrize("kind", ODD)
    def test_anything_a_sync_handler_raises_is_its_failure(self, engine, kind):
        def raises(x):
            raise kind("x")

        error = engine.start(chain(raises, one), 1).wait(5).errors[0]
        assert type(error.exception) is kind

    @pytest.mark.parametrize("kind", ODD)
    def test_anything_an_async_handler_raises_is_its_failure(self, engine, kind):
        async def raises(x):
            raise kind("x")

        async def raises_later(x):
            await asyncio.sleep(0)
            raise kind("x")

        for handler in (raises, raises_later):
            error = engine.start(chain(handler, one), 1).wait(5).errors[0]
            # a coroutine turns StopIteration into a RuntimeError, which is Python's word
            assert type(error.exception) is kind or type(error.exception.__cause__) is kind

    @pytest.mark.parametrize("kind", ODD)
    @pytest.mark.parametrize("sync", [True, False])
    def test_anything_a_generator_raises_is_its_failure_and_what_it_sent_stands(self, engine, kind, sync):
        def values(x):
            yield 1
            yield 2
            raise kind("x")

        async def async_values(x):
            yield 1
            yield 2
            raise kind("x")

        made = af.Workflow("flow")
        made.add(values if sync else async_values, name="values")
        made.add(one)
        made.connect("values", "one")
        result = engine.start(made, 1).wait(5)
        error = result.errors[0].exception
        assert type(error) is kind or type(error.__cause__) is kind
        assert result.outputs["one"] == [2, 3]

    def test_a_value_that_cannot_be_copied_is_the_failure_of_who_sent_it(self, engine):
        def recursive():
            value = []
            value.append(value)
            return value

        async def later(x):
            return recursive()

        def emits(x, ctx):
            ctx.emit(recursive())

        def streams(x, ctx):
            yield 1
            ctx.emit(recursive())

        for handler in (lambda x: recursive(), later, emits, streams):
            result = engine.start(chain(handler, one), 1).wait(5)
            assert result.status is FAILED, handler

    def test_a_condition_that_raises_what_is_no_exception_ends_its_run_and_no_other(self, engine, held, caplog):
        def bad(message):
            raise SystemExit(3)

        made = af.Workflow("flow")
        made.add(one)
        made.add(one, name="two")
        made.connect("one", "two", when=bad)
        other = engine.start(chain(held), 1)
        for _ in range(3):
            assert engine.start(made, 1).wait(5).status in (FAILED, COMPLETED)
        held.go.set()
        assert other.result(5) == 1


def _until(true):
    """Wait for something that no event tells of."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)
