"""Cycles: ways in and out, passes, quiet, what joins behind them, and what is left over."""

import pytest

import actorflow as af
from actorflow import NOTHING
from tests.core.player import Play, graph, play

SEEDS = range(12)


def plus(payload):
    return payload + 1


def fails(payload):
    raise ValueError("no")


def numbers(count):
    yield from range(count)


def loop(until=3):
    """The options of a loop at b, and of its exit to c."""
    return {"b b": {"back": True, "when": f"output < {until}"}, "b c": {"when": f"output >= {until}"}}


def test_a_loop_goes_round_until_its_exit_is_taken():
    run = play("a -> b -> c", 0, handlers={"b": plus}, connect=loop(3))
    assert (run.keys("b"), run.payloads("b")) == ([(0,), (1,), (2,)], [0, 1, 2])
    assert (run.keys("c"), run.payloads("c")) == ([(2,)], [3])
    assert run.output == 3


def test_an_exit_that_is_never_taken_is_skipped_when_the_cycle_is_quiet():
    connect = {"b b": {"back": True, "when": "output < 3"}, "b c": {"when": "output > 5"}, "b d": {"when": "output == 3"}}
    run = play("a -> b; b -> c; b -> d; {c, d} -> e", 0, handlers={"b": plus}, connect=connect)
    assert run.statuses()["c"] == "skipped"
    assert run.payloads("e") == [{"d": 3}]


def test_skips_at_an_exit_are_held_until_the_cycle_is_quiet():
    run = Play(graph("a -> b -> c", connect=loop(3)), 0, hold=("b",))
    run.complete("b", 1)
    assert str(run.status("c")) == "pending"
    run.complete("b", 2)
    run.complete("b", 9)
    assert run.payloads("c") == [9]


def test_a_cycle_that_is_skipped_skips_its_exits():
    run = play("a -> b -> c; a -> d; {c, d} -> e", 0, handlers={"a": lambda p: p, "b": plus}, connect={**loop(), "a b": {"when": "false"}})
    # d is the shorter input of e (it has not passed the cycle), and such a one starts nothing alone
    assert run.statuses() == {"a": "completed", "b": "skipped", "c": "skipped", "d": "completed", "e": "skipped"}


def test_a_cycle_that_is_cancelled_cancels_its_exits():
    run = play("a -> b -> c -> e", 0, handlers={"a": fails, "b": plus}, connect=loop())
    assert run.statuses() == {"a": "failed", "b": "cancelled", "c": "cancelled", "e": "cancelled"}


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_pass_that_fails_cancels_the_exits_that_never_delivered(at):
    def work(payload):
        if payload == at:
            raise ValueError("no")
        return payload + 1

    run = play("a -> b -> c", 0, handlers={"b": work}, connect=loop())
    assert run.times("b") == at + 1
    assert str(run.status("c")) == "cancelled"


def test_a_loop_rejoins_the_branch_beside_it():
    run = play("a -> b; b -> c; a -> d; {c, d} -> e", 0, handlers={"b": plus}, connect=loop())
    assert (run.payloads("e"), run.keys("e")) == ([{"c": 3, "d": 0}], [(2,)])


def test_exits_of_different_passes_are_joined_pass_by_pass():
    connect = {
        "b b": {"back": True, "when": "output < 4"},
        "b c": {"when": "output == 2 or output == 4"},
        "b d": {"when": "output == 1 or output == 3"},
    }
    run = play("a -> b; b -> c; b -> d; {c, d} -> e", 0, handlers={"b": plus}, connect=connect)
    assert dict(zip(run.keys("e"), run.payloads("e"))) == {(0,): {"d": 1}, (1,): {"c": 2}, (2,): {"d": 3}, (3,): {"c": 4}}


@pytest.mark.parametrize("hold", ["c", "d"])
def test_the_join_of_two_exits_waits_for_the_quiet_where_it_must(hold):
    connect = {"b b": {"back": True, "when": "output < 2"}, "b c": {"when": "output == 1"}, "b d": {"when": "output == 2"}}
    run = Play(graph("a -> b; b -> c; b -> d; {c, d} -> e", {"b": plus}, connect=connect), 0, hold=(hold,))
    run.run()
    run.complete(hold, "late")
    assert run.over and sorted(run.keys("e")) == [(0,), (1,)]


