"""The life of an engine: with, stop, what it keeps, what it lets go of."""

import asyncio
import gc
import threading
import time
import weakref

import pytest

import actorflow as af
from actorflow.actors.router import CURRENT
from actorflow.testing import SimulatedEngine
from tests.flows.simple import Held, chain, fan

CANCELLED, COMPLETED = af.RunStatus.CANCELLED, af.RunStatus.COMPLETED


def one(x):
    return x + 1


async def later(x):
    await asyncio.sleep(0)
    return x + 1


def ours():
    return {thread for thread in threading.enumerate() if thread.name.startswith("actorflow-")}


class TestStop:
    def test_s25_leaving_with_waits_for_runs_that_can_go_on(self):
        with af.Engine() as engine:
            runs = [engine.start(chain(one, later, one), number) for number in range(50)]
        assert [run.result(0) for run in runs] == list(range(3, 53))

    def test_s25_leaving_with_closes_open_runs(self):
        with af.Engine() as engine:
            run = engine.open(chain(one))
            run.send(1)
        assert run.result(0) == [2]

    def test_s25_leaving_with_lets_a_collect_have_all_its_values(self):
        held = Held()

        def values(x):
            held(x)
            yield from range(3)

        made = af.Workflow("flow")
        made.add(values)
        made.add(lambda xs: xs, name="all", join="collect")
        made.connect("values", "all")
        with af.Engine() as engine:
            run = engine.start(made, 1)
            held.at_work.wait(5)
            threading.Timer(0.05, held.go.set).start()
        assert run.result(0) == [0, 1, 2]

    def test_s25_left_by_an_exception_cancels_what_is_unfinished(self, held):
        with pytest.raises(ZeroDivisionError):
            with af.Engine() as engine:
                run = engine.start(chain(held), 1)
                held.at_work.wait(5)
                threading.Timer(0.05, held.go.set).start()
                1 / 0
        with pytest.raises(af.RunCancelled, match="engine stopped"):
            run.result(0)

    def test_s25_drain_gives_up_after_its_timeout(self):
        held = Held()
        engine = af.Engine()
        run = engine.start(chain(held), 1)
        held.at_work.wait(5)
        engine.stop(timeout=0.01)
        assert run.wait(0).status is CANCELLED
        held.go.set()

    def test_a_stopped_engine_starts_nothing_but_still_answers(self):
        engine = af.Engine()
        run = engine.start(chain(one), 1)
        engine.stop()
        for call in (engine.start, engine.run, engine.open, lambda definition: engine.__enter__()):
            with pytest.raises(af.EngineStopped):
                call(chain(one))
        assert engine.get(run.id) is run and engine.runs() == [run] and engine.snapshot(run.id).status is COMPLETED
        assert run.result() == 2 and run.cancel() is False
        assert repr(engine) == "Engine(stopped, 0 runs active)"

    def test_s25_stop_twice_is_stop(self):
        engine = af.Engine()
        engine.run(chain(one), 1)
        engine.stop()
        engine.stop(drain=False)
        asyncio.run(engine.astop())

    def test_s25_stop_from_two_threads_returns_in_both_when_it_is_done(self):
        held = Held()
        engine = af.Engine()
        run = engine.start(chain(held), 1)
        held.at_work.wait(5)
        done = []
        threads = [threading.Thread(target=lambda: (engine.stop(), done.append(run.done()))) for _ in range(3)]
        for thread in threads:
            thread.start()
        held.go.set()
        for thread in threads:
            thread.join(10)
        assert done == [True] * 3

    def test_s25_a_second_stop_without_drain_ends_the_patience_of_the_first(self):
        def attentive(x, ctx):
            at_work.set()
            while not ctx.cancelled:
                time.sleep(0.001)

        at_work = threading.Event()
        engine = af.Engine()
        run = engine.start(chain(attentive), 1)
        at_work.wait(5)
        first = threading.Thread(target=engine.stop)
        first.start()
        while not engine._stopping:
            pass
        engine.stop(drain=False)
        first.join(5)
        assert not first.is_alive() and run.status is CANCELLED

    @pytest.mark.parametrize("drain", [True, False])
    def test_s25_a_handler_may_stop_its_engine_and_is_not_waited_for_by_itself(self, drain):
        engine = af.Engine()
        returned = threading.Event()

        def stops(x):
            engine.stop(drain=drain)
            with pytest.raises(af.EngineStopped):
                engine.start(chain(one), 1)
            returned.set()
            return x

        async def stops_async(x):
            stops(x)
            await engine.astop(drain=drain)
            return x

        run = engine.start(chain(stops if drain else stops_async), 1)
        assert run.wait(10).status is COMPLETED if drain else run.wait(10).status in (COMPLETED, CANCELLED)
        assert returned.wait(5)
        engine.stop()
        assert engine._stopped.is_set()

    def test_s25_a_handler_of_another_engine_waits_for_the_stop(self, engine):
        def inside(x):
            with af.Engine() as inner:
                run = inner.start(chain(later, one), x)
            return run.status

        assert engine.run(chain(inside), 1) == "completed" == engine.start(chain(inside), 1).result(10)

    def test_leaving_async_with_drains_too(self):
        async def main():
            async with af.Engine() as engine:
                runs = [engine.start(chain(one, later), number) for number in range(20)]
                opened = engine.open(chain(later))
                opened.send(1)
            assert [run.result(0) for run in runs] == list(range(2, 22))
            assert opened.result(0) == [2]

        asyncio.run(main())

    def test_an_astop_that_is_cancelled_cancels_the_runs(self):
        async def main():
            ended = []

            async def waits(x):
                try:
                    await asyncio.sleep(1000)
                finally:
                    ended.append(x)

            engine = await af.Engine().__aenter__()
            run = engine.start(chain(waits), 1)
            await asyncio.sleep(0.01)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(engine.astop(), 0.01)
            assert (await run.settled()).status is CANCELLED and ended == [1]

        asyncio.run(main())

    @pytest.mark.parametrize("timeout", [-1, None, "1"])
    def test_a_timeout_that_is_none_is_refused_before_anything_is_stopped(self, engine, timeout):
        if timeout is not None:
            with pytest.raises(ValueError, match="timeout must be at least 0"):
                engine.stop(timeout=timeout)
            assert engine.run(chain(one), 1) == 2

    def test_a_start_that_races_with_stop_runs_to_its_end_or_is_refused(self):
        for _ in range(50):
            engine = af.Engine()
            begun = threading.Event()
            runs = []

            def starts(engine=engine, begun=begun, runs=runs):
                try:
                    while True:
                        runs.append(engine.start(chain_of_one, 1))
                        begun.set()
                except af.EngineStopped:
                    pass

            thread = threading.Thread(target=starts)
            thread.start()
            begun.wait(5)
            engine.stop()
            thread.join(5)
            assert {run.wait(5).status for run in runs} <= {COMPLETED, CANCELLED}


