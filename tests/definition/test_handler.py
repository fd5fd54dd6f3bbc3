"""What a handler's parameters get, how it runs, and what is wrong with a callable that cannot be one."""

import asyncio
import contextlib
import functools
import gc
import inspect
import math
import operator
import types
import weakref
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Optional
from unittest import mock

import msgspec
import pytest

import actorflow.definition.context as af_context
import actorflow.messages as af
from actorflow.definition.context import Context
from actorflow.definition.handler import Handler, HandlerCache, HandlerFault, default_name, is_async, make_handler
from actorflow.errors import PayloadError
from actorflow.messages import NOTHING, Failure

FAILURE = Failure("charge", (), 1, "ValueError", "boom", "", None, datetime(2020, 1, 1, tzinfo=UTC))
PAYLOAD = {"left": 1, "right": 2}
SLOTS = ("left", "right")


class Facts:
    """Stands for a Context where only its two attributes matter."""

    def __init__(self, error=None):
        self.error = error
        self.node = "here"


CTX = Facts()
FAILED = Facts(FAILURE)


def called(function, payload=PAYLOAD, ctx=CTX, slots=None, **options):
    """What the handler made of a function returns."""
    handler = make_handler(function, slots, node="here", **options)
    result = handler.invoke(payload, ctx)
    if handler.plain:
        assert handler.callable(payload) == result
    return result


class Line(msgspec.Struct):
    sku: str
    count: int = 1


# --- one payload -------------------------------------------------------------------------------------------------------

i = 7


class Methods:
    def plain(self, x):
        return "plain", x

    def context(self, x, ctx):
        return x, ctx

    @classmethod
    def of_class(cls, x):
        return cls.__name__, x

    @staticmethod
    def static(x):
        return "static", x

    def __call__(self, x):
        return "called", x


