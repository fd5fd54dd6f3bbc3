"""What a node sends and which connections take it: ports, Emit, Emits, filters, conditions, slots, what is unrouted."""

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine


def run(flow, payload=None, seed=0, **options):
    return SimulatedEngine(seed).start(flow, payload, **options).wait(3600)


def statuses(result):
    return {name: str(node.status) for name, node in result.nodes.items()}


def source(handler, connections, **options):
    """A node `a` and a target for each of the connections, named by the key; a target's value is what it got."""
    workflow = {name: options.pop(name) for name in ("unrouted", "variables") if name in options}
    flow = af.Workflow("ports", **workflow)
    flow.add(handler, name="a", **options)
    for name, given in connections.items():
        flow.add(lambda x: x, name=name)
        flow.connect("a", name, **given)
    return flow


def taken(result):
    return {name: value for name, value in result.outputs.items() if name != "a"}


@pytest.mark.parametrize(
    ("sent", "wanted"), [("Valid", "valid"), ("valid", "VALID"), ("STRASSE", "straße"), ("x", "*"), (None, None), (None, "*")]
)
def test_a_connection_takes_its_port_whatever_the_case(sent, wanted):
    result = run(source(lambda x: af.Emit(x, port=sent), {"b": {"port": wanted}}), 1)
    assert taken(result) == {"b": 1}


@pytest.mark.parametrize(("sent", "wanted"), [("a", None), (None, "a"), ("a", "b"), ("*", "a")])
def test_a_connection_takes_no_other_port(sent, wanted):
    result = run(source(lambda x: af.Emit(x, port=sent), {"b": {"port": wanted}}), 1)
    assert statuses(result)["b"] == "skipped"
    assert result.status is af.RunStatus.COMPLETED


def test_the_port_is_looked_at_before_the_condition():
    asked = []
    connections = {"b": {"port": "q", "when": asked.append}, "c": {"port": "q", "when": "output > 'text'"}}
    result = run(source(lambda x: af.Emit(x, port="p"), connections), 1)
    assert (asked, result.condition_faults) == ([], ())


def test_port_and_condition_must_both_hold():
    connections = {"b": {"port": "p", "when": "output > 1"}, "c": {"port": "p", "when": "output > 9"}}
    assert taken(run(source(lambda x: af.Emit(x, port="p"), connections), 5)) == {"b": 5}


def test_emits_sends_one_message_on_each_port_under_one_key():
    flow = source(lambda x: af.Emits(af.Emit(1, "p"), af.Emit(2, "q"), af.Emit(3)), {"b": {"port": "p"}, "c": {"port": "q"}, "d": {}})
    flow.add(lambda slots: slots, name="j")
    for name in "bcd":
        flow.connect(name, "j")
    assert run(flow, 0).output == {"b": 1, "c": 2, "d": 3}


def test_a_connection_for_any_port_that_would_take_two_messages_of_one_activation_is_a_slot_conflict():
    result = run(source(lambda x: af.Emits(af.Emit(1, "p"), af.Emit(2, "q")), {"b": {"port": "*"}}), 0)
    (failure,) = result.errors
    assert (failure.node, failure.type) == ("b", "actorflow.errors.SlotConflict")


def test_emits_with_nothing_sends_nothing():
    result = run(source(lambda x: af.Emits(), {"b": {}}), 0)
    assert statuses(result) == {"a": "completed", "b": "skipped"}


def test_none_is_a_value_and_nothing_is_not():
    assert taken(run(source(lambda x: None, {"b": {}}), 0)) == {"b": None}
    result = run(source(lambda x: af.NOTHING, {"b": {}, "c": {"port": "*"}}), 0)
    assert statuses(result) == {"a": "completed", "b": "skipped", "c": "skipped"}


def test_emitting_nothing_is_like_returning_it():
    assert statuses(run(source(lambda x: af.Emit(af.NOTHING), {"b": {}}), 0))["b"] == "skipped"
    assert taken(run(source(lambda x: af.Emits(af.Emit(af.NOTHING, "p"), af.Emit(1)), {"b": {}, "c": {"port": "p"}}), 0)) == {"b": 1}


