"""What a handler gets beside its payload: the members of its context, and the run's variables."""

import logging
import threading

import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine, explore

SEEDS = range(100)


def run(flow, payload=None, seed=0, **options):
    return SimulatedEngine(seed).start(flow, payload, **options).wait(3600)


def one(handler, payload=None, **options):
    """The output of a workflow of one node."""
    workflow = {name: options.pop(name) for name in ("variables", "isolation") if name in options}
    flow = af.Workflow("one", **workflow)
    flow.add(handler, name="node")
    return run(flow, payload, **options).output


def test_the_facts_of_an_attempt():
    facts = one(
        lambda x, ctx: (ctx.run_id, ctx.workflow, ctx.node, ctx.key, ctx.attempt, ctx.input, ctx.error, ctx.cancelled, ctx.emitted),
        5,
        run_id="r",
    )
    assert facts == ("r", "one", "node", (), 1, 5, None, False, 0)


def test_the_parameter_may_be_annotated_instead_of_named():
    def handler(context: af.Context, x):
        return context.node, x

    assert one(handler, 1) == ("node", 1)


def test_the_key_has_an_index_for_each_opener():
    flow = af.Workflow("keys")

    @flow.node
    def items(n):
        yield from "ab"

    flow.add(lambda x, ctx: (x, ctx.key, ctx.idempotency_key), name="work")
    flow.connect(items, "work")
    assert run(flow, 0, run_id="r").output == [("a", (0,), "r/work/0"), ("b", (1,), "r/work/1")]


def test_idempotency_keys_are_one_for_each_activation():
    flow = af.Workflow("keys")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x, ctx: ctx.idempotency_key, name="b", join="each")
    flow.add(lambda x: x, name="c")
    flow.connect("a", "b")
    flow.connect("a", "c")
    flow.connect("c", "b")
    keys = run(flow, 0, run_id="r").output
    assert len(set(keys)) == 2 and all(key.startswith("r/b/") for key in keys)


def test_the_message_tells_where_the_payload_came_from():
    flow = af.Workflow("message")
    flow.add(lambda x: af.Emit(x, port="P"), name="a")
    flow.add(lambda x, ctx: (ctx.message.payload, ctx.message.source, ctx.message.port, ctx.message.key, ctx.message.run_id), name="b")
    flow.connect("a", "b", port="p")
    assert run(flow, 7, run_id="r").output == (7, "a", "p", (), "r")


def test_the_message_of_an_entry_has_no_source():
    assert one(lambda x, ctx: (ctx.message.source, ctx.message.port), 7) == ("", None)


def test_changing_what_the_context_gives_changes_nothing_elsewhere():
    def spoil(x, ctx):
        ctx.message.payload.append("spoiled")
        ctx.input.append("spoiled")
        ctx.variables.get("v").append("spoiled")
        raise ValueError("no")

    flow = af.Workflow("copies", variables={"v": []})
    flow.add(spoil, name="a")
    flow.add(lambda x, ctx: (x, ctx.input, ctx.variables.get("v")), name="b")
    flow.connect("a", "b", on="fail")
    assert run(flow, [1]).outputs["b"] == ([1], [1], [])


def test_local_is_an_empty_dict_for_each_execution():
    flow = af.Workflow("local")
    seen = []

    @flow.node
    def items(n):
        yield from range(n)

    def work(x, ctx):
        seen.append(dict(ctx.local))
        ctx.local["x"] = x
        return ctx.local["x"]

    flow.add(work)
    flow.connect(items, "work")
    assert (run(flow, 3).output, seen) == ([0, 1, 2], [{}, {}, {}])


def test_the_log_carries_who_speaks(caplog):
    with caplog.at_level(logging.INFO, "actorflow.handler"):
        one(lambda x, ctx: ctx.log.info("hello"), run_id="r")
    (record,) = caplog.records
    assert (record.message, record.run_id, record.node, record.key, record.attempt) == ("hello", "r", "node", (), 1)


# --- ctx.emit ----------------------------------------------------------------------------------------------------------


def emitting(handler, *ports):
    flow = af.Workflow("emit")
    flow.add(handler, name="a")
    for port in ports:
        flow.add(lambda x: x, name=str(port))
        flow.connect("a", str(port), port=port)
    return flow


