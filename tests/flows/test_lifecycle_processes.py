"""T17, the part of every push: how a process ends that uses an engine. Each is a real process, exits within 5 seconds of what
ends it, in the promised state, and says nothing on stderr but what Python itself says of an exception."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 5.0
PRELUDE = """
import asyncio, os, signal, sys, threading, time
import actorflow as af

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # at once, whatever other threads say

def flow(*handlers, name="flow"):
    made = af.Workflow(name)
    nodes = [made.add(handler) for handler in handlers]
    if len(nodes) > 1:
        made.chain(*nodes)
    return made.build()

at_work = threading.Event()

def forever(x):
    say("ready")
    at_work.set()
    while True:
        time.sleep(1000)

def attentive(x, ctx):
    say("ready")
    at_work.set()
    while not ctx.cancelled:
        time.sleep(0.005)
    say("told:", ctx.reason)

async def beating():
    # wakes the loop again and again: one that has just gone to sleep would not notice a signal before something else wakes it
    while True:
        await asyncio.sleep(0.02)

async def waiting(x):
    try:
        say("ready")
        at_work.set()
        await asyncio.sleep(1000)
    finally:
        say("cleaned up")
"""


class Child:
    """A process that runs some code; `code` may use what PRELUDE has."""

    def __init__(self, code: str) -> None:
        # Python warns from 3.12 on of every fork of a process with threads
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default,ignore:This process:DeprecationWarning"}
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + code], stdout=subprocess.PIPE, stderr=self.errors, text=True, env=environment, cwd=ROOT
        )
        self.said: list[str] = []

    def until(self, line: str) -> "Child":
        """Wait until it has said this."""
        while not self.said or self.said[-1] != line:
            assert self.process.stdout is not None
            said = self.process.stdout.readline()
            assert said, f"the process ended before it said {line!r}: {self.said}, {self.complaints()}"
            self.said.append(said.rstrip("\n"))
        return self

    def complaints(self) -> str:
        with self.errors:
            self.errors.seek(0)
            return self.errors.read()

    def interrupt(self) -> "Child":
        self.process.send_signal(signal.SIGINT)
        return self

    def ends(self, code: int = 0, *, errors: str = "") -> list[str]:
        """What it has said, when it has ended in time with this exit code. `errors` is the last line on stderr, the end of one
        traceback; "": nothing is there at all."""
        begun = time.monotonic()
        killer = threading.Timer(20, self.process.kill)
        killer.start()
        with self.process:
            assert self.process.stdout is not None
            self.said += self.process.stdout.read().splitlines()
        killer.cancel()
        took = time.monotonic() - begun
        said, err = self.said, self.complaints()
        assert self.process.returncode == code, (self.process.returncode, said, err)
        if errors:
            assert err.startswith("Traceback") and err.strip().splitlines()[-1] == errors, err
            assert "actorflow" not in err.replace(str(ROOT / "actorflow"), ""), err
        else:
            assert err == "", err
        assert took < LIMIT_S, f"it took {took:.1f} s to end"
        return said


def test_a_forgotten_stop_of_an_idle_engine_does_not_keep_the_process():
    assert Child("engine = af.Engine(); say(engine.run(flow(lambda x: x + 1), 1))").ends() == ["2"]


def test_a_forgotten_stop_does_not_wait_for_a_handler_that_blocks_forever():
    child = Child("engine = af.Engine(); run = engine.start(flow(forever)); at_work.wait(); say('main ends')").until("main ends")
    assert child.ends() == ["ready", "main ends"]


def test_a_forgotten_stop_does_not_wait_for_each_of_many_engines_and_handlers():
    code = """
engines = [af.Engine() for _ in range(8)]
runs = [engine.start(flow(forever)) for engine in engines for _ in range(2)]
while sum(run.node("forever").leased for run in runs) < 16:
    time.sleep(0.001)
say("main ends")
"""
    Child(code).until("main ends").ends()


def test_after_a_forgotten_stop_handlers_are_told_that_the_interpreter_exits():
    child = Child("engine = af.Engine(); run = engine.start(flow(attentive)); at_work.wait(); say('main ends')").until("main ends")
    assert child.ends() == ["ready", "main ends", "told: interpreter exit"]


def test_after_a_forgotten_stop_async_handlers_clean_up():
    child = Child("engine = af.Engine(); run = engine.start(flow(waiting)); at_work.wait(); say('main ends')").until("main ends")
    assert child.ends() == ["ready", "main ends", "cleaned up"]


def test_no_thread_is_made_while_the_interpreter_exits():
    code = """
