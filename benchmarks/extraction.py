"""Explaining and validating beside the captum loop that a user would write, in one run.

    python benchmarks/extraction.py [--genes 19802]

The model is LSTM-α,β, trained for two epochs on simulated data of the paper's size: 6,600 test
genes. The plain loop is captum's own classes called on batches of 64 genes, on the same module
written plainly with ``torch.nn.LSTM`` (the stand-in of ``benchmarks/training.py``, behind the same
transform): what somebody has who trains the published network and explains it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import captum.attr
import numpy as np
import torch
import xarray as xr
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from training import Released  # the stand-in

from chromviz.data.simulate import simulate
from chromviz.extractors.explain import extract
from chromviz.models import find_model
from chromviz.models.layers import InputTransform
from chromviz.models.training import train_once
from chromviz.validation.association import association

#: What the plain loop does, on so many genes; integrated gradients with captum's default steps.
BATCH = 64


class Plain(nn.Module):
    """The stand-in behind the transform, on (batch, mark, bin)."""

    def __init__(self, transform: InputTransform) -> None:
        super().__init__()
        self.transform, self.network = transform, Released()

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit (batch,)."""
        found: torch.Tensor = self.network(self.transform(signal).transpose(1, 2))
        return found


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def plain_loop(method: object, signal: np.ndarray, **options: object) -> list[torch.Tensor]:
    """Explain in batches, as captum's tutorials do."""
    return [
        method.attribute(batch.requires_grad_(), **options).detach()  # type: ignore[attr-defined]
        for batch in torch.from_numpy(signal).split(BATCH)
    ]


def attributions(dataset: xr.Dataset, model: object) -> list[xr.Dataset]:
    """Return what is validated: four methods and four controls, of all test genes."""
    ours = ("alpha", "alpha_beta", "saliency", "input_x_gradient")
    controls = ("raw_signal", "tss_distance", "uniform", "random")
    found = [extract(name, dataset, model) for name in ours]  # type: ignore[arg-type]
    return found + [extract(name, dataset, None) for name in controls]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=19_802)
    arguments = parser.parse_args()
    dataset = simulate("E123", n_genes=arguments.genes)
    settings = replace(find_model("lstm-alpha-beta").settings(), max_epochs=2)
    model = train_once("lstm-alpha-beta", dataset, settings=settings)
    test = np.flatnonzero(dataset["split"].values == "test")
    few = test[:1000]
    signal = dataset["signal"].values
    transform = model.module.transform
    plain = Plain(transform).eval()  # type: ignore[arg-type]
    print(f"SIMULATED DATA, {len(test):,} test genes, {torch.get_num_threads()} threads")
    rows: list[tuple[str, float, float]] = []
    extract("saliency", dataset, model, genes=few[:64])  # compiles the loops, if it must
    rows.append(
        (
            f"saliency, {len(test):,} genes",
            seconds(lambda: extract("saliency", dataset, model)),
            seconds(lambda: plain_loop(captum.attr.Saliency(plain), signal[test])),
        )
    )
    found: dict[str, xr.Dataset] = {}
    missed: dict[str, np.ndarray] = {}

    def integrate() -> None:
        found["ig"] = extract("integrated_gradients", dataset, model, genes=few)

    ours = seconds(integrate)
    options = {"n_steps": 50, "internal_batch_size": BATCH}
    method = captum.attr.IntegratedGradients(plain)
    theirs = seconds(lambda: plain_loop(method, signal[few], **options))
    # What the plain loop's weights miss is a matter of the network, and the stand-in has not our
    # weights: captum's class on the trained network itself says it.
    own = model.module.eval()
    with torch.no_grad():
        zero = own(torch.zeros(1, *signal.shape[1:]))
        whole = (own(torch.from_numpy(signal[few])) - zero).numpy()
    weights = plain_loop(captum.attr.IntegratedGradients(own), signal[few], **options)
    total = torch.cat(weights).sum((1, 2)).numpy()
    missed["captum, 50 steps"] = np.abs(total - whole) / np.maximum(np.abs(whole), 1)
    rows.append((f"integrated gradients, {len(few):,} genes", ours, theirs))
    mask = torch.arange(5)[None, :, None]
    rows.append(
        (
            f"ablation of marks, {len(test):,} genes",
            seconds(lambda: extract("feature_ablation", dataset, model)),
            seconds(
                lambda: plain_loop(
                    captum.attr.FeatureAblation(plain), signal[test], feature_mask=mask
                )
            ),
        )
    )
    rows.append(
        (
            f"SmoothGrad of 16, {len(few):,} genes",
            seconds(lambda: extract("smoothgrad", dataset, model, genes=few)),
            seconds(
                lambda: plain_loop(
                    captum.attr.NoiseTunnel(captum.attr.Saliency(plain)),
                    signal[few],
                    nt_samples=16,
                    nt_samples_batch_size=1,
                    abs=False,
                )
            ),
        )
    )
    print("\n| what | chromviz (s) | plain captum (s) | ratio |")
    print("|---|---|---|---|")
    for what, one, other in rows:
        print(f"| {what} | {one:.1f} | {other:.1f} | {other / one:.1f} |")
    one, other = (sum(row[side] for row in rows) for side in (1, 2))
    print(f"| the set | {one:.1f} | {other:.1f} | {other / one:.1f} |")
    delta, scale = found["ig"]["delta"].values, np.abs(found["ig"]["difference"].values)
    missed["chromviz"] = np.abs(delta) / np.maximum(scale, 1)
    print("\nCompleteness error of integrated gradients on the trained network:")
    for name, error in missed.items():
        print(
            f"{name}: median {100 * np.median(error):.2f} %, largest {100 * error.max():.1f} %, "
            f"over 1 %: {(error > 0.01).sum()} of {len(error):,} genes"
        )
    every = attributions(dataset, model)
    spent = seconds(lambda: association(every, dataset, marks=["H3K4me3"]))
    marks = seconds(lambda: association(every, dataset))
    print(
        f"2,000 resamples and 2,000 draws of each null, {len(every)} methods, "
        f"{len(test):,} test genes: {spent:.1f} s on H3K4me3, {marks:.1f} s on all five marks"
    )
    print(f"Peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
