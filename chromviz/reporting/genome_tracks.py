"""Weights in genome coordinates: bigWig, bedGraph and BED, and a session that opens them in IGV.

Windows of neighbouring genes overlap, and a track has one value a base. The rule: **a base takes
its value from the gene with the nearest TSS** (of two as near, the one before it on the
chromosome); a bin that is cut so keeps its value on what is left of it. Of genes with one TSS the
first by id is shown, and the others are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd
import pyBigWig
import xarray as xr

from chromviz import provenance
from chromviz.errors import ChromvizError


@dataclass(frozen=True)
class BinLayout:
    """Where bins lie on the genome.

    Parameters
    ----------
    bins
        One row per piece of a gene's bin that is shown, sorted, without overlap: ``chrom, start,
        end`` (0-based, half-open), and ``row, bin``, its position in the weights.
    sizes
        Size by chromosome, in bases, in the order of `bins`.
    hidden
        Ids of genes that are not shown because another has their TSS.
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
        part = pd.DataFrame(
            {
                "chrom": name,
                "start": start[kept],
                "end": end[kept],
                "row": row[kept],
                "bin": column[kept],
            }
        )
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


def write_bedgraph(path: Path, track: pd.DataFrame, name: str, note: str = "") -> None:
    """Write one track as bedGraph, whole or not at all; `note` becomes a comment."""
    head = f"#{note}\n" if note else ""
    head += f'track type=bedGraph name="{_plain(name)}"\n'
    lines = track.to_csv(sep="\t", header=False, index=False, lineterminator="\n")
    provenance.write_text(path, head + lines)


def write_top_bins(path: Path, table: pd.DataFrame, name: str, note: str = "") -> None:
    """Write ``chrom, start, end, name, score, strand, colour`` as BED, whole or not at all."""
    table = table.sort_values(["chrom", "start", "end"], kind="stable")
    wide = table[["chrom", "start", "end", "name", "score", "strand"]].assign(
        thick_start=table["start"], thick_end=table["end"], colour=table["colour"]
    )
    head = f"#{note}\n" if note else ""
    head += f'track name="{_plain(name)}" itemRgb="On"\n'
    lines = wide.to_csv(sep="\t", header=False, index=False, lineterminator="\n")
    provenance.write_text(path, head + lines)


@dataclass(frozen=True)
class SessionTrack:
    """A track of an IGV session: its file in the same folder, its name, and ``#RRGGBB``."""

    file: str
    name: str
    colour: str


def session_xml(tracks: Sequence[SessionTrack], genome: str, locus: str) -> str:
    """Return an IGV session of tracks in the same folder.

    IGV and igv.js open it. Paths are relative: IGV resolves them from the session's folder, igv.js
    from that of the page that shows it.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8" standalone="no"?>']
    lines.append(f'<Session genome={quoteattr(genome)} locus={quoteattr(locus)} version="8">')
    lines.append("  <Resources>")
    lines += [f"    <Resource path={quoteattr(one.file)}/>" for one in tracks]
    lines += ["  </Resources>", '  <Panel name="DataPanel">']
    for one in tracks:
        colour = ",".join(map(str, rgb(one.colour)))
        # altColor is the colour of values below zero; without one igv.js asks for "rgb(null)".
        lines.append(
            f"    <Track id={quoteattr(one.file)} name={quoteattr(one.name)} "
            f'color="{colour}" altColor="{colour}" height="40" autoScale="true"/>'
        )
    return "\n".join([*lines, "  </Panel>", "</Session>", ""])


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the three parts of ``#RRGGBB``, 0 to 255."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def _plain(name: str) -> str:
    """Return a name without quotes, for a quoted text."""
    return name.replace('"', "'")


def top_bins(weight: np.ndarray, n: int) -> Iterable[tuple[int, int, int]]:
    """Yield gene, mark and bin of each gene's `n` largest absolute weights (gene, mark, bin).

    The largest comes first; ties are in the order of marks and bins.
    """
    flat = np.abs(weight).reshape(len(weight), -1)
    order = np.argsort(-flat, axis=1, kind="stable")[:, :n]
    for gene, chosen in enumerate(order):
        for at in chosen:
            mark, place = divmod(int(at), weight.shape[2])
            yield gene, mark, place
