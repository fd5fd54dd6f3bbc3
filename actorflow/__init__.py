"""actorflow: an actor-model, message-driven workflow engine that runs inside your process."""

from actorflow.core import NodeStatus, RunStatus
from actorflow.definition.context import Context
from actorflow.definition.handles import Connection, Node
from actorflow.definition.model import Collect, Definition, Problem
from actorflow.engine import Engine, wait_all
from actorflow.errors import (
    ActorflowError,
    Cancelled,
    ConditionSyntaxError,
    EngineForked,
    EngineStopped,
    InvalidWorkflow,
    MailboxFull,
    NodeTimedOut,
    PayloadError,
    RunCancelled,
    RunExists,
    RunFailed,
    RunStalled,
    RunTimedOut,
    SlotConflict,
    StillRunning,
    TooManyPasses,
    UnknownNode,
    UnroutedValue,
    WorkerLost,
    WouldDeadlock,
    WrongState,
)
from actorflow.messages import NOTHING, Emit, Emits, Failure, Message
from actorflow.messaging.dead_letters import DeadLetter
from actorflow.policies import Mailbox, Timeouts
from actorflow.run import Run
from actorflow.streams import ConditionFault, NodeSnapshot, RunResult, RunSnapshot
from actorflow.workflow import Workflow

__version__ = "0.1.0"

__all__ = [
    "NOTHING",
    "ActorflowError",
    "Cancelled",
    "Collect",
    "ConditionFault",
    "ConditionSyntaxError",
    "Connection",
    "Context",
    "DeadLetter",
    "Definition",
    "Emit",
    "Emits",
    "Engine",
    "EngineForked",
    "EngineStopped",
    "Failure",
    "InvalidWorkflow",
    "Mailbox",
    "MailboxFull",
    "Message",
    "Node",
    "NodeSnapshot",
    "NodeStatus",
    "NodeTimedOut",
    "PayloadError",
    "Problem",
    "Run",
    "RunCancelled",
    "RunExists",
    "RunFailed",
    "RunResult",
    "RunSnapshot",
    "RunStalled",
    "RunStatus",
    "RunTimedOut",
    "SlotConflict",
    "StillRunning",
    "Timeouts",
    "TooManyPasses",
    "UnknownNode",
    "UnroutedValue",
    "WorkerLost",
    "Workflow",
    "WouldDeadlock",
    "WrongState",
    "__version__",
    "wait_all",
]
