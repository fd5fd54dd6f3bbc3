"""`Workflow`: what a user writes. Not here: its verbs (`definition.graph`) and its checks (`definition.validate`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from actorflow.definition import options as check
from actorflow.definition.graph import Graph
from actorflow.definition.model import WorkflowOptions

__all__ = ["Workflow"]


class Workflow(Graph):
    """A workflow being written. `build()` freezes it; a built one is a `Definition`.

    `variables` are what runs begin with; `timeout` is that of a run, in seconds. `on_failure="stop"`: an unhandled failure
    ends the run at once, else independent branches go on. `handled_failures="fail"`: also a failure that was handled makes
    the run FAILED. `unrouted` says what becomes of a value no connection took. `results="auto"` keeps one value of each node
    outside streams and all values of terminal ones. `isolation="share"`: payloads are not copied between nodes."""

    def __init__(
        self,
        name: str,
        *,
        version: str | int = "1",
        variables: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        on_failure: Literal["continue", "stop"] = "continue",
        handled_failures: Literal["complete", "fail"] = "complete",
        unrouted: Literal["count", "dead_letter", "fail"] = "count",
        results: Literal["auto", "all", "none"] = "auto",
        isolation: Literal["copy", "share"] = "copy",
    ) -> None:
        if name != "":  # an empty one is a warning
            name = check.name_of(name, "name of a workflow")
        of = f"of workflow {name!r}"
        if isinstance(version, int) and not isinstance(version, bool):
            version = str(version)
        options = WorkflowOptions(
            timeout=check.duration(timeout, f"timeout {of}"),
            on_failure=check.choice(on_failure, f"on_failure {of}", ("continue", "stop")),
            handled_failures=check.choice(handled_failures, f"handled_failures {of}", ("complete", "fail")),
            unrouted=check.choice(unrouted, f"unrouted {of}", ("count", "dead_letter", "fail")),
            results=check.choice(results, f"results {of}", ("auto", "all", "none")),
            isolation=check.choice(isolation, f"isolation {of}", ("copy", "share")),
        )
        begin = check.copied({} if variables is None else variables, "variables", of)
        super().__init__(name, check.name_of(version, f"version {of}"), begin, options)
