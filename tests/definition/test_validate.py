"""What `problems()` finds in a whole graph, and in which words."""

import time
import tracemalloc
from dataclasses import dataclass
from typing import Protocol

import pytest

from actorflow.definition.codes import ERRORS, WARNINGS, problem
from actorflow.definition.model import Collect
from actorflow.errors import InvalidWorkflow
from actorflow.workflow import Workflow


def noop(payload):
    return payload


def numbers(payload):
    yield from range(payload)


def flow_of(*names, connections=()):
    flow = Workflow("ingest", version=2)
    for name in names:
        flow.add(noop, name=name)
    for source, target in connections:
        flow.connect(source, target)
    return flow


def found(flow, code):
    return [problem for problem in flow.problems() if problem.code == code]


def only(flow, code):
    """The one problem of the flow, which has this code."""
    problems = flow.problems()
    assert [problem.code for problem in problems] == [code]
    return problems[0]


class TestProblems:
    def test_of_a_sound_workflow_are_none(self):
        assert flow_of("a", "b", connections=[("a", "b")]).problems() == []

    def test_come_all_at_once_errors_first(self):
        flow = Workflow("")
        flow.add(noop, name="a")
        flow.add(noop, name="a")
        flow.add(noop, name="b", join=3)
        flow.connect("b", "b")
        flow.connect("a", "c", back=True)
        flow.output("d")
        problems = flow.problems()
        assert [problem.level for problem in problems] == ["error"] * 5 + ["warning"]
        assert [problem.code for problem in problems] == [
            "DuplicateName",
            "UnknownNode",
            "UnknownNode",
            "UndeclaredCycle",
            "JoinTooLarge",
            "EmptyName",
        ]

    def test_are_the_same_that_build_raises(self):
        flow = flow_of("a", connections=[("a", "b"), ("a", "a")])
        with pytest.raises(InvalidWorkflow) as caught:
            flow.build()
        assert list(caught.value.problems) == flow.problems()
        for each in flow.problems():
            assert each.text in str(caught.value)

    def test_have_codes_of_one_list_in_which_each_is_error_or_warning(self):
        assert not ERRORS.keys() & WARNINGS.keys()
        assert problem("NoNodes", "x").level == "error"
        assert problem("EmptyName", "x").level == "warning"
        with pytest.raises(AssertionError, match="problem code 'Odd' is not listed"):
            problem("Odd", "x")


class TestNames:
    def test_a_workflow_without_nodes_is_an_error(self):
        assert only(flow_of(), "NoNodes").text == "workflow 'ingest@2' has no nodes; add one with @flow.node or flow.add()"

    def test_an_empty_name_is_a_warning(self):
        flow = Workflow("")
        flow.add(noop)
        assert only(flow, "EmptyName").text == "the workflow has an empty name, which tells its runs and events from no others"

    def test_two_nodes_of_one_name_are_an_error_naming_it_once(self):
        flow = flow_of("a", "a", "a")
        (problem,) = found(flow, "DuplicateName")
        assert problem.text == "3 nodes of workflow 'ingest@2' have the name 'a'; give the others names of their own with name="
        assert problem.node == "a"

    def test_two_lambdas_need_names(self):
        flow = flow_of()
        flow.add(lambda payload: payload)
        flow.add(lambda payload: payload)
        assert found(flow, "DuplicateName")[0].node == "lambda"

    def test_an_unknown_target_is_an_error_that_names_the_nearest(self):
        flow = flow_of("parse", "store")
        flow.connect("parse", "stroe", port="out")
        problem = only(flow, "UnknownNode")
        assert problem.text == "connection 'parse.out' -> 'stroe': workflow 'ingest@2' has no such node; the nearest is 'store'"
        assert (problem.node, problem.connection) == ("stroe", ("parse", "stroe"))

    def test_an_unknown_source_is_named_as_such(self):
        flow = flow_of("parse", "store", connections=[("prase", "store")])
        expected = "connection 'prase' -> 'store': workflow 'ingest@2' has no node 'prase'; the nearest is 'parse'"
        assert only(flow, "UnknownNode").text == expected

    def test_both_ends_may_be_unknown(self):
        flow = flow_of("a", connections=[("x1", "y1"), ("z1", "z1")])
        assert [problem.node for problem in found(flow, "UnknownNode")] == ["x1", "y1", "z1"]

    def test_a_name_far_from_all_others_gets_no_hint(self):
        flow = flow_of("parse", connections=[("parse", "warehouse")])
        assert only(flow, "UnknownNode").text == "connection 'parse' -> 'warehouse': workflow 'ingest@2' has no such node"

    def test_a_name_in_another_case_is_near(self):
        flow = flow_of("Parse", "b", connections=[("PARSE", "b")])
        assert only(flow, "UnknownNode").text.endswith("the nearest is 'Parse'")

    @pytest.mark.parametrize(("source", "target", "unknown"), [("parse", "stor", "stor"), ("stor", "parse", "stor")])
    def test_a_disabled_connection_with_an_unknown_end_is_left_out_with_a_warning(self, source, target, unknown):
        flow = flow_of("parse", "store", connections=[("parse", "store")])
        flow.connect(source, target, enabled=False)
        expected = (
            f"disabled connection {source!r} -> {target!r} is left out: workflow 'ingest@2' has no node 'stor'; the nearest is 'store'"
        )
        assert only(flow, "LeftOut").text == expected
        assert len(flow.build().connections) == 1

    @pytest.mark.parametrize("verb", ["entry", "output"])
    def test_an_unknown_entry_or_output_is_an_error(self, verb):
        flow = flow_of("start")
        getattr(flow, verb)("strat")
        assert only(flow, "UnknownNode").text == f"{verb} 'strat': workflow 'ingest@2' has no such node; the nearest is 'start'"

    def test_an_unknown_name_brings_no_further_complaints_that_it_explains(self):
        flow = flow_of("parse", "store", "report", connections=[("prase", "store"), ("store", "report")])
        assert len(flow.problems()) == 1

    def test_many_unknown_names_in_a_large_graph_are_told_quickly(self):
        flow = flow_of(*(f"node{number}" for number in range(3000)))
        for number in range(3000):
            flow.connect(f"node{number}", f"nide{number}")
        begun = time.perf_counter()
        assert len(found(flow, "UnknownNode")) == 3000
        assert time.perf_counter() - begun < 5


