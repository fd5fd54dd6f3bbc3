"""Messages with a deduplication key: the newest takes the place of one that is queued or at work."""

import asyncio

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine, explore
from tests.patterns.held import Gate


def stream_of(*emits):
    def items(x):
        yield from emits

    return items


def keyed(work, *emits, **options):
    flow = af.Workflow("dedup")
    flow.add(stream_of(*emits), name="items")
    flow.add(work, name="work", **options)
    flow.connect("items", "work")
    return flow


def test_of_those_that_are_queued_the_newest_remains():
    gate, done = Gate(), []
    flow = keyed(gate.held(done.append), af.Emit("first"), *(af.Emit(number, dedup="k") for number in range(5)), af.Emit("last"))
    engine = SimulatedEngine()
    started = engine.start(flow)
    engine.run_until_idle()
    assert (started.node("work").leased, started.node("work").queued) == (1, 2)
    gate.open()
    result = started.wait(10)
    assert done in (["first", 4, "last"], ["first", "last", 4])
    assert result.status is af.RunStatus.COMPLETED
    assert result.nodes["work"].executions == 7  # those replaced count as cancelled


@pytest.mark.parametrize("concurrency", [1, 2])
def test_one_that_is_at_work_is_cancelled_and_the_newest_runs(concurrency):
    done, told = [], []

    async def items(x):
        for number in range(3):
            yield af.Emit(number, dedup="k")
            await asyncio.sleep(1)

    async def work(x):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            told.append(x)
            raise
        done.append(x)
        return x

    flow = af.Workflow("dedup")
    flow.add(items)
    flow.add(work, concurrency=concurrency)
    flow.connect(items, work)
    result = SimulatedEngine().start(flow).wait(100)
    assert (done, told, result.output) == ([2], [0, 1], [2])
    assert result.status is af.RunStatus.COMPLETED and result.duration_s == 12.0


def test_a_handler_on_a_thread_that_was_replaced_is_not_waited_for_and_its_value_is_dropped():
    import threading

    go, began, seen = threading.Event(), threading.Event(), []

    def items(x):
        yield af.Emit("old", dedup="k")
        assert began.wait(10)
        yield af.Emit("new", dedup="k")
        go.set()

    def work(x):
        seen.append(x)
        began.set()
        assert go.wait(10)
        return x

    flow = af.Workflow("dedup")
    flow.add(items)
    flow.add(work)
    flow.connect(items, work)
    with af.Engine(workers=2) as engine:
        result = engine.start(flow).wait(20)
    assert (seen, result.output, str(result.status)) == (["old", "new"], ["new"], "completed")


def test_different_keys_and_none_do_not_replace_each_other():
    flow = keyed(lambda x: x, *(af.Emit(number, dedup=f"k{number}") for number in range(3)), af.Emit("a"), af.Emit("a"))
    assert SimulatedEngine().start(flow).wait(10).output == [0, 1, 2, "a", "a"]


def test_any_order_of_replacements_ends_and_the_newest_of_each_key_is_there():
    async def work(x):
        await asyncio.sleep(0)
        return x

    emits = [af.Emit((key, number), dedup=key) for number in range(5) for key in "abc"]
    for concurrency in (1, 2, 5):
        flow = keyed(work, *emits, concurrency=concurrency)

        def check(result):
            assert result.status is af.RunStatus.COMPLETED
            assert {("a", 4), ("b", 4), ("c", 4)} <= set(result.output)

        explore(flow, seeds=range(100), check=check)


def test_replacements_in_a_full_mailbox_need_no_room():
    gate = Gate()
    flow = keyed(gate.held(lambda x: x), *(af.Emit(number, dedup="k") for number in range(20)), mailbox=af.Mailbox(capacity=1))
    engine = SimulatedEngine()
    started = engine.start(flow)
    engine.run_until_idle()
    gate.open()
    assert started.wait(10).output == [19]


def test_a_collect_behind_replaced_items_has_the_others():
    gate = Gate()
    flow = keyed(gate.held(lambda x: x), af.Emit("first"), af.Emit(1, dedup="k"), af.Emit(2, dedup="k"))
    flow.add(lambda values: values, name="all", join="collect")
    flow.connect("work", "all")
    engine = SimulatedEngine()
    started = engine.start(flow)
    engine.run_until_idle()
    gate.open()
    assert started.wait(10).output == ["first", 2]


def test_a_stream_that_is_replaced_is_closed_and_what_it_sent_stands():
    closed = []

    async def items(x):
        yield af.Emit("old", dedup="k")
        await asyncio.sleep(5)
        yield af.Emit("new", dedup="k")

    async def inner(x):
        try:
            for number in range(3):
                yield (x, number)
                await asyncio.sleep(2)
        finally:
            closed.append(x)

    flow = af.Workflow("dedup")
    flow.add(items)
    flow.add(inner)
    flow.add(lambda x: x, name="out")
    flow.chain(items, inner, "out")
    result = SimulatedEngine().start(flow).wait(100)
    assert result.output == [("old", 0), ("old", 1), ("old", 2), ("new", 0), ("new", 1), ("new", 2)]
    assert (str(result.status), closed) == ("completed", ["old", "new"])


@pytest.mark.parametrize("key", [7, ("a", 1), frozenset("x")])
def test_a_key_may_be_anything_hashable(key):
    flow = keyed(lambda x: x, af.Emit(1, dedup=key), af.Emit(2, dedup=key))
    assert 2 in SimulatedEngine().start(flow).wait(10).output


@pytest.mark.parametrize("key", [[], {}, {1}, ([],)])
def test_an_unhashable_key_fails_the_handler_that_gives_it(key):
    flow = af.Workflow("dedup")
    flow.add(lambda x: af.Emit(1, dedup=key), name="a")
    (failure,) = SimulatedEngine().start(flow).wait(10).errors
    assert (failure.node, failure.type) == ("a", "TypeError") and "dedup" in failure.message and "hashable" in failure.message
