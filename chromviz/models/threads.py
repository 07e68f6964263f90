"""How work on a CPU is shared out: whole batches or whole groups, each to one thread.

These networks are too small for torch's own threads, which share out single operations: what
they gain is less than what their waiting costs. And a sum in one thread rounds the same on every
machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from threading import current_thread, main_thread

import numba
import torch
from threadpoolctl import ThreadpoolController

#: Threads that share the work; the environment variable ``NUMBA_NUM_THREADS`` sets another number.
THREADS: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]

#: Products of numbers from which on a second thread pays: those of half a millisecond.
_WORTH_A_THREAD = 2e7


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch to one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def by_group(
    loop: Callable[..., None], tensors: tuple[torch.Tensor, ...], groups: int, products: float
) -> None:
    """Run a loop of :mod:`chromviz.models.kernels` over all groups, in threads where that pays.

    Each group's numbers come from the same calls in any number of threads. Cores are free where
    torch is held to one thread, and nobody else shares the work out where this is the main one.

    Parameters
    ----------
    loop
        Takes the tensors as arrays, and which groups: the first, and the one after the last.
    tensors
        On the CPU.
    groups
        How many there are.
    products
        Products of numbers in all; of what is done from memory and not in cache, ten times as many.
    """
    arrays = [tensor.detach().numpy() for tensor in tensors]
    alone = torch.get_num_threads() == 1 and current_thread() is main_thread()
    threads = min(groups, THREADS) if alone and products > _WORTH_A_THREAD else 1
    # The loops' products call BLAS, whose own threads would wait for one another.
    with _libraries().limit(limits=1, user_api="blas"):
        if threads == 1:
            loop(*arrays, 0, groups)
            return
        cuts = [groups * part // threads for part in range(threads + 1)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda ends: loop(*arrays, *ends), pairwise(cuts)))


@cache
def _libraries() -> ThreadpoolController:
    """Return what sets the threads of BLAS; to look for its libraries takes milliseconds."""
    return ThreadpoolController()
