"""WCP-6 to WCP-9, 30, 37, 38, 42: choices that take several branches, and the joins that meet them."""

from itertools import product

import pytest

import actorflow as af
from actorflow.testing import explore
from tests.patterns.held import SEEDS, Gate, counts, simulated, statuses


def multi_choice(c=lambda x: x):
    flow = af.Workflow("multi")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: x, name="b")
    flow.add(c, name="c")
    flow.add(lambda x: x, name="d")
    flow.connect("a", "b", when="output > 1")
    flow.connect("a", "c", when="output > 5")
    flow.connect("a", "d", when="output > 9")
    return flow


@pytest.mark.parametrize(("value", "taken"), [(7, {"b", "c"}), (0, set()), (2, {"b"}), (10, {"b", "c", "d"})])
def test_wcp_6_any_number_of_branches_is_taken_each_by_its_own_condition(value, taken):
    def check(result):
        assert counts(result) == {"a": 1} | dict.fromkeys(sorted(taken), 1)
        assert {name for name, status in statuses(result).items() if status == "skipped"} == {"b", "c", "d"} - taken
        assert result.status is af.RunStatus.COMPLETED

    explore(multi_choice(), value, seeds=SEEDS, check=check)


def test_wcp_7_the_merge_waits_for_the_branches_that_were_taken():
    gate = Gate()
    flow = multi_choice(gate.held(lambda x: x))
    flow.add(lambda slots: slots, name="e")
    for branch in "bcd":
        flow.connect(branch, "e")
    _, run = simulated(flow, 7)
    assert (statuses(run)["e"], gate.waiting) == ("pending", 1)
    gate.open()
    result = run.wait(1)
    assert (result.output, counts(result)["e"]) == ({"b": 7, "c": 7}, 1)
    _, run = simulated(flow, 2)
    assert run.done() and (run.result(0), counts(run)["e"]) == ({"b": 2}, 1)


def test_wcp_8_every_arrival_starts_the_following_branch_once_more():
    gate = Gate()
    flow = af.Workflow("multi-merge")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: "b", name="b")
    flow.add(gate.held(lambda x: "c"), name="c")
    flow.add(lambda x: x, name="d", join="each")
    flow.add(lambda x: x, name="e")
    for branch in "bc":
        flow.chain("a", branch, "d")
    flow.connect("d", "e")
    _, run = simulated(flow, 0)
    assert counts(run) == {"a": 1, "b": 1, "d": 1, "e": 1}
    gate.open()
    result = run.wait(1)
    assert counts(result) == {"a": 1, "b": 1, "c": 1, "d": 2, "e": 2}
    assert result.output == ["b", "c"]


def discriminator(c=lambda x: "c"):
    flow = af.Workflow("discriminator")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: "b", name="b")
    flow.add(c, name="c")
    flow.add(lambda x: x, name="d", join="any")
    for branch in "bc":
        flow.chain("a", branch, "d")
    return flow


def test_wcp_9_the_first_passes_on_and_the_others_are_waited_for_and_ignored():
    gate = Gate()
    _, run = simulated(discriminator(gate.held(lambda x: "c")), 0)
    assert counts(run) == {"a": 1, "b": 1, "d": 1} and not run.done()
    gate.open()
    result = run.wait(1)
    assert counts(result) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert (result.output, result.nodes["d"].ignored) == ("b", 1)


def test_wcp_9_it_is_armed_again_in_each_pass():
    flow = af.Workflow("twice")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: x + 1, name="b")
    flow.add(lambda x: x + 1, name="c")
    flow.add(lambda x: x, name="d", join="any")
    flow.entry("a")
    for branch in "bc":
        flow.chain("a", branch, "d")
    flow.connect("d", "a", back=True, when="output < 2")

    def check(result):
        assert counts(result) == dict.fromkeys("abcd", 2)
        assert (result.output, result.nodes["d"].ignored) == (2, 2)

    explore(flow, 0, seeds=SEEDS, check=check)


def partial(passes=1, skipped=()):
    flow = af.Workflow("partial")
    flow.add(lambda x: x, name="a")
    for branch in "bcd":
        flow.add(lambda x, skip=branch in skipped: af.NOTHING if skip else x + 1, name=branch)
    flow.add(lambda slots: min(slots.values()), name="e", join=2)
    flow.entry("a")
    for branch in "bcd":
        flow.chain("a", branch, "e")
    flow.connect("e", "a", back=True, when=f"output < {passes}")
    return flow