@pytest.mark.parametrize("handler", [lambda x: af.Emit(1, port="typo"), lambda x: af.Emits(af.Emit(1, port="typo"))])
def test_a_port_that_is_not_declared_fails_the_activation_of_a_node_that_declares_ports(handler):
    result = run(source(handler, {"b": {"port": "*"}}, ports=["valid", "invalid"]), 0)
    (failure,) = result.errors
    assert (failure.node, statuses(result)["b"]) == ("a", "cancelled")
    assert all(word in failure.message for word in ("'a'", "'typo'", "'invalid'", "'valid'"))


def test_declared_ports_and_the_primary_one_are_fine_in_any_case():
    flow = source(lambda x: af.Emits(af.Emit(1, "VALID"), af.Emit(2)), {"b": {"port": "valid"}, "c": {}}, ports=["Valid"])
    assert taken(run(flow, 0)) == {"b": 1, "c": 2}


def test_a_stream_that_sends_on_a_port_it_does_not_declare_fails_there():
    def stream(x):
        yield af.Emit(1, port="good")
        yield af.Emit(2, port="typo")
        yield af.Emit(3, port="good")

    flow = source(stream, {"b": {"port": "good"}}, ports=["good"])
    result = run(flow, 0)
    assert taken(result)["b"] == [1]
    (failure,) = result.errors
    assert "'typo'" in failure.message and failure.node == "a"


def test_ctx_emit_on_a_port_that_is_not_declared_fails_too():
    def handler(x, ctx):
        ctx.emit(1, port="typo")
        return 2

    (failure,) = run(source(handler, {"b": {}}, ports=["good"]), 0).errors
    assert "'typo'" in failure.message


@pytest.mark.parametrize(
    ("types", "value", "takes"),
    [
        (int, 1, True),
        (int, "1", False),
        (str, "1", True),
        ((int, str), "1", True),
        (int | str, "1", True),
        (int | None, None, True),
        (list, (), False),
        (object, None, True),
    ],
)
def test_types_filter_by_the_class_of_the_value(types, value, takes):
    assert (statuses(run(source(lambda x: value, {"b": {"types": types}}), 0))["b"] == "completed") is takes


def test_a_callable_condition_sees_the_message():
    seen = []

    def condition(message):
        seen.append((message.payload, message.source, message.port, message.key, message.run_id))
        return message.payload > 3

    result = run(source(lambda x: af.Emit(x, port="P"), {"b": {"port": "p", "when": condition}}), 5, run_id="r1")
    assert (taken(result), seen) == ({"b": 5}, [(5, "a", "P", (), "r1")])


def test_a_condition_that_raises_is_no_match_and_on_record():
    def broken(message):
        raise KeyError("x")

    result = run(source(lambda x: x, {"b": {"when": broken}, "c": {}}), 1)
    assert statuses(result) == {"a": "completed", "b": "skipped", "c": "completed"}
    (fault,) = result.condition_faults
    assert (fault.source, fault.target) == ("a", "b") and "broken" in fault.text and fault.error == "KeyError: 'x'"
    assert result.status is af.RunStatus.COMPLETED


def test_a_text_condition_that_cannot_be_answered_is_no_match_and_on_record():
    result = run(source(lambda x: {"n": "many"}, {"b": {"when": "output.n > 3"}}), 1)
    (fault,) = result.condition_faults
    assert (fault.source, fault.target, fault.text) == ("a", "b", "output.n > 3") and fault.error
    assert statuses(result)["b"] == "skipped"


@pytest.mark.parametrize(
    ("condition", "takes"),
    [
        ("output.n == 3", True), ("input == 'in'", True), ("variables.limit < output.n", True), ("run.id == 'r1'", True), ("run.workflow == 'ports'", True),
        ("run.version == '1'", True), ("run.input == 'in'", True), ("run.status == 'running'", True), ("run.tags.kind == 'x'", True), ("len(key) == 0", True),
        ("exists(error)", False), ("exists(error.type)", False), ("variables.other", False),
    ],
)  # fmt: skip
def test_a_condition_sees_all_its_roots(condition, takes):
    flow = source(lambda x: {"n": 3}, {"b": {"when": condition}}, variables={"limit": 2})
    result = run(flow, "in", run_id="r1", tags={"kind": "x"})
    assert (statuses(result)["b"] == "completed") is takes
    assert result.condition_faults == ()


