"""Agreement beyond the signal: each statistic where its answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from chromviz.errors import ChromvizError
from chromviz.schema import Origin, build_attribution
from chromviz.validation import association as nulls
from chromviz.validation import resample, table3
from chromviz.validation.association import association
from chromviz.validation.tidy import COLUMNS, adjust, p_above, p_of_zero, tidy
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

RNG = np.random.default_rng


def explain(dataset, weight, *, method="alpha", model="m", probability=None, dims=None):
    rows = np.flatnonzero(dataset["split"].values == "test")
    on = np.ones(len(rows)) if probability is None else probability
    return build_attribution(
        weight,
        dims or ("gene", "mark", "bin"),
        dataset,
        Origin(
            method=method, parameters={}, signed=False, model=model, model_hash="x" if model else ""
        ),
        genes=rows,
        probability=on if model else None,
    )


def raw(dataset):
    signal = dataset["signal"].values[dataset["split"].values == "test"]
    return explain(dataset, signal, method="raw_signal", model="")


@pytest.fixture(scope="module")
def data():
    one = make_dataset(240, window=Window(1000, 100))
    chrom = np.array([f"chr{1 + row % 8}" for row in range(240)], dtype=object)
    return one.assign_coords(chrom=("gene", chrom))


def test_equal_values_share_their_mean_rank():
    found = resample.ranks(np.array([[0.3, 0.1, 0.3], [0.2, 0.4, 0.1]]))
    np.testing.assert_array_equal(found, [[1.5, 0, 1.5], [1, 2, 0]])


def test_correlate_is_scipys_and_undefined_where_flat():
    x, y = RNG(0).random((2, 10, 30))
    x[3] = 0.1
    found = resample.correlate(x, y)
    for row in range(10):
        if row == 3:
            assert np.isnan(found[row])
        else:
            assert found[row] == pytest.approx(stats.pearsonr(x[row], y[row]).statistic)


@given(st.integers(0, 10_000))
def test_partial_is_the_correlation_of_what_regressions_leave(seed):
    x, y, a, b = RNG(seed).random((4, 25))
    controls = np.stack([a, b], axis=1)
    left = [v - LinearRegression().fit(controls, v).predict(controls) for v in (x, y)]
    expected = stats.pearsonr(*left).statistic
    assert resample.partial(x, y, a, b)[0] == pytest.approx(expected, abs=1e-9)


def test_a_copy_of_the_signal_says_nothing_that_it_does_not():
    signal, coverage, nearness = RNG(1).random((3, 25))
    assert resample.partial(3 * signal - 1, coverage, signal, nearness)[0] == 0
    assert resample.partial(signal + nearness, coverage, signal, nearness)[0] == 0
    # A control that is flat, or is there twice, controls nothing more.
    x = RNG(2).random(25)
    twice = resample.partial(x, coverage, signal, signal, np.full(25, 0.1))
    assert twice[0] == pytest.approx(resample.partial(x, coverage, signal)[0])


def test_chromosomes_are_drawn_whole():
    chrom = np.array(["a", "b", "a", "c", "d", "e", "b", "e"], dtype=object)
    counts = resample.draw_chromosomes(chrom, np.arange(7), 50, 0)
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 1] == counts[:, 6]).all()
    assert not counts[:, 7].any(), "a gene that is not among the rows is not drawn"
    assert resample.draw_chromosomes(chrom[:4], np.arange(4), 50, 0) is None


def test_nulls_are_their_plain_loops():
    weight, coverage = RNG(0).random((2, 6, 9))

    def r(x, y):
        return stats.pearsonr(x, y).statistic

    shifted = nulls.shifted_profile(weight[0], coverage[0])
    by_hand = [r(np.roll(weight[0], move), coverage[0]) for move in range(1, 9)]
    np.testing.assert_allclose(shifted, by_hand)
    rng, again = RNG(3), RNG(3)
    drawn = again.integers(9, size=(4, 6), dtype=np.int32)
    by_hand = [
        np.mean([r(np.roll(weight[g], draw[g]), coverage[g]) for g in range(6)]) for draw in drawn
    ]
    np.testing.assert_allclose(
        nulls.shifted_genes(weight, coverage, nulls.shifts(6, 9, 4, rng)), by_hand
    )
    rng, again = RNG(4), RNG(4)
    by_hand = []
    for _ in range(4):
        order = again.permutation(6)
        by_hand.append(np.mean([r(weight[g], coverage[order[g]]) for g in range(6)]))
    orders = nulls.swaps(6, 4, rng)
    np.testing.assert_allclose(nulls.swapped_genes(weight, coverage, orders), by_hand)
    rng, again = RNG(5), RNG(5)
    order = again.permutation(6)
    moves = again.integers(6, size=(4, 9))
    by_hand = []
    for move in moves:
        other = np.stack([np.roll(weight[order, b], move[b]) for b in range(9)], axis=1)
        by_hand.append(nulls.within_bins(other, coverage[order]))
    np.testing.assert_allclose(nulls.permuted_within_bins(weight, coverage, 4, rng), by_hand)


def test_within_bins_is_r_of_what_bin_means_leave():
    weight, coverage = RNG(0).random((2, 30, 9))
    left = [(v - v.mean(axis=0)).ravel() for v in (weight, coverage)]
    assert nulls.within_bins(weight, coverage) == pytest.approx(stats.pearsonr(*left).statistic)
    assert np.isnan(nulls.within_bins(np.ones((5, 3)), coverage[:5, :3]))


def p_values(null, n=300):
    """p of explanations that know nothing, against a null."""
    found = []
    for seed in range(n):
        rng = RNG([seed, 7])
        weight, coverage = rng.random((30, 24)), rng.random((30, 24))
        coverage[:, 10:14] += 1  # the average gene has a peak
        if null == "shifted_profile":
            mine, theirs = weight.mean(axis=0), coverage.mean(axis=0)
            observed = resample.correlate(mine[None], theirs[None])[0]
            found.append(p_above(observed, nulls.shifted_profile(mine, theirs)))
            continue
        observed = (
            nulls.within_bins(weight, coverage)
            if null == "permuted_within_bins"
            else resample.correlate(weight, coverage).mean()
        )
        how = {
            "swapped_genes": lambda rng: (nulls.swaps(30, 199, rng),),
            "shifted_genes": lambda rng: (nulls.shifts(30, 24, 199, rng),),
        }.get(null, lambda rng: (199, rng))(rng)
        draws = getattr(nulls, null)(weight, coverage, *how)
        found.append(p_above(observed, draws))
    return np.array(found)


@pytest.mark.parametrize(
    "null", ["shifted_profile", "shifted_genes", "swapped_genes", "permuted_within_bins"]
)
def test_p_of_a_null_explanation_is_uniform(null):
    p = p_values(null)
    # Spread what is discrete evenly below itself, as a randomised test would.
    step = 1 / 24 if null == "shifted_profile" else 1 / 200
    spread = p - step * RNG(0).random(len(p))
    assert stats.kstest(spread, "uniform").pvalue > 0.001
    assert (p > 0).all()


def test_the_interval_of_a_null_explanation_holds_zero_nineteen_times_in_twenty():
    held = {"pearson": 0, "mean_pearson": 0}
    n = 200
    base = make_dataset(120, window=Window(1000, 100))
    test = int((base["split"] == "test").sum())
    for seed in range(n):
        rng = RNG([seed, 11])
        weight = rng.random((test, 5, 20))
        found = (
            association(
                [explain(base, weight)],
                base,
                marks=["H3K4me3"],
                n_bootstrap=199,
                n_null=9,
                seed=seed,
            )
            .drop_duplicates("statistic")
            .set_index("statistic")
        )
        for name in held:
            row = found.loc[name]
            held[name] += row["ci_low"] <= 0 <= row["ci_high"]
    # 95 % of 200 is 190; four standard deviations of a binomial are 12.
    for name, number in held.items():
        assert 178 <= number <= 200, name


def test_rows_estimates_and_table_3(data):
    rng = RNG(0)
    n = int((data["split"] == "test").sum())
    weight = rng.random((n, 5, 20))
    weight[:, 3, 9:11] += 2
    found = association(
        [explain(data, weight), raw(data)], data, n_bootstrap=200, n_null=200, seed=1
    )
    assert tuple(found.columns) == COLUMNS
    assert set(found["mark"]) == set(data["mark"].values)
    ours = found[(found["mark"] == "H3K4me3") & (found["statistic"] == "pearson")]
    theirs = table3([explain(data, weight), raw(data)], data, n_bootstrap=0)
    np.testing.assert_allclose(ours["estimate"], theirs["estimate"])
    assert (ours["ci_low"] < ours["estimate"]).all()
    assert ours["chrom_low"].notna().all()
    own = found[found["method"] == "raw_signal"]
    gain = own[(own["statistic"] == "gain")]
    np.testing.assert_allclose(gain["estimate"], 0, atol=1e-12)
    np.testing.assert_allclose(gain["ci_high"], 0, atol=1e-6)
    assert (gain["p"] == 1).all(), "the raw signal does not beat itself"
    assert (own.loc[own["statistic"] == "partial", "estimate"] == 0).all()
    assert (own.loc[own["statistic"] == "mean_partial", "estimate"].abs() < 1e-9).all()


def test_what_knows_more_than_the_signal_gains_and_its_copy_does_not(data):
    """Coverage itself as an explanation, and the signal under another name."""
    test = data["split"].values == "test"
    coverage = np.nan_to_num(data["coverage"].values[0][test])
    knows = np.broadcast_to(coverage[:, None], (test.sum(), 5, 20))
    label = data["label"].values[test]
    copy = explain(data, data["signal"].values[test], method="copy", probability=label * 1.0)
    found = (
        association(
            [explain(data, knows, probability=label * 1.0), copy], data, marks=["H3K9me3"], seed=0
        )
        .drop_duplicates(["method", "statistic"])
        .set_index(["method", "statistic"])
    )
    assert found.loc[("alpha", "mean_gain"), "ci_low"] > 0
    assert found.loc[("alpha", "mean_gain"), "p"] < 0.01
    assert found.loc[("alpha", "mean_pearson"), "p"] < 0.01
    assert found.loc[("alpha", "within_bins"), "estimate"] > 0.9
    assert found.loc[("alpha", "partial"), "estimate"] > 0.5
    for statistic in ("gain", "mean_gain", "partial"):
        assert found.loc[("copy", statistic), "estimate"] == pytest.approx(0, abs=1e-9)


def test_order_of_genes_and_methods_does_not_matter(data):
    rng = RNG(0)
    rows = np.flatnonzero(data["split"].values == "test")
    weight = rng.random((len(rows), 5, 20))
    order = rng.permutation(len(rows))
    one = explain(data, weight)
    turned = one.isel(gene=order)
    options = {"marks": ["H3K4me3"], "n_bootstrap": 100, "n_null": 50}
    first = association([one], data, **options)
    second = association([raw(data), turned], data, **options)
    second = second[second["method"] == "alpha"].reset_index(drop=True)
    for column in ("estimate", "n", "ci_low", "ci_high"):
        mine, theirs = (table[column].astype(float) for table in (first, second))
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_weights_of_a_class_and_of_all_marks_together(data):
    n = int((data["split"] == "test").sum())
    together = explain(data, RNG(0).random((n, 20)), dims=("gene", "bin"))
    by_class = build_attribution(
        RNG(0).random((5, 20)),
        ("mark", "bin"),
        data,
        Origin(method="class_optimization", parameters={}, signed=False, model="m", model_hash="x"),
    )
    found = association([together, by_class], data, n_bootstrap=50, n_null=20)
    assert set(found.loc[found["method"] == "class_optimization", "test"]) == {"profile"}
    by_mark = found[(found["method"] == "alpha") & (found["statistic"] == "pearson")]
    assert by_mark["estimate"].nunique() == 1, "the same weights for each mark"
    gain = found[(found["method"] == "alpha") & (found["statistic"] == "gain")]
    assert gain["estimate"].nunique() == 5, "each against its own mark's signal"


def test_what_is_undefined_is_said(data):
    n = int((data["split"] == "test").sum())
    few = np.zeros(n)
    few[:10] = 1
    flat = np.full((n, 5, 20), 0.1)
    found = association(
        [explain(data, flat), explain(data, RNG(0).random((n, 5, 20)), probability=few)],
        data,
        marks=["H3K4me3"],
        n_bootstrap=20,
        n_null=20,
    )
    assert found["estimate"].isna().all()
    notes = set(found["note"])
    assert "r undefined: the weights are the same in every bin" in notes
    assert "only 10 genes are predicted ON; a mean needs at least 20" in notes
    assert (found["note"] != "").all()


def test_what_does_not_belong_is_refused(data):
    other = make_dataset(240, seed=5, window=Window(1000, 100))
    n = int((data["split"] == "test").sum())
    weight = RNG(0).random((n, 5, 20))
    with pytest.raises(ChromvizError, match="was made from another dataset"):
        association([explain(data, weight)], other)
    with pytest.raises(ChromvizError, match="has no mark H3K79me2; it has H3K27me3"):
        association([explain(data, weight)], data, marks=["H3K79me2"])
    with pytest.raises(ChromvizError, match="no coverage of H2AZ"):
        association([explain(data, weight)], data, track="H2AZ")
    bare = data.assign(coverage=data["coverage"] * np.nan)
    with pytest.raises(ChromvizError, match="no ON gene of E123 has coverage"):
        association([explain(bare, weight)], bare)


def test_q_is_over_marks_methods_and_cells_of_one_question():
    rows = [
        {"test": "profile", "statistic": "gain", "method": str(i), "p": p}
        for i, p in enumerate((0.01, 0.02, 0.03, np.nan))
    ]
    rows.append({"test": "gene", "statistic": "mean_gain", "method": "x", "p": 0.04})
    found = adjust(tidy(rows, cell="E003"))
    np.testing.assert_allclose(found["q"][:3], 0.03)
    assert np.isnan(found["q"][3])
    assert found["q"][4] == 0.04


def test_p_counts_what_was_observed():
    assert p_above(1.0, np.zeros(99)) == 0.01
    assert p_above(0.0, np.zeros(99)) == 1
    assert np.isnan(p_above(np.nan, np.zeros(9)))
    assert p_of_zero(np.ones(199)) == pytest.approx(2 / 200)
    assert p_of_zero(np.zeros(199)) == 1


def test_an_unknown_column_is_no_row():
    with pytest.raises(KeyError, match="estimat"):
        tidy([{"estimat": 1}])


@pytest.mark.parametrize("n", [1, 256, 1000])
def test_sums_over_draws_are_the_same_bits_in_any_number_of_threads(n):
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (n, 791)).astype(np.float32)
    values = rng.random((791, 203), dtype=np.float32)
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads, user_api="blas"):
            found.append(resample.sums(counts, values))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_allclose(found[0], counts.astype(float) @ values, rtol=1e-5)
