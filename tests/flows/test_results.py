"""What a run leaves: its output in all shapes, outputs of nodes, statuses, facts of the result, texts of errors."""

from datetime import timedelta

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine, explore

SEEDS = range(50)


def run(flow, payload=None, seed=0, **options):
    return SimulatedEngine(seed).start(flow, payload, **options).wait(3600)


def boom(x):
    raise ValueError("boom")


def items(n):
    yield from range(n)


def flow_of(*chains, **handlers):
    """Nodes from chains like "a b c"; a handler given by name, else the payload is passed on."""
    options = handlers.pop("options", {})
    joins = handlers.pop("joins", {})
    flow = af.Workflow("results", **options)
    for name in dict.fromkeys(" ".join(chains).split()):
        flow.add(handlers.get(name, lambda x: x), name=name, join=joins.get(name))
    for chain in chains:
        flow.chain(*chain.split())
    return flow


def test_one_terminal_gives_its_value():
    assert run(flow_of("a b"), 7).output == 7


def test_one_terminal_that_did_not_complete_gives_none():
    assert run(flow_of("a b", a=lambda x: af.NOTHING), 7).output is None
    assert run(flow_of("a b", b=boom), 7).output is None


def test_several_terminals_give_a_dict_of_those_that_completed():
    assert run(flow_of("a b", "a c"), 7).output == {"b": 7, "c": 7}
    assert run(flow_of("a b", "a c", b=boom), 7).output == {"c": 7}
    assert run(flow_of("a b", "a c", b=boom, c=boom), 7).output == {}


def test_a_terminal_under_a_stream_gives_a_list_and_an_empty_one_too():
    assert run(flow_of("a b", a=items), 3).output == [0, 1, 2]
    assert run(flow_of("a b", a=items), 0).output == []


def test_of_several_terminals_one_under_a_stream_is_a_list_in_the_dict_also_if_empty():
    assert run(flow_of("s a b", "s c", a=items), 2).output == {"b": [0, 1], "c": 2}
    assert run(flow_of("s a b", "s c", a=items), 0).output == {"b": [], "c": 0}


def test_a_list_is_in_key_order_on_any_seed():
    explore(flow_of("a b c", a=items), 6, seeds=SEEDS, check=lambda result: result.output == list(range(6)))


def test_a_terminal_behind_each_is_a_list():
    assert run(flow_of("a b d", "a c d", b=lambda x: "b", c=lambda x: "c", joins={"d": "each"})).output == ["b", "c"]


def test_a_terminal_under_a_cycle_gives_the_last_pass():
    flow = flow_of("a", a=lambda x: x + 1)
    flow.connect("a", "a", back=True, when="output < 5")
    assert run(flow, 0).output == 5


def test_a_terminal_under_a_cycle_under_a_stream_gives_the_last_pass_of_each_item():
    flow = flow_of("a b", a=items, b=lambda x: x + 1)
    flow.connect("b", "b", back=True, when="output < 3")
    explore(flow, 5, seeds=SEEDS, check=lambda result: result.output == [3, 3, 3, 4, 5])


def test_output_names_other_nodes_than_the_terminal_ones():
    flow = flow_of("a b c", b=lambda x: "b")
    flow.output("b")
    assert run(flow, 0).output == "b"
    flow.output("a")
    assert run(flow, 0).output == {"b": "b", "a": 0}


def test_outputs_named_are_alternatives_of_which_those_that_completed_are_given():
    flow = flow_of("a", "b", "c")
    flow.entry("a")
    flow.connect("a", "b", when="output > 1")
    flow.connect("a", "c", when="output <= 1")
    flow.output("b", "c")
    assert (run(flow, 1).output, run(flow, 2).output) == ({"c": 1}, {"b": 2})


def test_a_node_reached_only_over_failures_is_not_terminal_unless_it_is_named():
    flow = flow_of("a", "h", a=boom, h=lambda x: "handled")
    flow.entry("a")
    flow.connect("a", "h", on="fail")
    assert run(flow, 1).output is None
    flow.output("h")
    assert run(flow, 1).output == "handled"


def test_a_node_with_connections_for_all_outcomes_is_not_terminal():
    flow = flow_of("a", "always")
    flow.entry("a")
    flow.connect("a", "always", on="all")
    assert run(flow, 1).output == 1
    assert set(run(flow, 1).outputs) == {"a", "always"}


def test_a_value_of_several_ports_is_a_dict():
    flow = flow_of("a", a=lambda x: af.Emits(af.Emit(1), af.Emit(2, "p")))
    assert run(flow).output == {None: 1, "p": 2}


# --- outputs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("auto", {"s": 2, "c": [0, 10], "end": [0, 10]}),
        ("all", {"s": 2, "items": [0, 1], "w": [0, 10], "c": [0, 10], "end": [0, 10]}),
        ("none", {}),
    ],
)
def test_results_says_which_values_are_kept(results, expected):
    flow = flow_of("s items w c end", items=items, w=lambda x: x * 10, joins={"c": "collect"}, options={"results": results})
    result = run(flow, 2)
    assert result.outputs == expected
    assert result.output == expected.get("end")


def test_values_of_passes_are_kept_as_the_last_one():
    flow = flow_of("a b", a=lambda x: x + 1)
    flow.connect("a", "a", back=True, when="output < 3")
    flow.output("b")
    assert run(flow, 0).outputs == {"a": 3, "b": 3}


@pytest.mark.parametrize("results", ["auto", "all", "none"])
def test_results_gives_the_values_of_terminals_as_they_come_whatever_is_kept(results):
    flow = flow_of("a b", a=items, options={"results": results})
    engine = SimulatedEngine()
    started = engine.start(flow, 4)
    assert sorted(started.results()) == [0, 1, 2, 3]
    assert started.wait(1).output in ([], None)