chain_of_one = chain(one)


class TestThreads:
    @pytest.mark.parametrize("drain", [True, False])
    def test_all_threads_are_gone_after_stop(self, drain):
        before = ours()
        engine = af.Engine()
        af.wait_all([engine.start(fan(8, lambda x: time.sleep(0.005)), 1), engine.start(chain(later), 1)], timeout=10)
        engine.run(chain(one), 1, timeout=100)
        assert ours() - before
        engine.stop(drain=drain)
        assert ours() <= before

    def test_all_threads_are_gone_after_async_with(self):
        before = ours()

        async def main():
            async with af.Engine() as engine:
                await engine.start(chain(one, later), 1)
            _until(lambda: ours() <= before)  # the one that waited for the others is about to end

        asyncio.run(main())

    def test_all_threads_end_once_nobody_has_the_engine_or_an_unfinished_run(self):
        before = ours()
        held = Held()
        engine = af.Engine()
        engine.run(chain(one, later), 1)
        run = engine.start(chain(held), 1)
        held.at_work.wait(5)
        del engine
        gc.collect()
        held.go.set()
        assert run.result(5) == 1 and ours() - before
        del run
        _until(lambda: gc.collect() >= 0 and ours() <= before)

    def test_an_engine_that_does_nothing_has_no_thread(self):
        before = ours()
        with af.Engine() as engine, pytest.raises(af.InvalidWorkflow):
            engine.start(af.Workflow("empty"))
        assert ours() <= before

    def test_there_are_never_more_workers_than_were_asked_for(self):
        with af.Engine(workers=3) as engine:
            runs = [engine.start(fan(5, lambda x: time.sleep(0.002)), 1) for _ in range(10)]
            most = 0
            while not all(run.done() for run in runs):
                most = max(most, sum(thread.name == "actorflow-worker" for thread in ours()))
        assert most <= 3

    def test_a_handler_left_behind_ends_its_thread_when_it_returns(self):
        before = ours()
        held = Held()
        engine = af.Engine()
        engine.start(chain(held), 1)
        held.at_work.wait(5)
        engine.stop(drain=False)
        left = ours() - before
        assert len(left) == 1
        held.go.set()
        left.pop().join(5)
        assert ours() <= before


