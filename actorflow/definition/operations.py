"""What comparisons, arithmetic and functions make of plain data. Not here: what is plain (`plain.py`), and absent values,
which never come this far (`expression.py`).

Comparison. `==` on texts ignores case, and so do `in`, `contains`, `starts_with` and `ends_with`; only order (by code point)
and the keys of a dict see it. A text that is a decimal number equals that number, "true" equals true, but true is not 1.
Lists and tuples equal each other, item by item; null equals only null. Other kinds are unequal. `<` takes two numbers, a
number and a decimal text, two texts, two dates or the like; null satisfies none, anything else is a fault.
`in` and `contains`: an item of a list or set, a key of a dict, a part of a text; null contains nothing.

Arithmetic takes numbers only, `/` gives a float; division by zero and a result beyond 64 bits are faults.

Always: each value looked at is paid for from the steps of the evaluation (an item or 50 characters one step, an item of
another kind two), and no text above 64 KiB is made."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from actorflow.definition.plain import BYTES, DICT, LIST, NULL, NUMBER, ORDERED, OTHER, SET, SHORT, TEXT, TRUTH, Work, classify, contained

__all__ = ["CHANGES", "EQUALITIES", "ORDERS", "TESTS", "Change", "Test", "Verb", "calculated", "negated"]

MAX_RESULT = 64 * 1024
MAX_DEPTH = 32  # of payloads that are compared

Verb = Callable[[Any, Any], bool]
Test = Callable[[object, object, Work], bool]
Change = Callable[[object, Work], object]

_SPOKEN = frozenset({NUMBER, TRUTH})  # what a text can say


def _equal(left: object, right: object, work: Work) -> bool:
    kinds = classify(left)[0], classify(right)[0]
    if OTHER in kinds and NULL not in kinds:
        raise work.fault(f"a comparison with {OTHER}")
    return _same(left, right, work)


def _unequal(left: object, right: object, work: Work) -> bool:
    return not _equal(left, right, work)


def _same(left: object, right: object, work: Work, depth: int = 0) -> bool:
    """Whether two values are equal, items included; an object that is not plain equals nothing."""
    cls = type(left)
    if cls is type(right) and (cls is str or cls is int):
        return left == right or (cls is str and _same_text(left, right, work))
    work.spend(1)
    left_kind, a = classify(left)
    kind, b = classify(right)
    if left_kind != kind:
        spoken = kind if left_kind == TEXT else left_kind if kind == TEXT else NULL
        return spoken in _SPOKEN and _same_across(a, b)
    if kind == TEXT:
        return _same_text(a, b, work)
    if kind == NUMBER:
        return _numbers(operator.eq, a, b)
    if kind in (LIST, DICT, SET):
        if depth == MAX_DEPTH:
            raise work.fault(f"values nested more than {MAX_DEPTH} deep")
        return _same_items(kind, a, b, work, depth + 1)
    return kind != OTHER and bool(a == b)


def _same_text(a: Any, b: Any, work: Work) -> bool:
    """Whether two texts differ at most in case. Folding makes a text three times as long at most, and never shorter."""
    if len(a) > 3 * len(b) or len(b) > 3 * len(a):
        return False
    if len(a) < SHORT and len(b) < SHORT:
        return bool(a.casefold() == b.casefold())
    return a == b or work.folded(a) == work.folded(b)


def _same_across(a: Any, b: Any) -> bool:
    """Whether a text says the number, or the true or false, on the other side."""
    if type(a) is bool or type(b) is bool:
        text, truth = (b, a) if type(a) is bool else (a, b)
        return len(text) <= len("false") and text.casefold() == str(truth).casefold()
    return _numbers(operator.eq, _as_number(a), _as_number(b))


def _same_items(kind: str, a: Any, b: Any, work: Work, depth: int) -> bool:
    """Sets are equal if each item of either equals one of the other."""
    size, items = contained(a)
    other_size, others = contained(b)
    if kind == SET:
        return all(_has_item(b, item, work, depth) for item in items) and all(_has_item(a, item, work, depth) for item in others)
    work.spend(size)
    if size != other_size:
        return False
    if kind == LIST:
        return all(_same(x, y, work, depth) for x, y in zip(items, others, strict=True))
    return all(
        type(key) is str and dict.__contains__(b, key) and _same(dict.__getitem__(a, key), dict.__getitem__(b, key), work, depth)
        for key in items
    )


def _has_item(items: object, wanted: object, work: Work, depth: int = 0) -> bool:
    size, every = contained(items)
    work.spend(size)
    for item in every:
        if _same(item, wanted, work, depth):
            return True
    return False


def _contains(whole: object, part: object, work: Work) -> bool:
    kind, held = classify(whole)
    part_kind, wanted = classify(part)
    if kind == NULL:
        return False
    if kind in (LIST, SET) and part_kind != OTHER:
        return _has_item(held, wanted, work)
    if kind in (DICT, TEXT) and part_kind in (TEXT, NULL):
        if part_kind == NULL:
            return False
        return dict.__contains__(held, wanted) if kind == DICT else work.folded(wanted) in work.folded(held)
    raise work.fault(f"{part_kind} cannot be looked for in {kind}")


def _within(part: object, whole: object, work: Work) -> bool:
    return _contains(whole, part, work)


def _not_within(part: object, whole: object, work: Work) -> bool:
    return not _contains(whole, part, work)


def _ordered(sign: str, verb: Verb) -> Test:
    def compare(left: object, right: object, work: Work) -> bool:
        left_kind, a = classify(left)
        kind, b = classify(right)
        if NULL in (left_kind, kind):
            return False
        if left_kind != kind and {left_kind, kind} == {TEXT, NUMBER}:
            a, b = _as_number(a), _as_number(b)
            if a is None or b is None:
                raise work.fault(f"{sign!r} between a number and a text that is no decimal number")
            return _numbers(verb, a, b)
        if left_kind != kind or kind not in ORDERED:
            raise work.fault(f"{sign!r} between {left_kind} and {kind}")
        if kind == NUMBER:
            return _numbers(verb, a, b)
        if kind == TEXT:
            work.spend(min(len(a), len(b)) // SHORT)
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


def _operand(value: object, work: Work) -> Any:
    """A number to calculate with, within 64 bits."""
    kind, number = classify(value)
    if kind != NUMBER:
        raise work.fault(f"arithmetic with {kind}")
    return _bounded(number, work)


def _bounded(number: Any, work: Work) -> Any:
    if -(2**63) <= number < 2**63 if type(number) is int else math.isfinite(number):
        return number
    raise work.fault("a number beyond 64 bits")


def negated(value: object, work: Work) -> Any:
    return _bounded(-_operand(value, work), work)


def calculated(sign: str, left: object, right: object, work: Work) -> Any:
    a, b = _operand(left, work), _operand(right, work)
    if {type(a), type(b)} == {float, Decimal}:
        a, b = _as_decimal(a), _as_decimal(b)
    if sign == "/" and b == 0:
        raise work.fault("division by zero")
    return _bounded(_ARITHMETIC[sign](a, b), work)


def _length(value: object, work: Work) -> int:
    kind, plain = classify(value)
    if kind in (TEXT, BYTES):
        return len(plain)
    if kind in (LIST, DICT, SET):
        return contained(plain)[0]
    raise work.fault(f"len of {kind}")


def _recased(name: str, change: Callable[[str], str]) -> Callable[[object, Work], str]:
    def recase(value: object, work: Work) -> str:
        kind, text = classify(value)
        if kind != TEXT:
            raise work.fault(f"{name} of {kind}")
        if len(text) <= MAX_RESULT:
            work.spend(len(text) // SHORT)
            changed = change(text)
            if len(changed.encode(errors="surrogatepass")) <= MAX_RESULT:
                return changed
        raise work.fault(f"{name} gives more than {MAX_RESULT} bytes")

    return recase


def _edge(name: str, verb: Callable[[str, str], bool]) -> Test:
    def look(whole: object, part: object, work: Work) -> bool:
        kind, text = classify(whole)
        part_kind, wanted = classify(part)
        if NULL in (kind, part_kind):
            return False
        if kind != TEXT or part_kind != TEXT:
            raise work.fault(f"{name} of {kind} and {part_kind}")
        return verb(work.folded(text), work.folded(wanted))

    return look


_ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
EQUALITIES: dict[str, Verb] = {"==": operator.eq, "!=": operator.ne}
ORDERS: dict[str, Verb] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
TESTS: dict[str, Test] = {
    "==": _equal,
    "!=": _unequal,
    "in": _within,
    "not in": _not_within,
    "contains": _contains,
    "starts_with": _edge("starts_with", str.startswith),
    "ends_with": _edge("ends_with", str.endswith),
} | {sign: _ordered(sign, verb) for sign, verb in ORDERS.items()}
CHANGES: dict[str, Change] = {
    "len": _length,
    "lower": _recased("lower", str.lower),
    "upper": _recased("upper", str.upper),
}
