"""How it is measured: rounds in which ours and its yardsticks take turns, in one process, compared round by round.

A machine that is busy slows both sides of a round, so a figure is made from the two times of the same round, and what is
reported is the median of these figures, with the lowest and the highest. Garbage is collected before each time that is
taken, and the collector stays on for both. One go of each side comes before the first round and is not counted.

Not here: what is measured, and how a row is printed (`report`)."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from actorflow import Definition, Engine

__all__ = [
    "Benchmark",
    "Contestant",
    "Loop",
    "Row",
    "Scale",
    "Settings",
    "Skipped",
    "Yardstick",
    "apart",
    "on_loop",
    "race",
    "row_of",
    "timed",
]

ROOT = Path(__file__).resolve().parent.parent.parent
PER = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0, "B": 1.0, "MiB": 1 / 2**20}
"""What a figure in seconds or bytes is multiplied by to be in this unit."""

T = TypeVar("T")
Contestant = Callable[[], float]
"""One go at the work: the seconds or bytes it took for each unit of it."""


class Skipped(Exception):
    """A benchmark cannot run here; the text says why."""


class Settings(Struct, frozen=True):
    """What the command line asks for. `tiny` is for tests: everything runs once, at sizes that tell nothing."""

    rounds: int = 7
    tiny: bool = False
    long: bool = False
    peers: bool = False

    def size(self, normal: int, tiny: int, long: int | None = None) -> int:
        """How many of something, in this run."""
        if self.tiny:
            return tiny
        return long if self.long and long is not None else normal


class Benchmark(NamedTuple):
    """A name to select it by, what it shows, and the function that runs it. `slow`: only if it is named, or with --long."""

    name: str
    about: str
    run: Callable[[Settings], list[Row]]
    slow: bool = False


class Scale(Enum):
    """How the two sides of a round make a figure: lower is better for all of them."""

    RATIO = "ratio"
    EXTRA = "extra"
    PERCENT = "percent"
    ALONE = "alone"

    def figure(self, ours: float, other: float) -> float:
        """The figure of one round."""
        if self is Scale.ALONE:
            return ours
        if self is Scale.EXTRA:
            return ours - other
        ratio = ours / other
        return ratio if self is Scale.RATIO else (ratio - 1) * 100


class Yardstick(NamedTuple):
    """What ours is compared with. `target` is the highest figure that is good enough; None: there is none."""

    label: str
    go: Contestant
    target: float | None = None
    scale: Scale = Scale.RATIO


class Row(Struct, frozen=True, kw_only=True):
    """One line of the table. `ours` and `other` are medians, in `unit`; `figure`, `low` and `high` are of the scale."""

    work: str
    unit: str
    ours: float
    against: str
    other: float | None
    scale: Scale
    figure: float
    low: float
    high: float
    target: float | None

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None if there is none."""
        return None if self.target is None else self.figure <= self.target


def row_of(
    work: str,
    unit: str,
    ours: Sequence[float],
    *,
    against: str = "",
    others: Sequence[float] | None = None,
    scale: Scale = Scale.ALONE,
    target: float | None = None,
) -> Row:
    """The row of what was measured in several rounds, in seconds or bytes; `others` has the yardstick's side of each."""
    factor = PER[unit.partition("/")[0]]
    mine = [value * factor for value in ours]
    theirs = mine if others is None else [value * factor for value in others]
    figures = [scale.figure(one, other) for one, other in zip(mine, theirs, strict=True)]
    return Row(
        work=work,
        unit=unit,
        ours=median(mine),
        against=against,
        other=None if others is None else median(theirs),
        scale=scale,
        figure=median(figures),
        low=min(figures),
        high=max(figures),
        target=target,
    )


def race(settings: Settings, work: str, unit: str, ours: Contestant, *yardsticks: Yardstick, limit: float | None = None) -> list[Row]:
    """Let them take turns. A row for each yardstick, and before these one of ours alone if there is a `limit` in `unit`, or
    no yardstick."""
    sides = [ours, *(yardstick.go for yardstick in yardsticks)]
    rounds = 1 if settings.tiny else settings.rounds
    for side in sides:
        side()
    times = [[side() for side in sides] for _ in range(rounds)]
    mine, *others = ([taken[index] for taken in times] for index in range(len(sides)))
    rows = [] if yardsticks and limit is None else [row_of(work, unit, mine, target=limit)]
    for yardstick, theirs in zip(yardsticks, others, strict=True):
        rows.append(
            row_of(work, unit, mine, against=yardstick.label, others=theirs, scale=yardstick.scale, target=yardstick.target),
        )
    return rows


def timed(go: Callable[[], object], units: int, times: int = 1) -> Contestant:
    """The seconds a unit of what `go` does, which is `units` of them; it is done `times` times over."""

    def once() -> float:
        gc.collect()
        begun = perf_counter()
        for _ in range(times):
            go()
        return (perf_counter() - begun) / (units * times)

    return once


class Loop(NamedTuple):
    """An event loop, and an engine that was opened on it."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    engine: Engine

    def finish(self, definition: Definition, value: Any) -> Any:
        """Run a workflow on the loop to its end."""
        return self.run(self._output(definition, value))

    async def _output(self, definition: Definition, value: Any) -> Any:
        return await self.engine.start(definition, value)


@contextmanager
def on_loop() -> Iterator[Loop]:
    """A loop of its own, which only runs while something is run on it."""
    with asyncio.Runner() as runner:
        engine = runner.run(Engine().__aenter__())
        try:
            yield Loop(runner.run, engine)
        finally:
            runner.run(engine.__aexit__(None, None, None))


def apart(function: Callable[..., T], *arguments: int) -> T:
    """Call a function of a module of ours in a process of its own, so that its memory is its own; what it returns must be
    plain data."""
    code = f"import json; from {function.__module__} import {function.__name__} as go; print(json.dumps(go(*{arguments!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    answer: T = json.loads(done.stdout)
    return answer
