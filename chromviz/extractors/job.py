"""The input and the result of a method's function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from chromviz.progress import Progress


@dataclass(frozen=True)
class Job:
    """The input of a method's function.

    Parameters
    ----------
    method
        The method's name.
    module
        The model in evaluation mode on `device`, parameters frozen; None for a control.
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
    module: nn.Module | None
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
        With the axes of `dims`.
    logit
        (gene,), if the method computed it.
    delta
        (gene,), completeness error in logits, if the method has one.
    notes
        More attributes for the attribution.
    dims
        Axes of this weight if the model determines them; None for those of the method.
    difference
        (gene,), the sum of complete weights if the method has one: the gene's logit minus the
        reference's.
    """

    weight: np.ndarray
    logit: np.ndarray | None = None
    delta: np.ndarray | None = None
    notes: Mapping[str, str | float] | None = None
    dims: tuple[str, ...] | None = None
    difference: np.ndarray | None = None
