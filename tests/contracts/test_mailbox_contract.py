"""Every mailbox of ours keeps the contract."""

import pytest

pytest.register_assert_rewrite("actorflow.testing.contracts")

from actorflow.messaging import Inbox, RingMailbox  # noqa: E402
from actorflow.testing.contracts import MailboxContract  # noqa: E402


class TestRingMailbox(MailboxContract):
    def make(self, capacity, lease, max_redeliveries) -> Inbox:
        return RingMailbox(capacity, lease, max_redeliveries)
