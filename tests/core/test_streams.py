"""Streams: keys, mixed scopes, nested and empty streams, streams that break off, and what their ends leave behind."""

from itertools import product

import pytest

import actorflow as af
from actorflow import NOTHING, Emit
from tests.core.player import Play, graph, play

SEEDS = range(12)


def numbers(count):
    yield from range(count)


def pairs(payload):
    for letter in "xy":
        yield f"{payload}{letter}"


def empty(payload):
    return
    yield


def fails(payload):
    raise ValueError("no")


def breaks_after(count):
    def stream(payload):
        yield from range(count)
        raise ValueError("broken off")

    return stream


@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stream_is_collected_in_key_order(count, seed):
    run = play("s -> w -> c -> end", count, handlers={"s": numbers, "w": lambda p: p * 10}, joins={"c": "collect"}, seed=seed)
    assert run.payloads("c") == [[number * 10 for number in range(count)]]
    assert sorted(run.keys("w")) == [(number,) for number in range(count)]
    assert run.keys("c") == run.keys("end") == [()]
    assert str(run.status("w")) == ("completed" if count else "skipped")


@pytest.mark.parametrize("seed", SEEDS)
def test_items_that_send_nothing_are_missing_from_the_list(seed):
    run = play("s -> w -> c", 6, handlers={"s": numbers, "w": lambda p: p if p % 2 else NOTHING}, joins={"c": "collect"}, seed=seed)
    assert run.payloads("c") == [[1, 3, 5]]


def test_a_stream_whose_items_all_send_nothing_is_collected_as_an_empty_list():
    run = play("s -> w -> c", 3, handlers={"s": numbers, "w": lambda p: NOTHING}, joins={"c": "collect"})
    assert run.payloads("c") == [[]]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_shorter_input_goes_to_every_activation_under_its_key(seed):
    run = play("a -> s -> w; a -> b; {w, b} -> j", 3, handlers={"s": numbers, "b": lambda p: "B"}, seed=seed)
    assert sorted(run.payloads("j"), key=lambda p: p["w"]) == [{"w": number, "b": "B"} for number in range(3)]
    assert sorted(run.keys("j")) == [(0,), (1,), (2,)]


def test_a_shorter_input_starts_nothing_alone():
    run = play("a -> s -> w; a -> b; {w, b} -> j -> c", 0, handlers={"s": numbers}, joins={"c": "collect"})
    assert run.times("j") == 0
    assert run.payloads("c") == [[]]
    assert str(run.status("j")) == "skipped"


def test_an_item_that_is_skipped_gives_the_shorter_input_alone_no_start():
    run = play("a -> s -> w; a -> b; {w, b} -> j", 3, handlers={"s": numbers, "w": lambda p: NOTHING if p == 1 else p})
    assert [payload for payload in run.payloads("j") if "w" not in payload] in ([], [{"b": 3}])
    assert {payload["w"] for payload in run.payloads("j") if "w" in payload} == {0, 2}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cancelled_shorter_input_cancels_every_activation_of_the_join(seed):
    run = play("a -> s -> w; a -> b; {w, b} -> j -> c", 3, handlers={"s": numbers, "b": fails}, joins={"c": "collect"}, seed=seed)
    assert run.times("j") == run.times("c") == 0
    assert str(run.status("j")) == str(run.status("c")) == "cancelled"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_skipped_shorter_input_counts_as_skipped_for_every_activation(seed):
    run = play("a -> s -> w; a -> b; {w, b} -> j", 3, handlers={"s": numbers, "b": lambda p: NOTHING}, seed=seed)
    assert sorted(run.payloads("j"), key=lambda p: p["w"]) == [{"w": number} for number in range(3)]


@pytest.mark.parametrize("first", ["stream", "short"])
def test_the_shorter_input_may_come_before_or_after_the_longer_ones(first):
    run = Play(graph("a -> s -> w; a -> b; {w, b} -> j", {"s": numbers}), 2, hold=("b",))
    if first == "short":
        run.complete("b", "B")
    run.run()
    if first == "stream":
        assert run.times("j") == 0
        run.complete("b", "B")
    assert sorted(run.payloads("j"), key=lambda p: p["w"]) == [{"w": 0, "b": "B"}, {"w": 1, "b": "B"}]


