"""Everything one does with a checkout, from any directory and without installing anything first:

    python3 tools/dev.py demo [arguments]     run examples/stdlib_audit.py
    python3 tools/dev.py test [arguments]     run the tests; the arguments go to pytest
    python3 tools/dev.py check [arguments]    format, lint, types, layers and tests in one go; the arguments go to pytest
    python3 tools/dev.py format               format the code, and mend what the linter can
    python3 tools/dev.py bench [arguments]    run the benchmarks (python -m tools.bench)
    python3 tools/dev.py lock [arguments]     write requirements-dev.lock anew; --upgrade takes the newest versions

All but `lock` use `.venv` (or the directory in ACTORFLOW_VENV), made from requirements-dev.lock at the first call and again when the lock
or the version of Python has changed; after that they work offline. The package itself is not installed: the environment has the checkout
on its path.

Standard library only. What always holds: the stamp is the last thing written, so an interrupted set-up is begun again; one process at a
time sets up; a directory this script did not make is never deleted. The syntax is that of Python 3.6, so that older ones get as far as
the next lines.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("actorflow needs Python 3.11 or later; this is Python %d.%d (%s)" % (sys.version_info[0], sys.version_info[1], sys.executable))

import contextlib
import hashlib
import importlib.util
import locale
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.lock"
VENV = Path(os.path.abspath(os.path.expanduser(os.environ.get("ACTORFLOW_VENV") or str(ROOT / ".venv"))))
MADE = VENV / "made-by-actorflow-dev"  # first thing in a new environment: this script may delete it
STAMP = VENV / "actorflow-dev.stamp"  # last thing: what the environment was made from
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
VERSION = "%d.%d" % sys.version_info[:2]
UV = "uv==0.13.8"  # resolves for all platforms and versions at once, which pip cannot


def main(arguments):
    commands = {"demo": demo, "test": test, "check": check, "format": format_code, "bench": bench, "lock": lock}
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0 if arguments else 2
    if arguments[0] not in commands:
        return fail("unknown command '%s'; there are: %s" % (arguments[0], ", ".join(commands)))
    return commands[arguments[0]](arguments[1:])


def demo(arguments):
    """Runs in the caller's directory, so that paths among the arguments mean what they say."""
    set_up()
    return become([str(PYTHON), str(ROOT / "examples" / "stdlib_audit.py")] + arguments)


def test(arguments):
    set_up()
    return become([str(PYTHON), "-m", "pytest"] + arguments, cwd=ROOT)


def bench(arguments):
    set_up()
    return become([str(PYTHON), "-m", "tools.bench"] + arguments, cwd=ROOT)


def check(arguments):
    """All of them, also after one has failed."""
    set_up()
    steps = {
        "format": ["-m", "ruff", "format", "--check", "--quiet", "."],
        "lint": ["-m", "ruff", "check", "."],
        "types": ["-m", "mypy", "--strict", "actorflow"],
        "layers": [str(ROOT / "tools" / "imports.py")],
        "tests": ["-m", "pytest"] + arguments,
    }
    failed = []
    for name, step in steps.items():
        say("%s: python %s" % (name, " ".join(step[1:] if step[0] == "-m" else step)))
        if subprocess.call([str(PYTHON)] + step, cwd=str(ROOT), env=environment(), stdin=subprocess.DEVNULL) != 0:
            failed.append(name)
    say("check failed: " + ", ".join(failed) if failed else "check passed: " + ", ".join(steps))
    return 1 if failed else 0


def format_code(arguments):
    set_up()
    mended = subprocess.call([str(PYTHON), "-m", "ruff", "check", "--fix", "."] + arguments, cwd=str(ROOT), env=environment())
    return subprocess.call([str(PYTHON), "-m", "ruff", "format", "."] + arguments, cwd=str(ROOT), env=environment()) or mended


