"""Compare LSTM-α,β with the network that its authors released, on the same genes, in one run.

    python benchmarks/training.py [--seeds 3] [--genes 19802]

It measures four things: the time of one step with the compiled loops and with ``torch.nn.LSTM``,
the time of the logits of 6,600 genes, the time of an epoch, and the validation AUC reached in that
time. The released code is not part of this repository. Its stand-in below is the same network,
written with ``torch.nn.LSTM`` from its published description and trained as by the authors: raw
counts, parameters from U(-0.1, 0.1), Adam with 2e-4, batches of 16, gradients clipped to 1, 30
epochs, the epoch with the best validation AUC. It has neither data loader nor logging, and is
therefore rather faster than the original.

The data is simulated and has the size of the paper's: 6,601 genes each for training, validation
and test. Both may use all cores: the stand-in by torch's own threads, its default.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import xarray as xr
from sklearn.metrics import roc_auc_score
from torch import nn

from chromviz.data.simulate import simulate
from chromviz.models import find_model, kernels, threads
from chromviz.models.inference import BATCH_SIZE, logits, over_batches
from chromviz.models.threads import one_thread
from chromviz.models.training import train_once
from chromviz.schema import usable


class Level(nn.Module):
    """A bidirectional LSTM over steps and soft attention over its states."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, bidirectional=True)
        self.context = nn.Parameter(torch.empty(2 * hidden, 1))

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """Return the attended state (batch, 2 * hidden) of (step, batch, feature)."""
        states, _ = self.lstm(steps)
        weights = torch.softmax((states @ self.context).squeeze(-1), 0)
        return torch.einsum("sb,sbh->bh", weights, states)


class Released(nn.Module):
    """The stand-in: one LSTM per mark, one over the marks, a linear layer; 55,681 parameters."""

    def __init__(self, n_marks: int = 5) -> None:
        super().__init__()
        self.bins = nn.ModuleList(Level(1, 32) for _ in range(n_marks))
        self.marks = Level(64, 16)
        self.output = nn.Linear(32, 1)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit (batch,) of counts (batch, bin, mark)."""
        vectors = [
            level(signal[:, :, mark].t().unsqueeze(-1)) for mark, level in enumerate(self.bins)
        ]
        logit: torch.Tensor = self.output(self.marks(torch.stack(vectors))).squeeze(-1)
        return logit


#: Seconds of training so far, and the validation AUC.
Curve = list[tuple[float, float]]


def part(dataset: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return signal (gene, mark, bin) and label (gene,) of a split."""
    rows = np.flatnonzero((dataset["split"].values == name) & usable(dataset))
    return dataset["signal"].values[rows], dataset["label"].values[rows].astype(np.float32)


def train_released(dataset: xr.Dataset, seed: int, epochs: int) -> tuple[Curve, float]:
    """Train the stand-in; return its curve and its test AUC. Validation is not timed."""
    tensors = {
        name: tuple(map(torch.from_numpy, part(dataset, name)))
        for name in ("train", "valid", "test")
    }
    signals = {name: pair[0].transpose(1, 2).contiguous() for name, pair in tensors.items()}
    label = tensors["train"][1]

    def score(name: str) -> float:
        with torch.inference_mode():
            found = torch.cat([module(batch) for batch in signals[name].split(256)])
        return float(roc_auc_score(tensors[name][1].numpy(), found.numpy()))

    curve: Curve = []
    best, test_auc, seconds = 0.0, 0.0, 0.0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = Released(dataset.sizes["mark"])
        optimizer = torch.optim.Adam(module.parameters(), lr=2e-4)
        loss_of = nn.BCEWithLogitsLoss()
        for _ in range(epochs):
            started = time.perf_counter()
            for rows in torch.randperm(len(label)).split(16):
                optimizer.zero_grad()
                loss_of(module(signals["train"][rows]), label[rows]).backward()
                nn.utils.clip_grad_norm_(module.parameters(), 1)
                optimizer.step()
            seconds += time.perf_counter() - started
            curve.append((seconds, score("valid")))
            if curve[-1][1] > best:
                best, test_auc = curve[-1][1], score("test")
    return curve, test_auc


def train_ours(dataset: xr.Dataset, seed: int) -> tuple[Curve, float, float]:
    """Train ours; return its curve, with the time of validation, its test AUC, and a time.

    The last is the time of an epoch without validation, as for the stand-in.
    """
    times = [time.perf_counter()]
    model = train_once(
        "lstm-alpha-beta",
        dataset,
        seed=seed,
        on_epoch=lambda row: times.append(time.perf_counter()),
    )
    curve = [
        (now - times[0], row["valid_auc"])
        for now, row in zip(times[1:], model.card.curve, strict=True)
    ]
    valid = part(dataset, "valid")[0]
    with one_thread(), torch.inference_mode():
        batches = torch.from_numpy(valid).split(BATCH_SIZE)
        validation = fastest(lambda: [model.module(batch) for batch in batches])
    # The first epoch loads the compiled loops, or compiles them.
    alone = (times[-1] - times[1]) / (len(times) - 2) - validation
    return curve, float(model.card.metrics["test_auc"] or np.nan), alone


