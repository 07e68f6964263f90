"""Sources of signal of every kind (bigWig, local or remote, and reads) behind one interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import joblib
import numpy as np
import pandas as pd

from chromviz import provenance
from chromviz.data.archives.http import is_address, without_credentials
from chromviz.data.signal.chromosomes import Assembly, Translator
from chromviz.data.signal.read_files import kind_of_reads, refuse_neither
from chromviz.data.signal.reads import ReadRule, count_reads
from chromviz.data.signal.tracks import chrom_sizes, read_bins
from chromviz.data.text import is_file
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import Window

BIGWIG, BAM, READS = "bigWig", "BAM", "reads"


class _StoppedError(Exception):
    """Raised in threads whose work is no longer needed."""


@dataclass(frozen=True)
class Source:
    """The file of a mark or a reference track.

    `role` is ``signal`` or ``coverage``, `location` a path or the http(s) address of a bigWig, and
    `kind` is ``bigWig``, ``BAM`` or ``reads`` (BED and tagAlign).
    """

    role: str
    name: str
    location: str
    kind: str

    @property
    def remote(self) -> bool:
        """Whether the file is at an address."""
        return is_address(self.location)

    @property
    def shown(self) -> str:
        """The location without credentials, for messages and datasets."""
        return without_credentials(self.location) if self.remote else self.location

    @property
    def label(self) -> str:
        """As `shown`, with the name of an address that would be ambiguous without its query."""
        return self.shown if self.shown == self.location else f"{self.shown} ({self.name})"


@dataclass(frozen=True)
class Measured:
    """The values of a source around each TSS.

    Parameters
    ----------
    values
        float32 (gene, bin), bins along the chromosome, NaN where there is no data.
    sizes
        Chromosome sizes of the file's header, by the genes' names; empty if it has none.
    reach
        For reads: the end of the last read on each chromosome, by the genes' names.
    mapped
        The genes' names of chromosomes by those of the file, where they differ.
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
        """The chromosomes that the source covers, by the genes' names."""
        return list(self.sizes or self.reach)


def find_source(role: str, name: str, location: str | Path) -> Source:
    """Detect the kind of a source from its content."""
    location = str(location)
    if is_address(location):
        return Source(role, name, location, BIGWIG)
    path = Path(location)
    if not is_file(path):
        raise ChromvizError(f"no file {location} ({role} {name})")
    reads = kind_of_reads(path)
    if reads is None:
        refuse_neither(path)
    return Source(role, name, location, {"bam": BAM, "bed": READS, None: BIGWIG}[reads])


def read_sources(
    sources: Sequence[Source],
    table: pd.DataFrame,
    window: Window,
    *,
    rule: ReadRule,
    assembly: Assembly,
    progress: Progress = silent,
) -> list[Measured]:
    """Read every source around each TSS, files of reads on all cores, in their order.

    The assembly translates names of chromosomes; its sizes apply to reads without a header.
    `progress` receives windows and megabytes read, from several threads.
    """
    genes = table[["chrom", "tss", "strand"]]
    stop = Event()

    def watched(what: str, done: int, total: int, detail: str = "") -> None:
        # Threads cannot be killed: if one source fails, the others end at their next step.
        if stop.is_set():
            raise _StoppedError
        progress(what, done, total, detail)

    def read(source: Source) -> Measured:
        return _read(source, genes, window, rule, assembly, watched)

    # pybigtools holds the interpreter's lock, so that threads gain nothing for bigWigs.
    workers = 1 if all(source.kind == BIGWIG for source in sources) else joblib.cpu_count()
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(read, source) for source in sources]
        try:
            wait(jobs, return_when=FIRST_EXCEPTION)
            failed = [job for job in jobs if job.done() and job.exception() is not None]
            return [job.result() for job in failed or jobs]
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def header_sizes(source: Source, translate: Translator) -> dict[str, int]:
    """Return the chromosome sizes of a bigWig's header by the genes' names."""
    sizes = chrom_sizes(source.location)
    with saying_where(source.shown):
        return translate.by_gene_name(sizes)


def _read(
    source: Source,
    genes: pd.DataFrame,
    window: Window,
    rule: ReadRule,
    assembly: Assembly,
    progress: Progress,
) -> Measured:
    """Read one source."""
    translate = Translator(genes["chrom"], assembly)
    record: dict[str, Any] = {"role": source.role, "name": source.name}
    record["path"] = source.shown
    record |= {"kind": source.kind, "sha256": ""}
    if not source.remote:
        record["sha256"] = provenance.hash_file(Path(source.location))
    if source.kind == BIGWIG:
        sizes = header_sizes(source, translate)
        values = read_bins(source.location, genes, window, translate=translate, progress=progress)
        return Measured(values, sizes, {}, translate.mapped, record)
    with saying_where(source.shown):
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
    """Add the file to errors about names of chromosomes."""
    try:
        yield
    except ChromvizError as error:
        if where in str(error):
            raise
        raise ChromvizError(f"{where}: {error}") from None
