"""Plays the router for the core: takes envelopes from `state.sends`, has them handled, and feeds outcomes to `step`.

After each step it checks what always holds, and at the end that nothing is left over. `Play(flow, input).run()` calls the handlers
themselves, in the order of arrival, or in the order that a seed draws; `held` ones wait until a test says what becomes of them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from actorflow import NOTHING, Workflow
from actorflow.core import NodeStatus, RunState, RunStatus, step
from actorflow.core.control import Close, Send, Start, finish
from actorflow.definition.scopes import make_plan
from actorflow.errors import ActorflowError
from actorflow.messages import Cancelled, Completed, Envelope, Failed, Key, Lease, Part, Unfit
from actorflow.streams.snapshots import output_of

__all__ = ["Play", "graph", "play"]

START = datetime(2030, 1, 1, tzinfo=UTC)


class Play:
    """One run. `calls` holds (node, key, payload) for each activation that was handled, in order."""

    def __init__(
        self, flow: Workflow, payload: Any = None, *, open: bool = False, seed: int | None = None, hold: Collection[str] = ()
    ) -> None:
        definition = flow.build()
        self.plan = definition.plans[False] if not open else make_plan(definition, open=True)
        self.state = RunState(self.plan, "run", payload, definition.variables, lambda at: START, {})
        self.rng = None if seed is None else random.Random(seed)
        self.hold = set(hold)
        self.queue: deque[Envelope] = deque()
        self.held: list[Envelope] = []
        self.streams: list[tuple[Envelope, Any, int]] = []
        self.parts: dict[int, int] = {}
        self.calls: list[tuple[str, Key, Any]] = []
        self.steps = 0
        self.step(Start())

    # --- steps ---------------------------------------------------------------------------------------------------------

    def step(self, message: Any) -> None:
        """One step, what it sends, and what must hold after it."""
        self.steps += 1
        step(self.state, message, self.steps)
        self.queue.extend(self.state.sends)
        self.state.sends.clear()
        self.check()

    def check(self) -> None:
        """What holds between any two steps."""
        state = self.state
        assert not state.dead and not state.due, "a step leaves nothing to settle"
        at_work = len(self.queue) + len(self.held) + len(self.streams)
        assert state.outstanding == at_work, f"{state.outstanding} outstanding, {at_work} there"
        waiting = [0] * len(self.plan.nodes)
        for envelope in (*self.queue, *self.held, *(stream[0] for stream in self.streams)):
            waiting[envelope.node] += 1
        assert waiting == [record.waiting if record is not None else 0 for record in state.records]
        for table in state.tables.values():
            for key, entry in table.items():
                assert entry.live >= 0, f"live below zero at {key}"
                assert entry.missing >= 0

    def send(self, payload: Any, to: str) -> None:
        """What `run.send` does."""
        self.step(Send(self.plan.definition.index_of[to], payload))

    def close(self) -> Play:
        """What `run.close` does, and then all there is to do."""
        self.step(Close())
        return self.run()

    # --- handling ------------------------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Handle one envelope, or take one value of a stream; False if there is nothing."""
        choices = len(self.queue) + len(self.streams)
        if not choices:
            return False
        index = 0 if self.rng is None else self.rng.randrange(choices)
        if self.rng is None and self.streams:
            index = len(self.queue)  # streams first, to their end
        if index >= len(self.queue):
            self._go_on(self.streams.pop(index - len(self.queue)))
            return True
        self.queue.rotate(-index)
        envelope = self.queue.popleft()
        self.queue.rotate(index)
        if self.name(envelope) in self.hold:
            self.held.append(envelope)
        else:
            self._handle(envelope)
        return True

    def run(self) -> Play:
        """All there is to do, then, if that is the end, the end."""
        while self.turn():
            pass
        if self.state.over:
            self._end()
        return self

    def _end(self) -> None:
        self.assert_nothing_left()
        if not self.state.status.over:
            finish(self.state)

    def assert_nothing_left(self) -> None:
        """No join, collect or cycle waits for anything, and no bookkeeping of keys is left."""
        state = self.state
        left = {self._sink(index): list(table) for index, table in state.tables.items() if table}
        assert not left, f"tables: {left}"
        short = {self._sink(index): keys for index, known in state.prefixes.items() if (keys := [key for key in known if key])}
        assert not short, f"prefixes: {short}"

    def _sink(self, index: int) -> str:
        sink = self.plan.sinks[index]
        return f"{sink.mode.name} of {self.plan.nodes[sink.node].name if sink.node >= 0 else 'a cycle'}"

    def _handle(self, envelope: Envelope) -> None:
        node = self.plan.definition.nodes[envelope.node]
        self.calls.append((node.name, envelope.key, None if type(envelope.payload) is Unfit else envelope.payload))
        if type(envelope.payload) is Unfit:
            self.step(Failed(self._lease(envelope), envelope.payload.error, 0, 0))
            return
        context = SimpleNamespace(error=envelope.carried[0] if envelope.carried else None, node=node.name, key=envelope.key, run=self)
        try:
            value = node.handler.invoke(envelope.payload, context)
        except Exception as error:
            self.step(Failed(self._lease(envelope), error, 0, 0))
            return
        if self.plan.nodes[envelope.node].streaming:
            self.streams.append((envelope, iter(value), 0))
        else:
            self.step(Completed(self._lease(envelope), value, 0, 0))

    def _go_on(self, stream: tuple[Envelope, Any, int]) -> None:
        envelope, values, number = stream
        lease = self._lease(envelope)
        try:
            value = next(values)
        except StopIteration:
            self.step(Completed(lease, NOTHING, 0, 0, parts=number))
            return
        except Exception as error:
            self.step(Failed(lease, error, 0, 0, number))
            return
        self.streams.append((envelope, values, number + 1))
        try:
            self.step(Part(lease, value, number))
        except ActorflowError as error:
            self.streams.pop()
            self.state.sends.clear()
            self.step(Failed(lease, error, 0, 0, number))

    @staticmethod
    def _lease(envelope: Envelope) -> Lease:
        return Lease(envelope, envelope.id, 0, 1)

    # --- what a test says of held ones --------------------------------------------------------------------------------------

    def _take(self, name: str, key: Key | None) -> Envelope:
        self.run()
        for envelope in self.held:
            if self.name(envelope) == name and (key is None or envelope.key == key):
                self.held.remove(envelope)
                return envelope
        raise AssertionError(f"no held activation of {name!r} under {key}: {self.held}")

    def complete(self, name: str, value: Any = None, key: Key | None = None) -> Play:
        """A held activation completes with this value, and then all there is to do."""
        envelope = self._take(name, key)
        self.calls.append((name, envelope.key, envelope.payload))
        self.step(Completed(self._lease(envelope), value, 0, 0))
        return self.run()

    def fail(self, name: str, error: Exception | None = None, key: Key | None = None, parts: int = -1) -> Play:
        """A held activation fails, and then all there is to do."""
        envelope = self._take(name, key)
        self.calls.append((name, envelope.key, envelope.payload))
        self.step(Failed(self._lease(envelope), error or ValueError("no"), 0, 0, self.parts.get(envelope.id, parts)))
        return self.run()

    def cancel(self, name: str, key: Key | None = None) -> Play:
        """A held activation is cancelled (replaced by a newer message), and then all there is to do."""
        envelope = self._take(name, key)
        self.step(Cancelled(self._lease(envelope), "replaced", 0, 0))
        return self.run()

    def part(self, name: str, value: Any, key: Key | None = None) -> Play:
        """A held stream sends one value, and then all there is to do."""
        envelope = self._take(name, key)
        self.held.append(envelope)
        number = self.parts.get(envelope.id, 0)
        self.parts[envelope.id] = number + 1
        self.step(Part(self._lease(envelope), value, number))
        return self.run()

    # --- looking -----------------------------------------------------------------------------------------------------------

    def name(self, envelope: Envelope) -> str:
        """The node an envelope is for."""
        return self.plan.nodes[envelope.node].name

    def times(self, name: str) -> int:
        """How often a node was called."""
        return sum(1 for called, _, _ in self.calls if called == name)

    def payloads(self, name: str) -> list[Any]:
        """What a node was called with, in the order of the calls."""
        return [payload for called, _, payload in self.calls if called == name]

    def keys(self, name: str) -> list[Key]:
        """The keys of a node's calls, in the order of the calls."""
        return [key for called, key, _ in self.calls if called == name]

    def status(self, name: str) -> NodeStatus:
        """The status of a node."""
        return self.state.node_status(self.plan.definition.index_of[name])

    def statuses(self) -> dict[str, str]:
        """The status of each node, as text."""
        return {node.name: str(self.status(node.name)) for node in self.plan.nodes}

    @property
    def run_status(self) -> RunStatus:
        """The status of the run."""
        return self.state.status

    @property
    def output(self) -> Any:
        """The output of the run."""
        return output_of(self.state)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state.over


