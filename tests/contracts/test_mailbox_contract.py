"""Every mailbox of ours keeps the contract."""

import pytest

pytest.register_assert_rewrite("tests.contracts.mailbox_contract")

from actorflow.messaging import Inbox, RingMailbox  # noqa: E402
from tests.contracts.mailbox_contract import MailboxContract  # noqa: E402


class TestRingMailbox(MailboxContract):
    def make(self, capacity, lease, max_redeliveries) -> Inbox:
        return RingMailbox(capacity, lease, max_redeliveries)