def wrapping(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return "wrapped", function(*args, **kwargs)

    return wrapper


def bare(function):
    def wrapper(*args, **kwargs):
        return "bare", function(*args, **kwargs)

    return wrapper


def three(a, b, c):
    return a, b, c


ONE_PAYLOAD = [
    ("no parameter: nothing is passed", lambda: "none", "none"),
    ("one parameter gets the payload", lambda x: x, PAYLOAD),
    ("one with a default gets it too", lambda x=5: x, PAYLOAD),
    ("one that is positional only", lambda x, /: x, PAYLOAD),
    ("one that is keyword only", lambda *, x: x, PAYLOAD),
    ("one keyword-only with a default", lambda *, x=5: x, PAYLOAD),
    ("the others keep their defaults", lambda x, i=i: (x, i), (PAYLOAD, 7)),
    ("all have defaults: the first gets it", lambda x=1, y=2: (x, y), (PAYLOAD, 2)),
    ("the required one gets it, also by keyword", lambda x=1, *, y: (x, y), (1, PAYLOAD)),
    ("positional-only ones before it are given their defaults", lambda x=1, /, *, y: (x, y), (1, PAYLOAD)),
    ("a parameter with the name of a key is not special", lambda left: left, PAYLOAD),
    ("*args gets the payload", lambda *args: args, (PAYLOAD,)),
    ("*args is left empty if another takes it", lambda x, *args: (x, args), (PAYLOAD, ())),
    ("*args gets it before options", lambda *args, option=1: (args, option), ((PAYLOAD,), 1)),
    ("a required option gets it before *args", lambda *args, option: (args, option), ((), PAYLOAD)),
    ("**kwargs gets nothing", lambda **kwargs: kwargs, {}),
    ("*args and **kwargs", lambda *args, **kwargs: (args, kwargs), ((PAYLOAD,), {})),
    ("payload and **kwargs", lambda x, **kwargs: (x, kwargs), (PAYLOAD, {})),
    ("ctx by its name", lambda x, ctx: (x, ctx), (PAYLOAD, CTX)),
    ("ctx first", lambda ctx, x: (ctx, x), (CTX, PAYLOAD)),
    ("ctx alone", lambda ctx: ctx, CTX),
    ("ctx by keyword", lambda x, *, ctx: (x, ctx), (PAYLOAD, CTX)),
    ("ctx after a default that is kept", lambda x, i=i, ctx=None: (x, i, ctx), (PAYLOAD, 7, CTX)),
    ("positional-only ctx after a default that is kept", lambda x, i=i, ctx=None, /: (x, i, ctx), (PAYLOAD, 7, CTX)),
    ("ctx and *args", lambda ctx, *args: (ctx, args), (CTX, (PAYLOAD,))),
    ("*args and ctx", lambda *args, ctx: (args, ctx), ((PAYLOAD,), CTX)),
    ("**ctx is no context", lambda x, **ctx: (x, ctx), (PAYLOAD, {})),
    ("*ctx is no context", lambda *ctx: ctx, (PAYLOAD,)),
    ("another name for the context needs the annotation", lambda x, context=None: (x, context), (PAYLOAD, None)),
    ("a method", Methods().plain, ("plain", PAYLOAD)),
    ("a method with ctx", Methods().context, (PAYLOAD, CTX)),
    ("a class method", Methods.of_class, ("Methods", PAYLOAD)),
    ("a static method", Methods.static, ("static", PAYLOAD)),
    ("a static method as an object", Methods.__dict__["static"], ("static", PAYLOAD)),
    ("an instance that can be called", Methods(), ("called", PAYLOAD)),
    ("a partial by position", functools.partial(three, 1, 2), (1, 2, PAYLOAD)),
    ("a partial by name", functools.partial(three, b=1, c=2), (PAYLOAD, 1, 2)),
    ("a partial that binds the first by name", functools.partial(lambda a, b: (a, b), a=1), (1, PAYLOAD)),
    ("a partial that leaves nothing", functools.partial(three, 1, 2, 3), (1, 2, 3)),
    ("a partial that leaves nothing, by name", functools.partial(three, a=1, b=2, c=3), (1, 2, 3)),
    ("a partial that binds ctx", functools.partial(lambda x, ctx: (x, ctx), ctx="mine"), (PAYLOAD, "mine")),
    ("a partial of a partial", functools.partial(functools.partial(three, 1), c=3), (1, PAYLOAD, 3)),
    ("a partial of a method", functools.partial(Methods().context, ctx=1), (PAYLOAD, 1)),
    ("a decorated function: its signature, but the outer one is called", wrapping(lambda x, i=i: (x, i)), ("wrapped", (PAYLOAD, 7))),
    ("a decorated function with ctx", wrapping(lambda x, ctx: ctx), ("wrapped", CTX)),
    ("twice decorated", wrapping(wrapping(lambda: 1)), ("wrapped", ("wrapped", 1))),
    ("a decorator without functools.wraps", bare(lambda x: x), ("bare", PAYLOAD)),
    ("a cached function", functools.cache(lambda: 5), 5),
    ("a built-in with a signature", len, 2),
    ("a built-in of a module", math.ceil, 3, 2.5),
    ("a built-in whose other parameters have defaults", sorted, ["left", "right"]),
    ("a built-in without signature", max, "right"),
    ("a method of a built-in", [PAYLOAD].index, 0),
    ("a method descriptor", str.upper, "ABC", "abc"),
    ("a method of a text", "a,b".split, ["a,b"], ";"),
    ("an itemgetter", operator.itemgetter("left"), 1),
    ("an attrgetter", operator.attrgetter("node"), "charge", FAILURE),
    ("a methodcaller", operator.methodcaller("upper"), "ABC", "abc"),
    ("a partial of a built-in", functools.partial(int, base=2), 5, "101"),
    ("a partial of a class", functools.partial(Line, count=3), Line("a", 3), "a"),
    ("a slot wrapper", (1).__add__, 3, 2),
    ("print", print, None),
    ("a mock", mock.Mock(return_value=4), 4),
]


@pytest.mark.parametrize("case", ONE_PAYLOAD, ids=lambda case: case[0])
def test_a_payload_that_is_no_dict_of_slots(case):
    _, function, expected, *payload = case
    assert called(function, *payload) == expected


@pytest.mark.parametrize("case", [case for case in ONE_PAYLOAD if len(case) == 3], ids=lambda case: case[0])
def test_slots_make_no_difference_to_a_single_parameter(case):
    _, function, expected = case
    if "kwargs" not in case[0]:
        assert called(function, slots=("unlike", "unlike too")) == expected


# --- slots -------------------------------------------------------------------------------------------------------------

BY_SLOT = [
    ("all are named like slots", lambda left, right: (left, right), (1, 2)),
    ("in another order", lambda right, left: (right, left), (2, 1)),
    ("by keyword", lambda *, left, right: (left, right), (1, 2)),
    ("positional only", lambda left, right, /: (left, right), (1, 2)),
    ("with defaults", lambda left=5, right=6: (left, right), (1, 2)),
    ("one without its slot keeps its default", lambda left, other=5: (left, other), (1, 5)),
    ("ctx besides", lambda left, right, ctx: (left, right, ctx), (1, 2, CTX)),
    ("ctx before", lambda ctx, right, left: (ctx, right, left), (CTX, 2, 1)),
    ("ctx by keyword", lambda left, right, *, ctx: (left, right, ctx), (1, 2, CTX)),
    ("not all slots are taken", lambda left, i=i: (left, i), (1, 7)),
    ("the first is no slot, but has a default", lambda i=i, left=None: (i, left), (7, 1)),
    ("positional-only defaults in between", lambda left, i=i, right=None, /: (left, i, right), (1, 7, 2)),
    ("**rest gets what is not named", lambda left, **rest: (left, rest), (1, {"right": 2})),
    ("**rest alone gets all", lambda **rest: rest, PAYLOAD),
    ("**rest with ctx", lambda ctx, **rest: (ctx, rest), (CTX, PAYLOAD)),
    ("**rest and all named", lambda left, right, **rest: (left, right, rest), (1, 2, {})),
    ("one parameter gets the whole", lambda left: left, PAYLOAD),
    ("one parameter and ctx", lambda left, ctx: (left, ctx), (PAYLOAD, CTX)),
    ("*args gets the whole", lambda *args: args, (PAYLOAD,)),
    ("*args and **kwargs take the whole by position", lambda *args, **kwargs: (args, kwargs), ((PAYLOAD,), {})),
    ("one parameter that is no slot, and **rest", lambda x, **rest: (x, rest), (PAYLOAD, {})),
    ("no name is a slot, one is required", lambda x, i=i: (x, i), (PAYLOAD, 7)),
    ("no name is a slot, none is required", lambda x=1, i=i: (x, i), (PAYLOAD, 7)),
    ("nothing", lambda: 0, 0),
    ("a method", types.MethodType(lambda self, left, right: (self, left, right), "me"), ("me", 1, 2)),
    ("a partial", functools.partial(lambda a, left, right: (a, left, right), 0), (0, 1, 2)),
    ("a slot that a partial has bound", functools.partial(lambda left, right: (left, right), left=9), (9, PAYLOAD)),
    ("a decorated function", wrapping(lambda left, right: (left, right)), ("wrapped", (1, 2))),
]


@pytest.mark.parametrize(("what", "function", "expected"), BY_SLOT, ids=[case[0] for case in BY_SLOT])
def test_a_payload_that_is_a_dict_of_slots(what, function, expected):
    assert called(function, slots=SLOTS) == expected


@pytest.mark.parametrize(
    ("function", "payload", "expected"),
    [
        (lambda left, right: (left, right), {"right": 2}, (None, 2)),
        (lambda left, right=5: (left, right), {"left": 1}, (1, 5)),
        (lambda left=5, right=6, /: (left, right), {"right": 2}, (5, 2)),
        (lambda left, right: (left, right), {"left": None}, (None, None)),
        (lambda *, left="d", right: (left, right), {}, ("d", None)),
        (lambda left, **rest: (left, rest), {"right": 2}, (None, {"right": 2})),
    ],
)
def test_a_slot_that_was_skipped_keeps_the_default_else_is_none(function, payload, expected):
    assert called(function, payload, slots=SLOTS) == expected


@pytest.mark.parametrize("payload", [5, None, [1], "left"], ids=repr)
def test_a_payload_that_is_no_dict_for_parameters_bound_by_slot_is_refused(payload):
    with pytest.raises(PayloadError, match="the payload of node 'here': expected a `dict` of its input slots, got"):
        called(lambda left, right: 0, payload, slots=SLOTS)


@pytest.mark.parametrize(
    ("function", "slots", "texts"),
    [
        (lambda a, b: 0, None, ["'a', 'b' have no defaults", "one payload"]),
        (lambda a, b: 0, (), ["'a', 'b'", "one payload"]),
        (lambda a, b: 0, SLOTS, ["'a', 'b'", "'left', 'right'", "to= on a connection"]),
        (lambda left, b: 0, SLOTS, ["'left', 'b' have no defaults", "'b' is none of its input slots"]),
        (lambda left, right, more: 0, SLOTS, ["'more' is none of its input slots"]),
        (lambda a, *, b: 0, None, ["'a', 'b'"]),
        (lambda a, b, ctx: 0, None, ["'a', 'b'"]),
        (lambda a, b, **rest: 0, SLOTS, ["'a', 'b'", "'left', 'right'"]),
        (lambda a, b, *args: 0, None, ["'a', 'b'"]),
        (three, ("a", "b"), ["'c' is none of its input slots"]),
        (functools.partial(three, 1), None, ["'b', 'c'"]),
        (pow, None, ["'base', 'exp'"]),
    ],
)
def test_parameters_that_fit_nothing_are_a_fault_that_lists_names_and_slots(function, slots, texts):
    with pytest.raises(HandlerFault) as caught:
        make_handler(function, slots, node="merge")
    for text in ("node 'merge': ", *texts):
        assert text in str(caught.value)


def test_many_slots_are_not_all_listed():
    with pytest.raises(HandlerFault) as caught:
        make_handler(lambda a, b: 0, tuple(f"slot {number}" for number in range(1000)))
    assert len(str(caught.value)) < 300


# --- slots from inputs= ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda left, right: (left, right), (1, 2)),
        (lambda left, right, ctx: (left, right, ctx), (1, 2, CTX)),
        (lambda left, i=i, right=3: (left, i, right), (1, 7, 2)),
        (lambda left, **rest: (left, rest), (1, {"right": 2})),
        (lambda **rest: rest, PAYLOAD),
        (lambda x: x, PAYLOAD),
        (lambda x, i=i: (x, i), (PAYLOAD, 7)),
        (lambda *args: args, (PAYLOAD,)),
        (lambda: 0, 0),
    ],
)
def test_inputs_are_bound_by_slot(function, expected):
    assert called(function, inputs=("left", "right")) == expected


