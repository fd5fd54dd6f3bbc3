"""Context variables: captured at start; each attempt has a copy of its own, a generator one for all its steps."""

import asyncio
import threading
from contextvars import ContextVar, copy_context

import pytest

import actorflow as af
from actorflow.actors.router import CURRENT
from tests.flows.simple import chain, fan

WHO = ContextVar("who", default="nobody")


def who(x):
    found = WHO.get()
    WHO.set("a handler")
    return found


async def who_async(x):
    found = WHO.get()
    WHO.set("a handler")
    await asyncio.sleep(0)
    assert WHO.get() == "a handler"
    return found


def whos(x):
    for _ in range(100):
        found = WHO.get()
        WHO.set(f"{found}.")
        yield found


async def whos_async(x):
    for _ in range(100):
        found = WHO.get()
        WHO.set(f"{found}.")
        await asyncio.sleep(0)
        yield found


@pytest.fixture
def caller():
    token = WHO.set("caller")
    yield
    WHO.reset(token)


@pytest.mark.parametrize("handler", [who, who_async])
def test_handlers_see_what_was_set_at_the_start_and_not_what_others_set(engine, caller, handler):
    definition = chain(handler, *[lambda x, h=who: (x, h(x))[1]] * 3)
    run = engine.start(definition, 1)
    WHO.set("caller, later")
    assert set(run.wait(5).outputs.values()) == {"caller"}
    assert engine.run(definition, 1) == "caller, later"
    assert WHO.get() == "caller, later"


@pytest.mark.parametrize("handler", [whos, whos_async])
def test_a_generator_keeps_one_copy_for_all_its_steps_whichever_thread_makes_them(engine, caller, handler):
    definition = chain(handler, lambda x: x)
    for run in [engine.start(definition, 1) for _ in range(5)]:
        assert run.result(10) == ["caller" + "." * number for number in range(100)]


def test_activations_of_one_node_do_not_see_each_other(engine, caller):
    together = threading.Barrier(4)

    def waits(x):
        found = WHO.get()
        WHO.set("somebody else")
        together.wait(5)
        return found

    assert set(engine.start(fan(4, waits), 1).result(10).values()) == {"caller"}


def test_tasks_and_threads_of_a_handler_inherit_its_variables(engine, caller):
    async def handler(x):
        WHO.set("handler")

        async def task():
            return WHO.get()

        return await asyncio.create_task(task()), await asyncio.to_thread(WHO.get), [await asyncio.gather(task(), task())]

    assert engine.run(chain(handler), 1) == ("handler", "handler", [["handler", "handler"]])


def test_a_run_started_in_a_handler_inherits_that_handler_s_variables(engine, caller):
    def outer(x):
        WHO.set("outer")
        return engine.run(chain(who), x), engine.start(chain(who_async), x).result(5)

    assert engine.run(chain(outer), 1) == ("outer", "outer")


def test_nothing_of_a_caller_or_handler_is_left_on_the_threads(engine, caller):
    seen = []

    def probe(x):
        seen.append((WHO.get(), threading.current_thread()))

    engine.start(fan(4, who), 1).wait(5)
    copy_context().run(WHO.set, "x")
    for _ in range(20):
        engine.start(chain(probe, who_async), 1).wait(5)
    assert {name for name, _ in seen} == {"caller"}
    assert CURRENT.get() is None


def test_the_loop_of_async_with_keeps_its_own_variables():
    async def main():
        WHO.set("main")
        async with af.Engine() as engine:
            run = engine.start(chain(who_async, who), 1)
            WHO.set("main, later")
            assert (await run.settled()).outputs == {"who_async": "main", "who": "main"}
            assert WHO.get() == "main, later"
            assert CURRENT.get() is None

    asyncio.run(main())
