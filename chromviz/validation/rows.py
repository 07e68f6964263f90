"""Rows of the tidy table for the tests that run models, from what the models returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.validation.consensus import agreement_by_gene, consensus
from chromviz.validation.paired import weighted_auc
from chromviz.validation.resample import Resampling, draw_genes, mean_draws
from chromviz.validation.tidy import bounds

#: A row of the tidy table.
Row = dict[str, Any]


def prediction_row(label: np.ndarray, logit: np.ndarray, resampling: Resampling) -> Row:
    """Return the AUC of a model over the test genes, with a 95 % interval over genes."""
    genes = len(label)
    counts = draw_genes(genes, np.arange(genes), resampling.n_bootstrap, resampling.seed)
    return {
        "test": "prediction",
        "statistic": "auc",
        "estimate": float(weighted_auc(label, logit, np.ones((1, genes)))[0]),
        **bounds(weighted_auc(label, logit, counts)),
        "n": genes,
        "better": "higher",
        "note": "" if len(np.unique(label)) > 1 else "undefined: all test genes are of one state",
    }


def mean_rows(
    values: Mapping[str, np.ndarray],
    *,
    test: str,
    better: str,
    resampling: Resampling,
    note: str = "",
) -> list[Row]:
    """Return one row for the mean over genes of each statistic (gene,), NaN where undefined."""
    rows = []
    for name, every in values.items():
        each = every[~np.isnan(every)]
        n = len(each)
        row: Row = {"test": test, "statistic": name, "n": n, "better": better, "note": note}
        if n:
            counts = draw_genes(n, np.arange(n), resampling.n_bootstrap, resampling.seed)
            row |= {"estimate": float(each.mean()), **bounds(mean_draws(each, counts))}
        else:
            row["note"] = "undefined in every gene"
        rows.append(row)
    return rows


def attention_rows(moves: pd.DataFrame, resampling: Resampling) -> list[Row]:
    """Return how far predictions move under altered attention, one row per way and statistic.

    `moves` has one row per gene and way: ``way, moved, flipped``.
    """
    rows: list[Row] = []
    for way, part in moves.groupby("way", sort=False):
        values = {name: part[name].to_numpy() for name in ("moved", "flipped")}
        rows += mean_rows(values, test=f"attention, {way}", better="higher", resampling=resampling)
    return rows


def sanity_rows(
    before: np.ndarray,
    after: np.ndarray,
    *,
    way: str,
    layer: str,
    last: bool,
    resampling: Resampling,
) -> list[Row]:
    """Return the mean rank correlation of two explanations over genes.

    `before` and `after` are weights (gene, mark and bin) of the trained model and of the model with
    re-randomised weights. If `last`, all layers are, and the row also appears as ``spearman_last``.
    """
    r = agreement_by_gene(before, after)["spearman"]
    names = [f"spearman, {layer}", *(["spearman_last"] if last else [])]
    return mean_rows(
        dict.fromkeys(names, r), test=f"sanity, {way}", better="lower", resampling=resampling
    )


def stability_rows(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, what: str, note: str, resampling: Resampling
) -> list[Row]:
    """Return how well pairs of explanations of the same genes agree, over pairs and then genes.

    `what` is ``noise`` or ``seeds``; `note` is what a reader should know about it.
    """
    each = [agreement_by_gene(one, other) for one, other in pairs]
    values = {name: np.mean([one[name] for one in each], axis=0) for name in each[0]}
    return mean_rows(
        values, test=f"stability, {what}", better="higher", resampling=resampling, note=note
    )


def consensus_rows(attributions: Mapping[str, xr.Dataset]) -> list[Row]:
    """Return how well every two methods agree on one model, gene by gene.

    Attributions that are not over (gene, mark, bin) are left out.
    """
    whole = {
        name: attribution
        for name, attribution in attributions.items()
        if attribution["weight"].dims == ("gene", "mark", "bin")
    }
    return [
        {
            "method": f"{row['one']} | {row['other']}",
            "test": "consensus",
            "statistic": row["statistic"],
            "estimate": row["estimate"],
            "n": row["n"],
            "note": f"middle 95 % of genes: {row['low']:.3f} to {row['high']:.3f}",
        }
        for _, row in consensus(whole).iterrows()
    ]


def consensus_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the test ``consensus`` of a tidy table, with the two methods in columns.

    Columns: ``cell, model, variant, one, other, statistic, estimate, n, note, simulated, missing``.
    """
    rows = table[table["test"] == "consensus"].reset_index(drop=True)
    pairs = [str(method).partition(" | ") for method in rows["method"]]
    both = {"one": [pair[0] for pair in pairs], "other": [pair[2] for pair in pairs]}
    columns = ["cell", "model", "variant", "one", "other", "statistic", "estimate", "n", "note"]
    return rows.assign(**both)[[*columns, "simulated", "missing"]]
