"""The door of an open run: sends come in while there is room, until it is closed. From any thread.

Not here: what a send causes (`core.control`), how a sender waits (`run`, `dispatch.news`). A send is claimed first, which
takes its place in the mailbox into account, and is then on its way in the router's inbox: so there are never more of them
under way than there is room for."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from actorflow.core.control import Close, Send
from actorflow.dispatch.news import News
from actorflow.policies import Mailbox

if TYPE_CHECKING:
    from actorflow.actors.router import RouterActor

__all__ = ["Intake"]


class Intake:
    """The sends to one run. `room` is told when there may be room for another, or the run was closed."""

    __slots__ = ("_lock", "_router", "_sending", "closed", "room")

    def __init__(self, router: RouterActor) -> None:
        self.closed = False
        self.room = News()
        self._router = router
        self._sending: dict[int, int] = {}
        self._lock = Lock()

    def claim(self, message: Send) -> bool:
        """Take a send if there is room for it; `RouterActor.again` then brings it on its way. Raises LookupError if the run
        takes no more."""
        router, node = self._router, message.node
        with self._lock:
            if self.closed or router.ended or not router.state.intake:
                raise LookupError
            sending = self._sending.get(node, 0)
            actor = router.actors.get(node)
            if actor is None:
                mailbox = router.definition.nodes[node].options.mailbox or Mailbox()
                room = sending < mailbox.capacity
            else:
                room = not actor.full and actor.mailbox.count + sending < actor.mailbox.capacity
            if room:
                self._sending[node] = sending + 1
                router.inbox.append(lambda: self._sent(message))
            return room

    def _sent(self, message: Send) -> None:
        """In the router's turn: the send is no longer under way, its message is in the mailbox."""
        self._router.take(message)
        with self._lock:
            self._sending[message.node] -= 1
        self.room.tell()

    def close(self) -> None:
        """The run takes no more sends."""
        router = self._router
        with self._lock:
            if self.closed or router.ended or not router.state.intake:
                return
            self.closed = True
            router.inbox.append(Close())
        router.again()
        self.room.tell()
