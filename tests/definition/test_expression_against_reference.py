"""Generated conditions on generated payloads: actorflow and the naive evaluator give the same answer or both none.
ACTORFLOW_LONG=1 runs a hundred times as many."""

import os
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, assume, example, given, settings, strategies as st

from actorflow.definition.expression import ConditionFault, parse
from tests.definition import naive_evaluator as naive

SCALE = 100 if os.environ.get("ACTORFLOW_LONG") == "1" else 1
pytestmark = pytest.mark.timeout(60 * SCALE)
often = settings(
    max_examples=1000 * SCALE, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], database=None
)

NAMES = ("a", "b", "in", "true", "first-name", "ß", "", "_x", "A")
WORDS = ("", "a", "A", "done", "Done", "5", "5.0", "-1", "+.5", "1e3", "0.1", "٣", "true", "FALSE", "straße", "STRASSE", "ſ", "a'\"\\\n")
texts = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
small_numbers = st.sampled_from([0, 1, 2, 5, -1, 0.1, 0.5, 5.0, -0.0, 2**63 - 1, -(2**63), 1e308, 5e-324])
constants = st.none() | st.booleans() | texts | small_numbers | st.floats(allow_nan=False, allow_infinity=False)
scalars = constants | st.sampled_from([10**30, -(10**30), 2**63, float("inf"), float("nan")]) | st.integers()
payloads = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | texts, inner, max_size=4), max_leaves=10
)
mappings = st.dictionaries(st.sampled_from(NAMES), payloads, max_size=5)

steps = st.lists(st.sampled_from(NAMES) | st.integers(-3, 3), max_size=3).map(tuple)
paths = st.tuples(st.just("path"), st.sampled_from(["output", "output", "input", "variables", "error", "key"]), steps)
leaves = st.tuples(st.just("constant"), constants) | paths | paths


def grown(inner):
    binary = st.sampled_from([*naive.COMPARISONS, *naive.COMPARISONS, *naive.ARITHMETIC, "and", "or", "&&", "||"])
    return st.one_of(
        st.tuples(binary, inner, inner),
        st.tuples(binary, inner, inner),
        st.tuples(st.just("not"), st.sampled_from(["not", "!"]), inner),
        st.tuples(st.just("minus"), inner),
        st.tuples(st.just("call"), st.just("exists"), st.tuples(paths)),
        st.tuples(st.just("call"), st.sampled_from(["len", "lower", "upper"]), st.tuples(inner)),
        st.tuples(st.just("call"), st.sampled_from(["starts_with", "ends_with"]), st.tuples(inner, inner)),
    )


trees = st.recursive(leaves, grown, max_leaves=12)
comparisons = st.tuples(st.sampled_from(naive.COMPARISONS), leaves, leaves)


def expected(tree, roots):
    """What test and value have to give; "fault" where there is no answer."""
    try:
        value = naive.evaluate(tree, roots)
    except naive.Fault:
        return "fault", "fault"
    return naive.truth(value), "fault" if value is naive.ABSENT else value


def answer(question, output, facts):
    try:
        return question(output, facts)
    except ConditionFault as fault:
        assert 0 < len(str(fault)) <= 200
        return "fault"


def check(tree, output, others, all_brackets, quote):
    text = naive.render(tree, all_brackets=all_brackets, quote=quote)
    assume(len(text.encode()) <= 4096)
    facts = SimpleNamespace(input=others.get("a"), variables=others, error=None, run={}, key=[0, 3])
    roots = {"output": output, **vars(facts)}
    condition = parse(text)
    truth, value = expected(tree, roots)
    assert repr(answer(condition.test, output, facts)) == repr(truth), text
    assert repr(answer(condition.value, output, facts)) == repr(value), text


@often
@given(trees, mappings, mappings, st.booleans(), st.sampled_from("'\""))
@example(("!=", ("path", "output", ("a",)), ("constant", None)), {}, {}, False, "'")
@example(("not", "!", ("==", ("path", "output", ("a",)), ("constant", True))), {"a": "TRUE"}, {}, False, "'")
def test_any_condition_means_what_the_reference_says(tree, output, others, all_brackets, quote):
    check(tree, output, others, all_brackets, quote)


@often
@given(comparisons, payloads, mappings, st.sampled_from("'\""))
def test_a_comparison_on_any_payload_means_what_the_reference_says(tree, output, others, quote):
    check(tree, output, others, False, quote)


@often
@given(st.sampled_from(naive.COMPARISONS), scalars, constants)
def test_the_fast_way_for_a_path_and_a_constant_means_what_the_reference_says(sign, held, constant):
    check((sign, ("path", "output", ()), ("constant", constant)), held, {}, False, "'")
    check((sign, ("path", "output", ("a",)), ("constant", constant)), {"a": held}, {}, False, "'")
    check((sign, ("path", "output", ("a", "b")), ("constant", constant)), {"a": {"b": held}}, {}, False, "'")
    check((sign, ("path", "output", ("a", "b")), ("constant", constant)), {"a": held}, {}, False, "'")


@often
@given(st.sampled_from(naive.COMPARISONS), payloads, payloads)
def test_two_payloads_compare_as_the_reference_says(sign, left, right):
    check((sign, ("path", "output", ("a",)), ("path", "output", ("b",))), {"a": left, "b": right}, {}, False, "'")
