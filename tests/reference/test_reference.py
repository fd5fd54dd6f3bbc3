"""Cases worked out by hand that pin the reference interpreter itself, without the engine; and that it ends and is deterministic.
The WCP cases are those of workflow-patterns.md, section 4, as far as they need no block."""

import random
from typing import Any

import pytest

from tests.reference.graphs import random_graph
from tests.reference.interpreter import InvalidSpec, Notes, Readings, RefResult, run
from tests.reference.spec import ConnectionSpec, GraphSpec, NodeSpec, behave, canonical
from tests.reference.static import analyse


def graph(nodes: dict[str, Any], *connections: Any, payload: Any = 0, entries: tuple[str, ...] = ()) -> GraphSpec:
    """`nodes`: name -> script, or a dict of what NodeSpec takes. `connections`: "a b", or ("a b", {what ConnectionSpec takes})."""
    specs = tuple(NodeSpec(name, **(given if isinstance(given, dict) else {"script": given})) for name, given in nodes.items())
    lines = []
    for connection in connections:
        ends, options = connection if isinstance(connection, tuple) else (connection, {})
        source, target = ends.split()
        lines.append(ConnectionSpec(source, target, **options))
    return GraphSpec(specs, tuple(lines), payload=payload, entries=entries)


def when(comparison: str, value: Any, path: str = "", **more: Any) -> dict[str, Any]:
    return {"condition": (path, comparison, value), **more}


def counts(result: RefResult) -> dict[str, int]:
    return {name: len(node.completed) for name, node in result.nodes.items()}


def statuses(result: RefResult) -> dict[str, str]:
    return {name: node.status for name, node in result.nodes.items()}


def inputs(result: RefResult, name: str) -> list[Any]:
    return result.nodes[name].calls


def test_wcp_1_a_sequence_runs_one_after_the_other():
    spec = graph({"a": "p + 1", "b": "p * 2", "c": "p - 1"}, "a b", "b c", payload=1)
    result = run(spec)
    assert (result.status, result.output, counts(result)) == ("completed", 3, {"a": 1, "b": 1, "c": 1})


def test_wcp_2_and_3_a_split_and_its_synchronization():
    spec = graph({"a": "p", "b": "1", "c": "2", "d": "p"}, "a b", "a c", "b d", "c d")
    result = run(spec)
    assert counts(result) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert result.output == canonical({"b": 1, "c": 2})


def test_wcp_3_in_a_loop_of_two_passes_no_payload_of_one_pass_is_seen_in_the_next():
    nodes = {"a": "p", "b": "p + 10", "c": "p + 20", "d": "p['b'] - 9"}
    spec = graph(nodes, "a b", "a c", "b d", "c d", ("d a", when("<", 2, back=True)))
    result = run(spec)
    assert counts(result) == {"a": 2, "b": 2, "c": 2, "d": 2}
    assert inputs(result, "d") == [canonical({"b": 10, "c": 20}), canonical({"b": 11, "c": 21})]
    assert result.output == 2


@pytest.mark.parametrize(("value", "taken"), [(50, "b"), (5, "c")])
def test_wcp_4_and_5_an_exclusive_choice_and_a_simple_merge(value, taken):
    nodes = {"a": "port(p, 'high' if p > 20 else 'low')", "b": "p", "c": "p", "d": "p"}
    spec = graph(nodes, ("a b", {"port": "high"}), ("a c", {"port": "LOW"}), "b d", "c d", payload=value)
    result = run(spec)
    other = "c" if taken == "b" else "b"
    assert result.output == canonical({taken: value})
    assert statuses(result) == {"a": "completed", taken: "completed", other: "skipped", "d": "completed"}


def test_wcp_6_a_multi_choice_takes_what_holds():
    spec = graph({"a": "p", "b": "p", "c": "p", "d": "p"}, *(("a " + n, when(">", v)) for n, v in (("b", 1), ("c", 5), ("d", 9))))
    assert statuses(run(spec, 7)) == {"a": "completed", "b": "completed", "c": "completed", "d": "skipped"}
    none = run(spec, 0)
    assert statuses(none) == {"a": "completed", "b": "skipped", "c": "skipped", "d": "skipped"}
    assert none.nodes["a"].unrouted == 1
    assert none.output == canonical({})


