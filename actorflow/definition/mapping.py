"""What `inputs=` of a node maps its slots to: references, texts with references in them, and values that stand for themselves.

    "${fetch.output.rows[0]}"        what a node gave; its name in quotes if it is not plain: "${'my node'.output}"
    "${workflow.input.id}"           the input of the run
    "${variables.limit}"             a variable of the run

A text that is one reference becomes the value itself, whatever its type; in longer texts (`"order ${workflow.input.id}"`) a
reference must give a text. Lists, tuples and the values of dicts are looked through. `$${` stands for `${`. Paths are those
of conditions: plain data only, and no code of a payload's class runs.

Not here: how slots come to the parameters of a handler (`calls`), and whether the nodes exist (`validate`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from actorflow.definition import tokens
from actorflow.definition.expression import ConditionFault, parse
from actorflow.errors import ConditionSyntaxError, PayloadError
from actorflow.payloads import copy_payload

__all__ = ["Inputs", "parse_inputs"]

_SHOWN = 40
_OUTPUT = frozenset({"output"})
_QUOTED = r""""[^"\\]*(?:\\.[^"\\]*)*" | '[^'\\]*(?:\\.[^'\\]*)*'"""
_PIECE = re.compile(rf"""\$\$\{{ | \$\{{ (?P<body> (?: [^{{}}"'] | {_QUOTED} )* ) \}} | \$\{{ (?P<open>)""", re.VERBOSE | re.DOTALL)
_REST = r"(?P<rest> (?: [.\[] .* )? )"
_RUN_INPUT = re.compile(rf"workflow\.input {_REST}", re.VERBOSE | re.DOTALL)
_VARIABLES = re.compile(rf"variables {_REST}", re.VERBOSE | re.DOTALL)
_NODE = re.compile(rf"(?: (?P<quoted> {_QUOTED} ) | (?P<name> .+? ) ) \.output {_REST}", re.VERBOSE | re.DOTALL)
_POSITION = re.compile(r" at position \d+\Z")


class _Run(NamedTuple):
    """What references are resolved against."""

    output_of: Callable[[str], Any]
    input: Any
    variables: Mapping[str, Any]


class _Unresolved(Exception):
    """A reference without a value. `place`: where in the slot's template it stands, `path`: where the value should be."""

    def __init__(self, what: str, path: str, place: str = "") -> None:
        self.what = what
        self.path = path
        self.place = place


Template = Callable[[_Run], Any]


class Inputs(Struct, frozen=True, eq=False):
    """A mapping that was read. `source` is what it was read from, `slots` what it maps, `nodes` the nodes it refers to, each
    with the first slot that does."""

    source: Mapping[str, Any]
    slots: tuple[str, ...]
    nodes: Mapping[str, str]
    templates: tuple[Template, ...]

    def __repr__(self) -> str:
        return f"Inputs({', '.join(self.slots)})"

    def resolve(self, output_of: Callable[[str], Any], run_input: Any, variables: Mapping[str, Any], *, node: str = "") -> dict[str, Any]:
        """Slot -> value, for the node `node`. `output_of(name)` gives the output of a node that has completed and raises
        KeyError for others. The values are not copied. Raises PayloadError, naming slot and path, for a reference that has
        no value or is none of a text within a text."""
        run = _Run(output_of, run_input, variables)
        values: dict[str, Any] = {}
        for slot, template in zip(self.slots, self.templates, strict=True):
            try:
                values[slot] = template(run)
                continue
            except _Unresolved as found:
                what, path, place = found.what, found.path, found.place
            raise PayloadError(f"input {slot + place!r} of node {node!r}: {what}", node=node, slot=slot, path=path)
        return values


def parse_inputs(mapping: Mapping[str, Any]) -> Inputs:
    """Read the mapping of a node. Raises ValueError and TypeError, which name the slot."""
    if not isinstance(mapping, Mapping):
        raise TypeError(f"inputs must be a mapping from slots to values and references, not a {type(mapping).__name__}")
    nodes: dict[str, str] = {}
    templates: list[Template] = []
    sources: dict[str, Any] = {}
    for slot, value in mapping.items():
        if not isinstance(slot, str) or not slot.strip():
            raise TypeError(f"inputs must be mapped from slots, whose names are texts that are not blank, not from {slot!r}")
        source = sources[slot] = copy_payload(value, f"inputs[{slot!r}]")
        used: list[str] = []
        templates.append(_template(source, f"inputs[{slot!r}]", "", used) or _constant(source))
        for name in used:
            nodes.setdefault(name, slot)
    return Inputs(sources, tuple(sources), nodes, tuple(templates))


# --- templates: each part gives None where there is nothing to resolve -------------------------------------------------


def _template(value: Any, what: str, place: str, used: list[str]) -> Template | None:
    if type(value) is str:
        return _text(value, what, place, used)
    if type(value) is dict:
        for key in value:
            if isinstance(key, str) and "${" in key:
                raise ValueError(f"{what}: a key cannot hold a reference: {key!r}")
        items = {key: _template(item, what, f"{place}[{key!r}]", used) for key, item in value.items()}
        return _dict(value, items) if any(items.values()) else None
    if type(value) in (list, tuple):
        parts = [_template(item, what, f"{place}[{index}]", used) for index, item in enumerate(value)]
        return _list(value, parts) if any(parts) else None
    return None


def _constant(value: Any) -> Template:
    """A copy each time: two nodes or runs must not share it."""
    return lambda run: copy_payload(value)


def _dict(value: dict[Any, Any], items: dict[Any, Template | None]) -> Template:
    templates = {key: item or _constant(value[key]) for key, item in items.items()}
    return lambda run: {key: template(run) for key, template in templates.items()}


def _list(value: list[Any] | tuple[Any, ...], parts: list[Template | None]) -> Template:
    kind = type(value)
    templates = [part or _constant(item) for part, item in zip(parts, value, strict=True)]
    return lambda run: kind([template(run) for template in templates])


def _text(text: str, what: str, place: str, used: list[str]) -> Template | None:
    pieces: list[str | _Reference] = []
    end = 0
    for found in _PIECE.finditer(text):
        if found["open"] is not None:
            raise ValueError(f"{what}{place}: {text[found.start() :][:_SHOWN]!r} is not closed by a brace")
        pieces += [text[end : found.start()], "${" if found["body"] is None else _reference(found, what, place, used)]
        end = found.end()
    if not end:
        return None
    pieces = [piece for piece in (*pieces, text[end:]) if piece != ""]
    if len(pieces) == 1 and isinstance(pieces[0], _Reference):
        return pieces[0].value
    return lambda run: "".join([piece if isinstance(piece, str) else piece.text(run) for piece in pieces])


# --- references ------------------------------------------------------------------------------------------------------


class _Reference(Struct, frozen=True, eq=False):
    """`shown` is the reference as written, `place` where it stands in its slot's template, `base` gives the value that `path`,
    which begins with "$", starts from, `follow` what lies there."""

    shown: str
    place: str
    path: str
    base: Template
    follow: Callable[[Any, Any], Any] | None

    def value(self, run: _Run) -> Any:
        """The value it refers to."""
        try:
            base = self.base(run)
            return base if self.follow is None else self.follow(base, None)
        except KeyError as error:
            what = f"node {error.args[0]!r} has not completed"
        except ConditionFault as fault:
            text = _POSITION.sub("", str(fault))
            what = f"there is nothing at {self.path}" if text.endswith(" is absent") else text
        raise _Unresolved(f"{self.shown} has no value: {what}", self.path, self.place)

    def text(self, run: _Run) -> str:
        """The same, which must be a text."""
        value = self.value(run)
        if isinstance(value, str):
            return value
        what = f"{self.shown} stands in a text and must give a text, not `{type(value).__name__}`"
        raise _Unresolved(f"{what}; standing alone it keeps its type", self.path, self.place)


def _reference(found: re.Match[str], what: str, place: str, used: list[str]) -> _Reference:
    shown = found[0]
    try:
        base, rest = _root(found["body"].strip(), used)
        return _Reference(shown, place, f"${rest}", base, _follower(rest))
    except ConditionSyntaxError as error:
        reason = error.what
    except ValueError as error:
        reason = str(error)
    raise ValueError(f"{what}{place}: {shown} cannot be read: {reason}")


def _root(body: str, used: list[str]) -> tuple[Template, str]:
    """Where a reference begins, and the path that is left."""
    if (found := _RUN_INPUT.fullmatch(body)) is not None:
        return (lambda run: run.input), found["rest"]
    if (found := _VARIABLES.fullmatch(body)) is not None:
        return (lambda run: dict(run.variables)), found["rest"]
    found = _NODE.fullmatch(body)
    if found is None:
        raise ValueError("a reference is ${node.output...}, ${workflow.input...} or ${variables...}")
    name = _unquoted(found["quoted"]) if found["quoted"] else found["name"].strip()
    used.append(name)
    return _output_of(name), found["rest"]


def _output_of(name: str) -> Template:
    def output_of(run: _Run) -> Any:
        try:
            return run.output_of(name)
        except KeyError:
            pass
        raise KeyError(name)  # whatever the look-up was by

    return output_of


def _unquoted(text: str) -> str:
    constant = tokens.read(text, frozenset())
    assert isinstance(constant, tokens.Constant)
    return str(constant.value)


def _follower(rest: str) -> Callable[[Any, Any], Any] | None:
    """What follows a path, by the rules of conditions; None for an empty one."""
    if not rest:
        return None
    if not isinstance(tokens.read(f"output{rest}", _OUTPUT), tokens.Path):
        raise ValueError("only a path may follow, like .rows[0]['key']")
    return parse(f"output{rest}", _OUTPUT).value