def test_a_single_parameter_gets_its_slot_of_inputs():
    assert called(lambda rows: rows, {"rows": [1]}, inputs=("rows",)) == [1]
    assert called(lambda rows, limit=5: (rows, limit), {"rows": [1]}, inputs=("rows",)) == ([1], 5)


def test_inputs_stand_for_the_slots_of_a_join():
    assert called(lambda rows, limit: (rows, limit), {"rows": 1, "limit": 2}, slots=SLOTS, inputs=("rows", "limit")) == (1, 2)


@pytest.mark.parametrize(
    ("function", "inputs", "text"),
    [
        (
            lambda rows, limit=5: 0,
            ("rows", "limt"),
            "no parameter takes the slot 'limt' of its inputs=; its parameters are 'rows', 'limit'",
        ),
        (lambda rows: 0, ("rows", "a", "b"), "no parameter takes the slots 'a', 'b'"),
        (lambda rows, limit: 0, ("rows",), "'limit' is none of its input slots, which are 'rows'; inputs= names a slot"),
    ],
)
def test_inputs_that_do_not_fit_are_a_fault(function, inputs, text):
    with pytest.raises(HandlerFault) as caught:
        make_handler(function, None, node="n", inputs=inputs)
    assert text in str(caught.value)


# --- context and failure -----------------------------------------------------------------------------------------------


