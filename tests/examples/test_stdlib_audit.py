"""The measuring functions on small sources, and the whole workflow on a small tree."""

import ast
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "stdlib_audit.py"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stdlib_audit", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["stdlib_audit"] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


def measured(audit: ModuleType, text: str, name: str = "sample.py") -> Any:
    return audit.measure(audit.Source(name, text))


def first_function(audit: ModuleType, *body: str) -> Any:
    text = "async def f(a, b, c, xs):\n" + "".join(f"    {line}\n" for line in body)
    return max(measured(audit, text).functions, key=lambda function: function.name == "f")


# Complexity


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        (["pass"], 1),
        (["if a: pass"], 2),
        (["if a: pass", "else: pass"], 2),
        (["if a: pass", "elif b: pass", "else: pass"], 3),
        (["for x in xs: pass"], 2),
        (["for x in xs: pass", "else: pass"], 2),
        (["async for x in xs: pass"], 2),
        (["while a: pass"], 2),
        (["with a: pass"], 1),
        (["try: pass", "except A: pass", "except B: pass", "else: pass", "finally: pass"], 3),
        (["try: pass", "finally: pass"], 1),
        (["try: pass", "except* A: pass"], 2),
        (["assert a"], 2),
        (["return a and b"], 2),
        (["return a and b and c"], 3),
        (["return a and b or c"], 3),
        (["return not a"], 1),
        (["if a and b: pass"], 3),
        (["return a if b else c"], 2),
        (["return [x for x in xs]"], 2),
        (["return {x for x in xs if a if b}"], 4),
        (["return {x: y for x in xs for y in x}"], 3),
        (["return sum(x for x in xs if x)"], 3),
        (["return lambda x: a if x else b"], 2),
        (["match a:", "    case 1: pass", "    case 2: pass"], 3),
        (["match a:", "    case 1: pass", "    case _: pass"], 2),
        (["match a:", "    case 1 if b: pass", "    case x: pass"], 3),
        (["match a:", "    case x if b: pass"], 2),
    ],
)
def test_complexity_is_one_more_than_the_conditions(audit, body, complexity):
    assert first_function(audit, *body).complexity == complexity


def test_a_nested_function_counts_for_itself_and_not_for_the_outer_one(audit):
    functions = measured(audit, "def outer(a):\n    def inner(b):\n        if b: return 1\n    return inner if a else None\n").functions
    assert {function.name: function.complexity for function in functions} == {"outer": 2, "inner": 2}


def test_decorators_and_defaults_of_a_nested_function_run_in_the_outer_one(audit):
    outer = first_function(audit, "@(a or b)", "def g(x=a and b): pass")
    assert outer.complexity == 3


def test_methods_of_a_local_class_count_for_themselves_but_its_body_for_the_function(audit):
    outer = first_function(audit, "class Local:", "    if a: x = 1", "    def method(self):", "        if b: return 1")
    assert outer.complexity == 2


def test_the_complexity_of_a_known_function_is_as_counted_by_hand(audit):
    body = [
        "total = 0",
        "for x in xs:",  # 2
        "    if x < 0 or x > 9:",  # 3, 4
        "        continue",
        "    try:",
        "        total += 1 if x else 2",  # 5
        "    except (TypeError, ValueError):",  # 6
        "        break",
        "return [y for y in xs if y > total]",  # 7, 8
    ]
    assert first_function(audit, *body).complexity == 8


# Nesting, lengths, docstrings


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        (["pass"], 0),
        (["if a: pass"], 1),
        (["if a:", "    if b: pass"], 2),
        (["if a: pass", "elif b: pass", "elif c: pass", "else: pass"], 1),
        (["if a: pass", "elif b:", "    for x in xs: pass"], 2),
        (["if a: pass", "else:", "    if b: pass"], 2),
        (["for x in xs:", "    with a:", "        try: pass", "        except A:", "            while b: pass"], 4),
        (["match a:", "    case 1:", "        if b: pass"], 2),
        (["return [x for x in xs if x]"], 0),
        (["if a:", "    def g():", "        if b: pass"], 1),
    ],
)
def test_depth_counts_blocks_inside_each_other(audit, body, depth):
    assert first_function(audit, *body).depth == depth


def test_a_long_chain_of_elif_is_neither_deep_nor_too_much(audit):
    chain = ["if a == 0: pass", *(f"elif a == {n}: pass" for n in range(1, 60))]
    function = first_function(audit, *chain)
    assert (function.depth, function.complexity) == (1, 61)


