"""What follows the end of a run: instances of class nodes are stopped, and who asked is told, once each.

`on_stop` is user code, so a worker does it, where the thread that ended the run must not run any."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actorflow.actors.router import RouterActor

__all__ = ["Farewell"]


class Farewell:
    """The end of one run. `said`: everybody was told. To a dispatcher it is one turn, with nothing to come after it."""

    __slots__ = ("_calls", "_lock", "_router", "_speaker", "said")
    ready = (True,)

    def __init__(self, router: RouterActor) -> None:
        self.said = False
        self._speaker: object | None = None
        self._router = router
        self._calls: list[Callable[[], None]] = []
        self._lock = Lock()

    def tell(self, call: Callable[[], None]) -> None:
        """Call this once the run is over, or now if it is. The call must be quick."""
        with self._lock:
            if not self.said:
                self._calls.append(call)
                return
        call()

    def tell_no_more(self, call: Callable[[], None]) -> None:
        """Take back what `tell` was told; no effect if it was called."""
        with self._lock, suppress(ValueError):
            self._calls.remove(call)

    def say(self, *, hooks: bool = True) -> None:
        """Stop the instances of class nodes, then call who asked to be. From any thread, any number of times. Without
        `hooks` nobody is left who could run `on_stop`."""
        router = self._router
        actors = [actor for actor in router.actors.values() if actor.instance is not None and hooks]
        if actors and not router.dispatch.runs_user_code():
            router.dispatch.schedule(self)
            return
        me = object()
        try:
            with self._lock:
                if self._speaker is None:
                    self._speaker = me
            if self._speaker is not me:
                return
            for actor in actors:
                actor.stop_instance()
            router.let_go()
            self._call_all()
        except BaseException:  # interrupted: the keeper goes on
            if self._speaker is me:
                self._speaker = None
            router.dispatch.at(router.now(), self.say)
            raise

    def work(self, worker: Any) -> None:
        """A worker's turn."""
        self.say()

    def _call_all(self) -> None:
        """One by one, also those that come meanwhile. Each is taken out after its call, so that an interrupt loses none."""
        while True:
            with self._lock:
                if not self._calls:
                    self.said = True
                    return
                call = self._calls[0]
            try:
                call()
            except Exception:
                self._router.report("a callback at the end of run %r raised", self._router.state.run_id)
            self.tell_no_more(call)