def annotated(annotation, default=inspect.Parameter.empty):
    def function(x, it):
        return x, it

    function.__annotations__["it"] = annotation
    if default is not inspect.Parameter.empty:
        function.__defaults__ = (default,)
    return function


CONTEXT = [
    *(Context, Optional[Context], Context | None, None | Context, Annotated[Context, "x"], Annotated[Context | None, 1], "Context"),  # noqa: UP045
    *("af_context.Context", "af.Context", "actorflow.Context", "Context | None", "None | Context", "Optional[Context]", "'Context'"),
    *("typing.Optional[af.Context]", "nowhere.at.all.Context"),
]
FAILURES = [Failure, Failure | None, "Failure", "af.Failure", "actorflow.Failure | None", "Optional[nowhere.Failure]"]


@pytest.mark.parametrize("annotation", CONTEXT, ids=repr)
def test_a_parameter_annotated_as_the_context_gets_it(annotation):
    handler = make_handler(annotated(annotation))
    assert handler.invoke(1, CTX) == (1, CTX)
    assert handler.needs_context and not handler.plain and not handler.warnings


@pytest.mark.parametrize("annotation", FAILURES, ids=repr)
def test_a_parameter_annotated_as_a_failure_gets_it_on_a_fail_delivery(annotation):
    handler = make_handler(annotated(annotation))
    assert handler.invoke(1, FAILED) == (1, FAILURE)
    assert handler.invoke(1, CTX) == (1, None)
    assert make_handler(annotated(annotation, "no failure")).invoke(1, CTX) == (1, "no failure")
    assert handler.needs_context


@pytest.mark.parametrize("annotation", [Methods, "Contexts", "MyContext", "Failures", "list[Context]", list[Context], dict], ids=repr)
def test_other_annotations_are_no_context(annotation):
    with pytest.raises(HandlerFault):
        make_handler(annotated(annotation))


def test_another_class_of_that_name_is_no_context():
    Context = type("Context", (), {})
    with pytest.raises(HandlerFault):
        make_handler(annotated(Context))


def test_a_failure_alone_is_no_payload():
    def report(failure: af.Failure):
        return failure

    assert called(report, ctx=FAILED) is FAILURE


def test_payload_context_and_failure_in_any_order():
    def function(error: Failure, context: af_context.Context, x, *, again: Failure = None):
        return error, context, x, again

    assert called(function, 5, FAILED) == (FAILURE, FAILED, 5, FAILURE)
    assert called(function, 5, CTX) == (None, CTX, 5, None)


def test_a_failure_named_ctx_is_the_failure():
    def function(x, ctx: Failure):
        return ctx

    assert called(function, ctx=FAILED) is FAILURE


def test_ctx_is_the_context_whatever_it_is_annotated_with():
    def function(x, ctx: dict):
        return ctx

    assert called(function) is CTX


# --- plain -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function", [lambda x: x, lambda x, i=i: x, lambda *args: args, Methods().plain, Methods(), len, functools.partial(three, 1, 2)]
)
def test_a_handler_that_takes_just_the_payload_is_plain(function):
    handler = make_handler(function)
    assert handler.plain and not handler.needs_context and not handler.checks
    assert handler.callable is function


def number(x: int):
    return x


@pytest.mark.parametrize("function", [lambda: 0, lambda x, ctx: 0, lambda ctx: 0, lambda *, x: 0, number])
def test_others_are_not_plain(function):
    assert not make_handler(function).plain


def test_parameters_bound_by_slot_are_not_plain():
    assert not make_handler(lambda left, right: 0, SLOTS).plain


# --- checks ------------------------------------------------------------------------------------------------------------


def test_a_payload_is_converted_to_its_annotation():
    def function(line: Line, ctx):
        return line

    assert called(function, {"sku": "a"}) == Line("a")
    assert make_handler(function).checks
    line = Line("b")
    assert called(function, line) is line


