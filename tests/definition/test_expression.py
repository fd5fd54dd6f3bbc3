"""The condition language by examples: a table a promise."""

import sys
from collections import Counter, OrderedDict, UserDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, FloatOperation, Inexact, InvalidOperation, localcontext
from enum import Enum, IntEnum, StrEnum
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import ClassVar, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from msgspec import UNSET, Struct

from actorflow.definition.expression import CONNECTION_ROOTS, Condition, ConditionFault, parse
from actorflow.errors import ConditionSyntaxError

OUTPUT = {
    "total": 150,
    "price": 0.1,
    "text": "Done",
    "empty": "",
    "number": "5",
    "decimal": "5.50",
    "yes": True,
    "no": False,
    "said_yes": "TRUE",
    "said_no": "False",
    "null": None,
    "zero": 0,
    "list": [1, "A", None, [2, 3], {"k": "v"}],
    "numbers": [1, 2.5, 3],
    "nothing": [],
    "order": {"lines": [{"sku": "x1", "count": 2}, {"sku": "x2", "count": 3}], "total": 7},
    "first-name": "Ada",
    "in": 1,
    "and": {"true": {"len": 3}},
    "größe": 9,
    "nan": float("nan"),
    "inf": float("inf"),
    "big": 2**70,
}
FACTS = SimpleNamespace(
    input={"count": 3},
    variables={"limit": 100, "allowed": ["done", "open"]},
    error=None,
    run={"id": "r-1", "tags": ["night"], "input": {"x": 1}},
    key=(4, 7),
)


def test(text, output=OUTPUT):
    return parse(text).test(output, FACTS)


test.__test__ = False


def value(text, output=OUTPUT):
    return parse(text).value(output, FACTS)


def fault(text, output=OUTPUT):
    with pytest.raises(ConditionFault) as caught:
        test(text, output)
    message = str(caught.value)
    assert len(message) <= 200
    return message


@pytest.mark.parametrize(
    "text",
    [
        "output.total > 100",
        "output.total >= 150",
        "output.total <= 150",
        "output.total < 150.5",
        "output.total == 150",
        "output.total == 150.0",
        "output.total != 151",
        "100 < output.total",
        "output.order.total == 7",
        "output.order.total != 8",
        'output.text == "done"',
        "output.text == 'DONE'",
        "output.text != 'open'",
        "'done' == output.text",
        "output.number == 5",
        "output.number < 6",
        "6 > output.number",
        "output.decimal == 5.5",
        "output.total == '150'",
        "output.total > '149.5'",
        "output.text != 5",
        "output.yes == true",
        "output.yes == True",
        "output.no == FALSE",
        "output.no != true",
        "output.said_yes == true",
        "false == output.said_no",
        "output.said_yes != false",
        "output.null == null",
        "output.null == NULL",
        "output.null != 0",
        "output.zero != null",
        "output.zero != false",
        "1 != true",
        "output.list != 'a'",
        "output.list == output.list",
        "output.numbers != output.list",
        "output.order == output.order",
        "output.inf > 9e300",
        "output.big > 9223372036854775807",
        "output.nan != output.nan",
        "'a' < 'b'",
        "'B' < 'a'",
        "'a' <= 'a'",
        "'10' < '9'",
    ],
)
def test_a_comparison_holds(text):
    assert test(text) is True
    assert value(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "output.total > 150",
        "output.total < 150",
        "output.total == 151",
        "output.total != 150",
        "output.text != 'DONE'",
        "output.text == 'don'",
        "output.text == 5",
        "output.total == 'many'",
        "output.zero == null",
        "output.zero == false",
        "output.empty == null",
        "output.empty == 0",
        "1 == true",
        "'1' == true",
        "output.nan == output.nan",
        "output.nan < 1",
        "output.nan >= 1",
        "output.null != null",
        "output.null < 1",
        "output.null >= 1",
        "null <= null",
        "null >= null",
        "output.list == 1",
        "output.list == output.nothing",
        "output.order == output.list",
        "'a' < 'B'",
    ],
)
def test_a_comparison_does_not_hold(text):
    assert test(text) is False
    assert value(text) is False


