"""Sources of signal of every kind, read the same way: bigWig, near or far, and aligned reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor

from chromviz import provenance
from chromviz.data.chromosomes import Assembly, Translator
from chromviz.data.http import is_address
from chromviz.data.read_files import kind_of_reads
from chromviz.data.reads import ReadRule, count_reads
from chromviz.data.text import is_file
from chromviz.data.tracks import chrom_sizes, read_bins
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import Window

BIGWIG, BAM, READS = "bigWig", "BAM", "reads"

#: Bytes of sources from which a second process is worth the second that it takes to start.
_WORTH_WORKERS = 64_000_000


@dataclass(frozen=True)
class Source:
    """One mark's or track's file.

    Parameters
    ----------
    role
        ``signal`` or ``coverage``.
    name
        The mark or track.
    location
        A path, or the http(s) address of a bigWig.
    kind
        ``bigWig``, ``BAM`` or ``reads`` (BED and tagAlign).
    """

    role: str
    name: str
    location: str
    kind: str

    @property
    def remote(self) -> bool:
        """Whether it is read over the network."""
        return is_address(self.location)

    @property
    def size(self) -> int:
        """Bytes on disk; 0 for an address."""
        return 0 if self.remote else Path(self.location).stat().st_size


@dataclass(frozen=True)
class Measured:
    """What a source holds around each TSS.

    Parameters
    ----------
    values
        float32 (gene, bin), bins along the chromosome, NaN where there is no data.
    sizes
        Chromosome sizes as the file has them, by the genes' names; empty where it has none.
    reach
        For reads: the end of the last read on each chromosome, by the genes' names.
    mapped
        The genes' name of a chromosome by the file's, where they differ.
    record
        What the dataset records of the source.
    """

    values: np.ndarray
    sizes: dict[str, int]
    reach: dict[str, int]
    mapped: dict[str, str]
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def chromosomes(self) -> list[str]:
        """The chromosomes it can say anything of, by the genes' names."""
        return list(self.sizes or self.reach)


def find_source(role: str, name: str, location: str | Path) -> Source:
    """Tell by its content what kind of file a source is.

    Raises
    ------
    ChromvizError
        If there is no such file, or it is of no kind that can be read.
    """
    location = str(location)
    if is_address(location):
        return Source(role, name, location, BIGWIG)
    path = Path(location)
    if not is_file(path):
        raise ChromvizError(f"no file {location} ({role} {name})")
    reads = kind_of_reads(path)
    return Source(role, name, location, {"bam": BAM, "bed": READS, None: BIGWIG}[reads])


def read_sources(
    sources: Sequence[Source],
    table: pd.DataFrame,
    window: Window,
    *,
    rule: ReadRule,
    assembly: Assembly,
    progress: Progress = silent,
    workers: int | None = None,
) -> list[Measured]:
    """Read every source around each TSS, large ones on all cores.

    Parameters
    ----------
    sources
        What to read.
    table
        Genes: columns ``chrom``, ``tss`` and ``strand``.
    window
        Flank and bin width.
    rule
        How reads are counted.
    assembly
        Whose names of chromosomes meet; its sizes hold for reads that come without any.
    progress
        Told of windows, or, with several processes, of sources.
    workers
        Processes; None for as many as there are cores if the files are large, else one.

    Returns
    -------
    list of Measured
        In the order of the sources.

    Raises
    ------
    ChromvizError
        If a source is damaged, or has no chromosome in common with the genes.
    """
    genes = table[["chrom", "tss", "strand"]]
    jobs = [(source, genes, window, rule, assembly) for source in sources]
    if workers is None:
        large = sum(source.size for source in sources) > _WORTH_WORKERS
        far = any(source.remote for source in sources)
        workers = joblib.cpu_count() if large or far else 1
    workers = min(workers, len(jobs))
    if workers < 2:
        return [_read(*job, progress=progress) for job in jobs]
    found = []
    try:
        with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
            results = joblib.Parallel(return_as="generator", batch_size=1)(
                joblib.delayed(_read)(*job) for job in jobs
            )
            for done, result in enumerate(results):
                found.append(result)
                progress("reading tracks", done + 1, len(jobs), sources[done].name)
    finally:
        get_reusable_executor().shutdown(wait=True)
    return found


def header_sizes(source: Source, translate: Translator) -> dict[str, int]:
    """Return a bigWig's chromosome sizes by the genes' names, before any of it is read."""
    sizes = chrom_sizes(source.location)
    with saying_where(source.location):
        return translate.by_gene_name(sizes)


def _read(
    source: Source,
    genes: pd.DataFrame,
    window: Window,
    rule: ReadRule,
    assembly: Assembly,
    progress: Progress = silent,
) -> Measured:
    """Read one source, in whatever process."""
    translate = Translator(genes["chrom"], assembly)
    record: dict[str, Any] = {"role": source.role, "name": source.name, "path": source.location}
    record |= {"kind": source.kind, "sha256": ""}
    if not source.remote:
        record["sha256"] = provenance.hash_file(Path(source.location))
    if source.kind == BIGWIG:
        sizes = header_sizes(source, translate)
        values = read_bins(source.location, genes, window, translate=translate, progress=progress)
        return Measured(values, sizes, {}, translate.mapped, record)
    with saying_where(source.location):
        counted = count_reads(
            Path(source.location),
            genes,
            window,
            rule=rule,
            sizes=_own_sizes(genes["chrom"], assembly) if source.kind == READS else None,
            translate=translate,
            progress=progress,
        )
    record |= {"reads": asdict(rule), "n_reads": counted.n_reads, "n_counted": counted.n_counted}
    sizes = counted.sizes if source.kind == BAM else {}
    return Measured(counted.values, sizes, counted.reach, translate.mapped, record)


def _own_sizes(names: pd.Series[str], assembly: Assembly) -> dict[str, int]:
    """Return the assembly's sizes by the genes' names."""
    return Translator(names, assembly).by_gene_name(assembly.sizes)


@contextmanager
def saying_where(where: str) -> Iterator[None]:
    """Say of which file an error about names of chromosomes is."""
    try:
        yield
    except ChromvizError as error:
        if where in str(error):
            raise
        raise ChromvizError(f"{where}: {error}") from None