def test_a_mismatch_names_node_and_path():
    def function(line: Line):
        raise AssertionError("called")

    with pytest.raises(PayloadError) as caught:
        called(function, {"sku": 5})
    assert str(caught.value) == "the payload of node 'here': expected `str`, got `int` at $.sku"
    assert (caught.value.node, caught.value.slot, caught.value.path) == ("here", "", "$.sku")
    assert caught.value.__context__ is None


def test_a_slot_is_checked_and_named():
    def function(left: Line, right: int = 5, *, ctx):
        return left, right

    assert called(function, {"left": {"sku": "a"}}, slots=SLOTS) == (Line("a"), 5)
    payload = {"left": {"sku": "a"}, "right": "x"}
    with pytest.raises(PayloadError) as caught:
        called(function, payload, slots=SLOTS)
    assert str(caught.value) == "slot 'right' of node 'here': expected `int`, got `str` at $"
    assert caught.value.slot == "right" and caught.value.__context__ is None
    assert payload == {"left": {"sku": "a"}, "right": "x"}


def test_a_slot_that_is_missing_is_not_checked():
    def function(left: Line, right: int):
        return left, right

    assert called(function, {"right": 1}, slots=SLOTS) == (None, 1)
    with pytest.raises(PayloadError):
        called(function, {"right": 1, "left": None}, slots=SLOTS)


def test_none_as_default_is_allowed_as_a_value():
    def function(x: int = None):  # noqa: RUF013
        return x

    assert called(function, None) is None
    assert called(function, 5) == 5
    with pytest.raises(PayloadError):
        called(function, "x")


def test_what_is_not_passed_is_not_checked():
    def function(x, y: int = "text"):
        return x, y

    handler = make_handler(function)
    assert handler.invoke(1, CTX) == (1, "text") and handler.plain and not handler.checks


def test_args_and_kwargs_are_checked_by_what_they_hold():
    def positions(*lines: Line):
        return lines

    def rest(left, **lines: Line):
        return left, lines

    assert called(positions, {"sku": "a"}) == (Line("a"),)
    assert called(rest, {"left": 5, "right": {"sku": "a"}}, slots=SLOTS) == (5, {"right": Line("a")})
    with pytest.raises(PayloadError, match="slot 'right' of node 'here'"):
        called(rest, {"left": 5, "right": 5}, slots=SLOTS)


def test_an_error_of_the_handler_itself_is_left_alone():
    def function(x: int):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as caught:
        called(function, 1)
    assert caught.value.__context__ is None


def test_an_annotation_that_cannot_be_resolved_is_unchecked_with_a_warning():
    def function(x: "Nowhere", y: "list[Gone]" = (), z: "a b" = 1, *, fine: "Line" = 0):  # noqa: F821, F722
        return x

    handler = make_handler(function)
    assert handler.invoke("anything", CTX) == "anything"
    assert handler.plain
    assert handler.warnings == (
        "parameter 'x' is not checked: its annotation 'Nowhere' cannot be resolved",
        "parameter 'y' is not checked: its annotation 'list[Gone]' cannot be resolved",
        "parameter 'z' is not checked: its annotation 'a b' cannot be resolved",
    )


def test_an_annotation_that_cannot_be_checked_is_unchecked_with_a_warning():
    def function(x: "Any", y: 5 = 0):
        return x

    assert make_handler(function).warnings == ("parameter 'y' is not checked: `5` cannot be checked",)


def test_one_annotation_that_cannot_be_resolved_leaves_the_others():
    def function(x: Line, y: "Nowhere" = None):  # noqa: F821
        return x

    assert called(function, {"sku": "a"}) == Line("a")


def test_an_annotation_may_name_a_local_class_that_the_function_uses():
    class Local(msgspec.Struct):
        a: int

    def function(x: "Local"):
        return isinstance(x, Local)

    assert called(function, {"a": 1}) is True


# --- how it runs ---------------------------------------------------------------------------------------------------------


async def async_function(x):
    return x


def generator_function(x):
    yield x


async def async_generator_function(x):
    yield x


class Callables:
    async def async_method(self, x):
        return x

    def generator_method(self, x):
        yield x

    async def async_generator_method(self, x):
        yield x

    @classmethod
    async def of_class(cls, x):
        return x


class AsyncCall:
    async def __call__(self, x):
        return x


class GeneratorCall:
    def __call__(self, x):
        yield x


class AsyncGeneratorCall:
    async def __call__(self, x):
        yield x


