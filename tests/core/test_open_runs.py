"""Open runs: sends to entries and to inner nodes, into streams and cycles, and what closing leaves."""

import pytest

import actorflow as af
from actorflow import NOTHING
from tests.core.player import Play, graph

SEEDS = range(8)


def numbers(count):
    yield from range(count)


def plus(payload):
    return payload + 1


def opened(text, seed=None, hold=(), **options):
    return Play(graph(text, **options), None, open=True, seed=seed, hold=hold)


def test_an_open_run_that_is_sent_nothing_skips_all_its_nodes():
    run = opened("a -> b -> c; a -> d -> c").close()
    assert set(run.statuses().values()) == {"skipped"} and run.calls == []
    assert str(run.run_status) == "completed" and run.output == []


def test_an_open_run_is_not_over_before_it_is_closed():
    run = opened("a -> b")
    run.send(1, "a")
    run.run()
    assert run.payloads("b") == [1] and not run.over
    run.close()
    assert run.over


@pytest.mark.parametrize("seed", SEEDS)
def test_each_send_is_a_message_of_its_own_and_joins_match_by_it(seed):
    run = opened("a -> {b, c} -> d", seed)
    for number in range(5):
        run.send(number, "a")
    run.close()
    assert sorted(run.payloads("d"), key=lambda p: p["b"]) == [{"b": number, "c": number} for number in range(5)]
    assert run.output == [{"b": number, "c": number} for number in range(5)]
    assert sorted(run.keys("d")) == [(number,) for number in range(5)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_send_to_one_of_two_entries_does_not_wait_for_the_other(seed):
    run = opened("a -> c; b -> c", seed, entry=("a", "b"))
    run.send(1, "a")
    run.send(2, "b")
    run.close()
    assert sorted(map(str, run.payloads("c"))) == ["{'a': 1}", "{'b': 2}"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_send_to_an_inner_node_is_an_activation_of_its_own_and_never_the_input_of_a_join(seed):
    run = opened("a -> {b, c} -> d -> e", seed)
    run.send("direct", "d")
    run.send(1, "a")
    run.close()
    assert sorted(map(str, run.payloads("d"))) == ["direct", "{'b': 1, 'c': 1}"]
    assert run.times("e") == 2


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_send_to_an_inner_node_cannot_reach_counts_as_skipped_for_it(seed):
    run = opened("a -> {b, c} -> d", seed)
    run.send("half", "b")
    run.close()
    assert run.payloads("d") == [{"b": "half"}]


@pytest.mark.parametrize("target", ["s", "w", "c", "end"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_send_into_a_stream_is_an_item_of_its_own(target, seed):
    run = opened("s -> w -> c -> end", seed, handlers={"s": numbers}, joins={"c": "collect"})
    run.send(2, target)
    run.send(3, "s")
    run.close()
    lists = {"s": [[0, 1], [0, 1, 2]], "w": [[0, 1, 2], [2]], "c": [2, [0, 1, 2]], "end": [2, [0, 1, 2]]}[target]
    assert sorted(map(str, run.payloads("end"))) == sorted(map(str, lists))


@pytest.mark.parametrize("seed", SEEDS)
def test_sends_into_a_nested_stream_with_shorter_inputs_leave_nothing_behind(seed):
    text = "a -> s -> t -> u; a -> x; s -> y; {u, x} -> j; {j, y} -> k -> c1 -> c2"

    def two(payload):
        yield from range(2)

    for target in ("a", "s", "t", "u", "x", "j", "k", "c1", "c2"):  # y: a short input whose long ones are dead is kept to the end
        run = opened(text, seed, handlers={"s": two, "t": two}, joins={"c1": "collect", "c2": "collect"})
        run.send(1, target)
        run.send(1, "a")
        run.close()
        assert run.over, target


@pytest.mark.parametrize("target", ["a", "b", "c", "d"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_send_into_a_cycle_enters_it(target, seed):
    connect = {"c b": {"back": True, "when": "output < 3"}, "c d": {"when": "output >= 3"}}
    run = opened("a -> b -> c", seed, handlers={"c": plus}, connect=connect)
    run.send(0, target)
    run.send(5, "a")
    run.close()
    assert sorted(run.payloads("d")) == ([0, 6] if target == "d" else [3, 6])
    assert run.times("c") == (1 if target == "d" else 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_sends_to_every_node_of_a_cycle_with_joins_and_two_exits_leave_nothing_behind(seed):
    connect = {
        "d a": {"back": True, "when": "output < 3"}, "d e": {"when": "output >= 3"}, "c f": {"when": "output > 1"}, "x b": {}, "x a": {},
    }  # fmt: skip
    handlers = {
        "d": lambda p: (p if isinstance(p, int) else max(p.values())) + 1,
        "b": lambda p: p if isinstance(p, int) else max(p.values()),
    }
    for target in "xabcdefg":
        run = opened("x; a -> {b, c} -> d; {e, f} -> g", seed, handlers=handlers, connect=connect)
        run.send(0, target)
        run.send(2, "x")
        run.close()
        assert run.over, target


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cycle_in_a_stream_of_an_open_run(seed):
    connect = {"b b": {"back": True, "when": "output < 3"}, "b c": {"when": "output >= 3"}, "b d": {"when": "output > 5"}}
    for target in ("s", "b", "c", "d", "e"):
        run = opened("s -> b; {c, d} -> e", seed, handlers={"s": numbers, "b": plus}, connect=connect)
        run.send(4, target)
        run.send(3, "s")
        run.close()
        assert run.over, target


@pytest.mark.parametrize("seed", SEEDS)
def test_a_collect_over_the_run_waits_for_the_close(seed):
    run = opened("a -> b -> c", seed, joins={"c": af.Collect(scope="run")})
    run.send(1, "a")
    run.run()
    run.send(2, "a")
    run.run()
    assert run.times("c") == 0
    run.close()
    assert run.payloads("c") == [[1, 2]]
    assert run.output == [1, 2]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_innermost_opener_of_an_open_run_is_the_send(seed):
    run = opened("a -> b -> c", seed, joins={"c": "collect"})
    run.send(1, "a")
    run.send(2, "b")
    run.close()
    assert run.payloads("c") == [[1, 2]]


@pytest.mark.parametrize("fate", ["skipped", "cancelled"])
def test_a_send_that_comes_to_nothing_leaves_the_others_alone(fate):
    def b(payload):
        if payload == 1:
            if fate == "cancelled":
                raise ValueError("no")
            return NOTHING
        return payload

    run = opened("a -> {b, c} -> d", handlers={"b": b})
    for number in range(3):
        run.send(number, "a")
    run.close()
    expected = [{"b": 0, "c": 0}, {"c": 1}, {"b": 2, "c": 2}] if fate == "skipped" else [{"b": 0, "c": 0}, {"b": 2, "c": 2}]
    assert run.payloads("d") == expected


def test_what_an_open_run_keeps_does_not_grow_with_what_it_was_sent():
    def two(payload):
        yield payload
        yield payload

    run = opened("a -> s -> w; a -> b; {w, b} -> j -> c; s -> v; {v, w} -> k", handlers={"s": two}, joins={"c": "collect"})
    sizes = []
    for number in range(60):
        run.send(number, ("a", "s", "w", "v", "j")[number % 5])
        run.run()
        sizes.append(sum(map(len, run.state.tables.values())) + sum(map(len, run.state.prefixes.values())))
    assert max(sizes[30:]) == max(sizes[:30]), sizes
    run.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_collect_over_the_run_and_one_behind_it_fire_once_each_at_the_close(seed):
    run = opened("a -> b -> d -> e; a -> e", seed, joins={"b": "collect", "e": "collect"})
    run.send(1, "a")
    run.run()
    run.send(2, "a")
    run.close()
    assert run.payloads("b") == [[1, 2]]
    assert run.payloads("e") == [[[1, 2], 1, 2]]


@pytest.mark.parametrize("target", ["x", "w", "y"])
@pytest.mark.parametrize("join", ["all", "any", "each", "collect"])
def test_a_send_beside_a_cycle_does_not_wait_for_it(join, target):
    connect = {"y x": {"back": True, "when": "output < 2"}, "y z": {"when": "output >= 2"}}
    run = opened("x -> y; w -> z", handlers={"y": plus}, joins={"z": join}, connect=connect)
    run.send(0, target)
    run.close()
    assert run.over


@pytest.mark.parametrize("join", ["all", "any", "each", "collect"])
@pytest.mark.parametrize("target", ["x", "y"])
def test_a_send_into_the_middle_of_a_cycle_with_two_exits(join, target):
    connect = {"y x": {"back": True, "when": "output < 2"}}
    run = opened("x -> y; x -> z; y -> z -> end", handlers={"y": plus}, joins={"z": join}, connect=connect)
    run.send(0, target)
    run.close()
    assert run.over and run.times("end") >= 1
