"""Checks of single option values, for the verbs of `graph` and for `Workflow`. A bad value is refused at once, by a TypeError
(another kind of thing) or a ValueError (out of range) that names the option, the value and what to write instead.

Not here: checks that need the rest of the graph (`validate`)."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from functools import lru_cache
from numbers import Real
from reprlib import Repr
from types import NoneType, UnionType
from typing import Any

from actorflow.clock import seconds
from actorflow.definition.model import All, Collect, Each, First, Join
from actorflow.payloads import copy_payload

__all__ = ["choice", "copied", "duration", "flag", "join_of", "name_of", "port_of", "ports_of", "shown", "type_of", "types_of", "whole"]

MAX_NAME = 128
MAX_DURATION = 1e9
"""Seconds; some 31 years. It keeps nanoseconds within what every timer takes."""

_repr = Repr()
_repr.maxstring = _repr.maxother = 60


def shown(value: object) -> str:
    """A value for an error text: its repr, shortened."""
    return _repr.repr(value)


def name_of(value: object, what: str) -> str:
    """A name of 1 to 128 printable characters."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a text, not {shown(value)}")
    name = str.__str__(value)
    if not name.strip():
        raise ValueError(f"{what} must not be blank")
    if len(name) > MAX_NAME:
        raise ValueError(f"{what} must have at most {MAX_NAME} characters, not {len(name)}: {shown(name)}")
    if not name.isprintable():
        raise ValueError(f"{what} must be of printable characters: {shown(name)}")
    return name


def flag(value: object, what: str) -> bool:
    """True or False and nothing that only counts as such."""
    if not isinstance(value, bool):
        raise TypeError(f"{what} must be True or False, not {shown(value)}")
    return value


def choice(value: object, what: str, allowed: tuple[str, ...]) -> Any:
    """One of a few texts."""
    if not isinstance(value, str) or value not in allowed:
        listed = ", ".join(repr(text) for text in allowed[:-1]) + f" or {allowed[-1]!r}"
        error = ValueError if isinstance(value, str) else TypeError
        raise error(f"{what} must be {listed}, not {shown(value)}")
    return str.__str__(value)


def whole(value: object, what: str) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be a whole number of at least 1, not {shown(value)}")
    if value < 1:
        raise ValueError(f"{what} must be at least 1, not {value}")
    return int(value)


def duration(value: object, what: str) -> float | None:
    """Seconds, more than 0, or None for no limit."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{what} must be a number of seconds, not {shown(value)}; for no limit use None")
    given = float(value)
    if 0 < given <= MAX_DURATION and seconds(given) > 0:
        return given
    bound = f"at most {MAX_DURATION:g} seconds" if given > MAX_DURATION else "more than 0 seconds"
    raise ValueError(f"{what} must be {bound}, not {shown(value)}; for no limit use None")


def port_of(value: object, what: str) -> str | None:
    """A port as connections have it: None for the primary port, "*" for any, else case-folded."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a text or None (the primary port), not {shown(value)}")
    if value.isspace() or not value:
        raise ValueError(f"{what} must not be blank; for the primary port use None")
    return name_of(value, what).casefold()


def ports_of(value: object, what: str) -> frozenset[str] | None:
    """The declared ports of a node, case-folded; None for not declared."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{what} must be a list of names, not {shown(value)}")
    ports: set[str] = set()
    for each in value:
        port = port_of(each, f"each of the {what}")
        if port is None or port == "*":
            raise ValueError(f"{what} must name ports, not {each!r}; the primary port is always there")
        ports.add(port)
    return frozenset(ports)


_JOINS: dict[str, Join] = {"all": All(), "any": First(1, listed=False), "each": Each(), "collect": Collect()}


def join_of(value: object, what: str) -> Join | None:
    """What `join=` means; None for not given."""
    if value is None or isinstance(value, Collect):
        return value
    if isinstance(value, str):
        choice(value, f"{what}, as a text,", tuple(_JOINS))
        return _JOINS[value]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be 'all', 'any', 'each', 'collect', a whole number or af.Collect(...), not {shown(value)}")
    return _first(whole(value, what))


@lru_cache(maxsize=64)
def _first(n: int) -> First:
    return First(n, listed=True)


def types_of(value: object, what: str) -> tuple[type, ...]:
    """The classes of a type filter; empty for any type. Takes a class, a union of classes or a tuple of these."""
    if value is None:
        return ()
    classes: dict[type, None] = {}
    parts = value if isinstance(value, tuple | list) else (value,)
    for part in parts:
        origin: Any = typing.get_origin(part)
        for member in typing.get_args(part) if origin is UnionType or origin is typing.Union else (part,):
            if member is None:
                member = NoneType
            if not isinstance(member, type) or typing.get_origin(member) is not None:
                raise TypeError(f"{what} must be classes, not {shown(member)}; a type filter asks isinstance()")
            try:
                isinstance(None, member)
            except Exception as error:
                raise TypeError(f"{what}: {shown(member)} cannot be asked by isinstance(), as a type filter does: {type(error).__name__}") from None
            classes[member] = None
    if not classes:
        raise ValueError(f"{what} must not be empty; for any type use None")
    return tuple(classes)


def type_of(value: Any, what: str) -> Any:
    """A class or type expression that declares what a node accepts or emits; None for not declared."""
    plain = value is None or value is Any or isinstance(value, type | UnionType)
    if not plain and typing.get_origin(value) is None and not hasattr(value, "__supertype__"):
        raise TypeError(f"{what} must be a class or a type like list[int], not {shown(value)}")
    return value


def copied(values: object, what: str, of: str) -> dict[str, Any]:
    """A mapping from names to values, copied as payloads are."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{what} {of} must be a mapping of names to values, not {shown(values)}")
    for name in values:
        if not isinstance(name, str):
            raise TypeError(f"{what} {of} must have texts as names, not {shown(name)}")
    return {str.__str__(name): copy_payload(value, f"{name!r} in {what} {of}") for name, value in values.items()}
