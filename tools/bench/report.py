"""What is printed: one line of a Markdown table for each row, as soon as it is there. Not here: what the figures mean."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import Any

import msgspec

from tools.bench.measure import Row, Scale, Settings

__all__ = ["as_json", "header", "line", "machine", "skipped"]

HEADS = ("work", "ours", "yardstick", "ours / yardstick (lowest..highest)", "target", "met")
WIDTHS = (66, 14, 46, 36, 8, 3)
SIGNS = {Scale.RATIO: "x", Scale.PERCENT: " %"}


def header() -> str:
    """The head of the table."""
    return f"{_cells(HEADS)}\n{_cells(['-' * width for width in WIDTHS])}"


def line(row: Row) -> str:
    """One row."""
    other = "" if row.other is None else f"{number(row.other)} {row.unit}: {row.against}"
    met = "" if row.met is None else "yes" if row.met else "NO"
    target = "" if row.target is None else _figure(row, row.target)
    return _cells([row.work, f"{number(row.ours)} {row.unit}", other, _spread(row), target, met])


def skipped(name: str, reason: str) -> str:
    """The line of a benchmark that did not run."""
    return _cells([f"{name}: skipped, {reason}", *[""] * (len(HEADS) - 1)])


def machine(settings: Settings) -> str:
    """What it was measured on, and how."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs; {settings.rounds} rounds, medians"


def as_json(settings: Settings, rows: Sequence[Row], left_out: dict[str, str]) -> bytes:
    """All of it, for other programs; numbers are in the unit of their row."""
    plain: dict[str, Any] = {
        "machine": machine(settings),
        "settings": settings,
        "rows": [msgspec.structs.asdict(row) | {"met": row.met} for row in rows],
        "skipped": left_out,
    }
    return msgspec.json.format(msgspec.json.encode(plain)) + b"\n"


def number(value: float) -> str:
    """With as many digits as mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _figure(row: Row, value: float) -> str:
    unit = row.unit.partition("/")[0]
    return f"{number(value)}{SIGNS.get(row.scale, ' ' + unit)}"


def _spread(row: Row) -> str:
    if row.scale is Scale.ALONE and row.low == row.high:
        return ""
    sign = "+" if row.scale in (Scale.EXTRA, Scale.PERCENT) and row.figure >= 0 else ""
    return f"{sign}{_figure(row, row.figure)} ({number(row.low)}..{number(row.high)})"


def _cells(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.ljust(width) for text, width in zip(texts, WIDTHS)) + " |"
