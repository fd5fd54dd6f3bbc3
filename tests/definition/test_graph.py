"""The verbs of a graph: what they take, what they refuse at once and in which words."""

import asyncio
import functools
import inspect
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import pytest

from actorflow.definition.handles import Connection, Node
from actorflow.definition.model import All, Collect, Each, First, NodeOptions
from actorflow.errors import ActorflowError, ConditionSyntaxError, InvalidWorkflow, UnknownNode
from actorflow.policies import Mailbox
from actorflow.workflow import Workflow

ENDLESS = []
ENDLESS.append(ENDLESS)


def double(number):
    """Twice the number."""
    return 2 * number


def noop(payload):
    return payload


def flow_of(*names):
    flow = Workflow("ingest", version="2")
    for name in names:
        flow.add(noop, name=name)
    return flow


def codes(flow):
    return [problem.code for problem in flow.problems()]


class TestANode:
    def test_is_made_by_the_bare_decorator_under_the_name_of_its_function(self):
        flow = Workflow("w")

        @flow.node
        def check(order):
            return order

        assert isinstance(check, Node)
        assert check.name == "check"
        assert [node.name for node in flow.build().nodes] == ["check"]

    def test_is_made_by_the_decorator_with_options(self):
        flow = Workflow("w")

        @flow.node(name="other", concurrency=3)
        def check(order):
            return order

        assert check.name == "other"
        assert flow.build().nodes[0].options.concurrency == 3

    def test_is_made_by_the_decorator_with_empty_parentheses(self):
        flow = Workflow("w")

        @flow.node()
        def check(order):
            return order

        assert check.name == "check"

    def test_can_be_called_as_the_plain_function(self):
        assert Workflow("w").add(double)(21) == 42
        assert Workflow("w").add(double)(number=4) == 8

    def test_of_an_async_function_gives_what_the_function_gives(self):
        async def fetch(url):
            return url.upper()

        assert asyncio.run(Workflow("w").add(fetch)("a")) == "A"

    def test_looks_like_its_function(self):
        node = Workflow("w").add(double)
        assert (node.__name__, node.__doc__, node.__module__) == ("double", "Twice the number.", __name__)
        assert node.__wrapped__ is double
        assert list(inspect.signature(node).parameters) == ["number"]

    def test_keeps_its_own_name_whatever_attributes_its_function_has(self):
        def tagged(payload):
            return payload

        tagged._name = tagged._owner = "something else"
        tagged.colour = "red"
        node = Workflow("w").add(tagged)
        assert (node.name, node.colour) == ("tagged", "red")

    def test_does_not_take_the_attributes_of_a_callable_object(self):
        class Handler:
            def __init__(self):
                self._name = self.secret = "x"

            def __call__(self, payload):
                return payload

        node = Workflow("w").add(Handler())
        assert node.name == "Handler"
        assert not hasattr(node, "secret")

    def test_has_a_repr_that_names_it_and_its_workflow(self):
        assert repr(flow_of().add(double)) == "<Node 'double' of 'ingest@2'>"

    def test_is_hashable_and_equals_only_itself(self):
        flow = Workflow("w")
        first, second = flow.add(double, name="a"), flow.add(double, name="b")
        assert len({first, second, first}) == 2

    def test_has_a_name_that_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            Workflow("w").add(double).name = "other"

    @pytest.mark.parametrize(
        ("function", "name"),
        [
            (lambda payload: payload, "lambda"),
            (functools.partial(functools.partial(noop)), "noop"),
            ([].append, "append"),
            (dict, "dict"),
        ],
    )
    def test_has_a_default_name_for_each_kind_of_callable(self, function, name):
        assert Workflow("w").add(function).name == name

    def test_may_be_added_again_under_another_name(self):
        flow = Workflow("w")
        first = flow.add(double)
        second = flow.add(first, name="again")
        assert second.name == "again"
        assert second.__wrapped__ is double

    def test_shares_its_options_with_the_nodes_that_have_the_same(self):
        flow = Workflow("w")
        for number in range(3):
            flow.add(noop, name=f"plain{number}")
            flow.add(noop, name=f"limited{number}", timeout=10, concurrency=2)
        options = [node.options for node in flow.build().nodes]
        assert len({id(each) for each in options}) == 2
        assert options[0] == NodeOptions()
        assert options[1] == NodeOptions(timeout=10.0, concurrency=2)

    def test_keeps_all_its_options(self):
        mailbox = Mailbox(capacity=5)
        flow = Workflow("w")
        flow.add(noop, concurrency=2, timeout=1, mailbox=mailbox, ports=["Valid", "BAD"], accepts=int, emits=list[int], pinned=True)
        expected = NodeOptions(
            concurrency=2, timeout=1.0, mailbox=mailbox, ports=frozenset({"valid", "bad"}), accepts=int, emits=list[int], pinned=True
        )
        assert flow.build().nodes[0].options == expected

    def test_may_declare_a_type_that_has_no_hash(self):
        flow = Workflow("w")

        class Odd(type):
            __hash__ = None

        flow.add(noop, accepts=Odd("Thing", (), {}))
        assert codes(flow) == []


