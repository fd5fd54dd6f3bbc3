"""Failures in whole workflows: where they go, what is handled, what the run becomes."""

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine, explore

SEEDS = range(100)


class NotFound(Exception):
    """An error with a status, as those of HTTP clients have."""

    def __init__(self, text, status):
        super().__init__(text)
        self.status_code = status


def boom(payload):
    raise ValueError("boom")


def run(flow, payload=None, seed=0, **options):
    return SimulatedEngine(seed).start(flow, payload, **options).wait(3600)


def statuses(result):
    return {name: str(node.status) for name, node in result.nodes.items()}


def texts(failures):
    return [str(failure) for failure in failures]


def failing(handler=boom, **options):
    """work -> after, and work -fail-> handle."""
    flow = af.Workflow("failing", **options)
    flow.add(handler, name="work")
    flow.add(lambda x: x, name="after")
    flow.add(lambda x: ("handled", x), name="handle")
    flow.connect("work", "after")
    flow.connect("work", "handle", on="fail")
    return flow


def test_an_unhandled_failure_fails_the_run_and_cancels_what_depends_on_it():
    flow = af.Workflow("plain")
    flow.add(boom, name="work")
    flow.add(lambda x: x, name="after")
    flow.add(lambda x: x, name="beside")
    flow.entry("work", "beside")
    flow.connect("work", "after")
    result = run(flow, 1)
    assert result.status is af.RunStatus.FAILED
    assert statuses(result) == {"work": "failed", "after": "cancelled", "beside": "completed"}
    assert (texts(result.errors), result.handled) == (["work: ValueError: boom"], ())
    assert result.output == {"beside": 1}


def test_the_error_of_a_failed_run_names_node_type_and_text_and_has_its_cause():
    flow = af.Workflow("plain")
    flow.add(boom, name="work")
    with pytest.raises(af.RunFailed, match="work: ValueError: boom") as caught:
        SimulatedEngine().start(flow, 1).result(1)
    assert isinstance(caught.value.__cause__, ValueError)
    assert [failure.node for failure in caught.value.failures] == ["work"]


def test_a_failure_has_its_facts_on_record():
    result = run(failing(), 1)
    (failure,) = result.handled
    assert (failure.node, failure.key, failure.attempt, failure.type, failure.message) == ("work", (), 1, "ValueError", "boom")
    assert isinstance(failure.exception, ValueError) and "in boom" in failure.traceback
    assert failure.at_utc == result.started_utc
    assert result.nodes["work"].last_error is failure


def test_a_failure_of_a_class_of_ones_own_has_its_qualified_name():
    def fails(payload):
        raise NotFound("gone", 404)

    (failure,) = run(failing(fails), 1).handled
    assert failure.type == f"{__name__}.NotFound"


def test_a_failure_that_is_taken_is_handled_and_the_run_completes():
    result = run(failing(), {"id": 7})
    assert result.status is af.RunStatus.COMPLETED
    assert statuses(result) == {"work": "failed", "after": "skipped", "handle": "completed"}
    assert (texts(result.handled), result.errors) == (["work: ValueError: boom"], ())


def test_what_a_handler_of_failures_gets_is_the_input_of_what_failed():
    def spoils(payload):
        payload["id"] = "spoiled"
        raise ValueError("boom")

    result = run(failing(spoils), {"id": 7})
    assert result.outputs["handle"] == ("handled", {"id": 7})


def test_the_failure_itself_is_in_the_context_and_in_a_parameter_annotated_as_one():
    got = {}
    flow = af.Workflow("both")
    flow.add(boom, name="work")

    @flow.node
    def by_context(payload, ctx):
        got["context"] = ctx.error

    @flow.node
    def by_parameter(payload, failure: af.Failure):
        got["parameter"] = failure

    flow.connect("work", by_context, on="fail")
    flow.connect("work", by_parameter, on="fail")
    run(flow, 1)
    assert got["context"] is got["parameter"] and got["context"].message == "boom"


def test_without_a_failure_the_context_has_none_and_the_parameter_its_default():
    got = []
    flow = af.Workflow("none")

    @flow.node
    def first(payload, ctx, failure: af.Failure = None):
        got.append((ctx.error, failure))

    run(flow, 1)
    assert got == [(None, None)]


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        ("error.type == 'ValueError'", True),
        ("error.type == 'KeyError'", False),
        ("error.message contains 'oo'", True),
        ("error.message == 'other'", False),
        ("input.id == 7", True),
        ("output.id == 7", True),
        ("output.id == 8", False),
        ("exists(error.status)", False),
    ],
)
def test_a_condition_on_a_failure_sees_the_error_and_the_input(condition, taken):
    flow = af.Workflow("conditional")
    flow.add(boom, name="work")
    flow.add(lambda x: x, name="handle")
    flow.connect("work", "handle", on="fail", when=condition)
    result = run(flow, {"id": 7})
    assert (str(result.status), statuses(result)["handle"]) == (("completed", "completed") if taken else ("failed", "skipped"))


