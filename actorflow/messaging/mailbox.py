"""What every mailbox promises. Not here: how one is built (`ring`), who is woken when a message comes (`dispatch`).

A message is ready (visible, or not yet), then leased, then gone: acknowledged, removed, superseded or dead. It takes up
one of `capacity` places from offer to end, so a slow handler makes a mailbox full, never lossy.
A lease is current until it is acknowledged, released, expired, removed or superseded; only then may the message be lent
again, under a new and higher token. Every verb that takes a lease does nothing and returns False once it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from msgspec import Struct

from actorflow.messages import Envelope, Lease

__all__ = ["Expired", "Inbox", "Kept"]


class Expired(Struct, frozen=True, eq=False):
    """The leases that `expire` has ended: of messages to be delivered again, and of those that were delivered as often as
    they may be and have left the mailbox (`dead[i].envelope` is to be dead-lettered). Both by token."""

    returned: tuple[Lease, ...] = ()
    dead: tuple[Lease, ...] = ()


class Kept(Struct, frozen=True, eq=False):
    """A message as `snapshot` found it. `lease` is a copy of its lease, no longer good for any verb; None: it was ready."""

    envelope: Envelope
    lease: Lease | None = None

    @property
    def leased(self) -> bool:
        """Whether it was lent at that moment."""
        return self.lease is not None


class Inbox(Protocol):
    """A bounded queue that lends its messages. Every method may be called from any thread, and none blocks or waits.

    Instants are monotonic nanoseconds given by the caller; a mailbox reads no clock. Where two threads give instants out
    of order, a message that was visible once stays so. Payloads are never looked into; of envelopes only `id`,
    `visible_at`, `attempt` and `dedup` are read, and none is ever changed: a message given back is a new Envelope with
    the same id, payload and `offered_at`. Ids are taken to be unique among the messages of a mailbox."""

    @property
    def capacity(self) -> int:
        """The most messages it holds, ready and leased together."""

    @property
    def count(self) -> int:
        """The messages it holds, ready and leased together; `len` gives the same."""

    @property
    def ready(self) -> int:
        """The messages that wait, those not visible yet included."""

    @property
    def leased(self) -> int:
        """The messages that are lent at this moment."""

    def __len__(self) -> int: ...

    def offer(self, envelope: Envelope) -> bool:
        """Queue a message, to be lent from its `visible_at` on (0: at once). False if full, and then nothing has changed.
        ValueError if a message with the same `dedup` is in the mailbox: `replace` is the verb for that."""

    def replace(self, envelope: Envelope) -> Envelope | None:
        """Put a message in the place of the one with the same `dedup`, in one step and however full the mailbox is.

        The older one is returned, never to be lent again; if it was leased, its lease has ended. The newer one queues as
        if offered now. None, changing nothing, if no message here has that key. ValueError if `dedup` is None or blank."""

    def lease(self, now: int, holder: Any = None, types: tuple[type, ...] | None = None) -> Lease | None:
        """Lend the oldest message that is visible at `now`, None if there is none. Oldest is by offer: a message given
        back, or visible late, goes before all that were offered after it.

        `holder` is any object whose life `expire` can ask about (None: nobody vouches for the lease). `types` restricts
        to payloads of exactly these types, subclasses not included. The lease expires the mailbox's lease duration after
        `now`; its token is higher than every earlier one. ValueError if `types` is empty or `holder` a blank text."""

    def ack(self, lease: Lease) -> bool:
        """The message is done: it leaves, its place is free. True once, for a current lease; else False, changing nothing.

        Time alone does not end a lease. One that is past `expires_at` and was not expired yet is still current, as
        nobody else can have got the message; hence no instant is asked for here."""

    def renew(self, lease: Lease, now: int) -> bool:
        """Set a current lease's `expires_at` to the lease duration after `now`, and count it in `renewals`. Else False.

        Works past `expires_at` as well, until expired: a keeper that was late renews for live holders first (S7)."""

    def release(self, lease: Lease, *, visible_at: int, count: bool = True) -> bool:
        """Give a message back, to be lent again from `visible_at` on (0: at once). Else False, changing nothing.

        Its `attempt` becomes one higher; with `count=False` it stays (graceful stop, pause, full target, open circuit).
        How often is the retry policy's decision, not the mailbox's: `max_redeliveries` bounds what `expire` and
        `restore` give back."""

    def expire(self, now: int, alive: Callable[[Any], bool] | None = None) -> Expired:
        """End every lease with `expires_at <= now` whose holder is not alive (None: no holder is).

        Each message becomes visible again at `now` plus the redelivery delay times its redeliveries so far, at most the
        cap, with `attempt` one higher; if `max_redeliveries` are used up, it leaves and is among the `dead`.
        `alive` is called outside every lock of the mailbox; a lease that is renewed or ends meanwhile is left alone."""

    def holds(self, lease: Lease) -> bool:
        """Whether the lease is current."""

    def remove(self, id: int) -> bool:
        """Take out the message with this envelope id, ready or leased (its lease has then ended). False if unknown."""

    def clear(self) -> list[Envelope]:
        """Take out everything, oldest first; every lease has then ended. Tokens go on from where they are."""

    def clear_ready(self) -> list[Envelope]:
        """Throw away what is not leased, in no order; leases go on."""

    def leases(self) -> list[Lease]:
        """The current leases, in no order."""

    def next_visible(self) -> int | None:
        """The earliest instant at which `lease` finds something: 0 if it does already, None if nothing is ready."""

    def next_expiry(self) -> int | None:
        """The earliest `expires_at` of all current leases, None if there are none."""

    def snapshot(self) -> tuple[Kept, ...]:
        """All messages, oldest first, as of one moment."""

    def restore(self, records: Iterable[Kept]) -> tuple[Envelope, ...]:
        """Fill an empty mailbox from a snapshot, in its order. What was leased is ready again, with `attempt` one higher, as
        leases of an earlier life are void; those with no redelivery left stay out and are returned, to be
        dead-lettered. `visible_at` must be of the present clock. ValueError, changing nothing, if the mailbox is not
        empty, if there are more records than places, or if two have the same `dedup`."""
