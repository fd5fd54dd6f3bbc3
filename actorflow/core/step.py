"""The one function that advances a run: a table from message type to the function that knows what it means.

After a step the run is consistent: every skip has travelled as far as it goes, every join that can settle has. What is to be
sent stands in `state.sends`, what has happened in `state.log`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from actorflow.core import control, outcomes
from actorflow.core.run_state import RunState
from actorflow.core.settle import settle
from actorflow.messages import Cancelled, Completed, Failed, Part

__all__ = ["step"]

STEPS: Mapping[type, Callable[[RunState, Any], None]] = MappingProxyType(
    {
        Completed: outcomes.completed,
        Failed: outcomes.failed,
        Cancelled: outcomes.cancelled,
        Part: outcomes.part,
        control.Start: control.start,
        control.Send: control.send,
        control.Close: control.close,
        control.Stop: control.stop,
    }
)


def step(state: RunState, message: Any, now: int) -> None:
    """Advance the run by one message."""
    state.now = now
    STEPS[type(message)](state, message)
    if state.dead or state.due:
        settle(state)
