"""Payloads on their way: copies for each delivery, declared types, mapped inputs."""

from dataclasses import dataclass

import msgspec
import pytest

import actorflow as af
from actorflow.testing import SimulatedEngine, explore

SEEDS = range(100)


def run(flow, payload=None, seed=0, **options):
    return SimulatedEngine(seed).start(flow, payload, **options).wait(3600)


def fan_out(isolation="copy"):
    flow = af.Workflow("isolation", isolation=isolation)
    kept = []

    @flow.node
    def a(x):
        kept.append(x)
        return x

    def change(x):
        x["rows"].append(len(x["rows"]))
        return x

    for name in ("b", "c", "d"):
        flow.add(change, name=name)
        flow.connect(a, name)
    return flow, kept


def test_each_delivery_is_a_copy_so_branches_cannot_see_each_other():
    flow, _ = fan_out()

    def check(result):
        assert result.output == {name: {"rows": [0]} for name in "bcd"}
        assert result.outputs["a"] == {"rows": []}

    explore(flow, {"rows": []}, seeds=SEEDS, check=check)


def test_the_input_of_a_run_is_copied_when_it_starts_and_what_is_changed_later_is_not_seen():
    flow = af.Workflow("input")
    flow.add(lambda x: x["n"], name="a")
    payload = {"n": [1]}
    started = SimulatedEngine().start(flow, payload)
    payload["n"].append(2)
    assert started.wait(1).output == [1]


def test_a_sender_cannot_change_what_it_has_sent():
    sent = []
    flow = af.Workflow("sender")

    @flow.node
    def a(x):
        for number in range(3):
            sent.append([number])
            yield sent[-1]
            sent[-1].append("changed")

    flow.add(lambda x: x, name="b")
    flow.connect(a, "b")
    assert run(flow).output == [[0], [1], [2]]


def test_what_ctx_emit_took_is_copied_with_the_outcome():
    flow = af.Workflow("emitted")
    kept = []

    @flow.node
    def a(x, ctx):
        value = [1]
        kept.append(value)
        ctx.emit(value, port="p")

    @flow.node
    def b(x):
        kept[0].append(2)
        return x

    flow.connect(a, b, port="p")
    assert run(flow).output == [1]


def test_with_isolation_share_the_very_objects_are_passed_on():
    flow, kept = fan_out("share")
    payload = {"rows": []}
    result = run(flow, payload)
    assert kept[0] is payload
    assert payload == {"rows": [0, 1, 2]}
    assert all(result.outputs[name] is payload for name in "abcd")


def test_other_objects_are_shared_and_built_in_containers_around_them_are_not():
    class Thing:
        pass

    thing = Thing()
    flow = af.Workflow("objects")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: x, name="b")
    flow.chain("a", "b")
    payload = [thing]
    output = run(flow, payload).output
    assert output[0] is thing and output is not payload


def test_a_payload_that_contains_itself_fails_the_activation_that_sends_it():
    def a(x):
        loop = []
        loop.append(loop)
        return loop

    flow = af.Workflow("loop")
    flow.add(a)
    (failure,) = run(flow).errors
    assert failure.type == "actorflow.errors.PayloadError" and "contains itself" in failure.message


def test_an_input_that_contains_itself_is_refused_by_start():
    loop = {}
    loop["it"] = loop
    flow = af.Workflow("loop")
    flow.add(lambda x: x, name="a")
    with pytest.raises(af.PayloadError):
        SimulatedEngine().start(flow, loop)


# --- declared types ----------------------------------------------------------------------------------------------------


class Line(msgspec.Struct):
    sku: str
    count: int = 1


@dataclass
class Order:
    id: int
    lines: list[Line]


def test_plain_data_is_converted_to_the_annotated_type():
    def a(order: Order):
        return [(line.sku, line.count) for line in order.lines]

    flow = af.Workflow("typed")
    flow.add(a)
    assert run(flow, {"id": 1, "lines": [{"sku": "x"}, {"sku": "y", "count": 2}]}).output == [("x", 1), ("y", 2)]


def mismatch(flow, payload):
    (failure,) = run(flow, payload).errors
    assert isinstance(failure.exception, af.PayloadError)
    return failure.exception


def test_a_mismatch_names_node_and_path():
    called = []

    def check_in(order: Order):
        called.append(order)

    flow = af.Workflow("typed")
    flow.add(check_in)
    error = mismatch(flow, {"id": 1, "lines": [{"sku": "x"}, {"sku": 7}]})
    assert (error.node, error.slot, error.path, called) == ("check_in", "", "$.lines[1].sku", [])
    assert "check_in" in str(error) and "$.lines[1].sku" in str(error) and "7" not in str(error)


def test_a_mismatch_in_a_slot_names_the_slot():
    flow = af.Workflow("typed")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: str(x), name="b")
    flow.add(lambda x: x, name="c")

    @flow.node
    def j(b: int, c: int):
        return b + c

    for name in "bc":
        flow.chain("a", name, j)
    error = mismatch(flow, [1])
    assert (error.node, error.slot) in (("j", "b"), ("j", "c"))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("with_context", [False, True])
