"""User programs for the type checker: `mypy --strict` accepts those in `good/`, and refuses those in `bad/` on exactly the
lines that say `# error: <part of the message>`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PROGRAMS = sorted(HERE.glob("good/*.py")) + sorted(HERE.glob("bad/*.py"))
EXPECTED = re.compile(r"# error: (.+)$")
FOUND = re.compile(r"^(.+?):(\d+): error: (.+)$")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def found() -> dict[Path, dict[int, list[str]]]:
    """What mypy says about all programs, in one process: file -> line -> messages."""
    pytest.importorskip("mypy")
    options = ["--strict", "--config-file=", "--python-version=3.11", "--explicit-package-bases", "--no-error-summary", "--no-pretty"]
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'user_programs'}"
    environment = {**os.environ, "MYPYPATH": str(ROOT), "MYPY_FORCE_COLOR": "0"}
    command = [sys.executable, "-m", "mypy", *options, cache, *map(str, PROGRAMS)]
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    messages: dict[Path, dict[int, list[str]]] = {}
    for line in done.stdout.splitlines():
        if match := FOUND.match(line):
            lines = messages.setdefault((HERE / match[1]).resolve(), {})
            lines.setdefault(int(match[2]), []).append(match[3])
    return messages


def expected(program: Path) -> dict[int, str]:
    lines = enumerate(program.read_text(encoding="utf-8").splitlines(), 1)
    return {number: match[1] for number, line in lines if (match := EXPECTED.search(line))}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_type_checker_finds_exactly_the_errors_that_a_program_expects(program, found):
    messages, wanted = found.get(program.resolve(), {}), expected(program)
    unexpected = {number: texts for number, texts in messages.items() if number not in wanted}
    missed = {number: text for number, text in wanted.items() if not any(text in each for each in messages.get(number, []))}
    assert (unexpected, missed) == ({}, {}), f"what was said: {messages}"


def test_programs_are_where_they_belong():
    assert {path.parent.name for path in PROGRAMS} == {"good", "bad"}
    assert not any(expected(path) for path in PROGRAMS if path.parent.name == "good")
    assert all(expected(path) for path in PROGRAMS if path.parent.name == "bad")
