from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from chromviz.errors import ChromvizError
from chromviz.plot.profile_lines import (
    FIGURE2A_COLUMNS,
    FIGURE2B_COLUMNS,
    PROFILE_COLUMNS,
    draw_figure2a,
    draw_figure2b,
    plot_profiles,
)
from chromviz.vocabulary import MARKS, mark_label

YLABEL = "Mean attention weight α"


def _lines(ax):
    return {line.get_gid(): line for line in ax.lines}


def _assert_drawn(ax, table):
    """Check that lines and bands carry the table's numbers, and no others."""
    lines = _lines(ax)
    assert set(lines) - {"tss", "baseline"} == set(table["mark"])
    for band, mark in zip(ax.collections, table["mark"].unique(), strict=True):
        rows = table[table["mark"] == mark].sort_values("bin_start")
        centre = (rows["bin_start"] + rows["bin_width"] / 2) / 1000
        np.testing.assert_array_equal(lines[mark].get_xdata(), centre)
        np.testing.assert_array_equal(lines[mark].get_ydata(), rows["mean"])
        assert lines[mark].get_label() == mark_label(mark)
        edge = band.get_paths()[0].vertices
        assert {tuple(point) for point in zip(centre, rows["ci_low"], strict=True)} <= set(
            map(tuple, edge)
        )
        assert edge[:, 1].max() == rows["ci_high"].max()


def test_draws_the_numbers_of_the_table_on_the_callers_axes(profile_table):
    ax = Figure().subplots()
    before = profile_table.copy(deep=True)
    assert plot_profiles(profile_table, ax, ylabel=YLABEL, baseline=1 / 100) is ax
    _assert_drawn(ax, profile_table)
    assert set(_lines(ax)["baseline"].get_ydata()) == {0.01}
    assert set(_lines(ax)["tss"].get_xdata()) == {0}
    assert ax.get_xlim() == (-5, 5)
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylabel() == YLABEL
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [*map(mark_label, MARKS)]
    pd.testing.assert_frame_equal(profile_table, before)


def test_makes_axes_of_its_own_without_pyplot(profile_table, assert_legible, texts_of):
    ax = plot_profiles(profile_table, ylabel=YLABEL, baseline=1 / 100)
    assert_legible(ax.figure)
    words = texts_of(ax.figure)
    assert "uniform\n(1/100)" in words
    assert "TSS" in words
    assert "Simulated data" not in words
    assert plt.get_fignums() == []


def test_rows_may_come_in_any_order(profile_table):
    shuffled = profile_table.sample(frac=1, random_state=1)
    ax = plot_profiles(shuffled, ylabel=YLABEL, legend=False)
    _assert_drawn(ax, shuffled)
    assert ax.get_legend() is None


def test_signed_values_keep_their_sign(profile_table):
    signed = profile_table.assign(mean=-0.01, ci_low=-0.02)
    ax = plot_profiles(signed, ylabel=YLABEL, baseline=0)
    assert ax.get_ylim()[0] < -0.02


def test_an_interval_below_zero_does_not_make_an_amount_negative(profile_table):
    ax = plot_profiles(profile_table.assign(ci_low=-0.02), ylabel=YLABEL)
    assert ax.get_ylim()[0] == 0


def test_an_emphasised_mark_is_the_strongest(profile_table):
    widths = {
        mark: line.get_linewidth()
        for mark, line in _lines(
            plot_profiles(profile_table, ylabel=YLABEL, emphasise="H3K4me3")
        ).items()
        if mark in MARKS
    }
    assert max(widths, key=widths.get) == "H3K4me3"
    assert len(set(widths.values())) == 2


def test_other_windows_and_marks_work(profile_table, assert_legible):
    table = profile_table[profile_table["bin_start"] >= 1000].replace("H3K4me3", "H2A.Z")
    ax = plot_profiles(table, ylabel="fold change ($ and % kept)", baseline=0.007)
    assert_legible(ax.figure)
    assert "tss" not in _lines(ax)
    assert ax.get_xlim() == (1, 5)


@pytest.mark.parametrize("column", PROFILE_COLUMNS)
def test_a_missing_column_is_named(profile_table, column):
    with pytest.raises(ChromvizError, match=f"needs the column {column};"):
        plot_profiles(profile_table.drop(columns=column), ylabel=YLABEL)


def test_mixed_or_empty_tables_are_refused(profile_table, figure2a_table):
    with pytest.raises(ChromvizError, match="several of H3K27me3, -5000"):
        plot_profiles(figure2a_table, ylabel=YLABEL)
    with pytest.raises(ChromvizError, match="its table is empty"):
        plot_profiles(profile_table.iloc[:0], ylabel=YLABEL)