class TestCycles:
    @pytest.mark.parametrize(
        ("connections", "path", "closing"),
        [
            ([("a", "a")], "a -> a", "'a' -> 'a'"),
            ([("a", "b"), ("b", "a")], "a -> b -> a", "'b' -> 'a'"),
            ([("c", "a"), ("a", "b"), ("b", "a")], "a -> b -> a", "'b' -> 'a'"),
            ([("c", "b"), ("b", "a"), ("a", "b")], "b -> a -> b", "'a' -> 'b'"),
            ([("a", "b"), ("b", "c"), ("c", "a"), ("c", "b")], "a -> b -> c -> a", "'c' -> 'a'"),
        ],
    )
    def test_that_are_not_declared_are_shown(self, connections, path, closing):
        flow = flow_of("a", "b", "c", connections=connections)
        (problem,) = found(flow, "UndeclaredCycle")
        assert problem.text == f"undeclared cycle {path}; the connection that closes it, such as {closing}, needs back=True"

    def test_that_are_long_are_shown_in_short(self):
        names = [f"n{number}" for number in range(30)]
        flow = flow_of("start", *names, connections=[("start", "n0"), *zip(names, [*names[1:], "n0"], strict=True)])
        shown = "n0 -> n1 -> n2 -> n3 -> n4 -> n5 -> n6 -> n7 -> n8 -> ... -> n29 -> n0"
        assert shown in only(flow, "UndeclaredCycle").text

    def test_that_have_nothing_in_common_are_each_shown(self):
        flow = flow_of(*"xabcd", connections=[("x", "a"), ("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c")])
        assert len(found(flow, "UndeclaredCycle")) == 2

    def test_that_are_declared_are_fine(self):
        flow = flow_of("a", "b", connections=[("a", "b")])
        flow.connect("b", "a", back=True)
        flow.connect("b", "b", back=True)
        assert flow.problems() == []

    def test_of_disabled_connections_are_none(self):
        flow = flow_of("a", "b", connections=[("a", "b")])
        flow.connect("b", "a", enabled=False)
        assert found(flow, "UndeclaredCycle") == []

    def test_are_needed_for_back_connections(self):
        flow = flow_of("a", "b", "c", connections=[("a", "b"), ("a", "c")])
        flow.connect("b", "c", back=True)
        expected = "connection 'b' -> 'c' has back=True but closes no cycle: no path leads from 'c' to 'b'"
        assert only(flow, "BackWithoutCycle").text == expected

    def test_are_not_needed_for_disabled_back_connections(self):
        flow = flow_of("a", "b", connections=[("a", "b")])
        flow.connect("a", "b", back=True, enabled=False)
        assert flow.problems() == []