def test_every_kind_of_handler_is_named_in_a_mismatch(asynchronous, with_context):
    if asynchronous and with_context:

        async def work(n: int, ctx): ...
    elif asynchronous:

        async def work(n: int): ...
    elif with_context:

        def work(n: int, ctx): ...
    else:

        def work(n: int): ...

    flow = af.Workflow("typed")
    flow.add(work)
    error = mismatch(flow, "x")
    assert (error.node, error.path) == ("work", "$")
    assert "'work'" in str(error) and "NodeDefinition" not in str(error)


def test_a_mismatch_is_a_failure_like_any_other_and_can_be_taken():
    flow = af.Workflow("typed")

    @flow.node
    def work(n: int):
        return n

    flow.add(lambda x, ctx: (x, ctx.error.type), name="handle")
    flow.connect(work, "handle", on="fail")
    assert run(flow, "x").outputs["handle"] == ("x", "actorflow.errors.PayloadError")


# --- mapped inputs -----------------------------------------------------------------------------------------------------


def mapped(handler, inputs, **options):
    flow = af.Workflow("mapped", **options)
    flow.add(lambda x: {"rows": [1, 2], "name": "n"}, name="fetch")
    flow.add(lambda x: "between", name="between")
    flow.add(handler, name="store", inputs=inputs)
    flow.chain("fetch", "between", "store")
    return flow


def test_a_reference_gives_the_output_of_an_earlier_node_with_its_type():
    assert run(mapped(lambda rows: rows, {"rows": "${fetch.output.rows}"})).output == [1, 2]


def test_references_to_the_input_variables_and_texts_around_them():
    inputs = {"a": "${workflow.input.x}", "b": "for ${workflow.input.who} of ${fetch.output.name}", "c": "${variables.v}", "d": 7}
    flow = mapped(lambda a, b, c, d: (a, b, c, d), inputs, variables={"v": [3]})
    assert run(flow, {"x": 1.5, "who": "me"}).output == (1.5, "for me of n", [3], 7)


def test_what_is_mapped_is_a_copy():
    def spoil(rows):
        rows.append("spoiled")
        return rows

    result = run(mapped(spoil, {"rows": "${fetch.output.rows}"}))
    assert result.outputs["fetch"] == {"rows": [1, 2], "name": "n"}
    assert result.output == [1, 2, "spoiled"]


def test_what_is_mapped_from_the_input_is_a_copy_too():
    def spoil(rows):
        rows.append("spoiled")

    flow = mapped(spoil, {"rows": "${workflow.input.rows}"})
    flow.add(lambda x, ctx: ctx.input["rows"], name="after")
    flow.connect("store", "after")
    assert run(flow, {"rows": [1]}).output == [1]


@pytest.mark.parametrize("results", ["auto", "all", "none"])
def test_references_work_whatever_results_are_kept(results):
    result = run(mapped(lambda rows: rows, {"rows": "${fetch.output.rows}"}, results=results))
    assert (str(result.status), result.errors) == ("completed", ())


def test_a_reference_without_a_value_fails_the_activation_and_names_slot_and_path():
    flow = mapped(lambda rows: rows, {"rows": "${fetch.output.cols[0]}"})
    error = mismatch(flow, 1)
    assert (error.node, error.slot, error.path) == ("store", "rows", "$.cols[0]")


def test_a_reference_to_a_node_that_has_not_run_fails_the_activation():
    flow = af.Workflow("not yet")
    flow.add(lambda x: x, name="a")
    flow.add(lambda x: x, name="later")
    flow.add(lambda v: v, name="b", inputs={"v": "${later.output}"})
    flow.chain("a", "b", "later")
    error = mismatch(flow, 1)
    assert "later" in str(error)


def test_mapped_inputs_are_checked_by_the_annotations():
    def store(rows: list[str]):
        return rows

    error = mismatch(mapped(store, {"rows": "${fetch.output.rows}"}), 1)
    assert (error.node, error.slot, error.path) == ("store", "rows", "$[0]")


def test_in_a_stream_a_reference_is_to_the_same_item():
    flow = af.Workflow("items")

    @flow.node
    def items(n):
        yield from range(n)

    flow.add(lambda x: x * 10, name="ten")
    flow.add(lambda x: x + 1, name="one")
    flow.add(lambda ten, one: (ten, one), name="pair", inputs={"ten": "${ten.output}", "one": "${one.output}"})
    flow.chain(items, "ten", "one", "pair")
    explore(flow, 3, seeds=SEEDS, check=lambda result: result.output == [(0, 1), (10, 11), (20, 21)])


def test_after_a_stream_a_reference_is_to_the_list_of_its_items():
    flow = af.Workflow("items")

    @flow.node
    def items(n):
        yield from range(n)

    flow.add(lambda x: x * 10, name="ten")
    flow.add(len, name="count", join="collect")
    flow.add(lambda tens: tens, name="last", inputs={"tens": "${ten.output}"})
    flow.chain(items, "ten", "count", "last")
    explore(flow, 3, seeds=SEEDS, check=lambda result: result.output == [0, 10, 20])


def test_in_a_cycle_a_reference_is_to_the_latest_pass():
    flow = af.Workflow("loop")
    flow.add(lambda x: x + 1, name="count")
    flow.add(lambda n: n, name="look", inputs={"n": "${count.output}"})
    flow.entry("count")
    flow.connect("count", "look")
    flow.connect("look", "count", back=True, when="output < 3")
    assert run(flow, 0).output == 3
