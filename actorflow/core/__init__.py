"""The pure core: what advances a run. No threads, no clock, no randomness, no I/O: everything comes in as an argument."""

from actorflow.core.run_state import NodeRecord, RunState
from actorflow.core.status import NodeStatus, RunStatus
from actorflow.core.step import step

__all__ = ["NodeRecord", "NodeStatus", "RunState", "RunStatus", "step"]
