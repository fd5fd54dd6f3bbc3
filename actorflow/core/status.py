"""The statuses of nodes and runs, and which may follow which."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["NodeStatus", "RunStatus", "may_follow"]


class RunStatus(StrEnum):
    """Where a run is in its life."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more can happen."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class NodeStatus(StrEnum):
    """What has become of a node in a run so far."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


FOLLOWS = {
    RunStatus.PENDING: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset({RunStatus.PAUSED, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.PAUSED: frozenset({RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.COMPLETED: frozenset[RunStatus](),
    RunStatus.FAILED: frozenset[RunStatus](),
    RunStatus.CANCELLED: frozenset[RunStatus](),
}


def may_follow(before: RunStatus, after: RunStatus) -> bool:
    """Whether a run may go from one status to the other."""
    return after in FOLLOWS[before]
