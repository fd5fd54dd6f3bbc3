"""What actors say to each other: an envelope goes from the router to a node, parts and one outcome come back.

Not here: how messages are kept (`messaging`), what they cause (`core`). An envelope in a node's mailbox always starts
one activation: joins are settled before, in the router. Instants are monotonic nanoseconds; a node is its index in the
definition, a connection likewise. None of these records is ever compared or hashed by value."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from traceback import format_exception
from typing import Any

from msgspec import Struct

__all__ = [
    "NOTHING",
    "Cancelled",
    "Completed",
    "Emit",
    "Emits",
    "Envelope",
    "Failed",
    "Failure",
    "Key",
    "Lease",
    "Message",
    "Part",
    "Unfit",
]

Index = int | tuple[int, ...]
Key = tuple[Index, ...]
"""One index per opener the message has passed: an emission, pass or send number, or what came in at an `each` join."""


class Nothing:
    """The type of NOTHING: a handler that returns it sends nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NOTHING"

    def __reduce__(self) -> str:
        return "NOTHING"


NOTHING = Nothing()


class Unfit:
    """Stands in for the payload of an activation that cannot run; `error` is what it fails with, `payload` what it got."""

    __slots__ = ("error", "payload")

    def __init__(self, error: Exception, payload: Any) -> None:
        self.error = error
        self.payload = payload


class Emit(Struct, frozen=True, eq=False):
    """A value to be sent on a port (None: the primary port). `dedup`: a hashable name; a newer message of that name
    replaces one that is still queued or at work at the same node."""

    value: Any
    port: str | None = None
    dedup: Hashable | None = None

    def __post_init__(self) -> None:
        if self.port is not None and (not isinstance(self.port, str) or not self.port.strip()):
            raise ValueError(f"port of Emit must be None (the primary port) or a text that is not blank, not {self.port!r}")
        if self.dedup is not None:
            try:
                hash(self.dedup)
            except TypeError:
                raise TypeError(f"dedup of Emit must be hashable; a {type(self.dedup).__name__} is not") from None
            if isinstance(self.dedup, str) and not self.dedup.strip():
                raise ValueError("dedup of Emit must not be blank; leave it out for no deduplication")

    def __repr__(self) -> str:
        return f"Emit(<{type(self.value).__name__}>, port={self.port!r})"


class Emits:
    """Several messages of one activation, at most one for each port; they keep the activation's key."""

    __slots__ = ("emits",)

    def __init__(self, *emits: Emit) -> None:
        ports: set[str] = set()
        for emit in emits:
            if type(emit) is not Emit:
                raise TypeError(f"Emits takes af.Emit values, not {type(emit).__name__}")
            port = (emit.port or "").casefold()
            if port in ports:
                raise ValueError(f"Emits has two messages for port {emit.port!r}; to send several on one port, write a generator or stream=True")
            ports.add(port)
        self.emits = emits

    def __repr__(self) -> str:
        return f"Emits({', '.join(map(repr, self.emits))})"


class Message(Struct, frozen=True, eq=False):
    """What a callable condition (`when=`) sees of a message on its way."""

    payload: Any
    source: str
    port: str | None
    key: Key
    run_id: str


class Failure(Struct, frozen=True, eq=False):
    """What is on record of a failed activation. `type` is the class name (qualified if not built in), `exception` the
    live one (None after recovery), `key` and `attempt` say which activation and which of its attempts."""

    node: str
    key: Key
    attempt: int
    type: str
    message: str
    exception: BaseException | None
    at_utc: datetime
    kept: str = ""

    @property
    def traceback(self) -> str:
        """The traceback as text: made when asked for, as most never are; `kept` where there is no exception any more."""
        return self.kept if self.exception is None else "".join(format_exception(self.exception))

    def __str__(self) -> str:
        return f"{self.node}: {self.type}: {self.message}" if self.message else f"{self.node}: {self.type}"

    def __repr__(self) -> str:
        return f"Failure({self.node!r}, {self.type})"


class Envelope(Struct, eq=False):
    """A message and its delivery facts. `payload` is pristine: each attempt works on a copy. `attempt` counts from 1
    and grows with each redelivery; `source` is the connection it came on (-1: from outside, or several);
    `carried` are the failures that Fail connections brought."""

    id: int
    node: int
    key: Key
    payload: Any
    source: int = -1
    attempt: int = 1
    visible_at: int = 0
    offered_at: int = 0
    dedup: Hashable | None = None
    carried: tuple[Failure, ...] = ()

    def __repr__(self) -> str:
        return f"Envelope({self.id:x}, node={self.node}, key={self.key}, attempt={self.attempt})"


class Lease(Struct, eq=False):
    """An envelope lent for a time. `token` is never used twice; the lease is valid while `now < expires_at` and no other
    lease of the envelope was given out. The router's word counts: it is read-only for whoever holds it."""

    envelope: Envelope
    token: int
    taken_at: int
    expires_at: int
    holder: Any = None
    renewals: int = 0

    def remaining(self, now: int) -> int:
        """Nanoseconds until it expires, never below 0."""
        return max(0, self.expires_at - now)

    def expired(self, now: int) -> bool:
        """Whether its time is over at `now`; exactly at `expires_at` it is."""
        return now >= self.expires_at


class Part(Struct, eq=False):
    """One value of a streaming activation that goes on; `number` counts from 0. The outcome comes later."""

    lease: Lease
    value: Any
    number: int


class Completed(Struct, eq=False):
    """An activation that completed. `value` is what the handler returned, copied; `collected` what `ctx.emit` took.
    For a streaming activation `value` is NOTHING and `parts` the number of its parts."""

    lease: Lease
    value: Any
    started: int
    ended: int
    collected: tuple[Emit, ...] = ()
    updates: tuple[Any, ...] = ()
    parts: int = -1
    state: Any = None


class Failed(Struct, eq=False):
    """An activation whose attempt failed."""

    lease: Lease
    error: BaseException
    started: int
    ended: int
    parts: int = -1


class Cancelled(Struct, eq=False):
    """An activation that was cancelled while it was at work."""

    lease: Lease
    reason: str
    started: int
    ended: int
    parts: int = -1