@pytest.mark.parametrize("sign", ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains"])
@pytest.mark.parametrize(
    "path",
    [
        "output.missing",
        "output.missing.deeper[3]",
        "output.total.digits",
        "output.text.upper",
        "output.text[0]",
        "output.null.name",
        "output.yes.real",
        "output.list[99]",
        "output.list[-6]",
        "output.list.name",
        "output.order[0]",
        "output.order['lines'][2]",
        "output.Total",
        "error.type",
        "key[2]",
    ],
)
def test_an_absent_path_satisfies_no_comparison(path, sign):
    assert test(f"{path} {sign} 'x'") is False
    assert test(f"null {sign} {path}") is False
    assert test(f"{path} {sign} {path}") is False
    assert test(f"exists({path})") is False
    assert test(path) is False


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("output.order.lines[0].sku", "x1"),
        ("output.order.lines[-1].sku", "x2"),
        ("output.order['lines'][1]['count']", 3),
        ('output["first-name"]', "Ada"),
        ("output.in", 1),
        ("output.and.true.len", 3),
        ("output['größe']", 9),
        ("output['gr\\u00f6\\u00dfe']", 9),
        (" output\n .\ttotal\r\n", 150),
        ("output", OUTPUT),
        ("output.list[3][0]", 2),
        ("output.null", None),
        ("input.count", 3),
        ("variables.limit", 100),
        ("run.tags[0]", "night"),
        ("run.input.x", 1),
        ("key", (4, 7)),
        ("key[-1]", 7),
        ("5", 5),
        ("007", 7),
        ("-5", -5),
        ("- 5", -5),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775807", 2**63 - 1),
        ("2.50", 2.5),
        ("1e3", 1000.0),
        ("1.5E-2", 0.015),
        ("true", True),
        ("FaLsE", False),
        ("Null", None),
        ("'it\\'s'", "it's"),
        ('"say \\"so\\""', 'say "so"'),
        ("'\\\\ \\n\\r\\t \\u20ac'", "\\ \n\r\t €"),
        ("'größe 😀'", "größe 😀"),
        ("''", ""),
    ],
)
def test_a_path_or_a_literal_has_its_value(text, result):
    assert value(text) == result
    assert type(value(text)) is type(result)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 3 - 2", 5),
        ("100 / 10 / 5", 2.0),
        ("7 / 2", 3.5),
        ("2 * 3 / 4 * 2", 3.0),
        ("-output.total + 1", -149),
        ("- -3", 3),
        ("-(1 + 2)", -3),
        ("2 - -3", 5),
        ("1-1", 0),
        ("output.total * 2 - 1.5", 298.5),
        ("9223372036854775806 + 1", 2**63 - 1),
        ("-9223372036854775807 - 1", -(2**63)),
        ("len(output.list) + 1", 6),
        ("len('größe')", 5),
        ("len(output.order)", 2),
        ("len(key)", 2),
        ("len('')", 0),
        ("lower('ÄB')", "äb"),
        ("upper('straße')", "STRASSE"),
        ("lower(upper(output.text))", "done"),
    ],
)
def test_arithmetic_and_functions_have_their_value(text, result):
    assert value(text) == result
    assert type(value(text)) is type(result)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("true and false or true", True),
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("true && !false || false", True),
        ("not false and false", False),
        ("not (false and false)", True),
        ("not 1 == 2", True),
        ("not not true", True),
        ("!!true", True),
        ("!1 == 2", False),
        ("!(1 == 2)", True),
        ("!output.yes == false", True),
        ("!output.zero == false", True),
        ("not output.missing == 1", True),
        ("output.missing or output.text", True),
        ("1 + 1 == 2 and 2 * 2 == 4", True),
        ("1 < 2 == true", None),
        ("(1 < 2) == true", True),
        ("true or output.text < 5", True),
        ("false and output.text < 5", False),
        ("output.missing and output.text < 5", False),
    ],
)
def test_logic_binds_as_written_in_the_opening_of_the_grammar(text, result):
    if result is None:
        with pytest.raises(ConditionSyntaxError, match="comparisons do not chain"):
            parse(text)
    else:
        assert value(text) is result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("output.yes", True),
        ("output.no", False),
        ("output.said_yes", True),
        ("output.said_no", False),
        ("'fAlSe'", False),
        ("'falsehood'", True),
        ("'no'", True),
        ("output.null", False),
        ("output.missing", False),
        ("output.zero", True),
        ("0.0", True),
        ("output.empty", True),
        ("output.nothing", True),
        ("output.nan", True),
        ("output.total", True),
        ("output.total - 150", True),
        ("output.missing + 1", False),
        ("-output.missing", False),
        ("lower(output.missing)", False),
        ("lower('FALSE')", False),
        ("not output.missing", True),
        ("not output.zero", False),
        ("!output.said_no", True),
    ],
)
def test_a_bare_value_has_a_truth(text, result):
    assert test(text) is result
    assert test(f"{text} or false") is result
    assert test(f"({text}) and true") is result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 in output.list", True),
        ("1.0 in output.list", True),
        ("'1' in output.list", True),
        ("'a' in output.list", True),
        ("null in output.list", True),
        ("2 in output.list", False),
        ("2 not in output.list", True),
        ("output.list[3] in output.list", True),
        ("output.list contains 'A'", True),
        ("output.list contains true", False),
        ("output.text in variables.allowed", True),
        ("output.text not in variables.allowed", False),
        ("null in output.nothing", False),
        ("'total' in output", True),
        ("'Total' in output", False),
        ("output contains 'total'", True),
        ("null in output", False),
        ("'on' in output.text", True),
        ("'ON' in output.text", True),
        ("output.text contains 'dO'", True),
        ("'' in output.text", True),
        ("'x' not in output.text", True),
        ("null in output.text", False),
        ("1 in output.null", False),
        ("1 not in output.null", True),
        ("output.null contains 1", False),
        ("7 in key", True),
        ("starts_with(output.text, 'do')", True),
        ("starts_with(output.text, 'one')", False),
        ("ends_with(output.text, 'NE')", True),
        ("starts_with(output.missing, 'a')", False),
        ("starts_with('a', output.missing)", False),
        ("ends_with(output.null, 'a')", False),
        ("exists(output.null)", True),
        ("exists(output)", True),
        ("exists(output.list[-5])", True),
    ],
)
def test_membership_and_parts_of_texts(text, result):
    assert value(text) is result


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("output.text < 5", "a text that is no decimal number at position 12"),
        ("5 >= output.text", "a text that is no decimal number"),
        ("output.empty < 5", "no decimal number"),
        ("'1e3' < 5", "no decimal number"),
        ("' 5' < 6", "no decimal number"),
        ("'٣' < 6", "no decimal number"),
        ("'nan' < 6", "no decimal number"),
        ("'1_0' < 6", "no decimal number"),
        ("'+-1' < 6", "no decimal number"),
        ("true < 1", "'<' between true or false and a number at position 5"),
        ("true <= true", "between true or false and true or false"),
        ("true > 'true'", "between true or false and a text"),
        ("output.list < output.list", "between a list and a list"),
        ("output.order >= 1", "between a dict and a number"),
        ("output.text + 'x'", "arithmetic with a text at position 12"),
        ("output.number + 1", "arithmetic with a text"),
        ("output.yes + 1", "arithmetic with true or false"),
        ("1 - output.null", "arithmetic with null"),
        ("output.list * 2", "arithmetic with a list"),
        ("-output.text", "arithmetic with a text at position 0"),
        ("1 / 0", "division by zero at position 2"),
        ("1 / 0.0", "division by zero"),
        ("1 / -output.zero", "division by zero"),
        ("9223372036854775807 + 1", "beyond 64 bits"),
        ("-9223372036854775808 - 1", "beyond 64 bits"),
        ("-(-9223372036854775808)", "beyond 64 bits"),
        ("4294967296 * 4294967296", "beyond 64 bits"),
        ("1e308 * 10", "beyond 64 bits"),
        ("output.big - 1", "beyond 64 bits"),
        ("output.inf - 1", "beyond 64 bits"),
        ("output.nan + 1", "beyond 64 bits"),
        ("5 in 5", "a number cannot be looked for in a number at position 2"),
        ("5 in output.text", "a number cannot be looked for in a text"),
        ("5 not in output", "a number cannot be looked for in a dict"),
        ("output.yes contains 'a'", "a text cannot be looked for in true or false"),
        ("len(5)", "len of a number at position 0"),
        ("len(null)", "len of null"),
        ("lower(5)", "lower of a number"),
        ("upper(null)", "upper of null"),
        ("starts_with(5, 'a')", "starts_with of a number and a text"),
        ("ends_with('a', true)", "ends_with of a text and true or false"),
        ("false or output.text < 5", "no decimal number"),
        ("output.missing == (1 / 0)", "division by zero"),
    ],
)
def test_a_question_without_an_answer_is_a_fault_with_its_position(text, words):
    assert words in fault(text)


