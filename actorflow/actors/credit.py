"""Credit: a node whose target has no room left gets no turns until it has. Owned by the router, under its lock.

Nothing waits for room inside a run, so a cycle cannot block itself: what a full mailbox refused is kept here, its senders
are not granted turns, and when nothing of the run can move but for that, the first of them is, all the same, which is
counted. Sources: credit-based flow control, Kung and Chapman 1993."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from actorflow.messages import Envelope

if TYPE_CHECKING:
    from actorflow.actors.node import NodeActor
    from actorflow.actors.router import RouterActor

__all__ = ["Credit"]


class Credit:
    """What full mailboxes refused, and who waits for room. `full` counts nodes without room, `relieved` how often a sender
    went on without it."""

    __slots__ = ("full", "refused", "relieved", "router")

    def __init__(self, router: RouterActor) -> None:
        self.router = router
        self.refused: deque[Envelope] = deque()
        self.full = 0
        self.relieved = 0

    def refuse(self, actor: NodeActor, envelope: Envelope) -> Envelope | None:
        """A mailbox had no room for this envelope: its senders wait from now on. It takes the place of one that waits here
        with its dedup key, which is returned."""
        if envelope.dedup is not None:
            for position, held in enumerate(self.refused):
                if held.node == envelope.node and held.dedup == envelope.dedup:
                    self.refused[position] = envelope
                    return held
        self.refused.append(envelope)
        if not actor.full:
            actor.full = True
            self.full += 1
            for source in self._sources(actor):
                source.blocked += 1
        return None

    def blocks_of(self, actor: NodeActor) -> int:
        """How many targets of a new actor have no room."""
        return sum(1 for target in self._targets(actor) if target.full)

    def made_room(self, actor: NodeActor) -> None:
        """A message has left a full mailbox: what was refused goes first, then whoever waited may go on."""
        node = actor.plan.index
        for _ in range(len(self.refused)):
            envelope = self.refused.popleft()
            if envelope.node == node and envelope.dedup is not None and self.router.replaced(actor, envelope):
                continue
            if envelope.node == node and actor.mailbox.offer(envelope):
                actor.backlog += 1
                self.router.grant(actor)
            else:
                self.refused.append(envelope)
        if actor.mailbox.count * 2 > actor.mailbox.capacity or any(envelope.node == node for envelope in self.refused):
            return
        actor.full = False
        self.full -= 1
        for source in self._sources(actor):
            source.blocked -= 1
            if not source.blocked:
                source.unpark()
                self.router.grant(source)

    def relieve(self) -> None:
        """If nothing can move but for credit: let the first that waits for it go on."""
        actors = self.router.actors.values()
        if any(actor.granted > len(actor.parked or ()) for actor in actors):
            return
        for actor in actors:
            if actor.blocked and actor.parked:
                self.relieved += 1
                actor.parked.pop(0)()
                return
            if actor.blocked and actor.backlog and actor.granted < actor.limit:
                self.relieved += 1
                actor.backlog -= 1
                actor.granted += 1
                self.router.make_ready(actor)
                return

    def _targets(self, actor: NodeActor) -> list[NodeActor]:
        routes = (*actor.plan.routes, *actor.plan.fail_only)
        actors = self.router.actors
        return [actors[target] for target in {route.target for route in routes if route.back is None} if target in actors]

    def _sources(self, actor: NodeActor) -> list[NodeActor]:
        return [source for source in self.router.actors.values() if actor in self._targets(source)]
