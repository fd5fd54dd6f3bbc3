"""AsyncNodeActor: a node whose handler is a coroutine function or an async generator. Its turns are coroutines, which the
lane runs inside tasks of its own; a handler that never has to wait costs no task.

Each attempt runs in a copy of the run's context variables, although many attempts share a task: every step of the handler's
coroutine is made inside that copy. Not here: tasks and loops (`dispatch.event_loop`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Generator
from contextvars import Context as ContextVariables
from functools import partial
from threading import current_thread, main_thread
from types import coroutine
from typing import Any

from actorflow.actors.attempts import Execution, Idle
from actorflow.actors.node import NodeActor, outgoing
from actorflow.definition.context import Context
from actorflow.messages import NOTHING, Cancelled, Completed, Failed, Lease, Part
from actorflow.payloads import IMMUTABLE

__all__ = ["AsyncNodeActor"]


NOT_BEGUN = object()


@coroutine
def inside(variables: ContextVariables, awaited: Coroutine[Any, Any, Any], waits_for: Any = NOT_BEGUN) -> Generator[Any, Any, Any]:
    """Await a coroutine with every step of it made inside a context of variables. `waits_for`: what it waits for, if its
    first step was made already."""
    sent: Any = None
    thrown: BaseException | None = None
    while True:
        if waits_for is NOT_BEGUN:
            try:
                if thrown is None:
                    waits_for = variables.run(awaited.send, sent)
                else:
                    waits_for = variables.run(awaited.throw, thrown)
            except StopIteration as end:
                return end.value
        try:
            sent, thrown = (yield waits_for), None
        except GeneratorExit:
            variables.run(awaited.close)
            raise
        except BaseException as error:
            sent, thrown = None, error
        waits_for = NOT_BEGUN


class Cancelling:
    """Cancels the handler that an execution is about, inside whichever task it runs. Called with the reason, from any thread."""

    __slots__ = ("asked", "lane", "reason", "task")

    def __init__(self, lane: Any, task: asyncio.Task[Any] | None) -> None:
        self.lane = lane
        self.task: asyncio.Task[Any] | None = task
        self.asked = False
        self.reason = ""

    def __call__(self, reason: str) -> None:
        self.lane.call(self._cancel, reason)

    def _cancel(self, reason: str) -> None:
        if self.task is not None and not self.asked:
            self.asked, self.reason = True, reason
            self.task.cancel(reason)

    def done(self) -> bool:
        """The handler has returned; whether it had been cancelled by us."""
        task, self.task = self.task, None
        if task is not None:
            while task.cancelling() and self.asked:
                task.uncancel()
        return self.asked


class AsyncNodeActor(NodeActor):
    """The actor of a node with an async handler."""

    on_loop = True
    starting: asyncio.Lock | None = None

    def begin(self, lane: Any) -> Coroutine[Any, Any, None] | None:
        """One turn on the loop: one lease, to its outcome. Returns what is left of it, to be awaited, if the handler waits
        for something; one that does not has had its turn, without a task or a coroutine of ours."""
        router = self.router
        now = router.now()
        lease = self.mailbox.lease(now, lane)
        if lease is None:
            router.post(Idle(self))
            return None
        envelope = lease.envelope
        router.log.append(("started", envelope.node, envelope.key, envelope.attempt, now))
        if not self.simple:
            return self._at_length(lane, lease, now)
        outcome: Completed | Failed
        try:
            payload = envelope.payload
            if type(payload) not in IMMUTABLE:
                payload = self._incoming(payload)
            handler = self.handler
            variables = router.variables.copy()
            made = variables.run(handler.callable, payload) if handler.plain else variables.run(handler.invoke, payload, self)
            try:
                waits_for = variables.run(made.send, None)
            except StopIteration as end:
                value = end.value
            else:
                return self._at_length(lane, lease, now, (variables, made, waits_for))
            if type(value) not in IMMUTABLE and router.copies:
                value = outgoing(value)
            outcome = Completed(lease, value, now, router.now())
        except BaseException as error:
            outcome = Failed(lease, error, now, router.now())
        router.post(outcome)
        _pass_on_interrupt(outcome)
        return None

    async def turn_async(self, lane: Any) -> None:
        """A whole turn."""
        left = self.begin(lane)
        if left is not None:
            await left

    async def _at_length(self, lane: Any, lease: Lease, now: int, begun: tuple[Any, ...] | None = None) -> None:
        """A turn whose handler waits, has a context, a timeout or an instance, or streams. `begun`: its first step was made."""
        router = self.router
        envelope = lease.envelope
        context = Context(router, envelope, self.plan.streaming) if self.handler.needs_context else None
        execution = Execution(lease, None, context)
        task = asyncio.current_task()
        cancelling = execution.cancel = Cancelling(lane, task)
        self.watch(execution, now)
        outcome: Completed | Failed | Cancelled
        try:
            if self.handler.node_class is not None and self.instance is None:
                await self._make_instance_async(context)
            outcome = await self._handled(lease, context, now, cancelling, begun)
        except asyncio.CancelledError as error:
            outcome = self._cancelled(lease, error, now, cancelling)
        except BaseException as error:
            outcome = Failed(lease, error, now, router.now())
        cancelled = cancelling.done()
        self.unwatch(execution)
        router.post(outcome)
        _pass_on_interrupt(outcome)
        if not cancelled and task is not None and task.cancelling():
            raise asyncio.CancelledError  # not by us: the loop is being closed around its tasks

    def _cancelled(self, lease: Lease, error: BaseException, now: int, cancelling: Cancelling) -> Failed | Cancelled:
        ended = self.router.now()
        return Cancelled(lease, cancelling.reason, now, ended) if cancelling.asked else Failed(lease, error, now, ended)

    async def _handled(
        self, lease: Lease, context: Context | None, now: int, cancelling: Cancelling, begun: tuple[Any, ...] | None
    ) -> Completed | Failed:
        """Run the handler to its end."""
        router = self.router
        if begun is not None:
            value = await inside(*begun)
            return self.completed(lease, outgoing(value) if router.copies else value, now, context)
        payload = self.prepared(lease)
        variables = router.variables.copy()
        made = variables.run(self.handler.invoke, payload, context or self)
        awaits = self.handler.is_async  # not so for a class of which only hooks are async
        if self.plan.streaming:
            if awaits and not isinstance(made, AsyncIterator):
                made = await inside(variables, made)
            return await self._streamed_async(lease, made, variables, context, now, cancelling)
        value = await inside(variables, made) if awaits else made
        if type(value) not in IMMUTABLE and router.copies:
            value = outgoing(value)
        return self.completed(lease, value, now, context)

    async def _streamed_async(
        self, lease: Lease, values: Any, variables: ContextVariables, context: Context | None, now: int, cancelling: Cancelling
    ) -> Completed | Failed:
        """Take an async generator's values, or those of an iterable, each routed before the next is asked for."""
        router = self.router
        number = 0
        try:
            if isinstance(values, AsyncIterator):
                try:
                    while True:
                        value = await inside(variables, values.__anext__())  # type: ignore[arg-type]
                        await self._send(lease, value, number)
                        number += 1
                        if context is not None:
                            context.emitted = number
                except StopAsyncIteration:
                    pass
                finally:
                    close = getattr(values, "aclose", None)
                    if close is not None:
                        await inside(variables, close())
            else:
                for value in values if values is not None and values is not NOTHING else ():
                    await self._send(lease, value, number)
                    number += 1
            for emit in context.collected if context is not None else ():
                await self._send(lease, emit, number)
                number += 1
        except BaseException as error:
            if cancelling.asked:
                raise
            return Failed(lease, error, now, router.now(), number)
        return Completed(lease, NOTHING, now, router.now(), (), context.updates if context is not None else (), number)

    async def _send(self, lease: Lease, value: Any, number: int) -> None:
        """Route one value, then wait until its targets have room."""
        router = self.router
        router.post(Part(lease, outgoing(value) if router.copies else value, number))
        if self.blocked:
            loop = asyncio.get_running_loop()
            room = loop.create_future()
            execution = self.executions[lease.token]
            router.post(lambda: router.when_room(self, execution, partial(_wake_soon, loop, room)))
            await room
        elif number % 32 == 31:
            await asyncio.sleep(0)

    async def _make_instance_async(self, context: Context | None) -> None:
        """As for a sync class node, but `on_start` may be async; other turns of this node wait until it has started."""
        if self.starting is None:
            self.starting = asyncio.Lock()
        async with self.starting:
            node_class = self.handler.node_class
            assert node_class is not None
            if self.instance is not None:
                return
            instance = node_class.make()
            if node_class.on_start is not None:
                variables = self.router.variables.copy()
                made = variables.run(node_class.on_start.call, instance, context)
                if node_class.on_start.is_async:
                    await inside(variables, made)
            self.handler = self.handler.bind(instance)
            self.instance = instance

    def stop_instance(self) -> None:
        """The run is over: `on_stop` may be async, then the lane sees to it."""
        node_class = self.handler.node_class
        if self.instance is None or node_class is None or node_class.on_stop is None or not node_class.on_stop.is_async:
            super().stop_instance()
            return
        hook, instance, context = node_class.on_stop, self.instance, self.farewell_context()

        async def stop() -> None:
            try:
                await hook.call(instance, context)
            except BaseException:
                self.router.report("on_stop of node %r raised", self.node.name)

        self.router.dispatch.lane().spawn(stop)


def _pass_on_interrupt(outcome: Completed | Failed | Cancelled) -> None:
    """A KeyboardInterrupt on the main thread was meant for the user, whose loop this is."""
    if type(outcome) is Failed and isinstance(outcome.error, KeyboardInterrupt) and current_thread() is main_thread():
        raise outcome.error


def _wake_soon(loop: asyncio.AbstractEventLoop, room: asyncio.Future[None]) -> None:
    loop.call_soon_threadsafe(_wake, room)


def _wake(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)
