"""The pool: who gets turns when, how many threads there are, and that no wake-up is lost."""

import threading
import time
from collections import deque

import pytest

from actorflow.clock import SystemClock
from actorflow.dispatch import Helper, Threads
from actorflow.testing import ManualClock

LONG = 10


class Actor:
    average = 0


class Turns:
    """Stands for a router: each turn calls the next of `ready`."""

    def __init__(self, *ready):
        self.ready = deque(ready)

    def work(self, worker):
        while self.ready:
            try:
                call = self.ready.popleft()
            except IndexError:
                return
            worker.actor = Actor()
            worker.since = worker.threads.now() or 1
            call()
            worker.since = 0
            if worker.leaves():
                if self.ready:
                    worker.threads.schedule(self)
                return


@pytest.fixture
def pool():
    made = []

    def make(limit, clock=None):
        made.append(Threads(clock or SystemClock(), limit))
        return made[-1]

    yield make
    for threads in made:
        threads.stop(5)


class Gate:
    """A call that says when it began and returns when it is let go."""

    def __init__(self):
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self):
        self.began.set()
        assert self.go.wait(LONG)


def test_what_is_scheduled_is_done_by_a_worker(pool):
    done = threading.Event()
    pool(2).schedule(Turns(done.set))
    assert done.wait(LONG)


def test_an_idle_worker_is_taken_before_one_is_made(pool):
    threads = pool(5)
    for _ in range(20):
        done = threading.Event()
        threads.schedule(Turns(done.set))
        assert done.wait(LONG)
        _until(lambda: threads._idle)
    assert len(threads._workers) == 1


def test_there_are_never_more_workers_than_the_limit(pool):
    threads = pool(2)
    gates = [Gate() for _ in range(4)]
    for gate in gates:
        threads.schedule(Turns(gate))
    assert gates[0].began.wait(LONG) and gates[1].began.wait(LONG)
    assert len(threads._workers) == 2 and len(threads.waiting) == 2
    for gate in gates:
        gate.go.set()
    assert gates[2].began.wait(LONG) and gates[3].began.wait(LONG)


def test_the_same_turns_wait_only_once(pool):
    threads = pool(1)
    gate = Gate()
    threads.schedule(Turns(gate))
    gate.began.wait(LONG)
    turns = Turns()
    for _ in range(100):
        threads.schedule(turns)
        threads.help(turns)
    assert list(threads.waiting) == [turns]
    gate.go.set()


def test_a_backlog_behind_a_slow_handler_does_not_grow_while_the_keeper_looks(pool):
    threads = pool(1)
    gate, done = Gate(), threading.Event()
    threads.schedule(Turns(gate, done.set))
    gate.began.wait(LONG)
    for _ in range(50):
        threads._look()
    _until(lambda: threads.waiting)
    assert len(threads.waiting) == 1
    gate.go.set()
    assert done.wait(LONG)


def test_what_waits_behind_a_slow_handler_gets_another_worker(pool):
    threads = pool(2)
    gate, done = Gate(), threading.Event()
    threads.schedule(Turns(gate, done.set))
    assert gate.began.wait(LONG)
    assert done.wait(LONG), "the keeper has not looked"
    gate.go.set()


def test_it_does_so_also_after_a_long_time_between_two_handlers(pool):
    """A step of the router may take long; then nobody is at work in a handler, yet the keeper must not stop looking."""
    threads = pool(2)
    looked = threading.Event()
    gate, done = Gate(), threading.Event()

    class Slow(Turns):
        def work(self, worker):
            if not looked.is_set():
                for _ in range(1000):  # as many looks as would be in 5 s
                    threads._look()
                looked.set()
            super().work(worker)

    threads.schedule(Slow(gate, done.set))
    assert gate.began.wait(LONG)
    assert done.wait(LONG)
    gate.go.set()


def test_what_waits_behind_a_slow_helper_gets_a_worker(pool):
    threads = pool(1)
    done = threading.Event()
    helper = Helper(threads.now)
    turns = Turns(done.set)
    helper.since = threads.now() - 10**9
    threads.join(helper, turns)
    assert done.wait(LONG)
    threads.leave(helper)


def test_who_leaves_hands_over_what_is_ready(pool):
    threads = pool(1)
    done = threading.Event()
    helper = Helper(threads.now)
    threads.join(helper, Turns(done.set))
    threads.leave(helper)
    assert done.wait(LONG)


def test_with_a_manual_clock_whatever_waits_behind_a_handler_gets_a_worker(pool):
    assert pool(3, ManualClock()).eager


def test_the_keeper_rests_when_nobody_is_at_work(pool):
    threads = pool(1)
    threads._keep = lambda: None
    threads.watch()
    looks = 0
    while threads._look() is not None:
        looks += 1
        assert looks < 1000
    assert threads._look() is None
    threads.watch()
    assert threads._look() is not None


