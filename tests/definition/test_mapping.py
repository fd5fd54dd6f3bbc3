"""`inputs=`: references keep the types of what they refer to, and one that has no value is an error that says where."""

import dataclasses
from collections import OrderedDict, namedtuple
from types import MappingProxyType

import msgspec
import pytest

from actorflow.definition.handler import make_handler
from actorflow.definition.mapping import Inputs, parse_inputs
from actorflow.errors import PayloadError


class Row(msgspec.Struct):
    id: int
    tags: list[str] = []


@dataclasses.dataclass
class Box:
    item: object

    @property
    def computed(self):
        raise AssertionError("user code ran")


Point = namedtuple("Point", "x y")


class Opaque:
    def __getattr__(self, name):
        if not name.startswith("__"):  # pytest looks for some of those
            raise AssertionError("user code ran")
        raise AttributeError(name)


ROWS = [{"id": 1}, {"id": 2}]
MARK = object()
OUTPUTS = {
    "fetch": {"rows": ROWS, "total": 2, "name": "x", "none": None, "a key": 1, "row": Row(5, ["t"]), "box": Box([1]), "point": Point(1, 2)},
    "opaque": Opaque(),
    "mark": MARK,
    "my node": {"a": 1},
    "fetch-rows": [1, 2],
    "dotted.name": {"a": 2},
    "x.output": "odd",
    "variables": "a node",
    "it's": "quoted",
    'a "b"': "doubly",
    "workflow": "another node",
    "naïve": "accented",
    "none": None,
    "text": "abc",
    "brace}": "braced",
}
INPUT = {"id": 7, "name": "order", "lines": [{"sku": "s"}], "none": None}
VARIABLES = MappingProxyType({"limit": 10, "region": "eu", "deep": {"a": [1]}})


def resolved(value, outputs=OUTPUTS, run_input=INPUT, variables=VARIABLES):
    return parse_inputs({"slot": value}).resolve(outputs.__getitem__, run_input, variables, node="store")["slot"]


WHOLE = [
    ("${fetch.output}", OUTPUTS["fetch"]),
    ("${fetch.output.rows}", ROWS),
    ("${fetch.output.rows[0]}", {"id": 1}),
    ("${fetch.output.rows[-1].id}", 2),
    ("${fetch.output.rows[1]['id']}", 2),
    ('${fetch.output["a key"]}', 1),
    ("${fetch.output['a key']}", 1),
    ("${ fetch.output.total }", 2),
    ("${fetch.output.none}", None),
    ("${fetch.output.row}", OUTPUTS["fetch"]["row"]),
    ("${fetch.output.row.id}", 5),
    ("${fetch.output.row.tags[0]}", "t"),
    ("${fetch.output.box.item[0]}", 1),
    ("${fetch.output.point.y}", 2),
    ("${fetch.output.point[0]}", 1),
    ("${mark.output}", MARK),
    ("${opaque.output}", OUTPUTS["opaque"]),
    ("${none.output}", None),
    ("${my node.output.a}", 1),
    ("${'my node'.output.a}", 1),
    ('${"my node".output["a"]}', 1),
    ("${fetch-rows.output[0]}", 1),
    ("${dotted.name.output.a}", 2),
    ("${'x.output'.output}", "odd"),
    ("${'variables'.output}", "a node"),
    ('${"it\'s".output}', "quoted"),
    ("${'it\\'s'.output}", "quoted"),
    ("${'a \"b\"'.output}", "doubly"),
    ("${'brace}'.output}", "braced"),
    ("${workflow.output}", "another node"),
    ("${naïve.output}", "accented"),
    ("${workflow.input}", INPUT),
    ("${workflow.input.id}", 7),
    ("${workflow.input.lines[0].sku}", "s"),
    ("${workflow.input['name']}", "order"),
    ("${workflow.input.none}", None),
    ("${variables.limit}", 10),
    ("${variables['region']}", "eu"),
    ("${variables.deep.a[0]}", 1),
    ("${variables}", dict(VARIABLES)),
]


@pytest.mark.parametrize(("text", "expected"), WHOLE)
def test_a_text_that_is_one_reference_becomes_the_value_itself(text, expected):
    value = resolved(text)
    assert value == expected and type(value) is type(expected)


def test_a_reference_gives_the_very_object():
    assert resolved("${mark.output}") is MARK
    assert resolved("${fetch.output.rows}") is ROWS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("region ${variables.region}", "region eu"),
        ("${variables.region} region", "eu region"),
        ("${variables.region}${fetch.output.name}", "eux"),
        ("${variables.region}-${workflow.input.name}-${text.output}", "eu-order-abc"),
        (" ${variables.region}", " eu"),
        ("$${variables.region}", "${variables.region}"),
        ("$${x} ${variables.region}", "${x} eu"),
        ("$${", "${"),
        ("$$${", "$${"),
        ("costs 5$", "costs 5$"),
        ("$x {y} $ {z}", "$x {y} $ {z}"),
        ("}", "}"),
        ("", ""),
    ],
)
def test_references_in_a_text_are_put_into_it(text, expected):
    assert resolved(text) == expected


