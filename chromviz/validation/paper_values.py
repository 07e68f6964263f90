"""The paper's numbers, to be shown next to ours."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources


def _statistics(rows: Mapping[str, tuple[float, ...]]) -> dict[str, dict[str, float]]:
    """Name the statistics over cell types of each model; only Table 2 has the last."""
    names = ("mean", "median", "max", "min", "better")
    return {model: dict(zip(names, values, strict=False)) for model, values in rows.items()}


#: Columns of Table 1: whether the model is end-to-end, is non-linear, how it reads bins, whether it
#: represents neighbouring bins and the whole region, predicts, models interactions of marks, and
#: can be interpreted.
TABLE_1_PROPERTIES = (
    *("study", "unified", "non_linear", "bins", "neighbouring_bins", "whole_region"),
    *("prediction", "interactions", "interpretable"),
)

#: Table 3: Pearson's r by (method, model, cell). The paper does not say whether its saliency map
#: keeps the gradient's sign, so its value is given for both.
TABLE_3: dict[tuple[str, str, str], float] = {
    (method, model, cell): value
    for (method, model), values in {
        ("alpha", "lstm-alpha"): (0.8523, 0.8827, 0.9147),
        ("alpha", "lstm-alpha-beta"): (0.8995, 0.8456, 0.9027),
        ("class_optimization", "deepchrome"): (0.0562, 0.1741, 0.1116),
        ("saliency", "deepchrome"): (0.1822, -0.1421, 0.2238),
        ("saliency_absolute", "deepchrome"): (0.1822, -0.1421, 0.2238),
    }.items()
    for cell, value in zip(("E003", "E116", "E123"), values, strict=True)
}

#: Table 1: properties of each study's model as judged by the paper (1 yes, 0 no), and how it reads
#: bins, by chromviz's name of the model.
TABLE_1: dict[str, dict[str, str | int]] = {
    model: dict(zip(TABLE_1_PROPERTIES, values, strict=True))
    for model, values in {
        "linear-regression": ("Karlić et al. 2010", 0, 0, "none", 0, 1, 1, 0, 1),
        "svm": ("Cheng et al. 2011", 0, 1, "each bin by itself", 0, 1, 1, 1, 0),
        "random-forest": ("Dong et al. 2012", 0, 1, "the best bin", 0, 1, 0, 0, 0),
        "rules": ("Ho et al. 2015", 0, 1, "none", 0, 1, 0, 1, 0),
        "deepchrome": ("Singh et al. 2016", 1, 1, "learned", 1, 1, 1, 1, 0),
        "lstm-alpha-beta": ("Singh et al. 2017", 1, 1, "learned", 1, 1, 1, 1, 1),
    }.items()
}

#: Table 2: test AUC over 56 cell types; ``better`` is the number of them above DeepChrome's.
TABLE_2 = _statistics(
    {
        "deepchrome": (0.8008, 0.8009, 0.9225, 0.6854),
        "lstm": (0.8052, 0.8036, 0.9185, 0.7073, 36),
        "cnn-attn": (0.7622, 0.7617, 0.8707, 0.6469, 0),
        "cnn-alpha-beta": (0.7936, 0.7914, 0.9059, 0.7001, 16),
        "lstm-attn": (0.8100, 0.8118, 0.9155, 0.7237, 49),
        "lstm-alpha": (0.8133, 0.8143, 0.9218, 0.7250, 50),
        "lstm-alpha-beta": (0.8115, 0.8123, 0.9177, 0.7215, 49),
    }
)

#: Table S1: test AUC of AttentiveChrome on one mark at a time, and on all, by cell and mark.
TABLE_S1: dict[tuple[str, str], float] = {
    ("E116", mark): value
    for mark, value in {
        "all": 0.9085,
        "H3K4me3": 0.8893,
        "H3K4me1": 0.8516,
        "H3K36me3": 0.8506,
        "H3K27me3": 0.7698,
        "H3K9me3": 0.6465,
    }.items()
}

#: Table S2: F1 over 56 cell types.
TABLE_S2 = _statistics(
    {"deepchrome": (0.55, 0.69, 0.89, 0.12), "lstm-alpha-beta": (0.56, 0.62, 0.88, 0.16)}
)

#: Table S3: test AUC over 56 cell types.
TABLE_S3 = _statistics(
    {
        "random-forest": (0.59, 0.58, 0.71, 0.52),
        "svm": (0.75, 0.76, 0.87, 0.62),
        "deepchrome": (0.80, 0.80, 0.92, 0.69),
        "lstm": (0.81, 0.80, 0.92, 0.71),
    }
)


@cache
def deepchrome_auc() -> dict[str, float]:
    """Return DeepChrome's published test AUC by EID (Frasca et al., BMC Bioinformatics 2022)."""
    text = resources.files("chromviz").joinpath("deepchrome_auc.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["cell"]: float(row["auc"]) for row in rows}
