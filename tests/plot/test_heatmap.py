from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from chromviz.errors import ChromvizError
from chromviz.plot.heatmap import BETA_COLUMNS, draw_figure2c, plot_beta
from chromviz.plot.style import ONE_COLUMN
from chromviz.vocabulary import MARKS, mark_label


def test_draws_the_weights_on_the_callers_axes(beta_table):
    ax = Figure().subplots()
    before = beta_table.copy(deep=True)
    assert plot_beta(beta_table, ax) is ax
    (mesh,) = ax.collections
    expected = beta_table["weight"].to_numpy().reshape(3, 5).T
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(5, 3), expected)
    assert mesh.get_clim() == (0, 0.46)
    assert [text.get_text() for text in ax.texts] == [f"{value:.2f}" for value in expected.ravel()]
    assert [text.get_text() for text in ax.get_yticklabels()] == [*map(mark_label, MARKS)]
    pd.testing.assert_frame_equal(beta_table, before)


def test_headers_name_cell_state_probability_and_split(beta_table):
    headers = [text.get_text() for text in plot_beta(beta_table).get_xticklabels()]
    assert headers == [
        "H1-hESC\nlabelled OFF\np(ON) 0.03\ntest gene",
        "GM12878\nlabelled ON\np(ON) 0.95\ntraining gene",
        "K562\nlabel unknown\np(ON) –\nin no split",
    ]


def test_rows_and_columns_keep_the_tables_order(beta_table):
    ax = plot_beta(beta_table.iloc[::-1])
    names = [text.get_text().splitlines()[0] for text in ax.get_xticklabels()]
    assert names == ["K562", "GM12878", "H1-hESC"]
    assert ax.get_yticklabels()[0].get_text() == mark_label("H3K9me3")


def test_figure2c_is_legible_and_says_simulated(beta_table, assert_legible, texts_of):
    fig = draw_figure2c(beta_table)
    assert_legible(fig)
    assert fig.get_figwidth() == ONE_COLUMN
    words = texts_of(fig)
    assert words.count("Simulated data") == 1
    assert "PAX5\nENSG00000196092" in words
    assert "β (sums to 1 over marks)" in words
    assert plt.get_fignums() == []


def test_figure2c_of_real_data(beta_table, assert_legible, texts_of):
    fig = draw_figure2c(beta_table.assign(simulated=0, symbol=""))
    assert_legible(fig)
    assert "Simulated data" not in texts_of(fig)
    assert "ENSG00000196092" in texts_of(fig)


@pytest.mark.parametrize("number", [1, 2, 5, 8])
def test_any_number_of_cells_is_legible(beta_table, assert_legible, number):
    # The longest words that a header can hold.
    one = beta_table[beta_table["cell"] == "E123"].assign(split="valid")
    table = pd.concat([one.assign(cell=f"E{100 + cell}") for cell in range(number)])
    assert_legible(draw_figure2c(table))


def test_a_missing_weight_leaves_its_cell_empty(beta_table, assert_legible):
    table = beta_table.assign(
        weight=beta_table["weight"].mask((beta_table["cell"] == "E123").to_numpy())
    )
    ax = plot_beta(table)
    assert len(ax.texts) == 10
    assert_legible(ax.figure)
    # A gene without any weight still has its frame.
    assert len(plot_beta(table.assign(weight=float("nan"))).texts) == 0


@pytest.mark.parametrize("column", BETA_COLUMNS)
def test_a_missing_column_is_named(beta_table, column):
    for draw in (plot_beta, draw_figure2c):
        with pytest.raises(ChromvizError, match=f"needs the column {column};"):
            draw(beta_table.drop(columns=column))


def test_mixed_and_empty_tables_are_refused(beta_table):
    with pytest.raises(ChromvizError, match="its table is empty"):
        plot_beta(beta_table.iloc[:0])
    two = pd.concat([beta_table, beta_table.assign(gene="ENSG1")])
    with pytest.raises(ChromvizError, match="found ENSG00000196092, ENSG1"):
        plot_beta(two)
    with pytest.raises(
        ChromvizError,
        match="several of ENSG00000196092, E003, H3K27me3",
    ):
        plot_beta(pd.concat([beta_table, beta_table]))
