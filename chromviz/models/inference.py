"""Running a model without side effects: its mode, device and gradients are restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from chromviz.errors import ChromvizError
from chromviz.models.threads import THREADS, one_thread
from chromviz.progress import Progress, silent

T = TypeVar("T")

#: Genes in one pass on a CPU. More do not make LSTMs faster, because a step would not fit in the
#: cache; and each gene takes one or two megabytes if gradients are needed.
BATCH_SIZE = 64


def batch_for(device: torch.device | str) -> int:
    """Return the default number of genes in one pass on a device."""
    # A GPU takes about the same time for many genes as for few.
    return BATCH_SIZE if torch.device(device).type == "cpu" else 512


def find_device(name: str) -> torch.device:
    """Return a device by its name, after checking that it works."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    # Which error torch raises depends on its build.
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ChromvizError(
            f"the device {name!r} is not available here; use --device cpu"
        ) from None
    return device


@contextmanager
def session(module: nn.Module, device: str = "cpu") -> Iterator[torch.device]:
    """Put a module in evaluation mode on a device with its parameters frozen; then restore it.

    On a GPU, convolutions are computed in full float32 and not in TF32, torch's default, so that a
    completeness error is that of the method.
    """
    target = find_device(device)
    tensors = [*module.parameters(), *module.buffers()]
    homes = {tensor.device for tensor in tensors} or {torch.device("cpu")}
    if len(homes) > 1:
        raise ChromvizError(
            f"the model is spread over several devices ({', '.join(sorted(map(str, homes)))}); "
            "move it to one"
        )
    modes = [(part, part.training) for part in module.modules()]
    asked = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    try:
        module.eval().to(target).requires_grad_(False)
        with _all_digits():
            yield target
    except torch.OutOfMemoryError:
        raise ChromvizError(
            f"the memory of the device {device!r} is too small; use smaller batches or --device cpu"
        ) from None
    finally:
        module.to(homes.pop())
        for part, training in modes:
            part.training = training
        for parameter, wanted in asked:
            parameter.requires_grad_(wanted)


@contextmanager
def _all_digits() -> Iterator[None]:
    """Switch TF32 off in cuDNN, unless the user chose a precision for single operators."""
    cudnn = torch.backends.cudnn
    try:
        before = cudnn.allow_tf32
    except RuntimeError:  # torch raises this if the operators differ
        yield
        return
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32 = before


def over_batches(
    work: Callable[[torch.Tensor, slice], T],
    signal: np.ndarray,
    module: nn.Module,
    device: torch.device,
    batch_size: int | None = None,
    *,
    side_by_side: bool = True,
    what: str = "",
    progress: Progress = silent,
) -> list[T]:
    """Call `work` on each batch of signal (gene, mark, bin); return the results in order.

    `work` takes a float32 batch on the device and its rows. On a CPU several batches run in
    threads, so it has to enable or disable gradients itself; but only if the module consists of
    torch's layers and ours, because a user's forward pass may store values in the module, and not
    if `side_by_side` is False, for `work` that changes the module. `what` names the work to
    `progress`.
    """
    if batch_size is None:
        batch_size = batch_for(device)
    if batch_size < 1:
        raise ChromvizError(f"the batch size must be at least 1, not {batch_size}")
    total = len(signal)
    parts = [slice(start, min(start + batch_size, total)) for start in range(0, total, batch_size)]
    threads = min(THREADS, len(parts)) if device.type == "cpu" and side_by_side else 1

    def run(rows: slice) -> T:
        return work(torch.as_tensor(signal[rows], dtype=torch.float32).to(device), rows)

    def collected(results: Iterable[T]) -> list[T]:
        found = []
        for rows, result in zip(parts, results, strict=True):
            found.append(result)
            progress(what, rows.stop, total)
        return found

    if threads < 2 or not _shares_threads(module):
        return collected(map(run, parts))
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        try:
            return collected(pool.map(run, parts))
        finally:
            pool.shutdown(cancel_futures=True)


def joined(batches: Iterable[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    """Join the arrays of batches along genes, as float32 in C order."""
    each = zip(*batches, strict=True)
    return [np.ascontiguousarray(np.concatenate(parts, dtype=np.float32)) for parts in each]


def _shares_threads(module: nn.Module) -> bool:
    """Return whether the forward pass of a module does not change the module."""
    known = ("torch.nn.", "chromviz.models.")
    return all(type(part).__module__.startswith(known) for part in module.modules())


def logits(
    module: nn.Module, signal: np.ndarray, *, batch_size: int | None = None, device: str = "cpu"
) -> np.ndarray:
    """Return the logit of ON (gene,) for signal (gene, mark, bin)."""
    with session(module, device) as target:
        return logits_on(module, signal, target, batch_size)


def logits_on(
    module: nn.Module, signal: np.ndarray, device: torch.device, batch_size: int | None = None
) -> np.ndarray:
    """Return the logits (gene,) of a module in a :func:`session`."""

    def run(batch: torch.Tensor, rows: slice) -> np.ndarray:
        with torch.inference_mode():
            return logits_of(module, batch)

    found = over_batches(run, signal, module, device, batch_size)
    return np.concatenate([np.empty(0, np.float32), *found], dtype=np.float32)


def logits_of(module: nn.Module, batch: torch.Tensor) -> np.ndarray:
    """Return the logits (batch,) of one batch, without a gradient."""
    with torch.no_grad():
        found: np.ndarray = one_a_gene(module(batch), len(batch)).cpu().numpy()
    return found


def one_a_gene(output: torch.Tensor, genes: int) -> torch.Tensor:
    """Check that a model returned one logit for each gene of a batch."""
    if not isinstance(output, torch.Tensor) or output.shape != (genes,):
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ChromvizError(
            f"the model's output is {found} for a batch of {genes} genes; "
            "a model must return one logit per gene, shape (batch,)"
        )
    return output


def probabilities(logit: np.ndarray) -> np.ndarray:
    """Return the probability of ON for a logit."""
    result: np.ndarray = 1 / (1 + np.exp(-logit.astype(np.float64)))
    return result
