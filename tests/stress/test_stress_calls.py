"""T13: every pair of public calls from 8 threads. Nothing hangs, nothing raises but what is promised, every run ends, and what
was accepted was done."""

import itertools
import threading

import pytest

import actorflow as af

ROUNDS = 3
PROMISED = (af.WrongState, af.MailboxFull, af.StillRunning, af.EngineStopped, af.RunCancelled, af.RunExists)


def one(x):
    return x + 1


async def later(x):
    return x + 1


FLOW = af.Workflow("flow")
FLOW.add(one)
FLOW.add(later)
FLOW.chain(one, later)
DEFINITION = FLOW.build()


class Scene:
    """An engine with one open run, and what was accepted of it."""

    def __init__(self) -> None:
        self.engine = af.Engine(workers=2, keep_runs=5)
        self.run = self.engine.open(DEFINITION)
        self.accepted: list[int] = []
        self.cancelled = False

    def start(self) -> None:
        assert self.engine.start(DEFINITION, 1).result(20) == 3

    def run_one(self) -> None:
        assert self.engine.run(DEFINITION, 1) == 3

    def start_same(self) -> None:
        assert self.engine.start(DEFINITION, 1, run_id="same").result(20) == 3

    def send(self) -> None:
        self.run.send(5, timeout=20)
        self.accepted.append(7)

    def send_at_once(self) -> None:
        self.run.send(5, timeout=0)
        self.accepted.append(7)

    def cancel(self) -> None:
        self.cancelled = self.run.cancel("stress") or self.cancelled

    def close(self) -> None:
        self.run.close()

    def wait(self) -> None:
        self.run.wait(0.001)

    def result(self) -> None:
        self.run.result(0)

    def snapshot(self) -> None:
        snapshot = self.run.snapshot()
        assert all(node.queued >= 0 and node.leased >= 0 for node in snapshot.nodes.values())
        assert repr(self.run) and repr(self.engine)

    def look(self) -> None:
        assert self.run.node("one").executions >= 0
        assert self.engine.get(self.run.id) in (self.run, None)
        self.engine.runs("completed")
        assert self.run.variables == {}

    def forget(self) -> None:
        for run in self.engine.runs():
            self.engine.forget(run.id)

    def results(self) -> None:
        flow = self.run.results()
        while flow._values:
            try:
                self.taken.append(flow._values.popleft())
            except IndexError:
                return

    def stop(self) -> None:
        self.engine.stop(timeout=20)
        assert self.run.done()

    def stop_at_once(self) -> None:
        self.engine.stop(drain=False)

    def check(self, stopped: bool) -> None:
        """Let the run end; what was accepted was done."""
        self.run.close()
        result = self.run.wait(20)
        values = [*result.output, *self.taken, *(self.run.results() if self.run._flow is not None else ())]
        if self.cancelled:
            assert result.status is af.RunStatus.CANCELLED
        elif not stopped:
            assert result.status is af.RunStatus.COMPLETED
            assert values == self.accepted, (values, self.accepted)
        self.engine.stop()

    taken: list[int]


CALLS = (
    Scene.start,
    Scene.run_one,
    Scene.start_same,
    Scene.send,
    Scene.send_at_once,
    Scene.cancel,
    Scene.close,
    Scene.wait,
    Scene.result,
    Scene.snapshot,
    Scene.look,
    Scene.forget,
    Scene.results,
    Scene.stop,
    Scene.stop_at_once,
)


def play(*calls) -> None:
    """Make these calls from 8 threads at once."""
    scene = Scene()
    scene.taken = []
    errors = []
    together = threading.Barrier(8)

    def work(call) -> None:
        together.wait(20)
        for _ in range(ROUNDS):
            try:
                call(scene)
            except PROMISED:
                pass
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(call,), daemon=True) for call in itertools.islice(itertools.cycle(calls), 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a call hangs"
    if errors:
        raise errors[0]
    scene.check(stopped=any(call in (Scene.stop, Scene.stop_at_once) for call in calls))


@pytest.mark.parametrize("first", CALLS, ids=lambda call: call.__name__)
def test_any_two_calls_may_be_made_at_once(first):
    for second in CALLS[CALLS.index(first) :]:
        try:
            play(first, second)
        except BaseException as error:
            error.add_note(f"{first.__name__} with {second.__name__}")
            raise


def test_all_calls_may_be_made_at_once():
    for shift in range(len(CALLS)):
        play(*CALLS[shift:], *CALLS[:shift])