def test_the_value_of_an_absent_path_is_a_fault_that_names_it():
    for text in ("output.order.missing", "1 + output.order.missing", "lower(output.order.missing)", "-output.order.missing"):
        with pytest.raises(ConditionFault, match=r"output\.order\.missing is absent at position"):
            value(text)


def test_the_first_of_several_absent_paths_is_named():
    with pytest.raises(ConditionFault, match=r"output\.one is absent at position 1"):
        value("(output.one + 'x') * output.two")


def test_a_long_absent_path_is_cut_in_the_message():
    with pytest.raises(ConditionFault) as caught:
        value("output" + ".abcdefghi" * 300)
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "blank"),
        (" \n\t", 0, "blank"),
        ("output.total >", 14, "ends where a value is expected"),
        ("> 5", 0, "expected a value, found '>'"),
        ("output.total > > 5", 15, "expected a value"),
        ("output.total 5", 13, "expected an operator or the end, found a number"),
        ("output.total = 5", 13, "write '=='"),
        ("output.total === 5", 15, "write '=='"),
        ("1 & 1", 2, "write '&&'"),
        ("1 | 1", 2, "write '||'"),
        ("1 <> 1", 3, "expected a value"),
        ("1 ~ 1", 2, "unexpected character '~'"),
        ("1 % 1", 2, "unexpected character '%'"),
        ("2 ** 3", 3, "expected a value, found '*'"),
        ("2 // 3", 3, "expected a value, found '/'"),
        ("+1", 0, "expected a value, found '+'"),
        ("(1", 2, "expected ')', found the end"),
        ("1)", 1, "found ')'"),
        ("()", 1, "expected a value"),
        ("1 < 2 < 3", 6, "comparisons do not chain"),
        ("1 == 1 != 2", 7, "comparisons do not chain"),
        ("1 in key not in key", 9, "comparisons do not chain"),
        ("1 == not true", 5, "'not' needs parentheses"),
        ("1 not 2", 2, "expected an operator or the end, found 'not'"),
        ("not", 3, "ends where a value is expected"),
        ("foo", 0, "unknown name 'foo'"),
        ("Output.x", 0, "unknown name 'Output'"),
        ("true AND true", 5, "found 'AND'"),
        ("None", 0, "unknown name 'None'"),
        ("event.x", 0, "unknown name 'event'"),
        ("output.", 7, "expected a name after '.', found the end"),
        ("output.5", 7, "expected a name after '.', found a number"),
        ("output..x", 7, "expected a name after '.', found '.'"),
        ("output.größe", 9, "unexpected character '\\xf6'"),
        ("output[]", 7, "expected an index or a name in quotes"),
        ("output[1.5]", 7, "expected an index"),
        ("output[-'a']", 8, "expected an index"),
        ("output[9223372036854775808]", 7, "expected an index"),
        ("output[output.x]", 7, "expected an index"),
        ("output[1", 8, "expected ']', found the end"),
        ("output[1:2]", 8, "unexpected character ':'"),
        ("output.__class__", 7, "'__' is refused"),
        ("output['__class__']", 7, "'__' is refused"),
        ("output.a__b", 7, "'__' is refused"),
        ("__import__", 0, "unknown name"),
        ("output.x()", 8, "found '('"),
        ("'a'.upper", 3, "found '.'"),
        ("(output).x", 8, "found '.'"),
        ("len", 3, "expected '(', found the end"),
        ("len()", 4, "expected a value"),
        ("len(1, 2)", 0, "len takes 1, not 2 arguments"),
        ("starts_with('a')", 0, "starts_with takes 2, not 1 arguments"),
        ("len(1,)", 6, "expected a value"),
        ("exists(1)", 0, "exists takes a path"),
        ("exists(output.x + 1)", 0, "exists takes a path"),
        ("eval('1')", 0, "unknown name 'eval'"),
        ("9223372036854775808", 0, "must fit into 64 bits"),
        ("-9223372036854775809", 1, "must fit into 64 bits"),
        ("1 - 9223372036854775808", 4, "must fit into 64 bits"),
        ("1" * 4000, 0, "must fit into 64 bits"),
        ("1e999", 0, "too large"),
        ("1.", 1, "found '.'"),
        (".5", 0, "expected a value, found '.'"),
        ("5px", 1, "found 'px'"),
        ("0x10", 1, "found 'x10'"),
        ("1_000", 1, "found '_000'"),
        ("٣ == 3", 0, "unexpected character '\\u0663'"),
        ("'abc", 0, "without its closing quote"),
        ("\"abc'", 0, "without its closing quote"),
        ("'abc\\'", 0, "without its closing quote"),
        ("'a\\x41'", 2, "an unknown escape"),
        ("'\\u12'", 1, "an unknown escape"),
        ("'\\u 12a'", 1, "an unknown escape"),
        ("'\\ud83d'", 1, "surrogate"),
        ("'a\nb'", 2, "control character"),
        ("'a\x00b'", 2, "control character"),
        ("'a\x7fb'", 2, "control character"),
        ("1\x00", 1, "unexpected character '\\x00'"),
        ("1\u00a0== 1", 1, "unexpected character '\\xa0'"),
        ("output.x\u200b", 8, "unexpected character '\\u200b'"),
        ("'a\ud800b'", 2, "surrogate"),
        ("1 # comment", 2, "unexpected character '#'"),
        ("1; 2", 1, "unexpected character ';'"),
        ("[1, 2]", 0, "expected a value, found '['"),
        ("{}", 0, "unexpected character '{'"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_its_position(text, position, words):
    with pytest.raises(ConditionSyntaxError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert (caught.value.position, caught.value.text) == (position, text)
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize("other", [None, 5, b"true", ["true"], object()])
def test_what_is_no_text_is_refused(other):
    with pytest.raises(ConditionSyntaxError, match="must be a text"):
        parse(other)


def test_a_text_of_a_subclass_is_read_as_plain_text():
    class Loud(str):
        def __len__(self):
            raise AssertionError

    assert type(parse(Loud("output.total > 1")).text) is str


def test_the_limits_of_a_text_are_exact():
    assert parse("'" + "x" * 4094 + "'").test(None, None) is True
    assert parse("(" * 32 + "1" + ")" * 32).value(None, None) == 1
    assert parse("+".join(["(1)"] * 100)).value(None, None) == 100  # side by side is not nested
    assert parse("+".join(["1"] * 500)).value(None, None) == 500  # 500 numbers and 499 signs
    assert parse("output" + ".a" * 999).test({}, None) is False
    for text, words in [
        ("'" + "x" * 4095 + "'", "4096 bytes"),
        ("'" + "ß" * 2048 + "'", "4096 bytes"),
        ("(" * 33 + "1" + ")" * 33, "nested more than 32 deep"),
        ("not " * 33 + "1", "nested more than 32 deep"),
        ("-" * 33 + "output", "nested more than 32 deep"),
        ("lower(" * 33 + "'a'" + ")" * 33, "nested more than 32 deep"),
        ("+".join(["1"] * 501), "1000 nodes"),
        ("output" + ".a" * 1000, "1000 nodes"),
    ]:
        with pytest.raises(ConditionSyntaxError, match=words):
            parse(text)


def test_a_condition_knows_its_text_and_the_roots_it_uses():
    condition = parse("output.a > variables.b and exists(error.type)")
    assert condition.text == "output.a > variables.b and exists(error.type)"
    assert condition.roots == {"output", "variables", "error"}
    assert parse("1 < 2").roots == frozenset()
    assert condition == parse(condition.text) and hash(condition) == hash(parse(condition.text))
    assert repr(parse("1")) == "Condition(text='1', roots=frozenset())"


def test_a_condition_is_immutable():
    with pytest.raises(AttributeError):
        parse("1").text = "2"
    assert isinstance(parse("1"), Condition)


def test_other_roots_are_accepted_where_they_are_named():
    facts = SimpleNamespace(event={"kind": "paid"})
    assert parse("event.kind == 'paid'", CONNECTION_ROOTS | {"event"}).test(None, facts) is True
    with pytest.raises(ConditionSyntaxError, match="a path begins with event"):
        parse("output.x", frozenset({"event"}))
    with pytest.raises(ConditionSyntaxError, match="unknown name"):
        parse("__builtins__.x", frozenset({"__builtins__"}))


def test_only_the_roots_in_use_are_read_from_the_facts():
    class Facts:
        input = {"x": 1}

        def __getattr__(self, name):
            raise AssertionError(name)

    assert parse("input.x == 1 and output.y == 2").test({"y": 2}, Facts()) is True
    assert parse("output.y == 2").test({"y": 2}, None) is True


def test_a_root_the_facts_do_not_have_is_absent():
    assert parse("error.type == 'ValueError'").test(None, SimpleNamespace()) is False
    assert parse("exists(error)").test(None, None) is False


# Payloads other than JSON has.


class Line(Struct):
    sku: str
    count: int = 2
    computed: ClassVar[int] = 5

    @property
    def double(self):
        raise AssertionError


class FrozenLine(Line, frozen=True, tag=True):
    extra: object = UNSET


@dataclass
class Order:
    name: str
    kind: str = field(default="order", init=False)
    shared: ClassVar[int] = 5
    lines: list = field(default_factory=list)

    @property
    def total(self):
        raise AssertionError

    def method(self):
        raise AssertionError


@dataclass(slots=True)
class Slotted(Order):
    more: int = 1


class Pair(NamedTuple):
    left: int
    right: str = "r"

    @property
    def swapped(self):
        raise AssertionError


OldPair = namedtuple("OldPair", "left right")


class Plain:
    x = 1


class Color(Enum):
    RED = "red"
    NESTED = {"x": 1}


class Switch(Enum):
    OFF = False
    NOTHING = None
    SAID = "FALSE"


class Mood(StrEnum):
    GOOD = "good"


class Size(IntEnum):
    BIG = 10


class Word(str):
    def __eq__(self, other):
        raise AssertionError

    __hash__ = str.__hash__

    def casefold(self):
        raise AssertionError


class Count(int):
    def __gt__(self, other):
        raise AssertionError


class Ratio(float):
    def __add__(self, other):
        raise AssertionError


class LoudDict(dict):
    def get(self, *_):
        raise AssertionError

    __getitem__ = __contains__ = __len__ = __iter__ = __eq__ = get


class LoudList(list):
    def __getitem__(self, *_):
        raise AssertionError

    __contains__ = __len__ = __iter__ = __eq__ = __getitem__


RECORDS = {
    "line": Line("x1"),
    "frozen": FrozenLine("x2"),
    "order": Order("o", lines=[Line("x3", 3)]),
    "slotted": Slotted("s"),
    "pair": Pair(1),
    "old": OldPair(3, 4),
    "plain": Plain(),
    "red": Color.RED,
    "nested": Color.NESTED,
    "off": Switch.OFF,
    "void": Switch.NOTHING,
    "said": Switch.SAID,
    "endless": Decimal("9e999999"),
    "mood": Mood.GOOD,
    "size": Size.BIG,
    "word": Word("Abc"),
    "count": Count(7),
    "ratio": Ratio(0.5),
    "dict": LoudDict(a=1),
    "list": LoudList([1, "b"]),
    "ordered": OrderedDict(a=1),
    "default": defaultdict(list, a=[1]),
    "counter": Counter("aab"),
    "set": {1, "b"},
    "frozenset": frozenset({"c"}),
    "user_dict": UserDict(a=1),
    "path": PurePosixPath("/etc"),
    "bytes": b"ab",
    "decimal": Decimal("10.10"),
    "decimal_nan": Decimal("nan"),
    "signalling": Decimal("snan"),
    "day": date(2026, 1, 2),
    "next_day": date(2026, 1, 3),
    "at": datetime(2026, 1, 2, 12, tzinfo=UTC),
    "same_at": datetime(2026, 1, 2, 13, tzinfo=ZoneInfo("Europe/Berlin")),
    "later": datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=-1))),
    "naive": datetime(2026, 1, 2, 12),
    "clock": time(12),
    "span": timedelta(seconds=5),
    "uuid": UUID(int=5),
    "type": Plain,
    "function": len,
}


