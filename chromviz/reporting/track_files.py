"""Genome tracks, top bins and tables as files of a result folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.catalog import method_label, model_label, slug
from chromviz.plot.style import GREY, mark_colour
from chromviz.reporting import genome_tracks
from chromviz.reporting.terminal import SIMULATED
from chromviz.results.folder import ResultFolder
from chromviz.results.tables import to_csv, write_csv


@dataclass(frozen=True)
class Located:
    """An attribution with bins, the positions of its genes, and the layout of its bins."""

    name: str
    attribution: xr.Dataset
    rows: np.ndarray
    layout: genome_tracks.BinLayout

    @property
    def title(self) -> str:
        """Method and model as a label."""
        model = str(self.attribution.attrs["model"])
        method = method_label(str(self.attribution.attrs["method"]))
        return method + (f", {model_label(model)}" if model else "")

    def by_mark(self) -> tuple[list[str], np.ndarray]:
        """Return the marks, and weights (gene, mark, bin); one unnamed mark for joint weights."""
        weight = self.attribution["weight"].values
        if weight.ndim == 2:
            return [""], weight[:, None]
        return [str(mark) for mark in self.attribution["mark"].values], weight


class TrackFiles:
    """Writes the files of one result folder, each once.

    `formats` are any of ``bigwig``, ``bedgraph``, ``bed``, ``csv`` and ``parquet``.
    """

    def __init__(self, folder: ResultFolder, dataset: xr.Dataset, formats: Sequence[str]) -> None:
        self.folder, self.dataset, self.formats = folder, dataset, formats
        self.note = SIMULATED if dataset.attrs["simulated"] else ""
        self.files: list[str] = []
        self.notes: list[str] = []
        self._shown: list[genome_tracks.SessionTrack] = []

    def track(
        self,
        name: str,
        title: str,
        colour: str,
        layout: genome_tracks.BinLayout,
        values: np.ndarray,
    ) -> None:
        """Write one track in the requested formats; note a track without any value."""
        rows = genome_tracks.entries(layout, values)
        if rows.empty:
            self.notes.append(f"no track of {title}: no bin of these genes has a value")
            return
        title = f"{title} (simulated)" if self.note else title
        numbers = {column: rows[column].to_numpy() for column in ("start", "end", "value")}
        chroms = rows["chrom"].value_counts(sort=False).to_dict()
        made_from = [provenance.hash_arrays(numbers), chroms, title, self.note]
        path = self.folder.path
        if "bigwig" in self.formats:
            file = f"{name}.bw"
            self._once(
                file, made_from, lambda: genome_tracks.write_bigwig(path / file, rows, layout.sizes)
            )
            self._shown.append(genome_tracks.SessionTrack(file, title, colour))
        if "bedgraph" in self.formats:
            graph = f"{name}.bedgraph"
            self._once(
                graph,
                made_from,
                lambda: genome_tracks.write_bedgraph(path / graph, rows, title, self.note),
            )
            if "bigwig" not in self.formats:
                self._shown.append(genome_tracks.SessionTrack(graph, title, colour))

    def attribution(self, one: Located, top: int) -> None:
        """Write an attribution: a track per mark, the `top` bins of each gene, and a tidy table."""
        marks, weight = one.by_mark()
        for at, mark in enumerate(marks):
            name = f"{one.name}.{slug(mark)}" if mark else one.name
            title = f"{mark}: {one.title}" if mark else one.title
            colour = mark_colour(mark) if mark else GREY
            self.track(name, title, colour, one.layout, weight[:, at])
        if "bed" in self.formats:
            self._top_bins(one, top)
        for form in ("csv", "parquet"):
            if form in self.formats:
                self._table(one, form)

    def session(self, genome: str, locus: str) -> None:
        """Write the IGV session."""
        if self._shown:
            path = self.folder.path / "session.xml"
            text = genome_tracks.session_xml(self._shown, genome, locus)
            self._once(path.name, text, lambda: provenance.write_text(path, text))

    def _top_bins(self, one: Located, top: int) -> None:
        """Write the top bins of each gene that lie on the chromosome; they may overlap."""
        marks, weight = one.by_mark()
        first, last = genome_tracks.genome_bins(self.dataset, one.rows)
        size = np.array([one.layout.sizes[name] for name in self._of("chrom", one.rows)])
        start, end = np.maximum(first, 0), np.minimum(last, size[:, None])
        largest = float(np.abs(weight).max()) or 1.0
        symbol, gene = self._of("symbol", one.rows), self._of("gene", one.rows)
        chrom, strand = self._of("chrom", one.rows), self._of("strand", one.rows)
        table = pd.DataFrame(
            [
                {
                    "chrom": chrom[at],
                    "start": start[at, place],
                    "end": end[at, place],
                    "name": ":".join(filter(None, (symbol[at] or gene[at], marks[mark]))),
                    "score": round(1000 * abs(float(weight[at, mark, place])) / largest),
                    "strand": strand[at],
                    "colour": ",".join(map(str, genome_tracks.rgb(mark_colour(marks[mark])))),
                }
                for at, mark, place in genome_tracks.top_bins(weight, top)
                if start[at, place] < end[at, place]
            ]
        )
        title, file = f"top bins: {one.title}", f"{one.name}.top.bed"
        path = self.folder.path / file
        self._once(
            file,
            [provenance.hash_json(to_csv(table)), title, self.note],
            lambda: genome_tracks.write_top_bins(path, table, title, self.note),
        )

    def _table(self, one: Located, form: str) -> None:
        file = f"{one.name}.csv.gz" if form == "csv" else f"{one.name}.parquet"
        path = self.folder.path / file
        weight = one.attribution["weight"].values
        data_hash = one.attribution.attrs["dataset_hash"]
        made_from = [data_hash, provenance.hash_arrays({"weight": weight}), one.name]
        self._once(file, made_from, lambda: _write_table(path, self._tidy(one), form))

    def _tidy(self, one: Located) -> pd.DataFrame:
        """Return one row per gene, mark and bin."""
        marks, weight = one.by_mark()
        first, last = genome_tracks.genome_bins(self.dataset, one.rows)
        n_genes, n_marks, n_bins = weight.shape
        per_gene = {
            column: np.repeat(self._of(column, one.rows), n_marks * n_bins)
            for column in ("gene", "symbol", "chrom", "tss", "strand", "label")
        }
        if "probability" in one.attribution:
            probability = one.attribution["probability"].values
            per_gene["probability"] = np.repeat(probability, n_marks * n_bins)
        return pd.DataFrame(
            {
                "cell": str(self.dataset.attrs["cell"]),
                "model": str(one.attribution.attrs["model"]),
                "method": str(one.attribution.attrs["method"]),
                **per_gene,
                "mark": np.tile(np.repeat(np.array(marks, object), n_bins), n_genes),
                "bin_start": np.tile(self.dataset["bin_start"].values, n_genes * n_marks),
                "start": np.repeat(first[:, None], n_marks, axis=1).ravel(),
                "end": np.repeat(last[:, None], n_marks, axis=1).ravel(),
                "weight": weight.ravel(),
                "simulated": int(self.dataset.attrs["simulated"]),
            }
        )

    def _of(self, name: str, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.dataset[name].values[rows])

    def _once(self, file: str, made_from: object, make: Callable[[], None]) -> None:
        self.folder.once(file, made_from, [file], make)
        self.files.append(file)


def _write_table(path: Path, table: pd.DataFrame, form: str) -> None:
    if form == "csv":
        write_csv(table, path)
        return
    with provenance.atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)