class TestMemory:
    @staticmethod
    def run_in(engine, *handlers):
        run = engine.start(chain(*handlers), 1)
        run.wait(5)
        return run

    @pytest.mark.parametrize("handlers", [(lambda x: x,), (lambda x: x, lambda x: x), (later,)])
    def test_a_run_that_is_over_and_forgotten_is_garbage(self, engine, handlers):
        run = self.run_in(engine, *handlers)
        assert engine.forget(run.id) is True
        gone = [weakref.ref(run), weakref.ref(run._router)]
        del run
        _until(lambda: gc.collect() >= 0 and not any(ref() for ref in gone))

    def test_so_it_is_whatever_it_was_made_of(self, engine):
        async def async_values(n):
            for number in range(n):
                yield number

        def values(n):
            yield from range(n)

        def nested(x):
            return engine.run(chain(lambda x: x), x)

        def raises(x):
            raise ValueError(x)

        kinds = [
            chain(values, one),
            chain(async_values, later),
            chain(nested),
            chain(raises),
            chain(one, nodes={"timeout": 100.0}),
            chain(one, timeout=100.0),
        ]
        for definition in kinds:
            run = engine.start(definition, 5)
            run.wait(5)
            list(run.results())
            engine.forget(run.id)
            gone = weakref.ref(run._router)
            del run
            _until(lambda gone=gone: gc.collect() >= 0 and gone() is None)
        for run in engine.runs():
            engine.forget(run.id)

    def test_a_cancelled_run_is_garbage_once_its_handlers_have_returned(self, engine, held):
        run = engine.start(chain(held, one), 1)
        held.at_work.wait(5)
        run.cancel()
        held.go.set()
        run.wait(5)
        engine.forget(run.id)
        gone = weakref.ref(run._router)
        del run
        _until(lambda: gc.collect() >= 0 and gone() is None)

    def test_runs_that_start_each_other_do_not_keep_each_other(self):
        refs = []

        def starts(n):
            refs.append(weakref.ref(CURRENT.get()))
            if n:
                engine.start(definition, n - 1)

        definition = chain(starts)
        with af.Engine(keep_runs=0) as engine:
            engine.start(definition, 50)
            _until(lambda: len(refs) == 51)
            _until(lambda: gc.collect() >= 0 and not any(ref() for ref in refs))

    def test_an_engine_that_was_stopped_is_garbage(self):
        engine = af.Engine()
        engine.run(chain(one, later), 1)
        engine.stop()
        gone = [weakref.ref(engine), weakref.ref(engine._dispatch)]
        del engine
        _until(lambda: gc.collect() >= 0 and not any(ref() for ref in gone))