def test_wcp_30_n_of_m_branches_start_the_next_task():
    gates = {name: Gate() for name in "bcd"}
    got = []
    flow = af.Workflow("two of three")
    flow.add(lambda x: x, name="a")
    for branch in "bcd":
        flow.add(gates[branch].held(lambda x, branch=branch: branch), name=branch)
    flow.add(got.append, name="e", join=2)
    for branch in "bcd":
        flow.chain("a", branch, "e")
    engine, run = simulated(flow, 0)
    gates["d"].open()
    engine.run_until_idle()
    assert got == []
    gates["b"].open()
    engine.run_until_idle()
    assert got == [{"b": "b", "d": "d"}]
    gates["c"].open()
    result = run.wait(1)
    assert (len(got), result.nodes["e"].ignored, counts(result)["e"]) == (1, 1, 1)


def test_wcp_30_two_passes_give_two_activations():
    def check(result):
        assert counts(result) == dict.fromkeys("abcde", 2)
        assert result.output == 2

    explore(partial(passes=2), 0, seeds=SEEDS, check=check)


def test_wcp_30_with_two_branches_skipped_it_is_skipped():
    def check(result):
        assert statuses(result)["e"] == "skipped"
        assert result.status is af.RunStatus.COMPLETED and result.output is None

    explore(partial(skipped="bc"), 0, seeds=SEEDS, check=check)


EIGHT = {"000": None, "001": None, "010": {"d"}, "011": {"d"}, "100": {"b"}, "101": {"b", "d"}, "110": {"b", "d"}, "111": {"b", "d"}}


@pytest.mark.parametrize("bits", ["".join(bits) for bits in product("01", repeat=3)])
def test_wcp_37_dead_paths_are_marked_where_splits_and_joins_are_not_nested(bits):
    p, q, r = (bit == "1" for bit in bits)
    flow = af.Workflow("acyclic")
    for name in "abcdg":
        flow.add(lambda x: x, name=name)
    flow.connect("a", "b", when="output.p")
    flow.connect("a", "c", when="output.q")
    flow.connect("b", "d", when="run.input.r")
    flow.connect("c", "d")
    flow.connect("b", "g")
    flow.connect("d", "g")

    def check(result):
        assert result.status is af.RunStatus.COMPLETED
        if EIGHT[bits] is None:
            assert (statuses(result)["g"], result.output) == ("skipped", None)
        else:
            assert (set(result.output), counts(result)["g"]) == (EIGHT[bits], 1)

    explore(flow, {"p": p, "q": q, "r": r}, seeds=SEEDS, check=check)


def test_wcp_38_a_merge_waits_for_what_can_still_arrive_also_in_cycles():
    state = {"tries": 0, "rounds": 0, "got": []}
    flow = af.Workflow("general")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: "b", name="b")

    @flow.node
    def c(x):
        state["tries"] += 1
        return {"good": state["tries"] != 1}

    flow.add(lambda x: x, name="r")

    @flow.node(join="collect")
    def g(values):
        state["got"].append(values)
        return values

    @flow.node
    def h(values):
        state["rounds"] += 1
        return state["rounds"]

    flow.add(lambda x: x, name="end")
    flow.entry("a")
    flow.connect("a", "b")
    flow.connect("a", "c")
    flow.connect("b", "g")
    flow.connect("c", "g", when="output.good")
    flow.connect("c", "r", when="not output.good")
    flow.connect("r", "c", back=True)
    flow.connect("g", "h")
    flow.connect("h", "a", back=True, when="output == 1")
    flow.connect("h", "end", when="output == 2")
    flow.output("end")  # r, from which only a back connection leads on, is terminal too

    def check(result):
        got, tries = state["got"], state["tries"]
        state.update(tries=0, rounds=0, got=[])
        assert counts(result) == {"a": 2, "b": 2, "c": 3, "r": 1, "g": 2, "h": 2, "end": 1}
        assert got == [["b", {"good": True}]] * 2 and tries == 3
        assert (result.status, result.output) == (af.RunStatus.COMPLETED, 2)

    explore(flow, 0, seeds=SEEDS, check=check)


def test_wcp_42_one_thread_becomes_several_in_one_and_the_same_branch():
    gate = Gate()
    flow = af.Workflow("thread split")

    @flow.node
    def a(x):
        yield x
        yield x
        yield x

    flow.add(gate.held(lambda x: x), name="review", concurrency=3)
    flow.add(lambda x: x, name="after")
    flow.chain(a, "review", "after")
    _, run = simulated(flow, 7)
    assert (run.node("review").leased, str(run.node("review").status), gate.waiting) == (3, "running", 3)
    gate.open()
    result = run.wait(1)
    assert counts(result) == {"a": 1, "review": 3, "after": 3}
    assert result.output == [7, 7, 7]
