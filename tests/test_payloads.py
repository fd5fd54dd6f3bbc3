# ruff: noqa: UP007, UP045, F821 (old spellings of types, and names of nothing, are the subject)
"""Payloads: copies share nothing that can change, and checks take what is annotated and tell where something else lies."""

import array
import copy
import dataclasses
import enum
import gc
import io
import threading
import typing
import uuid
import weakref
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, Protocol, TypedDict, TypeVar, Union

import msgspec
import pytest
from hypothesis import given, strategies as st

from actorflow.errors import PayloadError
from actorflow.messages import NOTHING, Emit
from actorflow.payloads import MAX_DEPTH, Mismatch, copy_payload, make_check

T = TypeVar("T")


class Line(msgspec.Struct):
    sku: str
    count: int = 1


class SpecialLine(Line):
    note: str = ""


class Order(msgspec.Struct):
    lines: list[Line]
    tags: dict[str, str] = {}


class FrozenOrder(msgspec.Struct, frozen=True):
    id: int
    lines: Any = ()


class WithDict(msgspec.Struct, dict=True):
    id: int


class Guarded(msgspec.Struct):
    id: int
    calls: list[str] = []

    def __post_init__(self):
        if self.id > 99:
            raise ValueError(f"Expected `less`, got {self.id}")
        self.calls.append("post_init")


@dataclasses.dataclass
class Box:
    item: Any = None
    made: int = dataclasses.field(default=0, init=False)

    def __post_init__(self):
        self.made += 1


@dataclasses.dataclass
class SubBox(Box):
    more: Any = None


@dataclasses.dataclass(slots=True)
class SlotBox:
    item: Any = None


@dataclasses.dataclass(slots=True)
class SlotSubBox(Box):
    other: Any = None


@dataclasses.dataclass(frozen=True)
class FrozenBox:
    item: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlotBox:
    item: Any = None


class PlainSubOfFrozen(FrozenBox):
    pass


@dataclasses.dataclass(eq=False)
class Hashed:
    item: Any = None


@dataclasses.dataclass
class BoxError(Exception):
    item: Any = None


@dataclasses.dataclass
class BoxList(list):
    item: Any = None


@dataclasses.dataclass
class Refusing:
    item: Any = None

    def __setattr__(self, name, value):
        if name == "item" and "item" in self.__dict__:
            raise AssertionError("set")
        super().__setattr__(name, value)


class Custom:
    pass


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


Point = namedtuple("Point", "x y")


class Pair(NamedTuple):
    a: int
    b: str = "b"


# --- copies ------------------------------------------------------------------------------------------------------------

LEAVES = [
    *(None, True, 0, 10**30, 1.5, float("nan"), 1j, "text", b"bytes", range(3), ..., NotImplemented, int, Line, len, lambda: 0, NOTHING),
    *(datetime(2020, 1, 1, tzinfo=UTC), date(2020, 1, 1), time(1), timedelta(1), UTC, Decimal("1.5"), uuid.UUID(int=1)),
    *(PurePosixPath("a"), Colour.RED, Level.LOW, slice(1, 2)),
]


@pytest.mark.parametrize("value", LEAVES, ids=repr)
def test_an_immutable_value_is_not_copied(value):
    assert copy_payload(value) is value


@pytest.mark.parametrize(
    "value",
    [
        array.array("i", [1]),
        memoryview(b"a"),
        Custom(),
        OrderedDict(a=[1]),
        defaultdict(list, a=[1]),
        Counter("aa"),
        deque([1]),
        Point([1], 2),
        Pair(1),
        type("MyList", (list,), {})([1]),
        BoxError([1]),
        BoxList([1]),
        threading.Lock(),
        iter([1]),
        Line,
        Box,
    ],
    ids=lambda value: type(value).__name__,
)
def test_another_object_is_shared(value):
    assert copy_payload(value) is value
    assert copy_payload([value])[0] is value
    assert copy_payload({"k": value})["k"] is value


@pytest.mark.parametrize(
    "value",
    [
        (),
        (1, "a", None),
        ((1,), (2, (3,))),
        frozenset(),
        frozenset({1, (2, 3)}),
        FrozenOrder(1, (1, 2)),
        FrozenBox((1,)),
        FrozenSlotBox("x"),
        Emit(1),
    ],
    ids=repr,
)
def test_what_is_immutable_all_through_is_returned_as_it_is(value):
    assert copy_payload(value) is value
    assert copy_payload([value])[0] is value


