"""WCP-10, 11, 20 and 21: arbitrary cycles, implicit termination, cancelling a case, structured loops."""

import asyncio

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine, explore
from tests.patterns.held import SEEDS, Gate, counts, simulated, statuses


@pytest.mark.parametrize(
    ("entry", "times", "output"),
    [("p", {"a": 1, "b": 2, "c": 1, "e": 1}, {"e": 3}), ("q", {"a": 1, "b": 2, "c": 3, "d": 1}, {"d": 5})],
)
def test_wcp_10_cycles_with_more_than_one_way_in_and_out(entry, times, output):
    flow = af.Workflow("arbitrary")
    flow.add(lambda port: af.Emit(0, port=port), name="a")
    flow.add(lambda x: x + 1, name="b")
    flow.add(lambda x: x + 1, name="c", join="any")
    flow.add(lambda x: x, name="d")
    flow.add(lambda x: x, name="e")
    flow.connect("a", "b", port="p")
    flow.connect("a", "c", port="q")
    flow.connect("b", "e", when="output == 3")
    flow.connect("b", "c", when="output != 3")
    flow.connect("c", "d", when="output >= 4")
    flow.connect("c", "b", back=True, when="output < 4")

    def check(result):
        assert counts(result) == times
        assert statuses(result)["d" if entry == "p" else "e"] == "skipped"
        assert (result.status, result.output) == (af.RunStatus.COMPLETED, output)

    explore(flow, entry, seeds=SEEDS, check=check)


def test_wcp_11_a_case_ends_when_nothing_is_left_to_do_now_or_later():
    flow = af.Workflow("implicit")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: x, name="b")

    @flow.node
    async def c(x):
        await asyncio.sleep(10)
        return x

    flow.connect("a", "b")
    flow.connect("a", c)
    engine, run = simulated(flow, 1)
    engine.advance(9.9)
    assert not run.done() and str(run.status) == "running"
    engine.advance(0.1)
    assert run.done() and run.wait(0).status is af.RunStatus.COMPLETED
    assert run.wait(0).duration_s == 10.0


def test_wcp_20_the_whole_case_is_removed_and_counts_as_not_successful():
    gate, starts = Gate(), []
    flow = af.Workflow("case")
    flow.add(lambda x: x, name="a")
    for name in ("b", "c", "d"):
        flow.add(gate.held(lambda x: x), name=name)
        flow.connect("a", name)
        flow.add(starts.append, name=f"after {name}")
        flow.connect(name, f"after {name}")

    @flow.node
    def items(x):
        yield from range(5)

    flow.connect("a", items)
    flow.add(gate.held(lambda x: x), name="queue")
    flow.chain(items, "queue")
    engine, run = simulated(flow, 0)
    assert (run.node("queue").leased, run.node("queue").queued, gate.waiting) == (1, 4, 4)
    assert run.cancel("stop") is True
    assert run.cancel("again") is False
    result = run.wait(60)
    gate.open()
    engine.run_until_idle()
    assert starts == []
    assert (result.status, result.timed_out) == (af.RunStatus.CANCELLED, False)
    assert statuses(result) == {
        "a": "completed", "items": "completed", "b": "cancelled", "c": "cancelled", "d": "cancelled", "queue": "cancelled",
        "after b": "cancelled", "after c": "cancelled", "after d": "cancelled",
    }  # fmt: skip
    with pytest.raises(af.RunCancelled, match="stop") as caught:
        run.result(0)
    assert caught.value.reason == "stop"
    assert run.cancel("late") is False


@pytest.mark.parametrize(("start", "times", "value"), [(0, 3, 3), (3, 0, 3), (9, 0, 9)])
def test_wcp_21_a_loop_whose_condition_is_tested_before_each_pass(start, times, value):
    flow = af.Workflow("before")
    flow.add(lambda x: x, name="test")
    flow.add(lambda x: x + 1, name="body")
    flow.add(lambda x: x, name="after")
    flow.entry("test")
    flow.connect("test", "body", when="output < 3")
    flow.connect("test", "after", when="output >= 3")
    flow.connect("body", "test", back=True)
    flow.output("after")  # body, from which only a back connection leads on, is terminal too

    def check(result):
        assert (counts(result).get("body", 0), counts(result)["test"]) == (times, times + 1)
        assert (result.status, result.output) == (af.RunStatus.COMPLETED, value)
        assert statuses(result)["body"] == ("completed" if times else "skipped")

    explore(flow, start, seeds=SEEDS, check=check)


@pytest.mark.parametrize(("start", "times", "value"), [(0, 3, 3), (9, 1, 10)])
def test_wcp_21_a_loop_whose_condition_is_tested_after_each_pass(start, times, value):
    flow = af.Workflow("after")
    flow.add(lambda x: x + 1, name="body")
    flow.add(lambda x: x, name="end")
    flow.entry("body")
    flow.connect("body", "body", back=True, when="output < 3")
    flow.connect("body", "end", when="output >= 3")

    def check(result):
        assert counts(result) == {"body": times, "end": 1}
        assert result.output == value

    explore(flow, start, seeds=SEEDS, check=check)


def test_wcp_11_nothing_is_left_undone_when_a_run_completes():
    flow = af.Workflow("nothing to do")
    flow.add(lambda x: af.NOTHING, name="a")
    flow.add(lambda x: x, name="b")
    flow.connect("a", "b")
    engine = SimulatedEngine()
    result = engine.start(flow, 1).wait(0)
    assert (str(result.status), statuses(result)["b"], result.output) == ("completed", "skipped", None)
