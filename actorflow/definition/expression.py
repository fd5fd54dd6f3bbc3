"""Conditions: a text is read once (`tokens.py`) and becomes closures over plain data. Not here: mappings, callables as
conditions, and what the router does with a fault.

Values. A path reads dicts (text keys), lists and tuples (indices, `[-1]` the last) and declared fields of Structs,
dataclasses and named tuples; from text, numbers, true, false and null it leads nowhere, into any other object it is a
fault. What is not there is absent: it satisfies no comparison, arithmetic on it is absent, `exists` tells. An Enum member
counts as its value, a subclass as the plain type it derives from, and a Decimal is a number.

Truth. true, "true" (in any case) and whatever else is not false, "false", null or absent; so 0, "" and [] are true.

Comparison. `==` on texts ignores case, and so do `in`, `contains`, `starts_with` and `ends_with`; only order (by code point)
and the keys of a dict see it. A text that is a decimal number equals that number, "true" equals true, but true is not 1.
Lists and tuples equal each other, item by item; null equals only null. Other kinds are unequal. `<` takes two numbers, a
number and a decimal text, two texts, two dates or the like; null satisfies none, anything else is a fault.
`in` and `contains`: an item of a list or set, a key of a dict, a part of a text; null contains nothing.

Arithmetic takes numbers only, `/` gives a float; division by zero and a result beyond 64 bits are faults.

Always: no code of a payload's class runs, for values are told apart by `type(x)` and read by the methods of the plain type
(the one way in that is left is a dict key of a class with the hash of a text and an `__eq__` of its own); one evaluation
takes at most 10,000 steps (an item or 50 characters looked at; two for an item of another kind) and makes no text above
64 KiB; what comes out is a value or a ConditionFault of at most 200 characters, which holds positions and paths, no data."""

from __future__ import annotations

import math
import operator
from abc import ABCMeta
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from enum import EnumMeta
from functools import lru_cache, partial
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from actorflow.definition import tokens
from actorflow.errors import ConditionSyntaxError

__all__ = ["CONNECTION_ROOTS", "Condition", "ConditionFault", "parse"]

CONNECTION_ROOTS = frozenset({"output", "input", "variables", "error", "run", "key"})
MAX_STEPS = 10_000
MAX_RESULT = 64 * 1024
MAX_DEPTH = 32  # of payloads that are compared
_SHORT = 50  # characters of a text that cost nothing, and every further 50 a step

Evaluate = Callable[[object, object, "_Work"], Any]  # output, facts
Verb = Callable[[Any, Any], bool]
Reader = Callable[[Any], object]  # of one field of a record


class ConditionFault(Exception):
    """A condition that has no answer for this payload. Its message is safe to show."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition text, compiled. `output` is the value on its way, `facts` an object with the other roots as attributes."""

    text: str
    roots: frozenset[str]
    test: Callable[[object, object], bool] = field(repr=False, compare=False)
    """`test(output, facts)`: the truth of the condition; raises ConditionFault."""
    value: Callable[[object, object], Any] = field(repr=False, compare=False)
    """`value(output, facts)`: the value of the expression; raises ConditionFault, also for an absent path, which it names."""


def parse(text: str, roots: frozenset[str] = CONNECTION_ROOTS) -> Condition:
    """Read a condition whose paths begin with `roots`; all but `output` are attributes of the facts, read when used.
    Raises ConditionSyntaxError, also for a blank text."""
    used: set[str] = set()
    try:
        node = tokens.read(text, roots)
        evaluate = _compiled(node, used)
    except RecursionError:
        raise ConditionSyntaxError("nested too deep for the stack that is left", text, 0) from None
    test = _guarded(evaluate, _tested)
    return Condition(str.__str__(text), frozenset(used), _quick(node, test) or test, _guarded(evaluate, _taken))


class _Absent(Struct, frozen=True):
    """What a path gives where there is nothing."""

    path: str
    position: int


_UNSET = _Absent("", 0)  # of a declared field