def test_a_condition_sees_the_variables_as_the_activation_leaves_them():
    def handler(x, ctx):
        ctx.variables.set("n", 7)
        return x

    assert statuses(run(source(handler, {"b": {"when": "variables.n == 7"}}), 0))["b"] == "completed"


def test_several_connections_between_two_nodes_are_all_kept_and_exact_duplicates_collapse():
    flow = af.Workflow("several")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: x, name="b", join="each")
    flow.connect("a", "b", when="output > 1")
    flow.connect("a", "b", when="output > 2")
    flow.connect("a", "b", when="output > 2")
    assert run(flow, 3).output == [3, 3]
    assert run(flow, 2).output == [2]


def test_to_names_the_slot_of_a_join():
    flow = af.Workflow("slots")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: x + 1, name="b")
    flow.add(lambda left, right=None, other="default": (left, right, other), name="c")
    flow.chain("a", "b")
    flow.connect("a", "c", to="left")
    flow.connect("b", "c", to="right")
    assert run(flow, 1).output == (1, 2, "default")


def test_a_slot_conflict_names_the_sources_and_the_way_out():
    flow = af.Workflow("conflict")
    for name in "abc":
        flow.add(lambda x: x, name=name)
    flow.add(lambda x: x, name="d")
    flow.connect("a", "b")
    flow.connect("a", "c")
    flow.connect("b", "d", to="x")
    flow.connect("c", "d", to="x")
    (failure,) = run(flow, 1).errors
    error = failure.exception
    assert isinstance(error, af.SlotConflict)
    assert (error.node, error.slot, set(error.sources)) == ("d", "x", {"b", "c"})
    assert "to=" in str(error)


@pytest.mark.parametrize("where", ["inner", "terminal"])
def test_what_no_connection_takes_is_counted_unless_its_node_is_terminal(where):
    flow = source(lambda x: x, {"b": {"when": "false"}} if where == "inner" else {})
    result = run(flow, 1)
    assert result.nodes["a"].unrouted == (1 if where == "inner" else 0)
    assert result.status is af.RunStatus.COMPLETED


def test_each_message_that_is_not_taken_counts():
    flow = source(lambda x: af.Emits(af.Emit(1), af.Emit(2, "p"), af.Emit(3, "q")), {"b": {"port": "p"}})
    assert run(flow, 1).nodes["a"].unrouted == 2


def test_unrouted_values_may_become_dead_letters():
    flow = source(lambda x: af.Emit({"secret": x}, port="typo"), {"b": {}}, unrouted="dead_letter")
    engine = SimulatedEngine()
    result = engine.start(flow, 1, run_id="r1").wait(1)
    (letter,) = engine.dead_letters.list()
    assert (letter.run_id, letter.node, letter.payload, letter.reason) == ("r1", "a", {"secret": 1}, "unrouted")
    assert (result.nodes["a"].unrouted, str(result.status)) == (1, "completed")


def test_unrouted_values_may_fail_their_activation():
    flow = source(lambda x: af.Emit(x, port="typo"), {"b": {}}, unrouted="fail")
    result = run(flow, 1)
    (failure,) = result.errors
    assert isinstance(failure.exception, af.UnroutedValue)
    assert (failure.exception.node, failure.exception.port) == ("a", "typo")
    assert statuses(result) == {"a": "failed", "b": "cancelled"}


def test_unrouted_values_of_a_stream_fail_it_at_that_value():
    def stream(x):
        yield 1
        yield af.Emit(2, port="typo")
        yield 3

    result = run(source(stream, {"b": {}}, unrouted="fail"), 1)
    assert taken(result) == {"b": [1]}
    assert isinstance(result.errors[0].exception, af.UnroutedValue)


def test_a_terminal_may_send_on_any_port_and_its_value_is_the_output():
    flow = af.Workflow("terminal")
    flow.add(lambda x: af.Emit(x, port="done"), name="a")
    assert run(flow, 7).output == 7


def test_connecting_from_a_port_that_is_not_declared_is_only_a_warning():
    flow = source(lambda x: x, {"b": {"port": "typo"}, "c": {}}, ports=["good"])
    (warning,) = flow.problems()
    assert (warning.level, warning.code) == ("warning", "UndeclaredPort") and "'typo'" in warning.text
    assert taken(run(flow, 1)) == {"c": 1}