@pytest.mark.parametrize("seed", SEEDS)
def test_nested_streams_are_closed_one_opener_at_a_time(seed):
    run = play(
        "s -> t -> w -> inner -> outer", 2, handlers={"s": numbers, "t": pairs}, joins={"inner": "collect", "outer": "collect"}, seed=seed
    )
    assert sorted(run.payloads("inner")) == [["0x", "0y"], ["1x", "1y"]]
    assert run.payloads("outer") == [[["0x", "0y"], ["1x", "1y"]]]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scope", ["s", "run"])
def test_nested_streams_are_closed_at_once_by_an_outer_scope(scope, seed):
    run = play("s -> t -> w -> all", 2, handlers={"s": numbers, "t": pairs}, joins={"all": af.Collect(scope=scope)}, seed=seed)
    assert run.payloads("all") == [["0x", "0y", "1x", "1y"]]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_inner_stream_that_is_empty_gives_an_empty_list_in_its_place(seed):
    def some(payload):
        yield from range(payload)

    run = play("s -> t -> inner -> outer", 3, handlers={"s": numbers, "t": some}, joins={"inner": "collect", "outer": "collect"}, seed=seed)
    assert run.payloads("outer") == [[[], [0], [0, 1]]]


def test_an_inner_stream_whose_opener_was_skipped_gives_no_list():
    handlers = {"s": numbers, "f": lambda p: NOTHING if p == 1 else p, "t": pairs}
    run = play("s -> f -> t -> inner -> outer", 3, handlers=handlers, joins={"inner": "collect", "outer": "collect"})
    assert run.payloads("outer") == [[["0x", "0y"], ["2x", "2y"]]]
    assert run.times("inner") == 2


def test_a_stream_that_is_skipped_skips_its_collect():
    run = play("a -> s -> w -> c -> end", 1, handlers={"a": lambda p: NOTHING, "s": numbers}, joins={"c": "collect"})
    assert run.statuses() == {"a": "completed", "s": "skipped", "w": "skipped", "c": "skipped", "end": "skipped"}


def test_a_stream_that_is_cancelled_cancels_its_collect():
    run = play("a -> s -> w -> c -> end", 1, handlers={"a": fails, "s": numbers}, joins={"c": "collect"})
    assert run.statuses() == {"a": "failed", "s": "cancelled", "w": "cancelled", "c": "cancelled", "end": "cancelled"}


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stream_that_breaks_off_lets_what_it_sent_run_on_and_cancels_its_collect(count, seed):
    run = play("s -> w -> x -> c -> end", 0, handlers={"s": breaks_after(count)}, joins={"c": "collect"}, seed=seed)
    assert run.times("x") == count
    assert run.times("c") == 0
    assert str(run.status("c")) == str(run.status("end")) == "cancelled"
    assert str(run.status("x")) == ("completed" if count else "cancelled")
    assert str(run.run_status) == "failed"


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stream_whose_failure_is_taken_gives_its_collect_what_was_sent(count, seed):
    text = "s -> w -> c -> end; s -> h"
    run = play(text, "in", handlers={"s": breaks_after(count)}, joins={"c": "collect"}, connect={"s h": {"on": "fail"}}, seed=seed)
    assert run.payloads("c") == [list(range(count))]
    assert run.payloads("h") == ["in"]
    assert run.keys("h") == [()]
    assert str(run.run_status) == "completed"


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_connection_for_all_outcomes_gets_the_failure_as_one_more_message(count, seed):
    connect = {"s w": {"on": "all"}, "s x": {}}
    run = play(
        "s -> w -> c; s -> x -> d",
        "in",
        handlers={"s": breaks_after(count)},
        joins={"c": "collect", "d": "collect"},
        connect=connect,
        seed=seed,
    )
    assert run.payloads("c") == [[*range(count), "in"]]
    assert run.payloads("d") == [list(range(count))]
    assert (count,) in run.keys("w")


def test_other_joins_inside_a_stream_that_broke_off_are_not_affected():
    run = play("s -> {v, w} -> j", 0, handlers={"s": breaks_after(2)})
    assert run.payloads("j") == [{"v": 0, "w": 0}, {"v": 1, "w": 1}]
    assert str(run.status("j")) == "completed"


