import numpy as np
import pandas as pd
import pytest
from scipy import stats

from chromviz.errors import ChromvizError
from chromviz.schema import Origin, build_attribution
from chromviz.validation import coverage_profile, table3, weight_profiles
from chromviz.validation.resample import correlate
from tests.conftest import make_dataset


def attribution(dataset, weight, *, probability=None, model="m", method="alpha", rows=None):
    rows = np.flatnonzero(dataset["split"].values == "test") if rows is None else rows
    return build_attribution(
        weight,
        ("gene", "mark", "bin"),
        dataset,
        Origin(
            method=method, parameters={}, signed=False, model=model, model_hash="x" if model else ""
        ),
        genes=rows,
        probability=probability,
    )


def test_a_case_worked_by_hand():
    """Three test genes, of which two are predicted ON; the profiles are small whole numbers."""
    dataset = make_dataset(12).copy(deep=True)
    dataset["coverage"][:] = np.nan
    on = np.flatnonzero(dataset["label"].values == 1)[:2]
    bins = np.arange(10, dtype=np.float32)
    dataset["coverage"][0, on[0]] = bins  # mean with the next: bins² / 2 + bins / 2
    dataset["coverage"][0, on[1]] = bins**2
    off = np.flatnonzero(dataset["label"].values == 0)[0]
    dataset["coverage"][0, off] = 1000 - bins  # an OFF gene's coverage does not count
    test = np.flatnonzero(dataset["split"].values == "test")
    assert len(test) == 3
    weight = np.zeros((3, 5, 10))
    weight[0, 3], weight[1, 3], weight[2, 3] = bins, 3 * bins, -100 * bins
    found = table3(
        [attribution(dataset, weight, probability=np.array([0.9, 0.6, 0.5]))], dataset
    ).iloc[0]
    # mean weights 2·bins, mean coverage (bins² + bins) / 2: r of bins with bins² + bins
    x, y = bins - 4.5, bins**2 + bins - (28.5 + 4.5)
    by_hand = (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())
    assert found["estimate"] == pytest.approx(by_hand, abs=1e-7)
    assert (found["n_genes"], found["n_reference_genes"]) == (2, 2)
    assert found["gene_set"] == "predicted ON"
    assert found["mark"] == "H3K4me3"


def test_one_attribution_will_do_and_an_untrained_model_has_no_value_of_the_papers(dataset):
    n = (dataset["split"].values == "test").sum()
    weight = np.random.default_rng(0).random((n, 5, 10))
    trained = attribution(dataset, weight, probability=np.ones(n), model="lstm-alpha")
    other = trained.assign_attrs(variant="untrained")
    both = table3([trained, other], dataset, n_bootstrap=0)
    assert np.isfinite(both["paper"][0])
    assert np.isnan(both["paper"][1])
    assert both["note"].tolist() == ["", "model: untrained"]
    pd.testing.assert_frame_equal(table3(trained, dataset, n_bootstrap=0), both[:1])


def test_columns_and_the_papers_value(dataset):
    n = (dataset["split"].values == "test").sum()
    weight = np.random.default_rng(0).random((n, 5, 10))
    on = np.ones(n)
    found = table3(
        [
            attribution(dataset, weight, probability=on, model="lstm-alpha"),
            attribution(dataset, weight, model="", method="raw_signal"),
        ],
        dataset,
        n_bootstrap=50,
    )
    assert list(found.columns[:12]) == [
        *("cell", "model", "method", "mark", "track", "estimate", "ci_low", "ci_high", "n_genes"),
        *("n_reference_genes", "paper", "simulated"),
    ]
    assert found["paper"].iloc[0] == 0.9147
    assert np.isnan(found["paper"].iloc[1])
    assert found["gene_set"].tolist() == ["predicted ON", "labelled ON"]
    label = dataset["label"].values[dataset["split"].values == "test"]
    assert found["n_genes"].iloc[1] == (label == 1).sum()