def test_wcp_7_the_synchronizing_merge_waits_for_what_was_taken():
    cases = (("b", 1), ("c", 5), ("d", 9))
    nodes = {"a": "p", "b": "p", "c": "p", "d": "p", "e": "p"}
    spec = graph(nodes, *(("a " + n, when(">", v)) for n, v in cases), "b e", "c e", "d e")
    assert run(spec, 7).output == canonical({"b": 7, "c": 7})
    assert run(spec, 2).output == canonical({"b": 2})
    assert statuses(run(spec, 0))["e"] == "skipped"


def test_wcp_8_a_multi_merge_starts_for_each():
    spec = graph({"a": "p", "b": "'b'", "c": "'c'", "d": {"join": "each", "script": "p"}, "e": "p"}, "a b", "a c", "b d", "c d", "d e")
    result = run(spec)
    assert counts(result)["d"] == counts(result)["e"] == 2
    assert result.output == canonical(["b", "c"])


def test_wcp_9_a_discriminator_fires_once_a_pass():
    nodes = {"a": "p + 1", "b": "p", "c": "p", "d": {"join": "any", "script": "p"}}
    spec = graph(nodes, "a b", "a c", "b d", "c d")
    assert counts(run(spec))["d"] == 1
    looped = graph(nodes, "a b", "a c", "b d", "c d", ("d a", when("<", 2, back=True)))
    assert counts(run(looped)) == {"a": 2, "b": 2, "c": 2, "d": 2}


def test_wcp_30_a_partial_join_needs_n_branches():
    nodes = {"a": "p", "b": "p", "c": "p", "d": "p", "e": {"join": 2, "script": "len(p)"}}
    joined = ("b e", "c e", "d e")
    assert run(graph(nodes, "a b", "a c", "a d", *joined)).output == 2
    skipped = graph(nodes, "a b", ("a c", when(">", 1)), ("a d", when(">", 1)), *joined)
    assert statuses(run(skipped))["e"] == "skipped"


@pytest.mark.parametrize(
    ("p", "q", "r", "slots"),
    [(1, 0, 0, "b"), (1, 0, 1, "bd"), (1, 1, 0, "bd"), (1, 1, 1, "bd"), (0, 1, 0, "d"), (0, 1, 1, "d"), (0, 0, 0, ""), (0, 0, 1, "")],
)
def test_wcp_37_dead_paths_are_marked(p, q, r, slots):
    nodes = {"a": "p", "b": "p", "c": "p", "d": {"script": "p.get('b', p.get('c'))"}, "g": "sorted(p)"}
    lines = (("a b", when("==", 1, "p")), ("a c", when("==", 1, "q")), ("b d", when("==", 1, "r")), "c d", "b g", "d g")
    result = run(graph(nodes, *lines), {"p": p, "q": q, "r": r})
    assert result.nodes["g"].status == ("completed" if slots else "skipped")
    assert result.output == (canonical(list(slots)) if slots else None)


def test_wcp_38_a_collect_in_a_cycle_waits_for_what_can_still_come():
    nodes = {
        "a": "p + 10",  # 10 in the first round, 110 in the second
        "b": "p",
        "c": "port(p, 'bad' if p == 10 else None)",
        "r": "p + 1",
        "g": {"join": "collect", "script": "p"},
        "h": "port(100, 'again') if max(p) < 100 else p",
        "end": "p",
    }
    again = ("h a", {"back": True, "port": "again"})
    spec = graph(nodes, "a b", "a c", "b g", "c g", ("c r", {"port": "bad"}), ("r c", {"back": True}), "g h", again, "h end")
    result = run(spec)
    assert counts(result) == {"a": 2, "b": 2, "c": 3, "r": 1, "g": 2, "h": 2, "end": 1}
    assert inputs(result, "g") == [canonical([10, 11]), canonical([110, 110])]
    assert result.output == canonical({"end": [110, 110], "r": 11})  # r, whose one connection is back, is a terminal by the letter


