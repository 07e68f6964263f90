"""Verdicts of a validation: one row and one sentence for each model and method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK

#: A row of the tidy table, None where a test was not run.
Evidence = pd.Series | None

#: Level of the tests and intervals.
LEVEL = 0.05

#: The test and statistic that answer each question about an explanation.
_ROWS = {
    "predicts": ("prediction", "auc"),
    "agrees": ("profile", "pearson"),
    "beyond_signal": ("profile", "gain"),
    "finds_causes": ("planted truth", "causes_over_decoys_over_signal"),
    "faithful": ("faithfulness, bins", "deletion_over_random"),
    "depends_on_model": ("sanity, cascading", "spearman_last"),
}
#: Columns of the verdicts that are 1 (yes), 0 (no) or empty (not tested, or undefined).
QUESTIONS = tuple(_ROWS)

#: Sentences by question for yes and no; the numbers that they rest on follow in brackets.
_SENTENCES = {
    "predicts": ("AUC clearly above {floor}", "AUC not clearly above {floor}"),
    "agrees": ("agrees with {track}", "no evidence of agreement with {track}"),
    "beyond_signal": ("r exceeds that of the raw signal", "no better than the raw signal"),
    "finds_causes": (
        "separates causal from decoy bins better than the raw signal",
        "does not separate causal from decoy bins better than the raw signal",
    ),
    "faithful": (
        "deleting its top bins changes the prediction more than deleting random bins",
        "deleting its top bins changes the prediction no more than deleting random bins",
    ),
    "depends_on_model": (
        "changes when the weights of the model are re-randomised",
        "hardly changes when the weights of the model are re-randomised",
    ),
}
#: The name of a question's estimate in its sentence.
_ESTIMATES = {
    "predicts": "AUC",
    "beyond_signal": "gain",
    "finds_causes": "gain",
    "faithful": "difference in logit",
    "depends_on_model": "mean rank correlation",
}
#: The name of a control in a sentence.
_CONTROLS = {"permuted labels": "the permuted-label control", "untrained": "the untrained control"}

#: Highest mean rank correlation with the explanation of a re-randomised model that counts as a
#: change.
_CHANGED = 0.5


def verdicts(
    table: pd.DataFrame, mark: str = PROMOTER_MARK, track: str = REFERENCE_TRACK
) -> pd.DataFrame:
    """Return the verdict for each model and method.

    - ``predicts``: the 95 % interval of the test AUC lies above 0.5, and above the AUC of the same
      architecture untrained and trained on permuted labels, which can differ from 0.5 by chance.
    - ``agrees``: r of the mean profiles on `mark` is above 0, with p < 0.05 against circular
      shifts. This is p and not q: 100 bins allow only 99 shifts, and no such p survives adjustment.
    - ``beyond_signal``: the intervals of the gain in r over the raw signal, over genes and over
      chromosomes, lie above 0.
    - ``finds_causes``, ``faithful``: the interval of ``causes_over_decoys_over_signal`` or of
      ``deletion_over_random`` lies above 0.
    - ``depends_on_model``: the mean rank correlation with the explanation of the network with all
      weights re-randomised is at most 0.5.

    An explanation ``passes`` if its model predicts, it is not found to be unfaithful or independent
    of the model, and it finds causes, or, in data without planted truth, goes beyond the signal.
    Controls have no verdict. Questions whose tests are not in the table stay open.
    """
    is_model = table["method"] == ""
    is_control = (table["model"] == "") & ~is_model
    own = table[~is_model & ~table["method"].isin(set(table.loc[is_control, "method"]))]
    by = ["cell", "model", "variant", "method"]
    rows: list[dict[str, Any]] = []
    for key, part in own.groupby(by, sort=False):
        if part["estimate"].isna().all() or not set(part["test"]) & {"profile", "planted truth"}:
            continue
        cell, model, variant, method = key
        of_model = table[is_model & (table["cell"] == cell) & (table["model"] == model)]
        trained = of_model[of_model["variant"] == variant]
        evidence = {
            question: _row(trained if question == "predicts" else part, *place, mark)
            for question, place in _ROWS.items()
        }
        floor, named = _floor(of_model)
        answers = {
            question: _answer(question, row, floor if question == "predicts" else 0)
            for question, row in evidence.items()
        }
        name = f"{model} ({variant})" if variant else model
        limit = "" if named == "chance" else f"; control {floor:.2f}"
        said = {"track": track, "floor": named, "limit": limit}
        sentence = f"{method} of {name}: {_sentence(answers, evidence, said)}"
        passes = {"passes": int(_passes(answers)), "sentence": sentence}
        rows.append({**dict(zip(by, key, strict=True)), **answers, **passes})
    return pd.DataFrame(rows, columns=[*by, *QUESTIONS, "passes", "sentence"])


def _floor(of_model: pd.DataFrame) -> tuple[float, str]:
    """Return what the AUC of a model must exceed, chance or a control, and its name."""
    controls = of_model[(of_model["test"] == "prediction") & (of_model["variant"] != "")]
    known = controls.dropna(subset="estimate")
    if not (known["estimate"] > 0.5).any():
        return 0.5, "chance"
    highest = known.sort_values("estimate").iloc[-1]
    variant = str(highest["variant"])
    named = _CONTROLS.get(variant, f"the control ({variant})")
    return float(highest["estimate"]), named


def _answer(question: str, row: Evidence, value: float = 0) -> int | None:
    """Return 1 for yes, 0 for no, None where it is not tested or undefined."""
    if row is None:
        return None
    if question == "agrees":
        return None if np.isnan(row["p"]) else int(row["estimate"] > 0 and row["p"] < LEVEL)
    if question == "depends_on_model":
        return None if np.isnan(row["estimate"]) else int(row["estimate"] <= _CHANGED)
    lows = row[["ci_low", "chrom_low"]].dropna()
    return int(lows.min() > value) if len(lows) else None


def _passes(answers: dict[str, int | None]) -> bool:
    soundness = [answers[name] for name in ("faithful", "depends_on_model")]
    deciding = "beyond_signal" if answers["finds_causes"] is None else "finds_causes"
    return answers["predicts"] == 1 and 0 not in soundness and answers[deciding] == 1


def _sentence(
    answers: dict[str, int | None], evidence: dict[str, Evidence], said: dict[str, str]
) -> str:
    """Return the answers in words, each with its numbers; only the first if it is no."""
    parts = []
    for question, answer in answers.items():
        row = evidence[question]
        skipped = question == "beyond_signal" and answers["agrees"] == 0
        if answer is None or row is None or skipped or (question == "predicts" and answer == 1):
            continue
        yes, no = _SENTENCES[question]
        numbers = _numbers(question, row) + (said["limit"] if question == "predicts" else "")
        parts.append(f"{(yes if answer else no).format(**said)} ({numbers})")
        if question == "predicts":
            break
    return "; ".join(parts) or "not tested, or undefined"


def _numbers(question: str, row: pd.Series[Any]) -> str:
    """Return the numbers that an answer rests on."""
    if question == "agrees":
        p = f"p = {row['p']:.2g} against circular shifts"
        return p if _answer(question, row) == 0 else f"r = {row['estimate']:.2f}, {p}"
    text = f"{_ESTIMATES[question]} {row['estimate']:.2f}"
    if question == "depends_on_model":
        return text
    # Of two intervals, the deciding one is named.
    low, high, over = "ci_low", "ci_high", ""
    if row["chrom_low"] < row["ci_low"]:
        low, high, over = "chrom_low", "chrom_high", " over chromosomes"
    return f"{text}, 95 % interval{over} {row[low]:.2f} to {row[high]:.2f}"


def _row(table: pd.DataFrame, test: str, statistic: str, mark: str) -> Evidence:
    """Return the row of a statistic; of several, against different nulls, the first."""
    on_mark = table["mark"] == (mark if test == "profile" else "")
    found = table[(table["test"] == test) & (table["statistic"] == statistic) & on_mark]
    return None if found.empty else found.iloc[0]
