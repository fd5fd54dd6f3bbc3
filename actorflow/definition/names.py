"""Names in the words of error texts: lists of them, paths, and the known name that looks most like an unknown one.

Not here: what the names are of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = ["Nearest", "listed", "path"]

SHOWN = 5  # names in a list
SHOWN_PATH = 12  # names in a path
BUDGET = 20_000  # comparisons in all, some 0.2 s; a graph of many nodes and many wrong names gets no further hints


class Nearest:
    """Looks names up among `known`."""

    def __init__(self, known: Iterable[str]) -> None:
        self._by_length: dict[int, list[str]] = {}
        for name in known:
            self._by_length.setdefault(len(name), []).append(name)
        self._budget = BUDGET
        self._found: dict[str, str] = {}

    def hint(self, name: str) -> str:
        """`"; the nearest is 'store'"`, or nothing where no name is near."""
        if name not in self._found:
            self._found[name] = self._look(name)
        return self._found[name]

    def _look(self, name: str) -> str:
        near = 1 + len(name) // 3
        candidates = [known for length in range(len(name) - near, len(name) + near + 1) for known in self._by_length.get(length, ())]
        self._budget -= len(candidates)
        if self._budget < 0:
            return ""
        folded = {known.casefold(): known for known in candidates}
        found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
        return f"; the nearest is {folded[found[0]]!r}" if found else ""


def listed(names: Sequence[str]) -> str:
    """`'a', 'b', 'c'`, cut short."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more


def path(names: Sequence[str]) -> str:
    """`a -> b -> a`, cut short in the middle."""
    if len(names) > SHOWN_PATH:
        names = [*names[: SHOWN_PATH - 3], "...", *names[-2:]]
    return " -> ".join(names)