def test_wcp_42_12_13_and_14_threads_of_a_stream_and_their_collection():
    nodes = {"a": {"stream": True, "script": "range(p)"}, "work": "p * 10", "after": {"join": "collect", "script": "p"}}
    spec = graph(nodes, "a work", "work after")
    result = run(spec, 3)
    assert counts(result) == {"a": 1, "work": 3, "after": 1}
    assert result.output == canonical([0, 10, 20])
    empty = run(spec, 0)
    assert (counts(empty), empty.output) == ({"a": 1, "work": 0, "after": 1}, canonical([]))
    assert statuses(empty)["work"] == "skipped"


def test_wcp_12_nobody_need_wait_for_the_instances():
    nodes = {"a": {"stream": True, "script": "on_ports((1, 'item'), (2, 'item'), (3, 'item'), (4, None))"}, "work": "p", "main": "p"}
    result = run(graph(nodes, ("a work", {"port": "item"}), "a main"))
    assert counts(result) == {"a": 1, "work": 3, "main": 1}
    assert result.output == canonical({"work": [1, 2, 3], "main": [4]})


def test_wcp_15_instances_that_add_instances():
    nodes = {"a": "p", "body": "p - 1", "after": {"join": "collect", "script": "p"}}
    spec = graph(nodes, "a body", ("body body", when(">", 0, back=True)), "body after")
    result = run(spec, 3)
    assert counts(result) == {"a": 1, "body": 3, "after": 1}
    assert result.output == canonical([2, 1, 0])


@pytest.mark.parametrize(
    ("payload", "expected", "output"),
    [
        ({"go": "p", "value": 0}, {"a": 1, "b": 2, "c": 1, "d": 0, "e": 1}, {"e": 3}),
        ({"go": "q", "value": 0}, {"a": 1, "b": 2, "c": 3, "d": 1, "e": 0}, {"d": 5}),
    ],
)
def test_wcp_10_a_cycle_with_two_ways_in_and_two_out(payload, expected, output):
    nodes = {
        "a": "port(p['value'], p['go'])",
        "b": {"join": "any", "script": "p + 1"},
        "c": {"join": "any", "script": "p + 1"},
        "d": "p",
        "e": "p",
    }
    spec = graph(
        nodes,
        ("a b", {"port": "p"}),
        ("a c", {"port": "q"}),
        ("b e", when("==", 3)),
        ("b c", when("!=", 3)),
        ("c d", when(">=", 4)),
        ("c b", when("<", 4, back=True)),
    )
    result = run(spec, payload)
    assert counts(result) == expected
    assert result.output == canonical(output)
    assert {name for name, status in statuses(result).items() if status == "skipped"} == {"d", "e"} - set(output)


def test_wcp_21_a_loop_that_tests_before_and_one_that_tests_after():
    nodes = {"test": "p", "body": "p + 1", "end": "p"}
    before = graph(nodes, ("test body", when("<", 3)), ("body test", {"back": True}), ("test end", when(">=", 3)))
    result = run(before, 0)
    assert counts(result) == {"test": 4, "body": 3, "end": 1}
    assert result.output == canonical({"body": 3, "end": 3})  # body, whose one connection is back, is a terminal by the letter
    assert counts(run(before, 5)) == {"test": 1, "body": 0, "end": 1}
    after = graph({"body": "p + 1"}, ("body body", when("<", 0, back=True)))
    assert (counts(run(after, 0)), run(after, 0).output) == ({"body": 1}, 1)


def test_wcp_11_a_run_ends_when_nothing_is_left_to_do():
    result = run(graph({"a": "p", "b": "p", "c": "nothing", "d": "p"}, "a b", "a c", "c d"))
    assert (result.status, statuses(result)["d"]) == ("completed", "skipped")
    assert result.output == canonical({"b": 0})


# Streams and scopes.


