"""Copies of payloads, so that nobody sees another's changes.

Copied are exact built-in containers, msgspec Structs and dataclasses, these two by their fields and without `__init__` or
`__post_init__`. A tuple, frozenset or frozen record in which nothing had to be copied is returned as it is. All else is
shared: arrays, subclasses of built-ins (named tuples, OrderedDict), other objects, and the keys of a dict, which have a hash
and so do not change. What was one object within a payload is one within its copy. A payload that contains itself is refused,
and so is one nested more than 100 deep. By hand, since `copy.deepcopy` takes four times as long and calls user code.

Not here: when something is copied (`actors`, `core`). No error text holds a value or the key of a dict."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from operator import is_
from types import BuiltinFunctionType, EllipsisType, FunctionType, MemberDescriptorType, NoneType
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from msgspec import Struct
from msgspec.structs import force_setattr

from actorflow.errors import PayloadError
from actorflow.messages import NOTHING

__all__ = ["IMMUTABLE", "MAX_DEPTH", "copy_payload"]

MAX_DEPTH = 100
"""A container in so many containers is refused."""
_SHOWN_PATH = 60

IMMUTABLE: frozenset[type] = frozenset(
    {
        *(NoneType, bool, int, float, complex, str, bytes, range, type, EllipsisType, FunctionType, BuiltinFunctionType),
        *(datetime, date, time, timedelta, timezone, Decimal, UUID, type(NOTHING)),
    }
)
"""The commonest types whose values are never copied: whoever has one of them need not call copy_payload."""

Memo = dict[int, Any]
"""Copies by the id of the original. Under _KEPT, which is no id, are the originals: while they are held, ids stay theirs."""
_KEPT = 0
Copier = Callable[[Any, Memo, int], Any]
"""(value, memo, how deep its items lie) -> copy."""


def copy_payload(value: Any, what: str = "the payload") -> Any:
    """A copy that shares nothing changeable with `value`, in the limits the module's opening gives. Raises PayloadError for
    a value that contains itself or is nested too deep; its text begins with `what`."""
    cls = type(value)
    if cls in IMMUTABLE:
        return value
    copier = _EXACT.get(cls) or _copier(cls)
    if copier is _share:
        return value
    try:
        return copier(value, {_KEPT: [value]}, 1)
    except _TooDeep:
        pass  # the error is raised outside, or each of the levels would be in its traceback
    reason, path = _overflow(value, "$", {}, set()) or (f"is nested more than {MAX_DEPTH} deep", "$")
    if len(path) > _SHOWN_PATH:
        path = path[: _SHOWN_PATH - 3] + "..."
    raise PayloadError(f"{what} {reason} (at {path})", path=path)


class _TooDeep(Exception):
    """A container lies in MAX_DEPTH others."""


def _inner(value: Any, memo: Memo, depth: int) -> Any:
    """The copy of an item that is no leaf."""
    cls = type(value)
    copier = _EXACT.get(cls) or _copier(cls)
    if copier is _share:
        return value
    known = memo.get(id(value))
    if known is not None:
        return known
    if depth >= MAX_DEPTH:
        raise _TooDeep
    copied = copier(value, memo, depth + 1)
    memo[_KEPT].append(value)
    memo[id(value)] = copied  # only now, so that a cycle goes on until it is too deep
    return copied


def _share(value: Any, memo: Memo, depth: int) -> Any:
    return value


# Each takes a shallow copy first, in one step, and works on that: another thread may be changing the original.


def _copy_dict(value: dict[Any, Any], memo: Memo, depth: int) -> dict[Any, Any]:
    copied = value.copy()
    for key, item in copied.items():
        if type(item) not in IMMUTABLE:
            copied[key] = _inner(item, memo, depth)
    return copied


def _copy_list(value: list[Any], memo: Memo, depth: int) -> list[Any]:
    copied = value.copy()
    if not IMMUTABLE.issuperset(map(type, copied)):
        for index, item in enumerate(copied):
            if type(item) not in IMMUTABLE:
                copied[index] = _inner(item, memo, depth)
    return copied


def _copy_tuple(value: tuple[Any, ...], memo: Memo, depth: int) -> tuple[Any, ...]:
    if IMMUTABLE.issuperset(map(type, value)):
        return value
    copied = _copy_list(list(value), memo, depth)
    return tuple(copied) if _differs(copied, value) else value


def _copy_set(value: set[Any], memo: Memo, depth: int) -> set[Any]:
    copied = value.copy()
    if not IMMUTABLE.issuperset(map(type, copied)):
        copied = set(_copy_list(list(copied), memo, depth))
    return copied


def _copy_frozenset(value: frozenset[Any], memo: Memo, depth: int) -> frozenset[Any]:
    if IMMUTABLE.issuperset(map(type, value)):
        return value
    copied = _copy_list(list(value), memo, depth)
    return frozenset(copied) if _differs(copied, value) else value


def _differs(copied: list[Any], value: tuple[Any, ...] | frozenset[Any]) -> bool:
    return any(a is not b for a, b in zip(copied, value, strict=True))


def _copy_bytearray(value: bytearray, memo: Memo, depth: int) -> bytearray:
    return value.copy()


# Looked up first, since a weak dictionary takes five times as long.
_EXACT: dict[type, Copier] = {
    dict: _copy_dict,
    list: _copy_list,
    tuple: _copy_tuple,
    set: _copy_set,
    frozenset: _copy_frozenset,
    bytearray: _copy_bytearray,
}
_copiers: WeakKeyDictionary[type, Copier] = WeakKeyDictionary(_EXACT)
"""The copiers of all classes. What is in here must not hold the class, or it could never go."""


def _copier(cls: type) -> Copier:
    known = _copiers.get(cls)
    if known is None:
        if issubclass(cls, Struct):
            known = _struct_copier(cls.__struct_fields__, cls.__struct_config__.frozen, _has_dict(cls))
        elif _is_plain_dataclass(cls):
            known = _dataclass_copier(cls)
        else:
            known = _share
        _copiers[cls] = known
    return known


def _has_dict(cls: type) -> bool:
    return cls.__dictoffset__ != 0


def _is_plain_dataclass(cls: Any) -> bool:
    """Whether it is a dataclass whose values hold nothing but attributes; one that is an exception or a list is not."""
    if not dataclasses.is_dataclass(cls):
        return False
    try:
        object.__new__(cls)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def _struct_copier(fields: tuple[str, ...], frozen: bool, has_dict: bool) -> Copier:
    def copy_struct(value: Struct, memo: Memo, depth: int) -> Struct:
        changed = []
        for name in fields:
            item = getattr(value, name)
            if type(item) not in IMMUTABLE:
                copied = _inner(item, memo, depth)
                if copied is not item:
                    changed.append((name, copied))
        if frozen and not changed and not has_dict:
            return value
        record: Struct = Struct.__copy__(value)  # type: ignore[attr-defined]  # calls no __post_init__
        for name, copied in changed:
            force_setattr(record, name, copied)
        if has_dict:
            record.__dict__.update(_copy_dict(value.__dict__, memo, depth))
        return record

    return copy_struct


def _dataclass_copier(cls: Any) -> Copier:
    """Attributes that are no fields are copied too. A subclass that was not decorated inherits fields, but is not frozen."""
    slots = tuple(name for name in cls.__dataclass_fields__ if type(getattr(cls, name, None)) is MemberDescriptorType)
    frozen = "__dataclass_params__" in cls.__dict__ and cls.__dataclass_params__.frozen
    has_dict = _has_dict(cls)

    def copy_dataclass(value: Any, memo: Memo, depth: int) -> Any:
        original: dict[str, Any] = value.__dict__ if has_dict else {}
        attributes = _copy_dict(original, memo, depth)
        in_slots = {name: getattr(value, name) for name in slots if hasattr(value, name)}
        copied = _copy_dict(in_slots, memo, depth)
        if frozen and all(map(is_, copied.values(), in_slots.values())) and all(map(is_, attributes.values(), original.values())):
            return value
        record = object.__new__(type(value))
        if has_dict:
            record.__dict__.update(attributes)
        for name, item in copied.items():
            object.__setattr__(record, name, item)
        return record

    return copy_dataclass


def _overflow(value: Any, path: str, above: dict[int, None], done: set[int]) -> tuple[str, str] | None:
    """What is wrong with a value that could not be copied, and where; the first that the copier came upon. O(size)."""
    if id(value) in above:
        return "contains itself", path
    if len(above) >= MAX_DEPTH:
        return f"is nested more than {MAX_DEPTH} deep", path
    if id(value) in done:
        return None
    above[id(value)] = None
    for step, item in _items(value):
        found = _overflow(item, path + step, above, done)
        if found is not None:
            return found
    del above[id(value)]
    done.add(id(value))
    return None


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """The items of a container that are containers themselves, each with its step in a path."""
    cls = type(value)
    steps: Iterator[tuple[str, Any]]
    if cls in (list, tuple):
        steps = ((f"[{index}]", item) for index, item in enumerate(value))
    elif cls in (dict, set, frozenset):
        steps = (("[...]", item) for item in (value.values() if cls is dict else value))
    else:
        fields: Iterable[str] = getattr(cls, "__struct_fields__", getattr(cls, "__dataclass_fields__", ()))
        names = dict.fromkeys((*fields, *getattr(value, "__dict__", ())))
        steps = ((f".{name}", getattr(value, name)) for name in names if hasattr(value, name))
    return ((step, item) for step, item in steps if type(item) not in IMMUTABLE and _copier(type(item)) is not _share)
