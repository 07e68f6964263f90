"""Infidelity and sensitivity of an explanation, by captum's metrics (Yeh et al. 2019)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import xarray as xr

from chromviz.catalog import find_method
from chromviz.errors import ChromvizError
from chromviz.extractors.collect import NOISE, spread_of
from chromviz.extractors.engine import metrics
from chromviz.extractors.explain import job_for
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.inference import session


def infidelity_and_sensitivity(
    method: str,
    model: TrainedModel,
    dataset: xr.Dataset,
    *,
    genes: np.ndarray,
    samples: int = 10,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, np.ndarray]:
    """Return captum's two metrics for each gene (gene,); lower is better for both.

    The noise is Gaussian, with a tenth of each mark's standard deviation over the training genes.
    ``infidelity``: the mean square of (noise · weights minus the change of the logit), divided by
    the mean square of that change; 0 is perfect, and weights of 0 have 1. It is NaN for methods
    other than :data:`_SLOPES`. ``sensitivity``: the largest change of the weights between a gene
    and its noisy copies, relative to the norm of the weights.
    """
    chosen = find_method(method)
    if chosen.dims != ("gene", "mark", "bin"):
        raise ChromvizError(
            f"the metrics need a weight for each mark and bin of a gene; {method} gives "
            f"({', '.join(chosen.dims)})"
        )
    job = replace(job_for(chosen, dataset, model, genes, device), seed=seed)
    size = torch.from_numpy(NOISE * spread_of(dataset)).to(job.device)
    run = chosen.function()

    def explain(given: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
        inputs = _first(given)
        copies = len(inputs) // len(job.genes)
        names = np.repeat(job.genes, copies)
        found = run(replace(job, signal=inputs.detach().cpu().numpy(), genes=names))
        return torch.from_numpy(found.weight).to(job.device)

    def noise(inputs: torch.Tensor) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(inputs.shape, generator=generator).to(job.device)
        return drawn * size

    with session(job.module, device):
        signal = torch.from_numpy(job.signal).to(job.device)
        weights = explain(signal)
        sensitivity = metrics.sensitivity_max(
            lambda given: (explain(given),),  # captum would iterate over the rows of a bare tensor
            signal,
            perturb_func=lambda inputs, *rest: _first(inputs) + noise(_first(inputs)),
            n_perturb_samples=samples,
        )
        unfaithful = torch.full((len(signal),), float("nan"))
        if method in _SLOPES:

            def perturb(inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                drawn = noise(inputs)
                return drawn, inputs - drawn

            arguments = {"n_perturb_samples": samples, "perturb_func": perturb}
            with torch.no_grad():
                error, nothing = (
                    metrics.infidelity(job.module, inputs=signal, attributions=weight, **arguments)
                    for weight in (weights, torch.zeros_like(weights))
                )
            unfaithful = torch.where(nothing > 0, error / nothing, float("nan"))
    return {
        "infidelity": np.asarray(unfaithful.cpu().numpy(), np.float64),
        "sensitivity": np.asarray(sensitivity.cpu().numpy(), np.float64),
    }


#: Methods whose weight times a change of the signal should be the change of the logit.
_SLOPES = ("saliency", "smoothgrad")


def _first(inputs: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    return inputs[0] if isinstance(inputs, tuple) else inputs
