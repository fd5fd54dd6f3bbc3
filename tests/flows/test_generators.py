"""Handlers that stream: generators, async generators, iterables; what they send, and what becomes of them when they break off."""

import asyncio
import contextvars
import threading

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine, explore

SEEDS = range(50)


def run(flow, payload=None, seed=0, **options):
    return SimulatedEngine(seed).start(flow, payload, **options).wait(3600)


def collected(items, work=lambda x: x, **options):
    """items -> work -> all, which is a list."""
    flow = af.Workflow("stream")
    flow.add(items, name="items", **options)
    flow.add(work, name="work")
    flow.add(lambda values: values, name="all", join="collect")
    flow.chain("items", "work", "all")
    return flow


def plain(n):
    yield from range(n)


async def asynchronous(n):
    for number in range(n):
        await asyncio.sleep(0.1)
        yield number


async def quick(n):
    for number in range(n):
        yield number


KINDS = {
    "generator": (plain, {}),
    "async generator": (asynchronous, {}),
    "async generator that never waits": (quick, {}),
    "list": (lambda n: list(range(n)), {"stream": True}),
    "iterator": (lambda n: iter(range(n)), {"stream": True}),
    "generator expression": (lambda n: (number for number in range(n)), {"stream": True}),
}


async def coroutine_of_a_list(n):
    await asyncio.sleep(0.1)
    return list(range(n))


async def coroutine_of_a_generator(n):
    return plain(n)


KINDS["coroutine of a list"] = (coroutine_of_a_list, {"stream": True})
KINDS["coroutine of a generator"] = (coroutine_of_a_generator, {"stream": True})


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_stream_sends_each_value_as_a_message_of_its_own(kind, count):
    handler, options = KINDS[kind]

    def check(result):
        assert (result.output, str(result.status)) == (list(range(count)), "completed")
        assert result.nodes["work"].executions == count

    explore(collected(handler, **options), count, seeds=range(10), check=check)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_stream_works_on_threads(kind):
    handler, options = KINDS[kind]
    with af.Engine(workers=2) as engine:
        assert engine.run(collected(handler, **options), 7) == list(range(7))


@pytest.mark.parametrize("value", [None, af.NOTHING])
def test_a_stream_that_returns_none_or_nothing_is_empty(value):
    assert run(collected(lambda n: value, stream=True), 0).output == []


def test_what_a_stream_returns_that_is_not_iterable_fails_it():
    (failure,) = run(collected(lambda n: 7, stream=True), 0).errors
    assert (failure.node, failure.type) == ("items", "TypeError")


def test_what_a_generator_returns_at_its_end_is_not_sent():
    def items(n):
        yield 1
        return 2

    assert run(collected(items), 0).output == [1]


@pytest.mark.parametrize("asynchronously", [False, True])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_generator_that_raises_halfway_lets_what_it_sent_run_on(after, asynchronously):
    def items(n):
        yield from range(n)
        raise ValueError("halfway")

    async def async_items(n):
        for number in range(n):
            yield number
        raise ValueError("halfway")

    def check(result):
        assert (str(result.status), result.nodes["work"].executions) == ("failed", after)
        assert str(result.nodes["all"].status) == "cancelled"
        (failure,) = result.errors
        assert (failure.node, failure.key, failure.message) == ("items", (), "halfway")

    explore(collected(async_items if asynchronously else items), after, seeds=SEEDS, check=check)


@pytest.mark.parametrize("asynchronously", [False, True])
def test_the_failure_of_a_stream_may_be_taken_and_what_was_sent_collected(asynchronously):
    def items(n):
        yield from range(n)
        raise ValueError("halfway")

    async def async_items(n):
        for number in range(n):
            yield number
        raise ValueError("halfway")

    flow = collected(async_items if asynchronously else items)
    flow.add(lambda x, ctx: (x, ctx.key, ctx.error.message), name="handle")
    flow.connect("items", "handle", on="fail")

    def check(result):
        assert result.outputs["all"] == [0, 1, 2]
        assert result.outputs["handle"] == (3, (), "halfway")
        assert result.status is af.RunStatus.COMPLETED

    explore(flow, 3, seeds=SEEDS, check=check)


