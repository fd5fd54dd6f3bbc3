"""T13: many runs in flight on few threads, of random shapes, started and waited for in every way. Each ends with its output."""

import asyncio
import random
import threading
import time
from pathlib import Path

import pytest

import actorflow as af
from tests.stress.shapes import some

SECONDS = 2.0
SEED = random.SystemRandom().randrange(10**9)


def check_one(engine: af.Engine, rng: random.Random, shapes: list) -> None:
    """Start some runs in a random way; each must end with its output."""
    definition, expected = rng.choice(shapes)
    x = rng.randrange(20)
    way = rng.randrange(4)
    if way == 0:
        assert engine.run(definition, x) == expected(x)
    elif way == 1:
        assert engine.start(definition, x).result(20) == expected(x)
    elif way == 2:
        runs = [engine.start(definition, x + number) for number in range(8)]
        assert [run.result(20) for run in runs] == [expected(x + number) for number in range(8)]
    else:
        run = engine.start(definition, x)
        values = list(run.results())
        assert values == [expected(x)] or run.result(0) == expected(x)


def hammer(engine: af.Engine, threads: int, shapes: list) -> int:
    """Check runs from so many threads for SECONDS; returns how many."""
    errors, counts = [], []
    end = time.monotonic() + SECONDS

    def work(number: int) -> None:
        rng = random.Random(SEED + number)
        count = 0
        try:
            while time.monotonic() < end and not errors:
                check_one(engine, rng, shapes)
                count += 1
        except BaseException as error:
            errors.append(error)
        counts.append(count)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(40)
        assert not worker.is_alive(), f"seed {SEED}"
    if errors:
        errors[0].add_note(f"seed {SEED}")
        raise errors[0]
    return sum(counts)


@pytest.mark.parametrize("workers", [1, 2, None])
def test_s13_every_run_ends_with_the_right_output(workers):
    shapes = some(random.Random(SEED), 40)
    with af.Engine(workers=workers) as engine:
        assert hammer(engine, 4, shapes) > 20
        assert all(run.done() for run in engine.runs())
    assert engine._dispatch.lost == 0


@pytest.fixture
def yields():
    """Every thread gives way after any opcode of ours, now and then: far more interleavings than the interpreter makes by
    itself, which looks whether it should give way only at calls and jumps."""
    ours = str(Path(af.__file__).parent)
    rng = random.Random(SEED)

    def trace(frame, event, argument):
        if event == "call":
            if not frame.f_code.co_filename.startswith(ours):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode" and rng.random() < 0.02:
            time.sleep(0)
        return trace

    before = threading.gettrace()
    threading.settrace(trace)
    yield
    threading.settrace(before)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_run_ends_with_the_right_output_however_threads_change_places(workers, yields):
    shapes = some(random.Random(SEED), 40)
    with af.Engine(workers=workers) as engine:
        assert hammer(engine, 4, shapes) > 0
        assert all(run.done() for run in engine.runs())


def test_every_run_of_a_loop_ends_with_the_right_output():
    shapes = some(random.Random(SEED), 40)

    async def client(engine, number):
        rng = random.Random(SEED + number)
        count = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            definition, expected = rng.choice(shapes)
            runs = [engine.start(definition, x) for x in range(rng.choice((1, 10)))]
            for x, run in enumerate(runs):
                assert await asyncio.wait_for(run.settled(), 20)
                assert run.result(0) == expected(x)
            count += 1
        return count

    async def main():
        async with af.Engine(workers=2) as engine:
            assert sum(await asyncio.gather(*(client(engine, number) for number in range(4)))) > 20

    asyncio.run(main())


def test_runs_inside_runs_end_with_the_right_output():
    shapes = some(random.Random(SEED), 10)

    def nested(x):
        definition, expected = random.Random(x).choice(shapes)
        assert engine.run(definition, x) == expected(x)
        return x

    async def nested_async(x):
        definition, expected = random.Random(x).choice(shapes)
        assert await engine.start(definition, x) == expected(x)
        return x

    flow = af.Workflow("outer")
    for number in range(6):
        flow.add(nested if number % 2 else nested_async, name=f"n{number}")
    definition = flow.build()
    with af.Engine(workers=2) as engine:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            runs = [engine.start(definition, x) for x in range(4)]
            for x, run in enumerate(runs):
                assert set(run.result(20).values()) == {x}
