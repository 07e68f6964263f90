import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from chromviz.validation.paper_values import TABLE_2, deepchrome_auc
from chromviz.validation.performance import (
    over_cells,
    paired_auc,
    reliability,
    scores,
    weighted_auc,
)


def test_scores_by_hand():
    label = np.array([1, 1, 0, 0])
    found = scores(label, np.array([0.9, 0.4, 0.6, 0.1]))
    assert found["auc"] == 0.75  # of the four pairs, (0.4, 0.6) is the wrong way round
    assert found["auprc"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found["f1"] == pytest.approx(0.5)  # one hit, one false alarm, one miss
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)
    assert found["ece"] == pytest.approx((0.1 + 0.6 + 0.6 + 0.1) / 4)
    assert (found["prevalence"], found["note"]) == (0.5, "")


def test_calibrated_probabilities_are_found_calibrated():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, 40_000)
    label = (rng.random(len(p)) < p).astype(int)
    found = scores(label, p)
    assert found["slope"] == pytest.approx(1, abs=0.03)
    assert found["intercept"] == pytest.approx(0, abs=0.03)
    assert found["ece"] < 0.01
    logit = np.log(p / (1 - p))
    sure = scores(label, 1 / (1 + np.exp(-2 * logit)))  # twice as sure as it should be
    assert sure["slope"] == pytest.approx(0.5, abs=0.03)
    assert sure["ece"] > 0.05
    bins = reliability(label, p)
    assert bins["n"].sum() == len(p)
    assert ((bins["ci_low"] <= bins["share_on"]) & (bins["share_on"] <= bins["ci_high"])).all()


def test_what_is_undefined_is_said():
    on = scores(np.ones(5), np.linspace(0.1, 0.9, 5))
    assert np.isnan(on["auc"])
    assert "all test genes are ON" in on["note"]
    none = scores(np.zeros(5), np.full(5, 0.2))
    assert np.isnan(none["f1"])
    assert "F1 undefined" in none["note"]
    flat = scores(np.array([0, 1]), np.array([0.3, 0.3]))
    assert flat["auc"] == 0.5
    assert "all probabilities are the same" in flat["note"]
    assert scores(np.array([]), np.array([]))["note"] == "no test gene"


def test_weighted_auc_is_scikit_learns():
    rng = np.random.default_rng(1)
    label = (rng.random(60) < 0.4).astype(int)
    values = rng.integers(0, 8, 60) / 8  # many ties
    counts = rng.multinomial(60, np.full(60, 1 / 60), size=20)
    expected = [roc_auc_score(np.repeat(label, c), np.repeat(values, c)) for c in counts]
    np.testing.assert_allclose(weighted_auc(label, values, counts), expected, atol=1e-12)
    assert np.isnan(weighted_auc(np.ones(60), values, counts)).all()


def test_paired_bootstrap_is_a_plain_loops():
    rng = np.random.default_rng(2)
    label = (rng.random(80) < 0.5).astype(int)
    p = {"a": rng.random(80), "b": np.clip(label * 0.3 + rng.random(80), 0, 1)}
    found = paired_auc(label, p, "a", n_bootstrap=300, seed=7).iloc[0]
    draws = np.random.default_rng(7)
    counts = np.concatenate(
        [draws.multinomial(80, np.full(80, 1 / 80), size=size) for size in (250, 50)]
    )
    loop = [
        roc_auc_score(np.repeat(label, c), np.repeat(p["b"], c))
        - roc_auc_score(np.repeat(label, c), np.repeat(p["a"], c))
        for c in counts
    ]
    assert found["difference"] == pytest.approx(
        roc_auc_score(label, p["b"]) - roc_auc_score(label, p["a"])
    )
    assert [found["ci_low"], found["ci_high"]] == pytest.approx(np.percentile(loop, (2.5, 97.5)))


def test_an_interval_of_two_equal_models_covers_zero_nineteen_times_in_twenty():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        label = (rng.random(200) < 0.5).astype(int)
        p = {name: label + rng.normal(0, 1.5, 200) for name in "ab"}  # equally good
        one = paired_auc(label, p, "a", n_bootstrap=200, seed=4).iloc[0]
        covered += one["ci_low"] <= 0 <= one["ci_high"]
    assert 180 <= covered <= 199  # 190 expected, 3 standard errors of 3.1 below


def test_over_cells_is_students_interval():
    found = over_cells(np.array([0.1, 0.2, 0.3, np.nan]))
    assert (found["n"], found["difference"]) == (3, pytest.approx(0.2))
    half = 4.302653 * 0.1 / np.sqrt(3)  # t of 2 degrees of freedom
    assert [found["ci_low"], found["ci_high"]] == pytest.approx([0.2 - half, 0.2 + half])
    few = over_cells(np.array([0.1, 0.2]))
    assert np.isnan(few["ci_low"])
    assert "there are 2, and 3 are needed" in few["note"]


def test_published_numbers_agree_with_each_other():
    by_cell = deepchrome_auc()
    assert len(by_cell) == 56
    values = np.array(list(by_cell.values()))
    # Table 2 has four decimals, the tabulation by cell type two.
    assert values.mean() == pytest.approx(TABLE_2["deepchrome"]["mean"], abs=0.005)
    assert values.max() == pytest.approx(TABLE_2["deepchrome"]["max"], abs=0.005)
    assert values.min() == pytest.approx(TABLE_2["deepchrome"]["min"], abs=0.01)