COPIED = [
    *([], [1, 2], {}, {"a": 1}, set(), {1, 2}, bytearray(b"ab"), [[1], [[2]]], {"a": {"b": [1, {"c": {2}}]}}),
    *(([1],), ((([]),),), (1, {"a": 1}), [(1, [2])], [frozenset({1})], {"k": bytearray(b"x")}, {(1, 2): [3]}, [None, [], "x"]),
    *(Line("a", 2), Order([Line("a")], {"k": "v"}), FrozenOrder(1, [1]), FrozenOrder(1, (1, [2])), [FrozenOrder(1, [1])], WithDict(1)),
    *(
        Box([1]),
        Box(),
        SubBox([1], {"a": [2]}),
        SlotBox([1]),
        SlotSubBox([1], [2]),
        FrozenBox([1]),
        FrozenSlotBox({"a": 1}),
        PlainSubOfFrozen(1),
    ),
    *([Box([1]), {"a": SlotBox([Line("x")])}], Emit([1, 2], "port"), Refusing([1])),
]


def parts(value, found=None):
    """The ids of all containers in a value that can change."""
    found = [] if found is None else found
    if isinstance(value, list | set | bytearray | dict) or dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct):
        found.append(id(value))
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, list | set | tuple | frozenset):
        items = value
    elif dataclasses.is_dataclass(value):
        items = [getattr(value, field.name) for field in dataclasses.fields(value)]
    elif isinstance(value, msgspec.Struct):
        items = [getattr(value, name) for name in value.__struct_fields__]
    else:
        items = ()
    for item in items:
        parts(item, found)
    return found


@pytest.mark.parametrize("value", COPIED, ids=repr)
def test_a_container_is_copied_all_through(value):
    copied = copy_payload(value)
    assert copied is not value
    assert type(copied) is type(value)
    if not isinstance(value, Emit):
        assert copied == value
    assert set(parts(copied)).isdisjoint(parts(value))


def test_a_record_is_copied_without_its_init_and_post_init():
    guarded, box = Guarded(1), Box([1])
    assert copy_payload(guarded).calls == ["post_init"]
    assert copy_payload(box).made == 1
    assert copy_payload(Refusing([1])).item == [1]


def test_a_frozen_record_that_holds_something_mutable_is_copied():
    inner = [1]
    for value in (FrozenBox(inner), FrozenSlotBox(inner), FrozenOrder(1, inner)):
        copied = copy_payload(value)
        last = copied.lines if isinstance(copied, FrozenOrder) else copied.item
        assert last == inner and last is not inner


def test_attributes_that_are_no_fields_are_copied_too():
    box, struct = Box(), WithDict(1)
    box.extra, struct.extra = [1], {"a": [2]}
    copied_box, copied_struct = copy_payload(box), copy_payload(struct)
    assert copied_box.extra == [1] and copied_box.extra is not box.extra
    assert copied_struct.extra == {"a": [2]} and copied_struct.extra["a"] is not struct.extra["a"]


def test_an_undecorated_subclass_of_a_frozen_dataclass_is_copied_for_it_can_change():
    value = PlainSubOfFrozen(1)
    assert copy_payload(value) is not value
    assert copy_payload(value) == value


def test_a_field_that_was_deleted_stays_away():
    for value in (Box(1), SlotBox(1)):
        del value.item
        copied = copy_payload(value)
        assert "item" not in getattr(copied, "__dict__", {})
        assert type(value) is Box or not hasattr(copied, "item")


def test_items_of_sets_that_can_change_are_copied():
    inner = Hashed([1])
    for value in ({inner}, frozenset({inner})):
        (copied,) = copy_payload(value)
        assert copied is not inner and copied.item == [1] and copied.item is not inner.item


def test_keys_are_shared():
    key = FrozenBox((1,))
    assert next(iter(copy_payload({key: [1]}))) is key


def test_what_is_one_object_in_a_payload_is_one_in_its_copy():
    row = {"a": 1}
    copied = copy_payload({"first": row, "again": [row, (row,)], "box": Box(row)})
    assert copied["first"] is copied["again"][0] is copied["again"][1][0] is copied["box"].item
    assert copied["first"] is not row


def test_a_payload_of_few_objects_and_many_paths_is_copied_at_once():
    value = [1]
    for _ in range(80):
        value = [value, value]
    copied = copy_payload(value)
    assert copied[0] is copied[1]


