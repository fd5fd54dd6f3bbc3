"""The pages for users, kept true: every block of Python in README.md and docs/*.md runs, and shows what it says it shows.

The blocks of a page run in order and share one namespace, which is a module of its own. A block that opens with ```python no-run
is only compiled. A comment at the end of a statement says what the statement gives, and is checked:

    total = 1 + 2  # -> 3                                what a single name was given
    sorted({"b", "a"})  # -> ["a", "b"]                  what an expression gives: equal to the value of what stands there
    print("a", 1)  # -> a 1                              what is printed, letter by letter
    int("x")  # -> raises ValueError: invalid literal    the class of the error, and a part of its text (or none)

A check that is never reached is a fault of the page, and so are a link to a file or a heading that is not there, and a path that
leads out of the project."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MARK = "# -> "
RAISES = re.compile(r"raises (?P<name>[\w.]+)(?:: (?P<text>.+))?")
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
CHECKED = ast.Expr | ast.Assign | ast.AnnAssign


@dataclass
class Block:
    line: int  # of the page, on which the code begins
    code: str
    runs: bool


@dataclass
class Checks:
    """What the code of a page calls at its checks."""

    page: str
    reached: set[int] = field(default_factory=set)

    def equal(self, line: int, value: Any, wanted: Any) -> None:
        self.reached.add(line)
        assert value == wanted, f"{self.page}:{line} says {wanted!r}, but it is {value!r}"

    def printed(self, line: int, wanted: str, *values: Any, **options: Any) -> None:
        self.reached.add(line)
        text = io.StringIO()
        print(*values, **options, file=text)
        assert text.getvalue().rstrip("\n") == wanted, f"{self.page}:{line} says {wanted!r}, but prints {text.getvalue()!r}"

    def raises(self, line: int, name: str, text: str) -> "Raises":
        return Raises(self, line, name, text)


@dataclass
class Raises:
    checks: Checks
    line: int
    name: str
    text: str

    def __enter__(self) -> None:
        self.checks.reached.add(self.line)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        where = f"{self.checks.page}:{self.line} says it raises {self.name}"
        assert error is not None and kind is not None, f"{where}, but it raises nothing"
        names = {cls.__name__ for cls in kind.__mro__}
        assert self.name.rpartition(".")[2] in names, f"{where}, but it raises {error!r}"
        assert self.text in str(error), f"{where}: {self.text!r}, but it says {str(error)!r}"
        return True


def blocks_of(text: str) -> list[Block]:
    found = []
    for fence in FENCE.finditer(text):
        language, *marks = fence["info"].split() or [""]
        if language == "python":
            assert marks in ([], ["no-run"]), f"a block is marked {marks}; there is only no-run"
            found.append(Block(text.count("\n", 0, fence.start()) + 2, fence["code"], not marks))
    return found


def marks_of(code: str) -> dict[int, str]:
    """What stands after each mark, by line of the block."""
    comments = (token for token in tokenize.generate_tokens(io.StringIO(code).readline) if token.type == tokenize.COMMENT)
    return {token.start[0]: token.string.removeprefix(MARK).strip() for token in comments if token.string.startswith(MARK)}


class _Rewrite(ast.NodeTransformer):
    """Puts a call of the checks where a mark is. `used` are the marks for which there was a statement."""

    def __init__(self, marks: dict[int, str], shift: int) -> None:
        self.marks = marks
        self.shift = shift
        self.used: set[int] = set()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Statements in the bodies of compound ones."""
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list):
                setattr(node, name, [each for statement in body for each in self._checked(statement)])
        return node

    def _checked(self, statement: ast.stmt) -> Iterator[ast.stmt]:
        mark = self.marks.get(statement.end_lineno or 0)
        if mark is None or not isinstance(statement, CHECKED):
            yield statement
            return
        self.used.add(statement.end_lineno or 0)
        line = ast.Constant((statement.end_lineno or 0) + self.shift)
        raising = RAISES.fullmatch(mark)
        if raising:
            arguments: list[ast.expr] = [line, ast.Constant(raising["name"]), ast.Constant(raising["text"] or "")]
            yield _placed(ast.With([ast.withitem(_call("raises", arguments))], [statement]), statement)
        elif isinstance(statement, ast.Expr):
            value = statement.value
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print":
                call = _call("printed", [line, ast.Constant(mark), *value.args], value.keywords)
            else:
                call = _call("equal", [line, value, ast.parse(mark, mode="eval").body])
            yield _placed(ast.Expr(call), statement)
        else:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            assert isinstance(target, ast.Name), f"line {line.value}: only what one name was given can be checked"
            yield statement
            call = _call("equal", [line, ast.Name(target.id, ast.Load()), ast.parse(mark, mode="eval").body])
            yield _placed(ast.Expr(call), statement)


