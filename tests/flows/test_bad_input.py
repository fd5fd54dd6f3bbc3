"""What a user gets wrong, and the clear error that follows. What `build` refuses is in tests/definition; here it is seen from a run."""

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine, explore


def same(x):
    return x


def refused(flow):
    with pytest.raises(af.InvalidWorkflow) as caught:
        SimulatedEngine().start(flow, 1)
    assert all(problem.level in ("error", "warning") for problem in caught.value.problems)
    return caught.value


def test_an_engine_refuses_a_workflow_with_problems_and_tells_them_all():
    flow = af.Workflow("wrong")
    flow.add(same, name="a")
    flow.add(same, name="a")
    flow.connect("a", "stroe")
    flow.connect("a", "b")
    flow.connect("b", "a")
    flow.add(same, name="store")
    flow.add(same, name="b")
    error = refused(flow)
    assert {problem.code for problem in error.problems if problem.level == "error"} >= {"DuplicateName", "UnknownNode"}
    assert "'store'" in str(error) and "'stroe'" in str(error)


def test_an_undeclared_cycle_is_refused_with_its_path():
    flow = af.Workflow("cycle")
    for name in "abc":
        flow.add(same, name=name)
    flow.chain("a", "b", "c", "b")
    error = refused(flow)
    assert "b -> c -> b" in str(error) and "back=True" in str(error)


def test_a_workflow_without_an_entry_is_refused():
    flow = af.Workflow("no entry")
    flow.add(same, name="a")
    flow.add(same, name="b")
    flow.connect("a", "b")
    flow.connect("b", "a")
    assert {problem.code for problem in refused(flow).problems} == {"NoEntry", "UndeclaredCycle"}


def test_a_workflow_without_nodes_is_refused():
    assert "no nodes" in str(refused(af.Workflow("empty")))


def test_streams_that_have_nothing_to_do_with_each_other_cannot_be_joined():
    def items(x):
        yield x

    flow = af.Workflow("unrelated")
    flow.add(same, name="a")
    for name in ("s", "t"):
        flow.add(items, name=name)
        flow.chain("a", name, "j")
    flow.add(same, name="j")
    error = refused(flow)
    (problem,) = error.problems
    assert (problem.code, problem.node) == ("UnrelatedStreams", "j")
    assert "'s'" in str(error) and "'t'" in str(error) and "collect" in str(error)


@pytest.mark.parametrize("value", [0, -1, -5])
@pytest.mark.parametrize("option", ["concurrency", "timeout", "join"])
def test_limits_of_nodes_must_be_more_than_zero(option, value):
    flow = af.Workflow("limits")
    with pytest.raises(ValueError, match=option):
        flow.add(same, **{option: value})


