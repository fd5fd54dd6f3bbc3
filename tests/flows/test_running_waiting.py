"""How one waits for a run: wait, result, await, settled, results, wait_all; on threads, on loops, inside handlers."""

import asyncio
import threading
import time

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine
from tests.flows.simple import chain as flow, fan


def one(x):
    return x + 1


async def later(x):
    await asyncio.sleep(0)
    return x + 1


def fails(x):
    raise ValueError("boom")


class TestWaiting:
    def test_wait_of_a_failed_run_returns_and_result_raises(self, engine):
        run = engine.start(flow(fails), 1)
        assert run.wait(5).status is af.RunStatus.FAILED
        with pytest.raises(af.RunFailed, match="fails: ValueError: boom") as caught:
            run.result()
        assert type(caught.value.__cause__) is ValueError

    def test_wait_past_its_timeout_says_what_the_run_is_at(self, engine, held):
        run = engine.start(flow(held), 1, run_id="orders-7")
        held.at_work.wait(5)
        with pytest.raises(af.StillRunning, match=r"^run 'orders-7' is not over after 0.01 s; at work or queued: 'Held'$") as caught:
            run.wait(0.01)
        assert isinstance(caught.value, TimeoutError) and (caught.value.run_id, caught.value.timeout_s) == ("orders-7", 0.01)
        assert run.status is af.RunStatus.RUNNING

    def test_wait_for_an_open_run_says_that_it_is_open(self, engine):
        run = engine.open(flow(one))
        with pytest.raises(af.StillRunning, match=r"it is open: close\(\) lets it end"):
            run.wait(0)
        run.close()

    def test_a_timeout_of_0_means_at_once(self, engine, held):
        run = engine.start(flow(held), 1)
        for call in (run.wait, run.result):
            with pytest.raises(af.StillRunning):
                call(0)
        held.go.set()
        assert run.wait(5).output == 1 == run.result(0)

    @pytest.mark.parametrize("timeout", [-1, float("nan"), "1", True])
    def test_a_timeout_that_is_no_duration_is_refused(self, engine, timeout):
        with pytest.raises(ValueError, match="timeout must be at least 0"):
            engine.start(flow(one), 1).wait(timeout)

    def test_a_timeout_beyond_what_the_system_can_wait_is_as_good_as_none(self, engine):
        assert engine.start(flow(one), 1).result(1e12) == 2

    def test_many_threads_may_wait_for_one_run(self, engine, held):
        run = engine.start(flow(held), 7)
        results = []
        threads = [threading.Thread(target=lambda: results.append(run.result(10))) for _ in range(8)]
        for thread in threads:
            thread.start()
        held.go.set()
        for thread in threads:
            thread.join(10)
        assert results == [7] * 8

    def test_waits_that_were_too_short_leave_nothing_behind(self, engine, held):
        run = engine.start(flow(held), 7)
        before = len(run._router.farewell._calls)
        for _ in range(100):
            with pytest.raises(af.StillRunning):
                run.wait(1e-6)
        assert len(run._router.farewell._calls) == before

    def test_wait_all_returns_results_in_the_order_of_the_runs(self, engine):
        runs = [engine.start(flow(one), number) for number in range(20)]
        assert [result.output for result in af.wait_all(runs, timeout=10)] == list(range(1, 21))
        assert af.wait_all([]) == []

    def test_wait_all_past_its_timeout_names_the_first_that_is_not_over(self, engine, held):
        runs = [engine.start(flow(one), 1), engine.start(flow(held), 1, run_id="slow"), engine.start(flow(held), 1)]
        with pytest.raises(af.StillRunning, match="'slow'"):
            af.wait_all(runs, timeout=0.05)

    def test_what_runs_at_once_takes_as_long_as_its_longest(self, engine):
        four = fan(4, lambda x: time.sleep(0.2))
        begun = time.monotonic()
        engine.run(four)
        engine.start(four).wait(10)
        assert time.monotonic() - begun < 4.0

    def test_a_slow_first_handler_holds_up_no_quick_ones(self, engine, held):
        both = af.Workflow("both")
        quick = threading.Event()
        both.add(held, name="slow")
        both.add(lambda x: quick.set(), name="quick")
        run = engine.start(both, 1)
        assert quick.wait(10)
        assert run.status is af.RunStatus.RUNNING

    def test_a_slow_first_handler_of_a_helped_run_holds_up_no_quick_ones(self, engine):
        both = af.Workflow("both")
        quick = threading.Event()
        both.add(lambda x: quick.wait(20), name="slow")
        both.add(lambda x: quick.set(), name="quick")
        assert engine.run(both, 1) == {"slow": True, "quick": None}

    def test_runs_are_independent(self, engine, held):
        stuck = engine.start(flow(held), 1)
        bad = [engine.start(flow(fails), 1) for _ in range(20)]
        good = [engine.start(flow(one, later), number) for number in range(20)]
        assert [run.result(10) for run in good] == list(range(2, 22))
        assert {run.wait(10).status for run in bad} == {af.RunStatus.FAILED}
        assert not stuck.done()


