"""Planted truth and consensus: scores of explanations whose quality is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from chromviz.data.simulate import simulate
from chromviz.errors import ChromvizError
from chromviz.validation.consensus import agreement_by_gene, consensus
from chromviz.validation.planted import average_precision, planted, score
from tests.validation.test_association import explain, raw


@pytest.fixture(scope="module")
def data():
    return simulate("E123", n_genes=240)


def by_statistic(table, method):
    return table[table["method"] == method].set_index("statistic")["estimate"]


def test_the_truth_scores_one_and_random_the_prevalence(data):
    test = np.flatnonzero(data["split"].values == "test")
    shape = (len(test), 5, 100)
    truth = data["truth"].values[test]
    random = np.random.default_rng(0).random(shape)
    found = planted(
        [
            explain(data, truth, method="truth"),
            explain(data, random, method="random", model=""),
            raw(data),
        ],
        data,
        n_bootstrap=200,
    )
    best = by_statistic(found, "truth")
    for name in ("auprc", "causal_mass", "pointing", "causes_over_decoys"):
        assert best[name] == pytest.approx(1), name
    chance, prevalence = by_statistic(found, "random"), by_statistic(found, "prevalence")["auprc"]
    # Average precision of a random ranking is a little above the prevalence in short lists.
    assert chance["auprc"] == pytest.approx(prevalence, abs=0.03)
    assert chance["causal_mass"] == pytest.approx(prevalence, abs=0.02)
    assert chance["causes_over_decoys"] == pytest.approx(0.5, abs=0.03)
    over = found[(found["method"] == "truth")].set_index("statistic")
    assert over.loc["causes_over_decoys_over_signal", "ci_low"] > 0
    assert over.loc["causes_over_decoys_over_signal", "p"] < 0.02
    own = found[found["method"] == "raw_signal"].set_index("statistic")
    assert np.isnan(own.loc["auprc_over_signal", "estimate"]), "the signal is no better than itself"


@given(st.integers(0, 10_000))
def test_average_precision_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    size = rng.integers(0, 6, (4, 30)).astype(float)
    causal = rng.random((4, 30)) < 0.3
    causal[:, 0] = True
    expected = [average_precision_score(c, s) for c, s in zip(causal, size, strict=True)]
    np.testing.assert_allclose(average_precision(size, causal), expected)


def test_scores_by_hand():
    size = np.array([[3.0, 2.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    causal = np.array([[True, False, True, False], [True, False, False, False]])
    decoys = np.array([[False, True, False, False], [False, False, False, False]])
    found = score(size, causal, decoys)
    assert found["causal_mass"][0] == pytest.approx(5 / 8)
    assert np.isnan(found["causal_mass"][1])
    np.testing.assert_allclose(found["pointing"], [1, 0.25])
    expected = roc_auc_score([1, 1, 0], [3.0, 2.0, 2.0])
    assert found["causes_over_decoys"][0] == pytest.approx(expected)
    assert np.isnan(found["causes_over_decoys"][1])
    # Equal weights are one threshold: precision 2 of 3 for the second cause.
    assert found["auprc"][0] == pytest.approx((1 + 2 / 3) / 2)


def test_sign_marks_and_classes(data):
    test = np.flatnonzero(data["split"].values == "test")
    weight = np.random.default_rng(0).normal(size=(len(test), 5, 100))
    together = np.random.default_rng(1).random((len(test), 100))
    found = planted(
        [
            explain(data, weight, method="one"),
            explain(data, -weight, method="other"),
            explain(data, together, method="bins", dims=("gene", "bin")),
        ],
        data,
        n_bootstrap=0,
    )
    for name in ("auprc", "pointing"):
        assert by_statistic(found, "one")[name] == by_statistic(found, "other")[name]
    assert by_statistic(found, "bins")["auprc"] > 0


def test_data_without_truth_is_refused(data):
    with pytest.raises(ChromvizError, match="no planted truth; only simulated data has"):
        planted([raw(data)], data.drop_vars(["truth", "decoy"]))
    some = raw(data).isel(gene=slice(3))
    with pytest.raises(ChromvizError, match=r"lacks \d+ of the \d+ genes needed"):
        planted([some], data)


def test_equal_explanations_agree_and_reversed_ones_do_not():
    weight = np.random.default_rng(0).random((6, 100))
    same = agreement_by_gene(weight, -3 * weight)
    for name, values in same.items():
        np.testing.assert_allclose(values, 1, err_msg=name)
    reversed_ = agreement_by_gene(weight, 1 - weight)
    np.testing.assert_allclose(reversed_["spearman"], -1)
    assert (reversed_["top_overlap"] == 0).all()
    assert (reversed_["rbo"] < 0.05).all()
    flat = agreement_by_gene(weight, np.full_like(weight, 0.1))
    assert all(np.isnan(values).all() for values in flat.values())


def test_rank_biased_overlap_is_its_definition():
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 3, 50))
    found = agreement_by_gene(one, other)["rbo"]
    p, depth = 0.95, 10
    for row in range(3):
        first, second = np.argsort(-one[row]), np.argsort(-other[row])
        shares = [len(set(first[:d]) & set(second[:d])) / d for d in range(1, depth + 1)]
        expected = (1 - p) * sum(p ** (d - 1) * share for d, share in enumerate(shares, 1))
        assert found[row] == pytest.approx(expected + shares[-1] * p**depth)


def test_independent_explanations_overlap_by_chance():
    one, other = np.random.default_rng(0).random((2, 400, 200))
    found = agreement_by_gene(one, other)
    assert found["top_overlap"].mean() == pytest.approx(0.05, abs=0.01)
    assert found["spearman"].mean() == pytest.approx(0, abs=0.02)


def test_consensus_of_pairs(data):
    test = np.flatnonzero(data["split"].values == "test")
    weight = np.random.default_rng(0).random((len(test), 5, 100))
    named = {"one": explain(data, weight), "two": explain(data, weight), "raw": raw(data)}
    found = consensus(named)
    assert len(found) == 3 * 3
    pair = found[(found["one"] == "one") & (found["other"] == "two")]
    np.testing.assert_allclose(pair["estimate"], 1)
    with pytest.raises(ChromvizError, match="few explains other genes; extract all"):
        consensus({"one": named["one"], "few": named["two"].isel(gene=slice(5))})
    bins = explain(data, weight[:, 0], dims=("gene", "bin"))
    with pytest.raises(ChromvizError, match=r"has weights over \(gene, bin\)"):
        consensus({"one": named["one"], "bins": bins})
