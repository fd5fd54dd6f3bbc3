"""How long `import actorflow` takes."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

from tools.bench.measure import ROOT, Benchmark, Row, Scale, Settings, Yardstick, race, timed

__all__ = ["BENCHMARKS"]


def imports(settings: Settings) -> list[Row]:
    """A process that imports it, compiled before as an installed package is, against one that does nothing."""
    yardstick = Yardstick("python -c pass", timed(partial(_python, "pass"), 1), target=150.0, scale=Scale.EXTRA)
    return race(settings, "import actorflow", "ms", timed(partial(_python, "import actorflow"), 1), yardstick)


def _python(code: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


BENCHMARKS = (Benchmark("import", "import actorflow, in a process of its own", imports),)