def test_a_shorter_input_goes_to_every_activation_under_its_key_and_starts_none_alone():
    nodes = {"a": "p", "s": {"stream": True, "script": "range(p)"}, "x": "'x'", "j": "p"}
    spec = graph(nodes, "a s", "a x", "s j", "x j")
    assert run(spec, 2).output == canonical([{"s": 0, "x": "x"}, {"s": 1, "x": "x"}])
    assert run(spec, 0).output == canonical([])
    uneven = graph(nodes, "a s", "a x", ("s j", when(">", 0)), "x j")
    assert run(uneven, 2).output == canonical([{"s": 1, "x": "x"}])
    other = run(uneven, 2, readings=Readings(short_starts_alone=True))
    assert other.output == canonical([{"x": "x"}, {"s": 1, "x": "x"}])
    assert Notes.ONLY_SHORT in other.notes


def test_nested_streams_are_collected_one_at_a_time_or_both_at_once():
    nodes = {
        "s": {"stream": True, "script": "range(p)"},
        "t": {"stream": True, "script": "[p * 10 + i for i in range(p)]"},
        "inner": {"join": "collect", "script": "p"},
        "outer": {"join": "collect", "script": "p"},
        "both": {"join": "collect", "scope": "s", "script": "p"},
    }
    result = run(graph(nodes, "s t", "t inner", "inner outer", "t both"), 3)
    assert inputs(result, "inner") == sorted([canonical([]), canonical([10]), canonical([20, 21])], key=repr)
    assert result.output == canonical({"outer": [[], [10], [20, 21]], "both": [10, 20, 21]})


def test_a_collect_is_skipped_if_what_opens_its_scope_was_skipped():
    nodes = {"a": "p", "s": {"stream": True, "script": "range(p)"}, "c": {"join": "collect", "script": "p"}}
    result = run(graph(nodes, ("a s", when(">", 5)), "s c"), 3)
    assert statuses(result) == {"a": "completed", "s": "skipped", "c": "skipped"}
    assert result.output is None


def test_a_stream_that_fails_midway_cancels_its_collect_unless_the_failure_is_taken():
    nodes = {
        "s": {"stream": True, "script": "fail(1, 2)"},
        "b": "p",
        "c": {"join": "collect", "script": "p"},
        "h": "p",
    }
    alone = run(graph(nodes, "s b", "b c", entries=("s",)))
    assert statuses(alone) == {"s": "failed", "b": "completed", "c": "cancelled", "h": "skipped"}
    assert (alone.status, alone.errors, alone.handled) == ("failed", 1, 0)
    taken = run(graph(nodes, "s b", "b c", ("s h", {"on": "fail"}), payload=7))
    assert statuses(taken) == {"s": "failed", "b": "completed", "c": "completed", "h": "completed"}
    assert (taken.status, taken.errors, taken.handled) == ("completed", 0, 1)
    assert taken.output == canonical([1, 2])
    assert inputs(taken, "h") == [7]


def test_a_stream_that_fails_before_its_first_value_cancels_its_dependants():
    nodes = {"s": {"stream": True, "script": "fail()"}, "b": "p", "c": {"join": "collect", "script": "p"}}
    assert statuses(run(graph(nodes, "s b", "b c"))) == {"s": "failed", "b": "cancelled", "c": "cancelled"}


def test_an_all_connection_of_a_stream_takes_the_failure_as_one_more_item():
    nodes = {"s": {"stream": True, "script": "fail(1, 2)"}, "b": "p", "c": {"join": "collect", "script": "p"}}
    result = run(graph(nodes, ("s b", {"on": "all"}), "b c", payload=7))
    assert result.output == canonical([1, 2, 7])
    assert (result.status, result.handled) == ("completed", 1)


def test_each_opens_a_scope_that_a_collect_closes_in_order_of_connections():
    nodes = {"a": "p", "b": "'b'", "c": "'c'", "d": {"join": "each", "script": "p"}, "e": {"join": "collect", "script": "p"}}
    assert run(graph(nodes, "a b", "a c", "c d", "b d", "d e")).output == canonical(["c", "b"])


def test_any_over_a_stream_and_something_outside_works_at_the_common_scope():
    nodes = {"a": "p", "s": {"stream": True, "script": "range(p)"}, "n": {"join": 2, "script": "len(p)"}}
    spec = graph(nodes, "a s", ("a n", {}), "s n")
    assert run(spec, 3).output == 2
    assert statuses(run(spec, 0))["n"] == "skipped"