# --- the result --------------------------------------------------------------------------------------------------------


def test_the_facts_of_a_result():
    import asyncio

    async def slow(x):
        await asyncio.sleep(2.5)
        return x

    result = run(flow_of("a b", b=slow), 1)
    assert (result.status, result.timed_out, result.errors, result.handled, result.condition_faults) == (
        af.RunStatus.COMPLETED,
        False,
        (),
        (),
        (),
    )
    assert result.duration_s == 2.5
    assert result.ended_utc - result.started_utc == timedelta(seconds=2.5) and result.started_utc.utcoffset() == timedelta(0)
    assert result.metrics["parallelism"] == 1.0
    assert result.metrics["nodes"]["b"]["total_s"] == result.metrics["nodes"]["b"]["mean_s"] == 2.5
    assert result.raise_for_failure() is None
    assert set(result.nodes) == {"a", "b"} and len(result.nodes) == 2
    with pytest.raises(KeyError):
        result.nodes["c"]


def test_parallelism_is_the_sum_of_handler_times_by_the_duration():
    import asyncio

    async def slow(x):
        await asyncio.sleep(1)

    flow = flow_of("a b", "a c", "a d", b=slow, c=slow, d=slow)
    assert run(flow, 1).metrics["parallelism"] == 3.0


def test_the_snapshot_of_a_node_counts_what_it_did():
    flow = flow_of("a b", a=items)
    node = run(flow, 3).nodes["b"]
    assert (str(node.status), node.executions, node.queued, node.leased, node.unrouted, node.ignored, node.last_error) == (
        "completed",
        3,
        0,
        0,
        0,
        0,
        None,
    )


def test_statuses_are_strings_of_lower_case():
    assert [str(status) for status in af.RunStatus] == ["pending", "running", "paused", "completed", "failed", "cancelled"]
    assert [str(status) for status in af.NodeStatus] == ["pending", "running", "completed", "failed", "cancelled", "skipped"]
    assert af.RunStatus.COMPLETED == "completed"


def test_a_node_is_failed_if_any_activation_failed_else_completed_if_any_did():
    def odd(x):
        if x % 2:
            raise ValueError("odd")
        return x if x else af.NOTHING

    flow = flow_of("a b c", a=items, b=odd)
    nodes = run(flow, 4).nodes
    assert (str(nodes["b"].status), str(nodes["c"].status)) == ("failed", "completed")
    assert str(run(flow, 1).nodes["c"].status) == "skipped"
    assert str(run(flow, 2).nodes["c"].status) == "cancelled"


def test_a_run_whose_branches_are_all_skipped_is_completed():
    result = run(flow_of("a b c", a=lambda x: af.NOTHING), 1)
    assert str(result.status) == "completed"
    assert {name: str(node.status) for name, node in result.nodes.items()} == {"a": "completed", "b": "skipped", "c": "skipped"}


# --- texts -------------------------------------------------------------------------------------------------------------


def test_the_error_of_a_failed_run_has_a_line_for_each_failed_node():
    flow = flow_of("a b", "a c", b=boom, c=boom)
    with pytest.raises(af.RunFailed) as caught:
        run(flow, 1, run_id="orders-7").raise_for_failure()
    lines = str(caught.value).splitlines()
    assert "orders-7" in lines[0]
    assert sorted(line.strip() for line in lines[1:]) == ["a > b: ValueError: boom", "a > c: ValueError: boom"]


def test_the_path_to_a_failed_node_is_the_shortest_over_nodes_that_ran():
    flow = flow_of("a long way d", "d e", "b d", e=boom)
    flow.connect("a", "b", when="false")
    with pytest.raises(af.RunFailed, match="a > long > way > d > e: ValueError: boom"):
        run(flow, 1).raise_for_failure()


def test_a_long_path_to_a_failed_node_is_cut_short():
    names = [f"n{number}" for number in range(40)]
    with pytest.raises(af.RunFailed, match=r"n0 > n1 > .* > \.\.\. > n38 > n39: ValueError: boom$") as caught:
        run(flow_of(" ".join(names), n39=boom), 1).raise_for_failure()
    assert len(str(caught.value)) < 200


def test_the_error_of_a_cancelled_run_has_its_reason():
    engine = SimulatedEngine()
    started = engine.start(flow_of("a"), 1, run_id="orders-7")
    started.cancel("not needed")
    with pytest.raises(af.RunCancelled, match="'orders-7' was cancelled: not needed"):
        started.result(10)


def test_no_error_text_shows_a_payload():
    secret = {"password": "swordfish"}
    texts = []
    flow = flow_of("a b", a=lambda x: af.Emit(x, port="typo"), options={"unrouted": "fail"})
    result = run(flow, secret)
    texts += [str(failure) for failure in result.errors] + [repr(failure) for failure in result.errors]

    def typed(x: int): ...

    other = af.Workflow("typed")
    other.add(typed)
    result = run(other, secret)
    texts += [str(failure) for failure in result.errors] + [repr(result)]
    texts.append(repr(af.Emit(secret)))
    assert not any("swordfish" in text for text in texts)


def test_nodes_that_wait_are_named_when_a_wait_takes_too_long():
    import asyncio

    async def slow(x):
        await asyncio.sleep(100)

    engine = SimulatedEngine()
    started = engine.start(flow_of("a b", b=slow), 1, run_id="orders-7")
    with pytest.raises(af.StillRunning, match=r"'orders-7' is not over after 5 s; .*'b'"):
        started.wait(5)
    engine.stop(drain=False)