@pytest.mark.parametrize("value", [0, -1])
def test_limits_of_everything_else_must_be_more_than_zero(value):
    flow = af.Workflow("limits")
    flow.add(same, name="a")
    for call in (
        lambda: flow.connect("a", "a", back=True, limit=value),
        lambda: af.Workflow("limits", timeout=value),
        lambda: af.Mailbox(capacity=value),
        lambda: af.Mailbox(lease=value),
        lambda: af.Collect(limit=value),
        lambda: af.Engine(workers=value),
        lambda: af.Timeouts(node=value),
        lambda: af.Timeouts(run=value),
        lambda: SimulatedEngine().start(flow, 1, timeout=value),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("what", ["workflow", None, same, {"name": "x"}])
def test_an_engine_starts_workflows_and_definitions_only(what):
    with pytest.raises(TypeError, match="Workflow or a Definition"):
        SimulatedEngine().start(what, 1)


@pytest.mark.parametrize("run_id", ["", " ", 7])
def test_a_run_id_is_a_text(run_id):
    flow = af.Workflow("id")
    flow.add(same)
    with pytest.raises((ValueError, TypeError), match="run_id"):
        SimulatedEngine().start(flow, 1, run_id=run_id)


def test_a_run_id_that_is_taken_by_another_input_is_refused():
    flow = af.Workflow("id")
    flow.add(same)
    definition = flow.build()
    engine = SimulatedEngine()
    first = engine.start(definition, 1, run_id="r")
    assert engine.start(definition, 1, run_id="r") is first
    with pytest.raises(af.RunExists, match="'r'"):
        engine.start(definition, 2, run_id="r")


def test_a_condition_that_cannot_be_read_is_refused_when_the_connection_is_made():
    flow = af.Workflow("condition")
    flow.add(same, name="a")
    flow.add(same, name="b")
    with pytest.raises(af.ConditionSyntaxError) as caught:
        flow.connect("a", "b", when="output. > 3")
    assert caught.value.text == "output. > 3" and isinstance(caught.value.position, int)


def test_a_handler_whose_parameters_fit_nothing_is_refused_with_names_and_slots():
    flow = af.Workflow("signature")
    flow.add(same, name="a")
    flow.add(same, name="b")
    flow.add(lambda left, right: 1, name="j")
    flow.connect("a", "b")
    flow.connect("a", "j")
    flow.connect("b", "j")
    error = refused(flow)
    assert all(word in str(error) for word in ("'left'", "'right'", "'a'", "'b'", "to="))


def test_asking_a_run_for_a_node_it_does_not_have():
    flow = af.Workflow("ask")
    flow.add(same, name="a")
    run = SimulatedEngine().start(flow, 1)
    with pytest.raises(af.UnknownNode, match="'b'"):
        run.node("b")


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", True])
def test_a_timeout_of_wait_is_a_number_of_at_least_zero(timeout):
    flow = af.Workflow("timeout")
    flow.add(same, name="a")
    run = SimulatedEngine().start(flow, 1)
    with pytest.raises((ValueError, TypeError), match="timeout"):
        run.wait(timeout)


def test_a_payload_of_the_wrong_type_fails_the_activation_and_not_the_engine():
    def typed(x: int):
        return x

    flow = af.Workflow("typed")
    flow.add(typed)
    engine = SimulatedEngine()
    assert engine.start(flow, "x").wait(1).status is af.RunStatus.FAILED
    assert engine.start(flow, 3).wait(1).output == 3


@pytest.mark.parametrize("value", [7, "p", None, ("a", 1)])
def test_emits_takes_emit_values_only(value):
    flow = af.Workflow("emits")
    flow.add(lambda x: af.Emits(value), name="a")
    (failure,) = SimulatedEngine().start(flow, 1).wait(1).errors
    assert failure.type == "TypeError" and "af.Emit" in failure.message


def test_two_messages_on_one_port_are_refused():
    flow = af.Workflow("emits")
    flow.add(lambda x: af.Emits(af.Emit(1, "p"), af.Emit(2, "P")), name="a")
    (failure,) = SimulatedEngine().start(flow, 1).wait(1).errors
    assert "'P'" in failure.message and "generator" in failure.message


@pytest.mark.parametrize("port", ["", "  ", 7])
def test_a_port_of_emit_is_a_text_that_is_not_blank(port):
    with pytest.raises(ValueError, match="port"):
        af.Emit(1, port=port)


@pytest.mark.parametrize("what", ["exception class", "nested emit", "coroutine", "class"])
def test_odd_values_are_values_like_any_other(what):
    values = {"exception class": ValueError, "nested emit": [af.Emit(1)], "coroutine": len, "class": dict}
    flow = af.Workflow("odd")
    flow.add(lambda x: values[what], name="a")
    flow.add(lambda x: x is not None, name="b")
    flow.connect("a", "b")
    assert SimulatedEngine().start(flow, 1).wait(1).output is True


def test_a_check_that_fails_names_the_seed_that_repeats_it():
    flow = af.Workflow("explored")
    flow.add(same, name="a")
    with pytest.raises(AssertionError) as caught:
        explore(flow, 1, seeds=range(3, 6), check=lambda result: False)
    assert "seed 3" in caught.value.__notes__[0] and "seeds=[3]" in caught.value.__notes__[0]


def test_sending_to_a_run_that_is_not_open():
    flow = af.Workflow("closed")
    flow.add(same, name="a")
    engine = SimulatedEngine()
    run = engine.start(flow, 1)
    with pytest.raises(af.WrongState):
        run.send(2)
    opened = engine.open(flow)
    opened.send(1)
    opened.close()
    with pytest.raises(af.WrongState):
        opened.send(2)
    with pytest.raises(af.UnknownNode):
        engine.open(flow).send(1, to="b")
    assert opened.wait(1).output == [1]
