"""The naive meaning of a graph: slow, and meant to be obviously right. Written from the documents alone, never from the engine.
Nothing here counts what is outstanding. Without cycles, nodes are taken in topological order, each when everything that will ever
happen before it is known: a join is then a question about finished sets of keys. A cycle is taken as one node: each of its passes is
evaluated whole, and evaluated again from nothing whenever more is known of what its collecting joins gave to that pass.
`run(..., order=seed)` draws at random what depends on timing (first arrivals, order of back traversals): what differs between orders
is no promise. Where the documents leave something open, a note in `Notes` says what, and a run that met it has the note; where there are
two sensible readings, `Readings` chooses."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.reference.spec import ConnectionSpec, GraphSpec, NodeSpec, Outcome, behave, canonical, recorded_input
from tests.reference.static import Cycle, InvalidSpec, Scope, Static, analyse, walk_prefixes

__all__ = ["GraphSpec", "InvalidSpec", "Notes", "Readings", "RefNode", "RefResult", "Stalled", "Unsupported", "run"]

Key = tuple[Any, ...]
Activation = tuple[str, Key]


class Stalled(AssertionError):
    """A join was left with an unresolved input: the rules (or this interpreter) have a gap."""


class Unsupported(Exception):
    """What would have to be undone to be interpreted this way; generators avoid it."""


class Notes:
    """Readings of what the documents leave open or contradict; a run lists those that mattered or may have mattered."""

    EACH_CANCELLED = "each: nothing delivered and an input cancelled: cancelled, or skipped"
    ANY_OVER_BROKEN_STREAM = "any/n lacks arrivals and closes a stream that failed midway, untaken: skipped, or cancelled"
    PARTLY_CANCELLED = "any/n lacks arrivals, and an input that delivered was cancelled for another key: cancelled, or skipped"
    UNMATCHED_ALL = "a failure that an All connection's filter refused: that connection is skipped, or cancelled like a Complete one"
    EMPTY_FAILURE_TAKEN = "a stream failed before its first value, and the failure was taken: collect gets [], or is skipped"
    QUIET_LACK = "a cycle went on after what its joins lacked was counted as skipped"
    LATE_COLLECT = "two collecting joins of one cycle had arrivals at once: the first in order fires"
    CANCELLED_COLLECT = "a collecting join of a cycle was cancelled in the highest pass it saw"
    DEEP_EXIT = "an exit below a stream inside the cycle delivered for some keys of a pass only: the others are resolved as they are"
    EMPTY_EXIT = "a stream ran in a cycle, and its exit never delivered: the collect outside fires with [] for each pass in which it ran"
    LOST_CANCEL = "a cancellation held at an exit that delivered in another pass: it holds for its pass if another exit delivered in that, else it is dropped"
    DEEP_CANCEL = "a cancellation held at an exit below a stream, in a pass in which it delivered: cancelled at that key, or skipped"
    NOT_ENTERED = "a cycle not entered because an entry was cancelled: inside, cancellation travels as in pass 0"
    SLOT_CONFLICT = "SlotConflict: counts as an activation, the handler is not called, its input for Fail connections is the partial dict"
    SHORT_COLLECT = "collect: an input shorter than the node's scope belongs to every closed scope under it"
    MIXED_KEYS = "collect: keys of different openers, one of them an each, in one list are compared as tuples, ints flattened"
    ENTERED_WITHOUT_START = "a cycle whose entry delivered but nothing in it started counts as entered"
    SHORT_WITH_CANCEL = "all: a dead prefix with a cancelled input below it"
    ONLY_SHORT = "all: only shorter inputs delivered for a key whose longest inputs are all skipped: skipped, or started by them"
    TERMINAL_NOTHING = "a terminal that completed without a value: None, or absent among several"
    STREAM_TERMINAL_FAILED = "a terminal stream that failed midway: what it sent is in the output"
    FAIL_ONLY_UNROUTED = "the value of a node reached only through Fail connections, which nobody takes, is unrouted"
    LIMIT = "TooManyPasses: the handler was called, the activation failed, nothing of it was sent"


@dataclass(frozen=True)
class Readings:
    """The readings between which one may choose; each has its note, given whichever is chosen."""

    short_starts_alone: bool = False  # ONLY_SHORT: the join fires with the shorter input where the key exists
    each_cancelled: bool = True  # EACH_CANCELLED
    broken_stream_cancels_first: bool = True  # ANY_OVER_BROKEN_STREAM
    partly_cancelled_first: bool = True  # PARTLY_CANCELLED
    unmatched_all_cancelled: bool = False  # UNMATCHED_ALL
    empty_failure_taken_skips: bool = False  # EMPTY_FAILURE_TAKEN
    deep_cancel_skips: bool = False  # DEEP_CANCEL
    nothing_is_none: bool = True  # TERMINAL_NOTHING
    fail_only_unrouted: bool = False  # FAIL_ONLY_UNROUTED


@dataclass
class RefNode:
    status: str
    completed: list[tuple[Any, Any]]  # (canonical input, canonical messages), sorted
    calls: list[Any]  # canonical inputs of all handler calls, failed ones too, sorted
    activations: int
    failed: int
    unrouted: int


@dataclass
class RefResult:
    status: str
    output: Any
    nodes: dict[str, RefNode]
    handled: int
    errors: int  # unhandled failures only
    notes: frozenset[str]
    concurrent: bool  # two back traversals of one cycle instance were open at once: pass numbers depend on timing
    last_pass_only: bool  # the output of a terminal is that of a last pass
    activations: int


@dataclass(frozen=True)
class Fact:
    """How a connection was resolved at a key, or at the beginning of one."""

    kind: str  # "delivered", "skipped", "cancelled"
    payload: Any = None
    failures: frozenset[Activation] = frozenset()
    conflict: bool = False

    @property
    def delivered(self) -> bool:
        return self.kind == "delivered"


SKIPPED, CANCELLED = Fact("skipped"), Fact("cancelled")


@dataclass
class Line:
    """An input of a join: what is known of a connection. `pending`: more may become known later (inside cycles)."""

    scope: Scope
    slot: str
    number: int
    facts: dict[Key, Fact] = field(default_factory=dict)
    pending: bool = False

    def look(self, key: Key) -> Fact | None:
        """The resolution that holds at `key`: its own, or a skip or cancellation of something it begins with."""
        for prefix in walk_prefixes(key[: len(self.scope)]):
            if (fact := self.facts.get(prefix)) is not None:
                return fact
        return None

    def under(self, key: Key) -> Iterator[tuple[Key, Fact]]:
        return ((k, f) for k, f in self.facts.items() if k[: len(key)] == key)

    def cancelled_about(self, key: Key) -> bool:
        """A cancellation at `key`, above it or below it."""
        return any(f.kind == "cancelled" and (k[: len(key)] == key or key[: len(k)] == k) for k, f in self.facts.items())


@dataclass
class Start:
    """An activation to be."""

    key: Key
    payload: Any
    failures: frozenset[Activation] = frozenset()
    conflict: bool = False


@dataclass
class Settled:
    """What the join of a node came to."""

    starts: list[Start] = field(default_factory=list)
    dead: dict[Key, Fact] = field(default_factory=dict)  # keys, or beginnings of keys
    pending: bool = False


@dataclass
class Done:
    """An activation that ran."""

    node: str
    key: Key
    payload: Any
    failures: frozenset[Activation]
    outcome: Outcome
    called: bool
    unrouted: int = 0

    @property
    def failed(self) -> bool:
        return self.outcome.error is not None


@dataclass
class Trace:
    """What an evaluation found: the whole run's, or that of one pass."""

    facts: dict[int, dict[Key, Fact]] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    done: dict[Activation, Done] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    opened: set[tuple[str, Key]] = field(default_factory=set)
    broken: set[tuple[str, Key]] = field(default_factory=set)  # streams that failed, untaken
    notes: set[str] = field(default_factory=set)

    def resolve(self, number: int, key: Key, fact: Fact) -> None:
        at = self.facts.setdefault(number, {})
        if key in at:
            raise AssertionError(f"connection {number} resolved twice at {key}")
        at[key] = fact

    def add(self, other: Trace, numbers: Iterable[int] = ()) -> None:
        """Take over all but facts, and the facts of `numbers`."""
        self.done |= other.done
        self.cancelled |= other.cancelled
        self.opened |= other.opened
        self.broken |= other.broken
        self.notes |= other.notes
        for number in numbers:
            for key, fact in other.facts.get(number, {}).items():
                self.resolve(number, key, fact)