class TestOnAnEventLoop:
    def test_a_run_is_awaited_for_its_output_and_settled_gives_its_result(self):
        async def main():
            async with af.Engine() as engine:
                assert await engine.start(flow(later, one), 1) == 3
                result = await engine.start(flow(fails), 1).settled()
                assert result.status is af.RunStatus.FAILED
                with pytest.raises(af.RunFailed):
                    await engine.start(flow(fails), 1)

        asyncio.run(main())

    def test_async_handlers_run_on_the_loop_of_async_with(self):
        async def where(x):
            return asyncio.get_running_loop(), threading.get_ident()

        async def main():
            async with af.Engine() as engine:
                assert await engine.start(flow(where), 1) == (asyncio.get_running_loop(), threading.get_ident())

        asyncio.run(main())

    def test_cancelling_who_awaits_never_cancels_the_run(self):
        async def main():
            go = asyncio.Event()

            async def held(x):
                await go.wait()
                return x

            async with af.Engine() as engine:
                run = engine.start(flow(held), 1)
                before = len(run._router.farewell._calls)
                for wait in (run, run.settled()):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(_wrap(wait), 0.01)
                assert run.status is af.RunStatus.RUNNING and len(run._router.farewell._calls) == before
                go.set()
                assert await run == 1

        async def _wrap(awaitable):
            return await awaitable

        asyncio.run(main())

    def test_a_blocking_call_on_the_engine_s_own_loop_is_refused_at_once(self):
        async def main():
            async with af.Engine() as engine:
                run = engine.open(flow(later))
                for call in (run.wait, run.result, lambda: next(run.results()), lambda: engine.run(flow(later), 1), engine.stop):
                    with pytest.raises(af.WouldDeadlock):
                        call()
                with pytest.raises(af.StillRunning):
                    run.wait(0)
                assert [other.id for other in engine.runs()] == [run.id], "what was refused was not begun"
                run.close()
                assert (await run.settled()).status is af.RunStatus.COMPLETED
                assert run.wait().status is af.RunStatus.COMPLETED

        asyncio.run(main())

    def test_an_engine_opened_with_plain_with_may_block_inside_a_running_loop(self):
        """As in a notebook, whose cells run on a loop of the notebook's."""

        async def cell():
            with af.Engine() as engine:
                assert engine.run(flow(one), 1) == 2
                assert engine.run(flow(later), 1) == 2
                assert engine.run(flow(one, later, one), 1) == 4
                assert engine.start(flow(later), 1).result(10) == 2
                assert await engine.start(flow(later, one), 1) == 3
                assert list(engine.start(flow(later), 4).results()) == [5]

        asyncio.run(cell())

    def test_a_run_may_be_awaited_on_several_loops(self, engine, held):
        run = engine.start(flow(held), 5)
        results = []

        async def main():
            results.append(await run)

        threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        held.go.set()
        for thread in threads:
            thread.join(10)
        assert results == [5] * 3

    def test_an_engine_may_be_opened_again_on_each_loop_but_not_after_its_end(self):
        async def main(engine):
            async with engine:
                return await engine.start(flow(later), 1)

        assert asyncio.run(main(af.Engine())) == 2 == asyncio.run(main(af.Engine()))
        engine = af.Engine()
        asyncio.run(main(engine))
        with pytest.raises(af.EngineStopped):
            asyncio.run(main(engine))

    def test_a_loop_that_is_closed_while_somebody_awaits_harms_nobody(self, engine, held):
        run = engine.start(flow(held), 5)
        loop = asyncio.new_event_loop()
        task = loop.create_task(run.settled())
        loop.run_until_complete(asyncio.sleep(0))
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
        run._router.farewell.tell(lambda: loop.call_soon_threadsafe(print))  # as if it had not been taken back
        loop.close()
        held.go.set()
        assert run.result(10) == 5