@pytest.mark.parametrize(
    "text",
    [
        "output.line.sku == 'X1'",
        "output.line.count == 2",
        "output.line['count'] < 3",
        "not exists(output.line.double)",
        "not exists(output.line.computed)",
        "not exists(output.line[0])",
        "output.frozen.sku == 'x2'",
        "exists(output.frozen.extra)",
        "output.order.name == 'o'",
        "output.order.kind == 'order'",
        "output.order.lines[0].count == 3",
        "not exists(output.order.total)",
        "not exists(output.order.method)",
        "not exists(output.order.shared)",
        "output.slotted.more == 1",
        "output.slotted.name == 's'",
        "output.slotted.kind == 'order'",
        "output.pair.left == 1",
        "output.pair.right == 'r'",
        "output.pair[0] == 1",
        "output.pair[-1] == 'r'",
        "not exists(output.pair.swapped)",
        "not exists(output.pair.count)",
        "output.pair == output.pair",
        "1 in output.pair",
        "output.old.right == 4",
        "output.plain",
        "output.plain != null",
        "exists(output.plain)",
        "not (output.plain == null)",
        "output.red == 'RED'",
        "output.red != 'blue'",
        "output.red in 'a red one'",
        "'x' in output.nested",
        "output.nested.x == 1",
        "not exists(output.red.name)",
        "not output.off and not output.void and not output.said",
        "output.off == false and output.void == null and output.said == false",
        "not (output.void < 1)",
        "output.red and output.size",
        "output.mood == 'good'",
        "starts_with(output.mood, 'go')",
        "len(output.mood) == 4",
        "output.size > 9",
        "output.size + 1 == 11",
        "output.word == 'aBC'",
        "output.word < 'b'",
        "output.count > 6",
        "output.count == 7.0",
        "output.ratio + 1 == 1.5",
        "output.dict.a == 1",
        "'a' in output.dict",
        "len(output.dict) == 1",
        "output.dict == output.dict",
        "output.list[1] == 'b'",
        "output.list[-2] == 1",
        "'B' in output.list",
        "len(output.list) == 2",
        "output.list == output.list",
        "output.ordered.a == 1",
        "output.ordered == output.dict",
        "output.default.a[0] == 1",
        "not exists(output.default.b)",
        "output.counter.a == 2",
        "'B' in output.set",
        "'1' in output.set",
        "2 not in output.set",
        "output.frozenset contains 'C'",
        "output.set == output.set",
        "output.set != output.frozenset",
        "not exists(output.set.x)",
        "len(output.set) == 2",
        "output.path",
        "len(output.bytes) == 2",
        "output.bytes == output.bytes",
        "output.bytes != 'ab'",
        "output.decimal == 10.1",
        "output.decimal == '10.1'",
        "output.decimal > 10",
        "10.2 > output.decimal",
        "output.decimal * 2 == 20.2",
        "output.decimal + 0.2 == 10.3",
        "output.decimal_nan != 1",
        "not (output.decimal_nan < 1.5)",
        "not (output.signalling == 1)",
        "output.day < output.next_day",
        "output.day == output.day",
        "output.day != output.next_day",
        "output.day != output.naive",
        "output.day != '2026-01-02'",
        "output.at == output.same_at",
        "output.at < output.later",
        "output.at != output.naive",
        "output.clock <= output.clock",
        "output.span >= output.span",
        "output.uuid == output.uuid",
        "output.day in input",
    ],
)
def test_a_condition_on_plain_python_data_holds(text):
    assert parse(text).test(RECORDS, SimpleNamespace(input=[RECORDS["day"]])) is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("output.plain.x == 1", "a path leads into an object that is not plain at position 0"),
        ("1 < 2 and output.plain[0]", "a path leads into an object that is not plain at position 10"),
        ("exists(output.plain.x)", "a path leads into"),
        ("output.plain == 1", "a comparison with an object that is not plain"),
        ("output.plain == output.plain", "a comparison with"),
        ("output.plain < 1", "'<' between an object that is not plain and a number"),
        ("output.plain in input", "cannot be looked for in a list"),
        ("1 in output.plain", "cannot be looked for in an object"),
        ("len(output.plain)", "len of an object"),
        ("output.plain + 1", "arithmetic with an object"),
        ("lower(output.plain)", "lower of an object"),
        ("output.line == output.line", "a comparison with an object"),
        ("output.user_dict.a == 1", "a path leads into"),
        ("output.path.name == 'etc'", "a path leads into"),
        ("output.type.x == 1", "a path leads into"),
        ("output.function.name == 1", "a path leads into"),
        ("output.at < output.naive", "with and one without a zone"),
        ("output.day < '2026-01-02'", "'<' between a date and a text"),
        ("output.day < output.at", "'<' between a date and a date and time"),
        ("output.set < output.set", "between a set and a set"),
        ("output.decimal / 0", "division by zero"),
        ("output.signalling + 1", "the payload cannot be read"),
        ("output.endless * 10", "beyond 64 bits"),
        ("'a' in output.bytes", "a text cannot be looked for in bytes"),
    ],
)
def test_a_condition_on_other_objects_is_a_fault(text, words):
    with pytest.raises(ConditionFault) as caught:
        parse(text).test(RECORDS, SimpleNamespace(input=[1]))
    assert words in str(caught.value)


