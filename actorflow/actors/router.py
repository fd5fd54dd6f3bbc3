"""RouterActor: owns the state of one run. Whoever puts a message into its inbox tries to run it; one thread at a time does.

A turn of the router: for each message ask `core.step`, then offer the new envelopes to the nodes' mailboxes and grant their
actors turns. Not here: what a step decides (`core`), how an attempt is made (`node`), room (`credit`), threads (`dispatch`).

Grants are exact because only the router, under its lock, gives and takes them: a node has at most `limit` of them, each
for one lease, from the offer to the outcome."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextvars import Context as ContextVariables, ContextVar
from threading import Lock, RLock, current_thread, main_thread
from typing import Any

from actorflow.actors.async_node import AsyncNodeActor
from actorflow.actors.attempts import Execution, Forced, Idle, Stream, Suspended, TimedOut
from actorflow.actors.base import LeasedActor
from actorflow.actors.credit import Credit
from actorflow.actors.farewell import Farewell
from actorflow.actors.intake import Intake
from actorflow.actors.lost import keep_leases
from actorflow.actors.node import NodeActor
from actorflow.actors.stopping import attempt_timed_out, force, stop_work
from actorflow.core import RunState, RunStatus, step
from actorflow.core.control import Close, Send, Start, Stop, finish
from actorflow.core.run_state import call
from actorflow.definition.model import NodeDefinition
from actorflow.definition.plan import Mode
from actorflow.dispatch.port import Dispatch, Due
from actorflow.errors import ActorflowError, RunStalled
from actorflow.messages import Cancelled, Completed, Envelope, Failed, Key, Lease, Part
from actorflow.payloads import copy_payload
from actorflow.streams.snapshots import referred_value

__all__ = ["CURRENT", "RouterActor"]

log = logging.getLogger("actorflow")
CURRENT: ContextVar[RouterActor | None] = ContextVar("actorflow_run", default=None)
"""The run whose handler is at work in this context."""

NO_VARIABLES = ContextVariables()
LOG_LIMIT = 4096
LOG_KEPT = 1024
SLOW_NS = 50_000


class RouterActor(LeasedActor):
    """The actor of one run. `ending` guards what other threads ask of its end: `asked` is the cancellation somebody asked
    for, `decided` says that it is too late for that. An open run has an `intake`."""

    asked: Stop | None = None
    decided = False

    def __init__(
        self, state: RunState, dispatch: Dispatch, variables: ContextVariables, node_timeout: float | None, letters: Any, parent: RouterActor | None
    ) -> None:
        self.state = state
        self.plan = state.plan
        self.definition = state.plan.definition
        self.dispatch = dispatch
        self.now = dispatch.now
        self.log = state.log
        self.log_base = 0
        self.node_timeout = node_timeout
        self.copies = self.definition.options.isolation == "copy"
        self.variables = variables
        variables.run(CURRENT.set, self)
        state.inside = self._inside
        self.letters = letters
        self.parent = parent
        self.inbox: deque[Any] = deque()
        self.ready: deque[NodeActor] = deque()
        self.actors: dict[int, NodeActor] = {}
        self.credit = Credit(self)
        self.lock = Lock()
        self.boxes = RLock()
        self.ending = Lock()
        self.intake = Intake(self) if state.intake else None
        self.farewell = Farewell(self)
        self.ended = False
        self.forced = False
        self.started = self.ended_at = 0
        self.dues: list[Due] = []

    # --- the inbox -------------------------------------------------------------------------------------------------------

    def put(self, message: Any) -> None:
        """Take a message and run the router, unless another thread does, which will then see to this message too. After
        letting the lock go its holder looks once more: a message put between the last look and the release would else be
        left lying."""
        inbox = self.inbox
        inbox.append(message)
        lock = self.lock
        while inbox:
            if not lock.acquire(False):
                return
            try:
                while inbox:
                    message = inbox.popleft()
                    RECEIVE.get(type(message), RouterActor._other)(self, message)
            except BaseException as error:
                self._step_raised(error)
            finally:
                lock.release()
        if self.ended and not self.farewell.said:
            self.farewell.say()

    def post(self, message: Any) -> None:
        """As `put`, from a thread that gives no turns to this run's actors: a worker is found for what becomes ready."""
        self.put(message)
        if self.ready:
            self.dispatch.schedule(self)

    def wake(self) -> None:
        """Control messages wait."""
        self.post(self)

    def work(self, worker: Any) -> None:
        """Give turns to ready actors on this thread until none is ready, or others have waited for the worker long enough."""
        ready = self.ready
        turns = 0
        while ready:
            try:
                actor = ready.popleft()
            except IndexError:
                return
            slow = actor.average > SLOW_NS
            if ready and (slow or self.dispatch.eager):
                self.dispatch.help(self)
            worker.actor = actor
            actor.turn(worker)
            turns += 1
            if (slow or actor.average > SLOW_NS or not turns & worker.patience) and worker.leaves():
                if ready:
                    self.dispatch.schedule(self)
                return

    def keep_leases(self, reap: bool) -> None:
        """Have the leases of this run looked after, in a turn of its own. From the lease keeper."""
        self.post(lambda: keep_leases(self, reap))

    # --- messages ----------------------------------------------------------------------------------------------------------

    def _completed(self, outcome: Completed) -> None:
        """The usual message, written out: acknowledge, step, offer, and pass the grant on."""
        lease = outcome.lease
        actor = self.actors.get(lease.envelope.node)
        state = self.state
        if actor is None:
            return
        if state.stopping or not actor.mailbox.ack(lease):
            self._late(actor, outcome)
            return
        step(state, outcome, outcome.ended)
        if state.sends:
            self._offer_all()
        if actor.full:
            self.credit.made_room(actor)
        if actor.backlog and not actor.blocked and actor.granted <= actor.limit:
            actor.backlog -= 1
            self.make_ready(actor)
        else:
            actor.granted -= 1
            if actor.last:
                del self.actors[lease.envelope.node]  # its only activation: what it needed is let go at once
        self.after()

    def _outcome(self, outcome: Failed | Cancelled) -> None:
        actor = self.actors.get(outcome.lease.envelope.node)
        if actor is None:
            return
        if self.state.stopping or not actor.mailbox.ack(outcome.lease):
            self._late(actor, outcome)
            return
        self.step(outcome)
        if actor.full:
            self.credit.made_room(actor)
        self._give_back(actor)
        self.after()

    def _late(self, actor: NodeActor, outcome: Completed | Failed | Cancelled) -> None:
        """An outcome that does not count any more: its attempt was over, or the run is ending."""
        lease = outcome.lease
        if lease.token in actor.lost:
            actor.lost.discard(lease.token)
            actor.limit -= 1
        if self.state.stopping and not self.ended and actor.mailbox.ack(lease):
            self.step(Cancelled(lease, self.state.stopping, outcome.started, outcome.ended))
        self._give_back(actor)
        self.after()

    def _part(self, part: Part) -> None:
        lease = part.lease
        actor = self.actors.get(lease.envelope.node)
        if actor is None or self.state.stopping or not actor.mailbox.holds(lease):
            return
        execution = actor.executions.get(lease.token)  # None: its outcome is on the way already
        try:
            self.step(part)
            if execution is not None:
                execution.parts = part.number + 1
        except ActorflowError as error:
            now = self.now()
            actor.mailbox.ack(lease)
            if execution is not None:
                execution.tell_cancelled(str(error))
            self.step(Failed(lease, error, now, now, part.number))
            if actor.full:
                self.credit.made_room(actor)
        self.after()

    def _suspended(self, message: Suspended) -> None:
        actor, stream = message.actor, message.stream
        if stream.closed:
            self._resume(actor, stream)
        else:
            self.when_room(actor, stream.execution, lambda: self._resume(actor, stream))
        self.after()

    def _resume(self, actor: NodeActor, stream: Stream) -> None:
        actor.continue_later(stream)
        self.make_ready(actor)

    def when_room(self, actor: NodeActor, execution: Execution, go_on: Callable[[], None]) -> None:
        """Call `go_on` as soon as the targets of the actor have room; in the router's turn. The attempt's timeout stands
        still meanwhile."""
        if not actor.blocked or self.state.stopping or self.ended or execution.told:
            go_on()
            return
        due, began = execution.due, self.now()
        if due is not None:
            due.cancel()

        def continued() -> None:
            if due is not None:
                execution.due = self.arm_timeout(actor, execution, due.instant + self.now() - began)
            go_on()

        actor.park(continued)

    def _idle(self, message: Idle) -> None:
        self._give_back(message.actor)

    def _control(self, message: Start | Send | Close) -> None:
        if not self.ended:
            self.step(message)
            self.after()

    def _other(self, message: Any) -> None:
        """An actor that has control messages, or something to be done in the router's turn."""
        if isinstance(message, LeasedActor):
            message.handle_controls()
        else:
            message()
        if not self.ended:
            self.after()

    def take_outcome(self, outcome: Failed) -> None:
        """An activation ended without its handler having said so."""
        if not self.ended and not self.state.stopping:
            self.step(outcome)
            self.after()

    def step(self, message: Any) -> None:
        state = self.state
        step(state, message, self.now())
        if state.sends:
            self._offer_all()

    def after(self) -> None:
        """What may follow a message: the end, letters, the bound of the log, relief."""
        state = self.state
        if state.intake:
            self.tell_room()
        if state.stopping or state.letters:
            self._rarely()
        if len(self.log) > LOG_LIMIT:
            self.log_base += len(self.log) - LOG_KEPT
            del self.log[:-LOG_KEPT]
        if state.outstanding == 0 and not state.intake:
            if not self.ended and (state.status is not RunStatus.PENDING or state.stopping):
                self.end()
        elif self.credit.full and not self.ready:
            self.credit.relieve()

    def _rarely(self) -> None:
        state = self.state
        for envelope, reason in state.letters:
            self.letters.put(state.run_id, self.plan.nodes[envelope.node].name, envelope, reason)
        state.letters.clear()
        if state.stopping and not self.forced:
            stop_work(self)

    # --- offers and grants -----------------------------------------------------------------------------------------------

    def _offer_all(self) -> None:
        sends = self.state.sends
        if self.state.stopping:
            self.take_back(sends)
            return
        actors = self.actors
        for envelope in sends:
            actor = actors.get(envelope.node)
            if actor is None:
                actor = self._make_actor(envelope.node)
            if envelope.dedup is not None and self.replaced(actor, envelope):
                continue
            if not actor.mailbox.offer(envelope):
                self._refuse(actor, envelope)
            elif actor.granted < actor.limit and not actor.blocked:
                actor.granted += 1
                if actor.on_loop:
                    self.dispatch.lane().offer(actor)
                else:
                    self.ready.append(actor)
            else:
                actor.backlog += 1
        sends.clear()

    def take_back(self, envelopes: list[Envelope]) -> None:
        """Nothing new starts any more."""
        for envelope in envelopes:
            self.state.outstanding -= 1
            self.state.record(envelope.node).waiting -= 1
        envelopes.clear()

    def _make_actor(self, index: int) -> NodeActor:
        node = self.definition.nodes[index]
        node_class = node.handler.node_class
        kind = AsyncNodeActor if node.handler.is_async or (node_class is not None and node_class.has_async_hooks) else NodeActor
        actor = self.actors[index] = kind(self, node, self.plan.nodes[index])
        if self.credit.full:
            actor.blocked = self.credit.blocks_of(actor)
        actor.last = actor.plan.once and node_class is None
        return actor

    def make_ready(self, actor: NodeActor) -> None:
        """Have a granted actor take a turn."""
        if actor.on_loop:
            self.dispatch.lane().offer(actor)
        else:
            self.ready.append(actor)

    def _refuse(self, actor: NodeActor, envelope: Envelope) -> None:
        """A mailbox has no room for a message: it waits outside, in the place of one of the same dedup key, if there is one."""
        older = self.credit.refuse(actor, envelope)
        if older is not None:
            self._end_older(older)

    def replaced(self, actor: NodeActor, envelope: Envelope) -> bool:
        """A newer message takes the place of an older one of the same dedup key, if there is one."""
        older = actor.mailbox.replace(envelope)
        if older is None:
            return False
        at_work = next((execution for execution in actor.executions.values() if execution.lease.envelope is older), None)
        if at_work is not None:
            at_work.tell_cancelled("replaced by a newer message")
        actor.backlog += 1  # if the older one was not at work this is a turn too many, which finds nothing and gives itself back
        self.grant(actor)
        self._end_older(older)
        return True

    def _end_older(self, older: Envelope) -> None:
        """The activation of a message that a newer one has replaced is over."""
        now = self.state.now
        self.inbox.append(lambda: self.step(Cancelled(Lease(older, 0, now, now), "replaced by a newer message", now, now)))

    def grant(self, actor: NodeActor) -> None:
        """Give an actor turns for what waits in its mailbox, as many as it may have."""
        while actor.backlog and actor.granted < actor.limit and not actor.blocked:
            actor.backlog -= 1
            actor.granted += 1
            self.make_ready(actor)

    def _give_back(self, actor: NodeActor) -> None:
        """A turn is over: its grant goes to the next message, if one waits."""
        if actor.backlog and not actor.blocked and actor.granted <= actor.limit:
            actor.backlog -= 1
            self.make_ready(actor)
        else:
            actor.granted -= 1

    # --- timeouts and cancelling -----------------------------------------------------------------------------------------------

    def arm_timeout(self, actor: NodeActor, execution: Execution, instant: int) -> Due:
        """Have the attempt end at `instant` if it has not by then."""
        return self.dispatch.at(instant, lambda: self.post(TimedOut(actor, execution)))

    def cancel(self, message: Stop) -> bool:
        """Cancel the run. From any thread. False if it is over or was cancelled before: what was asked before the end was
        decided counts."""
        with self.ending:
            if self.asked is not None or self.decided or self.ended:
                return False
            self.asked = message
        self.ask(self._stop_asked)
        return True

    def _stop_asked(self) -> None:
        if not self.ended and not self.state.cancel_asked:
            self.step(self.asked)

    # --- the end ---------------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        with self.ending:
            self.decided = True
        if self.asked is not None:
            self._stop_asked()
        lacking = [] if self.state.stopping else self._lacking()
        if lacking:
            self._broken(RunStalled(self.state.run_id, lacking))
            return
        finish(self.state)
        self._over()

    def _over(self) -> None:
        self.ended_at = self.now()
        self.ended = True
        for due in self.dues:
            due.cancel()
        self.state.tables.clear()
        self.state.prefixes.clear()

    def _lacking(self) -> list[str]:
        """What joins still wait for although nothing is left to run: a defect of ours if there is anything."""
        nodes, sinks = self.plan.nodes, self.plan.sinks
        waiting = ((sinks[index], keys) for index, keys in self.state.tables.items() if sinks[index].mode is not Mode.FORGET)
        return [f"{nodes[sink.node].name if sink.node >= 0 else 'a cycle'!r} waits under key {key}" for sink, keys in waiting for key in keys]

    def _broken(self, error: BaseException) -> None:
        """A defect of ours ends this run, and says so."""
        log.error("run %r broke; this is a defect of actorflow", self.state.run_id, exc_info=error)
        if self.ended:
            return
        state = self.state
        state.status = RunStatus.FAILED
        state.stopping = state.stopping or "broken"
        state.broken = error  # type: ignore[assignment]
        state.outstanding = 0
        state.intake = False
        self._over()
        for actor in list(self.actors.values()):
            for execution in list(actor.executions.values()):
                execution.tell_cancelled(state.stopping)
            actor.unpark()

    def _step_raised(self, error: BaseException) -> None:
        """A step was left half-way. If the user's KeyboardInterrupt did it, the run is cancelled at once and the interrupt goes
        on; else it is a defect of ours, or a condition raised what is no Exception."""
        if not isinstance(error, KeyboardInterrupt) or current_thread() is not main_thread():
            self._broken(error)
            return
        self._interrupt()
        self.dispatch.at(self.now(), self.farewell.say)
        raise error

    def _interrupt(self) -> None:
        if not self.ended:
            state = self.state
            state.stopping = state.reason = "interrupted"
            state.cancel_asked = True
            state.intake = False
            force(self)

    def abort(self) -> None:
        """Cancel the run at once, whatever state it is in: an interrupt came between two steps of ours."""
        self.inbox.appendleft(self._interrupt)
        self.rescue()

    def _inside(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Call a condition or an update of the user's: in the run's context, so that it cannot wait for its own run."""
        return self.variables.copy().run(function, argument)

    def let_go(self) -> None:
        """A run that is over is kept for its result: let go of everything else, also so that no cycle is left to the
        garbage collector. What is still ready has a last turn, in which generators are closed."""
        self.actors = {}
        self.variables = NO_VARIABLES
        self.credit.router = None  # type: ignore[assignment]
        self.state.inside = call
        self.parent = None

    # --- what others ask -------------------------------------------------------------------------------------------------------

    def tell_room(self) -> None:
        """There may be room for another send, or the run is over."""
        if self.intake is not None:
            self.intake.room.tell()

    def take(self, message: Send) -> None:
        """A send has arrived; in the router's turn."""
        if not self.ended:
            self.step(message)

    def again(self) -> None:
        """Have the inbox looked at."""
        self.ask(_nothing)

    def ask(self, message: Any) -> None:
        """As `post`, from a thread of the user's, which an interrupt may strike at any moment."""
        try:
            self.post(message)
        except KeyboardInterrupt:
            self.rescue()
            raise

    def rescue(self) -> None:
        """An interrupt has struck this thread. If it came right after the thread had taken the lock, nobody lets that go."""
        if self.lock.acquire(timeout=1.0):
            self.lock.release()
        else:
            self.lock = Lock()
        self.post(_nothing)

    def forked(self) -> None:
        """In the child of a fork: no thread, nor the handler that made the fork, goes on with this run."""
        self.lock = Lock()
        self.lock.acquire()
        self.ready.clear()

    def report(self, text: str, *details: Any) -> None:
        """An error of the user's code that nobody waits for."""
        log.exception(text, *details)

    def mapped(self, node: NodeDefinition, key: Key) -> Any:
        """The inputs of one activation of a node, from its references; copied like any payload."""
        state = self.state
        inputs = node.inputs.resolve(lambda name: referred_value(state, name, node.index, key), state.input, state.variables, node=node.name)
        return copy_payload(inputs) if self.copies else inputs


def _nothing() -> None:
    pass


RECEIVE: dict[type, Callable[[RouterActor, Any], None]] = {
    Completed: RouterActor._completed,
    Failed: RouterActor._outcome,
    Cancelled: RouterActor._outcome,
    Part: RouterActor._part,
    Suspended: RouterActor._suspended,
    Idle: RouterActor._idle,
    TimedOut: attempt_timed_out,
    Forced: force,
    Start: RouterActor._control,
    Send: RouterActor._control,
    Close: RouterActor._control,
}
