"""Turns on an event loop: on the user's, or one on a thread of ours."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from actorflow.dispatch import LoopLane, LoopThread

NAME = ContextVar("name", default="empty")


class Actor:
    """Its turns call a coroutine function; one that does not wait is done in `begin`."""

    def __init__(self, turn):
        self.turn = turn

    def begin(self, lane):
        return self.turn()


@pytest.fixture
def loop():
    made = LoopThread()
    yield made
    made.stop(5)
    assert not made.thread.is_alive() and made.loop.is_closed()


def test_offered_actors_have_their_turns_on_the_loop_s_thread(loop):
    done, where = threading.Event(), []

    async def turn():
        where.append(threading.current_thread())
        done.set()

    loop.lane.offer(Actor(turn))
    assert done.wait(5)
    assert where == [loop.thread]


def test_a_turn_that_waits_holds_up_no_other(loop):
    waits, done = asyncio.Event(), threading.Event()

    async def first():
        await waits.wait()
        done.set()

    async def second():
        waits.set()

    loop.lane.offer(Actor(first))
    loop.lane.offer(Actor(second))
    assert done.wait(5)


def test_a_thousand_may_wait_at_once(loop):
    together, done = [], threading.Event()
    all_here = asyncio.Event()

    async def turn():
        together.append(1)
        if len(together) == 1000:
            all_here.set()
        await all_here.wait()
        together.pop()
        if not together:
            done.set()

    for _ in range(1000):
        loop.lane.offer(Actor(turn))
    assert done.wait(5)


def test_many_turns_that_do_not_wait_let_the_loop_breathe(loop):
    done, breaths = threading.Event(), []

    async def breathe():
        while not done.is_set():
            breaths.append(left[0])
            await asyncio.sleep(0)

    left = [5000]

    def turn():
        left[0] -= 1
        if left[0]:
            loop.lane.offer(Actor(turn))
        else:
            done.set()

    loop.lane.spawn(breathe)
    loop.lane.offer(Actor(turn))
    assert done.wait(5)
    assert len(breaths) > 10


def test_no_offer_is_lost_whoever_makes_it(loop):
    count, done = [], threading.Event()

    def turn():
        count.append(1)
        if len(count) == 4000:
            done.set()

    def offers():
        for _ in range(1000):
            loop.lane.offer(Actor(turn))

    threads = [threading.Thread(target=offers) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert done.wait(5)
    for thread in threads:
        thread.join(5)


def test_nothing_of_the_context_of_who_offers_gets_into_a_turn(loop):
    seen, done = [], threading.Event()

    async def turn():
        seen.append(NAME.get())
        NAME.set("turn")
        if len(seen) == 2:
            done.set()
        else:
            loop.lane.offer(Actor(turn))

    NAME.set("caller")
    loop.lane.offer(Actor(turn))
    assert done.wait(5)
    assert seen == ["empty", "turn"] or seen == ["empty", "empty"]
    NAME.set("empty")


def test_a_turn_that_cancels_its_own_task_leaves_the_others_their_turns(loop):
    done = threading.Event()

    async def cancels():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    async def other():
        done.set()

    for _ in range(3):
        loop.lane.offer(Actor(cancels))
    loop.lane.offer(Actor(other))
    assert done.wait(5)


def test_stop_cancels_what_is_at_work():
    loop = LoopThread()
    began, ended = threading.Event(), []

    async def turn():
        try:
            began.set()
            await asyncio.sleep(1000)
        finally:
            ended.append(1)

    loop.lane.offer(Actor(turn))
    assert began.wait(5)
    loop.stop(5)
    assert ended == [1] and loop.loop.is_closed()
    loop.stop(5)
    loop.lane.offer(Actor(turn))


def test_stop_waits_no_longer_than_it_may_for_who_blocks_the_loop():
    loop = LoopThread()
    began, go = threading.Event(), threading.Event()

    def turn():
        began.set()
        go.wait(10)

    loop.lane.offer(Actor(turn))
    assert began.wait(5)
    loop.stop(0.01)
    assert loop.thread.is_alive()
    go.set()
    loop.thread.join(5)
    assert loop.loop.is_closed()


def test_a_closed_loop_takes_no_more_and_raises_nothing():
    user = asyncio.new_event_loop()
    lane = LoopLane(user, threading.get_ident())
    user.close()
    lane.offer(Actor(lambda: None))
    lane.call(print)
    assert lane.alive() is False


def test_on_a_loop_with_eager_tasks_turns_are_made_all_the_same():
    if not hasattr(asyncio, "eager_task_factory"):
        pytest.skip("Python 3.12")
    done = []

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        lane = LoopLane(asyncio.get_running_loop(), threading.get_ident())

        async def turn():
            await asyncio.sleep(0)
            done.append(1)

        for _ in range(200):
            lane.offer(Actor(turn))
        while len(done) < 200:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 10))
