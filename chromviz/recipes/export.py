"""Attributions, signal and coverage as tracks for a genome browser, and as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.catalog import method_label, model_label
from chromviz.data.signal.chromosomes import find_assembly
from chromviz.data.store import open_cell
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.models import slug
from chromviz.plot.style import GREY, mark_colour
from chromviz.progress import SILENT, Reporter
from chromviz.reporting import tracks
from chromviz.reporting.terminal import SIMULATED
from chromviz.results.folder import ResultFolder, default_folder
from chromviz.results.tables import to_csv, write_csv
from chromviz.schema import dataset_hash, load_attribution, require_made_from
from chromviz.vocabulary import PROMOTER_MARK

#: What can be written: tracks, bins of highest weight, tables.
FORMATS = ("bigwig", "bedgraph", "bed", "csv", "parquet")

#: A locus shows so many bases to either side of a TSS.
_AROUND = 20_000


@dataclass(frozen=True)
class Export:
    """What was written.

    Parameters
    ----------
    folder
        Where.
    files
        Names of the files in it.
    notes
        What a reader must know of them.
    simulated
        Whether the data are.
    made, kept
        Steps done now, and steps found done.
    """

    folder: Path
    files: list[str]
    notes: list[str]
    simulated: bool
    made: list[str]
    kept: list[str]


def export(
    cell: str,
    *,
    data: Path | None = None,
    results: Path | None = None,
    out: Path | None = None,
    method_names: Sequence[str] | None = None,
    formats: Sequence[str] = ("bigwig", "bed", "csv"),
    chrom_sizes: Path | None = None,
    top: int = 5,
    reporter: Reporter = SILENT,
) -> Export:
    """Write a result folder's attributions in genome coordinates, and what they explain.

    Parameters
    ----------
    cell, data
        The cell type, and where its dataset is, as for :func:`chromviz.recipes.compare.compare`.
    results
        A result folder with ``attributions/``; ``results/{cell}`` if not given.
    out
        Where to write; ``{results}/tracks`` if not given.
    method_names
        Methods; all that the folder holds of trained models if None.
    formats
        Any of :data:`FORMATS`. An IGV session comes with bigWig or bedGraph.
    chrom_sizes
        Sizes of chromosomes, where the dataset's assembly is not a known one.
    top
        Bins of highest weight of each gene, in BED.
    reporter
        Told how it goes.

    Raises
    ------
    ChromvizError
        If a name is unknown, the folder holds no attribution of this dataset, or sizes are
        missing or do not fit; before anything is written.
    """
    wanted = _formats(formats)
    if top < 1:
        raise ChromvizError(f"--top must be at least 1, not {top}")
    dataset = open_cell(cell, data)
    label = str(dataset.attrs["cell"])
    place = results or default_folder(label)
    found = _attributions(place, dataset, method_names)
    assembly = find_assembly(str(dataset.attrs["assembly"]), chrom_sizes)
    rows = np.unique(np.concatenate([at for _, at in found.values()]))
    whole = tracks.lay_out(dataset, rows, assembly.sizes)
    folder = ResultFolder(out or place / "tracks", f"export {label}")
    folder["simulated"] = int(dataset.attrs["simulated"])
    folder["dataset"] = {"cell": label, "sha256": dataset_hash(dataset)}
    writer = _Writer(folder, dataset, wanted, SIMULATED if dataset.attrs["simulated"] else "")
    for mark, values in _named(dataset, "signal", rows):
        writer.track(f"signal.{slug(mark)}", f"{mark} signal", mark_colour(mark), whole, values)
    for name, values in _named(dataset, "coverage", rows):
        writer.track(f"coverage.{slug(name)}", f"{name} coverage", mark_colour(name), whole, values)
    for done, (name, (attribution, at)) in enumerate(found.items(), 1):
        layout = tracks.lay_out(dataset, at, assembly.sizes)
        _export_one(writer, name, attribution, at, layout, top)
        reporter.progress("export", done, len(found))
    writer.session(str(dataset.attrs["assembly"]) or "unknown", _locus(dataset, rows))
    notes = writer.notes
    if whole.hidden:
        notes.append(
            f"{len(whole.hidden)} genes have the TSS of another, which the tracks show: "
            f"{', '.join(whole.hidden[:5])}{' …' if len(whole.hidden) > 5 else ''}; tables have all"
        )
    folder["notes"] = notes
    folder.finish()
    simulated = bool(dataset.attrs["simulated"])
    return Export(folder.path, writer.files, notes, simulated, folder.made, folder.kept)


def _formats(names: Sequence[str]) -> list[str]:
    wanted = [name.strip().lower() for name in names]
    for name in wanted:
        if name not in FORMATS:
            raise UnknownNameError("format", name, FORMATS)
    if not wanted:
        raise ChromvizError(f"nothing to write; name some of {', '.join(FORMATS)} with --formats")
    if "parquet" in wanted:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ChromvizError(
                "parquet needs pyarrow: pip install pyarrow; or leave it out of --formats"
            ) from None
    return wanted


def _attributions(
    place: Path, dataset: xr.Dataset, names: Sequence[str] | None
) -> dict[str, tuple[xr.Dataset, np.ndarray]]:
    """Return the attributions over genes of a result folder, with the genes' places."""
    folder = place / "attributions"
    files = sorted(folder.glob("*.nc")) if folder.is_dir() else []
    if not files:
        raise ChromvizError(
            f"{folder} holds no attribution; run compare, validate or extract first, or name their "
            "folder with --results"
        )
    every = {path.stem: load_attribution(path) for path in files}
    # What untrained networks would show stands in the tables, not in a browser.
    trained = {name: one for name, one in every.items() if not one.attrs.get("variant")}
    known = sorted({str(one.attrs["method"]) for one in trained.values()})
    for name in names or ():
        if name not in known:
            raise UnknownNameError("method", name, known, f"{folder} holds these.")
    data_hash, cell = dataset_hash(dataset), str(dataset.attrs["cell"])
    index = pd.Index(dataset["gene"].values)
    found = {}
    for name, one in trained.items():
        method, dims = str(one.attrs["method"]), one["weight"].dims
        controls = not one.attrs["model"]
        if (names and method not in names) or (names is None and controls):
            continue
        if "gene" in dims and "bin" in dims:
            require_made_from(one, cell, data_hash)
            found[name] = (one, index.get_indexer(one["gene"].values))
    if not found:
        raise ChromvizError(
            f"{folder} holds no weights over genes and bins of these methods; a class's weights "
            "and β have no place on the genome"
        )
    return found


