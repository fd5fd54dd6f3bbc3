"""Importing the package brings in its four dependencies and nothing else, and does nothing."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import imports

ROOT = Path(__file__).resolve().parent.parent
DECLARED = ["msgspec", "pykka", "reactivex", "sortedcontainers"]

# What is done at import is seen by an audit hook: connections, processes, threads, files opened for writing.
PROBE = """
import json, sys
sys.path.insert(0, sys.argv[1])
before, done = set(sys.modules), []
effects = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.mkdir", "os.remove", "os.rename")
def watch(event, arguments):
    if event.startswith(effects):
        done.append(event)
    elif event in ("_thread.start_new_thread", "_thread.start_joinable_thread"):
        done.append("thread")
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        done.append(f"open {arguments[0]}")
sys.addaudithook(watch)
import actorflow
print(json.dumps({"modules": sorted(set(sys.modules) - before), "done": done}))
"""


@pytest.fixture(scope="module")
def imported():
    """Modules that `import actorflow` loads in a process of its own, and what it did."""
    command = [sys.executable, "-I", "-B", "-c", PROBE, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def names_of(requirements):
    return sorted(re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") for requirement in requirements)


def closure(distributions):
    """The distributions and all that they require in turn, extras and other platforms left out."""
    found, todo = set(), list(distributions)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += names_of(line for line in importlib.metadata.requires(name) or () if ";" not in line)
    return found


def test_exactly_four_dependencies_are_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert names_of(project["dependencies"]) == DECLARED == sorted(imports.DEPENDENCIES)
    assert project.get("dynamic", []) == []


def test_every_locked_package_has_hashes_and_no_address():
    text = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"(?m)^(?=[a-z])", text)[1:]
    assert [entry.split()[0] for entry in entries if "==" not in entry.split()[0] or "--hash=sha256:" not in entry] == []
    assert set(DECLARED) <= {entry.split("==")[0] for entry in entries}


def test_the_import_loads_the_standard_library_and_the_dependencies_only(imported):
    allowed = closure(DECLARED)
    owners = importlib.metadata.packages_distributions()
    strangers = {}
    for module in imported["modules"]:
        top = module.split(".")[0]
        if top not in sys.stdlib_module_names and not top.startswith("_sysconfigdata") and top != "actorflow":
            owned_by = {name.lower().replace("_", "-") for name in owners.get(top, ())}
            if not owned_by & allowed:
                strangers[top] = sorted(owned_by)
    assert strangers == {}


def test_the_import_needs_no_distributed_engine_and_no_tools(imported):
    loaded = {module.split(".")[0] for module in imported["modules"]}
    assert loaded & {"ray", "dask", "distributed", "numpy", "psycopg", "yaml", "pytest", "hypothesis", "setuptools"} == set()
    assert {module for module in imported["modules"] if module.startswith(("actorflow.tooling", "actorflow.testing"))} == set()


def test_the_import_opens_no_connection_and_starts_nothing(imported):
    assert imported["done"] == []