class _Work:
    """One evaluation: the steps that are left, and the position of the operator at work."""

    __slots__ = ("at", "left")

    def __init__(self) -> None:
        self.at = 0
        self.left = MAX_STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise self.fault(f"the condition takes more than {MAX_STEPS} steps")

    def folded(self, text: str) -> str:
        """The text without its case, paid for by its length."""
        self.spend(len(text) // _SHORT)
        return text.casefold()

    def fault(self, what: str) -> ConditionFault:
        return ConditionFault(f"{what} at position {self.at}")


def _guarded(evaluate: Evaluate, finish: Callable[[Any], Any]) -> Callable[..., Any]:
    """What `finish` makes of the value; whatever the payload raises on the way becomes a fault."""

    def run(output: object, facts: object, _: object = None) -> Any:
        try:
            return finish(evaluate(output, facts, _Work()))
        except ConditionFault:
            raise
        except Exception:
            pass  # a defect of the payload, whose text may hold data: not even the context of the fault
        raise ConditionFault("the payload cannot be read")

    return run


def _tested(value: object) -> bool:
    """The truth of a value."""
    if value is True or value is False:
        return value
    if value is None or type(value) is _Absent:
        return False
    kind, plain = _plain(value)
    if kind == _TEXT:
        return len(plain) > len("false") or plain.casefold() != "false"
    return plain is not None and plain is not False


def _taken(value: object) -> object:
    if type(value) is _Absent:
        path = value.path if len(value.path) <= 100 else f"{value.path[:100]}..."
        raise ConditionFault(f"{path} is absent at position {value.position}")
    return value


# Kinds of values, in the words of the messages.
_NULL, _TRUTH, _NUMBER, _TEXT, _BYTES = "null", "true or false", "a number", "a text", "bytes"
_LIST, _DICT, _SET, _OTHER = "a list", "a dict", "a set", "an object that is not plain"
_EXACT = ((Decimal, _NUMBER), (date, "a date"), (timedelta, "a duration"), (UUID, "a UUID"), (bytes, _BYTES))
_ZONED = ((datetime, "a date and time"), (time, "a time"))
_ORDERED = frozenset(kind for _, kind in _EXACT + _ZONED) | {_TEXT}
_SCALARS: tuple[tuple[type, str, Callable[[Any], object]], ...] = (
    (str, _TEXT, str.__str__),
    (int, _NUMBER, int.__int__),
    (float, _NUMBER, float.__float__),
)
_CONTAINERS: tuple[tuple[Any, str], ...] = ((list, _LIST), (dict, _DICT), (tuple, _LIST), (set, _SET), (frozenset, _SET))
_NO_ZONE = type(None)
_SPOKEN = frozenset({_NUMBER, _TRUTH})  # what a text can say
_STRUCT = type(Struct)


def _plain(value: object) -> tuple[str, Any]:
    """The kind of a value, and the value itself or what an Enum member or a subclass of a scalar holds. Neither `isinstance`
    nor a lookup by class in here: both may run code of that class; `issubclass` with a built-in does not."""
    cls = type(value)
    if cls is str:
        return _TEXT, value
    if cls is int or cls is float:
        return _NUMBER, value
    if value is None:
        return _NULL, value
    if cls is bool:
        return _TRUTH, value
    for container, kind in _CONTAINERS:
        if issubclass(cls, container):
            return kind, value
    for exact, kind in _EXACT:
        if cls is exact:
            return kind, value
    return _plain_rarely(cls, value)


def _plain_rarely(cls: type, value: Any) -> tuple[str, Any]:
    for zoned, kind in _ZONED:
        if cls is zoned:
            zone = type(value.tzinfo)  # any other zone computes its offset in code of its own
            return (kind if zone is _NO_ZONE or zone is timezone or zone is ZoneInfo else _OTHER), value
    if type(cls) is EnumMeta:
        held = _instance_dict(cls, value).get("_value_", value)
        return (_OTHER, value) if type(type(held)) is EnumMeta else _plain(held)
    for base, kind, content in _SCALARS:
        if issubclass(cls, base):
            return kind, content(value)
    return _OTHER, value


def _contained(value: object) -> tuple[int, Any]:
    """Size and iterator of a list, tuple, dict or set, by the methods of the built-in."""
    cls: Any = type(value)
    if cls is not list:
        cls = next(container for container, _ in _CONTAINERS if issubclass(cls, container))
    return cls.__len__(value), cls.__iter__(value)


def _instance_dict(cls: type, value: object) -> dict[str, object]:
    getter = _static(cls, "__dict__")
    held = getter.__get__(value) if type(getter) is GetSetDescriptorType else None
    return held if type(held) is dict else {}


def _static(cls: type, name: str) -> Any:
    """What a class has under `name`, no descriptor asked; None if nothing. Only for classes of a known metaclass."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def _fields(cls: type) -> dict[str, Reader] | None:
    """The declared fields of a record's class, and how to read each; None if it is no record. A class whose metaclass is not
    known is none: even to hash it may run code."""
    meta = type(cls)
    return _known_fields(cls) if meta is type or meta is _STRUCT or meta is ABCMeta else None


@lru_cache(maxsize=512)
def _known_fields(cls: type) -> dict[str, Reader] | None:
    if type(cls) is _STRUCT:
        return {name: _attribute(cls, name) for name in cls.__struct_fields__}
    declared = _static(cls, "__dataclass_fields__")
    if type(declared) is dict and all(type(item) is Field for item in declared.values()):
        return {item.name: _attribute(cls, item.name) for item in fields(cls)}
    names = _static(cls, "_fields")
    if issubclass(cls, tuple) and type(names) is tuple:
        return {name: partial(_numbered, index) for index, name in enumerate(names) if type(name) is str}
    return None


def _numbered(index: int, record: Any) -> object:
    return tuple.__getitem__(record, index)


def _attribute(cls: type, name: str) -> Reader:
    """How to read a stored field: from its slot or from the instance's dict, never from a property."""
    held = _static(cls, name)
    if type(held) is MemberDescriptorType:

        def slot(record: object) -> object:
            try:
                return held.__get__(record)
            except AttributeError:
                return _UNSET

        return slot
    default = held if type(held) in (str, int, float, bool, tuple) else _UNSET  # of a field that __init__ does not set
    return lambda record: _instance_dict(cls, record).get(name, default)


def _follow(value: object, step: str | int, absent: _Absent, work: _Work) -> object:
    """One step of a path, for all values but a plain dict and a name."""
    if type(type(value)) is EnumMeta:
        value = _plain(value)[1]
    cls = type(value)
    if type(step) is str:
        if issubclass(cls, dict):
            return dict.get(value, step, absent)  # type: ignore[call-overload]
        declared = _fields(cls)
        if declared is not None:
            item = declared[step](value) if step in declared else absent
            return absent if type(item) is _Absent else item
    elif issubclass(cls, (list, tuple)):
        base: Any = list if issubclass(cls, list) else tuple
        size = base.__len__(value)
        return base.__getitem__(value, step) if -size <= step < size else absent
    if _plain(value)[0] == _OTHER and _fields(cls) is None:
        raise work.fault(f"a path leads into {_OTHER}")
    return absent


def _equal(left: object, right: object, work: _Work) -> bool:
    kinds = _plain(left)[0], _plain(right)[0]
    if _OTHER in kinds and _NULL not in kinds:
        raise work.fault(f"a comparison with {_OTHER}")
    return _same(left, right, work)


def _unequal(left: object, right: object, work: _Work) -> bool:
    return not _equal(left, right, work)


def _same(left: object, right: object, work: _Work, depth: int = 0) -> bool:
    """Whether two values are equal, items included; an object that is not plain equals nothing."""
    cls = type(left)
    if cls is type(right) and (cls is str or cls is int):
        return left == right or (cls is str and _same_text(left, right, work))
    work.spend(1)
    left_kind, a = _plain(left)
    kind, b = _plain(right)
    if left_kind != kind:
        spoken = kind if left_kind == _TEXT else left_kind if kind == _TEXT else _NULL
        return spoken in _SPOKEN and _same_across(a, b)
    if kind == _TEXT:
        return _same_text(a, b, work)
    if kind == _NUMBER:
        return _numbers(operator.eq, a, b)
    if kind in (_LIST, _DICT, _SET):
        if depth == MAX_DEPTH:
            raise work.fault(f"values nested more than {MAX_DEPTH} deep")
        return _same_items(kind, a, b, work, depth + 1)
    return kind != _OTHER and bool(a == b)


def _same_text(a: Any, b: Any, work: _Work) -> bool:
    """Whether two texts differ at most in case. Folding makes a text three times as long at most, and never shorter."""
    if len(a) > 3 * len(b) or len(b) > 3 * len(a):
        return False
    if len(a) < _SHORT and len(b) < _SHORT:
        return bool(a.casefold() == b.casefold())
    return a == b or work.folded(a) == work.folded(b)


def _same_across(a: Any, b: Any) -> bool:
    """Whether a text says the number, or the true or false, on the other side."""
    if type(a) is bool or type(b) is bool:
        text, truth = (b, a) if type(a) is bool else (a, b)
        return len(text) <= len("false") and text.casefold() == str(truth).casefold()
    return _numbers(operator.eq, _as_number(a), _as_number(b))


def _same_items(kind: str, a: Any, b: Any, work: _Work, depth: int) -> bool:
    """Sets are equal if each item of either equals one of the other."""
    size, items = _contained(a)
    other_size, others = _contained(b)
    if kind == _SET:
        return all(_has_item(b, item, work, depth) for item in items) and all(_has_item(a, item, work, depth) for item in others)
    work.spend(size)
    if size != other_size:
        return False
    if kind == _LIST:
        return all(_same(x, y, work, depth) for x, y in zip(items, others, strict=True))
    return all(
        type(key) is str and dict.__contains__(b, key) and _same(dict.__getitem__(a, key), dict.__getitem__(b, key), work, depth)
        for key in items
    )


def _has_item(items: object, wanted: object, work: _Work, depth: int = 0) -> bool:
    size, every = _contained(items)
    work.spend(size)
    for item in every:
        if _same(item, wanted, work, depth):
            return True
    return False


def _contains(whole: object, part: object, work: _Work) -> bool:
    kind, held = _plain(whole)
    part_kind, wanted = _plain(part)
    if kind == _NULL:
        return False
    if kind in (_LIST, _SET) and part_kind != _OTHER:
        return _has_item(held, wanted, work)
    if kind in (_DICT, _TEXT) and part_kind in (_TEXT, _NULL):
        if part_kind == _NULL:
            return False
        return dict.__contains__(held, wanted) if kind == _DICT else work.folded(wanted) in work.folded(held)
    raise work.fault(f"{part_kind} cannot be looked for in {kind}")


def _within(part: object, whole: object, work: _Work) -> bool:
    return _contains(whole, part, work)


def _not_within(part: object, whole: object, work: _Work) -> bool:
    return not _contains(whole, part, work)


def _ordered(sign: str, verb: Verb) -> Callable[[object, object, _Work], bool]:
    def compare(left: object, right: object, work: _Work) -> bool:
        left_kind, a = _plain(left)
        kind, b = _plain(right)
        if _NULL in (left_kind, kind):
            return False
        if left_kind != kind and {left_kind, kind} == {_TEXT, _NUMBER}:
            a, b = _as_number(a), _as_number(b)
            if a is None or b is None:
                raise work.fault(f"{sign!r} between a number and a text that is no decimal number")
            return _numbers(verb, a, b)
        if left_kind != kind or kind not in _ORDERED:
            raise work.fault(f"{sign!r} between {left_kind} and {kind}")
        if kind == _NUMBER:
            return _numbers(verb, a, b)
        if kind == _TEXT:
            work.spend(min(len(a), len(b)) // _SHORT)
        try:
            return bool(verb(a, b))
        except TypeError:
            raise work.fault(f"{sign!r} between {kind} with and one without a zone") from None

    return compare


def _as_number(value: Any) -> Any:
    """A number itself; the number that a decimal text (sign, digits, fraction; ASCII) says; None for other texts."""
    if type(value) is not str:
        return value
    if len(value) > 64 or value.strip("+-.0123456789"):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return None if number.is_nan() else number


def _numbers(verb: Verb, a: Any, b: Any) -> bool:
    """Compare two numbers; NaN and None (no number) compare to nothing."""
    if type(a) is Decimal or type(b) is Decimal:
        a, b = _as_decimal(a), _as_decimal(b)
        return a is not None and b is not None and bool(verb(a, b))
    return a is not None and b is not None and bool(verb(a, b))


def _as_decimal(number: Any) -> Any:
    """A float as the Decimal it is written as, so that 0.1 equals Decimal("0.1"); None for NaN."""
    if type(number) is float:
        number = Decimal(repr(number))
    return None if type(number) is Decimal and number.is_nan() else number


def _operand(value: object, work: _Work) -> Any:
    """A number to calculate with, within 64 bits."""
    kind, number = _plain(value)
    if kind != _NUMBER:
        raise work.fault(f"arithmetic with {kind}")
    return _bounded(number, work)


def _bounded(number: Any, work: _Work) -> Any:
    if -(2**63) <= number < 2**63 if type(number) is int else math.isfinite(number):
        return number
    raise work.fault("a number beyond 64 bits")


def _calculated(sign: str, a: Any, b: Any, work: _Work) -> Any:
    if {type(a), type(b)} == {float, Decimal}:
        a, b = _as_decimal(a), _as_decimal(b)
    if sign == "/" and b == 0:
        raise work.fault("division by zero")
    return _bounded(_ARITHMETIC[sign](a, b), work)


def _length(value: object, work: _Work) -> int:
    kind, plain = _plain(value)
    if kind in (_TEXT, _BYTES):
        return len(plain)
    if kind in (_LIST, _DICT, _SET):
        return _contained(plain)[0]
    raise work.fault(f"len of {kind}")


def _recased(name: str, change: Callable[[str], str]) -> Callable[[object, _Work], str]:
    def recase(value: object, work: _Work) -> str:
        kind, text = _plain(value)
        if kind != _TEXT:
            raise work.fault(f"{name} of {kind}")
        if len(text) <= MAX_RESULT:
            work.spend(len(text) // _SHORT)
            changed = change(text)
            if len(changed.encode(errors="surrogatepass")) <= MAX_RESULT:
                return changed
        raise work.fault(f"{name} gives more than {MAX_RESULT} bytes")

    return recase


def _edge(name: str, verb: Callable[[str, str], bool]) -> Callable[[object, object, _Work], bool]:
    def look(whole: object, part: object, work: _Work) -> bool:
        kind, text = _plain(whole)
        part_kind, wanted = _plain(part)
        if _NULL in (kind, part_kind):
            return False
        if kind != _TEXT or part_kind != _TEXT:
            raise work.fault(f"{name} of {kind} and {part_kind}")
        return verb(work.folded(text), work.folded(wanted))

    return look


_ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
_EQUALITIES: dict[str, Verb] = {"==": operator.eq, "!=": operator.ne}
_ORDERS: dict[str, Verb] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_TESTS: dict[str, Callable[[object, object, _Work], bool]] = {
    "==": _equal,
    "!=": _unequal,
    "in": _within,
    "not in": _not_within,
    "contains": _contains,
    "starts_with": _edge("starts_with", str.startswith),
    "ends_with": _edge("ends_with", str.endswith),
} | {sign: _ordered(sign, verb) for sign, verb in _ORDERS.items()}
_CHANGES: dict[str, Callable[[object, _Work], object]] = {
    "len": _length,
    "lower": _recased("lower", str.lower),
    "upper": _recased("upper", str.upper),
}


def _compiled(node: tokens.Node, used: set[str]) -> Evaluate:
    """The closure of a node; `used` gathers the roots. An absent value is handed up as an _Absent."""
    match node:
        case tokens.Constant(value):
            return lambda output, facts, work: value
        case tokens.Path():
            return _path(node, used)
        case tokens.Not(operand):
            inner = _compiled(operand, used)
            return lambda output, facts, work: not _tested(inner(output, facts, work))
        case tokens.Sign(operand, position):
            return _sign(_compiled(operand, used), position)
        case tokens.Logic(word, operands):
            return _logic(word, [_compiled(operand, used) for operand in operands])
        case tokens.Arithmetic(first, rest):
            return _sum(_compiled(first, used), [(sign, _compiled(operand, used), at) for sign, operand, at in rest])
        case tokens.Comparison(sign, left, right, position):
            compare = _test(_TESTS[sign], _compiled(left, used), _compiled(right, used), position)
            return _quick(node, compare) or compare
        case tokens.Call(name, arguments, position):
            inner = _compiled(arguments[0], used)
            if name == "exists":
                return lambda output, facts, work: type(inner(output, facts, work)) is not _Absent
            if name in _CHANGES:
                return _change(_CHANGES[name], inner, position)
            return _test(_TESTS[name], inner, _compiled(arguments[1], used), position)


def _path(node: tokens.Path, used: set[str]) -> Evaluate:
    root, steps, position = node.root, node.steps, node.position
    absent = _Absent(node.text, position)
    used.add(root)

    def follow(output: object, facts: object, work: _Work) -> object:
        value = output if root == "output" else getattr(facts, root, absent)
        for step in steps:
            if type(value) is dict and type(step) is str:
                value = value.get(step, absent)
            elif value is not absent:
                work.at = position
                value = _follow(value, step, absent, work)
        return value

    return follow


def _logic(word: str, operands: list[Evaluate]) -> Evaluate:
    decisive = word == "or"

    def join(output: object, facts: object, work: _Work) -> bool:
        for operand in operands:
            if _tested(operand(output, facts, work)) is decisive:
                return decisive
        return not decisive

    return join


def _test(test: Callable[[object, object, _Work], bool], left: Evaluate, right: Evaluate, position: int) -> Evaluate:
    """A comparison: false if either side is absent, whatever it compares."""

    def compare(output: object, facts: object, work: _Work) -> bool:
        a = left(output, facts, work)
        b = right(output, facts, work)
        work.at = position
        return type(a) is not _Absent and type(b) is not _Absent and test(a, b, work)

    return compare


def _change(change: Callable[[object, _Work], object], inner: Evaluate, position: int) -> Evaluate:
    def changed(output: object, facts: object, work: _Work) -> object:
        value = inner(output, facts, work)
        work.at = position
        return value if type(value) is _Absent else change(value, work)

    return changed


def _sign(inner: Evaluate, position: int) -> Evaluate:
    return _change(lambda value, work: _bounded(-_operand(value, work), work), inner, position)


def _sum(first: Evaluate, rest: list[tuple[str, Evaluate, int]]) -> Evaluate:
    """Absent if one of the operands is; then none of the others need be a number."""

    def calculate(output: object, facts: object, work: _Work) -> object:
        total = first(output, facts, work)
        for sign, operand, position in rest:
            value = operand(output, facts, work)
            if type(total) is _Absent:
                continue
            work.at = position
            total = value if type(value) is _Absent else _calculated(sign, _operand(total, work), _operand(value, work), work)
        return total

    return calculate


def _quick(node: tokens.Node, common: Callable[..., bool]) -> Callable[..., bool] | None:
    """The same as `common`, but fast for `output.a op constant` and `output.a.b op constant`, the conditions of most
    workflows, where plain dicts hold a plain number or a short text there. None for other conditions."""
    second: str | None = None
    match node:
        case tokens.Comparison(sign, tokens.Path("output", (str(first),)), tokens.Constant(constant)):
            pass
        case tokens.Comparison(sign, tokens.Path("output", (str(first), str(second))), tokens.Constant(constant)):
            pass
        case _:
            return None
    verb = (_ORDERS | _EQUALITIES).get(sign)
    if verb is None or constant is None or (type(constant) is bool and sign not in _EQUALITIES):
        return None
    if type(constant) is str:
        return _quick_text(verb, first, second, constant, common)
    one, other = (bool, bool) if type(constant) is bool else (int, float)

    def test(output: object, facts: object, work: object = None) -> bool:
        try:
            value = output.get(first) if type(output) is dict else None
            if second is not None:
                value = value.get(second) if type(value) is dict else None
        except Exception:  # a key of the payload's; the common way makes it a fault
            value = None
        kind = type(value)
        if kind is one or kind is other:
            return verb(value, constant)
        return common(output, facts, work)

    return test


def _quick_text(verb: Verb, first: str, second: str | None, constant: str, common: Callable[..., bool]) -> Callable[..., bool]:
    fold = verb in _EQUALITIES.values()
    constant = constant.casefold() if fold else constant

    def test(output: object, facts: object, work: object = None) -> bool:
        try:
            value = output.get(first) if type(output) is dict else None
            if second is not None:
                value = value.get(second) if type(value) is dict else None
        except Exception:
            value = None
        if type(value) is str and len(value) < _SHORT:
            return verb(value.casefold() if fold else value, constant)
        return common(output, facts, work)

    return test
