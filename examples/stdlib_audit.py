"""Audit the Python standard library: read every source file, measure its functions, report what stands out.

    python examples/stdlib_audit.py                      # the library of this interpreter, some 1,800 files
    python examples/stdlib_audit.py --path src --top 5   # any other directory

`audit_workflow` is the program in twenty lines; the rest is the plain functions that it connects:

    discover ──> read ──> measure ──┬────────────────> summarise ────┐
       one         │         │      ├─ many lines ───> huge ─────────┤
     message       │ fail    │ fail ├─ no docstring ─> undocumented ─┼──> report
     per file      └────┬────┘      └─ deep nesting ─> deep ─────────┤
                        └──> quarantine ─────────────> quarantined ──┘

A file that cannot be read, decoded or parsed is no special case here: `read` or `measure` raises, and the failure goes
down a `fail` connection. What the nodes send each other is small, plain data; a syntax tree never leaves `measure`.
"""

import argparse
import ast
import contextlib
import itertools
import os
import statistics
import sys
import sysconfig
import time
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import actorflow as af

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
DOCUMENTABLE = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()  # one can ask since Python 3.13
RANKED = 100  # how much of each ranking a summary keeps; the report shows `--top` of it


# What the nodes send each other: named tuples, which the engine hands on without copying them


class Tree(NamedTuple):
    root: str
    limit: int | None = None  # only the first so many files


class File(NamedTuple):
    root: str
    name: str  # relative to the root, with forward slashes


class Source(NamedTuple):
    name: str
    text: str


class Function(NamedTuple):
    name: str
    file: str
    line: int
    lines: int
    complexity: int
    depth: int


class Module(NamedTuple):
    """The facts about one file. What a condition asks for is a field: conditions read plain data and call nothing."""

    name: str
    lines: int
    definitions: int  # what can have a docstring: the module, unless empty, its classes and its functions
    documented: int  # those that have one
    depth: int  # of its most deeply nested function
    functions: tuple[Function, ...]
    cpu_s: float  # processor time spent on parsing and measuring it


class Reject(NamedTuple):
    name: str
    reason: str
    message: str


class Summary(NamedTuple):
    files: int
    lines: int
    functions: int
    median_lines: float
    mean_complexity: float
    coverage: float  # documented / definitions
    cpu_s: float
    hardest: list[Function]
    packages: list[tuple[float, str]]  # coverage and name, the worst first


class Audit(NamedTuple):
    summary: Summary
    huge: list[Module]
    undocumented: list[Module]
    deep: list[Module]
    quarantined: list[Reject]


# The workflow: a Tree in, an Audit out


def audit_workflow(workers: int = 2) -> af.Workflow:
    flow = af.Workflow("stdlib-audit")
    flow.add(discover)
    flow.add(read, concurrency=workers)
    flow.add(measure, concurrency=workers)
    flow.add(quarantine, join="any")  # two nodes send to it, but for one file only one of them fails
    flow.add(summarise, join="collect")  # starts once, when the last file is through, with the list of what came
    flow.add(report)  # five nodes send to it; by default it waits for all of them
    for name in ("huge", "undocumented", "deep", "quarantined"):
        flow.add(sorted, name=name, join="collect")  # any function will do, given the list
        flow.connect(name, report)

    flow.chain(discover, read, measure, summarise, report)
    flow.connect(measure, "huge", when="output.lines > 2000")
    flow.connect(measure, "undocumented", when="output.definitions >= 5 && output.documented == 0")
    flow.connect(measure, "deep", when="output.depth >= 8")
    flow.connect(read, quarantine, on="fail")
    flow.connect(measure, quarantine, on="fail")
    flow.connect(quarantine, "quarantined")
    return flow


# Its handlers


def discover(tree: Tree) -> Iterator[File]:
    """A generator: each file is sent on as it is found. Installed packages are not the library's."""
    yield from itertools.islice(python_files(tree.root), tree.limit)


def read(file: File) -> Source:
    """Decodes as the file itself declares (PEP 263); raises OSError, UnicodeDecodeError or SyntaxError."""
    with tokenize.open(Path(file.root, file.name)) as stream:
        return Source(file.name, stream.read())


