"""A figure in a result folder: PDF, PNG, and a CSV of what it shows."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib.figure import Figure

from chromviz import provenance
from chromviz.plot.style import save_figure
from chromviz.plot.validation import draw_validation
from chromviz.recipes.folder import ResultFolder
from chromviz.vocabulary import PROMOTER_MARK


def write_figure(
    folder: ResultFolder,
    name: str,
    title: str,
    table: pd.DataFrame,
    draw: Callable[[pd.DataFrame], Figure],
) -> None:
    """Write ``{name}.{csv,pdf,png}``, unless they are there and of the same numbers.

    Parameters
    ----------
    folder
        The result folder, whose seed is recorded.
    name, title
        The files' name, and the figure's for its metadata.
    table
        What the figure shows, with a column ``simulated``.
    draw
        Draws it.
    """
    csv = table.to_csv(index=False, lineterminator="\n")

    def make() -> None:
        provenance.write_text(folder.path / f"{name}.csv", csv)
        metadata = {
            "Title": f"{title} (simulated data)" if table["simulated"].any() else title,
            "Creator": f"chromviz {provenance.versions()['chromviz']}",
            "Subject": f"{folder.subject}, seed {folder['seed']}; made by: {provenance.command()}",
            "Keywords": f"table sha256 {provenance.hash_json(csv)}",
        }
        save_figure(draw(table), folder.path / name, metadata=metadata)

    folder.once(name, csv, [f"{name}.{form}" for form in ("csv", "pdf", "png")], make)


def write_gain(folder: ResultFolder, table: pd.DataFrame) -> None:
    """Write the figure ``gain``: agreement of each explanation, and its gain over the raw signal.

    Parameters
    ----------
    folder
        The result folder.
    table
        A tidy table, see :data:`chromviz.validate.tidy.COLUMNS`; without agreement on H3K4me3
        there is no figure.
    """
    profile = table[(table["test"] == "profile") & (table["mark"] == PROMOTER_MARK)]
    shown = profile[profile["statistic"].isin(("pearson", "gain"))].reset_index(drop=True)
    if len(shown):
        write_figure(
            folder, "gain", "Agreement, and gain over the raw signal", shown, draw_validation
        )
