"""The size of a mailbox and what it does with messages nobody acknowledges. Not here: a mailbox (`messaging`)."""

from __future__ import annotations

from msgspec import Struct

from actorflow.clock import seconds

__all__ = ["Mailbox"]


class Mailbox(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Room for `capacity` messages, waiting and at work together. A message at work is lent for `lease` seconds, renewed
    while its handler lives; one whose handler is lost is delivered again, `max_redeliveries` times at most, and is then
    dead-lettered (0: at once)."""

    capacity: int = 1000
    lease: float = 30.0
    max_redeliveries: int = 3

    def __post_init__(self) -> None:
        _check_whole("capacity", self.capacity, 1, "a mailbox needs room for a message; leave it out for 1000")
        _check_whole("max_redeliveries", self.max_redeliveries, 0, "0 delivers a message once and never again; leave it out for 3")
        if isinstance(self.lease, bool) or not isinstance(self.lease, int | float):
            raise TypeError(f"lease of Mailbox must be a number of seconds, not {self.lease!r}")
        if not 0 < self.lease < float("inf") or seconds(self.lease) < 1:
            raise ValueError(f"lease of Mailbox must be a finite number of seconds above 0, not {self.lease!r}; leave it out for 30.0")


def _check_whole(name: str, value: int, least: int, help: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} of Mailbox must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} of Mailbox must be at least {least}, not {value}; {help}")
