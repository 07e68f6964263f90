"""What follows from a validation: each question by rows made by hand."""

import numpy as np
import pandas as pd
import pytest

from chromviz.plot.dots import (
    draw_validation,
    draw_verdicts,
    plot_gain,
    plot_verdicts,
)
from chromviz.reporting.grid import to_latex
from chromviz.reporting.tables import verdict_grid, verdict_markdown
from chromviz.validation.tidy import tidy
from chromviz.validation.verdict import QUESTIONS, verdicts

GOOD = {
    "auc": (0.8, 0.75),
    "pearson": (0.9, 0.85),
    "gain": (0.1, 0.05),
    "causes_over_decoys_over_signal": (0.2, 0.1),
    "deletion_over_random": (0.5, 0.2),
    "spearman_last": (0.1, 0.0),
}
TESTS = {
    "auc": "prediction",
    "pearson": "profile",
    "gain": "profile",
    "causes_over_decoys_over_signal": "planted truth",
    "deletion_over_random": "faithfulness, bins",
    "spearman_last": "sanity, cascading",
}


def table(p=0.001, variant="", **changes):
    rows = []
    for statistic, (estimate, low) in {**GOOD, **changes}.items():
        if estimate is None:
            continue
        profile = TESTS[statistic] == "profile"
        rows.append(
            {
                "model": "m",
                "variant": variant,
                "method": "" if statistic == "auc" else "alpha",
                "mark": "H3K4me3" if profile else "",
                "test": TESTS[statistic],
                "statistic": statistic,
                "estimate": estimate,
                "ci_low": low,
                "ci_high": estimate + 0.05,
                "p": p if statistic == "pearson" else np.nan,
            }
        )
    rows.append({"method": "raw_signal", "test": "profile", "statistic": "pearson",
                 "mark": "H3K4me3", "estimate": 0.9, "p": 0.01})  # fmt: skip
    return tidy(rows, cell="E123", simulated=1, missing="nan")


def test_what_is_good_in_all_passes_and_controls_have_no_verdict():
    found = verdicts(table())
    assert len(found) == 1
    one = found.iloc[0]
    assert one["passes"] == 1
    assert one[["predicts", "agrees", "beyond_signal", "finds_causes", "faithful"]].tolist() == [
        1,
        1,
        1,
        1,
        1,
    ]
    assert one["depends_on_model"] == 1
    assert one["sentence"] == (
        "alpha of m: agrees with H3K27ac (r = 0.90, p = 0.001 against circular shifts); "
        "r exceeds that of the raw signal (gain 0.10, 95 % interval 0.05 to 0.15); "
        "separates causal from decoy bins better than the raw signal (gain 0.20, 95 % interval "
        "0.10 to 0.25); deleting its top bins changes the prediction more than deleting random "
        "bins (difference in logit 0.50, 95 % interval 0.20 to 0.55); changes when the weights of "
        "the model are re-randomised (mean rank correlation 0.10)"
    )


@pytest.mark.parametrize(
    ("change", "question"),
    [
        ({"auc": (0.51, 0.45)}, "predicts"),
        ({"causes_over_decoys_over_signal": (0.02, -0.01)}, "finds_causes"),
        ({"deletion_over_random": (0.0, -0.1)}, "faithful"),
        ({"spearman_last": (0.9, 0.8)}, "depends_on_model"),
    ],
)
def test_each_failure_decides(change, question):
    one = verdicts(table(**change)).iloc[0]
    assert one[question] == 0
    assert one["passes"] == 0


def test_a_model_that_knows_nothing_never_passes_however_well_it_ranks():
    lucky = table(variant="permuted labels", auc=(0.79, 0.76))
    learnt = table(auc=(0.9, 0.88))
    found = verdicts(pd.concat([learnt, lucky], ignore_index=True)).set_index("variant")
    assert found.loc["", "passes"] == 1
    assert found.loc["permuted labels", "predicts"] == 0
    assert found.loc["permuted labels", "passes"] == 0
    no_better = table(auc=(0.8, 0.78))
    found = verdicts(pd.concat([no_better, lucky], ignore_index=True)).set_index("variant")
    assert found.loc["", "predicts"] == 0
    assert found.loc["", "sentence"] == (
        "alpha of m: AUC not clearly above the permuted-label control "
        "(AUC 0.80, 95 % interval 0.78 to 0.85; control 0.79)"
    )
    alone = verdicts(table(auc=(0.51, 0.45))).iloc[0]
    assert "AUC not clearly above chance (AUC 0.51, 95 % interval 0.45" in alone["sentence"]


def test_without_truth_the_gain_over_the_signal_decides():
    untold = {"causes_over_decoys_over_signal": (None, None)}
    assert verdicts(table(**untold)).iloc[0]["passes"] == 1
    one = verdicts(table(**untold, gain=(0.1, -0.01))).iloc[0]
    assert one["passes"] == 0
    assert one["finds_causes"] is None or np.isnan(one["finds_causes"])
    assert (
        "no better than the raw signal (gain 0.10, 95 % interval -0.01 to 0.15)" in one["sentence"]
    )


def test_agreement_takes_a_small_p_and_a_positive_r():
    one = verdicts(table(p=0.31)).iloc[0]
    assert one["agrees"] == 0
    words = "no evidence of agreement with H3K27ac (p = 0.31 against circular shifts)"
    assert words in one["sentence"]
    assert verdicts(table(pearson=(-0.9, -0.95))).iloc[0]["agrees"] == 0


def test_an_interval_over_chromosomes_counts_too():
    one = table()
    one.loc[one["statistic"] == "gain", "chrom_low"] = -0.1
    found = verdicts(one).iloc[0]
    assert found["beyond_signal"] == 0
    assert "95 % interval over chromosomes -0.10 to" in found["sentence"]


def test_what_was_not_asked_is_left_open():
    only = table()
    only = only[only["test"].isin(["prediction", "profile"])]
    one = verdicts(only).iloc[0]
    assert one["passes"] == 1
    assert one[["finds_causes", "faithful", "depends_on_model"]].isna().all()


def test_it_is_written_for_people():
    rows = table()
    found = verdicts(rows).assign(simulated=1)
    text = verdict_markdown(found, rows)
    assert "Simulated data" in text
    assert "| α map | 0.900 [0.850, 0.950] | 0.100 [0.050, 0.150] | yes |" in text
    assert "- α map of m: " in text
    assert r"\begin{tabular}" in to_latex(verdict_grid(found, rows))
    axes = plot_gain(rows)
    assert axes.get_xlabel() == "Gain in r over the raw signal"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["α map, m"]
    marks = plot_verdicts(found.drop(columns="simulated"))
    yes, no = (part.get_offsets() for part in marks.collections[:2])
    assert len(yes) == len(QUESTIONS) + 1  # and passes
    assert len(no) == 0
    drawn = draw_verdicts(found)
    assert "Simulated data" in [text.get_text() for text in drawn.texts]
    both = draw_validation(rows[rows["statistic"].isin(("pearson", "gain"))])
    assert "Simulated data" in [text.get_text() for text in both.texts]
