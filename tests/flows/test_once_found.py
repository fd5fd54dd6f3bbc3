"""Faults that reviews have found, each with the smallest flow that showed it."""

import asyncio
import threading
import typing

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine


def same(value):
    return value


def pair(**options):
    flow = af.Workflow("pair")
    flow.add(same, name="a")
    flow.add(same, name="b")
    flow.connect("a", "b", **options)
    return flow


class Order(typing.TypedDict):
    a: int


class Speaks(typing.Protocol):
    def speak(self): ...


@pytest.mark.parametrize("kind", [Order, Speaks, typing.Any])
def test_a_type_filter_that_isinstance_cannot_ask_is_refused_when_it_is_connected(kind):
    with pytest.raises(TypeError, match="types"):
        pair(types=kind)


class Moody(type):
    def __instancecheck__(cls, instance):
        if instance is not None:
            raise ValueError("not today")
        return False


class Fussy(metaclass=Moody):
    pass


def test_a_type_filter_that_raises_is_no_match_and_a_fault_on_record():
    result = SimulatedEngine().start(pair(types=Fussy), 1).wait(1)
    assert (result.status, result.nodes["b"].status) == ("completed", "skipped")
    assert "not today" in result.condition_faults[0].error


def test_an_async_condition_is_refused_when_it_is_connected():
    async def no(message):
        return False

    with pytest.raises(TypeError, match="async"):
        pair(when=no)


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), ValueError("x")])
def test_whatever_a_callable_condition_raises_is_a_fault_on_record(error):
    def when(message):
        raise error

    result = SimulatedEngine().start(pair(when=when), 1).wait(1)
    assert (result.status, result.nodes["b"].status, len(result.condition_faults)) == ("completed", "skipped", 1)


def test_a_callable_condition_that_waits_for_its_own_run_is_a_fault_and_no_endless_wait():
    with af.Engine() as engine:
        result = engine.start(pair(when=lambda message: engine.get(message.run_id).wait()), 1).wait(10)
    assert "WouldDeadlock" in result.condition_faults[0].error


def test_a_simulated_run_may_be_awaited_inside_a_running_loop():
    async def handler(value):
        await asyncio.sleep(5)
        return value + 1

    flow = af.Workflow("awaited")
    flow.add(handler)

    async def main():
        async with SimulatedEngine() as engine:
            return await engine.start(flow, 1), [value async for value in engine.start(flow, 2).results()]

    assert asyncio.run(main()) == (2, [3])


@pytest.mark.parametrize("tags", ["abc", 5, [1]])
def test_tags_are_texts(tags):
    with pytest.raises(TypeError, match="tags"):
        SimulatedEngine().start(pair(), 1, tags=tags)


def test_the_text_of_many_failures_names_the_first_and_counts_the_rest():
    flow = af.Workflow("many")
    flow.add(lambda count: (yield from range(count)), name="numbers")
    flow.add(lambda number: 1 / 0, name="fails", concurrency=2)
    flow.chain("numbers", "fails")
    with pytest.raises(af.RunFailed, match=r"and 80 more") as caught:
        SimulatedEngine().start(flow, 100).result(1)
    assert len(caught.value.failures) == 100


@pytest.mark.parametrize("join", ["all", "any", "each"])
def test_what_an_async_generator_has_sent_stands_when_it_times_out(join):
    flow = af.Workflow("late")

    @flow.node(timeout=5)
    async def numbers(count):
        for number in range(count):
            yield number
        await asyncio.sleep(60)

    flow.add(same, name="a")
    flow.add(lambda value: value, name="c", join=join)
    flow.connect("numbers", "a")
    flow.connect("numbers", "c", to="x")
    flow.connect("a", "c", to="y")
    result = SimulatedEngine().start(flow, 3).wait(100)
    assert [failure.type for failure in result.errors] == ["actorflow.errors.NodeTimedOut"]
    assert result.nodes["c"].executions == (6 if join == "each" else 3)


def test_a_message_before_the_start_does_not_end_a_run():
    engine = SimulatedEngine()
    run = engine._make(pair(), 1, None, None, None, (), opened=False)
    run.results()
    assert not run.done()


@pytest.mark.parametrize("seed", range(20))
def test_of_two_messages_without_room_and_with_one_dedup_key_the_newer_stays(seed):
    flow = af.Workflow("refused")
    flow.add(lambda count: (yield from range(count)), name="numbers")
    flow.add(lambda number: af.Emit(number, dedup=number % 2), name="spread", concurrency=8)
    flow.add(lambda number: number, name="take", mailbox=af.Mailbox(capacity=1))
    flow.chain("numbers", "spread", "take")
    result = SimulatedEngine(seed).start(flow, 12).wait(10)
    assert result.status == "completed"
    assert result.nodes["take"].executions == 12


def test_a_sender_gets_room_when_the_entry_fails():
    flow = af.Workflow("failing")
    go_on = threading.Event()

    @flow.node(mailbox=af.Mailbox(capacity=1))
    def entry(value):
        go_on.wait(10)
        raise ValueError(value)

    with af.Engine() as engine:
        run = engine.open(flow)
        run.send(1)
        sender = threading.Thread(target=run.send, args=(2,))
        sender.start()
        go_on.set()
        sender.join(10)
        assert not sender.is_alive()
        run.close()
        assert len(run.wait(10).errors) == 2
