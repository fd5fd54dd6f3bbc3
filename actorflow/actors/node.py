"""NodeActor: takes turns at its mailbox. A turn is: lease an envelope, log Started, run the handler, hand the outcome to the
router. The router acknowledges the lease when it has the outcome in hand, so a crash repeats work and loses none.

Not here: async handlers (`async_node`), who gives turns (`dispatch`), what outcomes cause (`core`). No exception leaves a turn.
How many turns an actor may have at once (`granted`), and what waits beyond (`backlog`), belongs to the router."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import cached_property
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from actorflow.actors.attempts import Execution, Idle, Stream, Suspended
from actorflow.actors.base import LeasedActor
from actorflow.clock import seconds
from actorflow.core.control import Stop
from actorflow.definition.context import Context
from actorflow.definition.model import NodeDefinition
from actorflow.definition.plan import NodePlan
from actorflow.errors import ActorflowError
from actorflow.messages import NOTHING, Cancelled, Completed, Emit, Emits, Envelope, Failed, Lease, Part, Unfit
from actorflow.messaging.ring import RingMailbox
from actorflow.payloads import IMMUTABLE, copy_payload

if TYPE_CHECKING:
    from actorflow.actors.router import RouterActor

__all__ = ["NodeActor", "outgoing"]

PARTS_A_TURN = 32
TURN_NS = 1_000_000
QUICK_NS = 20_000
INTERRUPTED_NS = 1_000_000_000
"""Has the helping thread asked at once whether it should stop."""


def outgoing(value: Any) -> Any:
    """What is sent of a value: a copy, where its sender could still change it."""
    cls = type(value)
    if cls in IMMUTABLE:
        return value
    if cls is Emit:
        return Emit(copy_payload(value.value), value.port, value.dedup)
    if cls is Emits:
        return Emits(*(Emit(copy_payload(emit.value), emit.port, emit.dedup) for emit in value.emits))
    if cls is CoroutineType:
        value.close()
        raise ActorflowError("a handler that is not async returned a coroutine; make it 'async def', or await what it calls")
    return copy_payload(value)


class NodeActor(LeasedActor):
    """The actor of one node in one run."""

    on_loop = False
    granted = 0
    backlog = 0
    blocked = 0
    full = False
    last = False
    average = 0
    instance: Any = None
    parked: list[Callable[[], None]] | None = None
    streams: deque[Stream] | None = None
    error = None
    """What a handler that asked for no context is told of a failure: nothing. See `Handler.invoke`."""

    def __init__(self, router: RouterActor, node: NodeDefinition, plan: NodePlan) -> None:
        self.router = router
        self.plan = plan
        self.node = node
        self.handler = node.handler
        options = node.options
        self.limit = options.concurrency
        mailbox = options.mailbox
        self.mailbox = (
            RingMailbox(lock=router.boxes)
            if mailbox is None
            else RingMailbox(mailbox.capacity, seconds(mailbox.lease), mailbox.max_redeliveries, lock=router.boxes)
        )
        timeout = options.timeout if options.timeout is not None else router.node_timeout
        self.timeout = 0 if timeout is None else seconds(timeout)
        self.simple = plan.unwatched and not self.timeout

    @cached_property
    def making(self) -> threading.Lock:
        """Held while the instance of a class node is made."""
        return threading.Lock()

    @cached_property
    def executions(self) -> dict[int, Execution]:
        """Attempts at work that can be cancelled, by the token of their lease."""
        return {}

    @cached_property
    def lost(self) -> set[int]:
        """Tokens of attempts that are over although their handlers have not returned."""
        return set()

    def park(self, go_on: Callable[[], None]) -> None:
        """Keep what is to be called once this actor's targets have room."""
        if self.parked is None:
            self.parked = []
        self.parked.append(go_on)

    def unpark(self) -> None:
        """Let everything go on that waited for room."""
        if self.parked:
            parked, self.parked = self.parked, None
            for go_on in parked:
                go_on()

    def continue_later(self, stream: Stream) -> None:
        """A stream may go on in this actor's next turn."""
        if self.streams is None:
            self.streams = deque()
        self.streams.append(stream)

    def wake(self) -> None:
        """Have control messages handled: the router gives us a turn for them."""
        self.router.post(self)

    def on_receive(self, message: Any) -> Any:
        """What a control message that is not pykka's own gets as its answer: the state of the mailbox, in numbers."""
        return {"node": self.node.name, "ready": self.mailbox.ready, "leased": self.mailbox.leased, "capacity": self.mailbox.capacity}

    def turn(self, worker: Any) -> None:
        """One turn on a worker: at most one lease, or some values of a stream. Never raises but KeyboardInterrupt of the
        thread that helps."""
        if self.streams:
            self._go_on(self.streams.popleft(), worker)
            return
        router = self.router
        now = router.now()
        lease = self.mailbox.lease(now, worker)
        if lease is None:
            router.put(Idle(self))
            return
        envelope = lease.envelope
        router.log.append(("started", envelope.node, envelope.key, envelope.attempt, now))
        worker.since = now
        if not self.simple:
            self._attempt(lease, worker, now)
            return
        payload = envelope.payload
        outcome: Completed | Failed
        try:
            if type(payload) not in IMMUTABLE:
                payload = self._incoming(payload)
            handler = self.handler
            variables = router.variables.copy()
            value = variables.run(handler.callable, payload) if handler.plain else variables.run(handler.invoke, payload, self)
            if type(value) not in IMMUTABLE and router.copies:
                value = outgoing(value)
            ended = router.now()
            outcome = Completed(lease, value, now, ended)
        except BaseException as error:
            outcome = self._failed(lease, error, now, worker)
            ended = outcome.ended
        worker.since = 0
        if ended - now > QUICK_NS or self.average:
            self.average += (ended - now - self.average) >> 2
        router.put(outcome)

    def _failed(self, lease: Lease, error: BaseException, started: int, worker: Any) -> Failed:
        if isinstance(error, KeyboardInterrupt) and worker.helps:
            worker.interrupted = error
            self.average = INTERRUPTED_NS
            self.router.cancel(Stop("interrupted"))
        return Failed(lease, error, started, self.router.now())

    def _incoming(self, payload: Any) -> Any:
        if type(payload) is Unfit:
            raise payload.error
        return copy_payload(payload) if self.router.copies else payload

    def _attempt(self, lease: Lease, worker: Any, now: int) -> None:
        """An attempt that needs more than a plain call."""
        router = self.router
        context = Context(router, lease.envelope, self.plan.streaming) if self.handler.needs_context else None
        execution = Execution(lease, worker, context)
        outcome: Completed | Failed
        self.watch(execution, now)
        try:
            if self.handler.node_class is not None and self.instance is None:
                self._make_instance(context)
            payload = self.prepared(lease)
            variables = router.variables.copy()
            value = variables.run(self.handler.invoke, payload, context or self)
            if self.plan.streaming and value is not NOTHING:
                stream = Stream(variables.run(iter, value if value is not None else ()), variables, execution, now)
                self._go_on(stream, worker)
                return
            if router.copies:
                value = outgoing(value)
            outcome = self.completed(lease, value, now, context)
        except BaseException as error:
            outcome = self._failed(lease, error, now, worker)
        worker.since = 0
        self.average += (outcome.ended - now - self.average) >> 2
        self.unwatch(execution)
        router.put(outcome)

    def completed(self, lease: Lease, value: Any, started: int, context: Context | None) -> Completed:
        """The outcome of an attempt that returned `value`."""
        if context is None:
            return Completed(lease, value, started, self.router.now())
        collected = context.collected
        if collected and self.router.copies:
            collected = tuple(outgoing(emit) for emit in collected)
        return Completed(lease, value, started, self.router.now(), collected, context.updates)

    def prepared(self, lease: Lease) -> Any:
        """The payload of an attempt: copied, and mapped where the node maps its inputs. Makes the instance of a class node."""
        payload = self._incoming(lease.envelope.payload)
        return payload if self.node.inputs is None else self.router.mapped(self.node, lease.envelope.key)

    def _make_instance(self, context: Context | None) -> None:
        """One instance of a class node for the whole run; other turns of this node wait until it has started."""
        with self.making:
            if self.instance is not None:
                return
            node_class = self.handler.node_class
            assert node_class is not None
            instance = node_class.make()
            if node_class.on_start is not None:
                self.router.variables.copy().run(node_class.on_start.call, instance, context)
            self.handler = self.handler.bind(instance)
            self.instance = instance

    def watch(self, execution: Execution, now: int) -> None:
        """Keep an attempt where the router can cancel it; arm its timeout."""
        self.executions[execution.lease.token] = execution
        if self.timeout:
            execution.due = self.router.arm_timeout(self, execution, now + self.timeout)
        if self.router.state.stopping:  # the run was told to end before it could know of this attempt
            execution.tell_cancelled(self.router.state.stopping)

    def unwatch(self, execution: Execution) -> None:
        """The attempt is over."""
        self.executions.pop(execution.lease.token, None)
        if execution.due is not None:
            execution.due.cancel()

    def _go_on(self, stream: Stream, worker: Any) -> None:
        """Take some values of a stream, one after the other: each is routed before the next is asked for."""
        router = self.router
        begun = worker.since = router.now()
        stream.at_work = True
        stream.execution.worker = worker
        outcome: Completed | Failed
        try:
            while True:
                if stream.closed:
                    self._drop(stream, worker)
                    return
                value = stream.variables.run(next, stream.iterator)
                router.put(Part(stream.lease, outgoing(value) if router.copies else value, stream.number))
                stream.number += 1
                if stream.context is not None:
                    stream.context.emitted = stream.number
                if not self.blocked and stream.number % PARTS_A_TURN and router.now() - begun <= TURN_NS:
                    continue
                worker.since = 0
                stream.at_work = False
                stream.worked += router.now() - begun
                if not (self.node.options.pinned and worker.pins):
                    router.put(Suspended(self, stream))
                    return
                self._wait_here(stream)
                begun = worker.since = router.now()
                stream.at_work = True
        except StopIteration as end:
            outcome = self._streamed(stream, end.value)
        except BaseException as error:
            outcome = self._failed(stream.lease, error, stream.started, worker)
            outcome.parts = stream.number
        worker.since = 0
        stream.worked += outcome.ended - begun
        outcome.started = outcome.ended - stream.worked
        self.unwatch(stream.execution)
        router.put(outcome)

    def _wait_here(self, stream: Stream) -> None:
        """A pinned stream keeps its thread: wait on it until the targets have room. Others give their turns meanwhile."""
        router = self.router
        room = threading.Event()
        router.post(lambda: router.when_room(self, stream.execution, room.set))
        if not room.is_set():
            with router.dispatch.waiting_inside(True):
                room.wait()

    def _streamed(self, stream: Stream, last: Any) -> Completed | Failed:
        context = stream.context
        updates: tuple[Any, ...] = ()
        if context is not None:
            try:
                for emit in context.collected:
                    self.router.put(Part(stream.lease, outgoing(emit) if self.router.copies else emit, stream.number))
                    stream.number += 1
            except Exception as error:
                return Failed(stream.lease, error, stream.started, self.router.now(), stream.number)
            updates = context.updates
        return Completed(stream.lease, NOTHING, stream.started, self.router.now(), (), updates, stream.number)

    def _drop(self, stream: Stream, worker: Any) -> None:
        """Nothing more of the stream is wanted: let its generator clean up."""
        close = getattr(stream.iterator, "close", None)
        try:
            if close is not None:
                stream.variables.run(close)
        except BaseException:
            self.router.report("a generator of node %r raised while it was closed", self.node.name)
        worker.since = 0
        self.unwatch(stream.execution)
        self.router.put(Cancelled(stream.lease, "", stream.started, self.router.now()))

    def farewell_context(self) -> Context:
        """What `on_stop` gets: the context of no activation."""
        return Context(self.router, Envelope(0, self.plan.index, (), None), False)

    def stop_instance(self) -> None:
        """The run is over."""
        node_class = self.handler.node_class
        if self.instance is None or node_class is None or node_class.on_stop is None:
            return
        try:
            self.router.variables.copy().run(node_class.on_stop.call, self.instance, self.farewell_context())
        except BaseException:
            self.router.report("on_stop of node %r raised", self.node.name)