# --- filters


def _at(payload: Any, path: str) -> tuple[bool, Any]:
    for name in path.split(".") if path else ():
        if not isinstance(payload, dict) or name not in payload:
            return False, None
        payload = payload[name]
    return True, payload


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_TYPES: dict[str, type] = {t.__name__: t for t in (int, str, list, dict, ValueError, KeyError, ArithmeticError, Exception)}


def _holds(connection: ConnectionSpec, payload: Any, error: str | None) -> bool:
    """The condition of a connection."""
    if connection.condition is None:
        return True
    path, comparison, literal = connection.condition
    found, value = (error is not None, error) if path == "error.type" else _at(payload, path)
    numbers = isinstance(value, int | float) and isinstance(literal, int | float)
    if not found or (not numbers and comparison not in ("==", "!=")):
        return False
    return _COMPARE[comparison](value, literal)


def takes(connection: ConnectionSpec, value: Any, port: str | None) -> bool:
    """Whether a value sent on a port goes over this connection."""
    if connection.on == "fail":
        return False
    if connection.types is not None and not any(isinstance(value, _TYPES[name]) for name in connection.types):
        return False
    if connection.port is None:
        matches = port is None
    else:
        matches = connection.port == "*" or (port is not None and connection.port.lower() == port.lower())
    return matches and _holds(connection, value, None)


def takes_failure(connection: ConnectionSpec, payload: Any, error: str) -> bool:
    """Whether the failure of an activation with this input goes over this connection."""
    if connection.on == "complete":
        return False
    if connection.types is not None:
        raised = _TYPES.get(error)
        if raised is None or not any(issubclass(raised, _TYPES[name]) for name in connection.types):
            return False
    return _holds(connection, payload, error)


# --- joins


