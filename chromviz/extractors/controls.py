"""Weights without a model, which any explanation must beat."""

from __future__ import annotations

import numpy as np

from chromviz.extractors.collect import gene_generator
from chromviz.extractors.job import Found, Job


def raw_signal(job: Job) -> Found:
    """Return the signal itself."""
    return Found(job.signal)


def tss_distance(job: Job) -> Found:
    """Return proximity to the TSS: 1 at the TSS, decreasing linearly to 0 at the window's edge."""
    half_bin = abs(job.bin_centre[1] - job.bin_centre[0]) / 2 if len(job.bin_centre) > 1 else 0.0
    edge = np.abs(job.bin_centre).max() + half_bin
    nearness = 1 - np.abs(job.bin_centre) / edge
    return Found(np.broadcast_to(nearness.astype(np.float32), job.signal.shape))


def uniform(job: Job) -> Found:
    """Return the same weight for every bin; a mark's bins sum to 1, as attention does."""
    return Found(np.full_like(job.signal, 1 / job.signal.shape[2]))


def random(job: Job) -> Found:
    """Return independent draws from U(0, 1); each gene draws from the seed and its id."""
    weight = np.empty_like(job.signal)
    for row, gene in enumerate(job.genes):
        weight[row] = gene_generator(job.seed, gene).random(job.signal.shape[1:], dtype=np.float32)
    return Found(weight)
