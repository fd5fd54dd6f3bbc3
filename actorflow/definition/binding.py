"""From the functions of a graph to handlers. Not here: how a function is called (`handler`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorflow.definition.codes import problem
from actorflow.definition.handler import Handler, HandlerCache, HandlerFault
from actorflow.definition.model import Problem

if TYPE_CHECKING:
    from actorflow.definition.view import View

__all__ = ["bind"]


def bind(view: View) -> tuple[list[Handler | None], list[Problem]]:
    """The handler of each node, None for one that cannot be; and what is wrong with them. Nodes of one function share their
    handler. It is made anew for each build, since annotations may have come to mean something in between."""
    cache = HandlerCache()
    handlers: list[Handler | None] = []
    problems: list[Problem] = []
    for index, added in enumerate(view.added):
        inputs = None if added.inputs is None else added.inputs.slots
        try:
            handler = cache.make(added.function, view.slots(index), node=added.name, stream=added.stream, inputs=inputs, args=added.args)
        except HandlerFault as fault:
            handlers.append(None)
            problems.append(problem("BadHandler", str(fault), added.name))
            continue
        handlers.append(handler)
        for warning in handler.warnings:
            problems.append(problem("UncheckedAnnotation", f"node {added.name!r}: {warning}", added.name))
    return handlers, problems