class TestBadNodes:
    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"name": ""}, ValueError, "name of a node must not be blank"),
            ({"name": " \t"}, ValueError, "name of a node must not be blank"),
            ({"name": 7}, TypeError, "name of a node must be a text, not 7"),
            ({"name": "a\nb"}, ValueError, "name of a node must be of printable characters: 'a\\nb'"),
            ({"name": "x" * 129}, ValueError, "name of a node must have at most 128 characters, not 129"),
            ({"concurrency": 0}, ValueError, "concurrency of node 'noop' must be at least 1, not 0"),
            ({"concurrency": -3}, ValueError, "concurrency of node 'noop' must be at least 1, not -3"),
            ({"concurrency": True}, TypeError, "concurrency of node 'noop' must be a whole number of at least 1, not True"),
            ({"concurrency": 1.0}, TypeError, "concurrency of node 'noop' must be a whole number of at least 1, not 1.0"),
            ({"concurrency": None}, TypeError, "concurrency of node 'noop' must be a whole number of at least 1, not None"),
            ({"timeout": 0}, ValueError, "timeout of node 'noop' must be more than 0 seconds, not 0; for no limit use None"),
            ({"timeout": -1.5}, ValueError, "timeout of node 'noop' must be more than 0 seconds, not -1.5; for no limit use None"),
            ({"timeout": 1e-12}, ValueError, "timeout of node 'noop' must be more than 0 seconds, not 1e-12"),
            ({"timeout": float("nan")}, ValueError, "timeout of node 'noop' must be more than 0 seconds, not nan; for no limit use None"),
            ({"timeout": float("inf")}, ValueError, "timeout of node 'noop' must be at most 1e+09 seconds, not inf; for no limit use None"),
            ({"timeout": True}, TypeError, "timeout of node 'noop' must be a number of seconds, not True; for no limit use None"),
            ({"timeout": "10"}, TypeError, "timeout of node 'noop' must be a number of seconds, not '10'; for no limit use None"),
            ({"timeout": Decimal(1)}, TypeError, "timeout of node 'noop' must be a number of seconds, not Decimal('1')"),
            ({"join": "some"}, ValueError, "join of node 'noop', as a text, must be 'all', 'any', 'each' or 'collect', not 'some'"),
            ({"join": 0}, ValueError, "join of node 'noop' must be at least 1, not 0"),
            ({"join": True}, TypeError, "join of node 'noop' must be 'all', 'any', 'each', 'collect', a whole number or af.Collect(...)"),
            ({"join": All()}, TypeError, "join of node 'noop' must be 'all', 'any', 'each', 'collect', a whole number or af.Collect(...)"),
            ({"mailbox": 100}, TypeError, "mailbox of node 'noop' must be an af.Mailbox, not 100"),
            ({"ports": "valid"}, TypeError, "ports of node 'noop' must be a list of names, not 'valid'"),
            ({"ports": 5}, TypeError, "ports of node 'noop' must be a list of names, not 5"),
            ({"ports": ["ok", " "]}, ValueError, "each of the ports of node 'noop' must not be blank"),
            ({"ports": ["*"]}, ValueError, "ports of node 'noop' must name ports, not '*'; the primary port is always there"),
            ({"ports": [None]}, ValueError, "ports of node 'noop' must name ports, not None"),
            ({"accepts": "int"}, TypeError, "accepts of node 'noop' must be a class or a type like list[int], not 'int'"),
            (
                {"emits": (int, str)},
                TypeError,
                "emits of node 'noop' must be a class or a type like list[int], not (<class 'int'>, <class 'str'>)",
            ),
            ({"pinned": 1}, TypeError, "pinned of node 'noop' must be True or False, not 1"),
            ({"stream": "yes"}, TypeError, "stream of node 'noop' must be True or False, not 'yes'"),
            ({"args": {}}, TypeError, "args of node 'noop' are for a class, and its handler is none"),
            ({"retry": 3}, TypeError, "unexpected keyword argument 'retry'"),
        ],
    )
    def test_are_refused_at_once_in_words(self, options, error, text):
        flow = Workflow("w")
        with pytest.raises(error) as caught:
            flow.add(noop, **options)
        assert text in str(caught.value)
        assert codes(flow) == ["NoNodes"], "nothing of it stays"

    @pytest.mark.parametrize("function", [None, 5, "noop", []])
    def test_need_something_to_call(self, function):
        with pytest.raises(TypeError, match=f"its handler is a {type(function).__name__}, which cannot be called"):
            Workflow("w").add(function)

    def test_are_no_instances_of_class_nodes(self):
        class Stock:
            def receive(self, payload):
                return payload

        with pytest.raises(TypeError, match="its handler is an instance of Stock; give the class, of which each run makes one"):
            Workflow("w").add(Stock())

    @pytest.mark.parametrize(
        ("inputs", "error", "text"),
        [
            ("rows", TypeError, "inputs must be a mapping from slots to values and references, not a str"),
            ({"rows": "${fetch.output"}, ValueError, "inputs['rows']: "),
        ],
    )
    def test_with_inputs_that_cannot_be_read_are_refused_at_once(self, inputs, error, text):
        with pytest.raises(error) as caught:
            Workflow("w").add(noop, inputs=inputs)
        assert text in str(caught.value)

    def test_given_a_text_by_the_decorator_learn_how_a_name_is_given(self):
        with pytest.raises(TypeError, match="node takes the function; to give it a name write name='check'"):
            Workflow("w").node("check")

    @pytest.mark.parametrize(
        ("args", "text"),
        [
            ([1], "args of node 'dict' must be a mapping of names to values, not [1]"),
            ({1: 2}, "args of node 'dict' must have texts as names, not 1"),
            ({"rows": ENDLESS}, "'rows' in args of node 'dict' contains itself"),
        ],
    )
    def test_of_a_class_need_arguments_by_name(self, args, text):
        with pytest.raises(TypeError) as caught:
            Workflow("w").add(dict, args=args)
        assert text in str(caught.value)

    def test_of_another_workflow_are_refused_naming_both(self):
        node = Workflow("billing").add(double)
        with pytest.raises(ValueError) as caught:
            flow_of().add(node)
        assert str(caught.value) == (
            "node 'double' belongs to workflow 'billing@1', not to workflow 'ingest@2'; "
            "workflows share functions, not nodes: add double.__wrapped__ here"
        )

    def test_of_a_workflow_of_the_same_name_are_refused_too(self):
        node = Workflow("w").add(double)
        with pytest.raises(ValueError, match="belongs to another workflow 'w@1', not to workflow 'w@1'"):
            Workflow("w").add(node)