def test_a_condition_on_a_failure_sees_the_status_of_the_exception():
    def fails(payload):
        raise NotFound("gone", payload)

    flow = af.Workflow("status")
    flow.add(fails, name="work")
    flow.add(lambda x: "none", name="missing")
    flow.add(lambda x: "busy", name="busy")
    flow.connect("work", "missing", on="fail", when="error.status == 404")
    flow.connect("work", "busy", on="fail", when="error.status >= 500")
    assert (statuses(run(flow, 404))["missing"], statuses(run(flow, 503))["busy"], str(run(flow, 400).status)) == (
        "completed",
        "completed",
        "failed",
    )


@pytest.mark.parametrize(("types", "taken"), [(ValueError, True), (Exception, True), (KeyError, False), ((KeyError, ValueError), True)])
def test_types_filter_failures_by_the_class_of_the_exception(types, taken):
    flow = af.Workflow("types")
    flow.add(boom, name="work")
    flow.add(lambda x: x, name="handle")
    flow.connect("work", "handle", on="fail", types=types)
    assert str(run(flow, 1).status) == ("completed" if taken else "failed")


def test_the_port_of_a_connection_for_failures_is_not_asked():
    flow = af.Workflow("port")
    flow.add(boom, name="work")
    flow.add(lambda x: x, name="handle")
    flow.connect("work", "handle", on="fail", port="anything")
    assert str(run(flow, 1).status) == "completed"


def test_a_handler_of_failures_that_fails_itself_handles_nothing_and_ends_it():
    def fails_too(payload):
        raise KeyError("again")

    flow = af.Workflow("again")
    flow.add(boom, name="work")
    flow.add(fails_too, name="handle")
    flow.connect("work", "handle", on="fail")
    result = run(flow, 1)
    assert result.status is af.RunStatus.FAILED
    assert texts(result.errors) == ["work: ValueError: boom", "handle: KeyError: 'again'"]
    assert result.nodes["handle"].executions == 1


def test_a_second_handler_may_take_the_failure_of_the_first():
    flow = af.Workflow("chain of handlers")
    flow.add(boom, name="work")
    flow.add(boom, name="first")
    flow.add(lambda x: x, name="second")
    flow.connect("work", "first", on="fail")
    flow.connect("first", "second", on="fail")
    result = run(flow, 1)
    assert (texts(result.handled), texts(result.errors)) == (["first: ValueError: boom"], ["work: ValueError: boom"])
    assert result.status is af.RunStatus.FAILED


def test_a_failure_is_handled_if_one_of_several_handlers_completes():
    flow = af.Workflow("two handlers")
    flow.add(boom, name="work")
    flow.add(boom, name="bad")
    flow.add(lambda x: x, name="good")
    flow.connect("work", "bad", on="fail")
    flow.connect("work", "good", on="fail")
    result = run(flow, 1)
    assert (texts(result.handled), texts(result.errors)) == (["work: ValueError: boom"], ["bad: ValueError: boom"])


def test_handled_failures_may_fail_the_run_all_the_same():
    result = run(failing(handled_failures="fail"), 1)
    assert (str(result.status), len(result.handled), result.errors) == ("failed", 1, ())
    with pytest.raises(af.RunFailed, match="boom"):
        result.raise_for_failure()


@pytest.mark.parametrize("fails", [False, True])
def test_a_connection_for_all_outcomes_is_taken_either_way(fails):
    flow = af.Workflow("all")
    flow.add(boom if fails else lambda x: "fine", name="work")
    flow.add(lambda x, ctx: (x, ctx.error and ctx.error.type), name="always")
    flow.connect("work", "always", on="all")
    result = run(flow, "input")
    assert result.output == (("input", "ValueError") if fails else ("fine", None))
    assert result.status is af.RunStatus.COMPLETED


def test_on_success_and_on_failure_may_lead_to_the_same_node():
    def flow(handler):
        flow = af.Workflow("same")
        flow.add(handler, name="work")
        flow.add(lambda x: x, name="next", join="any")
        flow.connect("work", "next")
        flow.connect("work", "next", on="fail")
        return flow

    assert run(flow(lambda x: "fine"), "in").output == "fine"
    result = run(flow(boom), "in")
    assert (result.output, str(result.status)) == ("in", "completed")


def test_a_join_carries_the_failures_of_all_that_it_took():
    got = []
    flow = af.Workflow("carried")
    flow.add(lambda x: x, name="a")
    flow.add(boom, name="b")
    flow.add(boom, name="c")
    flow.add(lambda slots, ctx: got.append((slots, ctx.error.node)), name="j")
    for name in ("b", "c"):
        flow.connect("a", name)
        flow.connect(name, "j", on="fail")
    result = run(flow, 1)
    assert got[0][0] == {"b": 1, "c": 1} and got[0][1] in ("b", "c")
    assert len(result.handled) == 2 and result.status is af.RunStatus.COMPLETED


