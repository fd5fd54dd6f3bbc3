"""What an engine must learn of its process: that it was forked, and that it is about to end without the engine having been
stopped. Not here: what the engine does then.

At exit all engines together get EXIT_S seconds, whatever their handlers do. After a fork the child's engines are told before
anything else runs there."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol

from actorflow.clock import NANOSECONDS, SystemClock, seconds

__all__ = ["Member", "join"]

EXIT_S = 1.5


class Member(Protocol):
    """An engine, as its process sees it."""

    def _process_exits(self) -> None:
        """The interpreter is about to end: make no thread any more, tell handlers. Returns at once."""

    def _process_ends(self, timeout: float) -> None:
        """End what can end within so many seconds."""

    def _process_forked(self) -> None:
        """This is the child of a fork: the engine belongs to the parent."""


_MEMBERS: weakref.WeakSet[Member] = weakref.WeakSet()


def join(member: Member) -> None:
    """Have this one told. It may be garbage at any time."""
    _MEMBERS.add(member)


def _exit() -> None:
    members = list(_MEMBERS)
    for member in members:
        member._process_exits()
    end = SystemClock.now() + seconds(EXIT_S)
    for member in members:
        member._process_ends(max(0.0, (end - SystemClock.now()) / NANOSECONDS))


def _forked() -> None:
    for member in list(_MEMBERS):
        member._process_forked()


atexit.register(_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
