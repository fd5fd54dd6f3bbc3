"""WCP-12, 13 and 14: many instances of a task, written as generator -> node -> collect."""

import pytest

import actorflow as af
from actorflow.testing import explore
from tests.patterns.held import SEEDS, Gate, counts, simulated, statuses


def test_wcp_12_many_instances_run_and_nobody_waits_for_them():
    gate, seen = Gate(), []
    flow = af.Workflow("without synchronization", variables={"shared": "yes"})

    @flow.node
    def a(x):
        for number in range(3):
            yield af.Emit(number, port="item")
        yield "main"

    async def work(number, ctx):
        seen.append(ctx.variables.get("shared"))
        return await held(number)

    held = gate.held(lambda x: x)
    flow.add(work, concurrency=3)
    flow.add(lambda x: x, name="main")
    flow.connect(a, "work", port="item")
    flow.connect(a, "main")
    _, run = simulated(flow, 0)
    assert (run.node("work").leased, counts(run)["main"], run.done()) == (3, 1, False)
    assert seen == ["yes"] * 3
    gate.open()
    result = run.wait(1)
    assert counts(result) == {"a": 1, "work": 3, "main": 1}
    assert result.output == {"work": [0, 1, 2], "main": ["main"]}


def instances(work, count):
    flow = af.Workflow("instances")

    @flow.node
    def items(x):
        yield from x if isinstance(x, list) else range(x)

    flow.add(work, name="work", concurrency=count or 1)
    flow.add(lambda results: results, name="after", join="collect")
    flow.chain(items, "work", "after")
    return flow


def test_wcp_13_a_number_of_instances_fixed_in_the_definition_is_joined_in_order():
    gates = [Gate() for _ in range(3)]
    held = [gate.held(lambda x: x * 10) for gate in gates]

    async def work(number):
        return await held[number](number)

    engine, run = simulated(instances(work, 3), 3)
    assert (run.node("work").leased, str(run.node("after").status)) == (3, "pending")
    gates[2].open()
    gates[0].open()
    engine.run_until_idle()
    assert (counts(run)["work"], "after" in counts(run)) == (2, False)
    gates[1].open()
    result = run.wait(1)
    assert (result.output, counts(result)) == ([0, 10, 20], {"items": 1, "work": 3, "after": 1})


def test_wcp_14_the_number_of_instances_is_known_when_the_first_starts():
    gate = Gate()
    _, run = simulated(instances(gate.held(lambda x: x.upper()), 5), list("abcde"))
    assert (run.node("work").leased, gate.waiting) == (5, 5)
    gate.open()
    result = run.wait(1)
    assert (result.output, counts(result)) == (list("ABCDE"), {"items": 1, "work": 5, "after": 1})


def test_wcp_14_an_empty_list_starts_no_instance_and_goes_on():
    def check(result):
        assert (result.output, counts(result), statuses(result)["work"]) == ([], {"items": 1, "after": 1}, "skipped")
        assert result.status is af.RunStatus.COMPLETED

    explore(instances(lambda x: x, 5), [], seeds=SEEDS, check=check)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_wcp_13_and_14_the_results_are_in_index_order_on_any_seed(count):
    explore(instances(lambda x: -x, count), count, seeds=SEEDS, check=lambda result: result.output == [-number for number in range(count)])


def test_wcp_15_from_inside_alone_instances_may_be_added_by_instances():
    flow = af.Workflow("from inside")
    flow.add(lambda x: x, name="start")

    @flow.node(stream=True)
    def ship(size):
        return [af.Emit(size, port="done"), *(size // 2 for _ in range(2 if size > 1 else 0))]

    flow.add(sorted, name="after", join=af.Collect(scope="run"))
    flow.connect("start", ship)
    flow.connect(ship, ship, back=True)
    flow.connect(ship, "after", port="done")

    def check(result):
        assert result.output == [1, 1, 1, 1, 2, 2, 4]
        assert counts(result) == {"start": 1, "ship": 7, "after": 1}

    explore(flow, 4, seeds=SEEDS, check=check)
