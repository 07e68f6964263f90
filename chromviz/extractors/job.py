"""The input and the result of a method's function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from chromviz.progress import Progress


@dataclass(frozen=True)
class Job:
    """The input of a method's function.

    Parameters
    ----------
    method
        The method's name.
    module
        The model, a ``torch.nn.Module`` in evaluation mode on `device`, parameters frozen; None
        for a control.
    dataset
        The dataset that is explained; references come from its training genes.
    signal
        float32 (gene, mark, bin), complete.
    genes, marks, bin_centre
        Ids, names, and the centres of the bins in bp from the TSS.
    parameters
        The method's settings, with defaults filled in.
    batch_size, seed, device, progress
        As given to :func:`extract`.
    """

    method: str
    module: Any
    dataset: xr.Dataset
    signal: np.ndarray
    genes: np.ndarray
    marks: np.ndarray
    bin_centre: np.ndarray
    parameters: Mapping[str, Any]
    batch_size: int
    seed: int
    device: torch.device
    progress: Progress

    def of(self, rows: np.ndarray) -> Job:
        """Return the same job for some of its genes."""
        return replace(self, signal=self.signal[rows], genes=self.genes[rows])


@dataclass(frozen=True)
class Found:
    """The result of a method's function.

    Parameters
    ----------
    weight
        Weights with the dimensions `dims`, or those of the method if `dims` is None.
    logit, delta, difference
        (gene,), if the method has them: the logit, the completeness error in logits, and the sum
        that complete weights have, the gene's logit minus the reference's.
    notes
        More attributes for the attribution.
    """

    weight: np.ndarray
    logit: np.ndarray | None = None
    delta: np.ndarray | None = None
    notes: Mapping[str, str | float] | None = None
    dims: tuple[str, ...] | None = None
    difference: np.ndarray | None = None
