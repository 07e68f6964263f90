"""Weights in genome coordinates: bigWig, bedGraph, BED, tables, and a session for IGV.

Windows of neighbouring genes overlap, but a track has one value per base. Each base takes its value
from the gene with the nearest TSS (of two equally near, the one before it on the chromosome); a
truncated bin keeps its value on the remaining bases. Of genes with the same TSS the first by id is
shown, and the others are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd
import pyBigWig
import xarray as xr

from chromviz import provenance
from chromviz.catalog import method_label, model_label, slug
from chromviz.errors import ChromvizError
from chromviz.plot.style import GREY, mark_colour
from chromviz.reporting.terminal import SIMULATED
from chromviz.results.folder import ResultFolder
from chromviz.results.tables import to_csv, write_csv


@dataclass(frozen=True)
class BinLayout:
    """Where bins lie on the genome.

    `bins` has one row per piece of a gene's bin that is shown, sorted, without overlap: ``chrom,
    start, end`` (0-based, half-open), and ``row, bin``, its position in the weights. `sizes` are
    those of chromosomes in bases, in the order of `bins`. `hidden` are genes that are not shown
    because another has their TSS.
    """

    bins: pd.DataFrame
    sizes: dict[str, int]
    hidden: tuple[str, ...]


def genome_bins(dataset: xr.Dataset, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first base of each bin and the base after its last, int64 (gene, bin).

    If ``orientation`` is ``strand``, the bins of genes on ``-`` run against the genome.
    """
    tss = dataset["tss"].values[rows].astype(np.int64)
    start = dataset["bin_start"].values.astype(np.int64)
    offset = np.broadcast_to(start, (len(rows), len(start)))
    if dataset.attrs["orientation"] == "strand":
        minus = dataset["strand"].values[rows] == "-"
        offset = np.where(minus[:, None], offset[:, ::-1], offset)
    first = tss[:, None] + offset
    return first, first + int(dataset.attrs["bin_width"])


def lay_out(dataset: xr.Dataset, rows: np.ndarray, sizes: Mapping[str, int]) -> BinLayout:
    """Decide which gene's bin each base shows, for genes at positions `rows`.

    A chromosome without a known size, or a TSS beyond its end, is an error.
    """
    chrom = dataset["chrom"].values[rows].astype(str)
    tss = dataset["tss"].values[rows].astype(np.int64)
    genes = dataset["gene"].values[rows].astype(str)
    _check_sizes(chrom, tss, genes, sizes, str(dataset.attrs["assembly"]))
    first, last = genome_bins(dataset, rows)
    parts, hidden = [], []
    used = [name for name in sizes if (chrom == name).any()]
    for name in used:
        mine = np.flatnonzero(chrom == name)
        mine = mine[np.lexsort((genes[mine], tss[mine]))]
        again = np.r_[False, np.diff(tss[mine]) == 0]
        hidden += list(genes[mine[again]])
        mine = mine[~again]
        between = (tss[mine][:-1] + tss[mine][1:]) // 2 + 1
        left, right = np.r_[0, between][:, None], np.r_[between, sizes[name]][:, None]
        start, end = np.maximum(first[mine], left), np.minimum(last[mine], right)
        row = np.broadcast_to(mine[:, None], start.shape)
        column = np.broadcast_to(np.arange(start.shape[1]), start.shape)
        kept = start < end
        found = {"start": start, "end": end, "row": row, "bin": column}
        part = pd.DataFrame({"chrom": name, **{key: one[kept] for key, one in found.items()}})
        parts.append(part.sort_values("start", kind="stable"))
    return BinLayout(
        pd.concat(parts, ignore_index=True),
        {name: int(sizes[name]) for name in used},
        tuple(hidden),
    )