class TestAConnection:
    def test_comes_back_as_a_record_of_names(self):
        flow = flow_of("parse", "store")
        connection = flow.connect("parse", "store", on="all", when="output > 1", port="Out", to="row", types=int)
        assert isinstance(connection, Connection)
        assert (connection.source, connection.target, connection.on, connection.port, connection.to) == (
            "parse",
            "store",
            "all",
            "out",
            "row",
        )
        assert connection.types == (int,)
        assert connection.when.text == "output > 1"
        assert connection.label == "'parse.out' -> 'store'"

    def test_has_a_repr_that_shows_what_is_not_the_default(self):
        assert repr(flow_of().connect("a", "b")) == "Connection('a' -> 'b')"
        assert repr(flow_of().connect("a", "b", on="fail", back=True)) == "Connection('a' -> 'b', on='fail', back=True)"

    def test_takes_names_nodes_and_functions(self):
        flow = Workflow("w")
        node = flow.add(double)
        flow.add(noop)
        assert flow.connect(node, noop) is flow.connect("double", "noop") is flow.connect(double, noop)

    def test_may_name_a_node_that_is_added_later(self):
        flow = Workflow("w")
        flow.connect("double", "noop")
        flow.add(double)
        flow.add(noop)
        assert len(flow.build().connections) == 1

    def test_takes_texts_of_an_enum(self):
        class Name(StrEnum):
            FIRST = "first"

        assert flow_of().connect(Name.FIRST, "b").source == "first"

    def test_made_twice_in_the_same_way_is_one(self):
        flow = flow_of("a", "b")
        test = lambda message: True
        ways = [
            {},
            {"port": "x"},
            {"port": "X"},
            {"when": "output"},
            {"when": test},
            {"to": "s"},
            {"types": (int, str)},
            {"types": int | str},
        ]
        for way in [*ways, *ways]:
            flow.connect("a", "b", **way)
        assert len(flow.build().connections) == 6

    def test_that_differs_in_type_port_condition_or_slot_is_kept(self):
        flow = flow_of("a", "b")
        for way in [
            {},
            {"on": "fail"},
            {"port": "x"},
            {"when": "output"},
            {"when": "!output"},
            {"to": "s"},
            {"types": int},
            {"types": str},
        ]:
            flow.connect("a", "b", **way)
        assert len(flow.build().connections) == 8

    def test_with_a_bound_method_as_condition_is_one_however_often_it_is_made(self):
        class Rules:
            def check(self, message):
                return True

        rules, flow = Rules(), flow_of()
        assert flow.connect("a", "b", when=rules.check) is flow.connect("a", "b", when=rules.check)
        assert flow.connect("a", "b", when=rules.check) is not flow.connect("a", "b", when=Rules().check)

    def test_may_have_a_condition_that_has_no_hash(self):
        @dataclass
        class Above:
            limit: int

            def __call__(self, message):
                return message.payload > self.limit

        flow = flow_of()
        assert flow.connect("a", "b", when=Above(1)) is flow.connect("a", "b", when=Above(1))
        assert flow.connect("a", "b", when=Above(1)) is not flow.connect("a", "b", when=Above(2))

    @pytest.mark.parametrize("blank", [None, "", "  \n"])
    def test_without_a_condition_is_always_taken(self, blank):
        assert flow_of().connect("a", "b", when=blank).when is None

    def test_with_the_same_condition_text_shares_its_condition(self):
        flow = flow_of()
        assert flow.connect("a", "b", when="output > 1").when is flow.connect("b", "c", when="output > 1").when

    @pytest.mark.parametrize(
        ("types", "expected"),
        [
            (None, ()),
            (int, (int,)),
            ((int, str, int), (int, str)),
            ([int], (int,)),
            (int | str, (int, str)),
            (int | None, (int, type(None))),
        ],
    )
    def test_takes_classes_and_unions_as_types(self, types, expected):
        assert flow_of().connect("a", "b", types=types).types == expected

    def test_leads_by_default_to_the_slot_named_after_its_source(self):
        flow = flow_of("a", "b")
        flow.connect("a", "b")
        flow.connect("a", "b", to="row")
        definition = flow.build()
        assert [connection.slot for connection in definition.connections] == ["a", "row"]
        assert definition.connections[0].slot is definition.nodes[0].name

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"on": "error"}, ValueError, "on of connection 'a' -> 'b' must be 'complete', 'fail' or 'all', not 'error'"),
            ({"on": None}, TypeError, "on of connection 'a' -> 'b' must be 'complete', 'fail' or 'all', not None"),
            ({"when": 5}, TypeError, "when of connection 'a' -> 'b' must be a condition text or a callable, not 5"),
            ({"port": ""}, ValueError, "port of connection 'a' -> 'b' must not be blank; for the primary port use None"),
            ({"port": "  "}, ValueError, "port of connection 'a' -> 'b' must not be blank; for the primary port use None"),
            ({"port": 1}, TypeError, "port of connection 'a' -> 'b' must be a text or None (the primary port), not 1"),
            ({"to": ""}, ValueError, "to (the input slot) of connection 'a' -> 'b' must not be blank"),
            ({"to": 3}, TypeError, "to (the input slot) of connection 'a' -> 'b' must be a text, not 3"),
            ({"types": "int"}, TypeError, "types of connection 'a' -> 'b' must be classes, not 'int'; a type filter asks isinstance()"),
            ({"types": list[int]}, TypeError, "types of connection 'a' -> 'b' must be classes, not list[int]"),
            ({"types": ()}, ValueError, "types of connection 'a' -> 'b' must not be empty; for any type use None"),
            ({"enabled": 1}, TypeError, "enabled of connection 'a' -> 'b' must be True or False, not 1"),
            ({"back": "yes"}, TypeError, "back of connection 'a' -> 'b' must be True or False, not 'yes'"),
            ({"back": True, "limit": 0}, ValueError, "limit of connection 'a' -> 'b' must be at least 1, not 0"),
            ({"back": True, "limit": True}, TypeError, "limit of connection 'a' -> 'b' must be a whole number of at least 1, not True"),
            ({"back": True, "limit": None}, TypeError, "limit of connection 'a' -> 'b' must be a whole number of at least 1, not None"),
            ({"limit": 5}, ValueError, "limit of connection 'a' -> 'b' is given, but only a connection with back=True has one"),
            ({"priority": 1}, TypeError, "unexpected keyword argument 'priority'"),
        ],
    )
    def test_with_a_bad_option_is_refused_at_once_in_words(self, options, error, text):
        flow = flow_of("a", "b")
        with pytest.raises(error) as caught:
            flow.connect("a", "b", **options)
        assert text in str(caught.value)
        assert flow.build().connections == ()

    def test_with_a_condition_that_cannot_be_read_is_refused_at_once(self):
        with pytest.raises(ConditionSyntaxError) as caught:
            flow_of("a", "b").connect("a", "b", when="output.total >")
        assert caught.value.text == "output.total >"