@pytest.mark.parametrize(
    "value", [0, 1.5, None, True, "text", (1, 2), [1, [2]], {"a": {"b": 1}}, {1: 2}, b"${x}", {"a", "b"}, Row(1), {}, []], ids=repr
)
def test_what_holds_no_reference_stands_for_itself(value):
    assert resolved(value) == value and type(resolved(value)) is type(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["${fetch.output.total}", 5, "x"], [2, 5, "x"]),
        (("${fetch.output.total}", "a ${variables.region}"), (2, "a eu")),
        ({"a": "${fetch.output.rows}", "b": {"c": ["${variables.limit}"]}, 3: "k"}, {"a": ROWS, "b": {"c": [10]}, 3: "k"}),
        ([[["${variables.limit}"]]], [[[10]]]),
        ({"a": [], "b": "${variables.limit}"}, {"a": [], "b": 10}),
        ({"a": "$${x}"}, {"a": "${x}"}),
    ],
)
def test_containers_are_looked_through(value, expected):
    assert resolved(value) == expected


def test_other_containers_are_not_looked_through():
    value = OrderedDict(a="${variables.limit}")
    assert resolved(value) is value


def test_constants_are_not_shared_between_runs_nor_with_who_wrote_them():
    written = {"list": [1], "template": ["${variables.limit}", [1]]}
    inputs = parse_inputs(written)
    written["list"].append(2)
    first, second = (inputs.resolve(OUTPUTS.__getitem__, INPUT, VARIABLES) for _ in range(2))
    assert first == second == {"list": [1], "template": [10, [1]]}
    assert first["list"] is not second["list"]
    assert first["template"][1] is not second["template"][1]
    assert inputs.source == {"list": [1], "template": ["${variables.limit}", [1]]}


def test_the_nodes_that_are_referred_to_are_told_with_the_slot():
    inputs = parse_inputs(
        {
            "a": "${fetch.output.x} ${store.output}",
            "b": ["${fetch.output}", {"c": "${'my node'.output[0]}"}],
            "d": "${workflow.input}",
            "e": "$${no.output}",
        }
    )
    assert inputs.nodes == {"fetch": "a", "store": "a", "my node": "b"}
    assert inputs.slots == ("a", "b", "d", "e")
    assert repr(inputs) == "Inputs(a, b, d, e)"
    assert isinstance(inputs, Inputs)


# --- what has no value -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "place", "text", "path"),
    [
        ("${fetch.output.row5}", "slot", "${fetch.output.row5} has no value: there is nothing at $.row5", "$.row5"),
        ("${fetch.output.rows[2]}", "slot", "there is nothing at $.rows[2]", "$.rows[2]"),
        ("${fetch.output.rows[0].name}", "slot", "there is nothing at $.rows[0].name", "$.rows[0].name"),
        ("${fetch.output.none.a}", "slot", "there is nothing at $.none.a", "$.none.a"),
        ("${fetch.output.total.a}", "slot", "there is nothing at $.total.a", "$.total.a"),
        ("${fetch.output.row.nothing}", "slot", "there is nothing at $.row.nothing", "$.row.nothing"),
        ("${none.output.a}", "slot", "there is nothing at $.a", "$.a"),
        ("${gone.output}", "slot", "${gone.output} has no value: node 'gone' has not completed", "$"),
        ("${gone.output.a}", "slot", "node 'gone' has not completed", "$.a"),
        ("${workflow.input.nothing}", "slot", "${workflow.input.nothing} has no value: there is nothing at $.nothing", "$.nothing"),
        ("${variables.nothing}", "slot", "there is nothing at $.nothing", "$.nothing"),
        ("${opaque.output.a}", "slot", "a path leads into an object that is not plain", "$.a"),
        ("${fetch.output.box.computed}", "slot", "there is nothing at $.box.computed", "$.box.computed"),
        ("a ${fetch.output.row5}", "slot", "there is nothing at $.row5", "$.row5"),
        (["x", {"k": "${fetch.output.row5}"}], "slot[1]['k']", "there is nothing at $.row5", "$.row5"),
        (
            "no ${workflow.input.id}",
            "slot",
            "${workflow.input.id} stands in a text and must give a text, not `int`; standing alone it keeps its type",
            "$.id",
        ),
        ("no ${fetch.output.none}", "slot", "must give a text, not `NoneType`", "$.none"),
        ({"a": "x ${fetch.output.rows}"}, "slot['a']", "must give a text, not `list`", "$.rows"),
    ],
)
def test_a_reference_without_a_value_is_an_error_that_names_field_and_path(value, place, text, path):
    with pytest.raises(PayloadError) as caught:
        resolved(value)
    error = caught.value
    assert str(error).startswith(f"input {place!r} of node 'store': ")
    assert text in str(error)
    assert (error.node, error.slot, error.path) == ("store", "slot", path)
    assert error.__context__ is None


