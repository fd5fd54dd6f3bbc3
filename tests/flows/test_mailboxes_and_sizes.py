"""Small mailboxes everywhere, and large graphs: nothing stalls, nothing is lost, nothing runs away."""

import asyncio

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine, explore

SEEDS = range(50)
TINY = [1, 2]


def items(n):
    yield from range(n)


async def async_items(n):
    for number in range(n):
        yield number


def same(x):
    return x


async def slowly(x):
    await asyncio.sleep(0.01)
    return x


@pytest.mark.parametrize("capacity", TINY)
@pytest.mark.parametrize("work", [same, slowly])
def test_fan_out_into_mailboxes_of_one_and_two(capacity, work):
    flow = af.Workflow("fan out")
    flow.add(same, name="a")
    flow.add(items, name="items")
    flow.connect("a", "items")
    for number in range(5):
        flow.add(work, name=f"w{number}", mailbox=af.Mailbox(capacity=capacity))
        flow.connect("items", f"w{number}")
        flow.connect(f"w{number}", "j")
    flow.add(lambda slots: sum(slots.values()), name="j", mailbox=af.Mailbox(capacity=capacity))
    flow.add(lambda sums: sums, name="all", join="collect")
    flow.connect("j", "all")
    explore(flow, 10, seeds=SEEDS, check=lambda result: result.output == [number * 5 for number in range(10)])


@pytest.mark.parametrize("capacity", TINY)
@pytest.mark.parametrize("stream", [items, async_items])
def test_a_chain_of_streams_with_tiny_mailboxes(capacity, stream):
    flow = af.Workflow("streams")
    flow.add(stream, name="items")
    flow.add(lambda x: (yield from [x, x]), name="twice", mailbox=af.Mailbox(capacity=capacity))
    flow.add(same, name="work", mailbox=af.Mailbox(capacity=capacity))
    flow.add(lambda pair: pair, name="inner", join="collect", mailbox=af.Mailbox(capacity=capacity))
    flow.add(lambda pairs: pairs, name="outer", join="collect")
    flow.chain("items", "twice", "work", "inner", "outer")
    explore(flow, 12, seeds=SEEDS, check=lambda result: result.output == [[number, number] for number in range(12)])


@pytest.mark.parametrize("capacity", TINY)
@pytest.mark.parametrize("work", [same, slowly])
def test_streams_into_cycles_with_tiny_mailboxes_never_stall(capacity, work):
    flow = af.Workflow("cycles")
    tiny = {"mailbox": af.Mailbox(capacity=capacity)}
    flow.add(items, name="items")
    flow.add(lambda x: x + 1, name="b", **tiny)
    flow.add(work, name="c", **tiny)
    flow.add(same, name="d", **tiny)
    flow.add(sorted, name="all", join=af.Collect(scope="run"))
    flow.chain("items", "b", "c")
    flow.connect("c", "b", back=True, when="output < 6")
    flow.connect("c", "d", when="output >= 6")
    flow.connect("d", "all")
    explore(flow, 12, seeds=SEEDS, check=lambda result: result.output == [6] * 6 + [7, 8, 9, 10, 11, 12])


@pytest.mark.parametrize("capacity", TINY)
def test_a_stream_inside_a_cycle_with_tiny_mailboxes_never_stalls(capacity):
    tiny = {"mailbox": af.Mailbox(capacity=capacity)}
    flow = af.Workflow("split")

    def split(size):
        if size > 1:
            yield size // 2
            yield size - size // 2
        else:
            yield af.Emit(size, port="done")

    flow.add(same, name="a")
    flow.add(split, **tiny)
    flow.add(same, name="work", **tiny)
    flow.add(len, name="count", join=af.Collect(scope="run"))
    flow.chain("a", "split")
    flow.connect("split", "split", back=True, limit=1000)
    flow.connect("split", "work", port="done")
    flow.connect("work", "count")
    explore(flow, 20, seeds=SEEDS, check=lambda result: result.output == 20)


@pytest.mark.parametrize("capacity", TINY)
def test_a_diamond_in_a_stream_where_one_branch_is_slow_and_all_mailboxes_tiny(capacity):
    tiny = {"mailbox": af.Mailbox(capacity=capacity)}
    flow = af.Workflow("diamond")
    flow.add(items, name="items")
    flow.add(same, name="a", **tiny)
    flow.add(slowly, name="b", **tiny)
    flow.add(same, name="c", **tiny)
    flow.add(lambda b, c: b + c, name="d", **tiny)
    flow.add(sum, name="total", join="collect")
    flow.chain("items", "a", "b", "d", "total")
    flow.chain("a", "c", "d")
    explore(flow, 15, seeds=SEEDS, check=lambda result: result.output == 210)


@pytest.mark.parametrize("capacity", TINY)
def test_failures_and_skips_make_room_too(capacity):
    def work(x):
        if x % 3 == 0:
            raise ValueError("no")
        return af.NOTHING if x % 3 == 1 else x

    tiny = {"mailbox": af.Mailbox(capacity=capacity)}
    flow = af.Workflow("room")
    flow.add(items, name="items")
    flow.add(work, **tiny)
    flow.add(same, name="after", **tiny)
    flow.add(same, name="handle", **tiny)
    flow.chain("items", "work", "after")
    flow.connect("work", "handle", on="fail")
    flow.output("after", "handle")

    def check(result):
        assert result.output == {"after": [2, 5, 8, 11], "handle": [0, 3, 6, 9]}
        assert result.status is af.RunStatus.COMPLETED

    explore(flow, 12, seeds=SEEDS, check=check)


