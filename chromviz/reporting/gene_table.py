"""One gene across cell types as a table of text, with warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chromviz.catalog import method_label, model_label
from chromviz.reporting.grid import Grid
from chromviz.vocabulary import ZERO_FILLED

_MOST_NEAR = 5


def audit_grid(record: Mapping[str, Any]) -> Grid:
    """Return one row per cell type and model of a gene: label, expression, prediction, β."""
    marks = list(dict.fromkeys(mark for cell in record["cells"] for mark in cell["signal"]))
    rows, betas = [], []
    for cell in record["cells"]:
        expression = cell["expression"]
        known = [
            cell["label"],
            cell["state"],
            "unknown" if expression is None else _text(expression),
        ]
        for model in cell["models"] or [None]:
            name = "" if model is None else model_label(model["model"])
            p = cell["unreadable"] if model is None else _text(model["probability"])
            beta = _beta(model)
            betas.append(bool(beta))
            rows.append([*known, name, p, cell["split"], *(_text(beta.get(m)) for m in marks)])
    header = ["cell type", "label", "expression", "model", "p(ON)", "split"]
    header += [f"β {mark}" for mark in marks]
    if not any(betas):
        header, rows = header[:6], [row[:6] for row in rows]
    symbol, gene = record["symbol"], record["gene"]
    return Grid(
        title=f"{symbol} ({gene})" if symbol and symbol != gene else gene,
        caption="label: ON or OFF by expression; p(ON): the model's probability; split: what the "
        "gene was to the model's training; β sums to 1 over marks.",
        label=f"audit-{gene}",
        header=header,
        numbers=[2, 4, *range(6, len(header))],
        groups=[("", rows)],
        simulated=bool(record["simulated"]),
    )


def audit_notes(record: Mapping[str, Any]) -> list[str]:
    """Return the warnings as lines, each with the cell type and model that it is about."""
    notes: list[str] = []
    for cell in record["cells"]:
        for model in cell["models"]:
            where = f"{cell['label']}, {model_label(model['model'])}"
            flagged = [
                method_label(one["method"]) for one in model["methods"] if one.get("flagged")
            ]
            for item in model["warnings"]:
                named = f" ({', '.join(flagged)})" if item["code"] == "incomplete" else ""
                notes.append(f"{where}: {item['text']}{named}")
        near = [
            f"{one['symbol'] or one['gene']} at {one['offset']:+,} bp" for one in cell["neighbours"]
        ]
        for item in cell["warnings"]:
            named = ""
            if item["code"] == "neighbour":
                more = " …" if len(near) > _MOST_NEAR else ""
                named = f" ({', '.join(near[:_MOST_NEAR])}{more})"
            notes.append(f"{cell['label']}: {item['text']}{named}")
    if any(cell["missing_policy"] == "zero" for cell in record["cells"]):
        notes.append(ZERO_FILLED)
    return notes


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _beta(model: Mapping[str, Any] | None) -> dict[str, float]:
    """Return β by mark, empty if the model gives none."""
    for method in model["methods"] if model else ():
        if method["method"] == "beta":
            return {mark: values[0] for mark, values in method["weight"].items()}
    return {}