def test_the_depth_of_a_file_is_that_of_its_deepest_function(audit):
    text = "def flat(): pass\ndef deep(a):\n    if a:\n        if a: pass\nif 1:\n  if 2:\n    if 3: pass\n"
    assert measured(audit, text).depth == 2


def test_a_function_is_as_long_as_from_its_def_to_its_last_line(audit):
    (function,) = measured(audit, "\n@decorated\ndef f(\n    a,\n):\n    pass\n\n\n").functions
    assert (function.name, function.file, function.line, function.lines) == ("f", "sample.py", 3, 4)


@pytest.mark.parametrize(("text", "lines"), [("", 0), ("\n", 1), ("a = 1", 1), ("a = 1\n", 1), ("a = 1\n\n", 2), ("a = 1\n\fb = 2\n", 2)])
def test_lines_are_counted_as_an_editor_does(audit, text, lines):
    assert measured(audit, text).lines == lines


def test_modules_classes_and_functions_are_what_can_have_a_docstring(audit):
    text = '"""Module."""\nclass A:\n    """Class."""\n    def f(self):\n        "Method."\n    async def g(self): pass\ndef h():\n    f"no {1}"\n'
    module = measured(audit, text)
    assert (module.definitions, module.documented, len(module.functions)) == (5, 3, 3)


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n"])
def test_an_empty_module_needs_no_docstring(audit, text):
    module = measured(audit, text)
    assert (module.definitions, module.documented, module.depth, module.functions) == (0, 0, 0, ())


# Reading and parsing


def read_bytes(audit: ModuleType, folder: Path, data: bytes) -> Any:
    (folder / "sample.py").write_bytes(data)
    return audit.read(audit.File(str(folder), "sample.py"))


@pytest.mark.parametrize(
    "data",
    [
        "é = 1\n".encode(),
        b"\xef\xbb\xbf" + "é = 1\n".encode(),
        b"# -*- coding: latin-1 -*-\n\xe9 = 1\n",
        b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n\xe9 = 1\n",
        "# coding: utf-8\r\né = 1\r\n".encode(),
    ],
)
def test_a_file_is_decoded_as_it_declares(audit, tmp_path, data):
    source = read_bytes(audit, tmp_path, data)
    assert source.name == "sample.py"
    assert source.text.endswith("é = 1\n")
    assert audit.measure(source).lines == source.text.count("\n")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"a = 1\n\n\n# \xff\n", UnicodeDecodeError),
        (b"# \xff\n", SyntaxError),
        (b"# coding: uft-8\n", SyntaxError),
    ],
)
def test_a_file_that_does_not_decode_raises_when_read(audit, tmp_path, data, error):
    with pytest.raises(error):
        read_bytes(audit, tmp_path, data)


def test_a_file_that_is_not_there_raises_when_read(audit, tmp_path):
    with pytest.raises(FileNotFoundError):
        audit.read(audit.File(str(tmp_path), "absent.py"))


def test_a_syntax_error_raises_when_measured_and_names_the_file(audit):
    with pytest.raises(SyntaxError, match=r"sample\.py, line 2"):
        measured(audit, "a = 1\nprint 'old'\n")


def test_a_nul_raises_when_measured(audit):
    with pytest.raises((ValueError, SyntaxError), match="null bytes"):  # a SyntaxError from Python 3.12 on
        measured(audit, "a = '\0'\n")


def test_code_nested_too_deep_for_python_raises_when_measured(audit):
    with pytest.raises((SyntaxError, RecursionError, MemoryError)):
        measured(audit, "(" * 500 + ")" * 500)


# Discovery


