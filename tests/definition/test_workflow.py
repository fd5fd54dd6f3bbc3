"""The options of a whole workflow."""

import pytest

from actorflow.definition.model import WorkflowOptions
from actorflow.workflow import Workflow

ENDLESS = []
ENDLESS.append(ENDLESS)


def noop(payload):
    return payload


def built(*args, **options):
    flow = Workflow(*args, **options)
    flow.add(noop)
    return flow.build()


def test_a_workflow_has_sensible_options_of_its_own():
    definition = built("orders")
    assert (definition.name, definition.version, definition.label) == ("orders", "1", "orders@1")
    assert definition.options == WorkflowOptions()
    assert dict(definition.variables) == {}


def test_a_workflow_passes_on_each_of_its_options():
    options = {
        "timeout": 5,
        "on_failure": "stop",
        "handled_failures": "fail",
        "unrouted": "dead_letter",
        "results": "none",
        "isolation": "share",
    }
    assert built("orders", **options).options == WorkflowOptions(**options)


@pytest.mark.parametrize(("version", "text"), [("1.2b", "1.2b"), (3, "3"), (0, "0")])
def test_a_version_is_a_text_or_a_number(version, text):
    assert Workflow("w", version=version).version == text


def test_name_version_and_label_can_be_read_and_not_changed():
    flow = Workflow("orders", version=2)
    assert (flow.name, flow.version, flow.label) == ("orders", "2", "orders@2")
    with pytest.raises(AttributeError):
        flow.name = "other"


def test_a_workflow_has_a_repr_that_tells_its_size():
    flow = Workflow("orders", version=2)
    flow.add(noop)
    flow.connect("noop", "noop", back=True)
    assert repr(flow) == "Workflow(orders@2, 1 nodes, 1 connections)"


def test_variables_are_copied_when_they_are_given_and_for_each_definition():
    given = {"limits": {"max": 3}}
    flow = Workflow("w", variables=given)
    flow.add(noop)
    first = flow.build()
    given["limits"]["max"] = 99
    first.variables["limits"]["max"] = 98
    flow.add(noop, name="another")
    assert flow.build().variables["limits"] == {"max": 3}


def test_variables_of_a_definition_can_be_neither_added_nor_replaced():
    with pytest.raises(TypeError):
        built("w", variables={"a": 1}).variables["a"] = 2


def test_an_empty_name_is_only_a_warning():
    assert [(problem.level, problem.code) for problem in built("").warnings] == [("warning", "EmptyName")]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"name": None}, TypeError, "name of a workflow must be a text, not None"),
        ({"name": "  "}, ValueError, "name of a workflow must not be blank"),
        ({"name": "a\tb"}, ValueError, "name of a workflow must be of printable characters: 'a\\tb'"),
        ({"name": "x" * 200}, ValueError, "name of a workflow must have at most 128 characters, not 200"),
        ({"version": ""}, ValueError, "version of workflow 'w' must not be blank"),
        ({"version": 1.5}, TypeError, "version of workflow 'w' must be a text, not 1.5"),
        ({"version": True}, TypeError, "version of workflow 'w' must be a text, not True"),
        ({"variables": [1]}, TypeError, "variables of workflow 'w' must be a mapping of names to values, not [1]"),
        ({"variables": {1: 2}}, TypeError, "variables of workflow 'w' must have texts as names, not 1"),
        ({"variables": {"rows": ENDLESS}}, TypeError, "'rows' in variables of workflow 'w' contains itself"),
        ({"timeout": 0}, ValueError, "timeout of workflow 'w' must be more than 0 seconds, not 0; for no limit use None"),
        ({"timeout": float("nan")}, ValueError, "timeout of workflow 'w' must be more than 0 seconds, not nan; for no limit use None"),
        ({"timeout": True}, TypeError, "timeout of workflow 'w' must be a number of seconds, not True; for no limit use None"),
        ({"on_failure": "halt"}, ValueError, "on_failure of workflow 'w' must be 'continue' or 'stop', not 'halt'"),
        ({"handled_failures": "ok"}, ValueError, "handled_failures of workflow 'w' must be 'complete' or 'fail', not 'ok'"),
        ({"unrouted": None}, TypeError, "unrouted of workflow 'w' must be 'count', 'dead_letter' or 'fail', not None"),
        ({"results": True}, TypeError, "results of workflow 'w' must be 'auto', 'all' or 'none', not True"),
        ({"isolation": "none"}, ValueError, "isolation of workflow 'w' must be 'copy' or 'share', not 'none'"),
        ({"max_concurrency": 3}, TypeError, "unexpected keyword argument 'max_concurrency'"),
    ],
)
def test_a_bad_option_is_refused_at_once_in_words(options, error, text):
    with pytest.raises(error) as caught:
        Workflow(**{"name": "w", **options})
    assert text in str(caught.value)