def auc_after(curve: Curve, seconds: float) -> float:
    """Return the best AUC that was reached within a time."""
    return max((auc for reached, auc in curve if reached <= seconds), default=float("nan"))


def fastest(run: Callable[[], object], times: int = 5) -> float:
    """Return the minimum time of several runs, in seconds."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return min(found)


def compare_logits(signal: np.ndarray) -> None:
    """Print the time of the logits of all genes: ours with α and β, the stand-in without."""
    ours = find_model("lstm-alpha-beta").build(*signal.shape[1:]).eval()
    theirs = Released(signal.shape[1]).eval()
    counts = torch.from_numpy(signal).transpose(1, 2).contiguous()

    def attend(batch: torch.Tensor, rows: slice) -> object:
        with torch.inference_mode():
            return ours.attention(batch)

    def run_ours(size: int) -> list[object]:
        return list(over_batches(attend, signal, ours, torch.device("cpu"), size))

    def run_theirs(size: int) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [theirs(batch) for batch in counts.split(size)]

    sizes = (16, 64, 128, 256, 512)
    # Alternating, so that a machine that slows down slows both.
    rows = {
        size: (
            fastest(lambda size=size: run_ours(size)),
            fastest(lambda size=size: run_theirs(size)),
        )
        for size in sizes
    }
    print(f"\n| {len(signal):,} genes, batch | ours with α, β (s) | released, logits alone (s) |")
    print("|---|---|---|")
    for size, (one, other) in rows.items():
        print(f"| {size} | {one:.2f} | {other:.2f} |")
    best = [min(row[side] for row in rows.values()) for side in (0, 1)]
    print(
        f"| best of each | {best[0]:.2f} | {best[1]:.2f}: {best[1] / best[0]:.2f} times as long |"
    )
    print(f"\nAs `chromviz` runs it, `logits` take {fastest(lambda: logits(ours, signal)):.2f} s.")


def compare_steps(signal: np.ndarray, rounds: int = 30) -> None:
    """Print the time of one batch on one core: compiled loops, the same by torch, the stand-in.

    It is time of the processor, and the median of alternating runs, so that other work on the
    machine counts little.
    """
    ours = find_model("lstm-alpha-beta").build(*signal.shape[1:])
    theirs = Released(signal.shape[1])
    batch = torch.from_numpy(signal[:BATCH_SIZE])
    counts = batch.transpose(1, 2).contiguous()

    def backward(module: nn.Module, inputs: torch.Tensor) -> None:
        module.zero_grad()
        module(inputs).sum().backward()

    def forward(module: nn.Module, inputs: torch.Tensor) -> None:
        with torch.inference_mode():
            module(inputs)

    def by_torch(run: Callable[..., None]) -> None:
        serve, kernels.serve = kernels.serve, lambda values: False
        try:
            run(ours, batch)
        finally:
            kernels.serve = serve

    found = {}
    for name, run in (("forward and backward", backward), ("forward", forward)):
        works = {
            "compiled": partial(run, ours, batch),
            "torch.nn.LSTM": partial(by_torch, run),
            "stand-in": partial(run, theirs, counts),
        }
        times: dict[str, list[float]] = {work: [] for work in works}
        for _ in range(rounds):
            for work, do in works.items():
                started = time.thread_time()
                do()
                times[work].append(time.thread_time() - started)
        found[name] = {work: 1000 * float(np.median(took[2:])) for work, took in times.items()}
    print(f"\n| batch of {len(batch)}, one core | compiled loops (ms) | torch.nn.LSTM | stand-in |")
    print("|---|---|---|---|")
    for name, row in found.items():
        ratios = " | ".join(
            f"{row[other]:.1f}, {row[other] / row['compiled']:.2f} times as long"
            for other in ("torch.nn.LSTM", "stand-in")
        )
        print(f"| {name} | {row['compiled']:.1f} | {ratios} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30, help="of the released network")
    parser.add_argument("--genes", type=int, default=19_802)
    arguments = parser.parse_args()
    dataset = simulate("E123", n_genes=arguments.genes)
    n_train = len(part(dataset, "train")[1])
    print(f"SIMULATED DATA, {n_train:,} training genes, {torch.get_num_threads()} threads")
    number, threads.THREADS = threads.THREADS, 1
    with one_thread():
        compare_steps(part(dataset, "test")[0])
    threads.THREADS = number
    compare_logits(part(dataset, "test")[0])
    print(
        "\n| seed | training of an epoch, ours (s) | released (s) | ratio "
        "| with validation, ours (s) | valid AUC after our time, ours | released "
        "| test AUC, ours | released | seconds in all, ours | released |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for seed in range(arguments.seeds):
        ours, our_test, alone = train_ours(dataset, seed)
        theirs, their_test = train_released(dataset, seed, arguments.epochs)
        epochs = [curve[-1][0] / len(curve) for curve in (ours, theirs)]
        end = ours[-1][0]
        print(
            f"| {seed} | {alone:.1f} | {epochs[1]:.1f} | {epochs[1] / alone:.2f} | {epochs[0]:.1f} "
            f"| {auc_after(ours, end):.4f} | {auc_after(theirs, end):.4f} "
            f"| {our_test:.4f} | {their_test:.4f} | {end:.0f} | {theirs[-1][0]:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