def test_an_unset_slot_is_absent():
    half = object.__new__(Slotted)
    assert parse("exists(output.more)").test(half, None) is False
    assert parse("exists(output.name)").test(object.__new__(Order), None) is False


def test_an_object_that_is_not_plain_is_no_item_of_a_list():
    assert parse("1 in output").test([Plain(), 1], None) is True
    assert parse("1 in output").test([Plain()], None) is False
    assert parse("output.a == output.b").test({"a": [Plain()], "b": [Plain()]}, None) is False


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ([1, "A"], (1.0, "a"), True),
        ([1, 2], [1], False),
        ({"a": [1]}, {"a": ["1"]}, True),
        ({"a": 1}, {"A": 1}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({1: 1}, {1: 1}, False),  # only text keys can be named, so only they are compared
        ({"A", "b"}, frozenset({"a", "B"}), True),
        ({"a"}, {"a", "b"}, False),
        ({"a", "b"}, {"a"}, False),
        ([], {}, False),
        ([None], [None], True),
        ([True], [1], False),
        (Decimal("0.1"), 0.1, True),
        (Decimal("0.1"), "0.10", True),
        (Color.RED, "Red", True),
        (Color.RED, Color.RED, True),
        ([Size.BIG], [10], True),
    ],
)
def test_containers_are_equal_item_by_item(left, right, equal):
    both = {"a": left, "b": right}
    assert parse("output.a == output.b").test(both, None) is equal
    assert parse("output.b == output.a").test(both, None) is equal
    assert parse("output.a != output.b").test(both, None) is not equal