def test_independent_branches_go_on_after_a_failure():
    flow = af.Workflow("independent")
    flow.add(lambda x: x, name="a")
    flow.add(boom, name="bad")
    flow.add(lambda x: x, name="never")
    names = [f"n{number}" for number in range(5)]
    for name in names:
        flow.add(lambda x: x, name=name)
    flow.chain("a", "bad", "never")
    flow.chain("a", *names)

    def check(result):
        assert all(statuses(result)[name] == "completed" for name in names)
        assert (statuses(result)["never"], str(result.status)) == ("cancelled", "failed")

    explore(flow, 1, seeds=SEEDS, check=check)


def test_on_failure_stop_starts_nothing_new():
    flow = af.Workflow("stop", on_failure="stop")
    flow.add(lambda x: x, name="a")
    flow.add(boom, name="bad")
    names = [f"n{number}" for number in range(30)]
    for name in names:
        flow.add(lambda x: x, name=name)
    flow.chain("a", "bad")
    flow.chain("a", *names)

    def check(result):
        assert (str(result.status), texts(result.errors)) == ("failed", ["bad: ValueError: boom"])
        done = [name for name in names if statuses(result)[name] == "completed"]
        assert done == names[: len(done)]
        assert all(statuses(result)[name] == "cancelled" for name in names[len(done) :])

    explore(flow, 1, seeds=SEEDS, check=check)


def test_on_failure_stop_cancels_what_runs():
    import asyncio

    told = []
    flow = af.Workflow("stop", on_failure="stop")

    @flow.node
    async def slow(x):
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    @flow.node
    async def bad(x):
        await asyncio.sleep(1)
        raise ValueError("boom")

    flow.entry(slow, bad)
    result = run(flow, 1)
    assert told == ["cancelled"]
    assert (statuses(result), str(result.status)) == ({"slow": "cancelled", "bad": "failed"}, "failed")
    assert result.duration_s < 10


def test_on_failure_stop_lets_a_taken_failure_go_on():
    result = run(failing(on_failure="stop"), 1)
    assert (str(result.status), statuses(result)["handle"]) == ("completed", "completed")


def test_the_failure_of_a_handler_stops_the_run_too():
    flow = af.Workflow("stop", on_failure="stop")
    flow.add(boom, name="work")
    flow.add(boom, name="handle")
    flow.add(lambda x: x, name="beside")
    flow.connect("work", "handle", on="fail")
    flow.connect("handle", "beside")
    assert len(run(flow, 1).errors) == 2


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), BaseException("bare"), KeyboardInterrupt()])
def test_a_handler_that_raises_what_is_no_exception_fails_like_any_other(error):
    def fails(payload):
        raise error

    flow = af.Workflow("base")
    flow.add(fails, name="work")
    flow.add(lambda x: x, name="after")
    flow.connect("work", "after")
    if isinstance(error, KeyboardInterrupt):
        with af.Engine() as engine:  # on a worker's thread, which no key interrupts
            result = engine.start(flow, 1).wait(10)
    else:
        result = run(flow, 1)
    (failure,) = result.errors
    assert (failure.type, failure.exception) == (type(error).__name__, error)
    assert statuses(result)["after"] == "cancelled"


def test_an_exception_without_a_text_and_one_whose_text_raises_are_told():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    for error, message in ((ValueError(), ""), (Mute(), "<no text: its __str__ raised RuntimeError>")):

        def fails(payload, error=error):
            raise error

        (failure,) = run(failing(fails), 1).handled
        assert failure.message == message and str(failure).startswith("work: ")


def test_each_failed_item_of_a_stream_is_on_record_with_its_key():
    def odd(x):
        if x % 2:
            raise ValueError(f"item {x}")
        return x

    flow = af.Workflow("items")

    @flow.node
    def items(n):
        yield from range(n)

    flow.add(odd, name="work")
    flow.add(lambda x: x, name="after")
    flow.chain(items, "work", "after")

    def check(result):
        assert sorted((failure.key, failure.message) for failure in result.errors) == [((1,), "item 1"), ((3,), "item 3")]
        assert result.output == [0, 2, 4]
        assert (statuses(result)["work"], statuses(result)["after"]) == ("failed", "completed")

    explore(flow, 5, seeds=SEEDS, check=check)


def test_the_cause_of_a_run_that_failed_twice_is_the_first_failure():
    flow = af.Workflow("twice")
    flow.add(boom, name="a")
    flow.add(boom, name="b")
    flow.entry("a", "b")
    result = run(flow, 1)
    with pytest.raises(af.RunFailed) as caught:
        result.raise_for_failure()
    assert caught.value.__cause__ is result.errors[0].exception
    assert len(str(caught.value).splitlines()) == 3


def test_a_coroutine_returned_by_a_plain_function_fails_with_advice():
    async def inner():
        return 1

    flow = af.Workflow("forgot")
    flow.add(lambda x: inner(), name="work")
    (failure,) = run(flow, 1).errors
    assert "async def" in failure.message
