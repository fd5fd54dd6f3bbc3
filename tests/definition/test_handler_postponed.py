"""Handlers of a module whose annotations are texts: `from __future__ import annotations`."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Annotated, Any, Optional

import msgspec
import pytest

import actorflow.definition.context as af
from actorflow.definition.context import Context
from actorflow.definition.handler import HandlerFault, make_handler
from actorflow.errors import PayloadError
from actorflow.messages import Failure

if TYPE_CHECKING:
    from elsewhere import Order

    import actorflow as flow
    from actorflow.definition.context import Context as OnlyForTypes


class Line(msgspec.Struct):
    sku: str


@dataclasses.dataclass
class Box:
    line: Line


class Facts:
    error = None
    node = "here"


CTX = Facts()


def direct(x, c: Context):
    return x, c


def dotted(x, c: af.Context):
    return x, c


def never_imported(x, c: flow.Context):
    return x, c


def never_imported_or_none(x, c: flow.Context | None = None):
    return x, c


def optional(x, c: Optional[Context] = None):  # noqa: UP045
    return x, c


def with_extras(x, c: Annotated[Context, "for what"]):
    return x, c


def keyword(x, *, c: Context):
    return x, c


class Methods:
    def method(self, x, c: Context):
        return x, c

    def __call__(self, x, c: Context):
        return x, c


def passing(function):
    @functools.wraps(function)
    def wrapper(*args: Nowhere, **kwargs: Nowhere) -> Nowhere:  # noqa: F821
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "function",
    [
        direct,
        dotted,
        never_imported,
        never_imported_or_none,
        optional,
        with_extras,
        keyword,
        Methods().method,
        Methods(),
        passing(direct),
        passing(passing(Methods().method)),
        functools.partial(direct),
        functools.partial(passing(never_imported)),
    ],
)
def test_a_parameter_annotated_as_the_context_gets_it(function):
    handler = make_handler(function)
    assert handler.invoke(1, CTX) == (1, CTX)
    assert handler.warnings == ()


def test_a_name_that_means_the_context_only_to_the_type_checker_is_not_known():
    def function(x, c: OnlyForTypes):
        return x, c

    with pytest.raises(HandlerFault):
        make_handler(function)


def test_a_failure_that_cannot_be_resolved_is_known_by_its_name():
    def function(x, f: flow.Failure):
        return f

    def resolved(x, f: Failure | None):
        return f

    assert make_handler(function).invoke(1, CTX) is None
    assert make_handler(resolved).invoke(1, CTX) is None


def test_annotations_are_checked():
    def function(box: Box, many: list[Line] = ()):
        return box

    assert make_handler(function).invoke({"line": {"sku": "a"}}, CTX) == Box(Line("a"))
    with pytest.raises(PayloadError, match=r"at \$\.line\.sku"):
        make_handler(function).invoke({"line": {"sku": 5}}, CTX)


def test_a_local_class_that_cannot_be_resolved_is_unchecked_with_a_warning():
    class Local(msgspec.Struct):
        a: int

    def function(x: Local, ctx: Context):
        return x, ctx

    handler = make_handler(function)
    assert handler.invoke(5, CTX) == (5, CTX)
    assert handler.warnings == ("parameter 'x' is not checked: its annotation 'Local' cannot be resolved",)


def test_a_local_class_that_the_function_uses_is_resolved():
    class Local(msgspec.Struct):
        a: int

    def function(x: Local, c: Context):
        return x == Local(1)

    assert make_handler(function).invoke({"a": 1}, CTX) is True


def test_a_name_that_is_only_there_for_the_type_checker_is_unchecked_with_a_warning():
    def function(order: Order, line: Line | None = None):
        return order

    handler = make_handler(function)
    assert handler.invoke(5, CTX) == 5 and handler.plain
    assert handler.warnings == ("parameter 'order' is not checked: its annotation 'Order' cannot be resolved",)


def test_slots_are_bound_and_checked():
    def function(left: Line, right: int, c: flow.Context):
        return left, right

    handler = make_handler(function, ("left", "right"))
    assert handler.invoke({"left": {"sku": "a"}, "right": 2}, CTX) == (Line("a"), 2)
    with pytest.raises(PayloadError, match="slot 'right' of node 'here': expected `int`, got `str`"):
        handler.invoke({"left": {"sku": "a"}, "right": "2"}, CTX)


def test_a_class_node():
    class Stock:
        def on_start(self, c: flow.Context) -> None:
            self.started = c

        def receive(self, line: Line, c: Context) -> Line:
            return line

    handler = make_handler(Stock)
    instance = handler.node_class.make()
    handler.node_class.on_start.call(instance, CTX)
    assert instance.started is CTX
    assert handler.bind(instance).invoke({"sku": "a"}, CTX) == Line("a")
    assert handler.returns is Line


def test_what_is_returned():
    def known(x) -> Line: ...

    def unknown(x) -> Order: ...

    assert make_handler(known).returns is Line
    assert make_handler(unknown).returns is Any