@pytest.mark.parametrize(
    ("text", "output", "result"),
    [
        ("output >= 0", 0, True),
        ("output >= 0", -0.5, False),
        ("output >= 0", float("nan"), False),
        ("output != 0", float("nan"), True),
        ("output >= 0", "7", True),
        ("output >= 0", Decimal("0.1"), True),
        ("output >= 0", IntEnum("Level", {"LOW": -1}).LOW, False),
        ("output >= 0", None, False),
        ("output == 1", True, False),
        ("output == true", 1, False),
        ("output == true", True, True),
        ("output != true", False, True),
        ("output == true", "TRUE", True),
        ("output == 'Straße'", "STRASSE", True),
        ("output != 'x'", "X", False),
        ("output == 'x'", type("Text", (str,), {})("X"), True),
        ("output == 'x'", "x" * 100, False),
        ("output < 'x'", "X", True),
        ("output < 'x'", "y" * 100, False),
        ("output == '5'", 5, True),
        ("output == 'x'", {"x": "x"}, False),
        ("output == null", None, True),
    ],
)
def test_the_output_itself_compares_with_a_constant(text, output, result):
    assert parse(text).test(output, None) is result
    assert parse(f"{text} and true").test(output, None) is result  # the common way


@pytest.mark.parametrize(("text", "words"), [("output >= 0", "a text that is no decimal number"), ("output > true", "'>' between")])
def test_the_output_itself_may_not_compare_with_a_constant(text, words):
    assert words in fault(text, "x")


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("output >= 0", 1),
        ("output == 'x'", "X"),
        ("output != true", True),
        ("output.a >= 0", {"a": 1}),
        ("output.a == 'x'", {"a": "X"}),
        ("output.a.b >= 0", {"a": {"b": 1}}),
        ("output.a.b == 'x'", {"a": {"b": "X"}}),
    ],
)
def test_the_conditions_of_most_workflows_are_answered_in_one_call(text, output):
    condition = parse(text)
    calls = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        condition.test(output, None)
    finally:
        sys.setprofile(before)
    assert len(calls) == 1


