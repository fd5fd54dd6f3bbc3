"""Payloads checked against the types that handlers are annotated with.

A value is taken as it is if it is an instance of the annotated class; else it is made one from plain data, by
`msgspec.convert` in its strict mode: a dict becomes a Struct or dataclass, an int a float, a text a datetime. In containers the
same holds item by item; values of a TypedDict keep the keys it does not declare. A type that msgspec does not know is asked
by isinstance. A type that cannot be checked at all is left alone, and whoever asked is told.

Not here: whose parameter it is (`definition.signature`). No error text holds a value or the key of a dict, only types, the
names of declared fields, and indices."""

from __future__ import annotations

import inspect
import operator
import re
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union

import msgspec

from actorflow.errors import PayloadError

__all__ = ["Check", "Mismatch", "make_check"]

Check = Callable[[Any], Any]
"""Returns the value, converted if need be; raises Mismatch."""


class Mismatch(Exception):
    """A value that is not of its type. `what` says what was expected, `path` where in it: "$" is the value itself. It never
    leaves the library: `named` makes it the PayloadError of a node."""

    def __init__(self, what: str, path: str = "$") -> None:
        self.what = what
        self.path = path
        super().__init__(what)

    def within(self, step: str) -> Mismatch:
        """The same, seen from what contains the value at `step`."""
        return Mismatch(self.what, f"${step}{self.path[1:]}")

    def named(self, node: str, slot: str = "") -> PayloadError:
        """The error for the payload of a node, or for one of its input slots."""
        where = f"slot {slot!r} of node {node!r}" if slot else f"the payload of node {node!r}"
        return PayloadError(f"{where}: {self.what} at {self.path}", node=node, slot=slot, path=self.path)


def make_check(annotation: Any) -> tuple[Check | None, str]:
    """The check of an annotation, None if it allows everything, and why there is none although it does not, "" otherwise."""
    try:
        return _build(annotation, 0), ""
    except _Unsupported as unsupported:
        return None, str(unsupported)


class _Unsupported(Exception):
    """A type that cannot be checked."""


_MAX_NESTING = 32  # of annotations: an alias may contain itself
_ARRAYS = (list, tuple, set, frozenset)
_BUILT_IN = (*_ARRAYS, dict)
_LISTS = (abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable, abc.Container, abc.Reversible)
_SETS = (abc.Set, abc.MutableSet)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)


def _build(annotation: Any, depth: int) -> Check | None:
    if annotation is Any or annotation is object or annotation is inspect.Parameter.empty:
        return None
    if annotation is None:
        annotation = types.NoneType
    if depth > _MAX_NESTING:
        raise _Unsupported(f"{_shown(annotation)} is nested too deep to be checked")
    origin = typing.get_origin(annotation)
    if origin is None:
        return _build_simple(annotation, depth + 1)
    arguments = typing.get_args(annotation)
    if origin is Annotated:
        has_limits = any(isinstance(extra, msgspec.Meta) for extra in annotation.__metadata__)
        return _converter(annotation) if has_limits and _is_known(annotation) else _build(arguments[0], depth + 1)
    if origin is Union or origin is types.UnionType:
        return _union(annotation, arguments, depth + 1)
    if origin is Literal:
        return _literal(annotation, arguments)
    if origin in (*_ARRAYS, *_LISTS, *_SETS, *_DICTS):
        return _container(annotation, origin, arguments, depth + 1)
    if isinstance(origin, type):
        return _instance(origin, annotation)
    raise _Unsupported(f"{_shown(annotation)} cannot be checked")


def _build_simple(annotation: Any, depth: int) -> Check | None:
    """What has no arguments: a class, or a name for another type."""
    if typing.is_typeddict(annotation):
        return _typed_dict(annotation, depth)
    if isinstance(annotation, type):
        return _instance(annotation, annotation)
    if isinstance(annotation, TypeVar):
        if annotation.__constraints__:
            return _union(annotation, annotation.__constraints__, depth)
        return None if annotation.__bound__ is None else _build(annotation.__bound__, depth)
    for attribute in ("__supertype__", "__value__"):  # of a NewType, of a type alias
        if hasattr(annotation, attribute):
            return _build(getattr(annotation, attribute), depth)
    raise _Unsupported(f"{_shown(annotation)} cannot be checked")


