"""Time and memory of reading a bigWig: chromviz, plain loops and deepTools, in one run.

    python benchmarks/tracks.py [--work FOLDER] [--track FILE] [--computematrix PROGRAM]

Each reader reads 19,802 simulated windows of 100 bins of 100 bp. Unless a file is given, the track
is simulated too: the whole of hg19 in steps of 25 bp. Simulating it takes about three minutes;
with --work it is kept. Each reader runs in its own process; fast readers run three times and the
best time counts. "seconds" is the time for reading alone, "process" that of the whole program,
"memory" that of the largest process (Linux). computeMatrix runs with two processes (-p 2).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

N_GENES, FLANK, BINS, STEP, SUBSET = 19_802, 5000, 100, 25, 400

Windows = list[tuple[str, int, int]]


def chromosomes() -> dict[str, int]:
    """Return the sizes of hg19's chromosomes, in the order of their names."""
    import bioframe

    sizes = bioframe.assembly_info("ucsc.hg19").chromsizes
    return {name: int(sizes[name]) for name in sorted(sizes.index) if name != "chrM"}


def simulate(folder: Path) -> None:
    """Make the windows and the track (in a separate process: memory is inherited)."""
    rng, sizes = np.random.default_rng(0), chromosomes()
    simulate_genes(folder / "genes.bed", sizes, rng)
    unfinished = folder / "unfinished.bw"
    simulate_track(unfinished, folder / "genes.bed", sizes, rng)
    unfinished.replace(folder / "simulated.bw")


def simulate_genes(path: Path, sizes: dict[str, int], rng: np.random.Generator) -> None:
    """Write TSSs as BED6: clustered as genes are, in random order, without a strand."""
    names, length = list(sizes), np.array(list(sizes.values()), dtype=float)
    cluster = rng.choice(len(names), 6000, p=length / length.sum())
    centre = rng.random(6000) * length[cluster]
    member = rng.integers(0, 6000, N_GENES)
    chrom = cluster[member]
    tss = centre[member] + rng.normal(0, 60_000, N_GENES)
    tss = np.clip(tss, 2 * FLANK, length[chrom] - 2 * FLANK).astype(int)
    rows = zip(chrom, tss, strict=True)
    path.write_text(
        "".join(
            f"{names[which]}\t{at}\t{at + 1}\tG{row:05d}\t0\t.\n"
            for row, (which, at) in enumerate(rows)
        )
    )