@pytest.mark.parametrize(
    "wrap", [lambda x: [x], lambda x: {"k": x}, lambda x: (x,), lambda x: Box(x), lambda x: SlotBox(x), lambda x: FrozenOrder(1, x)]
)
def test_nesting_is_taken_to_a_depth_of_100_and_no_further(wrap):
    value = [1]
    for _ in range(MAX_DEPTH - 1):
        value = wrap(value)
    copied = copy_payload(value)
    assert copied == value
    with pytest.raises(PayloadError, match="is nested more than 100 deep"):
        copy_payload(wrap(value))


def cycles():
    in_list: list = []
    in_list.append(in_list)
    yield in_list, "$[0]"
    in_dict: dict = {"a": 1}
    in_dict["secret"] = [0, in_dict]
    yield in_dict, "$[...][1]"
    in_tuple: list = []
    in_tuple.append((1, in_tuple))
    yield in_tuple, "$[0][1]"
    box = Box()
    box.item = {"k": (box,)}
    yield box, "$.item[...][0]"
    order = Order([])
    order.lines.append(order)
    yield order, "$.lines[0]"
    frozen = FrozenBox([])
    frozen.item.append(frozen)
    yield frozen, "$.item[0]"
    hashed = Hashed()
    hashed.item = {hashed}
    yield [1, {"x": hashed}], "$[1][...].item[...]"
    many: list = []
    many.extend([[1], many, many, many])
    yield many, "$[1]"


@pytest.mark.parametrize(("value", "path"), list(cycles()), ids=lambda value: value if isinstance(value, str) else type(value).__name__)
def test_a_payload_that_contains_itself_is_refused_and_the_path_named(value, path):
    with pytest.raises(PayloadError) as caught:
        copy_payload(value, "the output of node 'a'")
    assert str(caught.value) == f"the output of node 'a' contains itself (at {path})"
    assert caught.value.path == path
    assert "secret" not in str(caught.value)


def test_a_long_path_is_cut_short():
    value: Any = 1
    for _ in range(200):
        value = [value]
    with pytest.raises(PayloadError) as caught:
        copy_payload(value)
    assert len(str(caught.value)) < 130
    assert caught.value.path.endswith("...")


def test_a_dict_that_another_thread_changes_meanwhile_is_copied_as_it_was_at_one_moment():
    value: dict[int, Any] = {index: [index] for index in range(100)}
    over = threading.Event()

    def change():
        index = 100
        while not over.is_set():
            value[index] = [index]
            del value[index - 100]
            index += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            copied = copy_payload(value)
            assert all(item == [key] for key, item in copied.items())
    finally:
        over.set()
        thread.join()


def test_a_class_that_was_copied_can_go():
    def local():
        @dataclasses.dataclass
        class Local:
            item: Any = None

        class LocalStruct(msgspec.Struct):
            item: Any = None

        copy_payload([Local([1]), LocalStruct([1]), type("Other", (), {})()])
        return weakref.ref(Local), weakref.ref(LocalStruct)

    references = local()
    gc.collect()
    assert [reference() for reference in references] == [None, None]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.tuples(inner, inner)
        | st.builds(Box, inner)
        | st.builds(FrozenOrder, st.integers(), inner)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_a_copy_is_that_of_deepcopy(value):
    copied = copy_payload(value)
    assert copied == copy.deepcopy(value)
    assert set(parts(copied)).isdisjoint(set(parts(value)) - {id(each) for each in frozen_parts(value)})


def frozen_parts(value):
    """The frozen Structs in a value, which may be shared."""
    if isinstance(value, FrozenOrder):
        yield value
        yield from frozen_parts(value.lines)
    elif isinstance(value, Box):
        yield from frozen_parts(value.item)
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from frozen_parts(item)


# --- checks ------------------------------------------------------------------------------------------------------------


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Quack(Protocol):
    def quack(self): ...


@typing.runtime_checkable
class Closing(Protocol):
    def close(self): ...


class GenericBox(msgspec.Struct, Generic[T]):
    item: T


class Cat(msgspec.Struct, tag=True):
    name: str


class Dog(msgspec.Struct, tag=True):
    name: str


UserId = NewType("UserId", int)
Bounded = TypeVar("Bounded", bound=int)
Constrained = TypeVar("Constrained", int, str)
Recursive = list["Recursive"]