@pytest.mark.parametrize("passes", [1, 2, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_join_inside_a_cycle_settles_pass_by_pass(passes, seed):
    connect = {"d a": {"back": True, "when": f"output < {passes}"}, "d e": {"when": f"output >= {passes}"}}
    run = play("a -> {b, c} -> d", 0, handlers={"d": lambda p: p["b"] + 1}, connect=connect, entry=("a",), seed=seed)
    assert run.payloads("d") == [{"b": number, "c": number} for number in range(passes)]
    assert run.output == passes


@pytest.mark.parametrize("entry", ["p", "q"])
def test_a_cycle_with_two_ways_in_and_two_out(entry):
    connect = {
        "a b": {"when": "run.input == 'p'"}, "a c": {"when": "run.input == 'q'"},
        "b e": {"when": "output == 3"}, "b c": {"when": "output != 3"},
        "c d": {"when": "output >= 4"}, "c b": {"back": True, "when": "output < 4"},
    }  # fmt: skip
    run = play("a", entry, handlers={"a": lambda p: 0, "b": plus, "c": plus}, joins={"c": "any"}, connect=connect)
    counted = {name: run.times(name) for name in "abcde"}
    assert counted == ({"a": 1, "b": 2, "c": 1, "d": 0, "e": 1} if entry == "p" else {"a": 1, "b": 2, "c": 3, "d": 1, "e": 0})


def test_an_all_join_takes_the_entry_in_pass_0_only():
    connect = {"d b": {"back": True, "when": "output < 3"}, "d e": {"when": "output >= 3"}}
    run = play("a -> b; b -> d; a -> d", 0, handlers={"d": lambda p: p["b"] + 1, "b": lambda p: p}, connect=connect)
    assert run.payloads("d") == [{"a": 0, "b": 0}, {"b": 1}, {"b": 2}]


def test_a_pass_that_begins_in_the_middle_skips_what_it_cannot_reach():
    connect = {
        "d c": {"back": True, "when": "output == 1 or output == 2"},
        "d a": {"back": True, "when": "output == 3"},
        "d e": {"when": "output == 4"},
    }
    run = play("a -> {b, c} -> d", 0, connect=connect, handlers={"d": lambda p: p["c"] + 1}, entry=("a",))
    assert run.payloads("d") == [{"b": 0, "c": 0}, {"c": 1}, {"c": 2}, {"b": 3, "c": 3}]
    assert run.output == 4


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_back_connection_taken_beyond_its_limit_fails_its_source(limit):
    connect = {"b b": {"back": True, "limit": limit}, "b c": {"when": "false"}}
    run = play("a -> b -> c", 0, handlers={"b": plus}, connect=connect)
    (failure,) = run.state.failures
    assert failure.type == "actorflow.errors.TooManyPasses" and f"limit={limit}" in failure.message
    assert run.times("b") == limit + 1
    assert str(run.run_status) == "failed" and str(run.status("c")) == "cancelled"


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_failure_that_goes_back_is_bounded_by_the_limit_too(limit):
    connect = {"b b": {"back": True, "on": "fail", "limit": limit}}
    run = play("a -> b -> c", 0, handlers={"b": fails}, connect=connect)
    assert run.times("b") == limit + 1
    assert str(run.status("c")) == "cancelled" and str(run.run_status) == "failed"
    assert run.state.failures[-1].type == "actorflow.errors.TooManyPasses"
    assert isinstance(run.state.failures[-1].exception.__cause__, ValueError)


def test_a_failure_that_goes_back_once_and_then_completes_is_handled():
    tries = iter([True, False])

    def work(payload):
        if next(tries):
            raise ValueError("no")
        return payload

    run = play("a -> b -> c", 7, handlers={"b": work}, connect={"b b": {"back": True, "on": "fail"}})
    assert run.payloads("c") == [7] and str(run.run_status) == "completed"
    assert str(run.status("b")) == "failed"  # one activation of it did


def test_the_limit_counts_in_each_instance_of_the_cycle():
    connect = {"b b": {"back": True, "when": "output < 3", "limit": 3}, "b c": {"when": "output >= 3"}}
    run = play("s -> b", 4, handlers={"s": numbers, "b": plus}, connect=connect)
    assert run.times("b") == 3 + 2 + 1 + 1  # six passages in all
    assert str(run.run_status) == "completed"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cycle_in_a_stream_has_an_instance_for_each_item(seed):
    connect = {"b b": {"back": True, "when": "output < 3"}, "b c": {"when": "output >= 3"}}
    run = play("s -> b; b -> c; c -> d", 4, handlers={"s": numbers, "b": plus}, joins={"d": "collect"}, connect=connect, seed=seed)
    assert run.times("b") == 3 + 2 + 1 + 1
    assert sorted(run.keys("c")) == [(0, 2), (1, 1), (2, 0), (3, 0)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_collect_behind_a_cycle_in_a_stream_closes_the_cycle_and_another_the_stream(seed):
    connect = {"b b": {"back": True, "when": "output < 3"}, "b c": {"when": "output >= 3"}}
    run = play(
        "s -> b; b -> c; c -> d -> e",
        4,
        handlers={"s": numbers, "b": plus},
        joins={"d": "collect", "e": "collect"},
        connect=connect,
        seed=seed,
    )
    assert run.payloads("e") == [[[3], [3], [3], [4]]]


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stream_in_a_cycle_is_collected_in_each_pass(count, seed):
    connect = {"c s": {"back": True, "when": "len(output) > 0"}, "c e": {"when": "len(output) == 0"}}
    handlers = {"s": lambda p: iter(range(len(p) if isinstance(p, list) else p)), "w": lambda p: p, "c": lambda p: p[1:]}
    flow = graph("w -> c", {"w": handlers["w"], "c": handlers["c"]}, {"c": "collect"})
    flow.add(handlers["s"], name="s", stream=True)
    flow.add(lambda p: p, name="e")
    flow.connect("s", "w")
    flow.connect("c", "s", **connect["c s"])
    flow.connect("c", "e", **connect["c e"])
    flow.entry("s")
    run = Play(flow, count, seed=seed).run()
    assert run.payloads("c") == [list(range(left)) for left in ([count, *range(count - 1, 0, -1)] if count else [0])]
    assert run.payloads("e") == [[]]


@pytest.mark.parametrize("seed", SEEDS)
def test_streams_whose_items_go_back_start_a_pass_for_each_item(seed):
    def split(payload):
        if payload > 0:
            yield payload - 1
            yield payload - 1

    run = play("a -> s", 3, handlers={"s": split}, connect={"s s": {"back": True}}, seed=seed)
    assert run.times("s") == 1 + 2 + 4 + 8
    assert len(set(run.keys("s"))) == 15


@pytest.mark.parametrize("seed", SEEDS)
def test_a_collect_in_a_cycle_waits_for_what_can_still_come(seed):
    tries = iter([False, True, True, True])
    connect = {
        "c g": {"when": "output == 'good'"}, "c r": {"when": "output != 'good'"}, "r c": {"back": True},
        "h a": {"back": True, "when": "key[0] < 2"}, "h end": {"when": "key[0] >= 2"},
    }  # fmt: skip
    handlers = {"b": lambda p: "b", "c": lambda p: "good" if next(tries) else "bad"}
    run = play("a -> {b, c}; b -> g; g -> h", 0, handlers=handlers, joins={"g": "collect"}, connect=connect, entry=("a",), seed=seed)
    counted = {name: run.times(name) for name in ("a", "b", "c", "r", "g", "h", "end")}
    assert counted == {"a": 2, "b": 2, "c": 3, "r": 1, "g": 2, "h": 2, "end": 1}
    assert run.payloads("g") == [["b", "good"], ["b", "good"]]


@pytest.mark.parametrize("fate", ["skipped", "cancelled"])
def test_a_collect_in_a_cycle_that_gets_nothing_leaves_the_exit_to_the_quiet(fate):
    def b(payload):
        if fate == "cancelled":
            raise ValueError("no")
        return NOTHING

    connect = {"g a": {"back": True}, "g end": {}}
    run = play("a -> b -> g", 0, handlers={"b": b}, joins={"g": "collect"}, connect=connect, entry=("a",))
    assert run.times("g") == 0 and str(run.status("end")) == fate


@pytest.mark.parametrize("seed", SEEDS)
def test_cycles_within_cycles_are_one_cycle(seed):
    connect = {
        "c b": {"back": True, "when": "output == 1 or output == 3"}, "c d": {"when": "output == 2 or output == 4"},
        "d a": {"back": True, "when": "output == 2"}, "d e": {"when": "output == 4"},
    }  # fmt: skip
    run = play("a -> b -> c", 0, handlers={"c": plus}, connect=connect, entry=("a",), seed=seed)
    assert {name: run.times(name) for name in "abcde"} == {"a": 2, "b": 4, "c": 4, "d": 2, "e": 1}
    assert run.output == 4


@pytest.mark.parametrize("seed", SEEDS)
def test_two_cycles_one_after_the_other(seed):
    connect = {**loop(2), "c c": {"back": True, "when": "output < 5"}, "c d": {"when": "output >= 5"}}
    run = play("a -> b", 0, handlers={"b": plus, "c": plus}, connect=connect, seed=seed)
    assert run.keys("d") == [(1, 2)] and run.payloads("d") == [5]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_exits_of_a_cycle_in_a_stream_leave_nothing_behind(seed):
    """One exit delivers and the other does not: it is resolved for the item, under a key shorter than the join's."""
    connect = {"b b": {"back": True, "when": "output < 3"}, "b c": {"when": "output >= 3"}, "b d": {"when": "output > 5"}}
    run = play("s -> b; {c, d} -> e", 8, handlers={"s": numbers, "b": plus}, connect=connect, seed=seed)
    assert run.times("e") == 8


@pytest.mark.parametrize("join", ["any", "each", "collect", "all", 2])
@pytest.mark.parametrize("seed", range(4))
def test_every_join_of_exits_of_a_cycle_in_a_stream_settles_and_leaves_nothing_behind(join, seed):
    connect = {"b b": {"back": True, "when": "output < 3"}, "b c": {"when": "output >= 3"}, "b d": {"when": "output > 5"}}
    run = play("s -> b; {c, d} -> e -> f", 8, handlers={"s": numbers, "b": plus}, joins={"e": join}, connect=connect, seed=seed)
    assert run.over
    assert run.times("e") == {2: 3, "each": 11}.get(join, 8)  # eight leave by c, three of them by d too


def test_what_an_unfinished_stream_keeps_of_its_cycles_does_not_grow():
    connect = {"b b": {"back": True, "when": "output < 3"}, "b c": {"when": "output >= 3"}, "b d": {"when": "output > 5"}}
    for join in ("all", "any", "each", "collect"):
        run = Play(graph("s -> b; {c, d} -> e -> f", {"s": numbers, "b": plus}, {"e": join}, connect=connect), 0, hold=("s",))
        sizes = []
        for number in range(40):
            run.part("s", number % 4)
            sizes.append(sum(map(len, run.state.tables.values())) + sum(map(len, run.state.prefixes.values())))
        assert max(sizes[20:]) == max(sizes[:20]), (join, sizes)


def test_an_entry_that_is_inside_a_cycle_is_pass_0():
    run = play("b -> c", 0, handlers={"b": plus}, connect=loop(2), entry=("b",))
    assert run.keys("b") == [(0,), (1,)]


@pytest.mark.parametrize("seed", SEEDS)
def test_several_passes_at_once_are_counted_apart(seed):
    connect = {"b b": {"back": True, "when": "output < 4"}, "c b": {"back": True, "when": "output < 4"}, "b d": {"when": "output >= 4"}}
    run = play("a -> b -> c", 0, handlers={"b": plus, "c": plus}, connect=connect, seed=seed)
    assert len(set(run.keys("b"))) == run.times("b")
    assert run.over


def test_the_passes_of_a_loop_leave_nothing_behind_while_it_goes_on():
    connect = {"d a": {"back": True, "limit": 1000}, "d e": {"when": "false"}, "b f": {"when": "false"}}
    run = Play(graph("a -> {b, c} -> d; f -> g; {f, e} -> h", {"d": lambda p: p["b"]}, connect=connect, entry=("a",)), 0, hold=("a",))
    sizes = []
    for _ in range(40):
        run.complete("a", 0)
        instance = next(iter(run.state.tables[0].values()))
        sizes.append(sum(map(len, run.state.tables.values())) + sum(map(len, run.state.prefixes.values())) + len(instance.partial))
    assert max(sizes[20:]) == max(sizes[:20]), sizes


def test_a_cancelled_pass_at_an_exit_that_delivered_before_counts_as_skipped():
    def work(payload):
        if payload == 1:
            raise ValueError("no")
        return payload + 1

    connect = {"b b": {"back": True}, "b c": {}, "b d": {"when": "output == 1"}}
    run = play("a -> b; {c, d} -> e", 0, handlers={"b": work}, connect=connect)
    assert run.payloads("e") == [{"c": 1, "d": 1}]
    assert run.statuses()["b"] == "failed"


def test_collect_over_a_cycle_lists_what_left_it_in_order_of_the_passes():
    connect = {"b b": {"back": True, "when": "output < 4"}, "b c": {}}
    run = play("a -> b; c -> d", 0, handlers={"b": plus}, joins={"d": "collect"}, connect=connect)
    assert run.payloads("d") == [[1, 2, 3, 4]]


def test_a_collect_that_closes_a_cycle_which_was_entered_and_never_delivered_gets_an_empty_list():
    connect = {"b b": {"back": True, "when": "output < 3"}, "b c": {"when": "output > 9"}}
    run = play("a -> b; c -> d", 0, handlers={"b": plus}, joins={"d": af.Collect()}, connect=connect)
    assert str(run.status("c")) == "skipped"
    assert run.payloads("d") == [[]]