class TestEntries:
    def test_that_are_none_are_an_error(self):
        flow = flow_of("a", "b", connections=[("a", "b"), ("b", "a")])
        (problem,) = found(flow, "NoEntry")
        assert problem.text == (
            "workflow 'ingest@2' has no entry: each of its nodes has incoming connections; "
            "name the first node with flow.entry(), and give the connection that closes a cycle back=True"
        )

    def test_that_are_several_are_a_warning(self):
        problem = only(flow_of("a", "b", "c", "d", "e", "f", "g"), "SeveralEntries")
        assert problem.text == (
            "workflow 'ingest@2' has 7 entries, each of which gets the input of the run: 'a', 'b', 'c', 'd', 'e' and 2 more; "
            "if that is meant, say so with flow.entry()"
        )

    def test_that_are_several_and_asked_for_are_fine(self):
        flow = flow_of("a", "b")
        flow.entry("a", "b")
        assert flow.problems() == []

    def test_must_not_wait_for_nodes_a_run_comes_to(self):
        flow = flow_of("a", "b", connections=[("a", "b")])
        flow.entry("a", "b")
        assert only(flow, "EntryHasConnections").text == (
            "node 'b' is named by flow.entry() but also waits for connection 'a' -> 'b'; "
            "leave it out of flow.entry(), or give the connection back=True if it closes a cycle"
        )

    def test_may_have_back_connections_and_such_from_nodes_no_run_comes_to(self):
        flow = flow_of("a", "b", connections=[("a", "b")])
        flow.connect("b", "b", back=True)
        flow.entry("b")
        assert [problem.code for problem in flow.problems()] == ["UnreachableNode"]


class TestReachability:
    def test_a_node_no_path_leads_to_is_a_warning(self):
        flow = flow_of("a", "b", "c", connections=[("b", "c")])
        flow.entry("a")
        problems = found(flow, "UnreachableNode")
        assert [problem.node for problem in problems] == ["b", "c"]
        assert problems[0].text == "node 'b' will be skipped: no path leads to it from an entry"

    def test_a_node_whose_connections_are_all_disabled_is_a_warning(self):
        flow = flow_of("a", "b", "c", connections=[("b", "c")])
        flow.connect("a", "b", enabled=False)
        (problem,) = found(flow, "DisabledNode")
        assert problem.text == "node 'b' will be skipped: all its incoming connections are disabled"
        assert [problem.node for problem in found(flow, "UnreachableNode")] == ["c"]

    def test_a_node_with_one_enabled_connection_is_fine(self):
        flow = flow_of("a", "b", connections=[("a", "b")])
        flow.connect("a", "b", port="x", enabled=False)
        assert flow.problems() == []


class TestJoins:
    @pytest.mark.parametrize(("join", "count"), [(2, "1 connection"), (3, "1 connection")])
    def test_that_wait_for_too_many_are_an_error(self, join, count):
        flow = flow_of("a")
        flow.add(noop, name="b", join=join)
        flow.connect("a", "b")
        flow.connect("a", "b", on="fail", enabled=False)
        flow.connect("b", "b", back=True, port="again")
        expected = f"node 'b' waits for {join} connections (join={join}) but has {count} to it; disabled and back connections do not count"
        assert only(flow, "JoinTooLarge").text == expected

    def test_that_wait_for_as_many_as_there_are_are_fine(self):
        flow = flow_of("a")
        flow.add(noop, name="b", join=2)
        flow.connect("a", "b")
        flow.connect("a", "b", port="x")
        assert flow.problems() == []

    def test_that_wait_for_connections_of_unknown_nodes_bring_no_further_complaint(self):
        flow = flow_of("a")
        flow.add(noop, name="b", join=2)
        flow.connect("a", "b")
        flow.connect("unheard-of", "b")
        only(flow, "UnknownNode")

    def test_of_a_node_that_is_skipped_anyway_do_not_matter(self):
        flow = flow_of("a")
        flow.add(noop, name="b", join=2)
        flow.connect("a", "b", enabled=False)
        only(flow, "DisabledNode")

    def test_of_an_entry_cannot_wait(self):
        flow = flow_of()
        flow.add(noop, name="b", join=1)
        assert "waits for 1 connection (join=1) but has 0 connections" in only(flow, "JoinTooLarge").text

    def test_that_collect_need_connections(self):
        flow = flow_of()
        flow.add(noop, name="b", join="collect")
        expected = "node 'b' collects what arrives on its connections but has none; leave join= out"
        assert only(flow, "CollectWithoutConnections").text == expected

    def collecting(self, scope):
        flow = Workflow("ingest", version=2)
        flow.add(numbers, name="split")
        flow.add(noop, name="work")
        flow.add(noop, name="gather", join=Collect(scope=scope))
        flow.chain("split", "work", "gather")
        return flow

    @pytest.mark.parametrize("scope", [None, "split", "run"])
    def test_that_collect_over_a_stream_or_the_run_are_fine(self, scope):
        assert self.collecting(scope).problems() == []

    def test_that_collect_over_an_unknown_node_are_an_error(self):
        expected = "Collect(scope='spilt') of node 'gather': workflow 'ingest@2' has no such node; the nearest is 'split'"
        assert only(self.collecting("spilt"), "UnknownNode").text == expected

    def test_that_collect_over_a_node_that_opens_nothing_are_an_error(self):
        assert only(self.collecting("work"), "NotAnOpener").text == (
            "Collect(scope='work') of node 'gather': messages of 'work' make up no scope, "
            "for it neither streams nor starts for each message of several connections (join='each')"
        )

    def test_that_collect_over_each_of_several_connections_are_fine(self):
        flow = flow_of("a", "b", "c")
        flow.entry("a", "b")
        flow.add(noop, name="each", join="each")
        flow.add(noop, name="gather", join=Collect(scope="each"))
        flow.connect("a", "each")
        flow.connect("b", "each")
        flow.connect("each", "gather")
        flow.connect("a", "c")
        assert flow.problems() == []