class TestRemembered:
    def test_at_most_keep_runs_finished_ones(self):
        with af.Engine(keep_runs=3) as engine:
            runs = [engine.start(chain_of_one, number, run_id=f"r{number}") for number in range(10)]
            af.wait_all(runs, timeout=5)
            assert len(engine.runs()) == 3
            assert runs[0].result() == 1, "a handle goes on working"
        with af.Engine(keep_runs=0) as engine:
            assert engine.run(chain_of_one, 1) == 2 and engine.runs() == []

    def test_runs_that_go_on_are_always_remembered(self, held):
        with af.Engine(keep_runs=1) as engine:
            run = engine.start(chain(held), 1, run_id="stays")
            for number in range(5):
                engine.run(chain_of_one, number)
            assert engine.get("stays") is run
            held.go.set()

    def test_forget_forgets_what_is_over_and_nothing_else(self, engine, held):
        run = engine.start(chain(held), 1, run_id="a")
        assert engine.forget("a") is False and engine.forget("b") is False
        held.go.set()
        run.wait(5)
        assert engine.forget("a") is True and engine.forget("a") is False
        assert engine.get("a") is None and engine.snapshot("a") is None
        again = engine.start(chain_of_one, 1, run_id="a")
        assert again is not run and again.result(5) == 2

    def test_s4_a_second_start_with_a_run_id_is_the_same_run(self, engine, held):
        definition = chain(held)
        run = engine.start(definition, {"n": 1}, run_id="a")
        assert engine.start(definition, {"n": 1}, run_id="a") is run
        held.go.set()
        assert engine.run(definition, {"n": 1}, run_id="a") == {"n": 1}
        assert engine.start(definition, {"n": 1}, run_id="a") is run
        for other, payload in ((definition, {"n": 2}), (chain_of_one, {"n": 1})):
            with pytest.raises(af.RunExists, match="'a'") as caught:
                engine.start(other, payload, run_id="a")
            assert caught.value.run_id == "a"
        with pytest.raises(af.RunExists):
            engine.open(definition, run_id="a")

    def test_s4_of_many_starts_at_once_with_a_run_id_one_runs(self, engine):
        ran = []
        definition = chain(ran.append)
        together, runs = threading.Barrier(8), []
        threads = [
            threading.Thread(target=lambda: (together.wait(5), runs.append(engine.start(definition, 1, run_id="a")))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        runs[0].wait(5)
        assert len(set(map(id, runs))) == 1 and ran == [1]

    @pytest.mark.parametrize("run_id", ["", "  ", 7])
    def test_a_run_id_that_is_no_name_is_refused(self, engine, run_id):
        with pytest.raises(ValueError, match="run_id"):
            engine.start(chain_of_one, 1, run_id=run_id)

    def test_runs_may_be_asked_for_by_status(self, engine, held):
        run = engine.start(chain(held), 1)
        over = engine.start(chain_of_one, 1)
        over.wait(5)
        assert engine.runs("completed") == [over] and engine.runs(af.RunStatus.RUNNING) == [run]
        assert engine.runs() == [run, over]
        with pytest.raises(ValueError):
            engine.runs("nonsense")


class TestMade:
    @pytest.mark.parametrize("options", [{"workers": 0}, {"workers": True}, {"workers": 1.5}, {"keep_runs": -1}, {"keep_runs": None}])
    def test_with_settings_that_mean_nothing_is_refused(self, options):
        with pytest.raises(ValueError):
            af.Engine(**options)

    def test_what_is_no_workflow_is_not_started(self, engine):
        with pytest.raises(TypeError, match="a Workflow or a Definition, not a function"):
            engine.start(one)

    def test_a_simulated_engine_stops_like_any_other(self):
        with SimulatedEngine() as engine:
            run = engine.start(chain(one, later), 1)
        assert run.result(0) == 3
        with pytest.raises(af.EngineStopped):
            engine.start(chain_of_one, 1)


class TestOnStop:
    """`on_stop` of class nodes is code of the user's: it never holds up timers or a loop."""

    @staticmethod
    def flow(where, receive=lambda self, x: x, **options):
        def on_stop(self):
            where.append(threading.current_thread().name)

        node = type("Node", (), {"receive": receive, "on_stop": on_stop})
        made = af.Workflow("flow", **options)
        made.add(node)
        return made.build()

    def test_s25_is_called_before_the_run_is_over_for_who_waits(self, engine):
        for _ in range(50):
            where = []
            engine.run(self.flow(where), 1)
            assert len(where) == 1
            where = []
            engine.start(self.flow(where), 1).wait(5)
            assert len(where) == 1

    def test_may_not_wait_for_its_own_run(self, engine, caplog):
        runs, raised = [], []

        def on_stop(self):
            try:
                runs[0].wait()
            except af.WouldDeadlock:
                raised.append(1)

        made = af.Workflow("flow")
        made.add(type("Node", (), {"receive": lambda self, x: x, "on_stop": on_stop}))
        run = engine.open(made)
        runs.append(run)
        run.send(1)
        run.close()
        assert run.result(5) == [1] and raised == [1]

    def test_is_not_called_by_the_thread_of_due_times(self, engine, held):
        where = []
        made = af.Workflow("flow")
        made.add(
            type("Node", (), {"receive": lambda self, x: x, "on_stop": lambda self: where.append(threading.current_thread().name)}),
            name="first",
        )
        made.add(held, name="then")
        made.chain("first", "then")
        with pytest.raises(af.RunTimedOut):
            engine.start(made, 1, timeout=0.05).result(5)
        assert where == ["actorflow-worker"]

    def test_is_not_called_on_a_loop(self, engine):
        where = []
        made = af.Workflow("flow")
        made.add(
            type("Node", (), {"receive": lambda self, x: x, "on_stop": lambda self: where.append(threading.current_thread().name)}),
            name="first",
        )
        made.add(later, name="then")
        made.chain("first", "then")
        assert engine.start(made, 1).result(5) == 2
        assert where == ["actorflow-worker"]


def _until(true):
    """Wait for something that no event tells of."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)