# Failure.


def test_dependants_of_a_failed_node_are_cancelled_and_independent_ones_go_on():
    nodes = {"a": "p", "b": "fail()", "c": "p", "d": "p", "e": "p", "f": "p"}
    result = run(graph(nodes, "a b", "a c", "b d", "c e", "d f", "e f"))
    assert statuses(result) == {"a": "completed", "b": "failed", "c": "completed", "d": "cancelled", "e": "completed", "f": "cancelled"}
    assert (result.status, result.errors) == ("failed", 1)


def test_a_failure_taken_by_a_fail_connection_is_handled_and_its_dependants_are_skipped():
    nodes = {"a": "p", "b": "fail()", "c": "p", "park": "p"}
    lines = ("a b", "b c", ("b park", {"on": "fail", "condition": ("error.type", "==", "ValueError")}))
    result = run(graph(nodes, *lines))
    assert statuses(result) == {"a": "completed", "b": "failed", "c": "skipped", "park": "completed"}
    assert (result.status, result.errors, result.handled, result.output) == ("completed", 0, 1, None)
    refused = run(graph(nodes, "a b", "b c", ("b park", {"on": "fail", "types": ("KeyError",)})))
    assert statuses(refused)["c"] == "cancelled"
    assert (refused.status, refused.errors) == ("failed", 1)


def test_a_handler_of_a_failure_that_fails_itself_handles_nothing():
    result = run(graph({"a": "fail()", "h": "fail()"}, ("a h", {"on": "fail"})))
    assert (result.status, result.errors, result.handled) == ("failed", 2, 0)


def test_two_deliveries_into_one_slot_fail_the_activation():
    nodes = {"a": "p", "b": "p", "c": "p", "d": "p"}
    result = run(graph(nodes, "a b", "a c", ("b d", {"to": "x"}), ("c d", {"to": "x"})))
    assert (statuses(result)["d"], result.nodes["d"].calls) == ("failed", [])
    either = graph(nodes, "a b", ("a c", when(">", 5)), ("b d", {"to": "x"}), ("c d", {"to": "x"}))
    assert run(either).output == canonical({"x": 0})


def test_emits_resolves_each_connection_once_and_counts_what_nobody_takes():
    nodes = {"a": "emits(x=1, y=2, z=3)", "b": "p", "c": "p", "d": "p"}
    result = run(graph(nodes, ("a b", {"port": "x"}), ("a c", {"port": "y"}), "b d", "c d"))
    assert (result.output, result.nodes["a"].unrouted) == (canonical({"b": 1, "c": 2}), 1)


def test_disabled_connections_and_nodes_behind_them_are_as_if_absent():
    nodes = {"a": "p", "b": "p", "off": "p", "j": "p"}
    result = run(graph(nodes, "a b", ("a off", {"enabled": False}), "off j", "b j"))
    assert (statuses(result)["off"], result.output) == ("skipped", canonical({"b": 0}))


# Cycles.


def test_a_loop_rejoins_the_branch_beside_it():
    nodes = {"a": "p", "x": "'x'", "body": "p + 1", "j": "p"}
    spec = graph(nodes, "a x", "a body", ("body body", when("<", 3, back=True)), ("body j", when(">=", 3)), "x j")
    result = run(spec)
    assert (counts(result), result.output) == ({"a": 1, "x": 1, "body": 3, "j": 1}, canonical({"body": 3, "x": "x"}))


def test_a_loop_beyond_its_limit_fails_its_source():
    spec = graph({"a": "p", "body": "p + 1", "h": "p"}, "a body", ("body body", {"back": True, "limit": 2}), ("body h", {"on": "fail"}))
    result = run(spec)
    assert (len(result.nodes["body"].completed), result.nodes["body"].failed) == (2, 1)
    assert (result.status, result.handled, inputs(result, "h")) == ("completed", 1, [2])


def test_a_failing_step_may_be_tried_again_by_a_back_connection():
    nodes = {"a": "p", "try": "fail() if p < 3 else p", "fix": "p + 1"}
    spec = graph(nodes, "a try", ("try fix", {"on": "fail"}), ("fix try", {"back": True}))
    result = run(spec, 1)
    assert (result.status, result.output, result.handled) == ("completed", 3, 2)


