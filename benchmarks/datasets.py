"""Time to read what is prepared: a DeepChrome split, a dataset; and what preparing one takes.

    python benchmarks/datasets.py --track FILE --genes genes.bed

Split and dataset are simulated, of the paper's size: 6,601 and 19,800 genes. Without a track
(`benchmarks/tracks.py --work FOLDER` makes one) nothing is prepared. With one, it stands for five
marks and H3K27ac, six times from six names, and `prepare` is measured as a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PREPARE = """
import sys
from chromviz.cli import main
sys.argv = ["chromviz", *sys.argv[1:]]
main()
"""


def best(work: Callable[[], object], times: int = 5) -> float:
    """Return the least seconds of several runs."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def write_split(folder: Path) -> None:
    """Write one cell type in DeepChrome's layout: 6,601 genes train, ten each validate and test."""
    import numpy as np

    rng = np.random.default_rng(0)
    place = folder / "E003" / "classification"
    place.mkdir(parents=True)
    first = 0
    for split, n_genes in (("train", 6601), ("valid", 10), ("test", 10)):
        counts = rng.poisson(2.0, (n_genes, 100, 5))
        rows = [
            f"ENSG{first + gene:011d},{b + 1},{','.join(map(str, counts[gene, b]))},{gene % 2}\n"
            for gene in range(n_genes)
            for b in range(100)
        ]
        first += n_genes
        (place / f"{split}.csv").write_text("".join(rows))


def prepare(track: Path, genes: Path, folder: Path) -> None:
    """Prepare a dataset from six names of one track; print seconds and memory."""
    marks = ("H3K27me3", "H3K36me3", "H3K4me1", "H3K4me3", "H3K9me3", "H3K27ac")
    for mark in marks:
        (folder / f"{mark}.bw").symlink_to(track.resolve())
    ids = [line.split("\t")[3] for line in genes.read_text().splitlines()]
    levels = "".join(f"{name}\t{number % 7}\n" for number, name in enumerate(ids))
    (folder / "levels.tsv").write_text("gene\tE003\n" + levels)
    arguments = ["prepare", "--cell", "E003", "--signal", str(folder / "{mark}.bw")]
    arguments += ["--coverage", f"H3K27ac={folder / 'H3K27ac.bw'}", "--genes", str(genes)]
    arguments += ["--expression", str(folder / "levels.tsv"), "--out", str(folder / "out"), "-q"]
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", PREPARE, *arguments], check=True, stdout=subprocess.DEVNULL
    )
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"| chromviz prepare, six tracks of a genome | {seconds:.1f} | {peak:,} |")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--track", type=Path)
    parser.add_argument("--genes", type=Path)
    given = parser.parse_args()
    print("| what | seconds | memory (MB) |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # First, while this process is small: Linux counts its memory as its child's.
        if given.track and given.genes:
            prepare(given.track, given.genes, folder)

        from chromviz import schema
        from chromviz.data.deepchrome_csv import read_deepchrome
        from chromviz.data.simulate import simulate

        write_split(folder)
        # As one that was prepared: without the simulator's truth.
        dataset = simulate("E123", n_genes=19_800).drop_vars(["truth", "decoy"])
        schema.save_dataset(dataset, folder / "E123.nc")
        split = best(lambda: read_deepchrome(folder / "E003", "E003"))
        opened = best(lambda: schema.load_dataset(folder / "E123.nc"))
        print(f"| a DeepChrome split, 6,601 genes | {split:.2f} | |")
        print(f"| open a dataset, 19,800 genes | {opened:.3f} | |")
        shutil.rmtree(folder / "E003")


if __name__ == "__main__":
    main()
