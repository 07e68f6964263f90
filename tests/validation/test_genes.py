"""Genes by expression, against what a person would do by hand."""

import numpy as np
import pandas as pd
import pytest

from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.validation.faithfulness import curve_means
from chromviz.validation.profiles import genes_by_expression
from tests.conftest import make_dataset


@pytest.fixture
def dataset():
    return make_dataset(60)


def layer(table, name):
    return table[table["layer"] == name].set_index("row")


def test_rows_are_means_of_neighbours_in_the_order(dataset):
    raw = extract("raw_signal", dataset, None)
    test = np.flatnonzero(dataset["split"].values == "test")
    order = test[np.argsort(-dataset["expression"].values[test], kind="stable")]
    table = genes_by_expression(raw, dataset, rows=7)
    assert len(table) == 3 * 7
    signal = layer(table, "signal")
    assert signal["n_genes"].sum() == len(test)
    assert signal["n_genes"].max() - signal["n_genes"].min() <= 1
    bins = [str(start) for start in dataset["bin_start"].values]
    stop = np.cumsum(signal["n_genes"])
    for row, (start, end) in enumerate(zip([0, *stop[:-1]], stop, strict=True)):
        genes = order[start:end]
        expected = dataset["signal"].values[genes, 3].mean(axis=0)
        np.testing.assert_allclose(signal.loc[row, bins].astype(float), expected, rtol=1e-3)
        assert signal["expression"][row] == pytest.approx(
            dataset["expression"].values[genes].mean()
        )
        assert signal["on"][row] == (dataset["label"].values[genes] == 1).mean()
    assert signal["expression"].is_monotonic_decreasing
    # The raw signal is its own explanation.
    pd.testing.assert_frame_equal(layer(table, "weight")[bins], signal[bins])


def test_a_gap_is_not_zero_and_a_gene_without_expression_is_counted(dataset):
    test = np.flatnonzero(dataset["split"].values == "test")
    coverage = dataset["coverage"].values.copy()
    coverage[0, test[0], 2] = np.nan
    expression = dataset["expression"].values.copy()
    expression[test[0]], expression[test[1]] = 1e6, np.nan
    changed = dataset.assign(
        coverage=(dataset["coverage"].dims, coverage), expression=("gene", expression)
    )
    table = genes_by_expression(extract("raw_signal", changed, None), changed)
    assert (table["n_unsorted"] == 1).all()
    assert layer(table, "signal")["n_genes"].sum() == len(test) - 1
    first = layer(table, "coverage").loc[0]
    assert first["n_known"] == 0
    assert first[[str(start) for start in dataset["bin_start"].values]].isna().all()
    nothing = changed.assign(expression=("gene", np.full(60, np.nan)))
    with pytest.raises(ChromvizError, match="no gene of E123 has an expression"):
        genes_by_expression(extract("raw_signal", nothing, None), nothing)


@pytest.mark.parametrize(
    ("unknown", "words"),
    [({"mark": "H2A"}, "E123 has no mark H2A"), ({"track": "H2A"}, "no coverage of H2A")],
)
def test_an_unknown_mark_or_track_is_refused(dataset, unknown, words):
    with pytest.raises(ChromvizError, match=words):
        genes_by_expression(extract("raw_signal", dataset, None), dataset, **unknown)


def test_curves_are_averaged_as_probabilities_of_the_predicted_state():
    curves = pd.DataFrame(
        {
            "gene": ["a", "b", "a", "b"],
            "way": "deletion",
            "share": [0.0, 0.0, 0.5, 0.5],
            "logit": [2.0, -1.0, 0.0, 1.0],
            "whole": [2.0, -1.0, 2.0, -1.0],
            "empty": 0.0,
        }
    )
    table = curve_means(curves).set_index("share")

    def on(logit):
        return 1 / (1 + np.exp(-logit))

    # The second gene is predicted OFF: its probability is that of OFF.
    pair = np.array([on(2.0), on(1.0)])
    assert table["mean"][0.0] == pytest.approx(pair.mean())
    assert table["mean"][0.5] == pytest.approx((0.5 + on(-1.0)) / 2)
    # Student's t with one degree of freedom, 12.706, times the standard error.
    half = 12.7062 * pair.std(ddof=1) / np.sqrt(2)
    assert table["ci_high"][0.0] - table["mean"][0.0] == pytest.approx(half, rel=1e-4)
    assert (table["n"] == 2).all()
    alone = curve_means(curves[curves["gene"] == "a"])
    assert alone["ci_low"].isna().all()
    assert alone["mean"].tolist() == pytest.approx([on(2.0), 0.5])