class _Joins:
    """What a join comes to, given all that is known of its inputs. One method per kind."""

    def __init__(self, static: Static, rng: random.Random | None, readings: Readings) -> None:
        self.static = static
        self.rng = rng
        self.readings = readings

    def settle(self, name: str, lines: list[Line], trace: Trace, base: Key = ()) -> Settled:
        """`base`: the key under which all of this happens, for the passes of cycles."""
        node = self.static.nodes[name]
        if node.join == "collect":
            return self._collect(name, lines, trace)
        if self.static.width(name) <= 1:
            return self._single(lines[0])
        if node.join in (None, "all"):
            return self._all(lines, trace)
        if node.join == "each":
            return self._each(name, lines, trace)
        return self._first(name, 1 if node.join == "any" else int(node.join), lines, trace, base)

    def _single(self, line: Line) -> Settled:
        settled = Settled(pending=line.pending)
        for key, fact in line.facts.items():
            if fact.delivered:
                settled.starts.append(Start(key, fact.payload, fact.failures, fact.conflict))
            else:
                settled.dead[key] = fact
        return settled

    def _all(self, lines: list[Line], trace: Trace) -> Settled:
        settled = Settled(pending=any(line.pending for line in lines))
        longest = max((line.scope for line in lines), key=len)
        long = [line for line in lines if line.scope == longest]
        self._dead_prefixes(settled, lines, long, len(longest), trace)
        keys = {key for line in long for key in line.facts if len(key) == len(longest)}
        for key in sorted(keys):
            facts = [line.look(key) for line in lines]
            if any(fact is None and not line.pending for fact, line in zip(facts, lines, strict=True)):
                raise Stalled(f"all at {key}: {[(line.number, line.facts) for line in lines]}")
            if None in facts:
                settled.pending = True
                continue
            known = [fact for fact in facts if fact is not None]
            if any(fact.kind == "cancelled" for fact in known):
                settled.dead[key] = CANCELLED
            elif not any(fact.delivered for fact, line in zip(known, lines, strict=True) if line in long):
                alone = any(fact.delivered for fact in known)
                if alone:
                    trace.notes.add(Notes.ONLY_SHORT)
                if not alone or not self.readings.short_starts_alone:
                    settled.dead[key] = SKIPPED
                    continue
            if key not in settled.dead:
                taken = [(line, fact) for line, fact in zip(lines, known, strict=True) if fact.delivered]
                settled.starts.append(self._by_slot(key, taken))
        return settled

    def _by_slot(self, key: Key, taken: list[tuple[Line, Fact]]) -> Start:
        slots = Counter(line.slot for line, _ in taken)
        failures = frozenset().union(*(fact.failures for _, fact in taken))
        conflict = max(slots.values()) > 1 or any(fact.conflict for _, fact in taken)
        return Start(key, {line.slot: fact.payload for line, fact in reversed(taken)}, failures, conflict)

    def _dead_prefixes(self, settled: Settled, lines: list[Line], deciding: list[Line], length: int, trace: Trace) -> None:
        """Beginnings of keys, shorter than `length`, for which every deciding line is dead."""
        prefixes = {key for line in deciding for key, fact in line.facts.items() if not fact.delivered and len(key) < length}
        for prefix in sorted(prefixes, key=lambda key: (len(key), key)):
            if any(prefix[: len(dead)] == dead for dead in settled.dead):
                continue
            facts = [line.look(prefix) for line in deciding]
            if any(fact is None or fact.delivered for fact in facts):
                continue
            cancelled = any(fact is not None and fact.kind == "cancelled" for fact in facts)  # a shorter input does not matter
            if not cancelled and any(line.cancelled_about(prefix) for line in deciding):
                trace.notes.add(Notes.SHORT_WITH_CANCEL)
            settled.dead[prefix] = CANCELLED if cancelled else SKIPPED

    def _candidates(self, lines: list[Line], length: int, trace: Trace) -> list[Key]:
        """Keys of this length at or under which something was resolved, or an opener of an input was opened."""
        found = {key[:length] for line in lines for key in line.facts if len(key) >= length}
        for line in lines:
            if len(line.scope) > length:
                found |= {key for label, key in trace.opened if label == line.scope[length]}
        return sorted(found)

    def _first(self, name: str, count: int, lines: list[Line], trace: Trace, base: Key) -> Settled:
        scope = self.static.scopes[name]
        settled = Settled()
        self._dead_prefixes(settled, lines, lines, len(scope), trace)
        for key in self._candidates(lines, len(scope), trace):
            arrivals = [(k, line.number, line, f) for line in lines for k, f in line.under(key) if f.delivered]
            arrivals.sort(key=lambda arrival: (_flat(arrival[0]), arrival[1]))
            if self.rng is not None:
                self.rng.shuffle(arrivals)
            chosen: dict[int, tuple[Line, Fact]] = {}
            for _, number, line, fact in arrivals:
                if len(chosen) < count:
                    chosen.setdefault(number, (line, fact))
            if len(chosen) == count:
                line, fact = next(iter(chosen.values()))
                whole = self.static.nodes[name].join != "any"
                settled.starts.append(self._by_slot(key, list(chosen.values())) if whole else Start(key, fact.payload, fact.failures))
            elif any(line.pending for line in lines):
                settled.pending = True
            else:
                settled.dead[key] = CANCELLED if self._first_cancelled(key, lines, set(chosen), trace) else SKIPPED
        known = {start.key for start in settled.starts} | set(settled.dead)
        if any(line.pending for line in lines) and not (len(scope) == len(base) and base in known):
            settled.pending = True
        return settled

    def _first_cancelled(self, key: Key, lines: list[Line], arrived: set[int], trace: Trace) -> bool:
        """Whether a join that lacks arrivals for good is cancelled rather than skipped."""
        cancelled = [line.number for line in lines if line.cancelled_about(key)]
        if cancelled and set(cancelled) <= arrived:
            trace.notes.add(Notes.PARTLY_CANCELLED)
            cancelled = cancelled if self.readings.partly_cancelled_first else []
        broken = any(self._broken(line, key, trace) for line in lines)
        if broken and not cancelled:
            trace.notes.add(Notes.ANY_OVER_BROKEN_STREAM)
        return bool(cancelled) or (broken and self.readings.broken_stream_cancels_first)

    def _each(self, name: str, lines: list[Line], trace: Trace) -> Settled:
        length = len(self.static.scopes[name]) - 1
        settled = Settled(pending=any(line.pending for line in lines))
        self._dead_prefixes(settled, lines, lines, length, trace)
        numbers = [i for i, c in enumerate(self.static.spec.connections) if c.target == name]
        for key in self._candidates(lines, length, trace):
            arrivals = [(line, k, f) for line in lines for k, f in line.under(key) if f.delivered]
            for line, arrived, fact in arrivals:
                index = (numbers.index(line.number), *_flat(arrived[length:]))
                settled.starts.append(Start((*key, index), fact.payload, fact.failures, fact.conflict))
            if not arrivals and not settled.pending:
                cancelled = any(line.cancelled_about(key) or self._broken(line, key, trace) for line in lines)
                if cancelled:
                    trace.notes.add(Notes.EACH_CANCELLED)
                settled.dead[key] = CANCELLED if cancelled and self.readings.each_cancelled else SKIPPED
            if arrivals:
                trace.opened.add((f"each:{name}", key))
        return settled

    def _collect(self, name: str, lines: list[Line], trace: Trace) -> Settled:
        length = len(self.static.scopes[name])
        settled = Settled(pending=any(line.pending for line in lines))
        if settled.pending:
            return settled
        deciding = [line for line in lines if len(line.scope) >= length]
        self._dead_prefixes(settled, lines, deciding, length, trace)
        candidates = self._candidates(deciding, length, trace)
        closed = {line.scope[length] for line in deciding if len(line.scope) > length}
        if len(closed) > 1 and any(label.startswith("each:") for label in closed):
            trace.notes.add(Notes.MIXED_KEYS)
        for prefix, fact in list(settled.dead.items()):
            below = [key for key in candidates if key[: len(prefix)] == prefix]
            if fact.kind == "cancelled":
                candidates = [key for key in candidates if key not in below]
            elif below:  # a stream was opened in passes of a cycle that its exit never left: those passes have their own answer
                trace.notes.add(Notes.EMPTY_EXIT)
                del settled.dead[prefix]
        for key in candidates:
            arrivals = [(k, line.number, f) for line in deciding for k, f in line.under(key) if f.delivered]
            for line in lines:
                fact = line.look(key)
                if line not in deciding and fact is not None and fact.delivered:
                    trace.notes.add(Notes.SHORT_COLLECT)
                    arrivals.append((key[: len(line.scope)], line.number, fact))
            opened = any(len(line.scope) > length and (line.scope[length], key) in trace.opened for line in deciding)
            if any(line.cancelled_about(key) or self._broken(line, key, trace) for line in lines):
                settled.dead[key] = CANCELLED
            elif arrivals or opened:
                settled.starts.append(self._gather(key, arrivals, trace))
            else:
                settled.dead[key] = SKIPPED
        return settled

    def _gather(self, key: Key, arrivals: list[tuple[Key, int, Fact]], trace: Trace) -> Start:
        """The list of what arrived, in key order, then connection order."""
        try:
            arrivals = sorted(arrivals, key=lambda arrival: arrival[:2])
        except TypeError:
            trace.notes.add(Notes.MIXED_KEYS)
            arrivals = sorted(arrivals, key=lambda arrival: (_flat(arrival[0]), arrival[1]))
        failures = frozenset().union(*(fact.failures for _, _, fact in arrivals))
        return Start(key, [fact.payload for _, _, fact in arrivals], failures)

    def _broken(self, line: Line, key: Key, trace: Trace) -> bool:
        """A stream that this input has passed below `key` failed, and nobody took the failure."""
        inside = line.scope[len(key) :]
        return any(label in inside and at[: len(key)] == key for label, at in trace.broken)


