from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromviz.data.labels import LabelRule
from chromviz.errors import ChromvizError

NAN = float("nan")
LEVELS = st.lists(st.one_of(st.integers(0, 20), st.none()), min_size=1, max_size=40).filter(
    lambda levels: any(level is not None for level in levels)
)
HUNDREDTHS = st.integers(1, 99)


def labels(rule, level, every=None):
    level = np.array(level, dtype=np.float64)
    found = LabelRule(rule).label(level, level if every is None else np.array(every, float))
    assert found.dtype == np.int8
    return found.tolist()


def test_median_as_the_paper():
    """The median of 5 1 5 2 2 2 9 1 is 2: a gene at it is OFF."""
    assert labels("median", [5, 1, 5, 2, 2, 2, 9, 1]) == [1, 0, 1, 0, 0, 0, 1, 0]
    assert LabelRule().levels(np.array([5.0, 1, 5, 2, 2, 2, 9, 1])) == (2.0, 2.0)
    assert LabelRule().levels(np.array([1.0, 2, 4, 10])) == (3.0, 3.0)
    # More than half of the genes silent: the median is zero, and what is heard at all is ON.
    assert labels("median", [0, 0, 0, 0.1, 7]) == [0, 0, 0, 1, 1]


def test_levels_come_from_the_table_not_from_the_genes():
    assert labels("median", [3, 4], [1, 2, 3, 100, 200]) == [0, 1]
    assert labels("quantile:0.25", [3, 1], [1, 1, 1, 1, 3]) == [1, 0]


def test_one_quantile():
    assert labels("quantile:0.75", range(9)) == [0] * 7 + [1, 1]
    assert LabelRule(" quantile:0.5 ").levels(np.arange(4.0)) == (1.5, 1.5)


def test_between_two_quantiles_is_no_label():
    assert labels("quantile:0.25,0.75", range(9)) == [0] * 3 + [-1] * 4 + [1] * 2
    assert LabelRule("quantile:0.25,0.75").levels(np.arange(9.0)) == (2.0, 6.0)


def test_an_absolute_level():
    assert labels("above:1", [0, 1, 1.0001, 9]) == [0, 0, 1, 1]
    assert labels("above:-2.5", [-3, -2.5, 0]) == [0, 0, 1]
    # It needs no table.
    assert LabelRule("above:1").levels(np.array([])) == (1.0, 1.0)


@pytest.mark.parametrize("rule", ["median", "quantile:0.9", "quantile:0.2,0.8", "above:2"])
def test_unknown_expression_is_an_unknown_label(rule):
    found = labels(rule, [NAN, 0, NAN, 100, 1, 2, 3])
    assert [found[0], found[2]] == [-1, -1]
    # Nor does it count towards the levels.
    assert found[1:2] + found[3:] == labels(rule, [0, 100, 1, 2, 3])
    assert found[1] == 0
    assert found[3] == 1


def test_a_quantile_that_is_a_gene_is_that_gene():
    """The 0.57-quantile of 101 values is the 58th; 0.57 * 100 is 56.99999999999999."""
    for base in (0, 1000):
        assert labels("quantile:0.57", base + np.arange(101.0)) == [0] * 58 + [1] * 43


@settings(max_examples=60)
@given(LEVELS, HUNDREDTHS, HUNDREDTHS)
def test_parity_with_exact_arithmetic(levels, one, two):
    low, high = sorted([one, two])
    known = sorted(level for level in levels if level is not None)

    def quantile(hundredths):
        place = Fraction(hundredths, 100) * (len(known) - 1)
        below = known[int(place)]
        return below + (known[min(int(place) + 1, len(known) - 1)] - below) * (place - int(place))

    def expected(level):
        if level is None:
            return -1
        return 1 if level > quantile(high) else 0 if level <= quantile(low) else -1

    given_levels = [NAN if level is None else level for level in levels]
    rule = f"quantile:{low / 100},{high / 100}"
    assert labels(rule, given_levels) == [expected(level) for level in levels]
    if low == high:
        assert labels(f"quantile:{low / 100}", given_levels) == labels(rule, given_levels)


@settings(max_examples=60)
@given(
    LEVELS,
    st.lists(st.floats(1e-3, 1e3), min_size=21, max_size=21),
    st.one_of(
        st.just("median"),
        HUNDREDTHS.map(lambda q: f"quantile:{q / 100}"),
        st.tuples(HUNDREDTHS, HUNDREDTHS).map(
            lambda pair: f"quantile:{min(pair) / 100},{max(pair) / 100}"
        ),
    ),
)
def test_ranks_decide(levels, gaps, rule):
    """No rule of ranks changes with the unit, or with any other rising function of expression."""
    rising = np.cumsum(gaps)
    before = [NAN if level is None else level for level in levels]
    after = [NAN if level is None else rising[level] for level in levels]
    assert labels(rule, before) == labels(rule, after)


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "Median",
        "mean",
        "median:1",
        "quantile",
        "quantile:",
        "quantile:x",
        "quantile:0",
        "quantile:1",
        "quantile:-0.5",
        "quantile:75",
        "quantile:nan",
        "quantile:0.8,0.2",
        "quantile:0.1,0.2,0.3",
        "quantile:0.1,",
        "above",
        "above:",
        "above:high",
        "above:nan",
        "above:inf",
        "above:1,2",
        "above:1:2",
    ],
)
def test_wrong_rules(rule):
    with pytest.raises(ChromvizError) as caught:
        LabelRule(rule)
    message = str(caught.value)
    assert repr(rule) in message
    assert "give median, quantile:Q, quantile:LOW,HIGH or above:LEVEL" in message


def attempt(call, *args):
    """What it gives, or the line that it refuses with."""
    try:
        return call(*args)
    except ChromvizError as error:
        return str(error)


@given(st.one_of(st.text(), st.text("quantileabovemedian:,.0123456789-e ")))
def test_any_text_is_a_rule_or_one_line(text):
    rule = attempt(LabelRule, text)
    if isinstance(rule, str):
        assert len(rule.splitlines()) == 1
        return
    low, high = rule.levels(np.arange(5.0))
    assert low <= high
    assert rule.describe()


def test_nothing_known():
    with pytest.raises(ChromvizError, match="no expression value is known"):
        LabelRule("median").levels(np.array([NAN, NAN]))


def test_in_words():
    told = {rule: LabelRule(rule).describe() for rule in ("median", "quantile:0.75", "above:1.5")}
    assert told == {
        "median": "expression > median of the cell",
        "quantile:0.75": "expression > quantile 0.75 of the cell",
        "above:1.5": "expression > 1.5",
    }
    between = LabelRule("quantile:0.25,0.75").describe()
    assert "ON: expression > quantile 0.75" in between
    assert "OFF: not above quantile 0.25" in between
    assert "genes between have no label" in between
