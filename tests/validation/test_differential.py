"""Genes that change state: hand-computed, and where the answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from chromviz.errors import ChromvizError
from chromviz.validation.differential import active_share, changes, recovery
from chromviz.vocabulary import MARKS

GENES = pd.DataFrame({"gene": ["A", "B", "C"], "symbol": ["a", "", "c"]})
LABEL = np.array([[1, 0, 1], [0, 0, 1]])


def beta_of(active):
    """β with a share on H3K4me3 and the rest on H3K27me3."""
    active = np.asarray(active, float)
    beta = np.zeros((*active.shape, 5))
    beta[..., 3], beta[..., 0] = active, 1 - active
    return beta


def test_the_share_leaves_repressors_out():
    np.testing.assert_allclose(active_share(np.array([0.1, 0.2, 0.3, 0.25, 0.15]), MARKS), 0.75)
    np.testing.assert_allclose(active_share(beta_of([[0.3]]), MARKS), [[0.3]])


def test_a_change_is_a_row_with_its_interval():
    share = [[[0.9, 0.5, 0.5], [0.8, 0.5, 0.5]], [[0.3, 0.5, 0.5], [0.4, 0.5, 0.5]]]
    probability = np.full((2, 2, 3), 0.4)
    probability[0, :, 0] = 0.8
    table = changes(GENES, ["E003", "E123"], LABEL, probability, beta_of(share), MARKS)
    assert table["gene"].tolist() == ["A"]
    row = table.iloc[0]
    assert (row["on_cell"], row["off_cell"], row["rank"], row["called"]) == ("E003", "E123", 1, 1)
    assert row["shift"] == pytest.approx(0.5)
    low, high = stats.t.interval(0.95, 1, loc=0.5, scale=stats.sem([0.6, 0.4]))
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert (row["as_expected"], row["sure"]) == (1, 0)
    assert row["beta_H3K4me3"] == pytest.approx(0.5)
    assert row["beta_H3K27me3"] == pytest.approx(-0.5)


def test_the_furthest_come_first_and_one_training_has_no_interval():
    label = np.array([[1, 1, 0], [0, 0, 1]])
    share = np.array([[[0.6, 0.1, 0.5]], [[0.5, 0.9, 0.2]]])
    table = changes(GENES, ["x", "y"], label, np.full((2, 1, 3), 0.5), beta_of(share), MARKS)
    assert table["gene"].tolist() == ["B", "C", "A"]
    assert table["as_expected"].tolist() == [0, 0, 1]
    assert table["ci_low"].isna().all()
    assert (table["sure"] == 0).all()


def test_truth_is_recovered_and_noise_has_the_prevalence():
    rng = np.random.default_rng(0)
    n = 400
    label = np.stack([np.arange(n) % 2, np.where(np.arange(n) < 100, 1 - np.arange(n) % 2,
                                                 np.arange(n) % 2)])  # fmt: skip
    exact = label[:, None, :].astype(float)
    noise = beta_of(rng.random((2, 1, n)))
    found = recovery(label, exact, noise, MARKS, n_bootstrap=200).set_index("score")
    assert found.loc["probability", "auprc"] == 1
    assert found["prevalence"].tolist() == [0.25, 0.25]
    assert found.loc["beta", "ci_low"] < 0.25 < found.loc["beta", "ci_high"]
    same = recovery(label[:1].repeat(2, 0), exact, noise, MARKS, n_bootstrap=9)
    assert same["auprc"].isna().all()


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        (["H3K4me3", "H3K36me3"], "a repressor mark .* are needed"),
        (["H3K9me3", "H3K27me3"], "a repressor mark .* are needed"),
        (["H3K4me3", "H2A.Z"], "nothing is known of the role of H2A.Z"),
    ],
)
def test_marks_without_an_expectation_are_refused(marks, words):
    with pytest.raises(ChromvizError, match=words):
        active_share(np.ones(2), marks)