import atexit
engine = af.Engine()
run = engine.start(flow(forever)); at_work.wait()
idle = af.Engine()
opened = idle.open(flow(lambda x: x))
start = threading.Thread.start
def refuse(thread): say("made", thread.name); start(thread)
atexit.register(lambda: setattr(threading.Thread, "start", refuse))  # what is registered later is called earlier
"""
    assert Child(code).ends() == ["ready"]


def test_an_exception_in_the_with_body_cancels_the_runs_and_is_what_the_process_ends_with():
    code = """
try:
    with af.Engine() as engine:
        run = engine.start(flow(attentive)); at_work.wait()
        raise ValueError("boom")
finally:
    say(run.status, run.wait(0).metrics["nodes"].keys())
"""
    assert Child(code).ends(1, errors="ValueError: boom") == ["ready", "told: engine stopped", "cancelled dict_keys(['attentive'])"]


def test_an_exception_in_the_with_body_does_not_wait_for_a_handler_that_blocks_forever():
    code = """
with af.Engine() as engine:
    run = engine.start(flow(forever)); at_work.wait()
    raise ValueError("boom")
"""
    assert Child(code).ends(1, errors="ValueError: boom") == ["ready"]


def test_sys_exit_in_the_with_body_ends_the_process_with_its_code():
    code = """
try:
    with af.Engine() as engine:
        run = engine.start(flow(attentive)); at_work.wait()
        sys.exit(3)
finally:
    say(run.status)
"""
    assert Child(code).ends(3) == ["ready", "told: engine stopped", "cancelled"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_sigterm_ends_the_process_as_if_there_were_no_engine():
    child = Child("with af.Engine() as engine: engine.run(flow(forever))").until("ready")
    child.process.terminate()
    assert child.ends(-signal.SIGTERM) == ["ready"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
class TestCtrlC:
    def test_in_a_helped_handler_cancels_its_run_at_once(self):
        code = """
with af.Engine() as engine:
    try:
        engine.run(flow(forever, lambda x: say("never")), run_id="a")
    except KeyboardInterrupt:
        run = engine.get("a")
        say(run.wait(1).status, run.wait(0).nodes["forever"].status)
        raise
"""
        assert Child(code).until("ready").interrupt().ends(-2, errors="KeyboardInterrupt") == ["ready", "cancelled cancelled"]

    def test_in_engine_run_that_waits_for_a_worker_cancels_its_run(self):
        code = """
with af.Engine() as engine:
    try:
        engine.run(flow(attentive), timeout=1000, run_id="a")
    except KeyboardInterrupt:
        say(engine.get("a").wait(1).status)
        raise
"""
        assert Child(code).until("ready").interrupt().ends(-2, errors="KeyboardInterrupt") == ["ready", "told: interrupted", "cancelled"]

    def test_while_waiting_leaves_the_run_to_the_with_block_which_cancels_it(self):
        code = """
try:
    with af.Engine() as engine:
        run = engine.start(flow(attentive))
        try:
            at_work.wait()
            say("waits")
            run.wait()
        except KeyboardInterrupt:
            say(run.status)
            raise
finally:
    say(run.status)
"""
        assert Child(code).until("waits").interrupt().ends(-2, errors="KeyboardInterrupt") == [
            "ready",
            "waits",
            "running",
            "told: engine stopped",
            "cancelled",
        ]

    def test_caught_leaves_an_engine_that_works(self):
        code = """
with af.Engine() as engine:
    try:
        engine.run(flow(forever))
    except KeyboardInterrupt:
        pass
    say(engine.run(flow(lambda x: x + 1), 1), engine.start(flow(lambda x: x + 2), 1).result(5))
"""
        assert Child(code).until("ready").interrupt().ends() == ["ready", "2 3"]

    def test_at_any_moment_of_many_runs_leaves_no_lock_held(self):
        code = """
def first(x): return x
def second(x): return x
many = flow(first, second)
with af.Engine() as engine:
    for round in range(40):
        pid = os.getpid()
        try:
            threading.Timer(0.003 + round % 7 * 0.0007, os.kill, (pid, signal.SIGINT)).start()
            while True:
                engine.run(many, 1)
        except KeyboardInterrupt:
            pass
    say("ready")
    say(engine.run(many, 5), {str(run.wait(5).status) for run in engine.runs()} <= {"completed", "cancelled"})
