"""One gene of a dataset, by any name that people give it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import xarray as xr

from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.vocabulary import SPLITS

# chr9:37,034,476 or chr9:37,030,000-37,040,000, as browsers write places.
_LOCUS = re.compile(r"\s*([^:\s]+):([\d,]+)(?:(?:-|\.\.)([\d,]+))?\s*")
_MOST_NAMED = 10


def find_genes(dataset: xr.Dataset, genes: str | Sequence[str]) -> np.ndarray:
    """Return the positions of a part of the split, of ``all`` genes, or of genes by name."""
    if not isinstance(genes, str):
        rows = np.array([find_gene(dataset, str(name)) for name in genes], dtype=int)
    elif genes in SPLITS[:3]:
        rows = np.flatnonzero(dataset["split"].values == genes)
    elif genes == "all":
        rows = np.arange(dataset.sizes["gene"])
    else:
        try:
            return np.array([find_gene(dataset, genes)])
        except UnknownNameError as error:
            raise ChromvizError(f"{error} Or name train, valid, test or all.") from None
    if not len(rows):
        raise ChromvizError(f"{dataset.attrs['cell']} has no genes in {genes!r}")
    return rows


def find_gene(dataset: xr.Dataset, name: str) -> int:
    """Return the position of a gene by id (with or without version suffix), symbol or locus.

    A locus is a base (``chr9:37,034,476``, 1-based as in browsers: the gene with the nearest TSS,
    if the base is in its window) or a range (``chr9:37,030,000-37,040,000``: the gene whose TSS is
    in it).
    """
    wanted = name.strip().lower()
    if not wanted:
        raise ChromvizError("the gene name is empty; give a symbol, an id or a locus")
    ids = [str(gene).lower() for gene in dataset["gene"].values]
    bare = [gene.split(".")[0] for gene in ids]
    # A gene that several names share keeps them all in its symbol, joined by "/".
    symbols = [str(symbol).lower().split("/") for symbol in dataset["symbol"].values]
    for hits in (
        [row for row, gene in enumerate(ids) if gene == wanted],
        [row for row, gene in enumerate(bare) if gene == wanted.split(".")[0]],
        [row for row, names in enumerate(symbols) if wanted in names],
    ):
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise ChromvizError(
                f"{name!r} is the name of {len(hits)} genes; name one id: "
                f"{_ids(dataset, hits, symbols=False)}"
            )
    if place := _LOCUS.fullmatch(name):
        return _at_locus(dataset, name.strip(), *place.groups())
    known = [str(symbol) for symbol in dataset["symbol"].values if symbol]
    known += [str(gene) for gene in dataset["gene"].values]
    hint = f"Looked in {dataset.attrs['cell']}."
    if ":" in name:
        hint += " A locus is written chr9:37034476, or chr9:37030000-37040000."
    raise UnknownNameError("gene", name, known, hint)


def _at_locus(dataset: xr.Dataset, name: str, chrom: str, start: str, end: str | None) -> int:
    """Return the one gene of a locus, 1-based and closed."""
    first = int(start.replace(",", "") or 0)
    last = int(end.replace(",", "") or 0) if end else first
    if not 1 <= first <= last:
        raise ChromvizError(
            f"{name!r} is not a locus: positions start at 1, and the start must not exceed the end"
        )
    chroms = np.char.replace(np.char.lower(dataset["chrom"].values.astype(str)), "chr", "")
    mine = np.flatnonzero(chroms == chrom.lower().removeprefix("chr"))
    if not len(mine):
        known = sorted(set(map(str, dataset["chrom"].values)))
        raise UnknownNameError("chromosome", chrom, known, f"Looked in {dataset.attrs['cell']}.")
    tss = dataset["tss"].values[mine].astype(np.int64) + 1
    if end:
        hits = mine[(tss >= first) & (tss <= last)]
    else:
        nearest = np.abs(tss - first).min()
        starts = dataset["bin_start"].values
        near = nearest <= max(-starts[0], starts[-1] + int(dataset.attrs["bin_width"]))
        hits = mine[np.abs(tss - first) == nearest] if near else mine[:0]
    if len(hits) == 1:
        return int(hits[0])
    if len(hits):
        raise ChromvizError(
            f"{name} holds the TSS of {len(hits)} genes; name one: {_ids(dataset, list(hits))}"
        )
    beside = np.maximum(np.maximum(first - tss, tss - last), 0)
    nearest_gene = int(mine[int(beside.argmin())])
    raise ChromvizError(
        f"no TSS of {dataset.attrs['cell']} lies {'in' if end else 'near'} {name}; the nearest is "
        f"that of {_ids(dataset, [nearest_gene])}, {int(beside.min()):,} bp away"
    )


def _ids(dataset: xr.Dataset, rows: list[int], *, symbols: bool = True) -> str:
    """Return the ids of genes, with their symbols if wanted, for a message."""
    named = []
    for row in rows[:_MOST_NAMED]:
        gene, symbol = str(dataset["gene"].values[row]), str(dataset["symbol"].values[row])
        named.append(f"{gene} ({symbol})" if symbols and symbol else gene)
    return ", ".join(named) + (" …" if len(rows) > _MOST_NAMED else "")


def reason_of(dataset: xr.Dataset, position: int) -> str:
    """Return why a model cannot read a gene; a gene without a label can be read."""
    if np.isnan(dataset["signal"].values[position]).any():
        return str(dataset["reason"].values[position])
    return ""