def test_emit_leaves_with_the_outcome_beside_what_is_returned():
    def handler(x, ctx):
        ctx.emit("p", port="p")
        ctx.emit("q", port="Q")
        return "primary"

    assert run(emitting(handler, "p", "q", None)).output == {"p": "p", "q": "q", "None": "primary"}


def test_a_handler_that_emits_and_returns_none_sends_no_none():
    def handler(x, ctx):
        ctx.emit("p", port="p")

    result = run(emitting(handler, "p", None))
    assert (result.output, str(result.nodes["None"].status)) == ({"p": "p"}, "skipped")


def test_what_a_failed_attempt_emitted_is_not_sent():
    def handler(x, ctx):
        ctx.emit("p", port="p")
        raise ValueError("no")

    assert str(run(emitting(handler, "p")).nodes["p"].status) == "cancelled"


@pytest.mark.parametrize("port", [None, "p"])
def test_a_second_value_on_a_port_is_refused_with_advice(port):
    def handler(x, ctx):
        ctx.emit(1, port=port)
        ctx.emit(2, port=port and port.upper())

    (failure,) = run(emitting(handler, port)).errors
    assert "generator" in failure.message and failure.node == "a"


def test_emitting_and_returning_on_the_primary_port_is_refused():
    def handler(x, ctx):
        ctx.emit(1)
        return 2

    (failure,) = run(emitting(handler, None)).errors
    assert "two messages on one port" in failure.message


def test_what_a_stream_emits_comes_after_its_values_with_keys_of_its_own():
    flow = af.Workflow("stream")

    @flow.node
    def items(n, ctx):
        ctx.emit("first emitted")
        for number in range(n):
            assert ctx.emitted == number
            yield number
        ctx.emit("last emitted")

    flow.add(lambda x, ctx: (x, ctx.key), name="work")
    flow.connect(items, "work")
    assert run(flow, 2).output == [(0, (0,)), (1, (1,)), ("first emitted", (2,)), ("last emitted", (3,))]


def test_more_than_ten_thousand_emitted_values_are_refused_and_generators_named():
    flow = af.Workflow("many")

    @flow.node(stream=True)
    def items(n, ctx):
        for number in range(n):
            ctx.emit(number)
        return []

    flow.add(len, name="count", join="collect")
    flow.connect(items, "count")
    assert run(flow, 10_000).output == 10_000
    (failure,) = run(flow, 10_001).errors
    assert "10000" in failure.message and "generator" in failure.message


# --- variables ---------------------------------------------------------------------------------------------------------


def test_variables_begin_with_the_workflow_s_and_those_of_start_go_over_them():
    handler = lambda x, ctx: [ctx.variables.get(name) for name in ("a", "b", "c")]
    assert one(handler, variables={"a": 1, "b": 2}) == [1, 2, None]
    flow = af.Workflow("variables", variables={"a": 1, "b": 2})
    flow.add(handler, name="n")
    assert run(flow, None, variables={"b": 20, "c": 30}).output == [1, 20, 30]
    assert run(flow, None).output == [1, 2, None]


def test_get_has_a_default():
    assert one(lambda x, ctx: ctx.variables.get("missing", "default")) == "default"
    assert one(lambda x, ctx: ctx.variables.get("none", "default"), variables={"none": None}) is None


def test_what_a_node_sets_is_seen_by_later_ones_and_by_itself():
    def first(x, ctx):
        ctx.variables.set("a", [1])
        return ctx.variables.get("a")

    flow = af.Workflow("set")
    flow.add(first)
    flow.add(lambda x, ctx: (x, ctx.variables.get("a")), name="second")
    flow.chain("first", "second")
    engine = SimulatedEngine()
    started = engine.start(flow)
    assert started.wait(1).output == ([1], [1])
    assert dict(started.variables) == {"a": [1]}
    with pytest.raises(TypeError):
        started.variables["a"] = 2


def test_what_is_set_is_copied():
    kept = []

    def first(x, ctx):
        ctx.variables.set("a", kept)
        kept.append("changed")

    flow = af.Workflow("set")
    flow.add(first)
    flow.add(lambda x, ctx: ctx.variables.get("a"), name="second")
    flow.chain("first", "second")
    assert run(flow).output == []


