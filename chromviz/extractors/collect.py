"""What methods that explain genes in batches share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from zlib import crc32

import numpy as np
import torch
import xarray as xr
from numpy.typing import DTypeLike

from chromviz.errors import ChromvizError
from chromviz.extractors.job import Found, Job
from chromviz.extractors.reference import reference_hash, references
from chromviz.models.inference import joined, logits_of, over_batches
from chromviz.schema import usable

#: Standard deviation of the noise in tests, as a share of each mark's own over the training genes.
NOISE = 0.1

#: Takes a batch that requires gradients, and its rows; returns its weights and, if the method has
#: references, those (reference, mark, bin).
Explain = Callable[[torch.Tensor, slice], tuple[torch.Tensor, torch.Tensor | None]]


def collect(
    job: Job,
    explain: Explain,
    *,
    rows_a_gene: int = 1,
    side_by_side: bool = True,
    notes: Mapping[str, str | float] | None = None,
) -> Found:
    """Explain a job's genes batch by batch; return weights, logits and completeness errors.

    The completeness error is the sum of the weights minus the difference between the gene's logit
    and the mean logit of the references, for methods that have references. A gene takes
    `rows_a_gene` rows in one pass, and batches have fewer genes accordingly. Batches do not run
    `side_by_side` if the method changes the model.
    """
    base: list[np.ndarray] = []

    def run(batch: torch.Tensor, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        output = logits_of(job.module, batch)
        found, references = explain(batch.requires_grad_(), rows)
        if references is not None and not base:
            base.append(logits_of(job.module, references))
        return found.detach().cpu().numpy(), output

    # cuDNN has no backward pass for a recurrent layer in evaluation mode.
    with torch.backends.cudnn.flags(enabled=False):
        batches = over_batches(
            run,
            job.signal,
            job.module,
            job.device,
            job.batch_size if job.batch_size < 1 else max(job.batch_size // rows_a_gene, 1),
            side_by_side=side_by_side,
            what=job.method,
            progress=job.progress,
        )
    weight, logit = joined(batches)
    if not base:
        return Found(weight, logit, notes=notes)
    difference = logit.astype(np.float64) - base[0].mean(dtype=np.float64)
    total = weight.reshape(len(weight), -1).sum(axis=1, dtype=np.float64)
    return Found(weight, logit, total - difference, notes, difference=difference)


def one_reference(job: Job) -> tuple[torch.Tensor, dict[str, str | float]]:
    """Return the job's reference (1, mark, bin) on its device, and its notes."""
    found = references(job.dataset, job.parameters["reference"])
    return torch.from_numpy(found).to(job.device), notes_on(found)


def notes_on(reference: np.ndarray) -> dict[str, str | float]:
    """Return what an attribution records about its reference in addition to the name."""
    return {"reference_sha256": reference_hash(reference), "references": len(reference)}


def count(job: Job, name: str, most: int | None = None, *, least: int = 1) -> int:
    """Return a parameter that must be a whole number from `least` to `most`."""
    value = job.parameters[name]
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        upto = "" if most is None else f" to {most}"
        raise ChromvizError(
            f"{job.method}'s {name} must be a whole number from {least}{upto}, not {value!r}"
        )
    return int(value)


def amount(job: Job, name: str, *, or_zero: bool = False) -> float:
    """Return a parameter that must be a number above 0, or 0 if `or_zero`."""
    value = job.parameters[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 <= value < math.inf and (value or or_zero)):
        what = "0 or a number above it" if or_zero else "a number above 0"
        raise ChromvizError(f"{job.method}'s {name} must be {what}, not {value!r}")
    return float(value)


def spread_of(dataset: xr.Dataset, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Return each mark's standard deviation over the training genes (mark, 1)."""
    rows = np.flatnonzero((dataset["split"].values == "train") & usable(dataset))
    if not len(rows):
        raise ChromvizError(
            f"{dataset.attrs['cell']} has no training genes, and the noise depends on their signal"
        )
    spread = dataset["signal"].values[rows].std(axis=(0, 2), dtype=np.float64)
    return np.asarray(spread[:, None], dtype)


def gene_generator(seed: int, gene: str) -> np.random.Generator:
    """Return the random generator of a gene, from the seed and the gene's id.

    The weights of a gene then do not depend on which other genes are explained, or their order.
    """
    return np.random.default_rng([seed, crc32(str(gene).encode())])
