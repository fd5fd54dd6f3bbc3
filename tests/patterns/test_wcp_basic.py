"""WCP-1 to WCP-5: sequence, split, synchronization, exclusive choice, simple merge."""

import pytest

import actorflow as af
from actorflow.testing import explore
from tests.patterns.held import SEEDS, Gate, counts, recorded, simulated, statuses


def test_wcp_1_a_task_starts_after_the_one_before_it_has_completed():
    gate, calls = Gate(), []
    flow = af.Workflow("sequence")
    flow.add(recorded(calls, "a", lambda x: x + 1), name="a")
    flow.add(gate.held(recorded(calls, "b", lambda x: x * 2)), name="b")
    flow.add(recorded(calls, "c", lambda x: x - 1), name="c")
    flow.chain("a", "b", "c")
    _, run = simulated(flow, 1)
    assert (statuses(run), calls) == ({"a": "completed", "b": "running", "c": "pending"}, ["a"])
    gate.open()
    result = run.wait(1)
    assert (result.output, calls, counts(result)) == (3, ["a", "b", "c"], {"a": 1, "b": 1, "c": 1})
    assert result.status is af.RunStatus.COMPLETED


def test_wcp_1_on_any_seed():
    flow = af.Workflow("sequence")
    flow.add(lambda x: x + 1, name="a")
    flow.add(lambda x: x * 2, name="b")
    flow.add(lambda x: x - 1, name="c")
    flow.chain("a", "b", "c")
    assert explore(flow, 1, seeds=SEEDS, check=lambda result: result.output == 3) == 100


def test_wcp_2_one_branch_becomes_several_that_run_at_the_same_time():
    gate = Gate()
    flow = af.Workflow("split")
    flow.add(lambda x: x, name="a")
    flow.add(gate.held(lambda x: x), name="b")
    flow.add(gate.held(lambda x: x), name="c")
    flow.connect("a", "b")
    flow.connect("a", "c")
    _, run = simulated(flow, 1)
    assert statuses(run) == {"a": "completed", "b": "running", "c": "running"}
    gate.open()
    result = run.wait(1)
    assert counts(result) == {"a": 1, "b": 1, "c": 1}
    assert result.output == {"b": 1, "c": 1}


def synchronized(c=lambda x: 2):
    flow = af.Workflow("synchronization")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: 1, name="b")
    flow.add(c, name="c")
    flow.add(lambda slots: slots, name="d")
    for branch in ("b", "c"):
        flow.chain("a", branch, "d")
    return flow


def test_wcp_3_several_branches_become_one_when_all_have_arrived():
    gate = Gate()
    _, run = simulated(synchronized(gate.held(lambda x: 2)), 0)
    assert statuses(run) == {"a": "completed", "b": "completed", "c": "running", "d": "pending"}
    gate.open()
    result = run.wait(1)
    assert (result.output, counts(result)["d"]) == ({"b": 1, "c": 2}, 1)


def test_wcp_3_in_a_loop_of_two_passes_no_payload_of_one_pass_is_in_the_next():
    seen = []
    flow = af.Workflow("twice")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: ("b", x), name="b")
    flow.add(lambda x: ("c", x), name="c")

    @flow.node
    def d(slots):
        seen.append(slots)
        return slots["b"][1] + 1

    flow.entry("a")
    for branch in ("b", "c"):
        flow.chain("a", branch, "d")
    flow.connect("d", "a", back=True, when="output < 2")

    def check(result):
        passes, seen[:] = list(seen), []
        assert passes == [{"b": ("b", 0), "c": ("c", 0)}, {"b": ("b", 1), "c": ("c", 1)}]
        assert counts(result) == {"a": 2, "b": 2, "c": 2, "d": 2}
        assert (result.status, result.output) == (af.RunStatus.COMPLETED, 2)

    explore(flow, 0, seeds=SEEDS, check=check)


def chosen():
    flow = af.Workflow("choice")

    @flow.node(ports=["large", "middle", "default"])
    def a(x):
        return af.Emit(x, port="large" if x > 20 else "middle" if x > 10 else "default")

    for port in ("large", "middle", "default"):
        flow.add(lambda x, port=port: port, name=port)
        flow.connect("a", port, port=port)
    return flow


@pytest.mark.parametrize(("value", "taken"), [(50, "large"), (15, "middle"), (5, "default")])
def test_wcp_4_exactly_one_of_several_branches_is_taken(value, taken):
    def check(result):
        assert result.status is af.RunStatus.COMPLETED
        assert result.output == {taken: taken}
        assert counts(result) == {"a": 1, taken: 1}
        assert {name for name, status in statuses(result).items() if status == "skipped"} == {"large", "middle", "default"} - {taken}

    explore(chosen(), value, seeds=SEEDS, check=check)


@pytest.mark.parametrize("join", ["all", "any"])
@pytest.mark.parametrize(("value", "taken"), [(50, "b"), (5, "c")])
def test_wcp_5_each_arrival_on_any_branch_passes_on_without_waiting(join, value, taken):
    flow = af.Workflow("merge")
    flow.add(lambda x: af.Emit(x, port="high" if x > 20 else "low"), name="a", ports=["high", "low"])
    flow.add(lambda x: ("b", x), name="b")
    flow.add(lambda x: ("c", x), name="c")
    flow.add(lambda x: x, name="d", join=join)
    flow.connect("a", "b", port="high")
    flow.connect("a", "c", port="low")
    flow.connect("b", "d")
    flow.connect("c", "d")
    value_taken = (taken, value)

    def check(result):
        assert result.output == ({taken: value_taken} if join == "all" else value_taken)
        assert counts(result) == {"a": 1, taken: 1, "d": 1}
        assert statuses(result)["c" if taken == "b" else "b"] == "skipped"

    explore(flow, value, seeds=SEEDS, check=check)
