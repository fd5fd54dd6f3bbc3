"""Conditions and payloads that mean harm: nothing but the two errors comes out, no code of a payload runs, nothing is
imported, compiled or opened, and it is over soon."""

import os
import subprocess
import sys
import time
from collections import UserDict
from datetime import datetime, tzinfo
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from actorflow.definition.expression import ConditionFault, parse
from actorflow.errors import ConditionSyntaxError

SCALE = 100 if os.environ.get("ACTORFLOW_LONG") == "1" else 1
pytestmark = pytest.mark.timeout(60 * SCALE)
often = settings(max_examples=1000 * SCALE, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)

INJECTIONS = [
    # n8n and its kin
    '{{ $json.constructor.constructor("return process.env")() }}',
    "={{ this.constructor.constructor('return process')().mainModule.require('child_process').execSync('id') }}",
    "output.constructor.constructor('return this')()",
    "$input.all()[0].json",
    "${7*7}",
    "#{7*7}",
    "`id`",
    "function(){}",
    "output => output",
    "output?.x",
    "output ?? 1",
    "new Date()",
    "/a+/.test(output)",
    # Jinja and its kin
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "output|attr('__class__')",
    "output | upper",
    "''['__class__']",
    "output['__cla' + 'ss__']",
    "output['\\u005f\\u005fclass\\u005f\\u005f']",
    "output._\\x5fclass__",
    # simpleeval, asteval and their kin
    "__import__('os').system('id')",
    "().__class__.__bases__[0].__subclasses__()",
    "output.__init__.__globals__['sys']",
    "output.__class__",
    "variables.__dict__",
    "run['__dict__']",
    "[x for x in output]",
    "{x: 1 for x in output}",
    "(x for x in output)",
    "lambda: 0",
    "(lambda: exec('1'))()",
    "exec('1')",
    "eval('1')",
    "open('/etc/passwd')",
    "getattr(output, 'x')",
    "print(1)",
    "len.__self__",
    "len(output).__class__",
    "lower.__globals__",
    "f'{output}'",
    "'{0.__class__}'.format(output)",
    "'%s' % output",
    "'a'.format(1)",
    "b'x'",
    "r'x'",
    "9**9**9",
    "1 << 100",
    "~1",
    "1 if true else 2",
    "true ? 1 : 2",
    "x := 1",
    "output.x = 1",
    "output.x += 1",
    "output; import os",
    "import os",
    "import('os')",
    "del output",
    "raise output",
    "assert 1",
    "await output",
    "yield",
    "output.x\nimport os",
    "output.x # comment",
    "output.x /* comment */",
    "output.x -- comment",
    "1; DROP TABLE runs",
    "output.* == 1",
    "output[*]",
    "output[::2]",
    "output[0:99999999999]",
    "output[?(@.x)]",
    "$..x",
    "@output",
    "\\",
    "\x00",
    "\x1b[31m",
    "\ufeff1",
    "\u202e1",
    "１ == 1",  # full-width digit
    "ｏutput.x",
    "оutput.x",  # a Cyrillic о
    "output․x",  # one dot leader
    "output.x ＝＝ 1",
    "output.x\u2028== 1",
    "‘a’ == 'a'",
    "1 ≠ 2",
    "∞",
    "\ud800",
    "output.\udcff",
    "'\udfff'",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_injection_is_no_condition(text):
    with pytest.raises(ConditionSyntaxError) as caught:
        parse(text)
    assert len(str(caught.value)) <= 200
    assert all(character.isprintable() or character == "\n" for character in str(caught.value))


@pytest.mark.parametrize(
    "text",
    [
        'output.x == \'__import__("os").system("id")\'',
        "output.x == '{{ 7*7 }}'",
        "output.x == '\\u0000'",
        "output.constructor.prototype",
        "output.x * 1e308 * 1e308",
        "'a' * 1000000000",
        "output.x + output.x",
        "lower(output.x) contains '%s%s%s%n'",
        "output['../../etc/passwd']",
        "output['x\\'; DROP TABLE runs; --']",
    ],
)
def test_what_reads_as_a_condition_stays_data(text):
    condition = parse(text)
    for x in (1, "__import__('os')", "' or true or '", "{{ 7*7 }}", ["a"], None, "%s" * 100):
        try:
            assert type(condition.test({"x": x}, None)) is bool
        except ConditionFault as fault:
            assert "import" not in str(fault) and "or true" not in str(fault)


def test_the_texts_of_a_payload_never_become_code():
    for x in ("true", 'x" == "x', "' or '1'=='1", "\\", '"', " contains ", "output.secret", "null"):
        assert parse("output.x == output.y").test({"x": x, "y": x}, None) is True
        assert parse("output.x == 'no such text'").test({"x": x}, None) is False


@pytest.mark.parametrize(
    "text",
    [
        "output.s + 1",
        "output.s < 5",
        "output.s.x.y == 1 and output.s / 2 == 1",
        "len(output.n)",
        "output.s in output.n",
        "output.d < output.s",
        "output.d.s + output.n",
        "1 / output.d.zero",
        "output.n * 9223372036854775807",
    ],
)
def test_a_fault_shows_no_data(text):
    payload = {"s": "CANARY", "n": 73737373, "d": {"s": "CANARY", "CANARY": 1, "zero": 0}}
    for question in (parse(text).test, parse(text).value):
        try:
            question(payload, None)
        except ConditionFault as fault:
            assert "CANARY" not in str(fault) and "7373" not in str(fault)
            assert fault.__cause__ is None


def soup():
    """Texts of the language's own pieces, in any order."""
    pieces = (
        "output input variables error run key true FALSE null and or not in contains == != < <= > >= && || ! + - * / ( ) [ ] . , "
        "'a' \"b\" 1 0 2.5 9223372036854775807 len( lower( upper( starts_with( ends_with( exists( .a .b [0] [-1] ['k'] "
        "__ \\ ' \" \n # é \ud800 \x00"
    ).split(" ")
    return st.lists(st.sampled_from(pieces), max_size=30).map(" ".join) | st.lists(st.sampled_from(pieces), max_size=30).map("".join)


hostile_texts = soup() | st.text(max_size=60) | st.text(st.characters(max_codepoint=127), max_size=60)


@often
@given(hostile_texts)
def test_any_text_is_a_condition_or_a_syntax_error_and_then_a_truth_or_a_fault(text):
    try:
        condition = parse(text)
    except ConditionSyntaxError as error:
        assert 0 <= error.position <= len(text)
        assert len(str(error)) <= 200
        return
    facts = SimpleNamespace(input={"a": "x"}, variables={}, error=None, run={}, key=())
    for output in ({"a": {"b": 1}, "b": "a", "k": [1]}, "text", None, 5, [[1]], {}):
        for question in (condition.test, condition.value):
            try:
                question(output, facts)
            except ConditionFault as fault:
                assert len(str(fault)) <= 200


# Every way into an object is recorded here: its attributes, its operators, its class.
TOUCHED = []
SPECIAL = (
    "__getattribute__ __getattr__ __setattr__ __delattr__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __bool__ __len__ __iter__ "
    "__next__ __contains__ __getitem__ __setitem__ __missing__ __reversed__ __call__ __str__ __repr__ __format__ __bytes__ __int__ "
    "__float__ __complex__ __index__ __round__ __trunc__ __floor__ __ceil__ __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ "
    "__truediv__ __rtruediv__ __neg__ __pos__ __abs__ __and__ __or__ __dir__ __sizeof__ __reduce__ __reduce_ex__ __copy__ __deepcopy__ "
    "__instancecheck__ __subclasscheck__ __get__ __length_hint__ __enter__ __exit__ __await__ __fspath__ __buffer__ keys items get "
    "values casefold lower upper startswith utcoffset"
).split()


def recorder(name):
    def special(*_):
        TOUCHED.append(name)
        raise ZeroDivisionError(f"CANARY {name}")

    return special


def trapped(base, metaclass=type):
    """A subclass of `base` that records every access; under a metaclass of the same kind even those to the class."""
    body = {name: recorder(name) for name in SPECIAL if base is object or name != "__getattr__"}
    body["__class__"] = property(recorder("__class__"))
    return type.__new__(metaclass, f"Trapped{base.__name__}", (base,), body)


TRAPPED_META = type(
    "TrappedMeta",
    (type,),
    {
        name: recorder(f"class {name}")
        for name in ("__getattribute__", "__eq__", "__hash__", "__instancecheck__", "__subclasscheck__", "__call__")
    },
)


def filled(cls, base):
    """An instance of a trapped class, made without its own methods."""
    content = {str: "a", int: 1, float: 1.5, dict: {"a": 1}, list: [1], tuple: (1,), set: {1}, frozenset: {1}}.get(base)
    if base is dict:
        made = dict.__new__(cls)
        dict.update(made, content)
    elif base in (list, set):
        made = base.__new__(cls)
        base.__init__(made, content)
    else:
        made = base.__new__(cls) if content is None else base.__new__(cls, content)
    return made


BASES = (object, str, int, float, dict, list, tuple, set, frozenset)
PLACES = {
    "output": lambda trap: trap,
    "a value": lambda trap: {"a": trap, "b": trap},
    "an inner value": lambda trap: {"a": {"b": trap}, "b": {"b": trap}},
    "an item": lambda trap: [trap, trap],
    "an item of a value": lambda trap: {"a": [trap, 1], "b": (trap, 1)},
    "a value of a value's item": lambda trap: {"a": [{"a": trap}], "b": [{"a": trap}]},
}
QUESTIONS = [
    "output",
    "not output",
    "output.a",
    "output[0]",
    "output[-1].a",
    "output.a.b",
    "output.a[0].a",
    "output['a']['b']['c']",
    "exists(output.a.b)",
    "-output.a",
    "output.a + 1 * output.b",
    "1 / output.a",
    "output.a and output.b or !output.a",
    "output.missing == output.a",
    "input == output",
    "key contains output.a",
    *(
        f"output{step} {sign} {other}"
        for step in ("", ".a", ".a.b", "[0]")
        for sign in ("==", "!=", "<", ">=", "in", "not in", "contains")
        for other in ("1", "'a'", "true", "null", "output.b", "output", "input.a")
    ),
    *(f"{function}({path})" for function in ("len", "lower", "upper") for path in ("output", "output.a", "output[0]")),
    *(f"{function}({path}, 'a')" for function in ("starts_with", "ends_with") for path in ("output", "output.a")),
    *(f"{function}('a', {path})" for function in ("starts_with", "ends_with") for path in ("output", "output.a")),
]
CONDITIONS = [parse(text) for text in QUESTIONS]


@pytest.mark.parametrize("metaclass", [type, TRAPPED_META], ids=["plain class", "trapped class"])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("place", PLACES)
def test_no_condition_touches_a_tripwire(place, base, metaclass):
    trap = filled(trapped(base, metaclass), base)
    payload = PLACES[place](trap)
    facts = SimpleNamespace(input=payload, variables={}, error=trap, run=trap, key=(trap,))
    TOUCHED.clear()
    for condition in CONDITIONS:
        for question in (condition.test, condition.value):
            try:
                question(payload, facts)
            except ConditionFault as fault:
                assert "CANARY" not in str(fault)
    assert TOUCHED == []


@pytest.mark.parametrize("base", BASES)
def test_a_tripwire_does_record(base):
    trap = filled(trapped(base, TRAPPED_META), base)
    TOUCHED.clear()
    for touch in (lambda: trap == 1, lambda: isinstance(trap, UserDict), lambda: trap.x, lambda: bool(trap), lambda: {type(trap): 1}):
        with pytest.raises(ZeroDivisionError):
            touch()
    assert TOUCHED == ["__eq__", "__getattribute__", "__getattribute__", "__bool__", "class __hash__"]


def test_a_key_that_raises_is_a_fault_without_its_text():
    class Key:
        def __hash__(self):
            return hash("a")

        def __eq__(self, other):
            raise ZeroDivisionError("CANARY")

    for text in ("output.a == 1", "output.a == 'x'", "output.a.b > 1", "'a' in output", "output.a", "len(output.a) > 1"):
        with pytest.raises(ConditionFault, match="the payload cannot be read") as caught:
            parse(text).test({Key(): 1}, None)
        assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_a_zone_of_the_payloads_own_is_not_asked():
    class Zone(tzinfo):
        utcoffset = dst = tzname = recorder("tzinfo")

    TOUCHED.clear()
    payload = {"a": datetime(2026, 1, 1, tzinfo=Zone()), "b": datetime(2026, 1, 1, tzinfo=Zone())}
    for text in ("output.a == output.b", "output.a < output.b", "output.a in output.b"):
        with pytest.raises(ConditionFault):
            parse(text).test(payload, None)
    assert TOUCHED == []


FOUR_KIB = {
    "brackets": "(" * 4096,
    "closing brackets": ")" * 4096,
    "balanced brackets": "(" * 2047 + "1" + ")" * 2047,
    "square brackets": "output" + "[" * 4000,
    "signs": "-" * 4095 + "1",
    "bangs": "!" * 4095 + "1",
    "nots": "not " * 1023 + "1",
    "quotes": "'" * 4096,
    "an open text": "'" + "a" * 4095,
    "an open text of escapes": "'" + "\\\\" * 2047,
    "escapes": "'" + "\\u0041" * 682 + "'",
    "blanks": " " * 4095 + "1",
    "blanks in the middle": "1" + " " * 4090 + "==1",
    "digits": "1" * 4096,
    "a fraction": "1." + "3" * 4094,
    "an exponent": "1e" + "9" * 4094,
    "a name": "a" * 4096,
    "a key": "output." + "a" * 4089,
    "steps": "output" + ".a" * 999,
    "indices": "output" + "[0]" * 999,
    "a sum": "+".join(["1"] * 500),
    "products": "*".join(["1"] * 500),
    "ands": " and ".join(["1"] * 500),
    "ors": " or ".join(["null"] * 400),
    "comparisons": "&&".join(["1<2"] * 333),
    "chained comparisons": "<".join(["1"] * 2048),
    "membership": " or ".join(["'x' in output.long"] * 180),
    "text in text": " or ".join(["output.text contains 'zz'"] * 130),
    "text equality": " or ".join(["output.text!=output.other"] * 135),
    "text order": " and ".join(["output.text<=output.text"] * 135),
    "lower": " and ".join(["lower(output.text)"] * 170),
    "nested lower": " and ".join(["lower(" * 30 + "output.text" + ")" * 30] * 18),
    "equal lists": " and ".join(["output.long==output.same"] * 140),
    "everything, deep": "(not(" * 15 + "output.long[0] == '0' and 1 + 2 * -(3) < 4" + "))" * 15,
}


@pytest.mark.parametrize("name", FOUR_KIB)
def test_no_text_of_4_kib_takes_long(name):
    text = FOUR_KIB[name]
    assert len(text) <= 4096
    long = [str(number) for number in range(9_000)]
    payload = {"long": long, "same": list(long), "text": "É" * 30_000, "other": "é" * 30_000}
    began = time.perf_counter()
    try:
        parse(text).test(payload, None)
    except (ConditionSyntaxError, ConditionFault):
        pass
    assert time.perf_counter() - began < 1.0  # a hundred times what it takes


@pytest.mark.parametrize("size", [4097, 100_000, 10_000_000])
def test_a_longer_text_is_refused_unread(size):
    for text in ("(" * size, "1+" * (size // 2) + "1", " " * size, "é" * size):
        with pytest.raises(ConditionSyntaxError, match="at most 4096 bytes") as caught:
            parse(text)
        assert len(str(caught.value)) <= 200


AUDIT = """
import sys
from types import SimpleNamespace
from actorflow.definition.expression import ConditionFault, parse
from actorflow.errors import ConditionSyntaxError
texts, seen, watching = eval(sys.stdin.read()), [], False
def hook(event, arguments):
    if watching:
        seen.append(event)
sys.addaudithook(hook)
payload = {"a": {"b": 1}, "b": "text", "long": [1, "2", None], "0": 5.5}
facts = SimpleNamespace(input=payload, variables={}, error=None, run={}, key=(1,))
watching = True
for text in texts:
    try:
        condition = parse(text)
        condition.test(payload, facts)
        condition.value(payload, facts)
    except (ConditionSyntaxError, ConditionFault):
        pass
watching = False
print(sorted(set(seen)))
"""


def test_nothing_is_imported_compiled_run_or_opened():
    texts = [*INJECTIONS, *QUESTIONS, *FOUR_KIB.values(), "output.a.b > 0", "output.b == '\\u0041'"]
    done = subprocess.run(
        [sys.executable, "-c", AUDIT],
        input=ascii(texts),
        capture_output=True,
        text=True,
        timeout=50,
        cwd=Path(__file__).parents[2],
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