def lock(arguments):
    """Resolved against the public registry alone: hashes of files that only a local index has would be of no use to others."""
    with tempfile.TemporaryDirectory(prefix="actorflow-lock-") as folder:
        _make_environment(Path(folder))
        python = str(Path(folder) / PYTHON.relative_to(VENV))
        if subprocess.call([python, "-I", "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check", UV]) != 0:
            return fail("could not install %s, which resolves the lock" % UV)
        names = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
        clean = {name: value for name, value in os.environ.items() if name not in names}
        command = [python, "-m", "uv", "pip", "compile", "pyproject.toml", "--group", "dev", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-config", "--no-emit-index-url", "--no-emit-find-links", "--quiet"]
        command += ["--custom-compile-command", "python3 tools/dev.py lock", "--output-file", LOCK.name]
        code = subprocess.call(command + arguments, cwd=str(ROOT), env=clean)
    if code != 0:
        return fail("the lock was not written")
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    if any("://" in line for line in lines):
        return fail("%s names an address; it must name only versions and hashes" % LOCK.name)
    say("wrote %s: %d packages" % (LOCK.name, sum(line[:1].isalnum() for line in lines)))
    return 0


def set_up():
    """Make the environment fit the lock; does nothing, and needs no network, when it does already."""
    if not LOCK.is_file():
        sys.exit(fail("%s is missing; is this a complete checkout?" % LOCK.name))
    wanted = "%s python %s\n" % (hashlib.sha256(LOCK.read_bytes()).hexdigest(), VERSION)
    if not _is_ready(wanted):
        try:
            with _one_at_a_time():
                if not _is_ready(wanted):
                    _prepare(wanted)
        except OSError as error:
            sys.exit(fail("could not set up %s: %s" % (VENV, error)))
    _point_at_checkout()


def _is_ready(wanted):
    try:
        return STAMP.read_text(encoding="utf-8") == wanted and _version_inside() == VERSION
    except OSError:
        return False


def _version_inside():
    """The environment's version of Python; None if it does not run, as when the Python it was made from is gone."""
    try:
        command = [str(PYTHON), "-I", "-c", "import sys, pip; print('%d.%d' % sys.version_info[:2])"]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _prepare(wanted):
    found, finished = _version_inside(), STAMP.exists()
    with contextlib.suppress(FileNotFoundError):
        STAMP.unlink()
    ours, within = MADE.exists(), os.path.realpath(sys.prefix) == os.path.realpath(str(VENV))
    if found != VERSION or (ours and not finished and not within):  # what was interrupted may be broken in ways pip does not see
        if VENV.exists() and any(VENV.iterdir()):
            if not ours:
                what = "has Python %s, not %s" % (found, VERSION) if found else "is not a working environment"
                sys.exit(fail("%s %s, and this script did not make it; remove it, or set ACTORFLOW_VENV to another place" % (VENV, what)))
            _empty()
        say("making %s with Python %s" % (VENV, VERSION))
        VENV.mkdir(parents=True, exist_ok=True)
        MADE.touch()
        _make_environment(VENV)
    say("installing the packages of %s" % LOCK.name)
    options = ["-qq", "--no-input", "--disable-pip-version-check", "--no-user", "--require-hashes"]
    command = [str(PYTHON), "-I", "-m", "pip", "install"] + options + ["-r", str(LOCK)]
    redirections = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_CONSTRAINT")
    clean = {name: value for name, value in environment().items() if name not in redirections}
    if subprocess.call(command, env=clean, stdin=subprocess.DEVNULL) != 0:
        sys.exit(fail("pip could not install the locked packages, for the reason above; the same command tries again"))
    temporary = STAMP.with_suffix(".new")
    temporary.write_text(wanted, encoding="utf-8")
    os.replace(str(temporary), str(STAMP))


def _empty():
    """All but the mark that says it may be deleted, so that this too can be interrupted."""
    for item in VENV.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(str(item))
        elif item != MADE:
            item.unlink()


def _make_environment(folder):
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        hint = "on Debian and Ubuntu: apt install python%s-venv" % VERSION
        sys.exit(fail("this Python (%s) has no module '%s', which makes environments; %s" % (sys.executable, missing[0], hint)))
    command = [sys.executable, "-I", "-m", "venv", str(folder)]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        sys.exit(fail("could not make an environment in %s:\n%s" % (folder, made.stdout)))


def _point_at_checkout():
    """Put the checkout on the environment's path, by a .pth file; written each time it differs, for checkouts move."""
    if os.name == "nt":
        packages = VENV / "Lib" / "site-packages"
    else:
        packages = VENV / "lib" / ("python" + VERSION) / "site-packages"
    encoding = "utf-8" if sys.version_info >= (3, 13) else locale.getencoding()  # what site.py reads it with
    pointer, wanted = packages / "actorflow-checkout.pth", (str(ROOT) + "\n").encode(encoding, "surrogateescape")
    if not pointer.is_file() or pointer.read_bytes() != wanted:
        temporary = pointer.with_suffix(".%d" % os.getpid())
        temporary.write_bytes(wanted)
        os.replace(str(temporary), str(pointer))


@contextlib.contextmanager
def _one_at_a_time():
    """A lock of the operating system beside the environment; it ends with the process, so none is ever left behind."""
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with open(str(VENV) + ".lock", "a+b") as handle:
        if not _take(handle, wait=False):
            say("waiting for another process that sets up %s" % VENV)
            while not _take(handle, wait=True):
                pass
        yield


def _take(handle, wait):
    if os.name == "nt":
        import msvcrt

        try:
            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # LK_LOCK gives up after ten seconds
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def environment():
    """The caller's, as after activating the environment."""
    own = dict(os.environ, VIRTUAL_ENV=str(VENV), PATH=str(PYTHON.parent) + os.pathsep + os.environ.get("PATH", os.defpath))
    own.pop("PYTHONHOME", None)
    return own


def become(command, cwd=None):
    """Replace this process, where the system can, so that signals and the exit code are those of the command."""
    sys.stdout.flush()
    if sys.stdin is None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if os.name == "nt":
        return subprocess.call(command, cwd=cwd, env=environment())
    if cwd is not None:
        os.chdir(str(cwd))
    os.execve(command[0], command, environment())


def say(text):
    print("dev: " + text, file=sys.stderr, flush=True)


def fail(text):
    say("error: " + text)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