def passing(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def awaiting(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)

    return wrapper


FLAVOURS = [
    (lambda x: x, "sync"),
    (len, "sync"),
    (max, "sync"),
    (Methods(), "sync"),
    (async_function, "async"),
    (Callables().async_method, "async"),
    (Callables.of_class, "async"),
    (AsyncCall(), "async"),
    (functools.partial(async_function), "async"),
    (functools.partial(functools.partial(AsyncCall())), "async"),
    (functools.partial(Callables().async_method), "async"),
    (passing(async_function), "async"),
    (passing(passing(AsyncCall().__call__)), "async"),
    (awaiting(async_function), "async"),
    (awaiting(generator_function), "async"),
    (functools.partial(passing(async_function)), "async"),
    (mock.AsyncMock(), "async"),
    (generator_function, "generator"),
    (Callables().generator_method, "generator"),
    (GeneratorCall(), "generator"),
    (functools.partial(generator_function), "generator"),
    (passing(generator_function), "generator"),
    (passing(Callables().generator_method), "generator"),
    (async_generator_function, "async_generator"),
    (Callables().async_generator_method, "async_generator"),
    (AsyncGeneratorCall(), "async_generator"),
    (functools.partial(async_generator_function), "async_generator"),
    (passing(async_generator_function), "async_generator"),
    (mock.Mock(), "sync"),
    (bare(async_function), "sync"),
    ((lambda x: (yield x)), "generator"),
]


@pytest.mark.parametrize(("function", "flavour"), FLAVOURS)
def test_the_flavour(function, flavour):
    handler = make_handler(function)
    assert handler.flavour == flavour
    assert handler.streaming == (flavour in ("generator", "async_generator"))
    assert handler.is_async == (flavour in ("async", "async_generator"))
    assert is_async(function) == (flavour == "async")
    assert handler.stream is False


@pytest.mark.parametrize(("function", "flavour"), FLAVOURS)
def test_what_comes_back_is_of_the_flavour(function, flavour):
    result = make_handler(function).invoke("payload", CTX)
    if flavour == "async":
        assert inspect.iscoroutine(result)
        if not isinstance(function, mock.AsyncMock):
            with contextlib.suppress(TypeError):  # the one that awaits a generator
                assert asyncio.run(result) == "payload"
        else:
            result.close()
    elif flavour == "generator":
        assert list(result) == ["payload"]
    elif flavour == "async_generator":
        assert inspect.isasyncgen(result)
        assert asyncio.run(gathered(result)) == ["payload"]
    elif inspect.iscoroutine(result[1] if isinstance(result, tuple) else result):
        result[1].close()


async def gathered(values):
    return [value async for value in values]


def test_a_plain_function_around_an_async_one_may_give_any_awaitable_or_value():
    async def inner(x):
        return x

    @functools.wraps(inner)
    def outer(x):
        return asyncio.ensure_future(inner(x)) if x else "no coroutine"

    handler = make_handler(outer)
    assert not handler.plain

    async def both():
        return await handler.invoke(1, CTX), await handler.invoke(0, CTX)

    assert asyncio.run(both()) == (1, "no coroutine")


def test_an_instance_marked_as_a_coroutine_function_counts_as_async():
    class Marked:
        def __init__(self):
            self._is_coroutine = getattr(asyncio.coroutines, "_is_coroutine", None)

        def __call__(self, x):
            return async_function(x)

    if hasattr(asyncio.coroutines, "_is_coroutine"):
        handler = make_handler(Marked())
        assert handler.flavour == "async" and asyncio.run(handler.invoke(3, CTX)) == 3


def test_stream_is_kept_for_a_handler_that_returns_an_iterable():
    handler = make_handler(lambda x: [x], stream=True)
    assert (handler.flavour, handler.stream, handler.streaming) == ("sync", True, True)
    assert make_handler(async_function, stream=True).streaming


def test_functions_that_wrap_each_other_do_not_hang():
    def a(x):
        return x

    a.__wrapped__ = a
    assert make_handler(a).flavour == "sync"


# --- names and annotations of results --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (number, "number"),
        (lambda x: x, "lambda"),
        (functools.partial(number), "number"),
        (functools.partial(functools.partial(lambda x: x)), "lambda"),
        (Methods(), "Methods"),
        (Methods().plain, "plain"),
        (passing(number), "number"),
        (functools.partial(Methods()), "Methods"),
        (len, "len"),
        (functools.cache(number), "number"),
        (operator.itemgetter(1), "itemgetter"),
    ],
)
def test_the_default_name(function, name):
    assert default_name(function) == name
    assert make_handler(function).default_name == name


def returning(annotation, stream=False):
    if stream:

        def function(x):
            yield x

    else:

        def function(x):
            return x

    function.__annotations__["return"] = annotation
    return function


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (lambda x: x, Any),
        (returning(int), int),
        (returning(None), type(None)),
        (returning("Line"), Line),
        (returning("Nowhere"), Any),
        (returning(list[int]), list[int]),
        (returning(Iterator[int], stream=True), int),
        (returning(Iterable["Line"], stream=True), Line),
        (returning(Generator[int, None, str], stream=True), int),
        (returning(AsyncIterator[int], stream=True), int),
        (returning(Iterator, stream=True), Any),
        (returning(int, stream=True), Any),
        (functools.partial(returning(int)), int),
        (passing(returning(int)), int),
        (max, Any),
    ],
)
def test_the_annotation_of_what_it_sends(function, returns):
    assert make_handler(function).returns == returns


