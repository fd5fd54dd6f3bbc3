"""What follows from a definition for every run of it: the compiled form that the core works on, frozen after `scopes` made it.

Not here: how it is computed (`scopes`), what a run keeps (`core`). The words: an *opener* lengthens keys by one index; a
node's *depth* is the number of openers its activations are under; a *route* is a connection as the core sees it; a *sink*
is where arrivals wait: a join, or one of two bookkeeping places (the quiet of a cycle, the end of a join's short inputs).

A sink waits, for each key of its depth, for *parts*. A part is a bit, one for each connection. That of a connection whose
messages have keys as long as the sink's is resolved once for each key. That of one with longer keys stays missing until the
opener it has passed next was opened for the key, or the connection was skipped; from then on the count of live activations
under the opener that can reach the sink says whether more may come."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from msgspec import Struct

from actorflow.definition.model import Connection, Definition

__all__ = ["Border", "Closing", "Cycle", "Mode", "NodePlan", "Opener", "Plan", "Route", "Sink"]


class Mode(IntEnum):
    """What becomes of what waits at a sink."""

    ALL = 0
    FIRST = 1
    EACH = 2
    COLLECT = 3
    GATHER = 4
    """A collect inside the cycle whose passes it collects: fires whenever nothing live can reach it any more."""
    QUIET = 5
    """The end of a cycle instance."""
    FORGET = 6
    """The end of what short inputs of an `all` join may still be needed for."""


class Opener(Struct, frozen=True):
    """What lengthens keys: a streaming node, an `each` join, a cycle, or the sends of an open run."""

    kind: Literal["stream", "each", "cycle", "run"]
    index: int


class Closing(Struct):
    """One sink that an activation may still reach: it counts as live there, for the first `depth` indices of its key.
    `part` are the parts of its opener (0: none), `opens` says that the activation itself is what opens it."""

    sink: Sink
    depth: int
    part: int
    opens: bool = False


class Sink(Struct):
    """A place where arrivals wait. `need` are the parts missing at first, `later` those in a pass after the first,
    `whole` those that, when all are dead for a key that is too short, make the sink dead for all keys under it.
    `turn` orders sinks so that one that can feed another settles before it."""

    index: int
    node: int
    mode: Mode
    depth: int
    turn: int
    need: int = 0
    later: int = 0
    whole: int = 0
    groups: bool = False
    run_part: int = 0
    """The part that stays missing until an open run is closed."""
    shorts: tuple[tuple[int, int], ...] = ()
    """The parts whose messages have shorter keys than the sink: (length of these keys, parts)."""
    late: bool = False
    """What waits here may be resolved when nothing is live that could reach it: from outside its scope, or by a cycle's quiet."""
    pass_at: int = -1
    n: int = 0
    listed: bool = False
    limit: int | None = None
    holds: tuple[Closing, ...] = ()
    forgets: tuple[Sink, ...] = ()
    cycle: Cycle | None = None
    after_quiet: Cycle | None = None
    """It collects a stream inside this cycle, from outside of it."""


class Border(Struct):
    """What a connection has to do with cycles: the one it `enters` from outside, and the part of its quiet that counts that,
    the one it `leaves`, the one it goes `back` in."""

    enters: Cycle | None = None
    gate_bit: int = 0
    leaves: Cycle | None = None
    back: Cycle | None = None


class Route(Struct):
    """A connection as the core sees it. `sink` and `bit` say where its messages wait (None: each starts the target).
    `filtered`: it has types or a condition; 2 if that looks at more than the value. `concerns`: somebody wants to know when
    it is skipped. `open`: it takes every message on the primary port; `simple`: and each starts the target with the same key."""

    index: int
    target: int
    connection: Connection
    filtered: int
    sink: Sink | None = None
    bit: int = 0
    border: Border | None = None
    concerns: bool = False
    open: bool = False
    simple: bool = False

    @property
    def enters(self) -> Cycle | None:
        """The cycle it enters from outside."""
        return None if self.border is None else self.border.enters

    @property
    def leaves(self) -> Cycle | None:
        """The cycle it leaves."""
        return None if self.border is None else self.border.leaves

    @property
    def back(self) -> Cycle | None:
        """The cycle it goes back in."""
        return None if self.border is None else self.border.back


class Cycle(Struct):
    """A cycle: `depth` is the length of the key with which it is entered; its nodes have the pass number there.
    `seeds`: for each node a pass can begin at, the routes that are skipped in it; those of pass 0 are under -1."""

    index: int
    depth: int
    members: tuple[int, ...]
    quiet: Sink
    sinks: tuple[Sink, ...] = ()
    exits: tuple[Route, ...] = ()
    gathers: tuple[Sink, ...] = ()
    forgets: tuple[tuple[Sink, int], ...] = ()
    """What forgets short inputs that come out of this cycle, and the part of it that stays missing at its quiet: the opener,
    unless that is inside."""
    beyond: tuple[Sink, ...] = ()
    """Sinks behind the exits whose keys have a pass number of this cycle."""
    inner: dict[int, int] = {}
    """For an exit the node of the first opener inside the cycle that it is under, -1 if there is none."""
    told: dict[int, frozenset[int]] = {}
    """For an exit the lengths of keys for which an `each` join inside, which holds open what is behind it, has settled that
    already."""
    seeds: dict[int, tuple[Route, ...]] = {}


class NodePlan(Struct):
    """A node as the core sees it. `routes` are the connections that completed activations may take, `fail_routes` those
    for failed ones, `fail_only` the part of these that completed ones skip. `ends`: it has
    no connections that a value could take. `lists` says that its results are several,
    `depth` how long its keys are, `cycles_at` which of their indices are pass numbers."""

    index: int
    name: str
    depth: int
    routes: tuple[Route, ...] = ()
    fail_routes: tuple[Route, ...] = ()
    fail_only: tuple[Route, ...] = ()
    streaming: bool = False
    sink: Sink | None = None
    cycle: Cycle | None = None
    closing: tuple[Closing, ...] = ()
    breaks: tuple[Closing, ...] = ()
    terminal: bool = False
    ends: bool = False
    lists: bool = False
    cycles_at: tuple[int, ...] = ()
    direct: bool = False
    """Nothing can refuse what it sends: no back connection, no unrouted="fail"."""
    short_way: bool = False
    """Direct, it does not stream, all its routes are simple, and nothing counts its activations."""
    once: bool = False
    """It has one activation a run, at most."""
    keeps: bool = False
    """Its values are kept for the result."""
    referred: bool = False
    """Its values are kept, by key, for nodes whose `inputs` refer to it."""
    unwatched: bool = False
    """Its handler has nothing to do with contexts, streams, instances or mapped inputs."""


class Plan(Struct):
    """What a run goes by. `base` is 1 in an open run, whose keys begin with the number of the send, else 0."""

    definition: Definition
    base: int
    nodes: tuple[NodePlan, ...]
    sinks: tuple[Sink, ...]
    cycles: tuple[Cycle, ...]
    seeds: dict[int, tuple[Route, ...]]
    scopes: tuple[tuple[Opener, ...], ...]
    timed: bool
    """A node of it has a timeout."""
