"""The lease keeper: one pass over the live leases of all runs per interval, so that nothing is armed for a single lease.

A lease whose holder lives is renewed, whatever its handler does; one whose holder is gone is ended when its time is over.
If the keeper itself comes late by more than an interval (the process was stopped, or starved), holders had no chance either:
that pass only renews. What becomes of a lost lease is the run's affair."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from actorflow.clock import seconds

if TYPE_CHECKING:
    from actorflow.dispatch.port import Dispatch, Due

__all__ = ["INTERVAL", "LeaseKeeper", "Leases"]

INTERVAL = seconds(10.0)
"""Nanoseconds between two passes: a third of the default lease."""


class Leases(Protocol):
    """A run, as the keeper sees it."""

    def keep_leases(self, reap: bool) -> None:
        """Renew the leases of living holders; with `reap`, end the expired ones of others. Returns at once."""


class LeaseKeeper:
    """Keeps the leases of the runs it was told to watch."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._runs: set[Leases] = set()
        self._lock = threading.Lock()
        self._due: Due | None = None
        self._expected = 0

    def watch(self, run: Leases) -> None:
        """Keep this run's leases until `forget`."""
        with self._lock:
            self._runs.add(run)
            if self._due is None:
                self._arm()

    def forget(self, run: Leases) -> None:
        """The run is over."""
        with self._lock:
            self._runs.discard(run)

    def _arm(self) -> None:
        self._expected = self._dispatch.now() + INTERVAL
        self._due = self._dispatch.at(self._expected, self._pass, idle=True)

    def _pass(self) -> None:
        with self._lock:
            runs = list(self._runs)
            in_time = self._dispatch.now() - self._expected <= INTERVAL
            self._due = None
            if runs:
                self._arm()
        for run in runs:
            run.keep_leases(reap=in_time)
