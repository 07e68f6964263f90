"""Several cell types as one dataset: pooled training, and leaving a cell type out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from chromviz import provenance
from chromviz.data.genes.ids import without_version
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.schema import check_dataset
from chromviz.vocabulary import cell_label, find_eid, same_unit

#: Maximum number of cell types listed in a pool's name, which must fit in a file name.
_NAMED = 5
_BY_GENE = ("expression", "label", "split", "reason", "truth", "decoy")


def pool(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Combine the genes of several cell types in one dataset, to train one model on all of them.

    A gene's id becomes ``{cell}:{gene}``; symbol, label and split are unchanged. If the cell types
    were split differently, a gene may be a training gene in one and a test gene in another. A model
    that has met a gene elsewhere partly knows it, because most genes are ON in most cell types: the
    attribute ``test_genes_seen`` counts such test genes. :func:`leave_one_out` has none.

    The datasets must have the same marks, bins, orientation, unit of signal and, if known,
    assembly. Reference tracks that all of them have, in the same unit, are kept. The result's
    ``cell`` is ``E003+E116``, or with more than five ``56-cells-`` and a hash; the attribute
    ``cells`` names them all.
    """
    _check_alike(datasets)
    rows = [np.arange(dataset.sizes["gene"]) for dataset in datasets]
    pooled = _stack(datasets, rows, _pool_name(_cells(datasets)))
    split = pooled["split"].values
    identity = np.concatenate([gene_identity(dataset) for dataset in datasets])
    seen = np.isin(identity[split == "test"], identity[split == "train"])
    return pooled.assign_attrs(test_genes_seen=int(seen.sum()))


def leave_one_out(datasets: Sequence[xr.Dataset], held_out: str) -> xr.Dataset:
    """Return a dataset to train on all cell types except one, and to test on that one.

    Training and validation genes are those of the other cell types; test genes are the test genes
    of the one left out. Leaving out the cell type is not enough: most genes are ON in most cell
    types, so a model that met a gene elsewhere can answer by recognising it. The test genes are
    therefore removed from training and validation in every cell type: the model has seen neither
    the cell type nor the genes. ``removed_genes`` counts them, and ``held_out`` names the cell
    type. Gene ids that cannot be matched between cell types are an error.
    """
    _check_alike(datasets)
    cells = _cells(datasets)
    eid = find_eid(held_out) or held_out.strip()
    known = {(find_eid(cell) or cell).lower(): cell for cell in cells}
    if eid.lower() not in known:
        raise UnknownNameError("cell type", held_out, cells, "It must be among those given.")
    cell = known[eid.lower()]
    target = datasets[cells.index(cell)]
    others = [dataset for dataset in datasets if dataset is not target]
    test = np.flatnonzero(target["split"].values == "test")
    if not len(test):
        raise ChromvizError(f"{cell_label(cell)} has no test genes; prepare it with a split")
    everything = gene_identity(target)
    rows, removed = [], 0
    for dataset in others:
        identity = gene_identity(dataset)
        if not np.isin(identity, everything).any():
            raise ChromvizError(
                f"{cell_label(cell)} and {cell_label(str(dataset.attrs['cell']))} have no gene id "
                "in common, so it is unknown which genes were seen; prepare both with one "
                "annotation"
            )
        learnt = np.isin(dataset["split"].values, ("train", "valid"))
        leaks = learnt & np.isin(identity, everything[test])
        removed += int(leaks.sum())
        rows.append(np.flatnonzero(learnt & ~leaks))
    name = f"{_pool_name(_cells(others))}-to-{cell}"
    stacked = _stack([*others, target], [*rows, test], name)
    return stacked.assign_attrs(held_out=cell, removed_genes=removed)


def gene_identity(dataset: xr.Dataset) -> np.ndarray:
    """Return each gene's id without version; the copy of a gene on Y counts as the one on X."""
    names = map(without_version, map(str, dataset["gene"].values))
    return np.array([name.removesuffix("_PAR_Y").lower() for name in names], dtype=object)


def _cells(datasets: Sequence[xr.Dataset]) -> list[str]:
    return [str(dataset.attrs["cell"]) for dataset in datasets]


def _pool_name(cells: Sequence[str]) -> str:
    if len(cells) <= _NAMED:
        return "+".join(cells)
    digest = hashlib.sha256("\0".join(cells).encode()).hexdigest()
    return f"{len(cells)}-cells-{digest[:8]}"


