"""What can be seen of a callable without calling it: how it runs, what its parameters are for, what they are annotated with.

Not here: which parameter gets what (`calls`). It is the outermost callable that will be called; a decorator that sets
`__wrapped__`, as functools.wraps does, vouches that it takes and gives what the function inside does. So a plain function
around an async function counts as async, and one around a generator function as a generator."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
import typing
from collections import abc
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Union

from msgspec import Struct

from actorflow.definition.context import Context
from actorflow.messages import Failure
from actorflow.payloads import Check, make_check

__all__ = ["Facts", "Flavour", "Parameter", "default_name", "inspect_callable", "is_async"]

Flavour = Literal["sync", "async", "generator", "async_generator"]
Kind = Literal["positional", "either", "keyword", "args", "kwargs"]
_KINDS: dict[Any, Kind] = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "either",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_POSITIONAL: "args",
    inspect.Parameter.VAR_KEYWORD: "kwargs",
}
_MAX_WRAPPED = 100


class Parameter(Struct, frozen=True, eq=False):
    """A parameter. `kind` says how it can be passed ("either": by position or name), `role` what it is there for; `check`
    is that of its annotation, None where nothing is to be checked."""

    name: str
    kind: Kind
    role: Literal["context", "failure", "value"] = "value"
    required: bool = True
    default: Any = None
    check: Check | None = None


class Facts(Struct, frozen=True, eq=False):
    """What is known of a callable. `certain`: its flavour is its own and not that of what it wraps. `returns` is the
    annotation of what it returns, for one that streams that of each value; Any where it says nothing. `warnings` are the
    annotations that are not checked, and why."""

    name: str
    flavour: Flavour
    certain: bool
    parameters: tuple[Parameter, ...]
    returns: Any
    warnings: tuple[str, ...]


_UNKNOWN = (Parameter("payload", "positional"),)
"""The parameters of a callable that tells nothing of them, like some built-ins: it gets the payload."""


def inspect_callable(function: Callable[..., Any], *, bound: bool = False) -> Facts:
    """The facts of a callable; with `bound`, without its first parameter, which is `self`."""
    flavour, certain = _flavour(function)
    signature = _signature(function)
    if signature is None:
        return Facts(default_name(function), flavour, certain, _UNKNOWN, Any, ())
    warnings: list[str] = []
    names = _Names(function)
    given = [parameter for name, parameter in signature.parameters.items() if name not in _bound_names(function)]
    if bound and given and given[0].kind.name.startswith("POSITIONAL"):
        given = given[1:]
    parameters = tuple(_parameter(parameter, names, warnings) for parameter in given)
    returns = _returned(names.resolve(signature.return_annotation), flavour)
    return Facts(default_name(function), flavour, certain, parameters, returns, tuple(warnings))


def default_name(function: Any) -> str:
    """The name of a node that was given none: that of the function, of a partial's function, or of an instance's class."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        return type(function).__name__
    return "lambda" if name == "<lambda>" else name


# --- how it runs -----------------------------------------------------------------------------------------------------


def is_async(function: Any) -> bool:
    """Whether calling it gives something to be awaited."""
    return _flavour(function)[0] == "async"


def _flavour(function: Any) -> tuple[Flavour, bool]:
    """How a callable runs, and whether that was seen at itself, not at what it wraps."""
    for number, layer in enumerate(_layers(function)):
        for each in (layer, type(layer).__call__ if callable(layer) else layer):
            if inspect.isasyncgenfunction(each):
                return "async_generator", number == 0
            if inspect.iscoroutinefunction(each) or _is_marked(each):
                return "async", number == 0 and not _is_marked(each)
            if inspect.isgeneratorfunction(each):
                return "generator", number == 0
    return "sync", True


def _layers(function: Any) -> Iterator[Any]:
    """A callable, what it wraps, what that wraps and so on; partials and methods are looked through."""
    for _ in range(_MAX_WRAPPED):
        while isinstance(function, functools.partial | types.MethodType):
            function = function.func if isinstance(function, functools.partial) else function.__func__
        yield function
        function = getattr(function, "__wrapped__", None)
        if not callable(function):
            return


def _is_marked(function: Any) -> bool:
    """Whether it says of itself that it gives a coroutine, in the way of Python before 3.12."""
    mark = getattr(function, "_is_coroutine", None)
    return mark is not None and mark is getattr(sys.modules.get("asyncio.coroutines"), "_is_coroutine", _UNKNOWN)