class TestHandlers:
    def test_with_parameters_that_do_not_fit_are_an_error_that_lists_names_and_slots(self):
        def merge(left, right):
            return left, right

        flow = flow_of("a", "b", connections=[("a", "b")])
        flow.add(merge)
        flow.connect("a", "merge")
        flow.connect("b", "merge")
        problem = only(flow, "BadHandler")
        assert problem.node == "merge"
        for word in ("'merge'", "'left'", "'right'", "'a'", "'b'"):
            assert word in problem.text

    def test_with_parameters_named_like_the_slots_of_a_join_are_fine(self):
        def merge(left, right):
            return left, right

        flow = flow_of("a", "b", connections=[("a", "b")])
        flow.add(merge)
        flow.connect("a", "merge", to="left")
        flow.connect("b", "merge", to="right")
        assert flow.problems() == []

    def test_with_parameters_named_like_the_slots_of_inputs_are_fine(self):
        def merge(left, right):
            return left, right

        flow = flow_of("a")
        flow.add(merge, inputs={"left": "${a.output}", "right": "${workflow.input}"})
        flow.connect("a", "merge")
        assert flow.problems() == []

    @pytest.mark.parametrize("join", ["any", "each", "collect", None])
    def test_that_get_one_message_are_not_bound_by_slot(self, join):
        def merge(a, b):
            return a, b

        flow = flow_of("a", "b", connections=[("a", "b")])
        flow.add(merge, join=join)
        flow.connect("a", "merge")
        if join is not None:
            flow.connect("b", "merge")
        only(flow, "BadHandler")

    def test_that_are_classes_need_a_method_receive(self):
        flow = flow_of()
        flow.add(dict, name="a")
        assert "class dict has no method receive(self, payload)" in only(flow, "BadHandler").text

    def test_that_are_classes_must_take_their_arguments(self):
        class Stock:
            def __init__(self, levels):
                self.levels = levels

            def receive(self, payload):
                return self.levels

        flow = flow_of()
        flow.add(Stock, args={"level": 3})
        assert "class Stock cannot be made with its args=" in only(flow, "BadHandler").text

    def test_with_annotations_that_cannot_be_resolved_are_a_warning(self):
        def check(order: "NoSuchType"):  # noqa: F821
            return order

        flow = flow_of()
        flow.add(check)
        problem = only(flow, "UncheckedAnnotation")
        assert problem.text.startswith("node 'check': parameter 'order' is not checked: its annotation 'NoSuchType' cannot be resolved")
        assert problem.level == "warning"

    def test_of_nodes_with_one_function_are_one(self):
        nodes = flow_of("a", "b", "c", connections=[("a", "b"), ("a", "c"), ("b", "c")]).build().nodes
        assert len({id(node.handler) for node in nodes}) == 1


class TestInputs:
    def test_that_refer_to_an_unknown_node_are_an_error(self):
        flow = flow_of("fetch")
        flow.add(noop, name="store", inputs={"rows": "${fecth.output.rows}", "id": "${workflow.input.id}"})
        flow.connect("fetch", "store")
        expected = "inputs['rows'] of node 'store' refer to 'fecth': workflow 'ingest@2' has no such node; the nearest is 'fetch'"
        assert found(flow, "UnknownNode")[0].text == expected