NO_CHECK = [Any, object, T, Optional[Any], Union[int, Any], Annotated[Any, "x"], typing.Any]


@pytest.mark.parametrize("annotation", NO_CHECK, ids=repr)
def test_an_annotation_that_allows_everything_needs_no_check(annotation):
    assert make_check(annotation) == (None, "")


LINE, SPECIAL, CUSTOM, BOX, SUB, FILE = Line("a"), SpecialLine("a", 1, "n"), Custom(), Box(1), SubBox(1), io.StringIO()
AS_IT_IS = [
    (int, 1),
    (int, True),
    (int, Level.LOW),
    (float, 1.5),
    (str, "x"),
    (bytes, b"x"),
    (bool, False),
    (None, None),
    (dict, {"a": 1}),
    (list, [1, "a"]),
    (Line, LINE),
    (Line, SPECIAL),
    (Box, BOX),
    (Box, SUB),
    (Custom, CUSTOM),
    (Colour, Colour.RED),
    (Point, Point(1, 2)),
    (Pair, Pair(1)),
    (Movie, {"title": "x", "other": 1}),
    (Movie, {"title": "x", "year": 5}),
    (Mapping, {}),
    (Sequence, [1]),
    (Sequence[int], [1]),
    (Sequence[int], (1,)),
    (Sequence[int], range(3)),
    (Sequence[Line], deque([LINE, SPECIAL])),
    (Iterable[int], iter([1])),
    (Iterable[Line], [LINE]),
    (Iterator[int], iter([1])),
    (Mapping[str, int], {"a": 1}),
    (dict[str, int], OrderedDict(a=1)),
    (dict[str, Box], {"a": SUB}),
    (list[Line], [SPECIAL]),
    (list[Box], [SUB]),
    (set[Any], {1}),
    (list[Movie], [{"title": "x", "other": 1}]),
    (Callable, len),
    (Callable[[int], int], len),
    (type, int),
    (type[int], int),
    (int | None, None),
    (Optional[Line], LINE),
    (Line | Order, LINE),
    (Custom | Box | None, CUSTOM),
    (Custom | list[int], CUSTOM),
    (Literal[1, "a"], "a"),
    (Literal[Colour.RED], Colour.RED),
    (UserId, 1),
    (Annotated[int, "unit"], 1),
    (Annotated[int, msgspec.Meta(ge=0)], 1),
    (Bounded, 1),
    (Constrained, "x"),
    (Closing, FILE),
    (GenericBox[int], GenericBox(1)),
    (array.array, array.array("i")),
    (datetime, datetime(2020, 1, 1, tzinfo=UTC)),
    (tuple[()], ()),
    (complex, 1j),
    (deque[int], deque([1])),
    (typing.Hashable, 1),
]


@pytest.mark.parametrize(("annotation", "value"), AS_IT_IS, ids=repr)
def test_an_instance_is_taken_as_it_is(annotation, value):
    check, why = make_check(annotation)
    assert why == ""
    assert check(value) is value