def test_the_parameters_are_told():
    def function(x: int, y=1, *, ctx, error: Failure):
        return x

    parameters = make_handler(function).parameters
    assert [(p.name, p.role, p.kind, p.required) for p in parameters] == [
        ("x", "value", "either", True),
        ("y", "value", "either", False),
        ("ctx", "context", "keyword", True),
        ("error", "failure", "keyword", True),
    ]


# --- what cannot be a handler -----------------------------------------------------------------------------------------------


async def no_function():
    return 1


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: 5, "its handler is a int, which cannot be called"),
        (lambda: None, "which cannot be called"),
        (lambda: "name", "which cannot be called"),
        (lambda: generator_function(1), "its handler is a generator, which runs once; give the function, without calling it"),
        (lambda: no_function(), "its handler is a coroutine, which runs once; give the function, without calling it"),
        (lambda: type("Stock", (), {"receive": lambda self, x: x})(), "its handler is an instance of Stock; give the class"),
    ],
)
def test_what_cannot_be_called_is_a_fault(make, text):
    value = make()
    with pytest.raises(HandlerFault) as caught:
        make_handler(value, node="n")
    assert text in str(caught.value) and str(caught.value).startswith("node 'n': ")
    if inspect.iscoroutine(value):
        value.close()


# --- the cache --------------------------------------------------------------------------------------------------------------


def test_the_same_function_and_slots_give_the_same_handler():
    cache = HandlerCache()
    merge = lambda left, right: 0
    assert cache.make(number) is cache.make(number, None, node="other")
    assert cache.make(number) is cache.make(number, ("a", "b")) is cache.make(number, ("c",))
    assert cache.make(merge, SLOTS) is cache.make(merge, ("right", "left", "more"))
    assert cache.make(Methods.of_class) is cache.make(Methods.of_class)


def test_another_way_of_calling_is_another_handler():
    cache = HandlerCache()
    either = lambda left, right=5: (left, right)
    assert cache.make(either, SLOTS) is not cache.make(either, ("left",))
    assert cache.make(either) is not cache.make(either, SLOTS)
    assert cache.make(number) is not cache.make(number, stream=True)
    assert cache.make(number, inputs=("x",)) is not cache.make(number)
    assert cache.make(number, inputs=("x",)).invoke({"x": 3}, CTX) == 3
    assert cache.make(number).invoke(3, CTX) == 3


def test_callables_that_are_equal_or_have_no_hash_are_told_apart():
    class Equal:
        def __init__(self, value):
            self.value = value

        def __call__(self, x):
            return self.value

        def __eq__(self, other):
            return True

    cache = HandlerCache()
    first, second = Equal(1), Equal(2)
    assert cache.make(first).invoke(0, CTX) == 1
    assert cache.make(second).invoke(0, CTX) == 2
    a, b = Methods(), Methods()
    assert cache.make(a.plain) is not cache.make(b.plain)


def test_functions_that_came_and_went_are_not_mistaken():
    cache = HandlerCache()
    assert [cache.make(lambda x, n=n: n).invoke(0, CTX) for n in range(100)] == list(range(100))


def test_a_cache_that_is_gone_keeps_nothing():
    def function(x: Line):
        return x

    reference = weakref.ref(function)
    cache = HandlerCache()
    cache.make(function)
    del cache, function
    gc.collect()
    assert reference() is None


# --- class nodes --------------------------------------------------------------------------------------------------------------


class Stock:
    def __init__(self, levels, unit="pc"):
        self.levels = levels
        self.unit = unit
        self.state = {"seen": 0}
        self.log = []

    def on_start(self):
        self.log.append("start")

    async def on_stop(self, ctx):
        self.log.append(("stop", ctx))

    def receive(self, payload: int, ctx):
        self.state["seen"] += payload
        return self.state["seen"], ctx


def test_a_class_node_has_an_instance_for_each_run():
    levels = {"a": [1]}
    handler = make_handler(Stock, node="stock", args={"levels": levels})
    assert handler.default_name == "Stock" and not handler.plain and handler.needs_context and handler.checks
    node_class = handler.node_class
    first, second = node_class.make(), node_class.make()
    assert first.levels == levels and first.levels is not levels and first.levels["a"] is not second.levels["a"]
    bound, other = handler.bind(first), handler.bind(second)
    assert bound.invoke(2, CTX) == (2, CTX)
    assert bound.invoke(3, CTX) == (5, CTX)
    assert other.invoke(1, CTX) == (1, CTX)
    with pytest.raises(PayloadError):
        bound.invoke("x", CTX)


def test_the_hooks_of_a_class_node():
    node_class = make_handler(Stock, args={"levels": {}}).node_class
    instance = node_class.make()
    assert (node_class.on_start.is_async, node_class.on_start.needs_context) == (False, False)
    assert (node_class.on_stop.is_async, node_class.on_stop.needs_context) == (True, True)
    node_class.on_start.call(instance, CTX)
    asyncio.run(node_class.on_stop.call(instance, CTX))
    assert instance.log == ["start", ("stop", CTX)]