def test_a_cycle_in_a_stream_and_a_stream_in_a_cycle():
    nodes = {"s": {"stream": True, "script": "range(p)"}, "body": "p + 1", "c": {"join": "collect", "script": "p"}}
    each_item = graph(nodes, "s body", ("body body", when("<", 3, back=True)), ("body c", when(">=", 3)), payload=5)
    assert inputs(run(each_item), "c") == [canonical([value]) for value in (3, 3, 3, 4, 5)]
    nodes = {"a": "p", "s": {"stream": True, "script": "[p] * p"}, "w": "p", "c": {"join": "collect", "script": "len(p)"}}
    inside = graph(nodes, "a s", "s w", "w c", ("c a", when("==", 2, back=True)), payload=2)
    inside = inside.with_node(NodeSpec("a", script="p + 1 if p == 2 else p"))
    result = run(inside)
    assert (counts(result), result.output) == ({"a": 1, "s": 1, "w": 3, "c": 1}, 3)


def test_a_stream_whose_items_go_back_starts_a_pass_for_each():
    nodes = {"a": "p", "s": {"stream": True, "script": "[p - 1] * 2"}, "c": {"join": "collect", "scope": "run", "script": "sorted(p)"}}
    spec = graph({**nodes, "end": "p"}, "a s", ("s s", when(">", 0, back=True)), ("s end", when("<=", 0)), "end c")
    result = run(spec, 2)
    assert (counts(result), result.output) == ({"a": 1, "s": 3, "c": 1, "end": 4}, canonical([0, 0, 0, 0]))
    assert result.concurrent


def test_exits_that_never_delivered_are_resolved_when_the_cycle_is_quiet():
    nodes = {"a": "p", "b": "p + 1", "x": "p", "y": "p", "j": "sorted(p)"}
    spec = graph(nodes, "a b", ("b b", when("<", 3, back=True)), ("b x", when(">=", 3)), ("b y", when(">", 9)), "x j", "y j")
    result = run(spec)
    assert (result.output, statuses(result)["y"]) == (canonical(["x"]), "skipped")
    failing = graph({**nodes, "b": "p + 1 if p < 2 else fail()"}, "a b", ("b b", {"back": True}), "b x", "x j", "a j")
    assert run(failing).nodes["x"].completed == [(1, canonical([(1, None)])), (2, canonical([(2, None)]))]


def test_a_cycle_whose_entry_is_cancelled_resolves_its_exits_for_the_key_it_would_have_been_entered_with():
    nodes = {"a": "fail()", "b": "p", "x": "p", "j": "p", "other": "p"}
    spec = graph(nodes, "a b", ("b b", when("<", 3, back=True)), "b x", "x j", "other j")
    result = run(spec)
    assert statuses(result) == {"a": "failed", "b": "cancelled", "x": "cancelled", "j": "cancelled", "other": "completed"}


def test_an_exit_that_never_delivered_is_cancelled_if_a_pass_was_cancelled_there():
    nodes = {"a": "p", "b": "p + 1 if p < 2 else fail()", "x": "p", "y": "p"}
    result = run(graph(nodes, "a b", ("b b", {"back": True}), ("b x", when(">", 9)), ("b y", when("==", 2))))
    assert (statuses(result)["b"], statuses(result)["x"], statuses(result)["y"]) == ("failed", "cancelled", "completed")
    assert result.output == canonical({"y": 2})


def test_exits_of_different_passes_are_joined_pass_by_pass():
    nodes = {"a": "p", "b": "p + 1", "x": "['x', p]", "y": "['y', p]", "j": "p"}
    lines = ("a b", ("b b", when("<", 3, back=True)), ("b x", when("<=", 2)), ("b y", when(">=", 2)), "x j", "y j")
    result = run(graph(nodes, *lines))
    expected = [{"x": ["x", 1]}, {"x": ["x", 2], "y": ["y", 2]}, {"y": ["y", 3]}]
    assert inputs(result, "j") == sorted(map(canonical, expected), key=repr)
    assert result.output == canonical({"y": ["y", 3]})


