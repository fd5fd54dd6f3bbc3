"""Leases whose holder is gone: their messages come back, or are given up. Called in the router's turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorflow.errors import WorkerLost
from actorflow.messages import Failed, Lease

if TYPE_CHECKING:
    from actorflow.actors.node import NodeActor
    from actorflow.actors.router import RouterActor

__all__ = ["keep_leases"]


def keep_leases(router: RouterActor, reap: bool) -> None:
    """Renew what living holders hold. With `reap`: what others held comes back after a delay, with one attempt more; if its
    redeliveries are used up it is a dead letter, and its activation has failed."""
    now = router.now()
    for actor in list(router.actors.values()):
        mailbox = actor.mailbox
        if not mailbox.leased:
            continue
        for lease in mailbox.leases():
            if _alive(lease.holder):
                mailbox.renew(lease, now)
        if not reap:
            continue
        expired = mailbox.expire(now, _alive)
        for lease in expired.returned:
            _come_back(router, actor, lease)
        for lease in expired.dead:
            _give_up(router, actor, lease, now)


def _alive(holder: Any) -> bool:
    return holder is not None and bool(holder.alive())


def _come_back(router: RouterActor, actor: NodeActor, lease: Lease) -> None:
    """The message is in the mailbox again, visible later; the grant of the lost turn is taken back."""
    actor.executions.pop(lease.token, None)
    actor.granted -= 1

    def visible() -> None:
        actor.backlog += 1
        router.grant(actor)

    kept = next(kept for kept in actor.mailbox.snapshot() if kept.envelope.id == lease.envelope.id)
    router.dues.append(router.dispatch.at(kept.envelope.visible_at, lambda: router.post(visible)))


def _give_up(router: RouterActor, actor: NodeActor, lease: Lease, now: int) -> None:
    envelope = lease.envelope
    actor.executions.pop(lease.token, None)
    actor.granted -= 1
    name = actor.node.name
    error = WorkerLost(f"node {name!r}: whoever ran its handler was lost in each of {envelope.attempt} attempts")
    router.letters.put(router.state.run_id, name, envelope, "redeliveries exhausted")
    router.take_outcome(Failed(lease, error, lease.taken_at, now))
