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

    `module` is a ``torch.nn.Module`` in evaluation mode on `device`, parameters frozen; None for a
    control. `signal` is float32 (gene, mark, bin), complete; `genes`, `marks` and `bin_centre` are
    ids, names, and the centres of the bins in bp from the TSS. References come from the training
    genes of `dataset`. `parameters` are the settings of the `method`, with defaults filled in.
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

    `weight` has the dimensions `dims`, or those of the method if `dims` is None. `logit`, `delta`
    and `difference` are (gene,), if the method has them: the logit, the completeness error, and the
    sum that complete weights have, the gene's logit minus the reference's. `notes` are more
    attributes for the attribution.
    """

    weight: np.ndarray
    logit: np.ndarray | None = None
    delta: np.ndarray | None = None
    notes: Mapping[str, str | float] | None = None
    dims: tuple[str, ...] | None = None
    difference: np.ndarray | None = None