@pytest.mark.parametrize("capacity", TINY)
def test_a_stream_that_fails_in_a_full_mailbox_makes_room(capacity):
    def stream(x):
        yield x
        if x % 2:
            yield af.Emit(x, port="nowhere")

    flow = af.Workflow("room", unrouted="fail")
    flow.add(items, name="items")
    flow.add(stream, mailbox=af.Mailbox(capacity=capacity))
    flow.add(same, name="after")
    flow.chain("items", "stream", "after")

    def check(result):
        assert (len(result.errors), result.output) == (4, list(range(8)))

    explore(flow, 8, seeds=SEEDS, check=check)


@pytest.mark.parametrize("stream", [items, async_items])
@pytest.mark.parametrize("work", [same, slowly])
def test_tiny_mailboxes_on_threads(stream, work):
    flow = af.Workflow("threads")
    flow.add(stream, name="items")
    for name in ("a", "b"):
        flow.add(work, name=name, mailbox=af.Mailbox(capacity=1), concurrency=2)
        flow.chain("items", name, "j")
    flow.add(lambda a, b: a + b, name="j", mailbox=af.Mailbox(capacity=1))
    flow.add(sum, name="total", join="collect")
    flow.connect("j", "total")
    with af.Engine(workers=3) as engine:
        assert engine.start(flow, 60).result(20) == 60 * 59


@pytest.mark.parametrize("concurrency", [1, 3, 10])
def test_no_more_run_at_once_than_concurrency_says(concurrency):
    now, most = [0], [0]

    async def work(x):
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(1)
        now[0] -= 1

    flow = af.Workflow("concurrency")
    flow.add(items, name="items")
    flow.add(work, concurrency=concurrency)
    flow.connect("items", work)
    result = SimulatedEngine().start(flow, 30).wait(100)
    assert (most[0], result.duration_s) == (concurrency, 30 / concurrency)


# --- sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_chain_of_a_thousand_nodes(simulated, asynchronous):
    async def plus_async(x):
        return x + 1

    flow = af.Workflow("chain")
    names = [f"n{number}" for number in range(1000)]
    for name in names:
        flow.add(plus_async if asynchronous else lambda x: x + 1, name=name)
    flow.chain(*names)
    if simulated:
        assert SimulatedEngine().start(flow, 0).wait(10).output == 1000
    else:
        with af.Engine() as engine:
            assert engine.run(flow, 0) == 1000


@pytest.mark.parametrize("simulated", [True, False])
def test_a_hundred_parallel_nodes_that_join(simulated):
    flow = af.Workflow("parallel")
    flow.add(same, name="a")
    flow.add(lambda slots: sum(slots.values()), name="z")
    for number in range(100):
        flow.add(lambda x, number=number: x + number, name=f"n{number}")
        flow.chain("a", f"n{number}", "z")
    if simulated:
        explore(flow, 1, seeds=range(10), check=lambda result: result.output == 100 + 4950)
    else:
        with af.Engine() as engine:
            assert engine.run(flow, 1) == 100 + 4950


def test_a_loop_of_ten_thousand_passes():
    flow = af.Workflow("loop")
    flow.add(lambda x: x + 1, name="body")
    flow.add(same, name="end")
    flow.entry("body")
    flow.connect("body", "body", back=True, when="output < 10000", limit=10_000)
    flow.connect("body", "end", when="output >= 10000")
    with af.Engine() as engine:
        assert engine.run(flow, 0) == 10_000


def test_a_thousand_skipped_nodes_in_a_row_are_skipped_at_once():
    flow = af.Workflow("skips")
    names = [f"n{number}" for number in range(1000)]
    for name in names:
        flow.add(lambda x: af.NOTHING, name=name)
    flow.chain(*names)
    flow.add(same, name="beside")
    flow.entry("n0", "beside")
    result = SimulatedEngine().start(flow, 1).wait(1)
    assert sum(1 for node in result.nodes.values() if node.status == "skipped") == 999


def test_a_thousand_runs_at_once():
    flow = af.Workflow("small")
    flow.add(same, name="a")
    flow.add(lambda x: x + 1, name="b")
    flow.add(lambda x: x * 2, name="c")
    flow.add(lambda b, c: (b, c), name="d")
    flow.chain("a", "b", "d")
    flow.chain("a", "c", "d")
    definition = flow.build()
    with af.Engine() as engine:
        runs = [engine.start(definition, number) for number in range(1000)]
        assert [result.output for result in af.wait_all(runs, 30)] == [(number + 1, number * 2) for number in range(1000)]


def test_a_wide_layered_graph_on_any_seed():
    flow = af.Workflow("layers")
    flow.add(same, name="a")
    layers = [["a"]]
    for layer in range(5):
        names = [f"n{layer}-{number}" for number in range(20)]
        for number, name in enumerate(names):
            above = layers[-1]
            sources = {above[number % len(above)], above[(number * 7 + 1) % len(above)], above[(number * 3 + 2) % len(above)]}
            flow.add((lambda x: 1) if len(sources) == 1 else (lambda slots: len(slots)), name=name)
            for source in sorted(sources):
                flow.connect(source, name)
        layers.append(names)
    flow.add(sum, name="z", join="collect")
    for name in layers[-1]:
        flow.connect(name, "z")
    first = SimulatedEngine().start(flow, 1).wait(1).output
    explore(flow, 1, seeds=range(20), check=lambda result: result.output == first)