def simulate_track(path: Path, bed: Path, sizes: dict[str, int], rng: np.random.Generator) -> None:
    """Write a track with more reads at TSSs and with stretches that have no data."""
    import pybigtools

    tss: dict[str, list[int]] = {}
    for chrom, start, _ in windows(bed):
        tss.setdefault(chrom, []).append(start + FLANK)

    def records() -> Iterator[tuple[str, int, int, float]]:
        for chrom, size in sizes.items():
            n = -(-size // STEP)
            rate = np.full(n, 0.11)
            for at in tss.get(chrom, []):
                width = int(rng.integers(10, 60))
                reach = np.arange(max(0, at // STEP - 4 * width), min(n, at // STEP + 4 * width))
                bump = np.exp(-0.5 * ((reach - at // STEP) / width) ** 2)
                rate[reach] += rng.gamma(0.6, 1.5) * bump
            # Reads of 200 bp; then something like the -log10 p of a peak caller, two decimals.
            total = np.cumsum(np.r_[np.zeros(8), rng.poisson(rate)])
            depth = total[8:] - total[:-8]
            value = 0.3 * depth * np.log10(depth / 0.9 + 1) + (depth > 0) * 0.08 * rng.random(n)
            value = np.round(value, 2)
            first = np.r_[0, np.flatnonzero(np.diff(value)) + 1]
            start, end = first * STEP, np.r_[first[1:] * STEP, size]
            kept = np.ones(len(first), dtype=bool)
            for gap in rng.integers(0, size, max(1, size // 8_000_000)):
                kept[(start >= gap) & (start < gap + rng.exponential(500_000))] = False
            columns = (start[kept].tolist(), end[kept].tolist(), value[first][kept].tolist())
            for row in zip(*columns, strict=True):
                yield (chrom, *row)

    pybigtools.open(str(path), "w").write(sizes, records())


@cache
def windows(bed: Path) -> Windows:
    """Return chromosome, start and end of each window, in the file's order."""
    rows = (line.split("\t") for line in bed.read_text().splitlines())
    return [(row[0], int(row[1]) - FLANK, int(row[1]) + FLANK) for row in rows]


@cache
def genes(bed: Path) -> pd.DataFrame:
    """Return the windows as a gene table for chromviz."""
    from chromviz.data.genes.annotation import read_genes

    return read_genes(bed).table


def ours(track: Path, bed: Path, repeat: int = 1) -> np.ndarray:
    """Read with chromviz."""
    from chromviz.data.signal.tracks import read_bins
    from chromviz.vocabulary import Window

    for _ in range(repeat):
        bins = read_bins(track, genes(bed), Window(FLANK, 2 * FLANK // BINS))
    return bins


def plain(track: Path, bed: Path, read: str, in_order: bool) -> np.ndarray:
    """Read window by window with another reader."""
    import pybigtools
    import pyBigWig

    asked = windows(bed)
    if "stats" in read:
        asked = asked[:SUBSET]
    order = sorted(range(len(asked)), key=asked.__getitem__) if in_order else range(len(asked))
    bins = np.empty((len(asked), BINS), dtype=np.float32)
    rust = pybigtools.open(str(track)) if read.startswith("pybigtools") else None
    other = None if rust else pyBigWig.open(str(track))
    ways: dict[str, Callable[[tuple[str, int, int]], object]] = {
        "pybigtools values": lambda at: rust.values(*at, fillna=None).reshape(BINS, -1).mean(1),
        "pybigtools bins": lambda at: rust.values(*at, bins=BINS, exact=True, fillna=None),
        "pyBigWig values": lambda at: other.values(*at, numpy=True).reshape(BINS, -1).mean(1),
        "pyBigWig stats": lambda at: other.stats(*at, nBins=BINS, exact=True),
    }
    way = ways[read]
    for row in order:
        bins[row] = way(asked[row])
    return bins


READERS: dict[str, Callable[[Path, Path], np.ndarray]] = {
    "chromviz": ours,
    "pybigtools values + mean, sorted": lambda t, b: plain(t, b, "pybigtools values", True),
    "pybigtools values + mean": lambda t, b: plain(t, b, "pybigtools values", False),
    "pybigtools values(bins, exact), sorted": lambda t, b: plain(t, b, "pybigtools bins", True),
    "pybigtools values(bins, exact)": lambda t, b: plain(t, b, "pybigtools bins", False),
    "pyBigWig values + mean, sorted": lambda t, b: plain(t, b, "pyBigWig values", True),
    f"pyBigWig stats(exact), scaled from {SUBSET} windows": lambda t, b: plain(
        t, b, "pyBigWig stats", False
    ),
    "chromviz, six tracks": lambda t, b: ours(t, b, 6),
}


def run(command: list[str]) -> tuple[float, float]:
    """Run a program; return its seconds and the memory of its largest process in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def measure(name: str, track: Path, bed: Path, out: Path) -> None:
    """Read once and save the bins and the seconds (runs in a separate process)."""
    # Imports and the list of windows are not part of reading.
    import chromviz.data.signal.tracks  # noqa: F401

    windows(bed)
    genes(bed)
    started = time.perf_counter()
    bins = READERS[name](track, bed)
    seconds = time.perf_counter() - started
    np.save(out.with_suffix(".npy"), bins)
    out.write_text(json.dumps(seconds))


def compare(name: str, found: np.ndarray, ours: np.ndarray) -> str:
    """Return the largest difference of another reader's bins from ours where both have data."""
    ours = ours[: len(found)]
    both = np.isfinite(found) & np.isfinite(ours)
    difference = float(np.abs(found[both] - ours[both]).max())
    if difference > 1e-4:
        sys.exit(f"{name} differs from chromviz by {difference:g}")
    return f"{difference:.1e}"


def deeptools(
    program: str, track: Path, bed: Path, folder: Path
) -> tuple[float, float, np.ndarray]:
    """Run computeMatrix; return its seconds, memory and bins, in the order of the BED file."""
    out = folder / "matrix.gz"
    job = ["reference-point", "-S", track, "-R", bed, "--referencePoint", "TSS", "-b", FLANK]
    job += ["-a", FLANK, "--binSize", 2 * FLANK // BINS, "-p", 2, "-o", out, "--quiet"]
    seconds, memory = run([program, *map(str, job)])
    with gzip.open(out, "rt") as handle:
        rows = [line.rstrip("\n").split("\t") for line in handle if not line.startswith("@")]
    bins = np.full((N_GENES, BINS), np.nan)
    for row in rows:
        bins[int(row[3][1:])] = [float(item) for item in row[6:]]
    return seconds, memory, bins


def table(track: Path, bed: Path, folder: Path, program: str) -> None:
    """Measure every reader and print a Markdown table."""
    print("| reader | seconds | process (s) | memory (MB) | against chromviz | difference |")
    print("|---|---|---|---|---|---|")
    reference, first = np.empty(0), 0.0
    out = folder / "result"
    for name in READERS:
        command = [sys.executable, __file__, "--measure", name, "--track", str(track)]
        results = []
        for _ in range(1 if "stats" in name or "six" in name else 3):
            process, memory = run([*command, "--work", str(folder)])
            results.append((json.loads(out.read_text()), process, memory))
        seconds, process, memory = min(results)
        found = np.load(out.with_suffix(".npy"))
        if not first:
            first, reference = seconds, found
        scale = N_GENES / SUBSET if "stats" in name else 1
        print(
            f"| {name} | {seconds * scale:.2f} | {'' if scale > 1 else f'{process:.2f}'} "
            f"| {memory:.0f} | {seconds * scale / first:.1f} | {compare(name, found, reference)} |",
            flush=True,
        )
    found_program = shutil.which(program)
    if found_program is None:
        print(f"| deepTools: no program {program}; give --computematrix | | | | | |")
        return
    seconds, memory, found = deeptools(found_program, track, bed, folder)
    print(
        f"| deepTools computeMatrix -p 2 | | {seconds:.2f} | {memory:.0f} | {seconds / first:.0f} "
        f"| {compare('deepTools', found, reference)} |"
    )


def main() -> None:
    """Simulate what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, help="folder for the simulated files, kept")
    parser.add_argument("--track", type=Path, help="a bigWig file of hg19 to read instead")
    parser.add_argument("--computematrix", default="computeMatrix", metavar="PROGRAM")
    parser.add_argument("--measure", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--simulate", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.simulate:
        simulate(given.work)
        return
    if given.measure:
        measure(given.measure, given.track, given.work / "genes.bed", given.work / "result")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        track = given.track or folder / "simulated.bw"
        if given.track:
            simulate_genes(folder / "genes.bed", chromosomes(), np.random.default_rng(0))
        elif not track.exists():
            run([sys.executable, __file__, "--simulate", "--work", str(folder)])
        print("windows: simulated; track:", given.track or "simulated", end="\n\n")
        table(track, folder / "genes.bed", folder, given.computematrix)


if __name__ == "__main__":
    main()