def test_evaluation_is_bounded():
    endless = []
    endless.append(endless)
    deep = [[]]
    for _ in range(5000):
        deep = [deep]
    for text, output, words in [
        ("'x' in output", ["y"] * 10_001, "10000 steps"),
        ("'x' in output", set(range(5001)), "10000 steps"),
        ("1 in output or 1 in output", ["x"] * 3000, "10000 steps"),
        ("output.a == output.b", {"a": "y" * 300_000, "b": "z" * 200_050}, "10000 steps"),
        (" or ".join(["output.a == '" + "x" * 500 + "'"] * 7 + ["1 in output.b"]), {"a": "y" * 1500, "b": [2] * 9_800}, "10000 steps"),
        ("output[0] == output[1]", (["y"] * 10_001,) * 2, "10000 steps"),
        ("output contains 'x'", "y" * 600_000, "10000 steps"),
        ("output < 'x' or output < output", "y" * 600_000, "10000 steps"),
        ("lower(output)", "Y" * 65_537, "more than 65536 bytes"),
        ("upper(output)", "ß" * 32_769, "more than 65536 bytes"),
        ("upper(output)", "ŉ" * 30_000, "more than 65536 bytes"),
        ("output == output", endless, "nested more than 32 deep"),
        ("output in output", endless, "nested more than 32 deep"),
        ("output[0] == output", deep, "nested more than 32 deep"),
    ]:
        with pytest.raises(ConditionFault, match=words):
            parse(text).test(output, None)
    assert parse("output == 'x'").test("y" * 10_000_000, None) is False  # the lengths tell
    assert parse("'y' in output").test(["x"] * 9_000 + ["Y"], None) is True
    assert parse("output contains 'x'").test("y" * 400_000 + "x", None) is True
    assert len(parse("lower(output)").value("Y" * 65_536, None)) == 65_536


def test_near_the_end_of_the_stack_both_reading_and_asking_fail_in_an_orderly_way():
    text = "(" * 30 + "output.a == 1" + ")" * 30
    condition = parse("not " * 30 + "output.a")

    def descend(deeper):
        if deeper:
            return descend(deeper - 1)
        try:
            parse(text)
        except ConditionSyntaxError:
            pass
        try:
            condition.test({"a": 1}, None)
        except ConditionFault:
            pass
        return True

    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    for left in range(20, 200, 10):
        assert descend(sys.getrecursionlimit() - depth - left)


def test_a_condition_does_not_ask_the_decimal_context_for_leave():
    with localcontext() as context:
        context.traps[Inexact] = context.traps[FloatOperation] = True
        assert parse("output.price > 0.1 and output.price == '0.30'").test({"price": Decimal("0.3")}, None) is True
        with pytest.raises(ConditionFault, match="the payload cannot be read"):
            parse("output.price / 7").test({"price": Decimal("0.3")}, None)
    with localcontext() as context:
        context.traps[InvalidOperation] = False
        assert parse("output == 5").test("+-5", None) is False
