"""Time and memory of counting reads around TSSs: chromviz and bedtools multicov.

    python benchmarks/reads.py [--reads 2000000] [--genes 1200] [--folder FOLDER]

By default 2,000,000 reads of 36 bases and 1,200 TSSs are simulated on chromosomes 20-22 of hg19:
the share of these chromosomes in a genome with 40 million reads and 20,000 genes. Half of the
reads lie around TSSs. They are written as BAM (with names, bases and qualities) and tagAlign.gz.

Both programs count the same reads in the same bins (TSS ± 5 kb, 100 bins), each run in its own
process, and the counts are checked to be equal. multicov reads only BAM, so that a tagAlign file
has to be converted first, as the paper's authors did; the conversion has its own row. Memory is
the largest resident set of a process. Needs bedtools and samtools, and about ten minutes, nearly
all of them for multicov, whose time grows with the number of bins (that of chromviz grows with the
number of reads). Files already in --folder are used again.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

SIZES = {"chr20": 63_025_520, "chr21": 48_129_895, "chr22": 51_304_566}
FLANK, WIDTH, LENGTH = 5000, 100, 36
OURS = """
import sys
import numpy as np, pandas as pd
from pathlib import Path
from chromviz.data.signal.reads import count_reads
from chromviz.vocabulary import Window
genes = pd.read_csv(sys.argv[2], sep="\\t")
np.save(sys.argv[3], count_reads(Path(sys.argv[1]), genes, Window()).values)
"""


def simulate(folder: Path, n_reads: int, n_genes: int) -> None:
    """Write genes, their bins, and the same reads as BAM and as tagAlign.gz."""
    # Imported here, in another process: on Linux the memory of this process counts for every
    # process that it starts, so it has to be small.
    import numpy as np
    import pandas as pd
    import pysam

    rng = np.random.default_rng(0)
    share = np.array(list(SIZES.values())) / sum(SIZES.values())
    header: dict[str, Any] = {"HD": {"VN": "1.6", "SO": "coordinate"}}
    header["SQ"] = [{"SN": chrom, "LN": size} for chrom, size in SIZES.items()]
    bases = ["".join(read) for read in np.array(list("ACGT"))[rng.integers(0, 4, (5000, LENGTH))]]
    qualities = ["".join(map(chr, read)) for read in rng.integers(43, 74, (5000, LENGTH))]
    genes = []
    with (
        pysam.AlignmentFile(str(folder / "reads.bam"), "wb", header=header) as bam,
        gzip.open(folder / "reads.tagAlign.gz", "wt", compresslevel=6) as tags,
    ):
        for code, (chrom, size) in enumerate(SIZES.items()):
            tss = rng.integers(FLANK, size - FLANK, round(n_genes * share[code]))
            genes += [(chrom, at, "+") for at in tss]
            n = round(n_reads * share[code])
            near = rng.choice(tss, n // 2) + rng.normal(0, 1500, n // 2).astype(int)
            start = np.concatenate([near, rng.integers(0, size, n - n // 2)])
            start = np.sort(np.clip(start, 0, size - LENGTH)).tolist()
            flags = rng.choice([0, 16], n).tolist()
            for number, (at, flag) in enumerate(zip(start, flags, strict=True)):
                read = pysam.AlignedSegment(bam.header)
                read.query_name = f"SIM:1:{at % 997}:{number}"
                read.query_sequence = bases[at * 7 % 5000]
                read.query_qualities_str = qualities[number * 11 % 4999]
                read.reference_id, read.reference_start, read.flag = code, at, flag
                read.mapping_quality, read.cigarstring = 37, f"{LENGTH}M"
                bam.write(read)
                tags.write(f"{chrom}\t{at}\t{at + LENGTH}\tN\t1000\t{'-' if flag else '+'}\n")
    pysam.index(str(folder / "reads.bam"))
    table = pd.DataFrame(genes, columns=["chrom", "tss", "strand"])
    table.to_csv(folder / "genes.tsv", sep="\t", index=False)
    steps = range(-FLANK, FLANK, WIDTH)
    bins = [f"{c}\t{at + step}\t{at + step + WIDTH}\n" for c, at, _ in genes for step in steps]
    (folder / "bins.bed").write_text("".join(bins))
    (folder / "sizes").write_text("".join(f"{chrom}\t{size}\n" for chrom, size in SIZES.items()))


def apart(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function in a separate process."""
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


def measure(command: list[str], out: Path) -> tuple[float, int]:
    """Run a command; return its seconds and its largest memory in MB."""
    started = time.perf_counter()
    with out.open("wb") as handle:
        process = subprocess.Popen(command, stdout=handle)
        # Not wait(): a process knows only the largest of all its children.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss // 1024


def agree(ours: Path, theirs: Path) -> bool:
    """Whether the counts are equal in every bin."""
    import numpy as np
    import pandas as pd

    wanted = pd.read_csv(theirs, sep="\t", header=None)[3].to_numpy()
    return np.array_equal(np.load(ours).ravel(), wanted)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--reads", type=int, default=2_000_000)
    parser.add_argument("--genes", type=int, default=1200)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if not (shutil.which("bedtools") and shutil.which("samtools")):
        sys.exit("this needs bedtools and samtools")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "sizes").exists():
            folder.mkdir(exist_ok=True)
            apart(simulate, folder, options.reads, options.genes)
            print(f"{options.reads:,} reads, {options.genes:,} TSSs of 100 bins\n", flush=True)
        compare(folder)


def compare(folder: Path) -> None:
    """Run both on both files, check that they agree, and print a table."""
    convert = (
        'bedtools bedtobam -i "$0/reads.tagAlign.gz" -g "$0/sizes" > "$0/unsorted.bam" && '
        'samtools sort -o "$0/converted.bam" "$0/unsorted.bam" 2> /dev/null && '
        'samtools index "$0/converted.bam"'
    )
    converted = measure(["sh", "-c", convert, str(folder)], folder / "nothing")
    rows = []
    for name, ours, theirs, extra in (
        ("BAM", "reads.bam", "reads.bam", None),
        ("tagAlign.gz", "reads.tagAlign.gz", "converted.bam", converted),
    ):
        counts = folder / "counts.tsv"
        bins = ["-bed", str(folder / "bins.bed")]
        slow = measure(["bedtools", "multicov", "-bams", str(folder / theirs), *bins], counts)
        script = [sys.executable, "-c", OURS, str(folder / ours), str(folder / "genes.tsv")]
        fast = measure([*script, str(folder / "ours.npy")], folder / "nothing")
        if not apart(agree, folder / "ours.npy", counts):
            sys.exit(f"{name}: the counts are not equal")
        if extra:
            rows.append((f"{name}: to sorted, indexed BAM", *extra, ""))
        rows.append((f"{name}: bedtools multicov", *slow, ""))
        rows.append((f"{name}: chromviz", *fast, f"{slow[0] / fast[0]:.0f}"))
    print("| what | seconds | memory (MB) | times as fast |\n|---|---|---|---|")
    for what, seconds, peak, ratio in rows:
        print(f"| {what} | {seconds:.1f} | {peak:,} | {ratio} |")
    print("\nThe counts are equal in every bin.")


if __name__ == "__main__":
    main()