def test_a_generator_may_send_on_ports():
    def items(n):
        for number in range(n):
            yield af.Emit(number, port="odd" if number % 2 else "even")
        yield "primary"

    flow = af.Workflow("ports")
    flow.add(items)
    for name in ("odd", "even"):
        flow.add(lambda x: x, name=name)
        flow.connect(items, name, port=name)
    flow.add(lambda x: x, name="rest")
    flow.connect(items, "rest")
    assert run(flow, 5).output == {"odd": [1, 3], "even": [0, 2, 4], "rest": ["primary"]}


def test_a_generator_may_send_several_messages_with_one_key():
    def items(n):
        for number in range(n):
            yield af.Emits(af.Emit(number, "left"), af.Emit(-number, "right"))

    flow = af.Workflow("emits")
    flow.add(items)
    for name in ("left", "right"):
        flow.add(lambda x: x, name=name)
        flow.connect(items, name, port=name)
    flow.add(lambda left, right: (left, right), name="both")
    flow.connect("left", "both")
    flow.connect("right", "both")
    explore(flow, 3, seeds=SEEDS, check=lambda result: result.output == [(0, 0), (1, -1), (2, -2)])


def test_a_generator_without_successors_is_itself_the_list():
    flow = af.Workflow("alone")
    flow.add(plain)
    assert run(flow, 3).output == [0, 1, 2]
    assert run(flow, 0).output == []


@pytest.mark.parametrize("asynchronously", [False, True])
def test_a_generator_cleans_up_when_its_run_is_cancelled(asynchronously):
    closed = []

    def items(n):
        try:
            while True:
                yield 1
        finally:
            closed.append("closed")

    async def async_items(n):
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    flow = collected(async_items if asynchronously else items)
    engine = SimulatedEngine()
    started = engine.start(flow, 0)
    for _ in range(50):
        engine._dispatch.step()
    assert started.node("work").executions > 0
    started.cancel()
    assert started.wait(60).status is af.RunStatus.CANCELLED
    engine.run_until_idle()
    assert closed == ["closed"]


def test_a_stream_does_not_run_away_from_a_slow_consumer():
    sent = []

    def items(n):
        for number in range(n):
            sent.append(number)
            yield number

    async def work(x):
        await asyncio.sleep(1)
        return x

    flow = af.Workflow("credit")
    flow.add(items)
    flow.add(work, mailbox=af.Mailbox(capacity=4))
    flow.add(len, name="count", join="collect")
    flow.chain(items, "work", "count")
    engine = SimulatedEngine()
    started = engine.start(flow, 1000)
    engine.advance(10)
    assert len(sent) < 40
    assert started.result(2000) == 1000


def test_context_variables_are_those_of_start_in_every_step_of_a_generator():
    variable = contextvars.ContextVar("variable", default="outside")

    def items(n):
        for _ in range(n):
            yield variable.get()
            variable.set(variable.get() + "!")

    async def async_items(n):
        for _ in range(n):
            yield variable.get()
            variable.set(variable.get() + "!")
            await asyncio.sleep(0)

    for handler in (items, async_items):
        variable.set("started")
        with af.Engine() as engine:
            assert engine.run(collected(handler), 3) == ["started", "started!", "started!!"]
        assert variable.get() == "started"


def test_a_pinned_generator_stays_on_one_thread():
    def items(n):
        for _ in range(n):
            yield threading.get_ident()

    flow = collected(items, pinned=True)
    with af.Engine(workers=4) as engine:
        assert len(set(engine.start(flow, 200).wait(20).output)) == 1


def test_ten_thousand_items_go_through_three_stages():
    flow = af.Workflow("many")
    flow.add(plain, name="items")
    flow.add(lambda x: x + 1, name="one")
    flow.add(lambda x: x * 2, name="two")
    flow.add(sum, name="total", join="collect")
    flow.chain("items", "one", "two", "total")
    with af.Engine() as engine:
        assert engine.run(flow, 10_000) == sum((number + 1) * 2 for number in range(10_000))
    assert run(flow, 10_000).output == sum((number + 1) * 2 for number in range(10_000))


def test_ten_thousand_items_through_async_handlers():
    async def work(x):
        return x + 1

    flow = af.Workflow("many")
    flow.add(quick, name="items")
    flow.add(work, concurrency=50)
    flow.add(sum, name="total", join="collect")
    flow.chain("items", work, "total")
    with af.Engine() as engine:
        assert engine.run(flow, 10_000) == sum(range(1, 10_001))