# --- its parameters --------------------------------------------------------------------------------------------------


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        if sys.version_info >= (3, 14):
            return inspect.signature(function, annotation_format=3)  # annotationlib.Format.FORWARDREF: unknown names stay names
        return inspect.signature(function)
    except (ValueError, TypeError):
        return None


def _bound_names(function: Any) -> set[str]:
    """The parameters that a partial has given values: they are the handler's no more."""
    names: set[str] = set()
    while isinstance(function, functools.partial):
        names |= function.keywords.keys()
        function = function.func
    return names


class _Unresolved(Struct, frozen=True):
    """An annotation that cannot be resolved, as it is written."""

    text: str


class _Names:
    """What the annotations of a callable may refer to."""

    def __init__(self, function: Any) -> None:
        innermost = list(_layers(function))[-1]
        if not hasattr(innermost, "__globals__") and callable(innermost):
            innermost = type(innermost).__call__
        self._globals = getattr(innermost, "__globals__", {})
        self._locals = {parameter.__name__: parameter for parameter in getattr(innermost, "__type_params__", ())}
        cells = zip(
            getattr(getattr(innermost, "__code__", None), "co_freevars", ()), getattr(innermost, "__closure__", None) or (), strict=False
        )
        for name, cell in cells:
            try:
                self._locals[name] = cell.cell_contents
            except ValueError:
                pass  # an empty cell: not assigned yet

    def resolve(self, annotation: Any) -> Any:
        """The type an annotation means, or _Unresolved."""
        if annotation is inspect.Parameter.empty or (isinstance(annotation, type) and typing.get_origin(annotation) is None):
            return annotation

        def carrier() -> None: ...

        carrier.__annotations__ = {"it": annotation}
        try:
            return typing.get_type_hints(carrier, self._globals, self._locals, include_extras=True)["it"]
        except Exception:  # it is code, and may do anything
            text = getattr(annotation, "__forward_arg__", annotation)
            return _Unresolved(text if isinstance(text, str) else repr(text).replace("typing.", ""))


def _parameter(parameter: inspect.Parameter, names: _Names, warnings: list[str]) -> Parameter:
    kind = _KINDS[parameter.kind]
    required = parameter.default is inspect.Parameter.empty and kind not in ("args", "kwargs")
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    annotation = names.resolve(parameter.annotation)
    role = _role(annotation) if kind not in ("args", "kwargs") else None
    if role is None and parameter.name == "ctx" and kind not in ("args", "kwargs"):
        role = "context"
    if role is not None:
        return Parameter(parameter.name, kind, role, required, default)
    check, why = None, ""
    if isinstance(annotation, _Unresolved):
        why = f"its annotation {annotation.text!r} cannot be resolved"
    else:
        check, why = make_check(annotation)
    if why:
        warnings.append(f"parameter {parameter.name!r} is not checked: {why}")
    if check is not None and parameter.default is None:
        check = _or_none(check)
    return Parameter(parameter.name, kind, "value", required, default, check)


def _or_none(check: Check) -> Check:
    """For `x: int = None`, which says by its default that None is right too."""
    return lambda value: None if value is None else check(value)


_SPECIAL = re.compile(r"(?:(?:\w+\.)*Optional\[)?(?:\w+\.)*(Context|Failure)\]?(?:\s*\|\s*None)?")


def _role(annotation: Any) -> Literal["context", "failure"] | None:
    """What a parameter is for, if its annotation tells; by its last word, where it cannot be resolved, as under TYPE_CHECKING."""
    if isinstance(annotation, _Unresolved):
        found = _SPECIAL.fullmatch(annotation.text.strip(" '\"").removeprefix("None | "))
        if found is None:
            return None
        return "context" if found[1] == "Context" else "failure"
    if typing.get_origin(annotation) is Annotated:
        annotation = annotation.__origin__
    if typing.get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        annotation = members[0] if len(members) == 1 else None
    return "context" if annotation is Context else "failure" if annotation is Failure else None


_STREAMS = (abc.Iterator, abc.Iterable, abc.Generator, abc.AsyncIterator, abc.AsyncIterable, abc.AsyncGenerator)


def _returned(annotation: Any, flavour: Flavour) -> Any:
    if annotation is inspect.Signature.empty or isinstance(annotation, _Unresolved):
        return Any
    if flavour in ("generator", "async_generator"):
        arguments = typing.get_args(annotation)
        return arguments[0] if arguments and typing.get_origin(annotation) in _STREAMS else Any
    return annotation
