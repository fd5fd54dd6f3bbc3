"""What can be seen of a run: snapshots and results. Not here: what it does."""

from actorflow.streams.snapshots import ConditionFault, NodeSnapshot, RunResult, RunSnapshot

__all__ = ["ConditionFault", "NodeSnapshot", "RunResult", "RunSnapshot"]
