"""Several cell types as one dataset: to train one model on all, or on all but one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.schema import build_dataset
from chromviz.vocabulary import Window, cell_label

#: What datasets must share for their signal to mean the same.
_SHARED = ("assembly", "bin_width", "orientation", "signal_unit")


def pool(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put the genes of several cell types into one dataset.

    A gene of several cell types is there once for each, as ``{cell}:{gene}``, with its signal,
    expression, label and split there.

    Parameters
    ----------
    datasets
        Cell types with the same marks, bins, assembly, orientation and unit.

    Returns
    -------
    xarray.Dataset
        Named after its cell types, ``E003+E116``; with the tracks that all have; simulated if any
        is; its ``missing`` is ``zero`` if any is.

    Raises
    ------
    ChromvizError
        If there are fewer than two, one is there twice, or they do not go together: in what.
    """
    _check(datasets)
    cells = [str(one.attrs["cell"]) for one in datasets]
    first = datasets[0]
    shared = set.intersection(*({str(name) for name in one["track"].values} for one in datasets))
    tracks = [str(name) for name in first["track"].values if str(name) in shared]
    joined: dict[str, Any] = {
        name: np.concatenate([one[name].values for one in datasets])
        for name in (
            *("signal", "expression", "label", "split", "reason"),
            *("symbol", "chrom", "tss", "strand"),
        )
    }
    genes = [
        f"{cell}:{gene}" for cell, one in zip(cells, datasets, strict=True) for gene in _ids(one)
    ]
    return build_dataset(
        cell="+".join(cells),
        genes=pd.DataFrame(
            {"gene": genes, **{name: joined[name] for name in ("symbol", "chrom", "tss", "strand")}}
        ),
        marks=[str(mark) for mark in first["mark"].values],
        signal=joined["signal"],
        expression=joined["expression"],
        label=joined["label"],
        split=joined["split"],
        window=_window(first),
        coverage={
            track: np.concatenate([one["coverage"].sel(track=track).values for one in datasets])
            for track in tracks
        },
        reason=joined["reason"],
        truth=_truth(datasets),
        assembly=str(first.attrs["assembly"]),
        orientation=str(first.attrs["orientation"]),
        signal_unit=str(first.attrs["signal_unit"]),
        coverage_unit=str(first.attrs.get("coverage_unit", "")),
        label_rule="; ".join(dict.fromkeys(str(one.attrs["label_rule"]) for one in datasets)),
        missing="zero" if any(one.attrs["missing"] == "zero" for one in datasets) else "nan",
        sources=[source for one in datasets for source in json.loads(one.attrs["sources"])],
        simulated=any(one.attrs["simulated"] for one in datasets),
    )


def leave_one_out(datasets: Sequence[xr.Dataset], held_out: str) -> xr.Dataset:
    """Return a dataset that trains on all cell types but one, and tests on that one.

    A gene's promoter looks much alike in every cell type, so a model can know a gene from another
    cell type. The genes that are tested are therefore taken out of training and validation in the
    others too: the model has seen neither the cell type nor these genes.

    Parameters
    ----------
    datasets
        As for :func:`pool`.
    held_out
        The name of the one that is tested.

    Returns
    -------
    xarray.Dataset
        Named ``{held_out} from {others}``. Its test genes are those of the held-out cell type;
        ``left_out_genes`` is how many genes of the others are in no split because they are tested.

    Raises
    ------
    ChromvizError
        As for :func:`pool`, or if `held_out` is not among them, or nothing is left.
    """
    whole = pool(datasets)
    cells = [str(one.attrs["cell"]) for one in datasets]
    if held_out not in cells:
        raise ChromvizError(f"{held_out} cannot be left out: it is not among {', '.join(cells)}")
    tested = datasets[cells.index(held_out)]
    test = set(np.asarray(_ids(tested))[tested["split"].values == "test"])
    owner = np.repeat(cells, [one.sizes["gene"] for one in datasets])
    is_tested = np.array([gene in test for one in datasets for gene in _ids(one)])
    split, other = whole["split"].values.copy(), owner != held_out
    learnt = other & np.isin(split, ("train", "valid"))
    split[~(other | (split == "test"))] = "none"
    split[other & (~learnt | is_tested)] = "none"
    for part in ("train", "valid", "test"):
        if not (split == part).any():
            raise ChromvizError(
                f"with {held_out} left out there is no gene to {part}; prepare the cell types "
                "with more genes"
            )
    others = "+".join(cell for cell in cells if cell != held_out)
    return whole.assign(split=("gene", split)).assign_attrs(
        cell=f"{held_out} from {others}", left_out_genes=int((learnt & is_tested).sum())
    )


def _check(datasets: Sequence[xr.Dataset]) -> None:
    """Refuse datasets whose signals do not mean the same."""
    cells = [str(one.attrs["cell"]) for one in datasets]
    if len(cells) < 2:
        raise ChromvizError(
            f"only {', '.join(cells) or 'nothing'} to pool; name at least two cell types"
        )
    repeated = next((cell for cell in cells if cells.count(cell) > 1), "")
    if repeated:
        raise ChromvizError(f"{cell_label(repeated)} is there twice; name each cell type once")
    first = datasets[0]
    for one in datasets[1:]:
        for name in ("mark", "bin_start"):
            mine, other = (list(item[name].values) for item in (first, one))
            if mine != other:
                what = {"mark": "marks", "bin_start": "bins"}[name]
                raise ChromvizError(
                    f"{cells[0]} and {one.attrs['cell']} cannot be pooled: their {what} differ "
                    f"({_short(mine)}; {_short(other)}); prepare them alike"
                )
        for name in _SHARED:
            if first.attrs[name] != one.attrs[name]:
                raise ChromvizError(
                    f"{cells[0]} and {one.attrs['cell']} cannot be pooled: {name} is "
                    f"{first.attrs[name]} in one and {one.attrs[name]} in the other; prepare them "
                    "alike"
                )


def _short(values: list[Any]) -> str:
    names = [str(value) for value in values]
    return ", ".join(names) if len(names) < 9 else f"{len(names)} from {names[0]} to {names[-1]}"


def _ids(dataset: xr.Dataset) -> list[str]:
    return [str(gene) for gene in dataset["gene"].values]


def _truth(datasets: Sequence[xr.Dataset]) -> np.ndarray | None:
    """Return the planted truth where all datasets have one."""
    if all("truth" in one for one in datasets):
        return np.concatenate([one["truth"].values for one in datasets])
    return None


def _window(dataset: xr.Dataset) -> Window:
    starts, width = dataset["bin_start"].values, int(dataset.attrs["bin_width"])
    window = Window(-int(starts[0]), width)
    if window.n_bins != len(starts):
        raise ChromvizError(
            f"the window of {dataset.attrs['cell']} does not lie evenly around the TSS; only even "
            "ones can be pooled"
        )
    return window