def _call(name: str, arguments: list[ast.expr], keywords: list[ast.keyword] | None = None) -> ast.expr:
    return ast.Call(ast.Attribute(ast.Name("__checks__", ast.Load()), name, ast.Load()), arguments, keywords or [])


def _placed(made: ast.stmt, like: ast.stmt) -> ast.stmt:
    return ast.fix_missing_locations(ast.copy_location(made, like))


def compiled(block: Block, page: str) -> tuple[Any, set[int]]:
    """The code of a block with its checks, and the lines of the page that have one."""
    shift = block.line - 1
    marks = marks_of(block.code)
    rewrite = _Rewrite(marks, shift)
    tree = rewrite.visit(ast.parse(block.code, page))
    assert rewrite.used == set(marks), f"{page}: nothing to check on lines {sorted(line + shift for line in set(marks) - rewrite.used)}"
    ast.increment_lineno(tree, shift)
    return compile(tree, page, "exec"), {line + shift for line in marks}


def run_page(text: str, page: str) -> None:
    """Run the blocks of a page."""
    module = ModuleType("page_" + re.sub(r"\W", "_", page))
    checks = Checks(page)
    module.__dict__["__checks__"] = checks
    sys.modules[module.__name__] = module  # types that are defined on the page are looked up in it
    expected: set[int] = set()
    search = sys.path.copy()
    try:
        for block in blocks_of(text):
            if not block.runs:
                compile(block.code, page, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                continue
            code, lines = compiled(block, page)
            expected |= lines
            exec(code, module.__dict__)
    finally:
        del sys.modules[module.__name__]
        sys.path[:] = search
    assert checks.reached == expected, f"{page}: never reached: lines {sorted(expected - checks.reached)}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_shows_is_true(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    run_page(page.read_text(encoding="utf-8"), name_of(page))


def anchors_of(text: str) -> set[str]:
    """The anchors that headings get, as the usual viewers make them."""
    outside = FENCE.sub("", text)
    headings = (found[1].lower() for found in re.finditer(r"^#+ (.+)$", outside, re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(FENCE.sub("", page.read_text(encoding="utf-8"))):
        target, _, anchor = link["target"].partition("#")
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.is_relative_to(ROOT) and file.exists(), f"{link['target']} is not there"
        if anchor:
            assert anchor in anchors_of(file.read_text(encoding="utf-8")), f"{link['target']}: there is no such heading"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("1 + 1  # -> 3", "page:2 says 3, but it is 2"),
        ("x = 1  # -> 2", "page:2 says 2, but it is 1"),
        ("print('a', 1)  # -> a 2", "says 'a 2', but prints 'a 1"),
        ("int('1')  # -> raises ValueError", "but it raises nothing"),
        ("int('x')  # -> raises TypeError", "but it raises ValueError"),
        ("int('x')  # -> raises ValueError: other", "'other', but it says"),
        ("if False:\n    1  # -> 1", "never reached: lines [3]"),
        ("pass  # -> 1", "nothing to check on lines [2]"),
    ],
)
def test_a_page_that_is_wrong_is_found_out(code: str, fault: str) -> None:
    with pytest.raises(AssertionError) as caught:
        run_page(f"```python\n{code}\n```\n", "page")
    assert fault in str(caught.value)


def test_a_page_that_is_right_passes() -> None:
    page = "```python\nimport asyncio\n\nasync def two():\n    return 2\n```\ntext\n```python no-run\n1 / 0\n```\n```python\n"
    page += "async def main():\n    await two()  # -> 2\n    x: int = await two()  # -> 2\n    int('x')  # -> raises ValueError\nasyncio.run(main())\n```\n"
    run_page(page, "page")


def test_the_drawing_of_the_layers_is_that_of_the_package() -> None:
    """Against the layers that tools/imports.py enforces."""
    drawn = {}
    for box in re.finditer(r'\["(\d): ([\w, ]+)"\]', (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")):
        drawn.update(dict.fromkeys(box[2].split(", "), int(box[1])))
    listed = re.search(r"^LAYERS = (\{.*?^\})", (ROOT / "tools" / "imports.py").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert listed is not None
    there = {path.stem for path in (ROOT / "actorflow").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} - {"__init__"}
    assert drawn == {name: layer for name, layer in ast.literal_eval(listed[1]).items() if name in there}
