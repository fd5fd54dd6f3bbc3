"""News: no change is missed, on threads and on loops."""

import asyncio
import threading

import pytest

from actorflow.dispatch.news import News, settle


def test_who_waits_on_a_thread_or_loop_is_told_of_each_change():
    news, values, seen = News(), [], []

    def thread():
        with news.condition:
            assert news.condition.wait_for(lambda: len(values) >= 100, 10)
        seen.append("thread")

    async def main():
        await asyncio.wait_for(news.until(lambda: len(values) >= 100), 10)
        seen.append("loop")

    waiting = [threading.Thread(target=thread), threading.Thread(target=asyncio.run, args=(main(),))]
    for one in waiting:
        one.start()
    for number in range(100):
        values.append(number)
        news.tell()
    for one in waiting:
        one.join(10)
    assert sorted(seen) == ["loop", "thread"]


def test_who_gives_up_leaves_nothing_behind():
    news = News()

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(news.until(lambda: False), 0.001)

    asyncio.run(main())
    assert news._loops == []


def test_what_the_question_raises_ends_the_wait():
    news = News()

    def raises():
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(news.until(raises))
    assert news._loops == []


def test_a_loop_that_is_closed_is_passed_over():
    news = News()
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    task = loop.create_task(news.until(lambda: False))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    news._loops.append((loop, asyncio.Event()))
    loop.close()
    news.tell()
    settle(future)


def test_a_future_is_settled_once_from_any_thread():
    async def main():
        future = asyncio.get_running_loop().create_future()
        threads = [threading.Thread(target=settle, args=(future,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.wait_for(future, 5)
        for thread in threads:
            thread.join(5)
        await asyncio.sleep(0)

    asyncio.run(main())
