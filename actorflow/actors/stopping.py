"""Attempts that end before their handlers do: at their timeout, or because the run is to end. In the router's turn.

A handler on a loop is cancelled. One on a thread cannot be stopped: its attempt is over all the same, what it still does counts
for nothing, and its worker is replaced. So many of a node's handlers may be left behind in this way while the node goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorflow.actors.attempts import Execution, Forced, TimedOut
from actorflow.clock import NANOSECONDS, seconds
from actorflow.errors import NodeTimedOut
from actorflow.messages import Failed

if TYPE_CHECKING:
    from actorflow.actors.node import NodeActor
    from actorflow.actors.router import RouterActor

__all__ = ["attempt_timed_out", "force", "stop_work"]

MAX_ABANDONED = 4
GRACE = seconds(1.0)
"""How long a cancelled run waits for handlers that are at work before it ends without them."""


def attempt_timed_out(router: RouterActor, message: TimedOut) -> None:
    """An attempt ends at its limit, not after its work; what it still does counts for nothing."""
    actor, execution = message.actor, message.execution
    lease = execution.lease
    if router.ended or router.state.stopping or not actor.mailbox.ack(lease):
        return
    error = NodeTimedOut(actor.node.name, actor.timeout / NANOSECONDS)
    execution.tell_cancelled(str(error))
    _abandon(router, actor, execution)
    router.step(Failed(lease, error, lease.taken_at, router.now(), execution.parts))
    if actor.full:
        router.credit.made_room(actor)
    router.after()


def _abandon(router: RouterActor, actor: NodeActor, execution: Execution) -> None:
    """A handler on a thread cannot be stopped: another turn may be had meanwhile, and another worker."""
    if execution.cancel is not None:
        router.dispatch.at(router.now() + GRACE, lambda: router.post(lambda: _look_again(router, actor, execution)))
    elif execution.stream is None or execution.stream.at_work:
        router.dispatch.abandon(execution.worker)
        _give_up(router, actor, execution)


def _give_up(router: RouterActor, actor: NodeActor, execution: Execution) -> None:
    """A handler goes on although its attempt is over: it is counted, and its node may have another turn meanwhile."""
    router.state.record(actor.plan.index).abandoned += 1
    if len(actor.lost) < MAX_ABANDONED:
        actor.lost.add(execution.lease.token)
        actor.limit += 1
        router.grant(actor)


def _look_again(router: RouterActor, actor: NodeActor, execution: Execution) -> None:
    """A handler on a loop was cancelled some time ago: if it does not care, it is given up like one on a thread."""
    if not router.ended and execution.lease.token in actor.executions:
        _give_up(router, actor, execution)


def stop_work(router: RouterActor) -> None:
    """The run is to end: what is queued will not run, what is at work is told; it has a moment to end by itself."""
    router.forced = True
    state = router.state
    refused = list(router.credit.refused)
    router.credit.refused.clear()
    router.take_back(refused)
    for actor in list(router.actors.values()):
        mailbox = actor.mailbox
        router.take_back(mailbox.clear_ready())
        actor.backlog = 0
        for execution in list(actor.executions.values()):
            execution.tell_cancelled(state.stopping)
        actor.unpark()
    state.intake = False
    if state.timed_out:
        router.inbox.append(Forced())
    elif state.outstanding:
        router.dues.append(router.dispatch.at(router.now() + GRACE, lambda: router.post(Forced())))


def force(router: RouterActor, message: Forced | None = None) -> None:
    """The grace is over: the run ends without what is still at work."""
    if router.ended:
        return
    for actor in list(router.actors.values()):
        _leave_behind(router, actor)
        actor.unpark()
        for envelope in actor.mailbox.clear():
            record = router.state.record(envelope.node)
            record.waiting -= 1
            record.cancelled += 1
            router.log.append(("cancelled", envelope.node, envelope.key, envelope.attempt, router.now(), router.state.stopping))
    router.state.outstanding = 0
    router.end()


def _leave_behind(router: RouterActor, actor: NodeActor) -> None:
    """Workers that are still in a handler of this node leave the pool, which may have others."""
    at_work = {kept.lease.holder for kept in actor.mailbox.snapshot() if kept.lease is not None}
    at_work.update(execution.worker for execution in actor.executions.values() if execution.stream is None or execution.stream.at_work)
    for worker in at_work:
        if getattr(worker, "actor", None) is actor:
            router.dispatch.abandon(worker)
            router.state.record(actor.plan.index).abandoned += 1