CONVERTED = [
    (Line, {"sku": "a"}, Line("a")),
    (Line, {"sku": "a", "count": 2, "unknown": 1}, Line("a", 2)),
    (Order, {"lines": [{"sku": "a"}, {"sku": "b"}]}, Order([Line("a"), Line("b")])),
    (Order, {"lines": [Line("a"), {"sku": "b"}]}, Order([Line("a"), Line("b")])),
    (SlotBox, {"item": [1]}, SlotBox([1])),
    (float, 3, 3.0),
    (datetime, "2020-01-01T00:00:00Z", datetime(2020, 1, 1, tzinfo=UTC)),
    (date, "2020-01-02", date(2020, 1, 2)),
    (uuid.UUID, str(uuid.UUID(int=5)), uuid.UUID(int=5)),
    (Decimal, "1.5", Decimal("1.5")),
    (Colour, "red", Colour.RED),
    (Pair, [1, "x"], Pair(1, "x")),
    (list, (1, 2), [1, 2]),
    (tuple, [1, 2], (1, 2)),
    (set, [1, 2], {1, 2}),
    (list[int], (1, 2), [1, 2]),
    (list[float], [1, 2], [1.0, 2.0]),
    (list[Line], [{"sku": "a"}, LINE], [Line("a"), LINE]),
    (list[Line], [{"sku": "a"}, SPECIAL], [Line("a"), SPECIAL]),
    (list[Line], ({"sku": "a"}, SPECIAL), [Line("a"), SPECIAL]),
    (dict[str, Line], {"k": {"sku": "a"}}, {"k": Line("a")}),
    (dict[str, Line], {"k": {"sku": "a"}, "s": SPECIAL}, {"k": Line("a"), "s": SPECIAL}),
    (tuple[int, Line], [1, {"sku": "a"}], (1, Line("a"))),
    (tuple[Line, ...], [{"sku": "a"}, SPECIAL], (Line("a"), SPECIAL)),
    (frozenset[int], [1, 2], frozenset({1, 2})),
    (Sequence[Line], ({"sku": "a"},), (Line("a"),)),
    (Sequence[Line], deque([{"sku": "a"}]), [Line("a")]),
    (Mapping[str, Line], {"k": {"sku": "a"}}, {"k": Line("a")}),
    (Line | None, {"sku": "a"}, Line("a")),
    (Optional[float], 3, 3.0),
    (Cat | Dog, {"type": "Dog", "name": "x"}, Dog("x")),
    (list[Line] | None, [{"sku": "a"}], [Line("a")]),
    (Custom | list[Line], [{"sku": "a"}], [Line("a")]),
    (Annotated[Line, "x"], {"sku": "a"}, Line("a")),
    (GenericBox[Line], {"item": {"sku": "a"}}, GenericBox(Line("a"))),
    (list[list[Line]], [[{"sku": "a"}]], [[Line("a")]]),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), CONVERTED, ids=repr)
def test_plain_data_is_converted(annotation, value, expected):
    check, _ = make_check(annotation)
    before = copy.deepcopy(value)
    converted = check(value)
    assert converted == expected
    assert type(converted) is type(expected)
    assert value == before or isinstance(value, deque)


def test_a_typed_dict_is_converted_field_by_field_and_keeps_what_it_does_not_declare():
    class Shelf(TypedDict):
        line: Line

    check, _ = make_check(Shelf)
    assert check({"line": {"sku": "a"}, "other": 1}) == {"line": Line("a"), "other": 1}


MISMATCHES = [
    (int, "secret", "expected `int`, got `str`", "$"),
    (str, b"secret", "expected `str`, got `bytes`", "$"),
    (float, True, "expected `float`, got `bool`", "$"),
    (None, 0, "expected `NoneType`, got `int`", "$"),
    (Line, 5, "expected `Line`, got `int`", "$"),
    (Line, Order([]), "expected `Line`, got `Order`", "$"),
    (Line, {}, "object missing required field `sku`", "$"),
    (Line, {"sku": 5}, "expected `str`, got `int`", "$.sku"),
    (Order, {"lines": [{"sku": "a"}, {"sku": "b"}, {"sku": 5}]}, "expected `str`, got `int`", "$.lines[2].sku"),
    (Order, {"lines": [], "tags": {"secret": 5}}, "expected `str`, got `int`", "$.tags[...]"),
    (Order, {"lines": [], "tags": {5: "x"}}, "expected `str`, got `int`", "$.tags[...]"),
    (SlotBox, "secret", "expected `SlotBox`, got `str`", "$"),
    (Custom, {"a": 1}, "expected `Custom`, got `dict`", "$"),
    (Colour, "secret", "found a value that its type does not allow", "$"),
    (datetime, "secret", "found a value that its type does not allow", "$"),
    (Guarded, {"id": 100}, "its class refused it with a ValueError", "$"),
    (list[Guarded], [{"id": 1}, {"id": 100}], "its class refused it with a ValueError", "$[1]"),
    (list[Colour], ["red", "secret"], "found a value that its type does not allow", "$[1]"),
    (list[int], [1, "secret"], "expected `int`, got `str`", "$[1]"),
    (list[int], "secret", "expected `list[int]`, got `str`", "$"),
    (list[list[int]], [[1], [2, "secret"]], "expected `int`, got `str`", "$[1][1]"),
    (list[Box], [SUB, 5], "expected `Box`, got `int`", "$[1]"),
    (dict[str, int], {"secret": "x"}, "expected `int`, got `str`", "$[...]"),
    (dict[str, int], {5: 1}, "expected `str`, got `int`", "$[...]"),
    (Mapping[str, int], {"secret": "x"}, "expected `int`, got `str`", "$[...]"),
    (dict[str, list[int]], {"secret": [1, "x"]}, "expected `int`, got `str`", "$[...][1]"),
    (set[int], {"secret"}, "expected `int`, got `str`", "$[...]"),
    (tuple[int, str], (1, 2), "expected `str`, got `int`", "$[1]"),
    (tuple[int, str], (1,), "expected `array` of length 2, got 1", "$"),
    (tuple[()], (1,), "expected `array` of length 0, got 1", "$"),
    (Sequence[int], 5, "expected `collections.abc.Sequence[int]`, got `int`", "$"),
    (Literal["a"], "secret", "expected one of `Literal['a']`, got another `str`", "$"),
    (Literal[1], True, "expected one of `Literal[1]`, got another `bool`", "$"),
    (int | None, "secret", "expected `int | None`, got `str`", "$"),
    (Line | None, {"sku": 5}, "expected `str`, got `int`", "$.sku"),
    (Custom | Box, "secret", "got `str`", "$"),
    (Movie, 5, "expected `Movie`, got `int`", "$"),
    (Movie, {"secret": 5}, "object missing required field `title`", "$"),
    (Movie, {"title": 5}, "expected `str`, got `int`", "$.title"),
    (list[Movie], [{"title": "x", "year": "secret"}], "expected `int`, got `str`", "$[0].year"),
    (Annotated[int, msgspec.Meta(ge=0)], -12345, "expected `int` >= 0", "$"),
    (list[Annotated[str, msgspec.Meta(max_length=3)]], ["secret"], "expected `str` of length <= 3", "$[0]"),
    (Iterator[int], [1], "expected `collections.abc.Iterator[int]`, got `list`", "$"),
    (Callable[[], int], 5, "got `int`", "$"),
    (UserId, "secret", "expected `int`, got `str`", "$"),
    (Bounded, "secret", "expected `int`, got `str`", "$"),
]


