"""What the panels beside Figure 2 draw, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from chromviz.errors import ChromvizError
from chromviz.plot.curves import draw_deletion, draw_learning_curves, plot_deletion
from chromviz.plot.dots import draw_truth, plot_truth
from chromviz.plot.gene_rows import draw_genes, plot_expression, plot_genes
from chromviz.plot.heatmap import (
    draw_changes,
    draw_consensus,
    plot_beta_changes,
    plot_consensus,
    plot_shifts,
)
from chromviz.plot.profile_lines import draw_figure2
from chromviz.plot.style import ONE_COLUMN, TWO_COLUMNS, says_simulated
from chromviz.vocabulary import MARKS
from tests.plot import drawings


def test_figure2_has_the_numbers_of_its_three_tables(texts_of, assert_legible):
    fig = draw_figure2(drawings.figure2a_table(), drawings.figure2b_table(), drawings.beta_table())
    assert fig.get_figwidth() == pytest.approx(TWO_COLUMNS)
    on, off, track, weight, gene = fig.get_axes()[:5]
    states = drawings.figure2a_table()
    for axes, state in ((on, "ON"), (off, "OFF")):
        rows = states[(states["state"] == state) & (states["mark"] == "H3K4me3")]
        line = next(line for line in axes.lines if line.get_gid() == "H3K4me3")
        np.testing.assert_array_equal(line.get_ydata(), rows["mean"])
    (coverage,) = [line for line in track.lines if line.get_gid() == "H3K27ac"]
    assert coverage.get_ydata().max() > 10
    assert "H3K4me3" in {line.get_gid() for line in weight.lines}
    assert "0.46" in {text.get_text() for text in gene.texts}
    assert_legible(fig)
    words = texts_of(fig)
    assert {"a", "b", "c", "TSS", "H3K4me3 (H_prom)", "95% interval"} <= set(words)
    assert words.count("Simulated data") == 1
    assert "H3K27ac (H_active)\nlabelled ON (n = 9,105)" in words


def test_figure2_of_real_data_and_of_fewer_cells_is_legible(assert_legible):
    one = drawings.beta_table()
    tables = (drawings.figure2a_table(), drawings.figure2b_table(), one[one["cell"] == "E116"])
    fig = draw_figure2(*(table.assign(simulated=0) for table in tables))
    assert_legible(fig)
    assert not says_simulated(fig)
    empty = drawings.figure2b_table().query("role == 'coverage'")
    assert_legible(draw_figure2(drawings.figure2a_table(), empty, one))


def test_figure2_refuses_what_does_not_go_together():
    beta = drawings.beta_table()
    four = pd.concat([beta, beta[beta["cell"] == "E003"].assign(cell="E117")])
    with pytest.raises(ChromvizError, match="room for 3 cell types in panel c, not 4"):
        draw_figure2(drawings.figure2a_table(), drawings.figure2b_table(), four)
    with pytest.raises(ChromvizError, match="must show the same"):
        draw_figure2(drawings.figure2a_table().assign(cell="E003"), drawings.figure2b_table(), beta)


def test_genes_are_drawn_from_the_highest_expression_down():
    table = drawings.genes_table()
    ax = Figure().subplots()
    before = table.copy(deep=True)
    assert plot_genes(table.iloc[::-1], "signal", ax) is ax
    (image,) = ax.images
    values = image.get_array()
    expected = table[table["layer"] == "signal"].filter(regex=r"^-?\d+$").to_numpy()
    np.testing.assert_array_equal(values, expected)
    assert ax.get_ylim() == (12, 0)  # the first row is on top
    # 256, 128 ... 4 are above 3: seven rows.
    (line,) = [line for line in ax.lines if line.get_gid() == "threshold"]
    assert set(line.get_ydata()) == {7}
    pd.testing.assert_frame_equal(table, before)
    gaps = plot_genes(table, "coverage").images[0].get_array()
    assert gaps.mask.sum(axis=1).tolist() == [0] * 4 + [20] + [0] * 7
    with pytest.raises(ChromvizError, match="no layer 'alpha'"):
        plot_genes(table, "alpha")
    with pytest.raises(ChromvizError, match="needs the column n_known"):
        plot_expression(table.drop(columns="n_known"))


def test_genes_without_any_coverage_say_so(assert_legible, texts_of):
    table = drawings.genes_table()
    bins = [name for name in table.columns if name.lstrip("-").isdigit()]
    table.loc[table["layer"] == "coverage", [*bins, "n_known"]] = [*[np.nan] * len(bins), 0]
    fig = draw_genes(table.assign(n_known=table["n_known"].astype(int)))
    assert_legible(fig)
    words = texts_of(fig)
    assert "none of these genes\nhas H3K27ac in every bin" in words
    assert "H3K27ac (H_active), n = 0" in words
    assert any(
        "24 test genes; each row averages 2 genes; 3 of unknown expression" in w for w in words
    )


def test_the_matrix_has_rank_correlation_below_and_overlap_above():
    table = drawings.consensus_table(["lstm"])
    ax = plot_consensus(table)
    values = ax.images[0].get_array()
    for _, row in table.iterrows():
        names = ["alpha", "saliency", "saliency_absolute", "input_x_gradient", "raw_signal"]
        one, other = names.index(row["one"]), names.index(row["other"])
        if row["statistic"] == "spearman":
            assert values[other, one] == row["estimate"]
        elif row["statistic"] == "top_overlap":
            assert values[one, other] == row["estimate"]
    assert values.mask.sum() == 5  # nothing is compared with itself
    assert len(ax.texts) == 20
    with pytest.raises(ChromvizError, match="several of lstm, alpha, saliency, spearman"):
        plot_consensus(pd.concat([table, table]))
    with pytest.raises(ChromvizError, match="needs one model"):
        plot_consensus(drawings.consensus_table())
    assert draw_consensus(table).get_figwidth() == ONE_COLUMN


def test_deletion_curves_are_the_numbers_and_keep_their_colours():
    table = drawings.deletion_table(["lstm"])
    ax = plot_deletion(table, "insertion")
    lines = {line.get_gid(): line for line in ax.lines}
    for method, rows in table[table["way"] == "insertion"].groupby("method"):
        np.testing.assert_array_equal(lines[method].get_ydata(), rows["mean"])
        np.testing.assert_array_equal(lines[method].get_xdata(), 100 * rows["share"])
    fewer = table[table["method"] != "alpha"]
    both = [
        {line.get_gid(): line.get_color() for line in axes.lines}
        for axes in (ax, plot_deletion(fewer, methods=table["method"]))
    ]
    assert both[1].items() <= both[0].items()
    with pytest.raises(ChromvizError, match="needs rows of 'removal'"):
        plot_deletion(table, "removal")


def test_changes_are_the_numbers_and_their_colour_the_way_they_go(assert_legible, texts_of):
    table = drawings.change_table(6)
    ax = plot_shifts(table)
    points = [line for line in ax.lines if line.get_gid() == "estimate"]
    assert [line.get_xdata()[0] for line in points] == table["shift"].tolist()
    assert [line.get_ydata()[0] for line in points] == list(range(6))
    ways = {line.get_color(): np.sign(line.get_xdata()[0]) for line in points}
    assert sorted(ways.values()) == [-1, 1]  # a colour each
    ends = [list(line.get_xdata()) for line in ax.lines if line.get_gid() == "interval"]
    assert ends == table.loc[1:, ["ci_low", "ci_high"]].to_numpy().tolist()  # the first has none
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[:2] == ["PAX5: GM12878, not K562", "ENSG00000000001: GM12878, not H1-hESC"]
    heat = plot_beta_changes(table)
    np.testing.assert_array_equal(
        heat.images[0].get_array(), table[[f"beta_{mark}" for mark in MARKS]]
    )
    words = texts_of(draw_changes(drawings.change_table()))
    assert any("20 of 24 changes, largest absolute Δβ" in text for text in words)
    for n in (1, 2, 20):
        assert_legible(draw_changes(drawings.change_table(n)))
    with pytest.raises(ChromvizError, match="no gene changes state"):
        draw_changes(table[:0])
    with pytest.raises(ChromvizError, match="needs a column beta_MARK"):
        plot_beta_changes(table.filter(regex="^(?!beta_)"))


def test_any_number_of_models_is_legible(assert_legible):
    for models in (["lstm"], ["lstm", "deepchrome"]):
        assert_legible(draw_deletion(drawings.deletion_table(models)))
        assert_legible(draw_consensus(drawings.consensus_table(models)))
        assert_legible(draw_learning_curves(drawings.curve_table(models)))


def test_planted_truth_shows_trained_and_not_trained_in_one_row():
    ax = plot_truth(drawings.truth_table(), "auprc")
    points = [line for line in ax.lines if line.get_gid() == "estimate"]
    values = sorted(line.get_xdata()[0] for line in points)
    assert values == pytest.approx([0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.7])
    rows = {round(line.get_ydata()[0]) for line in points}
    assert rows == {0, 1, 2, 3}
    lines = {line.get_gid(): line.get_xdata()[0] for line in ax.lines}
    assert (lines["raw"], lines["chance"]) == (0.6, 0.15)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[-2:] == ["control: raw signal", "control: random"]
    with pytest.raises(ChromvizError, match="needs rows of precision"):
        plot_truth(drawings.truth_table(), "precision")
    with pytest.raises(ChromvizError, match="needs one cell"):
        draw_truth(pd.concat([drawings.truth_table(), drawings.truth_table().assign(cell="E003")]))
