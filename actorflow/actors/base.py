"""LeasedActor: a pykka.Actor whose inbox is ours and whose turns are given by a dispatcher. Not here: what an actor does.

pykka's own loop never runs: there an exception kills the actor and loses its queue, and a BaseException stops every actor of
the process. What `tell`, `ask`, `stop` and proxies put into the inbox are control messages: they are handled at the
beginning of the next turn, before any work. `actor_urn`, `actor_stopped` and `_actor_ref` are made when first asked for,
because most actors never are; the actor is not in pykka's registry, so `ActorRegistry.stop_all` does not reach it."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import pykka
from pykka._envelope import Envelope as Control

__all__ = ["LeasedActor"]

log = logging.getLogger("actorflow.actors")
T = TypeVar("T")


class Inbox:
    """What pykka sees as an actor's inbox."""

    __slots__ = ("actor",)

    def __init__(self, actor: LeasedActor) -> None:
        self.actor = actor

    def put(self, envelope: Control[Any], /) -> None:
        """Take a control message and have the actor given a turn."""
        self.actor.controls.append(envelope)
        self.actor.wake()

    def get(self) -> Control[Any]:
        """The oldest control message; pykka's loop would call this."""
        return self.actor.controls.popleft()

    def empty(self) -> bool:
        """Whether no control message waits."""
        return not self.actor.controls


class LeasedActor(pykka.Actor):
    """Base of the router and node actors. Subclasses give `wake`, and call `handle_controls` when they have a turn."""

    def __init__(self) -> None:
        """Deliberately without pykka's own: see the module's opening."""

    @property
    def controls(self) -> deque[Control[Any]]:
        """Control messages that wait for the next turn."""
        return self._made("controls", deque)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """A unique name, as pykka has it."""
        return self._made("urn", lambda: uuid.uuid4().urn)

    @property
    def actor_inbox(self) -> Inbox:  # type: ignore[override]
        """The inbox as pykka sees it."""
        return Inbox(self)

    @property
    def actor_stopped(self) -> threading.Event:  # type: ignore[override]
        """Set once the actor was told to stop."""
        return self._made("stopped", threading.Event)

    @property
    def _actor_ref(self) -> pykka.ActorRef[Any]:  # type: ignore[override]
        return self._made("ref", lambda: pykka.ActorRef(self))

    def _made(self, name: str, make: Callable[[], T]) -> T:
        """What is made when it is first asked for; the same for all threads."""
        made = self.__dict__.get(name)
        if made is None:
            made = self.__dict__.setdefault(name, make())
        return made  # type: ignore[no-any-return]

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    @staticmethod
    def _create_actor_inbox() -> Any:
        raise AssertionError("a LeasedActor brings its own inbox")

    def _start_actor_loop(self) -> None:
        raise AssertionError("a LeasedActor is given its turns by a dispatcher")

    def _stop(self) -> None:
        self.actor_stopped.set()
        self.on_stop()

    def wake(self) -> None:
        """See to it that the actor gets a turn soon."""
        raise NotImplementedError

    def handle_controls(self) -> None:
        """Handle what `tell`, `ask`, `stop` and proxies have sent. Never raises: an error goes to whoever asked, or to the log."""
        controls = self.__dict__.get("controls")
        while controls:
            envelope = controls.popleft()
            try:
                response = self._handle_receive(envelope.message)
            except BaseException as error:
                if envelope.reply_to is not None:
                    envelope.reply_to.set_exception((type(error), error, error.__traceback__))
                else:
                    log.exception("a control message failed in %s", type(self).__name__)
            else:
                if envelope.reply_to is not None:
                    envelope.reply_to.set(response)