def test_a_class_whose_on_start_asks_for_the_context_needs_it():
    class Starting:
        def on_start(self, ctx):
            pass

        def receive(self, x):
            return x

    handler = make_handler(Starting)
    assert handler.needs_context and handler.bind(handler.node_class.make()).plain


def test_the_state_of_a_class_node_is_given_back():
    node_class = make_handler(Stock, args={"levels": {}}).node_class
    instance = node_class.make(state={"seen": 40})
    assert instance.state == {"seen": 40} == node_class.state_of(instance)

    class Stateless:
        def receive(self, x):
            return x

    node_class = make_handler(Stateless).node_class
    assert node_class.state_of(node_class.make()) is NOTHING
    assert (node_class.on_start, node_class.on_stop) == (None, None)


class Receivers:
    class Plain:
        def receive(self, x):
            return x

    class Nothing:
        def receive(self):
            return "nothing"

    class Join:
        def receive(self, left, right, ctx: Context):
            return left, right, ctx

    class Static:
        @staticmethod
        def receive(x):
            return x

    class OfClass:
        @classmethod
        def receive(cls, x):
            return x

    class Partial:
        def _receive(self, i, x):
            return x

        receive = functools.partialmethod(_receive, 1)

    class Decorated:
        @passing
        def receive(self, x):
            return x

    class Child(Plain):
        pass

    class Attribute:
        receive = staticmethod(functools.partial(lambda x: x))


@pytest.mark.parametrize("name", ["Plain", "Static", "OfClass", "Partial", "Decorated", "Child", "Attribute"])
def test_receive_may_be_any_kind_of_method(name):
    handler = make_handler(getattr(Receivers, name))
    bound = handler.bind(handler.node_class.make())
    assert bound.invoke("payload", CTX) == "payload"
    assert bound.plain and bound.callable("payload") == "payload"
    assert [p.name for p in handler.parameters] == ["x"]


def test_receive_is_bound_by_the_same_rules():
    handler = make_handler(Receivers.Nothing)
    assert handler.bind(handler.node_class.make()).invoke(1, CTX) == "nothing"
    handler = make_handler(Receivers.Join, SLOTS)
    assert handler.bind(handler.node_class.make()).invoke({"left": 1}, CTX) == (1, None, CTX)
    with pytest.raises(HandlerFault, match="'left', 'right' have no defaults"):
        make_handler(Receivers.Join, None, node="n")


def test_the_flavour_of_a_class_node_is_that_of_receive():
    class Async:
        async def receive(self, x):
            return x

    class Streams:
        def receive(self, x):
            yield x

    assert (make_handler(Async).flavour, make_handler(Streams).flavour) == ("async", "generator")
    assert is_async(Async.receive)


def test_class_nodes_of_one_cache_keep_their_own_arguments():
    cache = HandlerCache()
    first, second = cache.make(Stock, args={"levels": 1}), cache.make(Stock, args={"levels": 2})
    assert (first.node_class.make().levels, second.node_class.make().levels) == (1, 2)


def test_a_class_node_that_was_not_bound_cannot_be_called():
    with pytest.raises(RuntimeError, match="through bind"):
        make_handler(Receivers.Plain).invoke(1, CTX)


class Abstract:
    pass


def with_hook(hook):
    return type("Stock", (), {"receive": lambda self, x: x, "on_start": hook})


def stream_hook(self):
    yield


@pytest.mark.parametrize(
    ("cls", "args", "text"),
    [
        (Abstract, None, "class Abstract has no method receive(self, payload)"),
        (int, None, "class int has no method receive"),
        (Line, None, "class Line has no method receive"),
        (type("Stock", (), {"receive": 5}), None, "class Stock has no method receive"),
        (Stock, None, "class Stock cannot be made with its args=: missing a required argument: 'levels'"),
        (Stock, {"level": {}}, "class Stock cannot be made with its args="),
        (Receivers.Plain, {"x": 1}, "cannot be made with its args="),
        (with_hook(lambda self, x: 0), None, "on_start of class Stock must be on_start(self) or on_start(self, ctx), sync or async"),
        (with_hook(stream_hook), None, "on_start of class Stock must be"),
        (with_hook(5), None, "on_start of class Stock is not a method"),
    ],
)
def test_a_class_that_cannot_be_a_node_is_a_fault(cls, args, text):
    with pytest.raises(HandlerFault) as caught:
        make_handler(cls, node="stock", args=args)
    assert str(caught.value).startswith("node 'stock': ") and text in str(caught.value)


def test_an_abstract_class_is_a_fault():
    import abc

    class Base(abc.ABC):
        @abc.abstractmethod
        def more(self): ...

        def receive(self, x):
            return x

    with pytest.raises(HandlerFault, match="class Base is abstract"):
        make_handler(Base)


def test_a_handler_shows_its_name_and_no_more():
    assert repr(make_handler(number)) == "Handler(number, sync)"
    assert isinstance(make_handler(number), Handler)
