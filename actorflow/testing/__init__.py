"""For tests of workflows and of parts of one's own: a clock that stands still, an engine in virtual time, and the contract
every mailbox keeps (`MailboxContract`, which needs pytest and is loaded when asked for)."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from actorflow.testing.clock import ManualClock
from actorflow.testing.simulated import SimulatedEngine, explore

if _TYPE_CHECKING:
    from actorflow.testing.contracts import MailboxContract

__all__ = ["MailboxContract", "ManualClock", "SimulatedEngine", "explore"]


def __getattr__(name: str) -> object:
    if name == "MailboxContract":
        from actorflow.testing.contracts import MailboxContract

        return MailboxContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
