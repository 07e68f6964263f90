from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.figure import Figure

from chromviz.errors import ChromvizError
from chromviz.plot.dots import TABLE3_COLUMNS, plot_table3


def _points(ax, gid):
    lines = [line for line in ax.lines if line.get_gid() == gid]
    return [line.get_xdata()[0] for line in lines]


def test_draws_the_numbers_of_the_table_on_the_callers_axes(agreement_table):
    ax = Figure().subplots()
    before = agreement_table.copy(deep=True)
    assert plot_table3(agreement_table, ax) is ax
    # Methods first, then the controls; undefined ones have no point.
    assert _points(ax, "estimate") == [0.912, -0.131, 0.62, 0.953]
    assert _points(ax, "paper") == [0.9027, 0.2238]
    assert _points(ax, "raw signal") == [0.953]
    intervals = [tuple(line.get_xdata()) for line in ax.lines if line.get_gid() == "interval"]
    assert intervals == [(0.881, 0.934), (-0.29, 0.06), (0.941, 0.962)]
    (band,) = [patch for patch in ax.patches if patch.get_gid() == "raw signal interval"]
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((0.941, 0.962))
    assert [text.get_text() for text in ax.get_yticklabels()] == [
        "α map, LSTM-α,β",
        "saliency (signed), DeepChrome (CNN)",
        "saliency (absolute), DeepChrome (CNN)",
        "raw signal",
        "uniform",
    ]
    assert ax.get_xlim() == (-0.5, 1)
    pd.testing.assert_frame_equal(agreement_table, before)


def test_values_stand_beside_their_points(agreement_table):
    ax = plot_table3(agreement_table)
    heights = dict(zip(agreement_table["estimate"].dropna(), [4, 0, 1, 2], strict=True))
    for line in ax.lines:
        if line.get_gid() == "estimate":
            assert line.get_ydata()[0] == heights[line.get_xdata()[0]]
    words = {text.get_text(): text.xy[1] for text in ax.texts}
    assert words["0.953 [0.941, 0.962]"] == 4
    assert words["0.620"] == 2
    assert words["undefined"] == 5
    assert words["Controls"] == 3


def test_is_legible_and_says_simulated(agreement_table, assert_legible, texts_of):
    fig = plot_table3(agreement_table).figure
    assert_legible(fig)
    words = texts_of(fig)
    assert words.count("Simulated data") == 1
    assert {"paper", "raw signal (line and band)", "K562 (E123)"} <= set(words)
    assert plt.get_fignums() == []


def test_real_data_without_controls_or_paper(agreement_table, assert_legible, texts_of):
    table = agreement_table[agreement_table["model"] != ""]
    fig = plot_table3(table.assign(simulated=0, paper=float("nan"))).figure
    assert_legible(fig)
    words = texts_of(fig)
    assert not {"Simulated data", "paper", "raw signal (line and band)", "Controls"} & set(words)


def test_controls_alone_and_nothing_defined(agreement_table, assert_legible):
    controls = agreement_table[agreement_table["model"] == ""]
    assert_legible(plot_table3(controls).figure)
    undefined = dict.fromkeys(("estimate", "ci_low", "ci_high", "paper"), float("nan"))
    ax = plot_table3(controls.assign(**undefined))
    assert_legible(ax.figure)
    assert ax.get_xlim() == (0, 1)


def test_sets_of_genes_are_told_apart(agreement_table, assert_legible, texts_of):
    both = pd.concat([agreement_table, agreement_table.assign(gene_set="all genes")])
    ax = plot_table3(both)
    assert_legible(ax.figure)
    assert "raw signal\nall genes" in texts_of(ax.figure)
    assert _points(ax, "raw signal") == [0.953, 0.953]


def test_several_cells_are_refused(agreement_table):
    both = pd.concat([agreement_table, agreement_table.assign(cell="E003")])
    with pytest.raises(ChromvizError, match="needs one cell in its table; found E123, E003"):
        plot_table3(both)


@pytest.mark.parametrize("column", TABLE3_COLUMNS)
def test_a_missing_column_is_named(agreement_table, column):
    with pytest.raises(ChromvizError, match=f"needs the column {column};"):
        plot_table3(agreement_table.drop(columns=column))
