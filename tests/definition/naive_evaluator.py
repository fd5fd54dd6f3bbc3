"""What a condition means, in the plainest way: a tree of tuples, walked anew for each question. Written from `api.md` and the
openings of `plain.py`, `operations.py` and `expression.py`, without a line of actorflow, so that neither repeats the
other's mistakes. Not here: limits, records, other payloads than JSON has.

    ("constant", value)   ("path", root, [name or index, ...])   ("not", "not" or "!", tree)   ("minus", tree)
    ("and"/"or"/"&&"/"||", left, right)   (comparison or arithmetic sign, left, right)   ("call", function, [tree, ...])"""

from __future__ import annotations

import math
import re
from decimal import Decimal

ABSENT = object()
ARITHMETIC = ("+", "-", "*", "/")
ORDER = ("<", "<=", ">", ">=")
COMPARISONS = ("==", "!=", *ORDER, "in", "not in", "contains")
LEVELS = {"or": 1, "||": 1, "and": 2, "&&": 2, "+": 5, "-": 5, "*": 6, "/": 6} | dict.fromkeys(COMPARISONS, 4)


class Fault(Exception):
    """The question has no answer."""


def render(tree, *, all_brackets=False, quote='"'):
    """The tree as a condition text, with brackets where they are needed or around everything."""

    def bracketed(part, least):
        text = render(part, all_brackets=all_brackets, quote=quote)
        return f"({text})" if level(part) < least or (all_brackets and part[0] not in ("path", "call")) else text

    match tree:
        case ("constant", value):
            return literal(value, quote)
        case ("path", root, steps):
            return root + "".join(step_text(step, quote) for step in steps)
        case ("not", "not", part):
            return f"not {bracketed(part, 3)}"
        case ("not", "!", part):
            return f"!{bracketed(part, 7)}"
        case ("minus", part):
            return f"- {bracketed(part, 7)}"
        case ("call", function, parts):
            return f"{function}({', '.join(render(part, all_brackets=all_brackets, quote=quote) for part in parts)})"
        case (sign, left, right):
            own = LEVELS[sign]
            return f"{bracketed(left, own + (own == 4))} {sign} {bracketed(right, own + 1)}"


def level(tree):
    if tree[0] == "not":
        return 3 if tree[1] == "not" else 7
    return 7 if tree[0] == "minus" else LEVELS.get(tree[0], 8)


def literal(value, quote):
    if not isinstance(value, str):
        return {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else repr(value)
    written = "".join(f"\\{c}" if c in ("\\", quote) else f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c for c in value)
    return quote + written + quote


def step_text(step, quote):
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", step) else f"[{literal(step, quote)}]"


def truth(value):
    if value is ABSENT or value is None or value is False:
        return False
    return not (isinstance(value, str) and value.casefold() == "false")


def evaluate(tree, roots):
    match tree:
        case ("constant", value):
            return value
        case ("path", root, steps):
            return follow(roots[root], steps)
        case ("not", _, part):
            return not truth(evaluate(part, roots))
        case ("minus", part):
            value = evaluate(part, roots)
            return ABSENT if value is ABSENT else bounded(-operand(value))
        case ("and" | "&&", left, right):
            return truth(evaluate(left, roots)) and truth(evaluate(right, roots))
        case ("or" | "||", left, right):
            return truth(evaluate(left, roots)) or truth(evaluate(right, roots))
        case ("call", function, parts):
            return call(function, [evaluate(part, roots) for part in parts])
        case (sign, left, right):
            a, b = evaluate(left, roots), evaluate(right, roots)
            if a is ABSENT or b is ABSENT:
                return ABSENT if sign in ARITHMETIC else False
            return calculate(sign, a, b) if sign in ARITHMETIC else compare(sign, a, b)


def follow(value, steps):
    for step in steps:
        if isinstance(step, str) and isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return ABSENT
    return value


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def operand(value):
    if not is_number(value):
        raise Fault
    return bounded(value)


def bounded(number):
    if isinstance(number, int):
        if not -(2**63) <= number <= 2**63 - 1:
            raise Fault
    elif math.isinf(number) or math.isnan(number):
        raise Fault
    return number


def calculate(sign, a, b):
    a, b = operand(a), operand(b)
    if sign == "/" and b == 0:
        raise Fault
    try:
        return bounded({"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[sign]())
    except OverflowError:
        raise Fault from None


def said_number(text):
    """The number a decimal text says, or None."""
    return Decimal(text) if len(text) <= 64 and re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text) else None


def exact(number):
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def compare(sign, a, b):
    if sign == "==":
        return equal(a, b)
    if sign == "!=":
        return not equal(a, b)
    if sign == "in":
        return holds(b, a)
    if sign == "not in":
        return not holds(b, a)
    if sign == "contains":
        return holds(a, b)
    return ordered(sign, a, b)


def ordered(sign, a, b):
    if a is None or b is None:
        return False
    if isinstance(a, str) and isinstance(b, str):
        pass
    elif is_number(a) and is_number(b):
        pass
    elif isinstance(a, str) and is_number(b):
        a, b = said_number(a), exact(b)
    elif is_number(a) and isinstance(b, str):
        a, b = exact(a), said_number(b)
    else:
        raise Fault
    if a is None or b is None:
        raise Fault
    if any(isinstance(x, Decimal) and x.is_nan() for x in (a, b)):
        return False
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]


def equal(a, b):
    if isinstance(a, str) and isinstance(b, str):
        return a.casefold() == b.casefold()
    if isinstance(a, bool) and isinstance(b, bool):
        return a is b
    if isinstance(a, str) and isinstance(b, bool):
        return a.casefold() == str(b).casefold()
    if isinstance(a, bool) and isinstance(b, str):
        return equal(b, a)
    if is_number(a) and is_number(b):
        return a == b
    if isinstance(a, str) and is_number(b):
        said = said_number(a)
        return said is not None and said == exact(b)
    if is_number(a) and isinstance(b, str):
        return equal(b, a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return a is None and b is None


def holds(whole, part):
    if whole is None:
        return False
    if isinstance(whole, list):
        return any(equal(item, part) for item in whole)
    if isinstance(whole, (dict, str)) and part is None:
        return False
    if isinstance(whole, dict) and isinstance(part, str):
        return part in whole
    if isinstance(whole, str) and isinstance(part, str):
        return part.casefold() in whole.casefold()
    raise Fault


def call(function, values):
    first = values[0]
    if function == "exists":
        return first is not ABSENT
    if function in ("starts_with", "ends_with"):
        if ABSENT in values or None in values:
            return False
        if not all(isinstance(value, str) for value in values):
            raise Fault
        whole, part = (value.casefold() for value in values)
        return whole.startswith(part) if function == "starts_with" else whole.endswith(part)
    if first is ABSENT:
        return ABSENT
    if function == "len" and isinstance(first, (str, list, dict)):
        return len(first)
    if function in ("lower", "upper") and isinstance(first, str):
        return first.lower() if function == "lower" else first.upper()
    raise Fault