def _check_alike(datasets: Sequence[xr.Dataset]) -> None:
    """Refuse datasets that one model cannot read, naming the first difference and the cells."""
    cells = _cells(datasets)
    if len(datasets) < 2:
        raise ChromvizError(
            f"pooling takes at least two cell types, not {len(datasets)}; name them with "
            "--cells A,B"
        )
    twice = sorted({cell for cell in cells if cells.count(cell) > 1})
    if twice:
        raise ChromvizError(f"{cell_label(twice[0])} is named twice; name each cell type once")
    first, *others = map(_layout, datasets)
    for cell, layout in zip(cells[1:], others, strict=True):
        for what, one in first.items():
            other = layout[what]
            optional = what == "assembly" and not (one and other)
            same = same_unit(one, other) if what == "unit of signal" else one == other
            if not (same or optional):
                raise ChromvizError(
                    f"one model cannot read {cell_label(cells[0])} and {cell_label(cell)}: they "
                    f"differ in {what} ({one or 'unknown'}; {other or 'unknown'}); prepare them "
                    "with the same options"
                )


def _layout(dataset: xr.Dataset) -> dict[str, str]:
    """Return what datasets must have in common, in words."""
    attrs, starts = dataset.attrs, dataset["bin_start"].values
    return {
        "marks": ", ".join(map(str, dataset["mark"].values)),
        "bins": f"{len(starts)} of {int(attrs['bin_width'])} bp from {starts[0]} bp",
        "orientation": attrs["orientation"],
        "unit of signal": attrs["signal_unit"],
        "assembly": attrs["assembly"],
    }


def _stack(datasets: Sequence[xr.Dataset], rows: Sequence[np.ndarray], name: str) -> xr.Dataset:
    """Return one dataset of some genes of each."""
    first, n_genes = datasets[0], sum(map(len, rows))
    # Reference tracks that all have, none if their units differ.
    units = [str(dataset.attrs.get("coverage_unit", "")) for dataset in datasets]
    common = set.intersection(*(set(dataset["track"].values) for dataset in datasets))
    tracks = [track for track in first["track"].values if track in common and same_unit(*units)]
    signal = np.empty((n_genes, *first["signal"].shape[1:]), dtype=np.float32)
    coverage = np.empty((len(tracks), n_genes, first.sizes["bin"]), dtype=np.float32)
    start = 0
    for dataset, chosen in zip(datasets, rows, strict=True):
        place = slice(start, start + len(chosen))
        # Straight into its place: 56 cell types take 2 GB once, not twice.
        np.take(dataset["signal"].values, chosen, axis=0, out=signal[place], mode="clip")
        for row, track in enumerate(tracks):
            values = dataset["coverage"].sel(track=track).values
            np.take(values, chosen, axis=0, out=coverage[row, place], mode="clip")
        start = place.stop

    def joined(variable: str) -> np.ndarray:
        parts = zip(datasets, rows, strict=True)
        return np.concatenate([dataset[variable].values[chosen] for dataset, chosen in parts])

    shared = [name for name in _BY_GENE if all(name in dataset for dataset in datasets)]
    cells = np.repeat(np.array(_cells(datasets), dtype=object), list(map(len, rows)))
    pooled = xr.Dataset(
        {
            **{name: (first[name].dims, joined(name)) for name in shared},
            "signal": (("gene", "mark", "bin"), signal),
            "coverage": (("track", "gene", "bin"), coverage),
        },
        {
            **{name: ("gene", joined(name)) for name in ("symbol", "chrom", "strand", "tss")},
            "gene": ("gene", cells + ":" + joined("gene").astype(object)),
            "mark": ("mark", first["mark"].values),
            "bin_start": ("bin", first["bin_start"].values),
            "track": ("track", np.asarray(tracks, dtype=object)),
        },
        _attributes(datasets, name),
    )
    check_dataset(pooled)
    return pooled


def _attributes(datasets: Sequence[xr.Dataset], name: str) -> dict[str, Any]:
    """Return what is true of all, and for the rest what is true of the pool."""
    every = [dataset.attrs for dataset in datasets]
    shared = {
        key: value
        for key, value in every[0].items()
        if all(key in attrs and _equal(attrs[key], value) for attrs in every)
    }
    known = {
        key: next((str(attrs[key]) for attrs in every if attrs[key]), "")
        for key in ("assembly", "signal_unit")
    }
    sources = [
        {**source, "cell": str(attrs["cell"])}
        for attrs in every
        for source in json.loads(attrs["sources"])
    ]
    return {
        "label_rule": "each cell type's own",
        "label_threshold": float("nan"),
        **known,
        **shared,
        "cell": name,
        "cells": ",".join(_cells(datasets)),
        "missing": "zero" if any(attrs["missing"] == "zero" for attrs in every) else "nan",
        "simulated": int(any(attrs["simulated"] for attrs in every)),
        "sources": json.dumps(sources),
        **provenance.stamp(),
    }


def _equal(one: Any, other: Any) -> bool:
    return bool(np.all(one == other)) or (one != one and other != other)
