"""The layers of the package, enforced and drawn. Standard library only.

    python3 tools/imports.py              check; a line `file:line: what` for each violation, and exit code 1
    python3 tools/imports.py --draw       the layers as text, with what each module or package imports
    python3 tools/imports.py --mermaid    the same as a Mermaid diagram

A module imports from lower layers and from its own package, never sideways or up. An import counts wherever it stands: inside a function,
and under TYPE_CHECKING too, since a type that must be fetched from above belongs further down. `actorflow/__init__.py` alone imports from
everywhere. What cannot be otherwise is listed in EXCEPTIONS, with its reason; an entry that nothing needs any more is itself reported.
Only source is read here, nothing is imported; who hides an import on purpose is not found.
"""

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "actorflow"

# A new top-level module or package is added here, in the lowest layer that is above all it imports.
LAYERS = {
    "errors": 0,
    "clock": 0,
    "messages": 0,
    "events": 0,
    "payloads": 1,
    "policies": 1,
    "definition": 2,
    "blocks": 3,
    "core": 3,
    "messaging": 4,
    "dispatch": 4,
    "executors": 4,
    "persistence": 4,
    "streams": 4,
    "scheduling": 4,
    "actors": 5,
    "recovery": 6,
    "run": 6,
    "workflow": 6,
    "patterns": 7,
    "engine": 7,
    "testing": 8,
    "tooling": 8,
}

# (file below actorflow/, what it imports) -> why it may: ("run.py", "engine") is a module of the package, ("run.py", "pickle") one from elsewhere.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("testing/contracts.py", "pytest"): "contract tests are run by pytest, and loaded only when asked for",
}

DEPENDENCIES = frozenset({"msgspec", "pykka", "reactivex", "sortedcontainers"})  # run-time, as in pyproject.toml
NOT_IN_CORE = frozenset({"datetime", "os", "random", "threading", "time", "uuid"})  # core is given what it needs of these
FORBIDDEN = {  # they run, or can run, code that data names
    "importlib": "imports by name",
    "marshal": "reads code from data",
    "pickle": "runs code found in data",
    "runpy": "imports by name",
    "shelve": "is pickle underneath",
    "yaml": "builds objects that data names",
}
FORBIDDEN_BUILTINS = frozenset({"eval", "exec", "compile", "__import__"})

