"""Nodes that are classes: one instance a run, its hooks, its state, its arguments."""

import asyncio
import logging

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine


def run(flow, payload=None, seed=0, **options):
    return SimulatedEngine(seed).start(flow, payload, **options).wait(3600)


def items(n):
    yield from range(n)


def counted(cls, **options):
    flow = af.Workflow("class")
    flow.add(items)
    flow.add(cls, name="node", **options)
    flow.connect(items, "node")
    return flow


class Counter:
    def __init__(self, start=0):
        self.state = start

    def receive(self, payload):
        self.state += payload
        return self.state


def test_one_instance_serves_a_whole_run_and_keeps_its_state():
    assert run(counted(Counter), 4).output == [0, 1, 3, 6]


def test_each_run_has_an_instance_of_its_own():
    engine = SimulatedEngine()
    definition = counted(Counter).build()
    runs = [engine.start(definition, 4) for _ in range(3)]
    assert [started.wait(1).output for started in runs] == [[0, 1, 3, 6]] * 3


def test_two_nodes_of_one_class_have_an_instance_each():
    flow = af.Workflow("two")
    flow.add(Counter, name="a", args={"start": 10})
    flow.add(Counter, name="b", args={"start": 20})
    flow.entry("a", "b")
    assert run(flow, 1).output == {"a": 11, "b": 21}


class Stock:
    def __init__(self, levels):
        self.levels = levels

    def receive(self, item):
        self.levels[item] -= 1
        return dict(self.levels)


def test_arguments_are_copied_for_each_run():
    levels = {"x": 5}
    flow = af.Workflow("stock")
    flow.add(Stock, args={"levels": levels})
    levels["x"] = 100
    engine = SimulatedEngine()
    assert [engine.start(flow, "x").wait(1).output for _ in range(2)] == [{"x": 4}, {"x": 4}]


class Hooked:
    log: list = []

    def on_start(self):
        self.log.append("start")

    def receive(self, payload):
        self.log.append(payload)

    def on_stop(self):
        self.log.append("stop")


class HookedWithContext(Hooked):
    def on_start(self, ctx):
        self.log.append(("start", ctx.node, ctx.run_id))

    def receive(self, payload, ctx):
        self.log.append((payload, ctx.key))


class HookedAsync(Hooked):
    async def on_start(self):
        await asyncio.sleep(0.1)
        self.log.append("start")

    async def receive(self, payload):
        await asyncio.sleep(0.1)
        self.log.append(payload)

    async def on_stop(self):
        await asyncio.sleep(0)
        self.log.append("stop")


class AsyncHooksOnly(Hooked):
    async def on_start(self):
        await asyncio.sleep(0)
        self.log.append("start")

    async def on_stop(self):
        await asyncio.sleep(0)
        self.log.append("stop")


class AsyncReceiveOnly(Hooked):
    async def receive(self, payload):
        await asyncio.sleep(0)
        self.log.append(payload)


@pytest.mark.parametrize("cls", [Hooked, HookedAsync, AsyncHooksOnly, AsyncReceiveOnly])
@pytest.mark.parametrize("threads", [False, True])
def test_hooks_are_called_once_before_the_first_and_after_the_last_message(cls, threads):
    cls.log = []
    if threads:
        with af.Engine() as engine:
            assert engine.start(counted(cls), 3).wait(10).status is af.RunStatus.COMPLETED
    else:
        engine = SimulatedEngine()
        assert engine.start(counted(cls), 3).wait(10).status is af.RunStatus.COMPLETED
        engine.run_until_idle()
    assert cls.log == ["start", 0, 1, 2, "stop"]


def test_hooks_and_receive_may_ask_for_the_context():
    HookedWithContext.log = []
    run(counted(HookedWithContext), 2, run_id="r")
    assert HookedWithContext.log == [("start", "node", "r"), (0, (0,)), (1, (1,)), "stop"]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_on_start_is_called_once_however_many_messages_come_at_once(concurrency):
    HookedAsync.log = []
    run(counted(HookedAsync, concurrency=concurrency), 5)
    assert HookedAsync.log.count("start") == 1 and HookedAsync.log[0] == "start"


def test_an_instance_that_was_never_needed_is_never_made():
    made = []

    class Made:
        def __init__(self):
            made.append(1)

        def receive(self, payload): ...

    run(counted(Made), 0)
    assert made == []


class FailsToStart:
    tries = 0

    def on_start(self):
        type(self).tries += 1
        if self.tries == 1:
            raise ConnectionError("not yet")

    def receive(self, payload):
        return payload


def test_an_on_start_that_raises_fails_the_activation_and_the_next_tries_again():
    FailsToStart.tries = 0
    result = run(counted(FailsToStart), 3)
    (failure,) = result.errors
    assert (failure.node, failure.key, failure.type) == ("node", (0,), "ConnectionError")
    assert (result.output, FailsToStart.tries) == ([1, 2], 2)


def test_a_constructor_that_raises_fails_the_activation():
    class Broken:
        def __init__(self):
            raise ValueError("broken")

        def receive(self, payload): ...

    result = run(counted(Broken), 2)
    assert [failure.message for failure in result.errors] == ["broken", "broken"]


def test_an_on_stop_that_raises_is_logged_and_changes_nothing(caplog):
    class Leaves:
        def receive(self, payload):
            return payload

        def on_stop(self):
            raise ValueError("cannot leave")

    with caplog.at_level(logging.ERROR, "actorflow"):
        result = run(counted(Leaves), 2)
    assert (str(result.status), result.output) == ("completed", [0, 1])
    assert any("on_stop" in record.getMessage() for record in caplog.records)


def test_a_class_may_stream():
    class Splits:
        def receive(self, payload):
            yield from payload

    flow = af.Workflow("stream")
    flow.add(Splits)
    flow.add(lambda x: x * 2, name="work")
    flow.connect("Splits", "work")
    assert run(flow, [1, 2]).output == [2, 4]


def test_a_class_may_stream_asynchronously():
    class Splits:
        async def receive(self, payload):
            for item in payload:
                await asyncio.sleep(0)
                yield item

    flow = af.Workflow("stream")
    flow.add(Splits)
    assert run(flow, [1, 2]).output == [1, 2]


def test_a_class_is_bound_by_slots_like_a_function():
    class Adds:
        def receive(self, b, c=100):
            return b + c

    flow = af.Workflow("slots")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: 1, name="b")
    flow.add(lambda x: 2, name="c")
    flow.add(Adds)
    for name in "bc":
        flow.chain("a", name, "Adds")
    assert run(flow, 0).output == 3


def test_on_stop_is_called_when_the_run_is_cancelled():
    HookedAsync.log = []
    engine = SimulatedEngine()
    started = engine.start(counted(HookedAsync), 5)
    engine.advance(0.25)
    started.cancel("enough")
    assert started.wait(60).status is af.RunStatus.CANCELLED
    engine.run_until_idle()
    assert HookedAsync.log[-1] == "stop" and HookedAsync.log.count("stop") == 1