def test_an_input_from_before_the_stream_reaches_an_all_join_inside_a_cycle_in_pass_0_only():
    nodes = {"a": "p", "s": {"stream": True, "script": "[1, 2]"}, "b": "p", "j": "p"}
    lines = ("a s", "s b", "b j", "a j", ("j b", {"back": True, "port": "again"}))
    spec = graph(nodes, *lines).with_node(NodeSpec("j", script="port(p['b'] + 10, 'again') if p['b'] < 10 else p"))
    result = run(spec)
    assert inputs(result, "j") == sorted(map(canonical, [{"b": 1, "a": 0}, {"b": 2, "a": 0}, {"b": 11}, {"b": 12}]), key=repr)
    assert result.output == canonical([{"b": 11}, {"b": 12}])


def test_a_partial_join_that_can_no_longer_fire_is_cancelled_if_an_input_was():
    nodes = {"a": "p", "b": "fail()", "c": "p", "d": "p", "e": {"join": 2, "script": "len(p)"}}
    spec = graph(nodes, "a b", "a c", ("a d", when(">", 1)), "b e", "c e", "d e")
    assert statuses(run(spec, 0))["e"] == "cancelled"
    assert statuses(run(spec, 5))["e"] == "completed"


def test_a_limit_without_a_fail_connection_fails_the_run():
    result = run(graph({"a": "p", "b": "p + 1", "x": "p"}, "a b", ("b b", {"back": True, "limit": 1}), "b x"))
    assert (result.status, result.errors, counts(result)) == ("failed", 1, {"a": 1, "b": 1, "x": 1})
    assert inputs(result, "b") == [0, 1]


def test_a_skip_of_the_opener_travels_to_every_join_behind_the_stream():
    nodes = {"a": "p", "s": {"stream": True, "script": "[1]"}, "b": "p", "c": "p", "j": "p", "n": {"join": "any", "script": "1"}, "x": "p"}
    lines = (("a s", when(">", 5)), "s b", "s c", "b j", "c j", "j n", "x n")
    assert statuses(run(graph(nodes, *lines))) == {**dict.fromkeys("sbcj", "skipped"), **dict.fromkeys("axn", "completed")}


# Validity.


@pytest.mark.parametrize(
    ("code", "spec"),
    [
        ("UndeclaredCycle", graph({"a": "p", "b": "p", "c": "p"}, "a b", "b c", "c b")),
        ("NoEntry", graph({"a": "p", "b": "p"}, "a b", "b a")),
        (
            "UnrelatedStreams",
            graph({"a": "p", "s": {"stream": True}, "t": {"stream": True}, "j": "p"}, "a s", "a t", "s j", "t j"),
        ),
        ("TooFewConnections", graph({"a": "p", "b": {"join": 2}}, "a b")),
        ("BackClosesNothing", graph({"a": "p", "b": "p", "c": "p"}, "a b", ("a c", {"back": True}))),
    ],
)
def test_what_is_not_valid(code, spec):
    with pytest.raises(InvalidSpec) as caught:
        analyse(spec)
    assert caught.value.code == code


# The generator.


@pytest.mark.parametrize("block", range(10))
def test_random_graphs_end_the_same_way_each_time_and_say_themselves_again(block):
    for seed in range(block * 30, block * 30 + 30):
        spec = random_graph(random.Random(seed), 4 + seed % 16)
        result = run(spec)
        again = eval(spec.to_text(), {"GraphSpec": GraphSpec, "NodeSpec": NodeSpec, "ConnectionSpec": ConnectionSpec})
        assert again == spec
        assert run(again) == result
        if seed % 5 == 0:
            assert random_graph(random.Random(seed), 4 + seed % 16) == spec


def test_a_handler_is_a_function_of_its_node_and_payload():
    spec = random_graph(random.Random(1), 10)
    node, payload = spec.nodes[0], {"m": 1, "v": 2, "n": 0}
    assert behave(spec, node, payload) == behave(spec, node, dict(reversed(payload.items())))
