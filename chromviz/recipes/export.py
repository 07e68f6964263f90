"""Attributions of a result folder as genome tracks and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.catalog import is_control, slug
from chromviz.data.cells import open_cell
from chromviz.data.signal.chromosomes import find_assembly
from chromviz.errors import ChromvizError, UnknownNameError, known_names
from chromviz.plot.style import mark_colour
from chromviz.recipes.attributions import FOLDER
from chromviz.recipes.run import Outcome, RunOptions, finished, run_options
from chromviz.reporting.genome_tracks import BinLayout, Located, TrackFiles, lay_out
from chromviz.results.folder import ResultFolder, default_folder
from chromviz.results.reading import open_results
from chromviz.schema import Summary, dataset_hash, load_attribution, require_made_from
from chromviz.vocabulary import PROMOTER_MARK, cell_label

#: What can be written: tracks, top bins, tables.
FORMATS = ("bigwig", "bedgraph", "bed", "csv", "parquet")

#: The commands whose result folders have attributions.
COMMANDS = ("compare", "validate", "extract")

#: The browser session shows this many bases on each side of a TSS.
_AROUND = 20_000


@dataclass(frozen=True, repr=False)
class Export(Outcome):
    """The result of :func:`export`; `notes` say what users should know about the files."""

    files: list[str]
    notes: list[str]
    simulated: bool

    def summary(self) -> Summary:
        """Return what was written, in a few lines."""
        notes = (("note", note) for note in self.notes)
        files = ("files", str(len(self.files)))
        return self.brief("Tracks and tables", self.simulated, files, *notes)


def export(
    cell: str,
    *,
    data: str | Path | None = None,
    results: str | Path | None = None,
    out: str | Path | None = None,
    methods: Sequence[str] | None = None,
    formats: Sequence[str] = ("bigwig", "bed", "csv"),
    chrom_sizes: str | Path | None = None,
    top: int = 5,
    **options: Unpack[RunOptions],
) -> Export:
    """Write the attributions of a result folder in genome coordinates, and what they explain.

    Parameters
    ----------
    cell, data
        The cell type, and the folder of its dataset; see :func:`chromviz.compare`.
    results
        A folder of ``compare``, ``validate`` or ``extract``; by default ``results/{cell}``.
    out
        Where to write; by default ``{results}/tracks``.
    methods
        Names of methods; by default all that explain trained models.
    formats
        Any of ``bigwig``, ``bedgraph``, ``bed`` (top bins), ``csv``, ``parquet``. An IGV session
        comes with ``bigwig`` or ``bedgraph``.
    chrom_sizes
        File of chromosome sizes, if the assembly of the dataset is not built in.
    top
        Number of top bins of each gene, in BED.
    **options
        ``reporter``.

    Returns
    -------
    Export
        ``files`` are the names of the files in ``folder``. Values of tracks are per bin, in the
        unit of the dataset or of the method; coordinates are 0-based and half-open (bp).

    Raises
    ------
    ChromvizError
        If a name is unknown, the folder is incomplete or edited, it holds no attribution of this
        dataset, or chromosome sizes are missing or do not fit; before anything is written.

    Examples
    --------
    >>> import chromviz as cv
    >>> run = cv.compare("K562", models=["linear-regression"], methods=["coefficients"])
    >>> written = cv.export("K562", methods=["raw_signal"], formats=["bedgraph"])
    >>> "signal.H3K4me3.bedgraph" in written.files
    True
    """
    run = run_options(options)
    wanted = _formats(formats)
    if top < 1:
        raise ChromvizError(f"the number of top bins must be at least 1, not {top}")
    dataset = open_cell(cell, data)
    label = str(dataset.attrs["cell"])
    place = Path(results) if results else default_folder(label)
    found = _attributions(place, dataset, methods)
    sizes = Path(chrom_sizes) if chrom_sizes else None
    assembly = find_assembly(str(dataset.attrs["assembly"]), sizes)
    rows = np.unique(np.concatenate([at for _, at in found.values()]))
    whole = lay_out(dataset, rows, assembly.sizes)
    folder = ResultFolder(Path(out) if out else place / "tracks", f"export {label}")
    folder["simulated"] = int(dataset.attrs["simulated"])
    folder["dataset"] = {"cell": label, "sha256": dataset_hash(dataset)}
    writer = TrackFiles(folder, dataset, wanted)
    for what, dim in (("signal", "mark"), ("coverage", "track")):
        values = dataset[what].isel(gene=rows).transpose(dim, "gene", "bin").values
        for name, of_name in zip(map(str, dataset[dim].values), values, strict=True):
            title, colour = f"{name} {what}", mark_colour(name)
            writer.track(f"{what}.{slug(name)}", title, colour, whole, of_name)
    for done, (name, (attribution, at)) in enumerate(found.items(), 1):
        layout = lay_out(dataset, at, assembly.sizes)
        writer.attribution(Located(name, attribution, at, layout), top)
        run.reporter.progress("export", done, len(found))
    writer.session(str(dataset.attrs["assembly"]) or "unknown", _locus(dataset, rows))
    notes = [*writer.notes, *_hidden(whole)]
    folder["notes"] = notes
    simulated = bool(dataset.attrs["simulated"])
    return Export(*finished(folder), writer.files, notes, simulated)


def _formats(names: Sequence[str]) -> list[str]:
    wanted = known_names("format", names, FORMATS)
    if not wanted:
        raise ChromvizError(f"nothing to write; name some of {', '.join(FORMATS)} with --formats")
    if "parquet" in wanted:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ChromvizError(
                "Parquet needs pyarrow: pip install 'chromviz[parquet]'; or leave it out of "
                "--formats"
            ) from None
    return wanted


def _attributions(
    place: Path, dataset: xr.Dataset, names: Sequence[str] | None
) -> dict[str, tuple[xr.Dataset, np.ndarray]]:
    """Return the attributions over genes and bins in a result folder, with the genes' positions.

    Variants of models, such as untrained networks, are left out.
    """
    results = open_results(place, *COMMANDS)
    files = [name for name in results.files if name.startswith(f"{FOLDER}/")]
    every = {Path(name).stem: load_attribution(results.file(name)) for name in files}
    shown = {name: one for name, one in every.items() if not one.attrs.get("variant")}
    known = sorted({str(one.attrs["method"]) for one in shown.values()})
    for name in names or ():
        if name not in known:
            raise UnknownNameError("method", name, known, f"{place} holds these.")
    data_hash, cell = dataset_hash(dataset), str(dataset.attrs["cell"])
    index = pd.Index(dataset["gene"].values)
    found = {}
    for name, one in shown.items():
        method, dims = str(one.attrs["method"]), one["weight"].dims
        if (names and method not in names) or (names is None and is_control(method)):
            continue
        if "gene" in dims and "bin" in dims:
            require_made_from(one, cell, data_hash)
            found[name] = (one, index.get_indexer(one["gene"].values))
    if not found:
        raise ChromvizError(
            f"{place} holds no weights over genes and bins of these methods; the weights of a "
            f"class and β have no position on the genome ({cell_label(cell)})"
        )
    return found


def _hidden(layout: BinLayout) -> list[str]:
    """Return a note about genes whose TSS coincides with that of another gene."""
    hidden = layout.hidden
    shown = ", ".join(hidden[:5]) + (" …" if len(hidden) > 5 else "")
    note = (
        f"{len(hidden)} genes share their TSS with another gene, which the tracks show instead: "
        f"{shown}; the tables contain all genes"
    )
    return [note] if hidden else []


def _locus(dataset: xr.Dataset, rows: np.ndarray) -> str:
    """Return where a session opens: at the gene with the highest signal of the promoter mark."""
    names = [str(mark) for mark in dataset["mark"].values]
    mark = names.index(PROMOTER_MARK) if PROMOTER_MARK in names else 0
    best = rows[int(np.nan_to_num(dataset["signal"].values[rows, mark].mean(axis=1)).argmax())]
    tss = int(dataset["tss"].values[best])
    return f"{dataset['chrom'].values[best]}:{max(tss - _AROUND, 1)}-{tss + _AROUND}"
