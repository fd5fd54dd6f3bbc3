"""The package keeps its layers, and the checker that says so finds each kind of breach."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools import imports

ROOT = Path(__file__).resolve().parent.parent
SOUND = {"__init__.py": "from actorflow.engine import Engine\n", "core/__init__.py": "", "core/step.py": "", "definition/__init__.py": ""}


def tree(tmp_path, **files):
    """A small package that is in order, and `files` besides; "__" in a name is "/"."""
    package = tmp_path / "actorflow"
    contents = SOUND | {"engine.py": "class Engine: ...\n"} | {f"{name.replace('__', '/')}.py": text for name, text in files.items()}
    for name, text in contents.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


def test_the_package_keeps_its_layers():
    assert [str(violation) for violation in imports.check(ROOT / "actorflow")] == []


def test_the_command_says_so_too():
    done = subprocess.run([sys.executable, ROOT / "tools" / "imports.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_a_tree_in_order_has_no_violation(tmp_path):
    package = tree(
        tmp_path,
        clock="import time\nfrom datetime import datetime\n\ndef now():\n    return time.monotonic_ns(), datetime.now()\n",
        core__joins="import re\nimport msgspec\nfrom actorflow.core.step import advance\nfrom . import step\nword = re.compile('a')\n",
        core__regions="from ..definition import model\n",
        core__time="from actorflow.core import time\n",
        definition__model="def compile(text): ...\n\ncompiled = compile('a > 1')\n",
        tooling__cli="import time\nfrom actorflow import engine\nbegan = time.time()\n",
        policies__limits="import time\nprint(time.strftime)\n",
    )
    assert imports.check(package) == []


@pytest.mark.parametrize(
    ("name", "source", "text"),
    [
        ("core__a", "from actorflow.engine import Engine", "'core' (layer 3) imports up from 'engine' (layer 7)"),
        ("core__a", "from ..engine import Engine", "'core' (layer 3) imports up from 'engine' (layer 7)"),
        ("core__a", "from .. import engine", "'core' (layer 3) imports up from 'engine' (layer 7)"),
        ("core__a", "import actorflow.engine as e", "'core' (layer 3) imports up from 'engine' (layer 7)"),
        ("core__deep__a", "from ...engine import Engine", "'core' (layer 3) imports up from 'engine' (layer 7)"),
        ("core__a", "def f():\n    from actorflow import engine", "'core' (layer 3) imports up from 'engine' (layer 7)"),
        ("blocks__a", "from actorflow.core.step import step", "'blocks' (layer 3) imports sideways from 'core' (layer 3)"),
        ("messages", "from actorflow.definition import model", "'messages' (layer 0) imports up from 'definition' (layer 2)"),
        ("run", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from actorflow.engine import Engine", "imports up from 'engine'"),
        ("run", "from actorflow import Engine", "imports from 'actorflow' itself"),
        ("run", "import actorflow", "imports from 'actorflow' itself"),
        ("run", "from . import Engine", "imports from 'actorflow' itself"),
        ("novelty", "", "'novelty' has no layer; add it to LAYERS in tools/imports.py"),
        ("novelties__a", "", "'novelties' has no layer"),
        *[("core__a", f"import {module}", f"core imports '{module}'") for module in sorted(imports.NOT_IN_CORE)],
        ("core__a", "from os import path", "core imports 'os'"),
        ("core__a", "import os.path", "core imports 'os'"),
        ("run", "import time\ntime.time()", "reads a clock ('time.time')"),
        ("run", "import time as t\nnow = t.monotonic", "reads a clock ('time.monotonic')"),
        ("run", "from time import perf_counter_ns as now\nnow()", "reads a clock ('time.perf_counter_ns')"),
        ("run", "import datetime\ndatetime.datetime.now(datetime.UTC)", "reads a clock ('datetime.datetime.now')"),
        ("run", "from datetime import datetime, UTC\ndatetime.now(UTC)", "reads a clock ('datetime.datetime.now')"),
        ("run", "import datetime as dt\ndt.date.today()", "reads a clock ('datetime.date.today')"),
        ("run", "eval('1')", "uses 'eval'"),
        ("run", "run = exec", "uses 'exec'"),
        ("run", "compile('1', '', 'eval')", "uses 'compile'"),
        ("run", "import builtins\nbuiltins.eval('1')", "uses 'eval'"),
        ("run", "__import__('os')", "uses '__import__'"),
        *[("run", f"import {module}", f"imports '{module}'") for module in sorted(imports.FORBIDDEN)],
        ("run", "from importlib import import_module", "imports 'importlib'"),
        ("run", "import importlib.metadata", "imports 'importlib'"),
        ("run", "import numpy", "imports 'numpy', which is neither"),
        ("run", "try:\n    import typing_extensions\nexcept ImportError: ...", "imports 'typing_extensions', which is neither"),
        ("__init__", "import pickle", "imports 'pickle'"),
    ],
)
def test_each_kind_of_breach_is_found_with_its_place(tmp_path, name, source, text):
    package = tree(tmp_path, **({name: source} if name != "__init__" else {}))
    if name == "__init__":
        (package / "__init__.py").write_text(source)
    found = imports.check(package)
    assert len(found) == 1
    assert text in found[0].text
    assert found[0].file == f"actorflow/{name.replace('__', '/') if name != '__init__' else name}.py"
    culprits = [number for number, line in enumerate(source.splitlines(), 1) if line and "TYPE_CHECKING" not in line and line != "def f():"]
    assert found[0].line in (culprits or [1])


def test_a_listed_exception_is_no_violation_and_a_needless_one_is(tmp_path):
    package = tree(tmp_path, run="from actorflow.engine import Engine\n")
    assert imports.check(package, exceptions={("run.py", "engine"): "because"}) == []
    found = imports.check(package, exceptions={("run.py", "engine"): "because", ("run.py", "pickle"): "was once so"})
    assert [violation.text for violation in found] == ["the exception for 'run.py' to import 'pickle' is not needed; remove it"]


def test_the_command_names_file_and_line_and_fails(tmp_path):
    package = tree(tmp_path, run="\nimport pickle\n")
    done = subprocess.run([sys.executable, ROOT / "tools" / "imports.py", package], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith("actorflow/run.py:2: imports 'pickle'")


def test_the_drawing_shows_layers_from_the_top_and_who_imports_whom(tmp_path):
    package = tree(tmp_path, core__a="from actorflow.definition import model\n", definition__model="", errors="", clock="")
    lines = [" 7  engine", " 3  core        -> definition", " 2  definition", " 0  errors", "    clock"]
    assert imports.draw(package).splitlines() == lines
    assert "    core --> definition" in imports.mermaid(package).splitlines()