class TestPorts:
    def flow(self, port, **options):
        flow = Workflow("w")
        flow.add(noop, name="a", ports=["Valid", "invalid"])
        flow.add(noop, name="b")
        flow.connect("a", "b")
        flow.connect("a", "b", port=port, to="other", **options)
        return flow

    @pytest.mark.parametrize("port", [None, "*", "valid", "VALID"])
    def test_that_are_declared_the_primary_one_and_any_are_fine(self, port):
        assert self.flow(port).problems() == []

    def test_that_are_not_declared_are_a_warning(self):
        problem = only(self.flow("vaild"), "UndeclaredPort")
        assert problem.text == "connection 'a.vaild' -> 'b': node 'a' does not declare port 'vaild'; the nearest is 'valid'"
        assert problem.level == "warning"

    @pytest.mark.parametrize("options", [{"enabled": False}, {"on": "fail"}])
    def test_do_not_matter_where_nothing_is_taken_from_them(self, options):
        assert self.flow("vaild", **options).problems() == []

    def test_of_a_node_that_declares_none_are_whatever_it_sends(self):
        flow = flow_of("a", "b")
        flow.connect("a", "b", port="anything")
        assert flow.problems() == []


class Animal:
    pass


class Dog(Animal):
    pass


class Speaks(Protocol):
    pass


@dataclass
class Order:
    id: int


class TestTypes:
    def flow(self, emits, accepts, join=None, **options):
        flow = Workflow("w")
        flow.add(noop, name="a", emits=emits)
        flow.add(noop, name="b", accepts=accepts, join=join)
        flow.connect("a", "b", **options)
        return flow

    @pytest.mark.parametrize(
        ("emits", "accepts"),
        [
            (None, int),
            (int, None),
            (int, int),
            (Dog, Animal),
            (Animal, Dog),
            (bool, int),
            (int, float),
            (dict, Order),
            (str, Order),
            (list, tuple),
            (list[int], str),
            (int | str, bytes),
            (Dog, Speaks),
            (int, object),
        ],
    )
    def test_that_may_fit_are_fine(self, emits, accepts):
        assert self.flow(emits, accepts).problems() == []

    @pytest.mark.parametrize(("emits", "accepts"), [(str, int), (Order, int), (Order, Dog), (list, dict), (float, int)])
    def test_that_cannot_fit_are_a_warning(self, emits, accepts):
        problem = only(self.flow(emits, accepts), "TypeMismatch")
        assert problem.text == f"connection 'a' -> 'b': 'a' emits {emits.__name__}, but 'b' accepts {accepts.__name__}"
        assert problem.level == "warning"

    @pytest.mark.parametrize("options", [{"on": "fail"}, {"enabled": False}, {"types": int}, {"join": "collect"}])
    def test_are_compared_only_where_the_value_itself_arrives(self, options):
        assert found(self.flow(str, int, **options), "TypeMismatch") == []


class TestLargeGraphs:
    def layers(self, count, width=100):
        flow = Workflow("large")
        for number in range(count):
            flow.add(noop, name=f"node{number}")
        flow.entry(*(f"node{number}" for number in range(width)))
        for number in range(width, count):
            base = number - number % width - width
            for step in (0, 1, 7):
                flow.connect(f"node{base + (number + step) % width}", f"node{number}")
        return flow

    def test_take_at_most_one_and_a_half_kibibytes_a_node_with_three_connections(self):
        flow = self.layers(5000)
        tracemalloc.start()
        try:
            definition = flow.build()
            size = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        names = 60 * len(definition.nodes)  # which the graph made, and the definition keeps
        assert (size + names) / len(definition.nodes) < 1536

    @pytest.mark.slow
    def test_of_100_000_nodes_and_300_000_connections_build_in_seconds(self):
        begun = time.perf_counter()
        definition = self.layers(100_000).build()
        assert len(definition.connections) == 299_700
        assert time.perf_counter() - begun < 20

    def test_may_be_one_long_chain_or_one_long_cycle(self):
        names = [f"node{number}" for number in range(20_000)]
        flow = flow_of(*names)
        flow.chain(*names)
        flow.connect(names[-1], names[0], back=True)
        assert flow.problems() == []
        flow.connect(names[-1], names[0], port="x")
        assert len(found(flow, "UndeclaredCycle")) == 1