def test_the_papers_value_stands_beside_its_own_mark_alone(dataset):
    n = (dataset["split"].values == "test").sum()
    weight = np.random.default_rng(0).random((n, 5, 10))
    item = attribution(dataset, weight, probability=np.ones(n), model="lstm-alpha")
    found = table3([item], dataset, mark="H3K9me3", n_bootstrap=0)
    assert np.isnan(found["paper"].iloc[0])


def test_pearson_is_scipys():
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.random(100), rng.random(100)
        assert correlate(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert correlate(x, 3 * x - 1) == pytest.approx(1)
    assert np.isnan(correlate(x, np.full(100, 0.1)))


def test_order_of_genes_does_not_matter(dataset):
    rows = np.flatnonzero(dataset["split"].values == "test")
    rng = np.random.default_rng(0)
    weight, p = rng.random((len(rows), 5, 10)), rng.random(len(rows))
    order = rng.permutation(len(rows))
    one = attribution(dataset, weight, probability=p)
    other = attribution(dataset, weight[order], probability=p[order], rows=rows[order])
    tables = [table3([item], dataset, n_bootstrap=200) for item in (one, other)]
    for column in ("estimate", "ci_low", "ci_high"):
        assert tables[0][column].iloc[0] == pytest.approx(tables[1][column].iloc[0], abs=1e-6)


def test_the_interval_follows_the_seed_and_holds_the_estimate(dataset):
    raw = attribution(
        dataset,
        dataset["signal"].values[dataset["split"].values == "test"],
        model="",
        method="raw_signal",
    )
    first, again = (table3([raw], dataset, seed=1).iloc[0] for _ in range(2))
    other = table3([raw], dataset, seed=2).iloc[0]
    assert (first["ci_low"], first["ci_high"]) == (again["ci_low"], again["ci_high"])
    assert first["ci_low"] != other["ci_low"]
    assert first["ci_low"] < first["estimate"] <= first["ci_high"] <= 1
    assert first["ci_low"] == pytest.approx(other["ci_low"], abs=0.05)


def test_the_interval_is_that_of_an_independent_bootstrap(dataset):
    """The same percentile bootstrap, written plainly: genes drawn one by one."""
    test = np.flatnonzero(dataset["split"].values == "test")
    raw = attribution(dataset, dataset["signal"].values[test], model="", method="raw_signal")
    found = table3([raw], dataset, n_bootstrap=4000).iloc[0]
    label, cover = dataset["label"].values, dataset["coverage"].values[0]
    ours = set(test[label[test] == 1])
    theirs = set(np.flatnonzero((label == 1) & np.isfinite(cover).all(1)))
    genes, rng, draws = sorted(ours | theirs), np.random.default_rng(99), []
    for _ in range(1500):
        drawn = rng.choice(genes, len(genes))
        x = dataset["signal"].values[[g for g in drawn if g in ours], 3].mean(0)
        y = cover[[g for g in drawn if g in theirs]].mean(0)
        draws.append(np.corrcoef(x, y)[0, 1])
    low, high = np.percentile(draws, [2.5, 97.5])
    assert found["ci_low"] == pytest.approx(low, abs=0.02)
    assert found["ci_high"] == pytest.approx(high, abs=0.02)


def test_a_random_explanation_correlates_with_nothing(dataset):
    """Over many draws r averages 0 and is large no more often than chance says."""
    rng = np.random.default_rng(0)
    test = np.flatnonzero(dataset["split"].values == "test")
    found = [
        table3(
            [attribution(dataset, rng.random((len(test), 5, 10)), model="")],
            dataset,
            n_bootstrap=0,
        )["estimate"].iloc[0]
        for _ in range(300)
    ]
    critical = 0.632  # two-sided 5 % point of r for 10 bins
    assert abs(np.mean(found)) < 0.06
    assert 0.02 < np.mean(np.abs(found) > critical) < 0.09


def test_a_constant_weight_is_undefined_and_said(dataset):
    n = (dataset["split"].values == "test").sum()
    flat = attribution(dataset, np.full((n, 5, 10), 0.1), model="", method="uniform")
    found = table3([flat], dataset, n_bootstrap=20).iloc[0]
    assert np.isnan(found["estimate"])
    assert np.isnan(found["ci_low"])
    assert found["note"] == "r undefined: the weights are the same in every bin"


def test_no_gene_predicted_on_is_said(dataset):
    n = (dataset["split"].values == "test").sum()
    weight = np.random.default_rng(0).random((n, 5, 10))
    found = table3([attribution(dataset, weight, probability=np.zeros(n))], dataset).iloc[0]
    assert np.isnan(found["estimate"])
    assert found["n_genes"] == 0
    assert "no test gene is predicted ON" in found["note"]


def test_a_class_has_no_genes(dataset):
    weight = np.random.default_rng(0).random((5, 10))
    by_class = build_attribution(
        weight,
        ("mark", "bin"),
        dataset,
        Origin(method="class_optimization", parameters={}, signed=False, model="deepchrome"),
    )
    found = table3([by_class], dataset, n_bootstrap=100).iloc[0]
    cover = dataset["coverage"].values[0]
    rows = (dataset["label"].values == 1) & np.isfinite(cover).all(1)
    expected = np.corrcoef(weight[3], cover[rows].mean(0))[0, 1]
    assert found["estimate"] == pytest.approx(expected, abs=1e-6)
    assert pd.isna(found["n_genes"])
    assert found["ci_low"] < found["ci_high"]


def test_genes_without_coverage_do_not_count_as_zero(dataset):
    profile = coverage_profile(dataset)
    cover = dataset["coverage"].values[0]
    rows = (dataset["label"].values == 1) & np.isfinite(cover).all(1)
    assert not rows[7]
    assert profile["n_genes"].iloc[0] == rows.sum()
    np.testing.assert_allclose(profile["mean"], cover[rows].mean(0), rtol=1e-5)


@pytest.mark.parametrize("case", ["track", "no coverage", "dataset", "mark", "flat"])
def test_what_cannot_be_compared_is_refused(dataset, case):
    n = (dataset["split"].values == "test").sum()
    weight = np.random.default_rng(0).random((n, 5, 10))
    item = attribution(dataset, weight, model="", method="random")
    other = dataset.copy(deep=True)
    arguments = {}
    if case == "track":
        arguments, match = {"track": "H3K9ac"}, "no coverage of H3K9ac .it has: H3K27ac"
    elif case == "no coverage":
        other["coverage"][:] = np.nan
        match = "no ON gene of E123 has coverage of H3K27ac"
    elif case == "dataset":
        other["signal"][0, 0, 0] += 1
        match = "made from another dataset"
    elif case == "mark":
        arguments, match = {"mark": "H2A"}, "E123 has no mark H2A; it has H3K27me3"
    else:
        other["coverage"][:] = 2.0
        match = "the same in every bin"
    with pytest.raises(ChromvizError, match=match):
        table3([item], other, **arguments)


def test_profiles_by_state(dataset):
    rng = np.random.default_rng(0)
    n = (dataset["split"].values == "test").sum()
    weight, p = rng.random((n, 5, 10)), np.linspace(0, 1, n)
    table = weight_profiles(attribution(dataset, weight, probability=p))
    on = table[(table["state"] == "ON") & (table["mark"] == "H3K4me1")]
    np.testing.assert_allclose(on["mean"], weight[p > 0.5, 2].mean(0), rtol=1e-5)
    assert on["n_genes"].unique().tolist() == [(p > 0.5).sum()]
    interval = stats.ttest_1samp(weight[p > 0.5, 2, 4], 0).confidence_interval()
    assert on["ci_low"].iloc[4] == pytest.approx(interval.low, abs=1e-6)
    assert on["ci_high"].iloc[4] == pytest.approx(interval.high, abs=1e-6)
    only_off = weight_profiles(attribution(dataset, weight, probability=np.zeros(n)))
    assert set(only_off["state"]) == {"OFF"}
