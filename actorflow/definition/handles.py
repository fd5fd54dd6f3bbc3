"""What the verbs of a graph hand back to the user: `Node` and `Connection`, by name. Not here: their numbered forms in a
built workflow (`model`). Neither changes after it was made."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from msgspec import Struct

from actorflow.definition.expression import Condition

__all__ = ["Connection", "Node", "NodeLike"]

P = ParamSpec("P")
R = TypeVar("R")


class Node(Generic[P, R]):
    """A node of a workflow. Calling it calls its function, without any of the workflow's doing: for unit tests. The plain
    function is `__wrapped__`."""

    _name: str
    _owner: Any
    __wrapped__: Callable[P, R]

    def __init__(self, name: str, function: Callable[P, R], owner: Any) -> None:
        functools.update_wrapper(self, function, updated=("__dict__",) if type(function) is FunctionType and function.__dict__ else ())
        self._name = name
        self._owner = owner

    @property
    def name(self) -> str:
        """The name by which the workflow knows it."""
        return self._name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Node {self._name!r} of {self._owner.label!r}>"


NodeLike = str | Callable[..., Any]
"""What stands for a node: its name, its `Node`, or the function it was made of."""


class Connection(Struct, frozen=True, eq=False):
    """A connection as it was asked for, its ends by name. `port` is case-folded; `to` is the input slot of the target (None:
    the name of the source), `types` is empty for any type. Two are equal if nothing tells them apart."""

    source: str
    target: str
    on: Literal["complete", "fail", "all"] = "complete"
    when: Condition | Callable[[Any], object] | None = None
    port: str | None = None
    to: str | None = None
    types: tuple[type, ...] = ()
    enabled: bool = True
    back: bool = False
    limit: int = 1000

    def __hash__(self) -> int:
        # without `when`, which may be a callable that has no hash
        return hash((self.source, self.target, self.on, self.port, self.to))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not Connection:
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in self.__struct_fields__)

    @property
    def label(self) -> str:
        """The ends, like `'parse.out' -> 'store'`; after the dot is the port."""
        source = self.source if self.port is None else f"{self.source}.{self.port}"
        return f"{source!r} -> {self.target!r}"

    def __repr__(self) -> str:
        defaults = zip(self.__struct_fields__[-len(self.__struct_defaults__) :], self.__struct_defaults__, strict=True)
        given = "".join(f", {field}={getattr(self, field)!r}" for field, default in defaults if getattr(self, field) != default)
        return f"Connection({self.source!r} -> {self.target!r}{given})"
