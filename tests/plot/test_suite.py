import numpy as np
import pandas as pd
import pytest

from chromviz.errors import ChromvizError
from chromviz.plot.dots import (
    draw_calibration,
    draw_suite,
    plot_calibration,
    plot_suite,
)
from chromviz.plot.style import says_simulated
from chromviz.reporting.grid import to_latex, to_markdown
from chromviz.reporting.tables import suite_grid
from chromviz.validation.performance import summarise


def units(simulated=1, missing="nan"):
    rows = [
        {
            "cell": cell,
            "model": model,
            "seed": seed,
            "marks": marks,
            "n_test": 10,
            "auc": auc + 0.01 * seed,
            "f1": 0.5,
            "simulated": simulated,
            "missing": missing,
        }
        for cell, shift in (("E116", 0.0), ("E123", 0.1))
        for seed in (0, 1)
        for model, marks, auc in (
            ("deepchrome", "all", 0.7 + shift),
            ("lstm-alpha-beta", "all", 0.75),
            ("svm", "all", 0.6 + shift),
            ("lstm-alpha-beta", "H3K4me3", 0.7),
            ("lstm-alpha-beta", "H3K9me3", 0.5 + shift),
        )
    ]
    return pd.DataFrame(rows)


def test_table_2_by_hand():
    table = summarise("2", units()).set_index("model")
    # Seeds averaged first: DeepChrome 0.705 and 0.805, AttentiveChrome 0.755 twice.
    assert table["mean"].round(6).to_dict() == {
        "deepchrome": 0.755,
        "lstm-alpha-beta": 0.755,
        "svm": 0.655,
    }
    assert table["better"]["lstm-alpha-beta"] == 1
    assert table["better"]["svm"] == 0
    assert np.isnan(table["better"]["deepchrome"])
    assert table["paper_better"]["lstm-alpha-beta"] == 49
    row = next(r for r in suite_grid("2", table.reset_index()).groups[0][1] if r[0] == "SVM")
    assert row == ["SVM", "0.655", "–", "0.655", "–", "0.705", "–", "0.605", "–", "0", "–"]


def test_table_s1_has_all_marks_first_and_the_papers_cell():
    table = summarise("s1", units())
    assert table["marks"].tolist() == ["all", "H3K4me3", "H3K9me3"] * 2
    assert table["paper"].tolist()[:3] == [0.9085, 0.8893, 0.6465]
    assert table["paper"].isna().tolist()[3:] == [True] * 3


def test_tables_say_what_they_rest_on():
    text = to_markdown(suite_grid("s3", summarise("s3", units(missing="zero"))))
    assert "Simulated data" in text
    assert "Bins without data were set to zero" in text
    assert "GM12878 (E116), K562 (E123); 2 seeds averaged within each" in text
    assert "56 cell types" in text
    real = to_latex(suite_grid("s2", summarise("s2", units(simulated=0))))
    assert "Simulated" not in real
    assert real.count("{") == real.count("}")
    assert "DeepChrome (CNN) & 0.500 & 0.5500" in real
    undefined = units()
    undefined.loc[(undefined["cell"] == "E123") & (undefined["model"] == "svm"), "auc"] = np.nan
    assert "left out, in 1 of them" in to_markdown(suite_grid("s3", summarise("s3", undefined)))


def test_a_table_of_no_model_is_refused():
    only = units()[lambda t: t["model"] == "svm"]
    with pytest.raises(ChromvizError, match="Table S2 is empty: none of its models was trained"):
        to_markdown(suite_grid("s2", summarise("s2", only)))


def test_figures_show_the_numbers_of_their_tables():
    table = units()[lambda t: t["marks"] == "all"]
    lines = plot_suite(table).get_lines()
    assert len(lines) == 2
    assert sorted(lines[0].get_xdata()) == sorted(table.loc[table["cell"] == "E116", "auc"])
    bins = pd.DataFrame(
        {"probability": [0.2, 0.8], "share_on": [0.1, 0.9], "ci_low": 0.0, "ci_high": 1.0, "n": 5}
    )
    axes = plot_calibration(bins)
    assert axes.get_lines()[1].get_ydata().tolist() == [0.1, 0.9]
    assert says_simulated(draw_suite(table))
    assert not says_simulated(draw_suite(table.assign(simulated=0)))
    both = pd.concat([bins.assign(model=name, simulated=1) for name in ("svm", "lstm")])
    assert says_simulated(draw_calibration(both))
    with pytest.raises(ChromvizError, match="needs the column auc"):
        plot_suite(table.drop(columns="auc"))
