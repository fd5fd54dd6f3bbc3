"""Threads change places as often as the interpreter lets them; what hangs shows where all of them are."""

import faulthandler
import sys

import pytest


@pytest.fixture(autouse=True)
def hurried():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    faulthandler.dump_traceback_later(45, exit=False)
    yield
    faulthandler.cancel_dump_traceback_later()
    sys.setswitchinterval(interval)