def _named(dataset: xr.Dataset, what: str, rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the names and values (gene, bin) of each mark's signal or each track's coverage."""
    if what == "signal":
        names, values = dataset["mark"].values, dataset["signal"].values[rows].swapaxes(0, 1)
    else:
        names, values = dataset["track"].values, dataset["coverage"].values[:, rows]
    return [(str(name), one) for name, one in zip(names, values, strict=True)]


def _export_one(
    writer: _Writer,
    name: str,
    attribution: xr.Dataset,
    rows: np.ndarray,
    layout: tracks.Layout,
    top: int,
) -> None:
    weight = attribution["weight"].values
    method, model = str(attribution.attrs["method"]), str(attribution.attrs["model"])
    title = method_label(method) + (f", {model_label(model)}" if model else "")
    if weight.ndim == 2:
        writer.track(name, title, GREY, layout, weight)
        weight, marks = weight[:, None], [""]
    else:
        marks = [str(mark) for mark in attribution["mark"].values]
        for at, mark in enumerate(marks):
            writer.track(
                f"{name}.{slug(mark)}", f"{mark}: {title}", mark_colour(mark), layout, weight[:, at]
            )
    writer.top(name, f"top bins: {title}", rows, weight, marks, top, layout.sizes)
    writer.table(name, attribution, rows, weight, marks)


class _Writer:
    """Writes the files of one folder, each once."""

    def __init__(
        self, folder: ResultFolder, dataset: xr.Dataset, formats: Sequence[str], note: str
    ) -> None:
        self.folder, self.dataset, self.formats, self.note = folder, dataset, formats, note
        self.files: list[str] = []
        self.notes: list[str] = []
        self._shown: list[tracks.SessionTrack] = []

    def track(
        self, name: str, title: str, colour: str, layout: tracks.Layout, values: np.ndarray
    ) -> None:
        """Write one track in the forms asked for; of one without any value, a note."""
        rows = tracks.entries(layout, values)
        if rows.empty:
            self.notes.append(f"no track of {title}: no bin of these genes has a value")
            return
        title = f"{title} (simulated)" if self.note else title
        numbers = {name: rows[name].to_numpy() for name in ("start", "end", "value")}
        chroms = rows["chrom"].value_counts(sort=False).to_dict()
        made_from = [provenance.hash_arrays(numbers), chroms, title, self.note]
        path = self.folder.path
        if "bigwig" in self.formats:
            file = f"{name}.bw"
            self._once(
                file, made_from, lambda: tracks.write_bigwig(path / file, rows, layout.sizes)
            )
            self._shown.append(tracks.SessionTrack(file, title, colour))
        if "bedgraph" in self.formats:
            graph = f"{name}.bedgraph"
            self._once(
                graph,
                made_from,
                lambda: tracks.write_bedgraph(path / graph, rows, title, self.note),
            )
            if "bigwig" not in self.formats:
                self._shown.append(tracks.SessionTrack(graph, title, colour))

    def top(
        self,
        name: str,
        title: str,
        rows: np.ndarray,
        weight: np.ndarray,
        marks: Sequence[str],
        n: int,
        sizes: Mapping[str, int],
    ) -> None:
        """Write each gene's bins of highest weight that lie on the chromosome; they may overlap."""
        if "bed" not in self.formats:
            return
        first, last = tracks.genome_bins(self.dataset, rows)
        size = np.array([sizes[name] for name in self._of("chrom", rows)])
        start, end = np.maximum(first, 0), np.minimum(last, size[:, None])
        largest = float(np.abs(weight).max()) or 1.0
        symbol, gene = self._of("symbol", rows), self._of("gene", rows)
        chrom, strand = self._of("chrom", rows), self._of("strand", rows)
        table = pd.DataFrame(
            [
                {
                    "chrom": chrom[at],
                    "start": start[at, place],
                    "end": end[at, place],
                    "name": ":".join(filter(None, (symbol[at] or gene[at], marks[mark]))),
                    "score": round(1000 * abs(float(weight[at, mark, place])) / largest),
                    "strand": strand[at],
                    "colour": ",".join(map(str, tracks.rgb(mark_colour(marks[mark])))),
                }
                for at, mark, place in tracks.top_bins(weight, n)
                if start[at, place] < end[at, place]
            ]
        )
        file = f"{name}.top.bed"
        path = self.folder.path / file
        self._once(
            file,
            [provenance.hash_json(to_csv(table)), title, self.note],
            lambda: tracks.write_top_bins(path, table, title, self.note),
        )

    def table(
        self,
        name: str,
        attribution: xr.Dataset,
        rows: np.ndarray,
        weight: np.ndarray,
        marks: Sequence[str],
    ) -> None:
        """Write a tidy table: a row a gene, mark and bin."""
        wanted = [form for form in ("csv", "parquet") if form in self.formats]
        if not wanted:
            return
        first, last = tracks.genome_bins(self.dataset, rows)
        n_genes, n_marks, n_bins = weight.shape
        each = n_marks * n_bins
        per_gene = {
            column: np.repeat(self._of(column, rows), each)
            for column in ("gene", "symbol", "chrom", "tss", "strand", "label")
        }
        if "probability" in attribution:
            per_gene["probability"] = np.repeat(attribution["probability"].values, each)

        def per_bin(values: np.ndarray) -> np.ndarray:
            return np.repeat(values[:, None], n_marks, axis=1).ravel()

        table = pd.DataFrame(
            {
                "cell": str(self.dataset.attrs["cell"]),
                "model": str(attribution.attrs["model"]),
                "method": str(attribution.attrs["method"]),
                **per_gene,
                "mark": np.tile(np.repeat(np.array(marks, object), n_bins), n_genes),
                "bin_start": np.tile(self.dataset["bin_start"].values, n_genes * n_marks),
                "start": per_bin(first),
                "end": per_bin(last),
                "weight": weight.ravel(),
                "simulated": int(self.dataset.attrs["simulated"]),
            }
        )
        made_from = [attribution.attrs["dataset_hash"], provenance.hash_arrays({"weight": weight})]
        for form in wanted:
            file = f"{name}.csv.gz" if form == "csv" else f"{name}.parquet"
            path = self.folder.path / file
            self._once(file, [*made_from, name], _table_writer(form, path, table))

    def session(self, genome: str, locus: str) -> None:
        """Write the IGV session."""
        if self._shown:
            path = self.folder.path / "session.xml"
            text = tracks.session_xml(self._shown, genome, locus)
            self._once(path.name, text, lambda: provenance.write_text(path, text))

    def _of(self, name: str, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.dataset[name].values[rows])

    def _once(self, file: str, made_from: object, make: Callable[[], None]) -> None:
        self.folder.once(file, made_from, [file], make)
        self.files.append(file)


def _table_writer(form: str, path: Path, table: pd.DataFrame) -> Callable[[], None]:
    def make() -> None:
        if form == "csv":
            write_csv(table, path)
            return
        with provenance.atomic_path(path) as temporary:
            table.to_parquet(temporary, index=False)

    return make


def _locus(dataset: xr.Dataset, rows: np.ndarray) -> str:
    """Return where a session opens: at the gene with most of the promoter mark's signal."""
    names = [str(mark) for mark in dataset["mark"].values]
    mark = names.index(PROMOTER_MARK) if PROMOTER_MARK in names else 0
    best = rows[int(np.nan_to_num(dataset["signal"].values[rows, mark].mean(axis=1)).argmax())]
    tss = int(dataset["tss"].values[best])
    return f"{dataset['chrom'].values[best]}:{max(tss - _AROUND, 1)}-{tss + _AROUND}"
