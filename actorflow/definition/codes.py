"""The codes of all problems a workflow may have. They are part of the public contract: a code never changes its meaning.

Not here: the checks that find the problems (`validate`, `scopes`)."""

from __future__ import annotations

from actorflow.definition.model import Problem

__all__ = ["ERRORS", "WARNINGS", "problem"]

ERRORS = {
    "NoNodes": "the workflow has no nodes",
    "DuplicateName": "two nodes have one name",
    "UnknownNode": "a connection, an entry, an output, a join or an input names a node that is not there",
    "UndeclaredCycle": "nodes form a cycle in which no connection has back=True",
    "BackWithoutCycle": "a connection has back=True but closes no cycle",
    "NoEntry": "there is no node a run could start with",
    "EntryHasConnections": "a node named by flow.entry() also waits for connections",
    "JoinTooLarge": "a join waits for more connections than the node has",
    "CollectWithoutConnections": "a node collects and has no incoming connections",
    "NotAnOpener": "Collect(scope=) names a node whose messages make up no scope",
    "BadHandler": "the parameters of a handler do not fit what it gets, or a class is none of which a run can make an instance",
    "BackIntoStream": "a back connection leads into the middle of a stream inside its cycle",
    "UnrelatedStreams": "a join or a cycle takes messages of streams that have no keys in common",
    "UnknownScope": "no message that reaches a collect was sent by the stream it names",
}
WARNINGS = {
    "EmptyName": "the workflow has an empty name",
    "SeveralEntries": "several nodes have no incoming connections, and each gets the input of the run",
    "UnreachableNode": "no path leads from an entry to the node",
    "LeftOut": "a disabled connection is from or to a node that is not there",
    "DisabledNode": "all incoming connections of the node are disabled",
    "UndeclaredPort": "a connection is from a port its source does not declare",
    "TypeMismatch": "a node accepts another type than the node before it emits",
    "UncheckedAnnotation": "an annotation of a handler cannot be resolved, so what it gets is not checked",
}


def problem(code: str, text: str, node: str | None = None, connection: tuple[str, str] | None = None) -> Problem:
    """A problem of a listed code, which decides whether it is an error or a warning."""
    if code in ERRORS:
        return Problem("error", code, text, node, connection)
    return Problem("warning", code if code in WARNINGS else _unlisted(code), text, node, connection)


def _unlisted(code: str) -> str:
    raise AssertionError(f"problem code {code!r} is not listed in actorflow.definition.codes")