def same(payload: Any) -> Any:
    """The handler of nodes for which a test gives none."""
    return payload


def graph(
    text: str, handlers: dict[str, Callable[..., Any]] | None = None, joins: dict[str, Any] | None = None, **options: Any
) -> Workflow:
    """A workflow from lines `a -> b -> c`, `a -> {b, c}`, and connections with options, given as `connect={"a b": {...}}`.

    `connect` may hold, for a pair of ends, the options of the connection, or a list of options for several connections."""
    handlers = handlers or {}
    joins = joins or {}
    connect: dict[str, Any] = options.pop("connect", {})
    entries = options.pop("entry", ())
    flow = Workflow("core", **options)
    pairs: list[tuple[str, str]] = []
    names: dict[str, None] = {}
    for line in text.replace(";", "\n").splitlines():
        groups = [[name.strip() for name in part.strip(" {}").split(",")] for part in line.split("->") if part.strip()]
        for group in groups:
            names.update(dict.fromkeys(group))
        for sources, targets in pairwise(groups):
            pairs += [(source, target) for source in sources for target in targets]
    for pair in connect:
        names.update(dict.fromkeys(pair.split()))
    for name in names:
        flow.add(handlers.get(name, same), name=name, join=joins.get(name))
    for source, target in pairs:
        for given in _several(connect.get(f"{source} {target}", {})):
            flow.connect(source, target, **given)
    for pair, given in connect.items():
        source, target = pair.split()
        if (source, target) not in pairs:
            for one in _several(given):
                flow.connect(source, target, **one)
    if entries:
        flow.entry(*entries)
    return flow


def _several(given: Any) -> list[dict[str, Any]]:
    return given if isinstance(given, list) else [given]


def play(text: str, payload: Any = None, *, seed: int | None = None, hold: Collection[str] = (), **graph_options: Any) -> Play:
    """A graph, played to its end or until only held ones are left."""
    return Play(graph(text, **graph_options), payload, seed=seed, hold=hold).run()