def _check_sizes(
    chrom: np.ndarray, tss: np.ndarray, genes: np.ndarray, sizes: Mapping[str, int], assembly: str
) -> None:
    if not len(chrom):
        raise ChromvizError("there is no gene to lay out on the genome")
    missing = sorted(set(chrom) - set(sizes))
    if missing:
        raise ChromvizError(
            f"the size of {missing[0]} is unknown (assembly {assembly or 'not recorded'}); give "
            "the assembly's table of sizes with --chrom-sizes"
        )
    ends = np.array([sizes[name] for name in chrom])
    beyond = np.flatnonzero((tss >= ends) | (tss < 0))
    if len(beyond):
        one = beyond[0]
        raise ChromvizError(
            f"the TSS of {genes[one]} ({chrom[one]}:{tss[one]:,}) lies beyond the end of the "
            f"chromosome ({ends[one]:,} bases); give the sizes of the genes' assembly"
        )


def entries(layout: BinLayout, values: np.ndarray) -> pd.DataFrame:
    """Return ``chrom, start, end, value`` of one track of values (gene, bin), without NaN."""
    bins = layout.bins
    found = bins[["chrom", "start", "end"]].assign(
        value=np.asarray(values, np.float32)[bins["row"], bins["bin"]]
    )
    return found[found["value"].notna()].reset_index(drop=True)


def write_bigwig(path: Path, track: pd.DataFrame, sizes: Mapping[str, int]) -> None:
    """Write one track as bigWig with zoom levels, whole or not at all; an empty one is an error."""
    if track.empty:
        raise ChromvizError(f"{path.name} would be empty: no bin has a value")
    with provenance.atomic_path(path) as temporary:
        file = pyBigWig.open(str(temporary), "w")
        try:
            file.addHeader(list(sizes.items()), maxZooms=10)
            for name, part in track.groupby("chrom", sort=False):
                file.addEntries(
                    [str(name)] * len(part),
                    part["start"].tolist(),
                    ends=part["end"].tolist(),
                    values=part["value"].astype(float).tolist(),
                )
        finally:
            file.close()


def write_lines(path: Path, header: str, table: pd.DataFrame, note: str) -> None:
    """Write a table as bedGraph or BED with its header, whole or not at all.

    `note`, if any, becomes a comment above the header.
    """
    head = f"#{note}\n" if note else ""
    lines = table.to_csv(sep="\t", header=False, index=False, lineterminator="\n")
    provenance.write_text(path, f"{head}{header}\n{lines}")


def session_xml(tracks: Sequence[tuple[str, str, str]], genome: str, locus: str) -> str:
    """Return an IGV session of tracks: the file, name and colour (``#RRGGBB``) of each.

    IGV and igv.js open it. Paths are relative: IGV resolves them from the session's folder, igv.js
    from that of the page that shows it.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>',
        f'<Session genome={quoteattr(genome)} locus={quoteattr(locus)} version="8">',
        "  <Resources>",
        *(f"    <Resource path={quoteattr(file)}/>" for file, _, _ in tracks),
        "  </Resources>",
        '  <Panel name="DataPanel">',
    ]
    for file, name, colour in tracks:
        # altColor is the colour of values below zero; without one igv.js asks for "rgb(null)".
        lines.append(
            f"    <Track id={quoteattr(file)} name={quoteattr(name)} "
            f'color="{_rgb(colour)}" altColor="{_rgb(colour)}" height="40" autoScale="true"/>'
        )
    return "\n".join([*lines, "  </Panel>", "</Session>", ""])


def _rgb(colour: str) -> str:
    """Return ``#RRGGBB`` as three numbers from 0 to 255."""
    return ",".join(str(part) for part in bytes.fromhex(colour.removeprefix("#")))


