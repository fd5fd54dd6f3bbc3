"""How messages are kept: the mailbox contract and the ring that keeps it."""

from actorflow.messaging.mailbox import Expired, Inbox, Kept
from actorflow.messaging.ring import RingMailbox

__all__ = ["Expired", "Inbox", "Kept", "RingMailbox"]
