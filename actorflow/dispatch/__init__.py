"""Who gives actors their turns: threads on demand, event loops, due times. Not here: what a turn does."""

from actorflow.dispatch.due import DueCall, DueCalls
from actorflow.dispatch.event_loop import LoopLane, LoopThread
from actorflow.dispatch.port import Dispatch, Due, Lane, Turns
from actorflow.dispatch.workers import Helper, Threads

__all__ = ["Dispatch", "Due", "DueCall", "DueCalls", "Helper", "Lane", "LoopLane", "LoopThread", "Threads", "Turns"]