class TestAbandon:
    def test_another_worker_takes_the_place_of_one_that_is_stuck(self, pool):
        threads = pool(1)
        gate, done = Gate(), threading.Event()
        threads.schedule(Turns(gate))
        assert gate.began.wait(LONG)
        (stuck,) = threads._workers
        threads.schedule(Turns(done.set))
        threads.abandon(stuck)
        assert done.wait(LONG)
        assert threads.lost == 1
        gate.go.set()
        stuck.thread.join(LONG)
        assert threads.lost == 0 and len(threads._workers) == 1

    def test_what_the_stuck_one_had_ready_is_not_lost_with_it(self, pool):
        threads = pool(1)
        gate, done = Gate(), threading.Event()
        turns = Turns(gate)
        threads.schedule(turns)
        assert gate.began.wait(LONG)
        threads.abandon(next(iter(threads._workers)))
        turns.ready.append(done.set)
        gate.go.set()
        assert done.wait(LONG)

    def test_twice_counts_once(self, pool):
        threads = pool(1)
        gate = Gate()
        threads.schedule(Turns(gate))
        assert gate.began.wait(LONG)
        (stuck,) = threads._workers
        threads.abandon(stuck)
        threads.abandon(stuck)
        threads.abandon(Helper(threads.now))
        threads.abandon(None)
        assert threads.lost == 1
        gate.go.set()


class TestWaitingInside:
    def test_a_waiting_handler_gives_its_place_to_another(self, pool):
        threads = pool(1)
        done, finished = threading.Event(), threading.Event()

        def waits():
            with threads.waiting_inside(True):
                assert done.wait(LONG)
            finished.set()

        threads.schedule(Turns(waits))
        threads.schedule(Turns(done.set))
        assert finished.wait(LONG)
        _until(lambda: len(threads._workers) == 1)
        assert threads.limit == 1

    def test_who_waits_outside_gives_nothing(self, pool):
        threads = pool(1)
        with threads.waiting_inside(False):
            assert threads.limit == 1

    def test_an_exception_while_waiting_takes_the_place_back(self, pool):
        threads = pool(1)
        with pytest.raises(KeyboardInterrupt), threads.waiting_inside(True):
            assert threads.limit == 2
            raise KeyboardInterrupt
        assert threads.limit == 1


class TestFaults:
    def test_a_turn_that_raises_costs_neither_the_worker_nor_what_is_left(self, pool, caplog):
        threads = pool(1)
        done = threading.Event()

        def raises():
            raise SystemExit(1)

        threads.schedule(Turns(raises, done.set))
        assert done.wait(LONG)
        assert "a worker's turn raised" in caplog.text and len(threads._workers) == 1

    def test_without_more_threads_what_waits_is_done_by_those_there_are(self, pool, monkeypatch):
        threads = pool(4)
        gate, done = Gate(), threading.Event()
        threads.schedule(Turns(gate))
        assert gate.began.wait(LONG)

        def refuses(thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuses)
            threads.schedule(Turns(done.set))
        assert len(threads._workers) == 1
        gate.go.set()
        assert done.wait(LONG)

    def test_without_any_thread_who_asks_is_told(self, monkeypatch):
        threads = Threads(SystemClock(), 4)

        def refuses(thread):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuses)
        with pytest.raises(RuntimeError):
            threads.schedule(Turns())


class TestStop:
    def test_waits_for_those_at_work_and_ends_all(self):
        threads = Threads(SystemClock(), 3)
        gates = [Gate() for _ in range(3)]
        for gate in gates:
            threads.schedule(Turns(gate))
            assert gate.began.wait(LONG)
        all_threads = [worker.thread for worker in threads._workers] + [threads._keeper]
        for gate in gates:
            gate.go.set()
        threads.stop(LONG)
        assert not any(thread.is_alive() for thread in all_threads)

    def test_waits_no_longer_than_it_may_for_all_together(self):
        threads = Threads(SystemClock(), 8)
        gates = [Gate() for _ in range(8)]
        for gate in gates:
            threads.schedule(Turns(gate))
            assert gate.began.wait(LONG)
        begun = time.monotonic()
        threads.stop(0.05)
        assert time.monotonic() - begun < 0.05 * 10
        for gate in gates:
            gate.go.set()

    def test_makes_no_thread_afterwards(self):
        threads = Threads(SystemClock(), 8)
        threads.stop(1)
        threads.schedule(Turns(lambda: None))
        threads.at(0, lambda: None)
        assert not threads._workers and threads._keeper is None

    def test_frozen_it_makes_no_thread_but_uses_those_there_are(self, pool):
        threads = pool(8)
        done, again = threading.Event(), threading.Event()
        threads.schedule(Turns(done.set))
        assert done.wait(LONG)
        threads.freeze()
        threads.schedule(Turns(again.set))
        assert again.wait(LONG)
        assert len(threads._workers) == 1


def test_no_wake_up_is_lost_whoever_schedules(pool):
    threads = pool(3)
    counts = []

    class Counting(Turns):
        def __init__(self):
            super().__init__()
            self.done = 0

    def schedules():
        turns = Counting()
        counts.append(turns)

        def count():
            turns.done += 1

        for number in range(300):
            turns.ready.append(count)
            threads.schedule(turns)
            if number % 3 == 0:
                _until(lambda number=number: turns.done > number)
        _until(lambda: turns.done == 300)

    clients = [threading.Thread(target=schedules) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(LONG)
    assert [turns.done for turns in counts] == [300] * 4


def _until(true):
    """Wait for something that no event tells of."""
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end
        time.sleep(0.0001)
