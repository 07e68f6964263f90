"""The attribution format: one method's weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.errors import ChromvizError, SchemaError
from chromviz.schema import files
from chromviz.schema.dataset import dataset_hash
from chromviz.schema.variables import (
    SCHEMA_VERSION,
    check_header,
    labelled,
    name_variables,
    refuse_rows,
)

ATTRIBUTION = "chromviz-attribution"
#: Dimensions that a weight may have.
WEIGHT_DIMS = (("gene", "mark", "bin"), ("gene", "bin"), ("gene", "mark"), ("mark", "bin"))

#: The coordinate that labels each dimension.
_LABELS = {"gene": "gene", "mark": "mark", "bin": "bin_start"}

#: Completeness error, as a share of the difference in logit, over which a gene is flagged.
DELTA_THRESHOLD = 0.01


@dataclass(frozen=True)
class Origin:
    """The method and the model that weights come from.

    ``signed`` says whether the sign of a weight has a meaning. ``model`` and ``model_hash`` are
    empty for a control. ``variant`` is as in :class:`chromviz.models.checkpoint.Card`.
    """

    method: str
    parameters: Mapping[str, Any]
    signed: bool
    model: str = ""
    model_hash: str = ""
    variant: str = ""
    seed: int = 0
    device: str = "cpu"


def build_attribution(
    weight: np.ndarray,
    dims: tuple[str, ...],
    dataset: xr.Dataset,
    origin: Origin,
    *,
    genes: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    delta: np.ndarray | None = None,
    difference: np.ndarray | None = None,
) -> xr.Dataset:
    """Label weights with the genes, marks and bins of their dataset, and check the result.

    `dims` is one of :data:`WEIGHT_DIMS`; `genes` are the positions in `dataset` of the explained
    genes. For each of them, `probability` is the predicted probability of ON, `delta` the
    completeness error and `difference` the sum that the weights should have, both in logits. A gene
    is ``flagged`` if its error exceeds :data:`DELTA_THRESHOLD` times that difference (at least 1).
    """
    weight = np.asarray(weight, dtype=np.float32)
    data: dict[str, Any] = {"weight": (dims, weight)}
    labels = {_LABELS[dim]: (dim,) for dim in dims if dim in ("mark", "bin")}
    coords = {name: (dim, dataset[name].values) for name, dim in labels.items()}
    if "gene" in dims:
        rows = np.arange(dataset.sizes["gene"]) if genes is None else np.asarray(genes)
        coords |= {name: (("gene",), dataset[name].values[rows]) for name in ("gene", "symbol")}
        by_gene = {"probability": probability, "delta": delta}
        if delta is not None and difference is not None:
            over = np.abs(delta) > DELTA_THRESHOLD * np.maximum(np.abs(difference), 1)
            by_gene |= {"difference": difference, "flagged": over}
        data |= {
            name: labelled(name, values) for name, values in by_gene.items() if values is not None
        }
    attrs = {
        "schema": ATTRIBUTION,
        "schema_version": SCHEMA_VERSION,
        **asdict(origin),
        "parameters": json.dumps(dict(origin.parameters), sort_keys=True),
        "signed": int(origin.signed),
        "cell": dataset.attrs["cell"],
        "dataset_hash": dataset_hash(dataset),
        "simulated": dataset.attrs["simulated"],
        "missing": dataset.attrs["missing"],
        **provenance.stamp(origin.seed),
    }
    if "flagged" in data:
        flagged = int(data["flagged"][1].sum())
        attrs |= {"delta_threshold": DELTA_THRESHOLD, "flagged_genes": flagged}
    try:
        attribution = xr.Dataset(data, coords, attrs)
    except ValueError as error:
        raise SchemaError(
            f"rule 'weights fit their dimensions': {weight.shape} for {dims} ({error})"
        ) from None
    check_attribution(attribution)
    name_variables(attribution, str(dataset.attrs["orientation"]))
    return attribution


def check_attribution(attribution: xr.Dataset) -> None:
    """Check an attribution against the format; the error names the first broken rule."""
    recorded = [field.name for field in fields(Origin) if field.name != "variant"]
    check_header(attribution, ATTRIBUTION, (*recorded, "cell", "dataset_hash", "simulated"))
    if "weight" not in attribution:
        raise SchemaError("rule 'an attribution has a weight': it is missing")
    weight = attribution["weight"]
    if weight.dims not in WEIGHT_DIMS:
        known = ", ".join(map(str, WEIGHT_DIMS))
        raise SchemaError(f"rule 'weight has known dimensions': {weight.dims}; known: {known}")
    for dim in weight.dims:
        name = _LABELS[str(dim)]
        if name not in attribution.coords:
            raise SchemaError(f"rule '{dim} is labelled': the coordinate {name} is missing")
    if not np.isfinite(weight.values).all():
        count = int((~np.isfinite(weight.values)).sum())
        raise SchemaError(f"rule 'weights are finite': {count} of {weight.size} are not")
    if "probability" in attribution:
        probability = attribution["probability"].values
        outside = ~((probability >= 0) & (probability <= 1))
        refuse_rows(attribution, outside, "probability lies between 0 and 1")


def save_attribution(attribution: xr.Dataset, path: Path) -> None:
    """Check an attribution and write it as NetCDF-4, whole or not at all."""
    files.save(attribution, path, check_attribution, "weight")


def load_attribution(path: Path) -> xr.Dataset:
    """Read an attribution and check it; errors as :func:`chromviz.schema.files.load`."""
    return files.load(path, check_attribution)


def require_made_from(attribution: xr.Dataset, cell: str, data_hash: str) -> str:
    """Check that an attribution was made from a dataset; return its name for messages."""
    what = f"{attribution.attrs['method']} of {attribution.attrs['model'] or 'no model'}"
    if attribution.attrs["dataset_hash"] != data_hash:
        raise ChromvizError(
            f"the attribution {what} was made from another dataset than the given one of {cell}; "
            "extract it again"
        )
    return what


def explained_genes(
    attribution: xr.Dataset,
    dataset: xr.Dataset,
    data_hash: str,
    *,
    bins: bool = False,
    needed: Sequence[int] | np.ndarray = (),
) -> np.ndarray | None:
    """Return the positions in a dataset of the genes that an attribution explains.

    They are in the order of the attribution; None for the weights of a class. Weights without bins
    are an error if `bins` are wanted, and so is the lack of one of the `needed` genes.
    """
    what = require_made_from(attribution, str(dataset.attrs["cell"]), data_hash)
    dims = attribution["weight"].dims
    if bins and "bin" not in dims:
        raise ChromvizError(f"the attribution {what} has no bins; use a method that weights bins")
    if "gene" not in dims:
        return None
    found = pd.Index(dataset["gene"].values).get_indexer(attribution["gene"].values)
    lacking = np.setdiff1d(needed, found)
    if len(lacking):
        first = dataset["gene"].values[lacking[0]]
        raise ChromvizError(
            f"the attribution {what} lacks {len(lacking)} of the {len(needed)} genes needed, first "
            f"{first}; extract it for all of them"
        )
    return np.asarray(found)