def test_no_error_shows_a_value():
    for value in ("no ${workflow.input.secret}", "${workflow.input.secret.a}", "${workflow.input.secret[5]}"):
        with pytest.raises(PayloadError) as caught:
            resolved(value, run_input={"secret": ["hidden"]})
        assert "hidden" not in str(caught.value)


def test_a_path_into_a_run_input_that_is_not_plain_runs_no_code_of_it():
    with pytest.raises(PayloadError, match="not plain"):
        resolved("${workflow.input.a}", run_input=Opaque())


# --- what cannot be read -----------------------------------------------------------------------------------------------------

KINDS = "a reference is ${node.output...}, ${workflow.input...} or ${variables...}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${", "'${' is not closed by a brace"),
        ("a ${fetch.output", "'${fetch.output' is not closed by a brace"),
        ("${'a.output}", "is not closed by a brace"),
        ("${a.output ${b.output}", "is not closed by a brace"),
        ("${" + "x" * 1000, "'${" + "x" * 38 + "' is not closed by a brace"),
        ("${}", f"${{}} cannot be read: {KINDS}"),
        ("${ }", KINDS),
        ("${fetch}", KINDS),
        ("${fetch.rows}", KINDS),
        ("${fetch.outputs}", KINDS),
        ("${.output}", KINDS),
        ("${workflow}", KINDS),
        ("${workflow.inputs.a}", KINDS),
        ("${workflow.id}", KINDS),
        ("${variable.x}", KINDS),
        ("${fetch.output.}", "expected a name after '.'"),
        ("${fetch.output..a}", "expected a name after '.'"),
        ("${fetch.output[}", "cannot be read"),
        ("${fetch.output[0}", "expected ']'"),
        ("${fetch.output[a]}", "cannot be read"),
        ("${fetch.output[1.5]}", "cannot be read"),
        ("${fetch.output.a + 1}", "only a path may follow, like .rows[0]['key']"),
        ("${fetch.output.a == 1}", "only a path may follow"),
        ("${fetch.output.a and true}", "only a path may follow"),
        ("${fetch.output.__class__}", "a name with '__' is refused"),
        ("${workflow.input.a b}", "cannot be read"),
        ("${variables.a.b c}", "cannot be read"),
        ("ok ${variables.a} and ${nothing}", "${nothing} cannot be read"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_at_once_and_the_slot_named(text, message):
    with pytest.raises(ValueError) as caught:
        parse_inputs({"fine": 1, "slot": text})
    assert str(caught.value).startswith("inputs['slot']: ")
    assert message in str(caught.value)
    with pytest.raises(ValueError) as caught:
        parse_inputs({"slot": [1, {"k": text}]})
    assert str(caught.value).startswith("inputs['slot'][1]['k']: ")


@pytest.mark.parametrize(
    ("mapping", "error", "message"),
    [
        ("text", TypeError, "inputs must be a mapping"),
        (None, TypeError, "inputs must be a mapping"),
        ([("a", 1)], TypeError, "not a list"),
        ({5: "x"}, TypeError, "not from 5"),
        ({" ": "x"}, TypeError, "not blank"),
        ({"a": {"${x.output}": 1}}, ValueError, "inputs['a']: a key cannot hold a reference"),
    ],
)
def test_a_mapping_that_is_none_is_refused(mapping, error, message):
    with pytest.raises(error) as caught:
        parse_inputs(mapping)
    assert message in str(caught.value)


def test_a_template_that_contains_itself_is_refused():
    value: list = ["${variables.limit}"]
    value.append(value)
    with pytest.raises(PayloadError, match=r"inputs\['a'\] contains itself"):
        parse_inputs({"a": value})


def test_no_slots_at_all():
    inputs = parse_inputs({})
    assert (inputs.slots, inputs.nodes, inputs.resolve(OUTPUTS.__getitem__, INPUT, VARIABLES)) == ((), {}, {})


def test_a_handler_is_bound_with_what_was_resolved():
    def store(rows: list[Row], label, limit: int = 5):
        return rows, label, limit

    inputs = parse_inputs({"rows": "${fetch.output.rows}", "label": "for ${workflow.input.name}"})
    handler = make_handler(store, None, node="store", inputs=inputs.slots)
    payload = inputs.resolve(OUTPUTS.__getitem__, INPUT, VARIABLES, node="store")
    assert handler.invoke(payload, None) == ([Row(1), Row(2)], "for order", 5)
