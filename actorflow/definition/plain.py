"""Plain data: which values conditions and references can read, and how, whatever a payload is made of. Not here: what
comparisons, arithmetic and functions make of them (`operations.py`), and texts of conditions (`expression.py`).

Values. A path reads dicts (text keys), lists and tuples (indices, `[-1]` the last) and declared fields of Structs,
dataclasses and named tuples; from text, numbers, true, false and null it leads nowhere, into any other object it is a
fault. What is not there is absent. An Enum member counts as its value, a subclass as the plain type it derives from, and a
Decimal is a number.

Truth. true, "true" (in any case) and whatever else is not false, "false", null or absent; so 0, "" and [] are true.

Always: no code of a payload's class runs, for values are told apart by `type(x)` and read by the methods of the plain type
(the one way in that is left is a dict key of a class with the hash of a text and an `__eq__` of its own)."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable
from dataclasses import Field, fields
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import EnumMeta
from functools import lru_cache, partial
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

__all__ = ["Absent", "ConditionFault", "Work", "classify", "contained", "follow", "truth"]  # and the kinds of values

MAX_STEPS = 10_000
SHORT = 50  # characters of a text that cost nothing, and every further 50 a step

Reader = Callable[[Any], object]  # of one field of a record


class ConditionFault(Exception):
    """A condition that has no answer for this payload. Its message is safe to show."""


class Absent(Struct, frozen=True):
    """What a path gives where there is nothing."""

    path: str
    position: int


_UNSET = Absent("", 0)  # of a declared field


class Work:
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
        self.spend(len(text) // SHORT)
        return text.casefold()

    def fault(self, what: str) -> ConditionFault:
        return ConditionFault(f"{what} at position {self.at}")


# Kinds of values, in the words of the messages.
NULL, TRUTH, NUMBER, TEXT, BYTES = "null", "true or false", "a number", "a text", "bytes"
LIST, DICT, SET, OTHER = "a list", "a dict", "a set", "an object that is not plain"
_EXACT = ((Decimal, NUMBER), (date, "a date"), (timedelta, "a duration"), (UUID, "a UUID"), (bytes, BYTES))
_ZONED = ((datetime, "a date and time"), (time, "a time"))
ORDERED = frozenset(kind for _, kind in _EXACT + _ZONED) | {TEXT}
_SCALARS: tuple[tuple[type, str, Callable[[Any], object]], ...] = (
    (str, TEXT, str.__str__),
    (int, NUMBER, int.__int__),
    (float, NUMBER, float.__float__),
)
_CONTAINERS: tuple[tuple[Any, str], ...] = ((list, LIST), (dict, DICT), (tuple, LIST), (set, SET), (frozenset, SET))
_NO_ZONE = type(None)
_STRUCT = type(Struct)


def classify(value: object) -> tuple[str, Any]:
    """The kind of a value, and the value itself or what an Enum member or a subclass of a scalar holds. Neither `isinstance`
    nor a lookup by class in here: both may run code of that class; `issubclass` with a built-in does not."""
    cls = type(value)
    if cls is str:
        return TEXT, value
    if cls is int or cls is float:
        return NUMBER, value
    if value is None:
        return NULL, value
    if cls is bool:
        return TRUTH, value
    for container, kind in _CONTAINERS:
        if issubclass(cls, container):
            return kind, value
    for exact, kind in _EXACT:
        if cls is exact:
            return kind, value
    return _classify_rare(cls, value)


def _classify_rare(cls: type, value: Any) -> tuple[str, Any]:
    for zoned, kind in _ZONED:
        if cls is zoned:
            zone = type(value.tzinfo)  # any other zone computes its offset in code of its own
            return (kind if zone is _NO_ZONE or zone is timezone or zone is ZoneInfo else OTHER), value
    if type(cls) is EnumMeta:
        held = _instance_dict(cls, value).get("_value_", value)
        return (OTHER, value) if type(type(held)) is EnumMeta else classify(held)
    for base, kind, content in _SCALARS:
        if issubclass(cls, base):
            return kind, content(value)
    return OTHER, value


def contained(value: object) -> tuple[int, Any]:
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


def follow(value: object, step: str | int, absent: Absent, work: Work) -> object:
    """One step of a path, for all values but a plain dict and a name."""
    if type(type(value)) is EnumMeta:
        value = classify(value)[1]
    cls = type(value)
    if type(step) is str:
        if issubclass(cls, dict):
            return dict.get(value, step, absent)  # type: ignore[call-overload]
        declared = _fields(cls)
        if declared is not None:
            item = declared[step](value) if step in declared else absent
            return absent if type(item) is Absent else item
    elif issubclass(cls, (list, tuple)):
        base: Any = list if issubclass(cls, list) else tuple
        size = base.__len__(value)
        return base.__getitem__(value, step) if -size <= step < size else absent
    if classify(value)[0] == OTHER and _fields(cls) is None:
        raise work.fault(f"a path leads into {OTHER}")
    return absent


def truth(value: object) -> bool:
    """The truth of a value."""
    if value is True or value is False:
        return value
    if value is None or type(value) is Absent:
        return False
    kind, plain = classify(value)
    if kind == TEXT:
        return len(plain) > len("false") or plain.casefold() != "false"
    return plain is not None and plain is not False
