"""What follows from a validation: a row and a sentence for each model and method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from chromviz.vocabulary import PROMOTER_MARK

#: Level of the tests and intervals.
LEVEL = 0.05

#: What is asked of an explanation, in this order: columns that are 1 (yes), 0 (no) or empty (not
#: asked, or cannot be said).
QUESTIONS = ("predicts", "agrees", "beyond_signal", "finds_causes", "faithful", "depends_on_model")

_YES = {
    "predicts": "the model predicts better than one that knows nothing",
    "agrees": "its mean weights agree with the track",
    "beyond_signal": "they do so more than the raw signal",
    "finds_causes": "it tells planted causes from signal without cause better than the signal does",
    "faithful": "taking its bins away moves the prediction more than random ones",
    "depends_on_model": "it changes when the model's layers are drawn anew",
}
_NO = {
    "predicts": "the model predicts no better than one that knows nothing: there is nothing to "
    "explain",
    "agrees": "its mean weights agree with the track no more than shifted ones",
    "beyond_signal": "they say no more than the raw signal does",
    "finds_causes": "it does not tell planted causes from signal without cause better than the "
    "signal does",
    "faithful": "taking its bins away moves the prediction no more than random ones",
    "depends_on_model": "it hardly changes when the model's layers are drawn anew",
}

#: Mean rank correlation with a wholly random model's explanation up to which it has changed.
_CHANGED = 0.5


def verdicts(table: pd.DataFrame, mark: str = PROMOTER_MARK) -> pd.DataFrame:
    """Return what follows for each model and method.

    ``predicts``: the 95 % interval of the test AUC lies above 0.5 and above the AUC of the same
    architecture untrained and trained on permuted labels, which can be far from 0.5 by chance (so
    that these two never predict). ``agrees``: r of the mean profiles on `mark` is above 0, with
    p < 0.05 against circular shifts; p and not q, for of 100 bins there are only 99 shifts, and no
    such p survives adjustment over a hundred rows. ``beyond_signal``: the
    intervals of the gain over the raw signal, over genes and over chromosomes, lie above 0.
    ``finds_causes``: so does that of ``causes_over_decoys_over_signal``. ``faithful``: so does
    that of ``deletion_over_random``. ``depends_on_model``: its mean rank correlation with the
    explanation of the same network, all layers drawn anew, is at most 0.5.

    An explanation ``passes`` if its model predicts, nothing says that it does not depend on the
    model or is not faithful, and it finds causes; where no truth was planted, if it goes beyond
    the signal. Controls have no verdict.

    Parameters
    ----------
    table
        The tidy table of a validation; tests that are not in it are not asked.
    mark
        The mark whose weights are held against the track.

    Returns
    -------
    pandas.DataFrame
        ``cell, model, variant, method``, the :data:`QUESTIONS`, ``passes``, ``sentence``.
    """
    controls = set(table.loc[(table["model"] == "") & (table["method"] != ""), "method"])
    rows: list[dict[str, Any]] = []
    own = table[(table["method"] != "") & ~table["method"].isin(controls)]
    by = ["cell", "model", "variant", "method"]
    for (cell, model, variant, method), part in own.groupby(by, sort=False):
        if part["estimate"].isna().all() or not set(part["test"]) & {"profile", "planted truth"}:
            continue
        alike = (table["cell"] == cell) & (table["model"] == model) & (table["method"] == "")
        whole = table[alike & (table["variant"] == variant)]
        name = f"{model} ({variant})" if variant else model
        answers = {
            "predicts": _above(_row(whole, "prediction", "auc"), _floor(table[alike])),
            "agrees": _agrees(_row(part, "profile", "pearson", mark)),
            "beyond_signal": _above(_row(part, "profile", "gain", mark), 0),
            "finds_causes": _above(
                _row(part, "planted truth", "causes_over_decoys_over_signal"), 0
            ),
            "faithful": _above(_row(part, "faithfulness, bins", "deletion_over_random"), 0),
            "depends_on_model": _changed(_row(part, "sanity, cascading", "spearman_last")),
        }
        rows.append(
            {
                "cell": cell,
                "model": model,
                "variant": variant,
                "method": method,
                **answers,
                "passes": int(_passes(answers)),
                "sentence": _sentence(f"{method} of {name}", answers),
            }
        )
    columns = ["cell", "model", "variant", "method", *QUESTIONS, "passes", "sentence"]
    return pd.DataFrame(rows, columns=columns)


def _floor(table: pd.DataFrame) -> float:
    """Return what a model's AUC must exceed: chance, and the AUC of its negative controls."""
    controls = (table["test"] == "prediction") & (table["variant"] != "")
    known = table.loc[controls, "estimate"].dropna()
    return float(max([0.5, *known]))


def _passes(answers: dict[str, int | None]) -> bool:
    soundness = [answers[name] for name in ("faithful", "depends_on_model")]
    deciding = "beyond_signal" if answers["finds_causes"] is None else "finds_causes"
    return answers["predicts"] == 1 and 0 not in soundness and answers[deciding] == 1


def _sentence(name: str, answers: dict[str, int | None]) -> str:
    if answers["predicts"] == 0:
        return f"{name}: {_NO['predicts']}"
    parts = []
    for question, answer in answers.items():
        if answer is None or (question == "beyond_signal" and answers["agrees"] == 0):
            continue
        if question != "predicts" or answer == 0:
            parts.append((_YES if answer else _NO)[question])
    return f"{name}: {'; '.join(parts) or 'nothing can be said'}"


def _row(table: pd.DataFrame, test: str, statistic: str, mark: str = "") -> pd.Series[Any] | None:
    """Return the row of a statistic; of several, against different nulls, the first."""
    found = table[
        (table["test"] == test) & (table["statistic"] == statistic) & (table["mark"] == mark)
    ]
    return None if found.empty else found.iloc[0]


def _above(row: pd.Series[Any] | None, value: float) -> int | None:
    """Return whether the intervals that there are lie above a value."""
    if row is None:
        return None
    lows = [row[name] for name in ("ci_low", "chrom_low") if not np.isnan(row[name])]
    return int(min(lows) > value) if lows else None


def _agrees(row: pd.Series[Any] | None) -> int | None:
    if row is None or np.isnan(row["p"]):
        return None
    return int(row["estimate"] > 0 and row["p"] < LEVEL)


def _changed(row: pd.Series[Any] | None) -> int | None:
    if row is None or np.isnan(row["estimate"]):
        return None
    return int(row["estimate"] <= _CHANGED)
