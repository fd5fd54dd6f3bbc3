"""How threads wait, so that Ctrl-C is noticed; and threads for what must not be waited for. Not here: for what they wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context as ContextVariables
from typing import Any

from actorflow.clock import NANOSECONDS, SystemClock, seconds

__all__ = ["in_thread", "wait_in_parts"]

PART_S = 0.2
"""How long the main thread waits before it looks whether Ctrl-C was pressed. A wait notices by itself only what comes after
it has begun, which a signal between two instructions does not, and on Windows nothing."""


def wait_in_parts(wait: Callable[[float], bool], timeout: float | None) -> bool:
    """Call `wait` with a number of seconds until it says that its wait is over, or `timeout` is; on the main thread with
    PART_S at a time."""
    if threading.current_thread() is not threading.main_thread():
        return wait(threading.TIMEOUT_MAX if timeout is None else min(timeout, threading.TIMEOUT_MAX))
    end = None if timeout is None else SystemClock.now() + seconds(timeout)
    while True:
        left = PART_S if end is None else max(0.0, (end - SystemClock.now()) / NANOSECONDS)
        if wait(min(left, PART_S)):
            return True
        if left < PART_S:
            return False


def in_thread(function: Callable[..., object], *arguments: Any) -> None:
    """Call a function on a thread of its own, as if nobody had called it from a handler."""
    threading.Thread(target=ContextVariables().run, args=(function, *arguments), name="actorflow-stop", daemon=True).start()
