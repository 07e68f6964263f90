"""What a method is given, and what it returns."""

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
    """What a method's function gets.

    Parameters
    ----------
    method
        The method's name.
    module
        The model in evaluation mode on `device`, parameters frozen; None for a control.
    dataset
        What is explained; its training genes give references their values.
    signal
        float32 (gene, mark, bin), complete.
    genes, marks, bin_centre
        Ids, names, and the bins' centres in bp from the TSS.
    parameters
        The method's settings, defaults filled in.
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
    """What a method's function returns.

    Parameters
    ----------
    weight
        With the axes of `dims`.
    logit
        (gene,), where the method met it on its way.
    delta
        (gene,), completeness error in logits, where the method has one.
    notes
        More attributes for the attribution.
    dims
        Axes of this weight, where the model decides them; the method's if None.
    difference
        (gene,), what complete weights add up to, where the method has it: the gene's logit less
        the reference's.
    """

    weight: np.ndarray
    logit: np.ndarray | None = None
    delta: np.ndarray | None = None
    notes: Mapping[str, str | float] | None = None
    dims: tuple[str, ...] | None = None
    difference: np.ndarray | None = None