@dataclass(frozen=True)
class Located:
    """An attribution with bins, the positions of its genes, and the layout of its bins."""

    name: str
    attribution: xr.Dataset
    rows: np.ndarray
    layout: BinLayout

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
        self._shown: list[tuple[str, str, str]] = []

    def track(
        self,
        name: str,
        title: str,
        colour: str,
        layout: BinLayout,
        values: np.ndarray,
    ) -> None:
        """Write one track in the requested formats; note a track without any value."""
        rows = entries(layout, values)
        if rows.empty:
            self.notes.append(f"no track of {title}: no bin of these genes has a value")
            return
        title = f"{title} (simulated)" if self.note else title
        numbers = {column: rows[column].to_numpy() for column in ("start", "end", "value")}
        chroms = rows["chrom"].value_counts(sort=False).to_dict()
        made_from = [provenance.hash_arrays(numbers), chroms, title, self.note]
        path = self.folder.path
        if "bigwig" in self.formats:
            bigwig = path / f"{name}.bw"
            self._once(bigwig, made_from, lambda: write_bigwig(bigwig, rows, layout.sizes))
        if "bedgraph" in self.formats:
            graph, header = path / f"{name}.bedgraph", f"track type=bedGraph {_named(title)}"
            self._once(graph, made_from, lambda: write_lines(graph, header, rows, self.note))
        if {"bigwig", "bedgraph"} & set(self.formats):
            shown = f"{name}.bw" if "bigwig" in self.formats else f"{name}.bedgraph"
            self._shown.append((shown, title, colour))

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
            text = session_xml(self._shown, genome, locus)
            self._once(path, text, lambda: provenance.write_text(path, text))

    def _top_bins(self, one: Located, top: int) -> None:
        """Write the top bins of each gene that lie on the chromosome; they may overlap."""
        marks, weight = one.by_mark()
        size = np.abs(weight).reshape(len(weight), -1)
        order = np.argsort(-size, axis=1, kind="stable")[:, :top]
        gene = np.repeat(np.arange(len(order)), order.shape[1])
        mark, place = np.divmod(order.ravel(), weight.shape[2])
        names = ("chrom", "symbol", "gene", "strand")
        chrom, symbol, ids, strand = (self._of(name, one.rows[gene]) for name in names)
        first, last = (bins[gene, place] for bins in genome_bins(self.dataset, one.rows))
        largest = float(size.max()) or 1.0
        score = 1000 * size[gene, order.ravel()].astype(float) / largest
        table = pd.DataFrame(
            {
                "chrom": chrom,
                "start": np.maximum(first, 0),
                "end": np.minimum(last, [one.layout.sizes[name] for name in chrom]),
                "name": [
                    ":".join(filter(None, (symbol[at] or ids[at], marks[mark[at]])))
                    for at in range(len(gene))
                ],
                "score": np.round(score).astype(int),
                "strand": strand,
                "colour": [_rgb(mark_colour(marks[at])) for at in mark],
            }
        )
        table = table[table["start"] < table["end"]]
        title = f"top bins: {one.title}"
        made_from = [provenance.hash_json(to_csv(table)), title, self.note]
        table = table.sort_values(["chrom", "start", "end"], kind="stable")
        # BED repeats start and end, as those of the thick part, before the colour.
        for column, at in (("start", 6), ("end", 7)):
            table.insert(at, f"thick_{column}", table[column])
        path = self.folder.path / f"{one.name}.top.bed"
        header = f'track {_named(title)} itemRgb="On"'
        self._once(path, made_from, lambda: write_lines(path, header, table, self.note))

    def _table(self, one: Located, form: str) -> None:
        path = self.folder.path / f"{one.name}.{'csv.gz' if form == 'csv' else form}"
        weight = one.attribution["weight"].values
        data_hash = one.attribution.attrs["dataset_hash"]
        made_from = [data_hash, provenance.hash_arrays({"weight": weight}), one.name]
        self._once(path, made_from, lambda: _write_table(path, self._tidy(one), form))

    def _tidy(self, one: Located) -> pd.DataFrame:
        """Return one row per gene, mark and bin."""
        marks, weight = one.by_mark()
        first, last = genome_bins(self.dataset, one.rows)
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

    def _once(self, path: Path, made_from: object, make: Callable[[], None]) -> None:
        self.folder.once(path.name, made_from, [path.name], make)
        self.files.append(path.name)


def _write_table(path: Path, table: pd.DataFrame, form: str) -> None:
    if form == "csv":
        write_csv(table, path)
        return
    with provenance.atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def _named(title: str) -> str:
    """Return the name of a track for its header, without quotes inside."""
    plain = title.replace('"', "'")
    return f'name="{plain}"'
