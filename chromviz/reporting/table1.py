"""Table 1 of the paper: what the models of earlier studies can do."""

from __future__ import annotations

import pandas as pd

from chromviz.catalog import model_label
from chromviz.plot.style import require_columns
from chromviz.reporting.grid import Grid

_YES_NO = {
    "unified": "one piece",
    "non_linear": "non-linear",
    "neighbouring_bins": "neighbouring bins",
    "whole_region": "whole region",
    "prediction": "predicts",
    "interactions": "marks interact",
    "interpretable": "interpretable",
}
TABLE1_COLUMNS = ("model", "study", "bins", *_YES_NO, "own", "gradient", "n_methods")
_OWN = {"alpha": "α", "beta": "β"}


def table1_grid(table: pd.DataFrame) -> Grid:
    """Return Table 1; `table` has one row per model and the columns :data:`TABLE1_COLUMNS`."""
    require_columns(table, TABLE1_COLUMNS, "Table 1")
    header = ["Model", "Study", "bins", *_YES_NO.values()]
    header += ["explains itself by", "has a gradient", "methods"]
    rows = [
        [
            model_label(str(row["model"])),
            str(row["study"]),
            str(row["bins"]),
            *("yes" if row[name] else "no" for name in _YES_NO),
            ", ".join(_OWN.get(name, name) for name in str(row["own"] or "").split(",")) or "–",
            "yes" if row["gradient"] else "no",
            str(row["n_methods"]),
        ]
        for _, row in table.iterrows()
    ]
    return Grid(
        title="Table 1",
        caption=(
            "What the models of earlier studies can do, as the paper judges their published "
            "forms: whether the model is one piece from signal to prediction, sees what is not "
            "linear, how it takes in bins, represents neighbouring bins and the whole region, "
            "predicts, lets marks interact, and can be interpreted. The last three columns are of "
            "the models as chromviz builds them, all of which predict: the explanation that comes "
            "with the model, whether its output has a gradient, and how many methods of "
            "explanation can serve it."
        ),
        label="table-1",
        header=header,
        groups=[("", rows)],
        numbers={len(header) - 1},
        simulated=False,
    )