def _flat(index: Any) -> tuple[Any, ...]:
    if not isinstance(index, tuple):
        return (index,)
    return tuple(part for inner in index for part in _flat(inner))


# --- runs


class _Run:
    def __init__(self, spec: GraphSpec, payload: Any, order: int | None, most: int, readings: Readings) -> None:
        self.spec = spec
        self.payload = payload
        self.static = analyse(spec)
        self.rng = random.Random(order) if order is not None else None
        self.readings = readings
        self.joins = _Joins(self.static, self.rng, readings)
        self.trace = Trace()
        self.concurrent = False
        self.too_many: set[Activation] = set()  # activations that ended in TooManyPasses
        self.left = most  # how many more evaluations of an activation we put up with

    def all(self) -> Trace:
        for unit in self.static.units:
            if isinstance(unit, Cycle):
                self._cycle(unit)
                continue
            if unit in self.static.entries:
                settled = Settled([Start((), self.payload)])
            else:
                lines = [self._line(number, self.trace) for number in self.static.inputs(unit)]
                settled = self.joins.settle(unit, lines, self.trace)
            assert not settled.pending, unit
            self._carry_out(unit, settled, self.trace)
        return self.trace

    def _line(self, number: int, trace: Trace) -> Line:
        connection = self.static.connections[number]
        facts = trace.facts.get(number, {})
        return Line(self.static.scope(number), connection.slot, number, facts, number in trace.pending)

    # What activations do to the connections that leave them.

    def _carry_out(self, name: str, settled: Settled, trace: Trace) -> None:
        """Run what starts, pass on what is dead."""
        for start in settled.starts:
            self._activate(self.static.nodes[name], start, trace)
        for key, fact in settled.dead.items():
            if fact.kind == "cancelled":
                trace.cancelled.add(name)
            for number in self.static.outputs(name):
                trace.resolve(number, key, fact)
        if settled.pending:
            trace.pending |= set(self.static.outputs(name))

    def _activate(self, node: NodeSpec, start: Start, trace: Trace) -> None:
        activation = (node.name, start.key)
        assert activation not in trace.done, activation
        self.left -= 1
        if self.left < 0:
            raise Unsupported("too many activations")
        if start.conflict:
            trace.notes.add(Notes.SLOT_CONFLICT)
            outcome = Outcome(error="SlotConflict")
        else:
            outcome = behave(self.spec, node, start.payload)
        if activation in self.too_many:
            trace.notes.add(Notes.LIMIT)
            outcome = Outcome(error="TooManyPasses")
        done = Done(node.name, start.key, start.payload, start.failures, outcome, called=not start.conflict)
        trace.done[activation] = done
        if node.stream:
            self._send_stream(done, trace)
        else:
            self._send(done, trace)

    def _send(self, done: Done, trace: Trace) -> None:
        outputs = {number: self.static.connections[number] for number in self.static.outputs(done.node)}
        if done.failed:
            taken = self._send_failure(done, outputs, done.key, trace)
            for number, connection in outputs.items():
                if connection.on == "complete":
                    trace.resolve(number, done.key, SKIPPED if taken else CANCELLED)
            return
        for number, connection in outputs.items():
            matching = [value for value, port in done.outcome.messages if takes(connection, value, port)]
            fact = Fact("delivered", matching[0], conflict=len(matching) > 1) if matching else SKIPPED
            trace.resolve(number, done.key, fact)
        done.unrouted = self._unrouted(done, outputs)

    def _send_stream(self, done: Done, trace: Trace) -> None:
        outputs = {number: self.static.connections[number] for number in self.static.outputs(done.node)}
        label = f"stream:{done.node}"
        trace.opened.add((label, done.key))
        for index, (value, port) in enumerate(done.outcome.messages):
            for number, connection in outputs.items():
                if connection.on != "fail":
                    fact = Fact("delivered", value) if takes(connection, value, port) else SKIPPED
                    trace.resolve(number, (*done.key, index), fact)
        done.unrouted = self._unrouted(done, outputs)
        if not done.failed:
            for number, connection in outputs.items():
                if connection.on == "fail":
                    trace.resolve(number, done.key, SKIPPED)
            return
        last = (*done.key, len(done.outcome.messages))
        taken = self._send_failure(done, {n: c for n, c in outputs.items() if c.on == "fail"}, done.key, trace)
        alls = {n: c for n, c in outputs.items() if c.on == "all"}
        if alls:
            taken = self._send_failure(done, alls, last, trace) or taken
            for number, connection in outputs.items():
                if connection.on == "complete":
                    trace.resolve(number, last, SKIPPED)
        if not taken:
            trace.broken.add((label, done.key))
        if last[-1] == 0 and not alls:  # nothing sent: not midway, so as any failed activation
            if taken and any(c.on == "complete" for c in outputs.values()):
                trace.notes.add(Notes.EMPTY_FAILURE_TAKEN)
            for number, connection in outputs.items():
                if connection.on == "complete" and (not taken or self.readings.empty_failure_taken_skips):
                    trace.resolve(number, done.key, SKIPPED if taken else CANCELLED)
            if taken and self.readings.empty_failure_taken_skips:
                trace.opened.discard((label, done.key))

    def _send_failure(self, done: Done, outputs: dict[int, ConnectionSpec], key: Key, trace: Trace) -> bool:
        """Resolve the Fail and All connections among `outputs`; whether one of them took the failure."""
        taken = False
        refused = []
        carried = Fact("delivered", done.payload, frozenset({(done.node, done.key)}))
        for number, connection in outputs.items():
            if connection.on == "complete":
                continue
            if takes_failure(connection, done.payload, done.outcome.error or ""):
                taken = True
                trace.resolve(number, key, carried)
            else:
                refused.append(number)
        for number in refused:
            is_all = outputs[number].on == "all"
            if is_all and not taken:
                trace.notes.add(Notes.UNMATCHED_ALL)
            trace.resolve(number, key, CANCELLED if is_all and not taken and self.readings.unmatched_all_cancelled else SKIPPED)
        return taken

    def _unrouted(self, done: Done, outputs: dict[int, ConnectionSpec]) -> int:
        if done.node in self.static.terminals:
            return 0
        count = sum(not any(takes(c, value, port) for c in outputs.values()) for value, port in done.outcome.messages)
        if count and all(c.back or c.on == "fail" for c in outputs.values()):
            self.trace.notes.add(Notes.FAIL_ONLY_UNROUTED)
            return count if self.readings.fail_only_unrouted else 0
        return count

    # Cycles.

    def _cycle(self, cycle: Cycle) -> None:
        """Every instance of a cycle, that is every outer key, one after another."""
        full = {number: self._outer_line(number, cycle) for number in cycle.full_entries}
        short = {number: self._outer_line(number, cycle) for number in cycle.short_entries}
        length = len(cycle.outer)
        if cycle.starts:
            keys: list[Key] = [()]
        else:
            keys = sorted({key for line in full.values() for key in line.facts if len(key) == length})
            dead = Settled()
            self.joins._dead_prefixes(dead, list(full.values()), list(full.values()), length, self.trace)
            for key in dead.dead:
                self._not_entered(cycle, key, full, short)
        for key in keys:
            facts = [line.look(key) for line in full.values()]
            if None in facts:
                raise Stalled(f"{cycle.label} at {key}: an entry is unresolved")
            if cycle.starts or any(fact is not None and fact.delivered for fact in facts):
                _Instance(self, cycle, key, full, short).all()
            else:
                self._not_entered(cycle, key, full, short)

    def _outer_line(self, number: int, cycle: Cycle) -> Line:
        """An entry as seen from outside the cycle."""
        return Line(self.static.raw_scope(number), self.static.connections[number].slot, number, self.trace.facts.get(number, {}))

    def _not_entered(self, cycle: Cycle, key: Key, full: dict[int, Line], short: dict[int, Line]) -> None:
        """All entries are dead at `key`: exits are resolved there; inside, what is cancelled is noted."""
        inside = _Instance(self, cycle, key, full, short)
        found = inside.evaluate(None, None)
        assert not found.done
        cancelled = any((fact := line.look(key)) is not None and fact.kind == "cancelled" for line in full.values())
        if cancelled:
            found.notes.add(Notes.NOT_ENTERED)
        self.trace.add(found)
        for number in cycle.exits:
            self.trace.resolve(number, key, CANCELLED if cancelled else SKIPPED)