class TestWhatStandsForANode:
    @pytest.mark.parametrize("verb", ["connect", "chain", "entry", "output"])
    def test_must_be_of_this_workflow(self, verb):
        foreign = Workflow("billing").add(double)
        flow = flow_of("a")
        with pytest.raises(ValueError, match="node 'double' belongs to workflow 'billing@1', not to workflow 'ingest@2'"):
            getattr(flow, verb)("a", foreign)

    def test_must_be_a_function_that_was_added(self):
        with pytest.raises(UnknownNode) as caught:
            flow_of("a").connect("a", double)
        assert str(caught.value) == (
            "target of a connection: function 'double' is no node of workflow 'ingest@2'; add it first, or write the node's name"
        )
        assert caught.value.node == "double"
        assert isinstance(caught.value, LookupError)

    def test_must_not_be_a_function_of_several_nodes(self):
        flow = flow_of("a", "b")
        with pytest.raises(ValueError) as caught:
            flow.connect(noop, "b")
        assert str(caught.value) == (
            "source of a connection: function 'noop' is several nodes of workflow 'ingest@2', 'a', 'b'; write the name of the one meant"
        )

    def test_is_listed_in_short_when_there_are_many(self):
        flow = flow_of(*"abcdefgh")
        with pytest.raises(ValueError, match="'a', 'b', 'c', 'd', 'e' and 3 more; write the name"):
            flow.entry(noop)

    def test_may_be_a_bound_method_or_an_object_without_a_hash(self):
        class Shop:
            __hash__ = None

            def __eq__(self, other):
                raise AssertionError("nobody compares handlers that have no hash")

            def __call__(self, payload):
                return payload

        class Till:
            def take(self, payload):
                return payload

        shop, till, flow = Shop(), Till(), Workflow("w")
        flow.add(shop)
        flow.add(till.take)
        assert flow.connect(shop, till.take).label == "'Shop' -> 'take'"

    @pytest.mark.parametrize("thing", [None, 5, ["a"]])
    def test_is_nothing_else(self, thing):
        with pytest.raises(TypeError, match="source of a connection must be a name, a node or a function, not"):
            flow_of("a").connect(thing, "a")

    def test_is_no_name_with_control_characters(self):
        with pytest.raises(ValueError, match="target of a connection must be of printable characters"):
            flow_of("a").connect("a", "b\x1b[2J")