"""
        assert Child(code).ends() == ["ready", "5 True"]

    def test_twice_does_not_wait_for_handlers_that_do_not_end(self):
        code = """
with af.Engine() as engine:
    run = engine.start(flow(forever))
    try:
        at_work.wait()
        say("waits")
        run.wait()
    except KeyboardInterrupt:
        say("first")
        raise
"""
        child = Child(code).until("waits").interrupt().until("first").interrupt()
        assert child.ends(-2, errors="KeyboardInterrupt") == ["ready", "waits", "first"]

    def test_under_asyncio_cancels_the_runs_and_lets_async_handlers_clean_up(self):
        code = """
async def main():
    beats = asyncio.create_task(beating())
    async with af.Engine() as engine:
        run = engine.start(flow(waiting))
        try:
            await run
        finally:
            say(run.status)
asyncio.run(main())
"""
        assert Child(code).until("ready").interrupt().ends(-2, errors="KeyboardInterrupt") == ["ready", "running", "cleaned up"]

    def test_under_asyncio_while_a_thread_handler_blocks_forever(self):
        code = """
async def main():
    beats = asyncio.create_task(beating())
    async with af.Engine() as engine:
        await engine.start(flow(forever))
asyncio.run(main())
"""
        assert Child(code).until("ready").interrupt().ends(-2, errors="KeyboardInterrupt") == ["ready"]

    def test_twice_under_asyncio_reaches_the_user_out_of_an_async_handler(self):
        code = """
async def stubborn(x):
    say("ready")
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            say("told")
            while True:
                time.sleep(0.01)  # blocks the loop
async def main():
    beats = asyncio.create_task(beating())
    async with af.Engine() as engine:
        await engine.start(flow(stubborn))
asyncio.run(main())
"""
        child = Child(code).until("ready").interrupt().until("told").interrupt()
        assert child.ends(-2, errors="KeyboardInterrupt") == ["ready", "told"]


def test_os_exit_ends_the_process_at_once():
    assert Child("engine = af.Engine(); engine.start(flow(forever)); at_work.wait(); os._exit(7)").ends(7) == ["ready"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
class TestFork:
    def test_s23_every_call_in_the_child_raises_and_the_parent_goes_on(self):
        code = """
go = threading.Event()
def held(x): at_work.set(); go.wait(); return x + 1
async def refused(call):
    try: await call()
    except af.EngineForked: return True
with af.Engine() as engine:
    definition = flow(held)
    over = engine.start(flow(lambda x: x), 5); over.wait()
    run = engine.start(definition, 1); at_work.wait()
    opened = engine.open(definition)
    child = os.fork()
    if child == 0:
        calls = [lambda: engine.start(definition), lambda: engine.run(definition), lambda: engine.open(definition), lambda: engine.get(run.id),
                 lambda: engine.runs(), lambda: engine.snapshot(run.id), lambda: engine.forget(run.id), engine.stop, engine.__enter__]
        for one in (run, over, opened):
            calls += [one.wait, one.result, one.done, one.cancel, one.close, one.snapshot, one.results, lambda one=one: one.status,
                      lambda one=one: one.variables, lambda one=one: one.node("held"), lambda one=one: one.send(1), lambda one=one: af.wait_all([one])]
        missed = []
        for number, call in enumerate(calls):
            try: call(); missed.append(number)
            except af.EngineForked: pass
        async def main():
            return [await refused(call) for call in (engine.astop, engine.__aenter__, run.settled, lambda: run.asend(1))]
        repr(engine), repr(run)
        say("child", missed, all(asyncio.run(main())))
        os._exit(0)
    os.waitpid(child, 0)
    go.set()
    say("parent", run.result(5))
"""
        assert Child(code).ends() == ["child [] True", "parent 2"]

    def test_s23_a_child_that_exits_in_the_usual_way_leaves_the_parent_alone(self):
        code = """
with af.Engine() as engine:
    run = engine.start(flow(attentive)); at_work.wait()
    child = os.fork()
    if child == 0:
        sys.exit(4)
    say("parent", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), run.status)
    run.cancel("enough")
"""
        assert Child(code).ends() == ["ready", "parent 4 running", "told: enough"]

    def test_s23_a_new_engine_in_the_child_works_whatever_the_parent_was_at(self):
        code = """