class TestInsideAHandler:
    def test_waiting_for_its_own_run_is_refused_at_once(self, engine):
        runs = []

        refused = []

        def waits(x):
            for call in (runs[0].wait, runs[0].result, lambda: next(runs[0].results())):
                with pytest.raises(af.WouldDeadlock):
                    call()
                refused.append(call)

        go = threading.Event()
        run = engine.start(flow(lambda x: go.wait(10), waits), 1)
        runs.append(run)
        go.set()
        assert run.wait(10).status is af.RunStatus.COMPLETED
        assert len(refused) == 3

    def test_waiting_for_the_run_that_started_it_is_refused_at_once(self, engine):
        outer = []

        def inner(x):
            outer[0].wait()

        def starts(x):
            with pytest.raises(af.RunFailed) as caught:
                engine.run(flow(inner), x)
            return type(caught.value.__cause__)

        go = threading.Event()
        run = engine.start(flow(lambda x: go.wait(10), starts), 1)
        outer.append(run)
        go.set()
        assert run.result(10) is af.WouldDeadlock

    def test_awaiting_its_own_run_is_refused_at_once(self, engine):
        runs = []

        refused = []

        async def waits(x):
            for wait in (lambda: runs[0].settled(), lambda: anext(aiter(runs[0].results()))):
                with pytest.raises(af.WouldDeadlock):
                    await wait()
                refused.append(wait)

        go = threading.Event()
        run = engine.start(flow(lambda x: go.wait(10), waits), 1)
        runs.append(run)
        go.set()
        assert run.wait(10).status is af.RunStatus.COMPLETED
        assert len(refused) == 2

    def test_another_run_may_be_run(self, engine):
        def outer(x):
            return engine.run(flow(one, later), x) + engine.start(flow(one), x).result(10)

        assert engine.run(flow(outer), 1) == 5 == engine.start(flow(outer), 1).result(10)

    def test_an_async_handler_awaits_another_run_but_may_not_block_its_loop(self, engine):
        async def outer(x):
            with pytest.raises(af.WouldDeadlock):
                engine.run(flow(one), x)
            with pytest.raises(af.WouldDeadlock):
                engine.start(flow(later), x).wait()
            return await engine.start(flow(later, one), x)

        assert engine.run(flow(outer), 1) == 3

    @pytest.mark.parametrize("child", [flow(one), flow(lambda x: time.sleep(0.02) or x + 1, one), flow(later), flow(one, later, one)])
    def test_all_workers_at_once_may_run_runs_of_their_own(self, child):
        together = threading.Barrier(2)

        def outer(x):
            together.wait(10)  # both workers are in here
            return engine.run(child, x)

        several = fan(10, outer)
        with af.Engine(workers=2) as engine:
            values = engine.start(several, 1).result(20)
            assert set(values.values()) == {engine.run(child, 1)}

    def test_runs_may_be_nested_deeper_than_there_are_workers(self):
        def nest(depth):
            return depth if depth == 0 else engine.start(definition, depth - 1).result(10) + 1

        definition = flow(nest)
        with af.Engine(workers=1) as engine:
            assert engine.run(definition, 20) == 20 == engine.start(definition, 20).result(20)

    def test_workers_that_took_the_place_of_waiting_handlers_go_again(self):
        def nest(depth):
            return depth if depth == 0 else engine.start(definition, depth - 1).result(10) + 1

        definition = flow(nest)
        both = threading.Barrier(2)
        together = fan(6, lambda x: both.wait(10) and None)
        with af.Engine(workers=2) as engine:
            assert engine.start(definition, 12).result(20) == 12
            engine.start(together, 1).result(20)
            threads = engine._dispatch
            assert threads.limit == 2 and len(threads._workers) <= 2

    def test_a_handler_may_wait_for_a_run_of_another_engine(self, engine):
        with af.Engine(workers=1) as other:

            def outer(x):
                return other.start(flow(back), x).result(10)

            def back(x):
                return engine.start(flow(one), x).result(10)

            assert engine.start(flow(outer), 1).result(10) == 2

    def test_many_async_handlers_may_await_runs_of_their_own(self, engine):
        async def outer(x):
            return sum(await asyncio.gather(*(engine.start(flow(one), number) for number in range(x))))

        several = fan(10, outer)
        assert set(engine.start(several, 10).result(20).values()) == {55}