@dataclass
class _Pass:
    """One pass: what began it, and what is known of it so far."""

    number: int
    seed: tuple[str, Fact] | None  # the target and the message of the back traversal
    trace: Trace = field(default_factory=Trace)


class _Instance:
    """A cycle entered with one outer key. The passes are evaluated whole; what a back connection carries waits in a list."""

    def __init__(self, run: _Run, cycle: Cycle, key: Key, full: dict[int, Line], short: dict[int, Line]) -> None:
        self.run = run
        self.static = run.static
        self.cycle = cycle
        self.key = key
        self.entries = full | short
        self.full = full
        self.passes: list[_Pass] = []
        self.waiting: list[tuple[int, Key]] = []  # back traversals: connection, key of the message
        self.seen: set[tuple[int, Key]] = set()
        self.traversals: Counter[int] = Counter()
        self.given: dict[tuple[str, int], Start | Fact] = {}  # (collecting join, pass): what it did in that pass
        self.consumed: set[tuple[str, int, int, Key]] = set()
        inside = [(c.source, c.target) for c in self.static.connections.values() if not c.back]
        self.forward = [(s, t) for s, t in inside if s in cycle.members and t in cycle.members]

    def all(self) -> None:
        self._new_pass(None)
        while True:
            if self.waiting:
                self._traverse()
            elif not self._fire_collect() and not self._count_lack():
                break
        self._finish()

    # Passes.

    def _new_pass(self, seed: tuple[str, Fact] | None) -> None:
        self.passes.append(_Pass(len(self.passes), seed))
        self._evaluate(self.passes[-1])

    def _evaluate(self, one: _Pass) -> None:
        one.trace = self.evaluate(one.number, one.seed)
        for number in self.cycle.backs:
            for key, fact in sorted(one.trace.facts.get(number, {}).items()):
                if fact.delivered and (number, key) not in self.seen:
                    self.seen.add((number, key))
                    self.waiting.append((number, key))
        if len(self.waiting) > 1:
            self.run.concurrent = True

    def evaluate(self, number: int | None, seed: tuple[str, Fact] | None) -> Trace:
        """One pass from nothing. `number` None: the cycle was not entered at this outer key, all is dead there."""
        base = self.key if number is None else (*self.key, number)
        trace = Trace()
        starts = self.cycle.starts if seed is None else ()
        targets = {self.static.connections[n].target for n in self.entries}
        alive = self._reach({seed[0]} if seed is not None else {*starts, *targets})
        for name in self.cycle.members:
            if seed is not None and name == seed[0]:
                settled = Settled([Start(base, seed[1].payload, seed[1].failures, seed[1].conflict)])
            elif name in starts:
                settled = Settled([Start(base, self.run.payload)])
            elif name not in alive:
                settled = Settled(dead={base: SKIPPED})
            else:
                lines = [self._line(n, number, base, trace) for n in self.static.inputs(name)]
                if name in self.cycle.collects and number is not None:
                    settled = self._given(name, number, base)
                else:
                    settled = self.run.joins.settle(name, lines, trace, base)
            self.run._carry_out(name, settled, trace)
        return trace

    def _reach(self, starts: set[str]) -> set[str]:
        found = set(starts)
        while more := {t for s, t in self.forward if s in found} - found:
            found |= more
        return found

    def _line(self, connection: int, number: int | None, base: Key, trace: Trace) -> Line:
        """An input of a member, in one pass."""
        outer = self.entries.get(connection)
        if outer is None:
            return self.run._line(connection, trace)
        line = Line(self.static.scope(connection), outer.slot, connection)
        at = self.key[: len(outer.scope)]
        if number is None or number == 0:
            fact = outer.look(at)
            if fact is None and number is None:
                fact = SKIPPED  # shorter than the dead beginning of a key
            if fact is None:
                raise Stalled(f"{self.cycle.label}: entry {connection} is unresolved at {at}")
        else:
            fact = SKIPPED
        line.facts[base if connection in self.full else at] = fact
        return line

    # Collecting joins of this very cycle.

    def _given(self, name: str, number: int, base: Key) -> Settled:
        what = self.given.get((name, number))
        if what is None:
            return Settled(pending=True)
        return Settled([what]) if isinstance(what, Start) else Settled(dead={base: what})

    def _arrivals(self, name: str) -> list[tuple[int, int, Key, Fact]]:
        """(pass, connection, key, fact) of what came to a collecting join since it last fired; skips do not count."""
        found = []
        for one in self.passes:
            if one.seed is not None and (one.seed[0] == name or name not in self._reach({one.seed[0]})):
                continue
            for connection in self.static.inputs(name):
                line = self._line(connection, one.number, (*self.key, one.number), one.trace)
                found += [(one.number, connection, k, f) for k, f in line.facts.items() if f.kind != "skipped"]
        return [arrival for arrival in found if (name, *arrival[:3]) not in self.consumed]

    def _fire_collect(self) -> bool:
        """Nothing is live: the first collecting join with arrivals fires."""
        ready = [(name, arrivals) for name in self.cycle.collects if (arrivals := self._arrivals(name))]
        if not ready:
            return False
        notes = self.run.trace.notes
        if len(ready) > 1:
            notes.add(Notes.LATE_COLLECT)
        name, arrivals = ready[0]
        number = max(arrival[0] for arrival in arrivals)
        self.consumed |= {(name, *arrival[:3]) for arrival in arrivals}
        if (name, number) in self.given:
            raise Unsupported(f"{name} fires twice in pass {number}")
        if any(fact.kind == "cancelled" for *_, fact in arrivals):
            notes.add(Notes.CANCELLED_COLLECT)
            self.given[name, number] = CANCELLED
        else:
            messages = [(k, connection, f) for _, connection, k, f in arrivals]
            self.given[name, number] = self.run.joins._gather((*self.key, number), messages, self.run.trace)
        self._evaluate(self.passes[number])
        return True

    def _count_lack(self) -> bool:
        """Nothing is live and no collecting join has anything: what joins still lack counts as skipped. Whether anything came of it."""
        for name in self.cycle.collects:
            lacking = []
            for one in self.passes:
                reached = one.seed is None or (one.seed[0] != name and name in self._reach({one.seed[0]}))
                if reached and (name, one.number) not in self.given:
                    lacking.append(one)
            if not lacking:
                continue
            for one in lacking:
                self.given[name, one.number] = SKIPPED
                before = set(one.trace.done)
                self._evaluate(one)
                if set(one.trace.done) - before:
                    self.run.trace.notes.add(Notes.QUIET_LACK)
            return True
        return False

    # Back traversals.

    def _traverse(self) -> None:
        rng = self.run.rng
        number, key = self.waiting.pop(rng.randrange(len(self.waiting)) if rng is not None else 0)
        connection = self.static.connections[number]
        source = next(one for one in self.passes if key in one.trace.facts.get(number, {}))
        self.traversals[number] += 1
        if self.traversals[number] > (1000 if connection.limit is None else connection.limit):
            self._too_many(connection, key, source)
            return
        self._new_pass((connection.target, source.trace.facts[number][key]))

    def _too_many(self, connection: ConnectionSpec, key: Key, one: _Pass) -> None:
        """The source's activation fails instead, and nothing of it was sent: evaluate its pass again without its messages."""
        activation = (connection.source, key)
        if self.static.nodes[connection.source].stream or self.run.concurrent or connection.on != "complete":
            raise Unsupported("a limit reached by a stream or with traversals at the same time")
        if one.trace.done[activation].failed:
            raise Unsupported("a limit reached by a failure")
        if any(name in self.cycle.collects for name in self._reach({connection.source})):
            raise Unsupported("a limit reached before a collecting join")
        self.run.too_many.add(activation)
        self._evaluate(one)

    # The end.

    def _finish(self) -> None:
        trace = self.run.trace
        for one in self.passes:
            assert not one.trace.pending, one.trace.pending
            trace.add(one.trace)
        base = len(self.key)
        if not any(one.trace.done for one in self.passes):
            trace.notes.add(Notes.ENTERED_WITHOUT_START)
        trace.opened.add((self.cycle.label, self.key))
        facts = {n: {k: f for one in self.passes for k, f in one.trace.facts.get(n, {}).items()} for n in self.cycle.exits}
        left = {n: {k[base] for k, f in at.items() if f.delivered} for n, at in facts.items()}  # passes in which an exit delivered
        leaving = set().union(*left.values())
        alone = [at for number, at in facts.items() if not left[number] and any(len(key) > base + 1 for key in at)]
        beside = {key[base] for at in alone for key in at} - leaving
        for number, at in facts.items():
            cancelled = any(f.kind == "cancelled" for f in at.values())
            if not left[number]:
                if any(len(key) > base + 1 for key in at):  # below a stream that has run: for each key it has run for
                    for index in sorted((leaving | beside) - {key[base] for key in at}):
                        trace.resolve(number, (*self.key, index), SKIPPED)
                    for key, fact in at.items():
                        trace.resolve(number, key, fact)
                else:
                    trace.resolve(number, self.key, CANCELLED if cancelled else SKIPPED)
                continue
            if cancelled:
                trace.notes.add(Notes.LOST_CANCEL)
            for index in sorted(beside - left[number]):
                trace.resolve(number, (*self.key, index), SKIPPED)
            for index in sorted(leaving - left[number]):
                held = any(f.kind == "cancelled" for k, f in at.items() if k[base] == index)
                trace.resolve(number, (*self.key, index), CANCELLED if held else SKIPPED)
            for key, fact in at.items():
                if key[base] in left[number]:
                    if not fact.delivered:
                        trace.notes.add(Notes.DEEP_CANCEL if fact.kind == "cancelled" else Notes.DEEP_EXIT)
                    trace.resolve(number, key, fact if fact.delivered or not self.run.readings.deep_cancel_skips else SKIPPED)