definition = flow(lambda x: x + 1)
async def later(x): await asyncio.sleep(0); return x + 1
other = flow(later)
stop = threading.Event()
def load(engine):
    while not stop.is_set():
        engine.run(definition, 1)
        engine.start(other, 1).result()
with af.Engine() as engine:
    threads = [threading.Thread(target=load, args=(engine,)) for _ in range(2)]
    for thread in threads: thread.start()
    codes = []
    for _ in range(10):
        child = os.fork()
        if child == 0:
            with af.Engine() as mine:
                os._exit(mine.run(definition, 1) + mine.run(other, 1))
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for thread in threads: thread.join()
    say(codes == [4] * 10)
"""
        assert Child(code).ends() == ["True"]

    def test_s23_a_handler_that_forks_and_returns_in_the_child_goes_nowhere_there(self):
        code = """
children = []
def forking(x):
    child = os.fork()
    if child: children.append(child)
    return child
def after(x): say("after", x == children[0]); return 1
with af.Engine() as engine:
    run = engine.start(flow(forking, after))
    say(run.result(5), os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]))
"""
        assert Child(code).ends() == ["after True", "1 0"]


def test_nested_engines_end_one_after_the_other():
    code = """
with af.Engine() as outer:
    def inside(x):
        with af.Engine() as inner:
            run = inner.start(flow(lambda x: x + 1), x)
        say("inner has drained:", run.status)
        return run.result()
    say(outer.run(flow(inside), 1), outer.start(flow(inside), 2).result())
    with af.Engine() as other:
        say(other.run(flow(lambda x: x), 3))
"""
    assert Child(code).ends() == ["inner has drained: completed"] * 2 + ["2 3", "3"]


def test_an_engine_stopped_by_a_handler_lets_the_process_end():
    code = """
engine = af.Engine()
def stops(x): engine.stop(); say("returned"); return x
run = engine.start(flow(stops), 1)
say(run.result(5))
"""
    assert Child(code).ends() == ["returned", "1"]


def test_s11_what_is_raised_on_a_worker_ends_an_attempt_and_nothing_else():
    code = """
with af.Engine() as engine:
    other = engine.start(flow(attentive)); at_work.wait()
    def raises(kind):
        raise kind("x")
    for kind in (SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, asyncio.CancelledError):
        result = engine.start(flow(raises), kind).wait(5)
        say(result.status, result.errors[0].type, other.status)
    other.cancel()
    say(engine.run(flow(lambda x: x), 1))
"""
    said = Child(code).ends()
    kinds = ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration", "asyncio.exceptions.CancelledError")
    assert said[1:6] == [f"failed {kind} running" for kind in kinds], said
    assert sorted(said[6:]) == ["1", "told:"] or said[6:] == ["told: cancelled", "1"] or said[6:] == ["1", "told: cancelled"], said


def test_a_task_of_the_user_that_raises_system_exit_does_not_end_the_engine_s_own_loop():
    code = """
import logging
logging.getLogger("actorflow").addHandler(logging.NullHandler())
async def starts(x):
    async def bad(): raise SystemExit(9)
    task = asyncio.create_task(bad())
    try: await task
    except BaseException as error: return type(error).__name__
with af.Engine() as engine:
    say(engine.run(flow(starts)), engine.run(flow(starts)))
"""
    assert Child(code).ends() == ["SystemExit SystemExit"]


def test_a_stop_of_the_loop_by_a_handler_does_not_end_the_engine_s_own_loop():
    code = """
async def stops(x): asyncio.get_running_loop().stop(); await asyncio.sleep(0.01); return x
with af.Engine() as engine: say(engine.run(flow(stops), 1), engine.run(flow(stops), 2))
"""
    assert Child(code).ends() == ["1 2"]


def test_an_async_handler_that_never_ends_leaves_no_complaint_of_asyncio_behind():
    code = """
async def stubborn(x):
    at_work.set()
    while True:
        try: await asyncio.sleep(1000)
        except asyncio.CancelledError: say("told")
engine = af.Engine()
engine.start(flow(stubborn)); at_work.wait()
try: raise ValueError("boom")
except ValueError: engine.stop(drain=False)
say("stopped")
"""
    said = Child(code).ends()
    assert said[0] == "told" and said[-1] == "stopped"
