"""Every join, with every resolution of its inputs, in every order in which they come."""

from itertools import pairwise, permutations, product

import pytest

from actorflow import NOTHING
from tests.core.player import Play, graph, play

FATES = ("delivered", "skipped", "cancelled")
BRANCHES = ("b", "c", "d")


def expected(join, fates):
    """What e becomes, and how often it starts; written from the table of joins alone."""
    delivered, cancelled = fates.count("delivered"), "cancelled" in fates
    dead = ("cancelled" if cancelled else "skipped", 0)
    if join in ("any", 2, 3):
        return ("completed", 1) if delivered >= (1 if join == "any" else join) else dead
    if join == "each":
        return ("completed", delivered) if delivered else dead
    if cancelled or not delivered:
        return dead
    return "completed", 1


def settle(run, order, fates):
    fate_of = dict(zip(BRANCHES, fates, strict=True))
    for name in order:
        if fate_of[name] == "delivered":
            run.complete(name, name.upper())
        elif fate_of[name] == "skipped":
            run.complete(name, NOTHING)
        else:
            run.fail(name)


@pytest.mark.parametrize("join", ["all", "any", 2, 3, "each", "collect"])
@pytest.mark.parametrize("fates", list(product(FATES, repeat=3)), ids="-".join)
def test_a_join_of_three_settles_as_the_table_says_whatever_the_order(join, fates):
    flow = graph("a -> {b, c, d} -> e -> f", joins={"e": join})
    for order in permutations(BRANCHES):
        run = Play(flow, hold=BRANCHES)
        settle(run, order, fates)
        status, times = expected(join, list(fates))
        assert run.over
        assert (str(run.status("e")), run.times("e")) == (status, times), order
        assert (str(run.status("f")), run.times("f")) == (status, times), order


@pytest.mark.parametrize("fates", list(product(FATES, repeat=3)), ids="-".join)
def test_an_all_join_gets_the_slots_that_delivered_and_no_others(fates):
    run = Play(graph("a -> {b, c, d} -> e"), hold=BRANCHES)
    settle(run, BRANCHES, fates)
    delivered = {name: name.upper() for name, fate in zip(BRANCHES, fates, strict=True) if fate == "delivered"}
    assert run.payloads("e") == ([delivered] if delivered and "cancelled" not in fates else [])


@pytest.mark.parametrize("order", list(permutations(BRANCHES)), ids="".join)
@pytest.mark.parametrize("join", ["any", 1, 2, 3])
def test_a_partial_join_starts_at_the_nth_arrival_with_what_has_come(order, join):
    run = Play(graph("a -> {b, c, d} -> e", joins={"e": join}), hold=BRANCHES)
    n = 1 if join == "any" else join
    for number, name in enumerate(order, 1):
        run.complete(name, name.upper())
        assert run.times("e") == (1 if number >= n else 0)
    first = sorted(order[:n])
    assert run.payloads("e") == ([order[0].upper()] if join == "any" else [{name: name.upper() for name in first}])
    assert run.state.record(run.plan.definition.index_of["e"]).ignored == 3 - n


@pytest.mark.parametrize("order", list(permutations(BRANCHES)), ids="".join)
def test_collect_lists_in_order_of_connections_and_not_of_arrival(order):
    run = Play(graph("a -> {b, c, d} -> e", joins={"e": "collect"}), hold=BRANCHES)
    settle(run, order, ("delivered",) * 3)
    assert run.payloads("e") == [["B", "C", "D"]]


def test_each_starts_at_once_and_does_not_wait_for_the_others():
    run = Play(graph("a -> {b, c} -> e", joins={"e": "each"}), hold=("b", "c"))
    run.complete("c", 3)
    assert run.payloads("e") == [3]
    run.complete("b", 2)
    assert run.payloads("e") == [3, 2]
    assert run.keys("e") == [((3,),), ((2,),)]  # by connection: a->b is 0, a->c is 1


def test_a_join_of_joins_passes_skips_on():
    text = "a -> {b, c}; b -> {d, e}; c -> {f, g}; {d, e} -> h; {f, g} -> i; {h, i} -> j"
    run = play(text, 1, handlers={"b": lambda p: NOTHING})
    assert run.statuses() == dict.fromkeys("acfgij", "completed") | dict.fromkeys("bdeh", "skipped") | {"b": "completed"}
    assert run.payloads("j") == [{"i": {"f": 1, "g": 1}}]


