"""How work on a CPU is divided: whole batches or whole groups, each in one thread.

These networks are too small to divide single operations, as torch's own threads do. And a sum in
one thread is rounded alike on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from threading import current_thread, main_thread

import numba
import torch

#: Number of threads; set by the environment variable ``NUMBA_NUM_THREADS``.
THREADS: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]

#: Number of multiplications above which a second thread pays: about half a millisecond.
WORTH_A_THREAD = 2e7


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def by_group(
    loop: Callable[..., None], tensors: tuple[torch.Tensor, ...], groups: int, products: float
) -> None:
    """Run a loop of :mod:`chromviz.models.kernels` over all groups, in threads if that pays.

    `loop` takes the tensors as arrays, the first group, and the group after the last. `products` is
    the number of multiplications, times ten if bound by memory.
    """
    arrays = [tensor.detach().numpy() for tensor in tensors]
    # Otherwise the cores are busy with other batches.
    alone = torch.get_num_threads() == 1 and current_thread() is main_thread()
    threads = min(groups, THREADS) if alone and products > WORTH_A_THREAD else 1
    if threads == 1:
        loop(*arrays, 0, groups)
        return
    cuts = [groups * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda ends: loop(*arrays, *ends), pairwise(cuts)))