# --- results


def run(
    spec: GraphSpec, payload: Any = None, *, order: int | None = None, most: int = 100_000, readings: Readings | None = None
) -> RefResult:
    """Raises InvalidSpec, or Unsupported (see there). `payload` None: that of the spec; `most`: evaluations of an activation."""
    payload = spec.payload if payload is None else payload
    one = _Run(spec, payload, order, most, readings or Readings())
    trace = one.all()
    static = one.static
    carried = frozenset().union(*(done.failures for done in trace.done.values() if not done.failed))
    failures = {activation for activation, done in trace.done.items() if done.failed}
    nodes = {name: _node(spec, static, trace, name) for name in static.nodes}
    notes = set(trace.notes)
    output = _output(static, trace, notes, one.readings)
    return RefResult(
        status="failed" if failures - carried else "completed",
        output=canonical(output, sort_lists=spec.sort_lists),
        nodes=nodes,
        handled=len(failures & carried),
        errors=len(failures - carried),
        notes=frozenset(notes),
        concurrent=one.concurrent,
        last_pass_only=any(label[0] == "c" for name in static.terminals for label in static.message_scope(name)),
        activations=len(trace.done),
    )


def _node(spec: GraphSpec, static: Static, trace: Trace, name: str) -> RefNode:
    node = static.nodes[name]
    own = [done for done in trace.done.values() if done.node == name]
    completed = [done for done in own if not done.failed]

    def seen(payload: Any) -> Any:
        return recorded_input(spec, node, payload)

    return RefNode(
        status=(
            "failed" if len(completed) < len(own) else "completed" if completed else "cancelled" if name in trace.cancelled else "skipped"
        ),
        completed=sorted(((seen(done.payload), canonical(list(done.outcome.messages))) for done in completed), key=repr),
        calls=sorted((seen(done.payload) for done in own if done.called), key=repr),
        activations=len(own),
        failed=len(own) - len(completed),
        unrouted=sum(done.unrouted for done in own),
    )