@pytest.mark.parametrize(("annotation", "value", "what", "path"), MISMATCHES, ids=repr)
def test_a_mismatch_tells_types_and_path_and_no_value(annotation, value, what, path):
    check, why = make_check(annotation)
    assert why == ""
    with pytest.raises(Mismatch) as caught:
        check(value)
    error = caught.value.named("price", "order")
    assert what in str(error)
    assert str(error).startswith("slot 'order' of node 'price': ")
    assert str(error).endswith(f" at {path}")
    assert (error.node, error.slot, error.path) == ("price", "order", path)
    assert isinstance(error, PayloadError) and isinstance(error, TypeError)
    for hidden in ("secret", "12345", "100"):
        assert hidden not in str(error)
    assert caught.value.__context__ is None and caught.value.__cause__ is None


def test_a_mismatch_of_the_whole_payload_names_the_node():
    assert str(Mismatch("expected `int`, got `str`").named("price")) == "the payload of node 'price': expected `int`, got `str` at $"


def test_what_an_any_holds_is_left_as_it_is():
    line, pair, custom = Line("a"), (1, [2]), Custom()
    for annotation, value in ((list[Any], [line, pair, custom]), (list, [line, pair, custom])):
        checked = make_check(annotation)[0](value)
        assert all(a is b for a, b in zip(checked, value, strict=True))


def test_an_iterator_is_not_used_up():
    value = iter([1, "x"])
    assert list(make_check(Iterable[int])[0](value)) == [1, "x"]


UNSUPPORTED = [
    "Forward",
    typing.ForwardRef("Forward"),
    list["Forward"],
    Quack,
    list[Quack],
    typing.Self,
    typing.NoReturn,
    typing.LiteralString,
    5,
    TypedDict("Wrong", {"a": "Nowhere"}),
    Recursive,
    dict[str, Quack] | None,
    TypeVar("Forward", bound="Nowhere"),
]


@pytest.mark.parametrize("annotation", UNSUPPORTED, ids=repr)
def test_an_annotation_that_cannot_be_checked_is_left_with_a_reason(annotation):
    check, why = make_check(annotation)
    assert check is None
    assert why.startswith("`") and "`" in why[1:]


def test_a_class_whose_fields_msgspec_does_not_know_is_asked_by_isinstance():
    @dataclasses.dataclass
    class Odd:
        it: "Nowhere"

    check, why = make_check(Odd)
    assert why == ""
    odd = Odd(1)
    assert check(odd) is odd
    with pytest.raises(Mismatch):
        check({"it": 1})