def test_only_the_instance_that_broke_off_is_cancelled_but_the_outer_collect_needs_them_all():
    def some(payload):
        yield payload
        if payload == 1:
            raise ValueError("no")

    run = play("s -> t -> inner -> outer", 3, handlers={"s": numbers, "t": some}, joins={"inner": "collect", "outer": "collect"})
    assert sorted(run.payloads("inner")) == [[0], [2]]
    assert str(run.status("outer")) == "cancelled"


@pytest.mark.parametrize("fail_at", [0, 1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_an_item_that_fails_cancels_the_collect_of_its_scope(fail_at, seed):
    def work(payload):
        if payload == fail_at:
            raise ValueError("no")
        return payload

    run = play("s -> w -> c", 3, handlers={"s": numbers, "w": work}, joins={"c": "collect"}, seed=seed)
    assert run.times("w") == 3 and run.times("c") == 0
    assert str(run.status("c")) == "cancelled"


def test_an_item_whose_failure_is_taken_is_skipped_in_the_list():
    def work(payload):
        if payload == 1:
            raise ValueError("no")
        return payload

    run = play("s -> w -> c; w -> h", 3, handlers={"s": numbers, "w": work}, joins={"c": "collect"}, connect={"w h": {"on": "fail"}})
    assert run.payloads("c") == [[0, 2]]
    assert (run.payloads("h"), run.keys("h")) == ([1], [(1,)])


@pytest.mark.parametrize("seed", SEEDS)
def test_each_over_a_stream_and_a_value_opens_a_scope_that_collect_closes(seed):
    run = play("a -> s -> e; a -> e; e -> c", 2, handlers={"s": numbers}, joins={"e": "each", "c": "collect"}, seed=seed)
    assert sorted(run.payloads("e")) == [0, 1, 2]
    assert run.payloads("c") == [[0, 1, 2]]  # connection s -> e is the second in the text, but a -> s comes first


@pytest.mark.parametrize("join", ["any", 1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_any_and_n_over_streams_work_at_their_common_scope(join, seed):
    text = "a -> {s, t}; s -> j; t -> j"
    run = play(text, 3, handlers={"s": numbers, "t": numbers}, joins={"j": join}, seed=seed)
    assert run.times("j") == 1
    assert run.keys("j") == [()]
    if join == 2:
        assert set(run.payloads("j")[0]) == {"s", "t"}


@pytest.mark.parametrize("join", ["any", 2])
def test_any_and_n_over_empty_streams_are_skipped(join):
    run = play("a -> {s, t}; s -> j; t -> j; j -> end", 0, handlers={"s": numbers, "t": numbers}, joins={"j": join})
    assert str(run.status("j")) == str(run.status("end")) == "skipped"


def test_two_over_two_streams_of_which_one_is_empty_is_skipped():
    run = play("a -> {s, t} -> j -> end", 2, handlers={"s": numbers, "t": empty}, joins={"j": 2})
    assert str(run.status("j")) == "skipped"


@pytest.mark.parametrize("seed", SEEDS)
def test_collect_over_unrelated_streams_works_at_what_they_have_in_common(seed):
    run = play("a -> {s, t} -> c", 2, handlers={"s": numbers, "t": numbers}, joins={"c": "collect"}, seed=seed)
    assert run.payloads("c") == [[0, 0, 1, 1]]  # in key order, then connection order


@pytest.mark.parametrize(("left", "right"), list(product([0, 1, 2], repeat=2)))
def test_collect_over_two_streams_fires_once_whatever_their_lengths(left, right):
    handlers = {"s": lambda p: iter(range(left)), "t": lambda p: iter(range(right))}
    flow = graph("a -> {b, d}; c -> end", {}, {"c": "collect"})
    flow.add(handlers["s"], name="s", stream=True)
    flow.add(handlers["t"], name="t", stream=True)
    flow.chain("b", "s", "c")
    flow.chain("d", "t", "c")
    run = Play(flow, 0).run()
    assert len(run.payloads("c")) == 1 and len(run.payloads("c")[0]) == left + right


def test_ports_of_a_stream_are_resolved_item_by_item():
    def stream(payload):
        yield Emit(1, port="p")
        yield 2
        yield Emit(3, port="P")

    run = play("s -> p; s -> q; p -> j; q -> j", 0, handlers={"s": stream}, connect={"s p": {"port": "p"}})
    assert run.payloads("j") == [{"p": 1}, {"q": 2}, {"p": 3}]


def test_one_value_of_a_stream_may_be_several_messages_with_one_key():
    def stream(payload):
        yield af.Emits(Emit("l0", "left"), Emit("r0", "right"))
        yield Emit("l1", "left")

    connect = {"s p": {"port": "left"}, "s q": {"port": "right"}}
    run = play("s -> p; s -> q; {p, q} -> j", 0, handlers={"s": stream}, connect=connect)
    assert run.payloads("j") == [{"p": "l0", "q": "r0"}, {"p": "l1"}]


def test_nothing_in_a_stream_is_no_message():
    def stream(payload):
        yield 0
        yield NOTHING
        yield 2

    run = play("s -> {v, w} -> j -> c", 0, handlers={"s": stream}, joins={"c": "collect"})
    assert run.payloads("c") == [[{"v": 0, "w": 0}, {"v": 2, "w": 2}]]


def test_a_condition_on_an_item_skips_what_follows_for_that_item_alone():
    run = play(
        "s -> v; s -> w; {v, w} -> j -> c", 3, handlers={"s": numbers}, joins={"c": "collect"}, connect={"s v": {"when": "output == 1"}}
    )
    assert run.payloads("c") == [[{"w": 0}, {"v": 1, "w": 1}, {"w": 2}]]


def test_collect_with_a_limit_fails_beyond_it():
    run = play("s -> c", 3, handlers={"s": numbers}, joins={"c": af.Collect(limit=2)})
    (failure,) = run.state.failures
    assert failure.node == "c" and "3 values" in failure.message and "2" in failure.message
    run = play("s -> c", 2, handlers={"s": numbers}, joins={"c": af.Collect(limit=2)})
    assert run.payloads("c") == [[0, 1]]


@pytest.mark.parametrize("seed", SEEDS)
def test_three_levels_with_a_shorter_input_at_each(seed):
    text = "a -> s -> t -> u; a -> x; s -> y; {u, x} -> j; {j, y} -> k -> c1 -> c2"
    run = play(text, 2, handlers={"s": numbers, "t": pairs}, joins={"c1": "collect", "c2": "collect"}, seed=seed)
    assert run.times("k") == 4
    assert run.payloads("c2") == [[[{"j": {"u": f"{i}{letter}", "x": 2}, "y": i} for letter in "xy"] for i in range(2)]]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("what", ["skipped", "cancelled"])
def test_an_opener_that_is_dead_for_an_item_leaves_nothing_behind(what, seed):
    """For items whose inner stream never runs, both long inputs of the join are dead for a whole prefix."""

    def filtered(payload):
        if payload % 2:
            if what == "cancelled":
                raise ValueError("no")
            return NOTHING
        return payload

    text = "s -> f -> t -> {v, w} -> j; s -> y; {j, y} -> k"
    run = play(text, 4, handlers={"s": numbers, "f": filtered, "t": pairs}, seed=seed)
    assert run.times("j") == 4 and run.times("k") == 4


def test_what_an_unfinished_stream_keeps_does_not_grow_with_its_items():
    """The flat memory of long streams: while the stream goes on, settled items leave nothing behind."""
    handlers = {"s": pairs, "f": lambda p: NOTHING, "t": pairs}
    text = "s -> f -> t -> {v, w} -> j; s -> x; s -> y; {x, y} -> k"
    run = Play(graph(text, handlers), 0, hold=("s",))
    sizes = []
    for number in range(40):
        run.part("s", number)
        sizes.append(sum(map(len, run.state.tables.values())) + sum(map(len, run.state.prefixes.values())))
    assert max(sizes[20:]) == max(sizes[:20]), sizes


def test_a_stream_that_is_cancelled_while_it_is_at_work_keeps_what_it_sent():
    run = Play(graph("s -> w -> c", {"s": numbers}, {"c": "collect"}), 0, hold=("s",))
    run.part("s", "one").part("s", "two").cancel("s")
    assert run.payloads("c") == [["one", "two"]]


@pytest.mark.parametrize("seed", SEEDS)
def test_streams_from_two_items_do_not_mix(seed):
    run = play("s -> t -> {v, w} -> j -> c1", 3, handlers={"s": numbers, "t": pairs}, joins={"c1": "collect"}, seed=seed)
    lists = sorted(run.payloads("c1"), key=lambda rows: rows[0]["v"])
    assert lists == [[{"v": f"{i}{letter}", "w": f"{i}{letter}"} for letter in "xy"] for i in range(3)]