class TestAChain:
    def test_connects_each_node_to_the_next(self):
        flow = flow_of("a", "b", "c")
        assert [connection.label for connection in flow.chain("a", "b", "c")] == ["'a' -> 'b'", "'b' -> 'c'"]
        assert len(flow.build().connections) == 2

    def test_of_one_node_connects_nothing(self):
        assert flow_of("a").chain("a") == ()

    def test_with_one_bad_node_connects_nothing(self):
        flow = flow_of("a", "b", "c")
        with pytest.raises(TypeError):
            flow.chain("a", "b", 7, "c")
        assert flow.build().connections == ()


class TestEntriesAndOutputs:
    def test_are_by_default_the_nodes_without_incoming_and_without_outgoing_connections(self):
        flow = flow_of("a", "b", "c", "d")
        flow.chain("a", "b", "c")
        definition = flow.build()
        assert (definition.entries, definition.outputs) == ((0, 3), (2, 3))
        assert definition.named_outputs is False

    def test_may_be_named_and_several_calls_add_up(self):
        flow = flow_of("a", "b", "c")
        flow.entry("c")
        flow.entry("a", "c")
        flow.output("b")
        flow.output("a")
        definition = flow.build()
        assert (definition.entries, definition.outputs) == ((2, 0), (1, 0))
        assert definition.named_outputs is True

    @pytest.mark.parametrize("verb", ["entry", "output"])
    def test_need_a_node(self, verb):
        with pytest.raises(TypeError, match=f"{verb} needs at least one node"):
            getattr(flow_of("a"), verb)()