@pytest.mark.parametrize("how", ["raises", "unrouted", "function", "port"])
def test_a_failed_attempt_changes_no_variable(how):
    def bad(x, ctx):
        ctx.variables.set("a", "changed")
        ctx.variables.update("n", lambda n: n + 1)
        if how == "raises":
            raise ValueError("no")
        if how == "function":
            calls = []
            ctx.variables.update("n", lambda n: calls.append(n) or (1 / (2 - len(calls))))
        return af.Emit(x, port="undeclared") if how == "port" else x

    flow = af.Workflow("failed", variables={"a": "before", "n": 1}, unrouted="fail" if how == "unrouted" else "count")
    flow.add(bad, ports=["p"] if how == "port" else None)
    flow.add(lambda x: x, name="never")
    flow.connect("bad", "never", when="false")
    flow.add(lambda x, ctx: (ctx.variables.get("a"), ctx.variables.get("n")), name="handle")
    flow.connect("bad", "handle", on="fail")
    assert run(flow).outputs["handle"] == ("before", 1)


def test_an_update_in_place_is_all_or_nothing_too():
    def bad(x, ctx):
        ctx.variables.update("rows", lambda rows: rows.append(1) or rows)
        calls = []
        ctx.variables.update("n", lambda n: calls.append(n) or (1 / (2 - len(calls))))

    flow = af.Workflow("failed", variables={"rows": [], "n": 1})
    flow.add(bad)
    flow.add(lambda x, ctx: ctx.variables.get("rows"), name="handle")
    flow.connect("bad", "handle", on="fail")
    assert run(flow).outputs["handle"] == []


def test_update_returns_what_this_attempt_sees():
    def handler(x, ctx):
        return [ctx.variables.update("n", lambda n: (n or 0) + 1) for _ in range(3)]

    assert one(handler) == [1, 2, 3]


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_variable_needs_a_name(name):
    flow = af.Workflow("name")
    flow.add(lambda x, ctx: ctx.variables.set(name, 1), name="a")
    (failure,) = run(flow).errors
    assert failure.type == "TypeError" and "variable" in failure.message


def counting(nodes, times):
    flow = af.Workflow("count", variables={"n": 0})
    flow.add(lambda x: x, name="a")
    flow.add(lambda x, ctx: ctx.variables.get("n"), name="total")

    def work(x, ctx):
        for _ in range(times):
            ctx.variables.update("n", lambda n: n + 1)

    for number in range(nodes):
        flow.add(work, name=f"n{number}")
        flow.chain("a", f"n{number}", "total")
    return flow


def test_twenty_nodes_of_ten_increments_make_two_hundred_on_any_seed():
    explore(counting(20, 10), seeds=SEEDS, check=lambda result: result.output == 200)


def test_twenty_nodes_of_ten_increments_make_two_hundred_on_threads():
    barrier = threading.Barrier(2)
    flow = counting(20, 10)
    flow.add(lambda x: barrier.wait(5) and None, name="left")
    flow.add(lambda x: barrier.wait(5) and None, name="right")
    flow.connect("a", "left")
    flow.connect("a", "right")
    with af.Engine(workers=4) as engine:
        for _ in range(5):
            assert engine.start(flow).wait(20).output["total"] == 200


def test_runs_do_not_share_variables():
    flow = counting(3, 2)
    engine = SimulatedEngine()
    runs = [engine.start(flow) for _ in range(4)]
    assert [started.wait(1).output for started in runs] == [6] * 4


def test_raise_if_cancelled_does_nothing_where_nothing_was_cancelled():
    assert one(lambda x, ctx: ctx.raise_if_cancelled()) is None


def test_a_cancelled_handler_is_told_and_may_leave_by_an_error():
    told = []
    flow = af.Workflow("told")

    @flow.node
    def stream(x, ctx):
        yield 1
        while True:
            told.append(ctx.cancelled)
            ctx.raise_if_cancelled()
            yield 2

    flow.add(lambda x, ctx: None, name="after", mailbox=af.Mailbox(capacity=1))
    flow.connect(stream, "after")
    engine = SimulatedEngine()
    started = engine.start(flow, 0)
    for _ in range(30):
        engine._dispatch.step()
    started.cancel("enough")
    result = started.wait(5)
    assert result.status is af.RunStatus.CANCELLED
    assert set(told) <= {False, True}