def test_a_cancellation_passes_through_a_long_chain_into_a_join():
    def fails(payload):
        raise ValueError("no")

    names = [f"n{i}" for i in range(50)]
    run = play(f"a -> {' -> '.join(names)} -> z; a -> b -> z", 1, handlers={"n0": fails})
    assert str(run.status("n49")) == str(run.status("z")) == "cancelled"
    assert run.times("z") == 0
    assert str(run.status("b")) == "completed"


@pytest.mark.parametrize("join", ["all", "any", "each", "collect", 2])
def test_two_connections_between_two_nodes_are_two_inputs(join):
    connect = {"a b": [{}, {"to": "again", "port": "*"}]}
    run = play("a -> b", 7, joins={"b": join}, connect=connect)
    payloads = {"all": [{"a": 7, "again": 7}], 2: [{"a": 7, "again": 7}], "any": [7], "each": [7, 7], "collect": [[7, 7]]}
    assert run.payloads("b") == payloads[join]


def test_connections_into_one_slot_are_alternatives():
    connect = {"b d": {"to": "x"}, "c d": {"to": "x"}}
    run = play("a -> {b, c}; b -> d; c -> d", 1, handlers={"c": lambda p: NOTHING}, connect=connect)
    assert run.payloads("d") == [{"x": 1}]


def test_two_deliveries_into_one_slot_fail_the_activation_and_its_successors_are_cancelled():
    connect = {"b d": {"to": "x"}, "c d": {"to": "x"}}
    run = play("a -> {b, c}; b -> d; c -> d; d -> e", 1, connect=connect)
    (failure,) = run.state.failures
    assert (failure.node, failure.type) == ("d", "actorflow.errors.SlotConflict")
    assert run.statuses()["d"] == "failed" and run.statuses()["e"] == "cancelled"


@pytest.mark.parametrize("ports", [("p", "q"), ("q", "p"), ("p", "p")])
def test_a_collect_over_equal_scopes_of_ports_settles(ports):
    from actorflow import Emit

    connect = {"a b": {"port": ports[0]}, "a c": {"port": ports[1]}}
    run = play("a -> b; a -> c; {b, c} -> d", 1, handlers={"a": lambda p: Emit(p, "p")}, joins={"d": "collect"}, connect=connect)
    assert run.payloads("d") == [[1] * ports.count("p")]


@pytest.mark.parametrize("disabled", ["b d", "c d", "a c", "a b"])
@pytest.mark.parametrize("join", ["all", "any", "collect", "each"])
def test_a_disabled_connection_is_as_if_absent(disabled, join):
    run = play("a -> {b, c} -> d", 1, joins={"d": join}, connect={disabled: {"enabled": False}})
    one = "c" if "b" in disabled else "b"
    other = "b" if one == "c" else "c"
    inputs = 1 if disabled.endswith("d") else 2  # for the payload's shape those count that are enabled
    expected_payload = {"all": {one: 1} if inputs == 2 else 1, "any": 1, "collect": [1], "each": 1}[join]
    assert run.payloads("d") == [expected_payload]
    assert str(run.status(one)) == "completed"
    assert str(run.status(other)) == ("skipped" if disabled == f"a {other}" else "completed")


def test_a_node_whose_connections_are_all_disabled_is_skipped_and_so_is_what_follows():
    run = play("a -> b -> c; a -> d", 1, connect={"a b": {"enabled": False}})
    assert run.statuses() == {"a": "completed", "b": "skipped", "c": "skipped", "d": "completed"}


def test_nodes_that_no_entry_reaches_do_not_keep_a_join_waiting():
    run = play("a -> c; b -> c", 1, entry=("a",))
    assert run.payloads("c") == [{"a": 1}]
    assert run.statuses()["b"] == "skipped"


@pytest.mark.parametrize("seed", range(20))
def test_a_lattice_settles_in_any_order(seed):
    layers = [[f"n{row}{column}" for column in range(4)] for row in range(4)]
    lines = "; ".join(f"{{{', '.join(above)}}} -> {{{', '.join(below)}}}" for above, below in pairwise(layers))
    handlers = {name: (lambda p, name=name: NOTHING if name in ("n01", "n12", "n13") else name) for layer in layers for name in layer}
    run = play(f"a -> {{{', '.join(layers[0])}}}; {lines}; {{{', '.join(layers[-1])}}} -> z", 0, handlers=handlers, seed=seed)
    assert run.over and len(run.calls) == 18
    assert run.payloads("z") == [{f"n3{column}": f"n3{column}" for column in range(4)}]