def plant(root: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def discovered(audit: ModuleType, root: Path, limit: int | None = None) -> list[str]:
    return [file.name for file in audit.discover(audit.Tree(str(root), limit))]


def test_discovery_finds_python_files_in_order_and_leaves_installed_packages_out(audit, tmp_path):
    names = ["b.py", "a.py", "pkg/sub/z.py", "pkg/__init__.py", "notes.txt", "c.pyc", "site-packages/x.py", "pkg/dist-packages/y.py"]
    plant(tmp_path, dict.fromkeys(names, ""))
    assert discovered(audit, tmp_path) == ["a.py", "b.py", "pkg/__init__.py", "pkg/sub/z.py"]


@pytest.mark.parametrize(("limit", "found"), [(None, 3), (0, 0), (2, 2), (9, 3)])
def test_discovery_stops_at_the_limit(audit, tmp_path, limit, found):
    plant(tmp_path, {"a.py": "", "b.py": "", "c.py": ""})
    assert len(discovered(audit, tmp_path, limit)) == found


def test_discovery_finds_the_standard_library_of_this_interpreter(audit):
    names = set(discovered(audit, Path(os.__file__).parent))
    assert {"os.py", "asyncio/tasks.py"} <= names
    assert not any("site-packages" in name for name in names)


# Summary and report


def test_a_summary_of_nothing_is_all_zeros(audit):
    summary = audit.summarise([])
    assert (summary.files, summary.functions, summary.median_lines, summary.coverage) == (0, 0, 0, 0)
    assert summary.hardest == summary.packages == []


def test_a_summary_ranks_functions_files_and_packages(audit):
    plain = "def f(): pass\n"
    documented = '"""Yes."""\n' + 'def f(a):\n    "Yes."\n    if a: pass\n' * 24
    summary = audit.summarise(
        [
            measured(audit, plain * 25, "bare/a.py"),
            measured(audit, documented, "good/a.py"),
            measured(audit, plain, "small/a.py"),
        ]
    )
    assert (summary.files, summary.lines, summary.functions) == (3, 25 + 73 + 1, 50)
    assert summary.coverage == 25 / 53
    assert [function.file for function in summary.hardest[:24]] == ["good/a.py"] * 24
    assert summary.packages == [(0.0, "bare"), (1.0, "good")]  # the small one is not ranked


def test_the_report_says_what_was_found_and_groups_the_quarantined_by_reason(audit):
    modules = [measured(audit, "def calm(): pass\n", "a.py"), measured(audit, "def wild(a):\n    if a and a: pass\n", "b/c.py")]
    rejects = [
        audit.Reject("x.py", "UnicodeDecodeError", "byte 0xff"),
        audit.Reject("y.py", "SyntaxError", "invalid syntax"),
        audit.Reject("z.py", "UnicodeDecodeError", "byte 0xfe"),
    ]
    lines = audit.render(audit.report(audit.summarise(modules), [], [], [modules[1]], rejects), top=1).splitlines()
    assert lines[0] == "2 files measured and 3 quarantined"
    assert "Most complex functions" in lines
    assert "       3  wild  b/c.py:1" in lines
    assert not any("calm" in line for line in lines)
    assert lines[-6:] == [
        "Quarantined: SyntaxError",
        "    y.py: invalid syntax",
        "",
        "Quarantined: UnicodeDecodeError",
        "    x.py: byte 0xff",
        "    z.py: byte 0xfe",
    ]


def test_every_list_of_the_report_has_its_title_when_it_is_empty(audit):
    text = audit.render(audit.report(audit.summarise([]), [], [], [], []))
    assert "0 files measured and 0 quarantined" in text
    assert "Most complex functions\n" in text
    assert "Quarantined:" not in text


# The whole workflow


GOOD = '"""Adds."""\n\n\ndef add(a, b):\n    """The sum."""\n    return a + b\n'
BARE = "".join(f"def f{n}(a):\n    return a\n" for n in range(6))
NESTED = "def deep(a):\n" + "".join("    " * (n + 1) + "if a:\n" for n in range(8)) + "    " * 9 + "return a\n"
TREE: dict[str, bytes | str] = {
    "good.py": GOOD,
    "latin.py": b"# coding: latin-1\nNAME = '\xe9'\n",
    "long.py": "x = 1\n" * 2001,
    "pkg/__init__.py": "",
    "pkg/bare.py": BARE,
    "pkg/nested.py": NESTED,
    "pkg/tests/broken.py": "def f(:\n",
    "pkg/tests/garbage.py": b"a = 1\nb = 2\nc = '\xff'\n",
    "pkg/tests/nul.py": b"a = 1\nb = 2\nc = '\0'\n",
}


def run_workflow(audit: ModuleType, root: Path, workers: int = 2, limit: int | None = None) -> Any:
    import actorflow as af

    with af.Engine() as engine:
        return engine.run(audit.audit_workflow(workers), audit.Tree(str(root), limit))


def names(records: list[Any]) -> list[str]:
    return [record.name for record in records]


def test_the_workflow_has_no_problems(audit):
    assert audit.audit_workflow().problems() == []


@pytest.mark.parametrize("workers", [1, 4])
def test_each_file_is_measured_or_quarantined_and_routed_by_its_facts(audit, tmp_path, workers):
    found = run_workflow(audit, plant(tmp_path, TREE), workers)
    assert (found.summary.files, found.summary.functions) == (6, 1 + 6 + 1)
    assert names(found.huge) == ["long.py"]
    assert names(found.undocumented) == ["pkg/bare.py"]
    assert names(found.deep) == ["pkg/nested.py"]
    assert names(found.quarantined) == ["pkg/tests/broken.py", "pkg/tests/garbage.py", "pkg/tests/nul.py"]


def test_the_quarantine_says_why(audit, tmp_path):
    broken, garbage, nul = run_workflow(audit, plant(tmp_path, TREE)).quarantined
    assert broken.reason == "SyntaxError" and "broken.py, line 1" in broken.message
    assert garbage.reason == "UnicodeDecodeError" and "0xff" in garbage.message
    assert nul.reason in ("ValueError", "SyntaxError") and "null bytes" in nul.message


def test_without_bad_files_the_quarantine_is_empty(audit, tmp_path):
    found = run_workflow(audit, plant(tmp_path, {"good.py": GOOD}))
    assert (found.summary.files, found.huge, found.undocumented, found.deep, found.quarantined) == (1, [], [], [], [])


def test_with_bad_files_only_the_summary_is_of_nothing(audit, tmp_path):
    found = run_workflow(audit, plant(tmp_path, {"bad.py": "(\n"}))
    assert (found.summary.files, names(found.quarantined)) == (0, ["bad.py"])


def test_a_tree_without_files_gives_an_empty_audit(audit, tmp_path):
    found = run_workflow(audit, tmp_path)
    assert (found.summary.files, found.quarantined) == (0, [])


def test_the_limit_holds_for_the_whole_run(audit, tmp_path):
    assert run_workflow(audit, plant(tmp_path, TREE), limit=2).summary.files == 2


def test_the_command_prints_the_report_and_its_timings(audit, tmp_path, capsys):
    audit.main(["--path", str(plant(tmp_path, TREE)), "--top", "1", "--workers", "2", "--quiet"])
    printed = capsys.readouterr()
    assert "6 files measured and 3 quarantined" in printed.out
    assert "       9  deep  pkg/nested.py:1" in printed.out
    assert "    pkg/tests/broken.py: " in printed.out
    assert "s of processor time" in printed.out
    assert printed.err == ""


def test_a_quick_run_of_the_command_takes_the_first_200_files(audit, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ACTORFLOW_EXAMPLE_QUICK", "1")
    plant(tmp_path, {f"m{n:03}.py": "" for n in range(205)})
    audit.main(["--path", str(tmp_path), "--quiet"])
    assert "200 files measured and 0 quarantined" in capsys.readouterr().out


def test_a_bigger_tree_of_the_real_library_agrees_with_a_plain_loop(audit):
    root = Path(ast.__file__).parent / "email"
    plain = audit.summarise([audit.measure(audit.read(file)) for file in audit.discover(audit.Tree(str(root)))])
    found = run_workflow(audit, root, workers=4).summary
    assert (found.files, found.lines, found.hardest, found.packages) == (plain.files, plain.lines, plain.hardest, plain.packages)


# The command, as it is typed


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLE), *arguments]


