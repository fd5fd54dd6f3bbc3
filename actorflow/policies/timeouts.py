"""Timeouts for what has none of its own."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Timeouts"]


class Timeouts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For an engine: the timeout of one attempt of a node and of a whole run, in seconds, where they have none of their own.
    None: no limit. `Timeouts(node=10, run=30)` is the strict preset."""

    node: float | None = None
    run: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("node", self.node), ("run", self.run)):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise ValueError(f"{name} of Timeouts must be more than 0 seconds, not {value!r}; for no limit use None")