class TestOutputs:
    def test_leave_out_what_is_reached_only_through_failures(self):
        flow = flow_of("a", "b", "alarm", "report")
        flow.connect("a", "b")
        flow.connect("b", "alarm", on="fail")
        flow.connect("alarm", "report")
        assert flow.build().outputs == (1,)

    def test_take_in_what_is_reached_through_all(self):
        flow = flow_of("a", "b")
        flow.connect("a", "b", on="all")
        assert flow.build().outputs == (1,)

    def test_do_not_care_for_back_and_disabled_connections(self):
        flow = flow_of("a", "b", "c")
        flow.connect("a", "b")
        flow.connect("b", "a", back=True)
        flow.connect("b", "c", enabled=False)
        assert flow.build().outputs == (1,)

    def test_leave_out_what_no_run_reaches(self):
        flow = flow_of("a", "b")
        flow.entry("a")
        assert flow.build().outputs == (0,)


class TestDefaultEntries:
    def test_leave_out_a_node_whose_connections_are_all_disabled(self):
        flow = flow_of("a", "b", "c")
        flow.chain("a", "b")
        flow.connect("b", "c", enabled=False)
        assert flow.build().entries == (0,)

    def test_take_in_a_node_that_only_a_back_connection_leads_to(self):
        flow = flow_of("a", "b")
        flow.connect("a", "b")
        flow.connect("b", "a", back=True)
        assert flow.build().entries == (0,)

    def test_take_in_a_node_with_a_disabled_back_connection(self):
        flow = flow_of("a")
        flow.connect("a", "a", back=True, enabled=False)
        assert flow.build().entries == (0,)


