"""Which connections a value takes: type filter, port, condition. Not here: where it then goes (`joins`, `cycles`).

A port is looked at before a condition, so that a condition is asked only about values that are meant for its port. A
condition that cannot be answered is no match, and a fault on record."""

from __future__ import annotations

from types import CoroutineType
from typing import Any

from msgspec import Struct

from actorflow.core.run_state import RunState
from actorflow.definition.expression import Condition, ConditionFault
from actorflow.definition.plan import NodePlan, Route
from actorflow.messages import NOTHING, Emit, Emits, Key, Message

__all__ = ["Facts", "RunFacts", "emissions", "facts_of", "takes"]


class RunFacts(Struct, frozen=True):
    """What a condition sees under `run`."""

    id: str
    workflow: str
    version: str
    input: Any
    tags: Any
    status: str


class Facts:
    """The roots of a condition beside `output`. Built only for activations whose node has filtered connections. `error` is
    not set, so absent for conditions, where nothing failed; its `status`, where the exception has none."""

    __slots__ = ("_state", "error", "input", "key")

    def __init__(self, state: RunState, input: Any, key: Key, error: dict[str, Any] | None = None) -> None:
        self._state = state
        self.input = input
        self.key = key
        if error is not None:
            self.error = error

    @property
    def variables(self) -> dict[str, Any]:
        """The run's variables at this moment."""
        return self._state.variables

    @property
    def run(self) -> RunFacts:
        """The run itself."""
        state = self._state
        definition = state.plan.definition
        return RunFacts(state.run_id, definition.name, definition.version, state.input, state.tags, str(state.status))


def facts_of(state: RunState, payload: Any, key: Key, error: BaseException | None = None) -> Facts:
    """The facts for conditions on what an activation with this payload sends, or on its failure."""
    if error is None:
        return Facts(state, payload, key)
    about: dict[str, Any] = {"type": type_name(error), "message": message_of(error)}
    status = _status_of(error)
    if status is not None:
        about["status"] = status
    return Facts(state, payload, key, about)


def _status_of(error: BaseException) -> int | str | None:
    """The status an exception carries, as those of HTTP clients do; they are code of users and may raise."""
    for name in ("status_code", "status", "code"):
        try:
            status = getattr(error, name, None)
        except Exception:
            continue
        if isinstance(status, int | str):
            return status
    return None


def type_name(error: BaseException) -> str:
    """The class name of an exception, qualified if it is not built in."""
    cls = type(error)
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def message_of(error: BaseException) -> str:
    """The text of an exception, also of one whose own __str__ raises."""
    try:
        return str(error)
    except Exception as fault:
        return f"<no text: its __str__ raised {type(fault).__name__}>"


def emissions(value: Any, collected: tuple[Emit, ...]) -> tuple[Emit, ...]:
    """The messages of a completed activation that does not stream: what it returned and what `ctx.emit` took."""
    if type(value) is Emits:
        own: tuple[Emit, ...] = value.emits
    elif type(value) is Emit:
        own = (value,)
    elif value is NOTHING or (value is None and collected):
        own = ()
    else:
        own = (Emit(value),)
    emits = collected + own
    return emits if all(emit.value is not NOTHING for emit in emits) else tuple(emit for emit in emits if emit.value is not NOTHING)


def takes(state: RunState, node: NodePlan, route: Route, port: str | None, value: Any, facts: Facts | None, about: Any = None) -> bool:
    """Whether a connection takes a value; `about` is what its type filter looks at, if not the value (an exception)."""
    connection = route.connection
    wanted = connection.port
    if about is None and wanted != port and wanted != "*" and (wanted is None or port is None or wanted != port.casefold()):
        return False
    if not route.filtered:
        return True
    if connection.types:
        try:
            if not isinstance(value if about is None else about, connection.types):
                return False
        except Exception as error:
            _on_record(state, node, route, "types", f"isinstance() raised {type_name(error)}: {message_of(error)}"[:200])
            return False
    when = connection.when
    if when is None:
        return True
    if type(when) is Condition:
        try:
            return when.test(value, facts)
        except ConditionFault as fault:
            _on_record(state, node, route, when.text, str(fault))
            return False
    assert facts is not None  # a callable sees more than the value
    message = Message(value, node.name, port, facts.key, state.run_id)
    try:
        answer = state.inside(when, message)  # type: ignore[arg-type]
        if type(answer) is CoroutineType:
            answer.close()
            raise TypeError("the condition returned a coroutine; a condition answers at once")
        return bool(answer)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        _on_record(state, node, route, getattr(when, "__qualname__", type(when).__name__), f"{type_name(error)}: {message_of(error)}"[:200])
        return False


def _on_record(state: RunState, node: NodePlan, route: Route, text: str, error: str) -> None:
    target = state.plan.nodes[route.target].name
    state.faults.append((node.name, target, text, error))
    state.log.append(("fault", node.index, (), 0, state.now, node.name, target, text, error))
