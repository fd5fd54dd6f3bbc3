"""Policies: frozen settings, checked when they are made. What changes while a run goes on is elsewhere."""

from actorflow.policies.mailbox import Mailbox
from actorflow.policies.timeouts import Timeouts

__all__ = ["Mailbox", "Timeouts"]