class TestJoins:
    @pytest.mark.parametrize(
        ("join", "one", "several"),
        [
            (None, None, All()),
            ("all", None, All()),
            ("any", None, First(1, listed=False)),
            ("each", None, Each()),
            (1, None, First(1, listed=True)),
            ("collect", Collect(), Collect()),
            (Collect(scope="run", limit=3), Collect(scope="run", limit=3), Collect(scope="run", limit=3)),
        ],
    )
    def test_depend_on_the_number_of_connections(self, join, one, several):
        for sources, expected in ((["a"], one), (["a", "b"], several)):
            flow = flow_of("a", "b")
            flow.add(noop, name="target", join=join)
            for source in sources:
                flow.connect(source, "target")
            flow.connect("b", "target", enabled=False)
            flow.connect("target", "target", back=True, enabled=False)
            assert flow.build().nodes[2].join == expected

    def test_with_a_number_give_it(self):
        flow = flow_of("a", "b")
        flow.add(noop, name="target", join=2)
        flow.connect("a", "target")
        flow.connect("b", "target")
        assert flow.build().nodes[2].join == First(2, listed=True)

    def test_do_not_count_back_connections(self):
        flow = flow_of("a", "target")
        flow.connect("a", "target")
        flow.connect("target", "target", back=True, port="again")
        assert flow.build().nodes[1].join is None


class TestABuiltWorkflow:
    def test_has_nodes_and_connections_in_the_order_they_were_added(self):
        flow = flow_of("c", "a", "b")
        flow.connect("a", "b")
        flow.connect("c", "b")
        definition = flow.build()
        assert [(node.index, node.name) for node in definition.nodes] == [(0, "c"), (1, "a"), (2, "b")]
        assert [(link.index, link.source, link.target) for link in definition.connections] == [(0, 1, 2), (1, 0, 2)]
        assert dict(definition.index_of) == {"c": 0, "a": 1, "b": 2}
        assert definition.label == "ingest@2"

    def test_does_not_change_with_the_workflow_it_came_from(self):
        flow = flow_of("a")
        before = flow.build()
        flow.add(noop, name="b")
        flow.connect("a", "b")
        after = flow.build()
        assert (len(before.nodes), len(before.connections), before.outputs) == (1, 0, (0,))
        assert (len(after.nodes), len(after.connections), after.outputs) == (2, 1, (1,))
        assert "b" not in before.index_of

    def test_cannot_be_changed(self):
        definition = flow_of("a").build()
        with pytest.raises(AttributeError):
            definition.name = "other"
        with pytest.raises(TypeError):
            definition.index_of["b"] = 1

    def test_that_has_errors_is_refused_with_all_of_them_and_the_warnings(self):
        flow = Workflow("")
        flow.connect("a", "b")
        with pytest.raises(InvalidWorkflow) as caught:
            flow.build()
        assert [problem.code for problem in caught.value.problems] == ["NoNodes", "UnknownNode", "UnknownNode", "EmptyName"]
        assert isinstance(caught.value, ActorflowError)
        assert "has 3 errors" in str(caught.value)

    def test_carries_its_warnings(self):
        warnings = flow_of("a", "b").build().warnings
        assert [problem.code for problem in warnings] == ["SeveralEntries"]

    def test_can_be_built_again_after_a_refusal(self):
        flow = flow_of("a")
        flow.connect("a", "b")
        with pytest.raises(InvalidWorkflow):
            flow.build()
        flow.add(noop, name="b")
        assert len(flow.build().nodes) == 2