READS_CLOCK = frozenset({"clock", "testing", "tooling"})
CLOCKS = frozenset(
    [f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time") for unit in ("", "_ns")]
    + ["time.clock_gettime", "time.clock_gettime_ns", "time.gmtime", "time.localtime", "time.ctime"]
    + [f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")]
    + ["datetime.date.today"]
)


@dataclass(frozen=True, order=True)
class Violation:
    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Import:
    """`target` is absolute and dotted. `optional`: its last part may be a name in the module rather than a module."""

    target: str
    line: int
    optional: bool


@dataclass(frozen=True)
class Module:
    path: Path
    file: str  # below the package, with "/"
    tree: ast.Module

    @property
    def unit(self) -> str:
        """The top-level module or package it belongs to; "" for the package's own `__init__`."""
        first = self.file.split("/")[0]
        return "" if first == "__init__.py" else first.removesuffix(".py")


def read(package: Path) -> list[Module]:
    files = sorted(package.rglob("*.py"))
    return [Module(file, file.relative_to(package).as_posix(), ast.parse(file.read_bytes(), str(file))) for file in files]


def check(package: Path, layers: Mapping[str, int] = LAYERS, exceptions: Mapping[tuple[str, str], str] = EXCEPTIONS) -> list[Violation]:
    """All violations, by file and line. `package` is the package's directory; its name is the name that absolute imports use."""
    modules = read(package)
    used: set[tuple[str, str]] = set()
    found: list[Violation] = []

    def report(module: Module, line: int, text: str, subject: str = "") -> None:
        if (module.file, subject) in exceptions:
            used.add((module.file, subject))
        else:
            found.append(Violation(f"{package.name}/{module.file}", line, text))

    for module in modules:
        if module.unit and module.unit not in layers:
            report(module, 1, f"'{module.unit}' has no layer; add it to LAYERS in tools/imports.py, above all it imports")
        for imported in imports(module, package.name):
            subject, text = _judge(module, imported, package, layers)
            if text:
                report(module, imported.line, text, subject)
        for line, text in _forbidden_uses(module):
            report(module, line, text)
    there = {module.file for module in modules}
    for file, subject in sorted(set(exceptions) - used):
        if file not in there:
            continue
        found.append(Violation("tools/imports.py", 1, f"the exception for '{file}' to import '{subject}' is not needed; remove it"))
    return sorted(found)


def imports(module: Module, package: str) -> Iterator[Import]:
    """Every import of the module, wherever it stands; relative ones are made absolute."""
    here = [package, *module.file.removesuffix(".py").split("/")][:-1]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, optional=False)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            source = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                yield Import(f"{source}.{alias.name}", node.lineno, optional=True)


def _judge(module: Module, imported: Import, package: Path, layers: Mapping[str, int]) -> tuple[str, str]:
    """The subject of an import, and what is wrong with it, or ""."""
    parts = imported.target.split(".")
    if parts[0] == package.name:
        return _judge_inside(module, parts, package, layers)
    if parts[0] in FORBIDDEN:
        return parts[0], f"imports '{parts[0]}', which {FORBIDDEN[parts[0]]}; the package does without"
    if module.unit == "core" and parts[0] in NOT_IN_CORE:
        return parts[0], f"core imports '{parts[0]}'; it has no threads, clock, chance or I/O: what it needs of them is passed in"
    if parts[0] not in sys.stdlib_module_names and parts[0] not in DEPENDENCIES:
        return parts[0], f"imports '{parts[0]}', which is neither the standard library nor one of {', '.join(sorted(DEPENDENCIES))}"
    return parts[0], ""


def _judge_inside(module: Module, parts: list[str], package: Path, layers: Mapping[str, int]) -> tuple[str, str]:
    if not module.unit:
        return "", ""
    name = parts[1] if len(parts) > 1 else ""
    known = name in layers or (package / name / "__init__.py").is_file() or (package / f"{name}.py").is_file()
    if not name or not known:
        return "", f"imports from '{package.name}' itself, the topmost layer; import from the module that defines it"
    if name == module.unit or name not in layers or module.unit not in layers:
        return name, ""  # one without a layer is reported once, where it stands
    own, other = layers[module.unit], layers[name]
    if other < own:
        return name, ""
    direction = "sideways" if other == own else "up"
    return name, f"'{module.unit}' (layer {own}) imports {direction} from '{name}' (layer {other})"


def _forbidden_uses(module: Module) -> Iterator[tuple[int, str]]:
    names = _aliases(module.tree)
    own = {node.name for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        dotted = _dotted(node, names)
        bare = dotted.removeprefix("builtins.")
        if bare in FORBIDDEN_BUILTINS and bare not in own:
            yield node.lineno, f"uses '{bare}', which makes code of data"
        elif dotted in CLOCKS and module.unit not in READS_CLOCK:
            yield node.lineno, f"reads a clock ('{dotted}'); only clock.py does, all else is given `now`"


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Name in the module -> dotted path of what an absolute import bound it to."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            for alias in node.names:
                names[alias.asname or alias.name] = f"{source}.{alias.name}"
    return names


def _dotted(node: ast.expr, names: Mapping[str, str]) -> str:
    """`t.monotonic` after `import time as t` -> "time.monotonic"; "" for what does not begin with a name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, names)
        return f"{before}.{node.attr}" if before else ""
    return ""


def edges(package: Path) -> dict[str, set[str]]:
    """Top-level module or package -> what it imports of the others."""
    units = {module.unit for module in read(package)} - {""}
    found: dict[str, set[str]] = {unit: set() for unit in units}
    for module in read(package):
        for imported in imports(module, package.name) if module.unit else ():
            parts = imported.target.split(".")
            if parts[0] == package.name and len(parts) > 1 and parts[1] in units - {module.unit}:
                found[module.unit].add(parts[1])
    return found


def draw(package: Path, layers: Mapping[str, int] = LAYERS) -> str:
    """One line a module or package, the top layer first; what has no file yet is left out."""
    found = edges(package)
    width = max((len(unit) for unit in found), default=0)
    lines: list[str] = []
    last = None
    for unit in sorted(found, key=lambda unit: (-layers.get(unit, 99), list(layers).index(unit) if unit in layers else 0, unit)):
        layer = layers.get(unit)
        number = "" if lines and layer == last else "?" if layer is None else str(layer)
        targets = ", ".join(sorted(found[unit], key=lambda target: (-layers.get(target, 99), target)))
        lines.append(f"{number:>2}  {unit:<{width}}  {'-> ' + targets if targets else ''}".rstrip())
        last = layer
    return "\n".join(lines)


def mermaid(package: Path, layers: Mapping[str, int] = LAYERS) -> str:
    found = edges(package)
    lines = ["flowchart TD"]
    for layer in sorted({layers.get(unit, 99) for unit in found}, reverse=True):
        lines.append(f'    subgraph layer{layer}["{layer}"]')
        lines += [f"        {unit}" for unit in layers if unit in found and layers[unit] == layer]
        lines += [f"        {unit}" for unit in sorted(found) if unit not in layers and layer == 99]
        lines.append("    end")
    lines += [f"    {unit} --> {target}" for unit in sorted(found) for target in sorted(found[unit])]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="imports.py", description="The layers of the package, enforced and drawn.")
    parser.add_argument("--draw", action="store_true", help="draw the layers as text and stop")
    parser.add_argument("--mermaid", action="store_true", help="draw them as a Mermaid diagram and stop")
    parser.add_argument("package", nargs="?", type=Path, default=ROOT / PACKAGE, help="the package's directory (default: this checkout's)")
    options = parser.parse_args()
    package = options.package.resolve()
    if not (package / "__init__.py").is_file():
        print(f"{package} is not a package", file=sys.stderr)
        return 2
    if options.draw or options.mermaid:
        print(mermaid(package) if options.mermaid else draw(package))
        return 0
    violations = check(package)
    for violation in violations:
        print(violation)
    count = len(read(package))
    print(f"{len(violations)} violations in {count} modules" if violations else f"{count} modules in their layers")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
