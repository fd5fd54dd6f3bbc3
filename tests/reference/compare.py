"""What an engine's result has in common with the reference's. `result` is an af.RunResult, or anything with its attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.reference.interpreter import RefResult
from tests.reference.spec import GraphSpec, canonical


def differences(
    ref: RefResult,
    result: Any,
    recorder: Iterable[tuple[str, Any]] | None = None,
    *,
    sort_lists: bool = False,
    spec: GraphSpec | None = None,
) -> list[str]:
    """One line for each difference, expected before found; [] if there is none. `recorder`: what the handlers of `build.py` noted (None: not
    compared). `sort_lists`: as in the spec, or give the spec itself; then the value of a last pass is not compared."""
    sort_lists = spec.sort_lists if spec is not None else sort_lists
    if ref.concurrent and not sort_lists:
        return ["the reference run depends on timing: build the spec with sort_lists=True"]
    found: list[str] = []

    def compare(what: str, expected: Any, actual: Any) -> None:
        if expected != actual:
            found.append(f"{what}: expected {expected!r}, found {actual!r}")

    compare("run status", ref.status, _text(result.status))
    if not (sort_lists and ref.last_pass_only):
        compare("output", ref.output, canonical(result.output, sort_lists=sort_lists))
    compare("unhandled errors", ref.errors, len(result.errors))
    compare("handled errors", ref.handled, len(result.handled))
    compare("nodes", sorted(ref.nodes), sorted(result.nodes))
    for name, node in ref.nodes.items():
        if name not in result.nodes:
            continue
        snapshot = result.nodes[name]
        compare(f"{name} status", node.status, _text(snapshot.status))
        compare(f"{name} executions", node.activations, snapshot.executions)
        compare(f"{name} unrouted", node.unrouted, snapshot.unrouted)
    if recorder is not None:
        calls: dict[str, Counter[Any]] = {name: Counter() for name in ref.nodes}
        for name, seen in recorder:
            calls[name][seen] += 1
        for name, node in ref.nodes.items():
            expected = Counter(node.calls)
            for seen in sorted(expected.keys() | calls[name].keys(), key=repr):
                compare(f"{name} calls with {seen!r}", expected[seen], calls[name][seen])
    return found


def _text(status: Any) -> str:
    """Statuses are string-valued enums."""
    return str(getattr(status, "value", status))
