"""Conditions: a text is read once (`tokens.py`) and becomes closures over plain data. Not here: which data is plain and what
is true (`plain.py`), what a comparison or a sum comes to (`operations.py`), mappings, callables as conditions, and what the
router does with a fault.

What is not there is absent: it satisfies no comparison, arithmetic on it is absent, `exists` tells.

Always: one evaluation takes at most 10,000 steps; what comes out is a value or a ConditionFault of at most 200 characters,
which holds positions and paths, no data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actorflow.definition import tokens
from actorflow.definition.operations import CHANGES, EQUALITIES, ORDERS, TESTS, Change, Test, Verb, calculated, negated
from actorflow.definition.plain import SHORT, Absent, ConditionFault, Work, follow, truth
from actorflow.errors import ConditionSyntaxError

__all__ = ["CONNECTION_ROOTS", "Condition", "ConditionFault", "parse"]

CONNECTION_ROOTS = frozenset({"output", "input", "variables", "error", "run", "key"})

Evaluate = Callable[[object, object, Work], Any]  # output, facts


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
    test = _guarded(evaluate, truth)
    return Condition(str.__str__(text), frozenset(used), _quick(node, test) or test, _guarded(evaluate, _taken))


def _guarded(evaluate: Evaluate, finish: Callable[[Any], Any]) -> Callable[..., Any]:
    """What `finish` makes of the value; whatever the payload raises on the way becomes a fault."""

    def run(output: object, facts: object, _: object = None) -> Any:
        try:
            return finish(evaluate(output, facts, Work()))
        except ConditionFault:
            raise
        except Exception:
            pass  # a defect of the payload, whose text may hold data: not even the context of the fault
        raise ConditionFault("the payload cannot be read")

    return run


def _taken(value: object) -> object:
    if type(value) is Absent:
        path = value.path if len(value.path) <= 100 else f"{value.path[:100]}..."
        raise ConditionFault(f"{path} is absent at position {value.position}")
    return value


def _compiled(node: tokens.Node, used: set[str]) -> Evaluate:
    """The closure of a node; `used` gathers the roots. An absent value is handed up as an Absent."""
    match node:
        case tokens.Constant(value):
            return lambda output, facts, work: value
        case tokens.Path():
            return _path(node, used)
        case tokens.Not(operand):
            inner = _compiled(operand, used)
            return lambda output, facts, work: not truth(inner(output, facts, work))
        case tokens.Sign(operand, position):
            return _change(negated, _compiled(operand, used), position)
        case tokens.Logic(word, operands):
            return _logic(word, [_compiled(operand, used) for operand in operands])
        case tokens.Arithmetic(first, rest):
            return _sum(_compiled(first, used), [(sign, _compiled(operand, used), at) for sign, operand, at in rest])
        case tokens.Comparison(sign, left, right, position):
            compare = _test(TESTS[sign], _compiled(left, used), _compiled(right, used), position)
            return _quick(node, compare) or compare
        case tokens.Call(name, arguments, position):
            inner = _compiled(arguments[0], used)
            if name == "exists":
                return lambda output, facts, work: type(inner(output, facts, work)) is not Absent
            if name in CHANGES:
                return _change(CHANGES[name], inner, position)
            return _test(TESTS[name], inner, _compiled(arguments[1], used), position)


def _path(node: tokens.Path, used: set[str]) -> Evaluate:
    root, steps, position = node.root, node.steps, node.position
    absent = Absent(node.text, position)
    used.add(root)

    def reach(output: object, facts: object, work: Work) -> object:
        value = output if root == "output" else getattr(facts, root, absent)
        for step in steps:
            if type(value) is dict and type(step) is str:
                value = value.get(step, absent)
            elif value is not absent:
                work.at = position
                value = follow(value, step, absent, work)
        return value

    return reach


def _logic(word: str, operands: list[Evaluate]) -> Evaluate:
    decisive = word == "or"

    def join(output: object, facts: object, work: Work) -> bool:
        for operand in operands:
            if truth(operand(output, facts, work)) is decisive:
                return decisive
        return not decisive

    return join


def _test(test: Test, left: Evaluate, right: Evaluate, position: int) -> Evaluate:
    """A comparison: false if either side is absent, whatever it compares."""

    def compare(output: object, facts: object, work: Work) -> bool:
        a = left(output, facts, work)
        b = right(output, facts, work)
        work.at = position
        return type(a) is not Absent and type(b) is not Absent and test(a, b, work)

    return compare


def _change(change: Change, inner: Evaluate, position: int) -> Evaluate:
    def changed(output: object, facts: object, work: Work) -> object:
        value = inner(output, facts, work)
        work.at = position
        return value if type(value) is Absent else change(value, work)

    return changed


def _sum(first: Evaluate, rest: list[tuple[str, Evaluate, int]]) -> Evaluate:
    """Absent if one of the operands is; then none of the others need be a number."""

    def calculate(output: object, facts: object, work: Work) -> object:
        total = first(output, facts, work)
        for sign, operand, position in rest:
            value = operand(output, facts, work)
            if type(total) is Absent:
                continue
            work.at = position
            total = value if type(value) is Absent else calculated(sign, total, value, work)
        return total

    return calculate


def _quick(node: tokens.Node, common: Callable[..., bool]) -> Callable[..., bool] | None:
    """The same as `common`, but fast for `output op constant`, `output.a op constant` and `output.a.b op constant`, the
    conditions of most workflows, where a plain number or a short text is there, in plain dicts. None for other conditions."""
    first: str | None = None
    second: str | None = None
    match node:
        case tokens.Comparison(sign, tokens.Path("output", ()), tokens.Constant(constant)):
            pass
        case tokens.Comparison(sign, tokens.Path("output", (str(first),)), tokens.Constant(constant)):
            pass
        case tokens.Comparison(sign, tokens.Path("output", (str(first), str(second))), tokens.Constant(constant)):
            pass
        case _:
            return None
    verb = (ORDERS | EQUALITIES).get(sign)
    if verb is None or constant is None or (type(constant) is bool and sign not in EQUALITIES):
        return None
    if type(constant) is str:
        return _quick_text(verb, first, second, constant, common)
    return _quick_number(verb, first, second, constant, common)


def _quick_number(verb: Verb, first: str | None, second: str | None, constant: Any, common: Callable[..., bool]) -> Callable[..., bool]:
    one, other = (bool, bool) if type(constant) is bool else (int, float)

    def test_itself(output: object, facts: object, work: object = None) -> bool:
        kind = type(output)
        if kind is one or kind is other:
            return verb(output, constant)
        return common(output, facts, work)

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

    return test_itself if first is None else test


def _quick_text(verb: Verb, first: str | None, second: str | None, constant: str, common: Callable[..., bool]) -> Callable[..., bool]:
    fold = verb in EQUALITIES.values()
    constant = constant.casefold() if fold else constant

    def test_itself(output: object, facts: object, work: object = None) -> bool:
        if type(output) is str and len(output) < SHORT:
            return verb(output.casefold() if fold else output, constant)
        return common(output, facts, work)

    def test(output: object, facts: object, work: object = None) -> bool:
        try:
            value = output.get(first) if type(output) is dict else None
            if second is not None:
                value = value.get(second) if type(value) is dict else None
        except Exception:
            value = None
        if type(value) is str and len(value) < SHORT:
            return verb(value.casefold() if fold else value, constant)
        return common(output, facts, work)

    return test_itself if first is None else test