def surroundings() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(EXAMPLE.parents[1]), "PYTHONIOENCODING": "utf-8"}


def test_as_a_command_it_reports_on_a_tree_and_says_how_far_it_is(tmp_path):
    arguments = command("--path", str(plant(tmp_path, TREE)), "--top", "1", "--workers", "3")
    ended = subprocess.run(arguments, env=surroundings(), capture_output=True, encoding="utf-8", timeout=30)
    assert (ended.returncode, ended.stderr.splitlines()) == (0, ["read 9, measure 8, quarantine 3", ""])
    report = ended.stdout.splitlines()
    assert report[0] == "6 files measured and 3 quarantined"
    for line in (
        "       9  deep  pkg/nested.py:1",
        "Files with more than 2,000 lines: 1",
        "    2001  long.py",
        "Files with 5 definitions or more and no docstring: 1",
        "       7  pkg/bare.py",
        "Files with blocks nested 8 deep or more: 1",
        "       8  pkg/nested.py",
        "Quarantined: SyntaxError",
        "Quarantined: UnicodeDecodeError",
    ):
        assert line in report
    assert "s of processor time" in ended.stdout


@pytest.mark.parametrize("arguments", [["--path", "no such directory"], ["--workers", "0"], ["--limit", "-1"]])
def test_what_it_cannot_do_it_refuses_in_a_line(audit, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        audit.main(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that is never read to its end")
def test_an_interrupt_ends_it_with_130_and_no_traceback(tmp_path):
    os.mkfifo(tmp_path / "endless.py")
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # also where the tests run in the background
    with subprocess.Popen(
        command("--path", str(tmp_path)), env=surroundings(), stderr=subprocess.PIPE, encoding="utf-8", **heeds
    ) as process:
        with open(tmp_path / "endless.py", "w"):  # opens once `read` has opened it, too
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "\ninterrupted\n")
