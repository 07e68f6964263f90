"""Draw how well the simulated dataset follows the real profiles that it is calibrated to.

With ``--data``, a folder of real datasets ``E003.nc`` and ``E116.nc`` as ``chromviz prepare`` makes
them, the statistics are computed and written as CSV. Without it the figure is drawn again from
the CSV beside it, so the real data is not needed.

    python figures/simulator_calibration.py --data FOLDER --out figures
    python figures/simulator_calibration.py --out figures
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from chromviz import provenance, schema
from chromviz.data.simulate import simulate
from chromviz.errors import ChromvizError
from chromviz.plot.style import TWO_COLUMNS, figure_style, save_figure
from chromviz.vocabulary import MARKS, REFERENCE_TRACK, cell_label

NAME = "simulator_calibration"
#: The cells with real profiles; E123 takes the calibration of E116.
CELLS = ("E003", "E116")
#: Okabe and Ito's colours, safe for colour-blind readers.
COLOURS = {"real": "#0072B2", "simulated": "#D55E00"}
DASHES = {"real": "-", "simulated": (0, (3, 1))}
LABELS = {1: "ON", 0: "OFF"}
#: A gene's coverage counts where this share of its bins has data.
COVERED = 0.9
#: Height in inches.
HEIGHT = 180 / 25.4


def profiles(dataset: xr.Dataset, source: str) -> pd.DataFrame:
    """Return mean and quantiles along the strand by mark and label.

    Parameters
    ----------
    dataset
        Real or simulated; genes of unknown strand are left out.
    source
        ``"real"`` or ``"simulated"``.

    Returns
    -------
    pandas.DataFrame
        cell, source, mark, label, bin_start (bp from the TSS along the strand), mean, q10, q50,
        q90, n_genes. Marks are arcsinh of -log10 p; H3K27ac is reads per base.
    """
    strand = dataset["strand"].values
    label = dataset["label"].values
    known = (strand != ".") & (label >= 0)
    layers = {
        str(mark): (np.arcsinh(dataset["signal"].values[:, index]), schema.usable(dataset))
        for index, mark in enumerate(dataset["mark"].values)
        if mark in MARKS
    }
    if REFERENCE_TRACK in dataset["track"].values:
        depth = dataset["coverage"].values[list(dataset["track"].values).index(REFERENCE_TRACK)]
        layers[REFERENCE_TRACK] = (depth, (~np.isnan(depth)).mean(axis=1) >= COVERED)
    tables = []
    for mark, (values, complete) in layers.items():
        oriented = np.where((strand == "-")[:, None], values[:, ::-1], values)
        for value, name in LABELS.items():
            chosen = oriented[known & complete & (label == value)]
            if not len(chosen):
                continue
            low, middle, high = np.nanquantile(chosen, [0.1, 0.5, 0.9], axis=0)
            tables.append(
                pd.DataFrame(
                    {
                        "cell": dataset.attrs["cell"],
                        "source": source,
                        "mark": mark,
                        "label": name,
                        "bin_start": dataset["bin_start"].values,
                        "mean": np.nanmean(chosen, axis=0),
                        "q10": low,
                        "q50": middle,
                        "q90": high,
                        "n_genes": len(chosen),
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def compute(folder: Path) -> pd.DataFrame:
    """Return the profiles of the real datasets in a folder and of the simulated ones."""
    tables = []
    for cell in CELLS:
        real = schema.load_dataset(folder / f"{cell}.nc")
        if real.attrs["simulated"]:
            raise ChromvizError(f"{folder / f'{cell}.nc'} is simulated; give real datasets")
        tables += [profiles(real, "real"), profiles(simulate(cell), "simulated")]
    return pd.concat(tables, ignore_index=True).round(4)


def draw(table: pd.DataFrame) -> Figure:
    """Draw marks down, cells and labels across; real and simulated in each panel."""
    rows = [*MARKS, REFERENCE_TRACK]
    columns = [(cell, label) for cell in CELLS for label in LABELS.values()]
    with figure_style():
        # Placed by hand: the grid is regular, and the caption needs its own room.
        figure = Figure(figsize=(TWO_COLUMNS, HEIGHT))
        figure.set_layout_engine("none")
        place = {"left": 0.06, "right": 0.99, "top": 0.895, "bottom": 0.1}
        gaps = {"wspace": 0.1, "hspace": 0.2}
        axes = figure.subplots(
            len(rows), len(columns), sharex=True, sharey="row", gridspec_kw=place | gaps
        )
        for down, mark in enumerate(rows):
            for across, (cell, label) in enumerate(columns):
                axis = axes[down, across]
                chosen = table[(table.cell == cell) & (table.mark == mark)]
                _panel(axis, chosen, label, relative=mark == REFERENCE_TRACK)
                if down == 0:
                    axis.set_title(f"{cell_label(cell)}, {label} genes\n{_counts(chosen, label)}")
                if across == 0:
                    axis.set_ylabel(mark, fontweight="bold")
            axes[down, 0].set_ylim(bottom=0)
        axes[-1, 0].set_ylim(0, 2.6)
        axes[0, 0].set_xlim(-5, 5)
        axes[0, 0].set_xticks([-4, -2, 0, 2, 4])
        figure.supxlabel("Distance from the TSS along the strand (kb)", x=0.525, y=0.058)
        figure.align_ylabels(axes[:, 0])
        figure.legend(
            handles=_handles(), loc="upper center", ncols=4, bbox_to_anchor=(0.525, 0.975)
        )
        figure.text(
            0.525,
            0.985,
            "Simulated profiles beside the real ones that they are calibrated to",
            ha="center",
            va="center",
            fontweight="bold",
        )
        figure.text(0.012, 0.012, _caption(table), ha="left", va="bottom", fontsize=6)
    return figure


def _handles() -> list[Line2D | Patch]:
    """Return what the legend shows: a line and a band for each source."""
    words = {"real": "real (Roadmap)", "simulated": "SIMULATED"}
    handles: list[Line2D | Patch] = []
    for source, colour in COLOURS.items():
        line = {"color": colour, "linewidth": 1.2, "linestyle": DASHES[source]}
        handles.append(Line2D([], [], label=f"{words[source]}: mean", **line))
        band = f"{words[source]}: 10–90 % of genes"
        handles.append(Patch(color=colour, alpha=0.22, linewidth=0, label=band))
    return handles


def _panel(axis: Axes, table: pd.DataFrame, label: str, *, relative: bool) -> None:
    """Draw one mark, cell and label; `relative` divides by the peak of the mean of ON genes."""
    for source, colour in COLOURS.items():
        both = table[table.source == source]
        rows = both[both.label == label]
        if rows.empty:
            axis.text(
                0.98, 0.95, f"no {source} profile", ha="right", va="top", transform=axis.transAxes
            )
            continue
        unit = both.loc[both.label == "ON", "mean"].max() if relative else 1.0
        centre = (rows.bin_start + 50) / 1000
        axis.fill_between(
            centre, rows.q10 / unit, rows.q90 / unit, color=colour, alpha=0.22, linewidth=0
        )
        axis.plot(
            centre, rows["mean"] / unit, color=colour, linewidth=1.0, linestyle=DASHES[source]
        )


def _counts(table: pd.DataFrame, label: str) -> str:
    """Return how many genes a column of panels rests on."""
    counts = table[table.label == label].groupby("source")["n_genes"].first()
    return f"{counts['real']:,} real, {counts['simulated']:,} simulated"


def _caption(table: pd.DataFrame) -> str:
    """Return what is real, what is simulated, and the units."""
    depth = table[(table.mark == REFERENCE_TRACK) & (table.source == "real")]
    counts = depth.groupby("label")["n_genes"].first()
    return (
        "Marks: arcsinh of −log10 p. Real: Roadmap Epigenomics, genes of known strand whose window "
        "lies in the ENCODE pilot regions; ON: RPKM\nabove the cell's median. "
        "Simulated: the embedded dataset, seed 0. "
        f"{REFERENCE_TRACK}: reads per base over the peak of ON genes' mean; real for E003: "
        f"{counts.get('ON', 0)} ON, {counts.get('OFF', 0)} OFF genes."
    )


def main(arguments: list[str] | None = None) -> int:
    """Compute where there is data, draw, and write the figure and its numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of real datasets E003.nc and E116.nc")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    options = parser.parse_args(arguments)
    numbers = options.out / f"{NAME}.csv"
    try:
        if options.data is not None:
            with provenance.atomic_path(numbers) as temporary:
                compute(options.data).to_csv(temporary, index=False)
        elif not numbers.is_file():
            raise ChromvizError(f"no {numbers}; give the real datasets with --data")  # noqa: TRY301
        stem = numbers.with_suffix("")
        save_figure(draw(pd.read_csv(numbers)), stem, metadata={"Title": __doc__.splitlines()[0]})
    except ChromvizError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wrote {stem}.csv, .pdf and .png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
