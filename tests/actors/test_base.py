"""pykka at its seam: our actors answer to pykka's references, and what of pykka's insides they rely on is there."""

import inspect
import re
import threading
from importlib.metadata import requires, version

import pykka
import pytest
from pykka import _actor, _envelope, _ref, messages

import actorflow as af
from actorflow.actors.base import LeasedActor


@pytest.fixture
def engine():
    with af.Engine() as engine:
        yield engine


@pytest.fixture
def go():
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def run(engine, go):
    """A run with a handler at work, so that its actors live."""
    at_work = threading.Event()

    def held(x):
        at_work.set()
        go.wait(20)
        return x + 1

    flow = af.Workflow("flow")
    flow.add(held)
    run = engine.start(flow, 1)
    assert at_work.wait(5)
    return run


@pytest.fixture
def node(run):
    return run._router.actors[0]


class TestReferences:
    def test_ask_of_a_node_tells_of_its_mailbox(self, node):
        assert node.actor_ref.ask("?", timeout=5) == {"node": "held", "ready": 0, "leased": 1, "capacity": 1000}

    def test_a_proxy_reads_attributes_and_calls_methods(self, node, run):
        assert node.actor_ref.proxy().plan.get(timeout=5).name == "held"
        assert run._router.actor_ref.proxy().ended.get(timeout=5) is False
        assert run._router.actor_ref.proxy().mapped.__class__ is pykka.CallableProxy

    def test_tell_returns_at_once_and_is_handled(self, node):
        got = threading.Event()
        node.on_receive = lambda message: got.set()
        assert node.actor_ref.tell("hello") is None
        assert got.wait(5)

    def test_messages_are_handled_in_the_order_in_which_they_came(self, node):
        got = []
        node.on_receive = got.append
        for number in range(100):
            node.actor_ref.tell(number)
        node.actor_ref.ask(100, timeout=5)
        assert got == list(range(101))

    def test_many_threads_may_be_the_first_to_ask(self, engine):
        for _ in range(20):
            opened = engine.open(af_flow())
            together, refs = threading.Barrier(4), []

            def asks(opened=opened, together=together, refs=refs):
                together.wait(5)
                ref = opened._router.actor_ref
                refs.append((ref, ref.actor_urn, ref.proxy().ended.get(timeout=5)))

            threads = [threading.Thread(target=asks) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(5)
            assert len(refs) == 4 and len(set(refs)) == 1
            opened.close()

    def test_stop_marks_the_actor_as_dead_for_pykka_and_the_run_goes_on(self, node, run, go):
        ref = node.actor_ref
        assert ref.is_alive()
        assert ref.stop(timeout=5) is True
        assert not ref.is_alive()
        with pytest.raises(pykka.ActorDeadError):
            ref.ask("?", timeout=5)
        go.set()
        assert run.result(5) == 2

    def test_a_run_that_is_over_still_answers(self, run, node, go):
        ref = node.actor_ref
        go.set()
        run.wait(5)
        assert ref.ask("?", timeout=5)["node"] == "held"


class TestFaults:
    def test_s11_an_ask_that_raises_raises_for_who_asked_and_kills_nothing(self, node, run, go):
        def raises(message):
            raise message

        node.on_receive = raises
        for error in (ValueError("x"), SystemExit(3), KeyboardInterrupt()):
            with pytest.raises(type(error)):
                node.actor_ref.ask(error, timeout=5)
        assert node.actor_ref.is_alive()
        go.set()
        assert run.result(5) == 2

    def test_s11_a_tell_that_raises_is_logged_and_loses_nothing_behind_it(self, node, run, go, caplog):
        got = []

        def raises(message):
            got.append(message)
            if message < 3:
                raise (ValueError, SystemExit, KeyboardInterrupt)[message]("x")

        node.on_receive = raises
        for number in range(4):
            node.actor_ref.tell(number)
        node.actor_ref.ask(4, timeout=5)
        assert got == [0, 1, 2, 3, 4]
        assert sum("a control message failed" in record.getMessage() for record in caplog.records) == 3
        go.set()
        assert run.result(5) == 2

    def test_f2_a_base_exception_in_a_handler_stops_no_actor_of_anybody(self, engine):
        class Other(pykka.ThreadingActor):
            def on_receive(self, message):
                return message

        other = Other.start()
        try:

            def raises(x):
                raise x

            flow = af.Workflow("flow")
            flow.add(raises)
            for error in (SystemExit(1), KeyboardInterrupt(), GeneratorExit()):
                assert engine.start(flow, error).wait(5).status is af.RunStatus.FAILED
            assert other.ask("alive", timeout=5) == "alive"
        finally:
            other.stop()

    def test_stop_all_does_not_reach_ours(self, run, node, go):
        assert run._router.actor_ref not in pykka.ActorRegistry.get_all()
        pykka.ActorRegistry.stop_all(timeout=5)
        assert node.actor_ref.is_alive() and run._router.actor_ref.is_alive()
        go.set()
        assert run.result(5) == 2


class TestPins:
    """What `LeasedActor` relies on; a change of pykka must show here before it shows in a workflow."""

    def test_the_version_is_one_that_was_looked_at(self):
        assert version("pykka").startswith("4.")
        try:
            needed = [text for text in requires("actorflow") or () if text.startswith("pykka")]
        except Exception:  # run from a checkout
            return
        assert not needed or "<5" in needed[0]

    def test_an_actor_has_the_attributes_and_hooks_that_are_replaced(self):
        for name in ("_handle_receive", "_stop", "_create_future", "_create_actor_inbox", "_start_actor_loop", "on_stop", "on_receive"):
            assert callable(getattr(_actor.Actor, name)), name
        for name in ("actor_urn", "actor_inbox", "actor_stopped", "_actor_ref"):
            assert name in _actor.Actor.__annotations__, name
        assert _actor.Actor.__abstractmethods__ == {"_create_actor_inbox", "_create_future", "_start_actor_loop"}

    def test_a_reference_uses_of_an_actor_what_ours_have(self):
        used = set(re.findall(r"\bactor\.(\w+)", inspect.getsource(_ref.ActorRef.__init__)))
        assert used == {"__class__", "actor_urn", "actor_inbox", "actor_stopped"}
        assert all(hasattr(LeasedActor, name) for name in used)

    def test_an_envelope_carries_a_message_and_where_the_answer_goes(self):
        envelope = _envelope.Envelope("m", reply_to=None)
        assert (envelope.message, envelope.reply_to) == ("m", None)
        assert hasattr(messages, "_ActorStop")

    def test_a_future_takes_an_exception_as_a_triple(self):
        future = pykka.ThreadingFuture()
        error = ValueError("x")
        future.set_exception((ValueError, error, None))
        with pytest.raises(ValueError, match="x"):
            future.get(timeout=1)

    def test_pykka_s_own_loop_is_never_run(self, node):
        with pytest.raises(AssertionError):
            node._start_actor_loop()
        with pytest.raises(AssertionError):
            node._create_actor_inbox()
        inbox = node.actor_inbox
        assert inbox.empty()


def af_flow():
    flow = af.Workflow("open")
    flow.add(lambda x: x, name="n")
    return flow.build()
