"""The engine and the handler that tests of running workflows use."""

import pytest

import actorflow as af
from tests.flows.simple import Held


@pytest.fixture
def engine():
    with af.Engine() as engine:
        yield engine


@pytest.fixture
def held(engine):
    held = Held()
    yield held
    held.go.set()
