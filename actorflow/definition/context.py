"""What a handler may ask for beside its payload: the Context of its attempt. Not here: who makes it and reads what it took.

A context belongs to one attempt. What it takes (`emit`, `variables`) leaves with the attempt's outcome, or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from actorflow.errors import ActorflowError, Cancelled
from actorflow.messages import Emit, Envelope, Failure, Key, Message, Unfit
from actorflow.payloads import copy_payload

__all__ = ["Context", "Variables"]

MAX_COLLECTED = 10_000


class Variables:
    """The run's variables as one attempt sees them; its changes are applied with its outcome, all or none. What is given
    out and taken is copied, as payloads are: changing a value in place changes nothing but the copy."""

    __slots__ = ("_facts", "_seen", "updates")

    def __init__(self, facts: Any) -> None:
        self._facts = facts
        self._seen: dict[str, Any] = {}
        self.updates: list[tuple[str, Callable[[Any], Any] | None, Any]] = []

    def _copy(self, value: Any) -> Any:
        return copy_payload(value) if self._facts.copies else value

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a variable, with this attempt's own changes."""
        if name in self._seen:
            return self._copy(self._seen[name])
        shared: Mapping[str, Any] = self._facts.state.variables
        return self._copy(shared[name]) if name in shared else default

    def set(self, name: str, value: Any) -> None:
        """Give a variable a value."""
        value = self._seen[_checked(name)] = self._copy(value)
        self.updates.append((name, None, value))

    def update(self, name: str, function: Callable[[Any], Any]) -> Any:
        """Change a variable by a function of its value (None if it has none). The function is called once now, for the
        value returned, and once more when the outcome is applied: with the value of that moment, atomically. It must
        be quick and have no side effects."""
        value = function(self.get(_checked(name)))
        self._seen[name] = value
        self.updates.append((name, function, None))
        return value


def _checked(name: str) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"the name of a variable is a text that is not empty, not {name!r}")
    return name


class Context:
    """One attempt, as its handler sees it. `cancelled` is a plain attribute: read it as often as you like.

    `key` has one index per opener the message passed, `attempt` counts from 1, `input` is the run's, `local` a dict that
    lives as long as this attempt, `error` the failure that a Fail connection brought (else None), `emitted` how many values
    this activation has sent so far."""

    __slots__ = ("_collected", "_envelope", "_facts", "_local", "_variables", "cancelled", "emitted", "error", "reason", "streams")

    def __init__(self, facts: Any, envelope: Envelope, streams: bool) -> None:
        self.cancelled = False
        self.reason = ""
        self.emitted = 0
        self.error: Failure | None = envelope.carried[0] if envelope.carried else None
        self.streams = streams
        self._facts = facts
        self._envelope = envelope
        self._collected: list[Emit] | None = None
        self._variables: Variables | None = None
        self._local: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"Context(run {self.run_id!r}, node {self.node!r}, key {self.key}, attempt {self.attempt})"

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._facts.state.run_id  # type: ignore[no-any-return]

    @property
    def workflow(self) -> str:
        """The name of the workflow."""
        return self._facts.state.plan.definition.name  # type: ignore[no-any-return]

    @property
    def node(self) -> str:
        """The name of the node."""
        return self._facts.state.plan.nodes[self._envelope.node].name  # type: ignore[no-any-return]

    @property
    def key(self) -> Key:
        """Which activation of the node this is."""
        return self._envelope.key

    @property
    def attempt(self) -> int:
        """Which attempt of the activation this is, from 1."""
        return self._envelope.attempt

    @property
    def message(self) -> Message:
        """The message that started this activation; `source` is "" if it came from outside or from several connections."""
        definition = self._facts.state.plan.definition
        source, port = "", None
        if self._envelope.source >= 0:
            connection = definition.connections[self._envelope.source]
            source, port = definition.nodes[connection.source].name, connection.port
        payload = None if type(self._envelope.payload) is Unfit else self._envelope.payload
        return Message(copy_payload(payload) if self._facts.copies else payload, source, port, self.key, self.run_id)

    @property
    def input(self) -> Any:
        """The run's input, a copy of it."""
        return copy_payload(self._facts.state.input) if self._facts.copies else self._facts.state.input

    @property
    def idempotency_key(self) -> str:
        """A name of this activation that is the same for every attempt of it."""
        index = ".".join("-".join(map(str, part)) if isinstance(part, tuple) else str(part) for part in self.key)
        return f"{self.run_id}/{self.node}/{index}" if index else f"{self.run_id}/{self.node}"

    @property
    def variables(self) -> Variables:
        """The run's variables: `get`, `set`, `update`."""
        if self._variables is None:
            self._variables = Variables(self._facts)
        return self._variables

    @property
    def local(self) -> dict[str, Any]:
        """A dict of this attempt's own."""
        if self._local is None:
            self._local = {}
        return self._local

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry run_id, node, key and attempt."""
        extra = {"run_id": self.run_id, "node": self.node, "key": self.key, "attempt": self.attempt}
        return logging.LoggerAdapter(logging.getLogger("actorflow.handler"), extra)

    def emit(self, value: Any, port: str | None = None) -> None:
        """Send a value with the outcome, if this attempt completes. In a node that does not stream at most one on each
        port; never blocks. Raises ActorflowError beyond 10,000 values."""
        if self._collected is None:
            self._collected = []
        if len(self._collected) >= MAX_COLLECTED:
            raise ActorflowError(
                f"node {self.node!r} collected {MAX_COLLECTED} values with ctx.emit; a generator sends any number, each at once"
            )
        emit = Emit(value, port)
        if not self.streams and any((port or "").casefold() == (other.port or "").casefold() for other in self._collected):
            on = "its primary port" if port is None else f"port {port!r}"
            raise ActorflowError(
                f"node {self.node!r} sends a second value on {on}; for several, write a generator or give the node stream=True"
            )
        self._collected.append(emit)

    @property
    def collected(self) -> tuple[Emit, ...]:
        """What `emit` took so far."""
        return tuple(self._collected) if self._collected else ()

    @property
    def updates(self) -> tuple[Any, ...]:
        """What this attempt did to the run's variables."""
        return tuple(self._variables.updates) if self._variables is not None else ()

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` if this attempt has been cancelled."""
        if self.cancelled:
            raise Cancelled(self.reason)
