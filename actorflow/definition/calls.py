"""Which parameter of a handler gets what, and the call that gives it to them, made once and then used for every message.

Not here: what is known of the parameters (`signature`). The rules, for the parameters that are neither context nor failure:
none: no payload is passed. One: it gets the payload. Several: if one of them is named like an input slot, and so is each that
is required, all of these get their slots; else, if at most one is required, it (or the first) gets the payload, and the
others keep their defaults; else it is a problem. `**rest` stands for all slots that are not named, `*args` takes the payload
if nothing before it does. With `inputs=`, which name slots on purpose, a single parameter gets its slot too, and a slot that
no parameter takes is a problem."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from actorflow.definition.names import listed
from actorflow.definition.signature import Facts, Parameter
from actorflow.payloads import Check, Mismatch

__all__ = ["Call", "Choice", "choose", "compiled"]

Call = Callable[[Any, Any], Any]
"""(payload, context) -> what the handler returns."""


class Choice(Struct, frozen=True):
    """Who gets the payload: the parameters of `names` by slot, or the one of them the whole of it, or nobody."""

    by_slot: bool
    names: tuple[str, ...]


def choose(parameters: tuple[Parameter, ...], slots: Sequence[str] | None, mapped: bool = False) -> Choice | str:
    """The choice, or what is wrong. `slots` are the input slots of a payload that is a dict of them, `mapped` that they come
    from `inputs=`."""
    named = [p for p in parameters if p.role == "value" and p.kind not in ("args", "kwargs")]
    args = [p.name for p in parameters if p.kind == "args"]
    rest = any(p.kind == "kwargs" for p in parameters) and not args
    required = [p.name for p in named if p.required]
    if slots is not None and (mapped or rest or len(named) > 1):
        bound = tuple(p.name for p in named if p.name in slots)
        if (bound or rest) and all(name in bound for name in required):
            unused = [] if rest or not mapped else [slot for slot in slots if slot not in bound]
            return _unused(named, unused) if unused else Choice(True, bound)
    if not required and not any(p.kind in ("positional", "either") for p in named) and (args or not named):
        return Choice(False, tuple(args))
    if len(named) == 1 or len(required) <= 1:
        return Choice(False, (required[0] if required else named[0].name,))
    return _unfit(required, slots, mapped)


def _unused(named: list[Parameter], unused: list[str]) -> str:
    what = "slot" if len(unused) == 1 else "slots"
    return f"no parameter takes the {what} {listed(unused)} of its inputs=; its parameters are {listed([p.name for p in named])}"


def _unfit(required: list[str], slots: Sequence[str] | None, mapped: bool) -> str:
    needs = f"its parameters {listed(required)} have no defaults"
    if not slots:
        return f"{needs}, but it gets one payload; leave one such parameter, or give the others defaults"
    wrong = listed([name for name in required if name not in slots])
    help = "inputs=" if mapped else "to= on a connection"
    return f"{needs}, and {wrong} is none of its input slots, which are {listed(slots)}; {help} names a slot"


def compiled(facts: Facts, choice: Choice, function: Callable[..., Any]) -> tuple[Call, bool]:
    """The call, and whether it is nothing but `function(payload)`."""
    call, plain = _arranged(facts.parameters, choice, function)
    check = _checks_slots(facts.parameters, choice) if choice.by_slot else _checks_payload(facts.parameters, choice)
    if check is not None:
        call = _checked(call, check)
    if facts.flavour == "async" and not facts.certain:
        call = _awaiting(call)
    return call, plain and check is None and (facts.certain or facts.flavour != "async")


# --- the arguments ---------------------------------------------------------------------------------------------------


def _payload(payload: Any, ctx: Any) -> Any:
    return payload


def _context(payload: Any, ctx: Any) -> Any:
    return ctx


def _source(parameter: Parameter, choice: Choice, taken: frozenset[str]) -> Call | None:
    """Where an argument comes from; None if none is passed."""
    name, default = parameter.name, parameter.default
    if parameter.role == "context":
        return _context
    if parameter.role == "failure":
        return lambda payload, ctx: default if ctx.error is None else ctx.error
    if parameter.kind == "kwargs":
        return (lambda payload, ctx: {slot: payload[slot] for slot in payload if slot not in taken}) if choice.by_slot else None
    if name not in choice.names:
        return None
    return (lambda payload, ctx: payload.get(name, default)) if choice.by_slot else _payload


def _arranged(parameters: tuple[Parameter, ...], choice: Choice, function: Callable[..., Any]) -> tuple[Call, bool]:
    """The call without checks. What is left out of the positions is passed over by name, or, where there is none, given
    its default."""
    taken = frozenset(p.name for p in parameters if p.kind not in ("args", "kwargs"))
    positions: list[Call] = []
    names: dict[str, Call] = {}
    skipped: list[Any] = []
    rest: Call | None = None
    for parameter in parameters:
        source = _source(parameter, choice, taken)
        if parameter.kind == "kwargs":
            rest = source
        elif source is None:
            if parameter.kind in ("positional", "either"):
                skipped.append(parameter.default)
        elif parameter.kind == "keyword" or (parameter.kind == "either" and skipped):
            names[parameter.name] = source
        else:
            positions += [_constant(default) for default in skipped]
            positions.append(source)
            skipped.clear()
    return _called(function, positions, names, rest)


def _constant(value: Any) -> Call:
    return lambda payload, ctx: value


def _called(function: Callable[..., Any], positions: list[Call], names: dict[str, Call], rest: Call | None) -> tuple[Call, bool]:
    short = _SHORT.get(tuple(positions))
    if short is not None and not names and rest is None:
        return short(function), positions == [_payload]
    by_position, by_name = tuple(positions), tuple(names.items())
    if not names and rest is None:
        return lambda payload, ctx: function(*[source(payload, ctx) for source in by_position]), False

    def call(payload: Any, ctx: Any) -> Any:
        arguments = {name: source(payload, ctx) for name, source in by_name}
        if rest is not None:
            arguments |= rest(payload, ctx)
        return function(*[source(payload, ctx) for source in by_position], **arguments)

    return call, False


_SHORT: dict[tuple[Call, ...], Callable[[Callable[..., Any]], Call]] = {
    (): lambda function: lambda payload, ctx: function(),
    (_payload,): lambda function: lambda payload, ctx: function(payload),
    (_context,): lambda function: lambda payload, ctx: function(ctx),
    (_payload, _context): lambda function: lambda payload, ctx: function(payload, ctx),
    (_context, _payload): lambda function: lambda payload, ctx: function(ctx, payload),
}


# --- checks, and what else lies around the call ------------------------------------------------------------------------


class _InSlot(Exception):
    """A mismatch, and the slot it is in."""

    def __init__(self, mismatch: Mismatch, slot: str) -> None:
        self.mismatch = mismatch
        self.slot = slot


def _checks_payload(parameters: tuple[Parameter, ...], choice: Choice) -> Check | None:
    return next((p.check for p in parameters if p.name in choice.names and p.check is not None), None)


def _checks_slots(parameters: tuple[Parameter, ...], choice: Choice) -> Check:
    """A check of the dict of slots as a whole. A run may be sent anything to the node of a join, so it is always made."""
    checks = {p.name: p.check for p in parameters if p.name in choice.names and p.check is not None}
    of_rest = next((p.check for p in parameters if p.kind == "kwargs"), None)
    taken = frozenset(p.name for p in parameters)

    def check(payload: Any) -> Any:
        if not isinstance(payload, dict):
            raise Mismatch(f"expected a `dict` of its input slots, got `{type(payload).__name__}`")
        checked = dict(payload) if checks or of_rest else payload
        for slot, value in payload.items() if checks or of_rest else ():
            of_slot = checks.get(slot) if slot in taken else of_rest
            if of_slot is not None:
                try:
                    checked[slot] = of_slot(value)
                    continue
                except Mismatch as found:
                    mismatch = found
                raise _InSlot(mismatch, slot)
        return checked

    return check


def _checked(call: Call, check: Check) -> Call:
    def checked(payload: Any, ctx: Any) -> Any:
        slot = ""
        try:
            payload = check(payload)
        except Mismatch as found:
            mismatch = found
        except _InSlot as in_slot:
            mismatch, slot = in_slot.mismatch, in_slot.slot
        else:
            return call(payload, ctx)
        node = getattr(ctx, "node", "")
        raise mismatch.named(getattr(node, "name", node), slot)

    return checked


def _awaiting(call: Call) -> Call:
    """For a plain function around an async one: always a coroutine, also where it gives another awaitable or a value."""

    async def awaited(payload: Any, ctx: Any) -> Any:
        result = call(payload, ctx)
        return await result if inspect.isawaitable(result) else result

    return awaited