class TestResults:
    @staticmethod
    def stepwise(steps):
        def values(n):
            for number in range(n):
                yield number
                assert steps.acquire(timeout=20)

        return values

    def test_values_come_as_they_are_made_and_are_not_kept(self, engine):
        steps = threading.Semaphore(0)
        run = engine.start(flow(self.stepwise(steps), one), 3)
        results = run.results()
        for number in range(3):
            assert next(results) == number + 1
            assert not run.done()
            steps.release()
        assert list(results) == []
        assert run.result(10) == []

    def test_async_iteration_does_the_same(self):
        async def values(n):
            for number in range(n):
                yield number

        async def main():
            async with af.Engine() as engine:
                run = engine.start(flow(values, later), 50)
                assert sorted([value async for value in run.results()]) == list(range(1, 51))
                assert await run == []
                assert [value async for value in run.results()] == []

        asyncio.run(main())

    def test_a_single_value_is_iterated_over_too(self, engine):
        run = engine.start(flow(one), 1)
        assert list(run.results()) == [2]
        assert run.result() is None

    def test_what_came_before_somebody_iterates_is_given_first_and_in_order(self, engine):
        steps = threading.Semaphore(100)
        run = engine.start(flow(self.stepwise(steps)), 100)
        run.wait(10)
        assert list(run.results()) == list(range(100))

    def test_several_iterators_share_the_values(self, engine):
        steps = threading.Semaphore(200)
        run = engine.start(flow(self.stepwise(steps), one), 200)
        taken = []
        threads = [threading.Thread(target=lambda: taken.extend(run.results())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(taken) == list(range(1, 201))

    def test_iteration_ends_with_a_run_that_is_cancelled_or_fails(self, engine, held):
        assert list(engine.start(flow(fails), 1).results()) == []
        run = engine.start(flow(held), 1)
        threading.Timer(0.01, run.cancel).start()
        assert list(run.results()) == []
        assert run.status is af.RunStatus.CANCELLED

    def test_attached_at_any_moment_each_value_comes_exactly_once(self, engine):
        for number in range(200):
            run = engine.start(flow(one, one), number)
            for _ in range(number % 7 * 20):
                pass
            assert list(run.results()) == [number + 2]

    def test_an_open_run_is_iterated_over_while_it_is_sent_to(self, engine):
        run = engine.open(flow(one))
        results = run.results()
        for number in range(5):
            run.send(number)
            assert next(results) == number + 1
        run.close()
        assert list(results) == []

    def test_an_idle_open_run_in_virtual_time_says_that_nothing_will_come(self):
        engine = SimulatedEngine()
        run = engine.open(flow(one))
        run.send(1)
        results = run.results()
        assert next(results) == 2
        with pytest.raises(af.StillRunning):
            next(results)
        run.close()
        assert list(results) == []