def _output(static: Static, trace: Trace, notes: set[str], readings: Readings) -> Any:
    values: dict[str, Any] = {}
    for name in static.terminals:
        scope = static.message_scope(name)
        found: dict[Key, Any] = {}
        for done in trace.done.values():
            if done.node != name:
                continue
            if done.failed and done.outcome.messages:
                notes.add(Notes.STREAM_TERMINAL_FAILED)
            for index, (value, _) in enumerate(done.outcome.messages):
                found[(*done.key, index) if static.nodes[name].stream else done.key] = value
            if len(done.outcome.messages) > 1 and not static.nodes[name].stream:
                found[done.key] = {port: value for value, port in done.outcome.messages}
            if not done.failed and not done.outcome.messages and all(label[0] == "c" for label in scope):
                notes.add(Notes.TERMINAL_NOTHING)
        for position, label in enumerate(scope):
            if label[0] == "c":  # of each cycle only the last pass
                found = {k: v for k, v in found.items() if k[position] == max(o[position] for o in found if o[:position] == k[:position])}
        if any(label[0] != "c" for label in scope):
            values[name] = [found[key] for key in sorted(found)]
        elif found:
            (values[name],) = found.values()
        elif readings.nothing_is_none and any(done.node == name and not done.failed for done in trace.done.values()):
            values[name] = None
    if len(static.terminals) == 1:
        return values.get(static.terminals[0])
    return values if static.terminals else None
