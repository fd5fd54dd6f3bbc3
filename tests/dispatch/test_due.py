"""Due calls: in order, on time, all of them, whatever one of them does."""

import threading
import weakref

import pytest

from actorflow.clock import SystemClock, seconds
from actorflow.dispatch import DueCalls
from actorflow.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def due(clock):
    return DueCalls(clock)


class Keeper:
    """A thread that makes calls."""

    def __init__(self, due, tick=lambda: None):
        self.due = due
        self.thread = threading.Thread(target=due.run, args=(tick,))
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.due.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()


def test_pop_gives_what_is_due_in_order_of_instants_then_of_arranging(due):
    calls = [lambda: 0, lambda: 1, lambda: 2, lambda: 3]
    for call, instant in zip(calls, (20, 10, 20, 30), strict=True):
        due.at(instant, call)
    assert due.next_instant() == 10
    assert due.pop(9) is None
    assert [due.pop(20) for _ in range(4)] == [calls[1], calls[0], calls[2], None]
    assert due.next_instant() == 30


def test_a_cancelled_call_is_not_made_and_holds_nothing(due):
    class Payload:
        pass

    payload = Payload()
    gone = weakref.ref(payload)
    call = due.at(10, lambda payload=payload: None)
    del payload
    call.cancel()
    call.cancel()
    assert gone() is None
    assert due.next_instant() is None and due.pop(10) is None


def test_many_cancelled_calls_do_not_pile_up(due):
    keep = [due.at(10**12 + number, lambda: None) for number in range(100)]
    for number in range(20_000):
        due.at(10**12 + number, lambda: None).cancel()
    assert len(due._heap) < 3_000
    assert sum(1 for _ in iter(lambda: due.pop(10**15), None)) == len(keep)


def test_a_thread_makes_calls_when_a_manual_clock_says_so(clock, due):
    made, last = [], threading.Event()
    with Keeper(due):
        due.at(seconds(2), lambda: made.append(2))
        due.at(seconds(1), lambda: made.append(1))
        due.at(seconds(3), last.set)
        clock.advance(2.999)
        clock.advance(0.001)
        assert last.wait(5)
    assert made == [1, 2]


def test_a_call_arranged_for_sooner_than_all_others_wakes_the_thread():
    due = DueCalls(SystemClock())
    made = threading.Event()
    with Keeper(due):
        due.at(SystemClock.now() + seconds(1000), lambda: None)
        due.at(SystemClock.now() + seconds(0.01), made.set)
        assert made.wait(5)


def test_a_call_that_raises_does_not_end_the_thread(clock, due, caplog):
    made = threading.Event()

    def raises():
        raise SystemExit(1)

    with Keeper(due):
        due.at(1, raises)
        due.at(2, made.set)
        clock.advance(1)
        assert made.wait(5)
    assert "a due call raised" in caplog.text


def test_a_call_may_arrange_others_and_stop_the_thread(clock, due):
    made = []
    with Keeper(due) as keeper:
        due.at(1, lambda: due.at(2, lambda: (made.append(2), due.stop())))
        clock.advance(1)
        keeper.thread.join(5)
    assert made == [2]


def test_tick_is_called_after_each_nudge_also_one_that_comes_while_it_is_called(due):
    ticks, inside, go = [], threading.Event(), threading.Event()

    def tick():
        ticks.append(len(ticks))
        if len(ticks) == 1:
            inside.set()
            go.wait(5)
        else:
            done.set()

    done = threading.Event()
    with Keeper(due, tick):
        assert inside.wait(5)
        due.nudge()
        go.set()
        assert done.wait(5)
    assert len(ticks) >= 2


def test_tick_is_called_again_when_it_wants():
    due = DueCalls(SystemClock())
    ticks, enough = [], threading.Event()

    def tick():
        ticks.append(1)
        if len(ticks) == 3:
            enough.set()
            return None
        return 0.001

    with Keeper(due, tick):
        assert enough.wait(5)


def test_an_instant_beyond_what_a_wait_can_take_is_no_fault():
    due = DueCalls(SystemClock())
    made = threading.Event()
    with Keeper(due):
        due.at(2**70, lambda: None)
        due.at(SystemClock.now(), made.set)
        assert made.wait(5)


def test_from_many_threads_every_call_is_made_once(clock, due):
    made = []
    with Keeper(due):
        threads = [
            threading.Thread(target=lambda: [due.at(number, lambda number=number: made.append(number)) for number in range(500)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        clock.advance(1e-7)
        for thread in threads:
            thread.join(5)
        last = threading.Event()
        due.at(1000, last.set)
        clock.advance(1)
        assert last.wait(5)
    assert sorted(made) == sorted([*range(500)] * 4)