def measure(source: Source) -> Module:
    """Raises what `ast.parse` raises: SyntaxError, ValueError (a NUL), RecursionError, MemoryError."""
    started = time.thread_time()
    try:
        tree = ast.parse(source.text, filename=source.name)
    except SystemError:  # before Python 3.11.8 threads that parse can disturb each other: CPython issue 106905
        return measure(source)
    definitions = [node for node in ast.walk(tree) if isinstance(node, DOCUMENTABLE) and node.body]
    functions = tuple(measure_function(node, source.name) for node in definitions if isinstance(node, FunctionNode))
    return Module(
        name=source.name,
        lines=source.text.removesuffix("\n").count("\n") + 1 if source.text else 0,
        definitions=len(definitions),
        documented=sum(ast.get_docstring(node, clean=False) is not None for node in definitions),
        depth=max((function.depth for function in functions), default=0),
        functions=functions,
        cpu_s=time.thread_time() - started,
    )


def quarantine(file: File | Source, failure: af.Failure) -> Reject:
    """On a `fail` connection the payload is what the failed node was given: a File from `read`, from `measure` a Source."""
    return Reject(file.name, failure.type, failure.message)


def summarise(modules: list[Module]) -> Summary:
    functions = [function for module in modules for function in module.functions]
    definitions, documented = Counter[str](), Counter[str]()  # by package
    for module in modules:
        package = module.name.split("/")[0] if "/" in module.name else "(top level)"
        definitions[package] += module.definitions
        documented[package] += module.documented
    return Summary(
        files=len(modules),
        lines=sum(module.lines for module in modules),
        functions=len(functions),
        median_lines=statistics.median([function.lines for function in functions] or [0]),
        mean_complexity=statistics.fmean([function.complexity for function in functions] or [0]),
        coverage=documented.total() / max(1, definitions.total()),
        cpu_s=sum(module.cpu_s for module in modules),
        hardest=sorted(functions, key=lambda function: function.complexity, reverse=True)[:RANKED],
        packages=sorted((documented[name] / n, name) for name, n in definitions.items() if n >= 20)[:RANKED],
    )


def report(summarise: Summary, huge: list[Module], undocumented: list[Module], deep: list[Module], quarantined: list[Reject]) -> Audit:
    """Each parameter is named after the node that its value comes from."""
    return Audit(summarise, huge, undocumented, deep, quarantined)


# What the handlers are made of


def python_files(root: str) -> Iterator[File]:
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(set(subfolders) - {"site-packages", "dist-packages"})
        for name in sorted(names):
            if name.endswith(".py"):
                yield File(root, Path(folder, name).relative_to(root).as_posix())


def measure_function(function: FunctionNode, file: str) -> Function:
    body = list(inside(function))
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    complexity = 1 + sum(branches(node) for node, _ in body)
    return Function(function.name, file, function.lineno, lines, complexity, depth=max(depth for _, depth in body))


def inside(function: FunctionNode) -> Iterator[tuple[ast.AST, int]]:
    """Each node that runs as part of a function, and how many blocks it is in or opens.
    The body of a nested function is left out, as that is measured by itself; its decorators and defaults run here."""
    waiting: list[tuple[ast.AST, int]] = [(statement, 0) for statement in function.body]
    while waiting:
        node, depth = waiting.pop()
        depth += isinstance(node, BLOCKS)
        yield node, depth
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt) and isinstance(node, FunctionNode):
                continue
            # The tree has an `elif` as an `if` inside its `if`; only the column tells that it stands beside it.
            is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child.col_offset == node.col_offset
            waiting.append((child, depth - is_elif))


def branches(node: ast.AST) -> int:
    """How many ways a node adds to those through a function. Source: McCabe 1976, each condition counted by itself,
    so `a and b` is two; a comprehension is a loop, an `assert` is an `if`, and `case _` or `else` is no condition."""
    match node:
        case ast.If() | ast.IfExp() | ast.For() | ast.AsyncFor() | ast.While() | ast.ExceptHandler() | ast.Assert():
            return 1
        case ast.BoolOp(values=values):
            return len(values) - 1
        case ast.comprehension(ifs=conditions):
            return 1 + len(conditions)
        case ast.match_case(pattern=ast.MatchAs(pattern=None), guard=guard):
            return 0 if guard is None else 1
        case ast.match_case(guard=guard):
            return 1 if guard is None else 2
    return 0


# The text, and the command line