def _instance(cls: type, target: Any) -> Check:
    """An instance of a class, or plain data that `target`, that class or an alias of it, can be made of."""
    try:
        isinstance(None, cls)
    except Exception:
        raise _Unsupported(f"{_shown(cls)} cannot be asked by isinstance") from None
    convert = _converter(target) if _is_known(target) else None

    def check(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if convert is None:
            raise _unexpected(target, value)
        return convert(value)

    return check


def _is_known(annotation: Any) -> bool:
    """Whether msgspec can convert to it."""
    try:
        msgspec.convert(None, annotation)
    except msgspec.ValidationError:
        return True
    except Exception:
        return False
    return True


def _converter(annotation: Any) -> Check:
    def convert(value: Any) -> Any:
        try:
            return msgspec.convert(value, annotation)
        except Exception as error:  # not only ValidationError: conversion may run code of the class
            mismatch = _mismatch(annotation, value, error)
        raise mismatch  # here, so that it does not carry an error that may show the value

    return convert


_PLACE = re.compile(r" - at (`key` in )?`(\$[^`]*)`\Z")
_SAFE = re.compile(r"(Expected `|Object missing required field `)")


def _mismatch(annotation: Any, value: Any, error: Exception) -> Mismatch:
    """What msgspec found wrong. Only texts it makes of types are handed on, not those that tell a value, nor such as come
    from a `__post_init__`."""
    if error.__cause__ is not None or not isinstance(error, msgspec.ValidationError):
        cause = error.__cause__ or error
        what = f"its class refused it with a {type(cause).__name__}"
    elif _SAFE.match(str(error)):
        what = _PLACE.sub("", str(error))
        what = what[0].lower() + what[1:]
    else:
        what = "found a value that its type does not allow"
    place = _PLACE.search(str(error))
    if place is None:
        if re.match(r"expected `[^`]*`, got", what):
            return _unexpected(annotation, value)
        return Mismatch(f"{what}, for {_shown(annotation)}" if not what.startswith("expected") else what)
    return Mismatch(what, place[2] + ("[...]" if place[1] else ""))


def _unexpected(annotation: Any, value: Any) -> Mismatch:
    return Mismatch(f"expected {_shown(annotation)}, got `{type(value).__name__}`")


def _shown(annotation: Any) -> str:
    """A type as the user wrote it, more or less, in the marks msgspec uses."""
    plain_class = isinstance(annotation, type) and typing.get_origin(annotation) is None
    text = annotation.__qualname__.rpartition("<locals>.")[2] if plain_class else str(annotation).replace("typing.", "")
    return f"`{text}`"


def _union(annotation: Any, members: tuple[Any, ...], depth: int) -> Check | None:
    """First as it is, then by msgspec, which tells tagged Structs apart; if it does not know the union, an item of a
    container is still checked, and a class is asked by isinstance only: which of several to make would be a guess."""
    checks = [_build(member, depth) for member in members]
    if None in checks:
        return None
    classes = tuple(types.NoneType if member is None else member for member in members)
    plain = tuple(filter(_is_plain_class, classes))
    convert = _converter(annotation) if _is_known(annotation) else None
    others = [check for member, check in zip(classes, checks, strict=True) if member not in plain]

    def check(value: Any) -> Any:
        if isinstance(value, plain):
            return value
        for other in others:
            try:
                return other(value)  # type: ignore[misc]
            except Mismatch:
                pass
        if convert is None:
            raise _unexpected(annotation, value)
        return convert(value)

    return check


def _is_plain_class(annotation: Any) -> bool:
    return isinstance(annotation, type) and typing.get_origin(annotation) is None and not typing.is_typeddict(annotation)


def _literal(annotation: Any, allowed: tuple[Any, ...]) -> Check:
    def check(value: Any) -> Any:
        if any(type(value) is type(each) and value == each for each in allowed):
            return value
        raise Mismatch(f"expected one of {_shown(annotation)}, got another `{type(value).__name__}`")

    return check


def _typed_dict(annotation: Any, depth: int) -> Check:
    try:
        hints = typing.get_type_hints(annotation)
    except Exception:
        raise _Unsupported(f"{_shown(annotation)} has a field whose type cannot be resolved") from None
    checks = {name: built for name, hint in hints.items() if (built := _build(hint, depth)) is not None}
    required = sorted(annotation.__required_keys__)

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _unexpected(annotation, value)
        for name in required:
            if name not in value:
                raise Mismatch(f"object missing required field `{name}`")
        changed = {name: _at(f".{name}", checks[name], value[name]) for name in checks if name in value}
        return value if all(changed[name] is value[name] for name in changed) else {**value, **changed}

    return check


def _at(step: str, check: Check | None, value: Any) -> Any:
    """The value checked; a mismatch is told as one of what contains it."""
    if check is None:
        return value
    try:
        return check(value)
    except Mismatch as found:
        mismatch = found.within(step)
    raise mismatch


def _container(annotation: Any, origin: Any, arguments: tuple[Any, ...], depth: int) -> Check:
    """By msgspec, which is fast; where it refuses, item by item, since it does not take instances of subclasses."""
    walk = _walk_dict if origin in _DICTS else _walk_tuple if origin is tuple and arguments[-1:] != (...,) else _walk_items
    checks = [_build(argument, depth) for argument in arguments if argument is not ...]
    anything = not any(checks)
    fast = origin in _BUILT_IN and not _has_typed_dict(annotation) and _is_known(annotation)

    def check(value: Any) -> Any:
        if anything and walk is not _walk_tuple and isinstance(value, origin):
            return value
        if fast and (type(value) is origin or not isinstance(value, origin)):
            try:
                return msgspec.convert(value, annotation)
            except Exception:
                pass  # the walk knows better, or says what is wrong
        if not isinstance(value, origin) and not (type(value) in _ARRAYS and origin in _ARRAYS):
            raise _unexpected(annotation, value)
        return walk(value, origin, checks)

    return check


def _has_typed_dict(annotation: Any) -> bool:
    return typing.is_typeddict(annotation) or any(_has_typed_dict(argument) for argument in typing.get_args(annotation))


def _walk_dict(value: Mapping[Any, Any], origin: Any, checks: list[Check | None]) -> Any:
    key_check, item_check = checks
    changed = False
    items = {}
    for key, item in value.items():
        checked = _at("[...]", key_check, key), _at("[...]", item_check, item)
        items[checked[0]] = checked[1]
        changed = changed or checked[0] is not key or checked[1] is not item
    return items if changed else value


def _walk_tuple(value: Any, origin: Any, checks: list[Check | None]) -> Any:
    items = tuple(value)
    if len(items) != len(checks):
        raise Mismatch(f"expected `array` of length {len(checks)}, got {len(items)}")
    checked = tuple(_at(f"[{index}]", check, item) for index, (check, item) in enumerate(zip(checks, items, strict=True)))
    return value if isinstance(value, tuple) and all(map(operator.is_, checked, items)) else checked


def _walk_items(value: Any, origin: Any, checks: list[Check | None]) -> Any:
    if not isinstance(value, abc.Sequence | abc.Set):
        return value  # what can be iterated over only once is left to the handler
    check = checks[0]
    numbered = isinstance(value, abc.Sequence)
    items = list(value)
    checked = [_at(f"[{index}]" if numbered else "[...]", check, item) for index, item in enumerate(items)]
    if isinstance(value, origin) and all(map(operator.is_, checked, items)):
        return value
    kind: Callable[[list[Any]], Any] = origin if origin in _ARRAYS else type(value) if type(value) in _ARRAYS else list
    try:
        return kind(checked)
    except TypeError:
        pass
    raise Mismatch("expected items that have a hash")