def test_figure2a_shows_on_above_off(figure2a_table, assert_legible, texts_of):
    before = figure2a_table.copy(deep=True)
    fig = draw_figure2a(figure2a_table)
    assert_legible(fig)
    top, bottom = fig.axes
    _assert_drawn(top, figure2a_table[figure2a_table["state"] == "ON"])
    _assert_drawn(bottom, figure2a_table[figure2a_table["state"] == "OFF"])
    assert top.get_title(loc="left") == "predicted ON (n = 3,214)"
    assert bottom.get_title(loc="left") == "predicted OFF (n = 3,387)"
    assert top.get_ylim() == bottom.get_ylim()
    assert top.get_xlim() == bottom.get_xlim()
    words = texts_of(fig)
    assert "GM12878 (E116)\nLSTM-α,β, α map" in words
    assert words.count("Simulated data") == 1
    assert words.count("uniform\n(1/100)") == 2
    assert set(map(mark_label, MARKS)) <= set(words)
    pd.testing.assert_frame_equal(figure2a_table, before)
    assert plt.get_fignums() == []


def test_figure2a_of_real_data_does_not_say_simulated(figure2a_table, assert_legible, texts_of):
    fig = draw_figure2a(figure2a_table.assign(simulated=0))
    assert_legible(fig)
    assert "Simulated data" not in texts_of(fig)


@pytest.mark.parametrize("state", ["ON", "OFF"])
@pytest.mark.parametrize("absent", [True, False])
def test_figure2a_says_when_no_gene_was_predicted(
    figure2a_table, assert_legible, texts_of, state, absent
):
    chosen = figure2a_table["state"] == state
    if absent:
        table = figure2a_table[~chosen]
    else:
        values = dict.fromkeys(("mean", "ci_low", "ci_high"), float("nan"))
        table = figure2a_table.assign(
            n_genes=figure2a_table["n_genes"].mask(chosen, 0),
            **{name: figure2a_table[name].mask(chosen, nan) for name, nan in values.items()},
        )
    fig = draw_figure2a(table)
    assert_legible(fig)
    assert f"no gene predicted {state}" in texts_of(fig)
    assert f"predicted {state} (n = 0)" in texts_of(fig)
    assert set(map(mark_label, MARKS)) <= set(texts_of(fig))


def test_long_names_of_methods_fit(figure2a_table, assert_legible):
    table = figure2a_table.assign(model="deepchrome", method="saliency_absolute")
    assert_legible(draw_figure2a(table))


@pytest.mark.parametrize("column", FIGURE2A_COLUMNS)
def test_figure2a_names_a_missing_column(figure2a_table, column):
    with pytest.raises(ChromvizError, match=f"Figure 2a needs the column {column};"):
        draw_figure2a(figure2a_table.drop(columns=column))


def test_figure2a_refuses_mixed_and_unknown_values(figure2a_table):
    mixed = figure2a_table.assign(cell=np.where(figure2a_table["state"] == "ON", "E003", "E116"))
    with pytest.raises(ChromvizError, match="needs one cell in its table; found E003, E116"):
        draw_figure2a(mixed)
    with pytest.raises(ChromvizError, match="needs ON or OFF as state; its table has 'on'"):
        draw_figure2a(figure2a_table.replace("ON", "on"))


def test_figure2b_shows_coverage_above_weights(figure2b_table, assert_legible, texts_of):
    before = figure2b_table.copy(deep=True)
    fig = draw_figure2b(figure2b_table)
    assert_legible(fig)
    top, bottom = fig.axes
    _assert_drawn(top, figure2b_table[figure2b_table["role"] == "coverage"])
    _assert_drawn(bottom, figure2b_table[figure2b_table["role"] == "weight"])
    assert top.get_title(loc="left") == "H3K27ac (H_active), labelled ON (n = 9,105)"
    assert bottom.get_title(loc="left") == "Weights, predicted ON (n = 3,214)"
    assert top.get_ylabel().replace("\n", " ") == "Mean coverage, reads per 100 bp bin"
    strong = {mark: line.get_linewidth() for mark, line in _lines(bottom).items() if mark in MARKS}
    assert max(strong, key=strong.get) == "H3K4me3"
    assert texts_of(fig).count("Simulated data") == 1
    pd.testing.assert_frame_equal(figure2b_table, before)
    assert plt.get_fignums() == []


def test_figure2b_of_real_data_with_a_long_unit(figure2b_table, assert_legible, texts_of):
    table = figure2b_table.assign(simulated=0).replace(
        "reads per 100 bp bin", "fold change over input control, MACS2"
    )
    fig = draw_figure2b(table)
    assert_legible(fig)
    assert "Simulated data" not in texts_of(fig)


@pytest.mark.parametrize(
    ("role", "words"),
    [("coverage", "no gene labelled ON with coverage"), ("weight", "no gene predicted ON")],
)
def test_figure2b_says_when_a_panel_has_no_genes(
    figure2b_table, assert_legible, texts_of, role, words
):
    fig = draw_figure2b(figure2b_table[figure2b_table["role"] != role])
    assert_legible(fig)
    assert words in texts_of(fig)


@pytest.mark.parametrize("column", FIGURE2B_COLUMNS)
def test_figure2b_names_a_missing_column(figure2b_table, column):
    with pytest.raises(ChromvizError, match=f"Figure 2b needs the column {column};"):
        draw_figure2b(figure2b_table.drop(columns=column))