def render(audit: Audit, top: int = 10) -> str:
    def ranked(modules: list[Module], field: str) -> list[tuple[Any, str]]:
        return sorted(((getattr(module, field), module.name) for module in modules), reverse=True)

    total = audit.summary
    lines = [
        f"{total.files:,} files measured and {len(audit.quarantined):,} quarantined",
        f"{total.lines:,} lines; {total.functions:,} functions, median length {total.median_lines:g}, mean complexity {total.mean_complexity:.1f}",
        f"{total.coverage:.1%} of modules, classes and functions have a docstring",
    ]
    rankings: dict[str, list[tuple[Any, str]]] = {
        "Most complex functions": [(f.complexity, f"{f.name}  {f.file}:{f.line}") for f in total.hardest],
        "Packages with the worst docstring coverage": [(f"{share:.1%}", name) for share, name in total.packages],
        f"Files with more than 2,000 lines: {len(audit.huge):,}": ranked(audit.huge, "lines"),
        f"Files with 5 definitions or more and no docstring: {len(audit.undocumented):,}": ranked(audit.undocumented, "definitions"),
        f"Files with blocks nested 8 deep or more: {len(audit.deep):,}": ranked(audit.deep, "depth"),
    }
    for title, entries in rankings.items():
        lines += ["", title, *(f"{number:>8}  {text}" for number, text in entries[:top])]
    by_reason = sorted(audit.quarantined, key=lambda reject: reject.reason)
    for reason, rejects in itertools.groupby(by_reason, key=lambda reject: reject.reason):
        lines += ["", f"Quarantined: {reason}", *(f"    {reject.name}: {reject.message}" for reject in rejects)]
    return "\n".join(lines)


def timings(result: af.RunResult) -> str:
    """Gives both: time in handlers has waiting for the interpreter lock in it and so flatters; processor time has not."""
    wall_s, cpu_s, at_once = max(result.duration_s, 0.001), result.output.summary.cpu_s, result.metrics["parallelism"]
    lines = [
        f"{wall_s:.1f} s; parsing and measuring took {cpu_s:.1f} s of processor time, {cpu_s / wall_s:.2f} processors",
        f"{at_once * wall_s:.1f} s in handlers, {at_once:.1f} at a time" + ", waiting for the GIL included" * HAS_GIL,
    ]
    if HAS_GIL:
        lines.append("Parsing is processor work: under the GIL threads overlap only the reading, and many cost more than they give")
        lines.append("More processors would take processes; `measure`, a plain function of plain data, is fit to run in one")
    return "\n".join(lines)


def watch(run: af.Run) -> None:
    """Say how far it is until it is over: on a terminal in one line that is written over, else a line every five seconds."""
    end, pause = ("\r", 0.2) if sys.stderr.isatty() else ("\n", 5)
    while not run.done():
        with contextlib.suppress(af.StillRunning):
            run.wait(timeout=pause)
        nodes = run.snapshot().nodes
        done = (f"{name} {nodes[name].executions:,}" for name in ("read", "measure", "quarantine"))
        print(*done, sep=", ", end=end, file=sys.stderr, flush=True)
    print(file=sys.stderr)


def main(arguments: list[str] | None = None) -> None:
    quick = os.environ.get("ACTORFLOW_EXAMPLE_QUICK") == "1"
    parser = argparse.ArgumentParser(description="Audit the Python standard library, or another directory of Python.")
    parser.add_argument("--path", default=sysconfig.get_path("stdlib"), metavar="DIR", help="what to audit instead")
    parser.add_argument("--top", type=int, default=10, metavar="N", help=f"entries of each ranking, at most {RANKED}")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads; 2 by default: one reads while one parses")
    parser.add_argument("--limit", type=int, default=200 if quick else None, metavar="N", help="only the first N files")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the report")
    options = parser.parse_args(arguments)
    if not os.path.isdir(options.path):
        parser.error(f"there is no directory {options.path}")
    if min(options.workers, options.top, options.limit or 1) < 1:
        parser.error("--top, --workers and --limit take numbers from 1 on")
    warnings.simplefilter("ignore")  # what Python thinks of the audited code, such as its invalid escapes

    with af.Engine(workers=options.workers) as engine:
        run = engine.start(audit_workflow(options.workers), Tree(options.path, options.limit))
        if not options.quiet:
            watch(run)
        result = run.wait()
    result.raise_for_failure()
    print(render(result.output, options.top), timings(result), sep="\n\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
