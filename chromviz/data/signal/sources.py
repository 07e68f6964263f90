"""Sources of signal of every kind (bigWig, local or remote, and reads) behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

import joblib
import numpy as np
import pandas as pd

from chromviz import provenance
from chromviz.data.archives.http import is_address, without_credentials
from chromviz.data.signal.chromosomes import Assembly, Translator
from chromviz.data.signal.read_files import BAM, BIGWIG, READS, kind_of_file
from chromviz.data.signal.reads import ReadRule, count_reads
from chromviz.data.signal.tracks import chrom_sizes, read_bins
from chromviz.data.text import is_file
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import Window


class _StoppedError(Exception):
    """Raised in threads whose work is no longer needed."""


@dataclass(frozen=True)
class Source:
    """The file of a mark (role ``signal``) or a reference track (``coverage``).

    `location` is a path or the http(s) address of a bigWig, and `kind` is one of
    :func:`chromviz.data.signal.read_files.kind_of_file`.
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
    """What was read from a source: its values around each TSS, float32 (gene, bin).

    Bins are along the chromosome, NaN where there is no data. All names of chromosomes are the
    genes' ones: `sizes` are those of the file's header (empty if it has none), `reach` is the end
    of the last read, and `mapped` has them by the file's names, where these differ. `record` is
    what a dataset records of the source.
    """

    values: np.ndarray
    sizes: dict[str, int]
    reach: dict[str, int]
    mapped: dict[str, str]
    record: dict[str, Any]

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
    # The reader of bigWig says what is wrong with a file of an unknown kind.
    return Source(role, name, location, kind_of_file(path) or BIGWIG)


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


def _read(
    source: Source,
    genes: pd.DataFrame,
    window: Window,
    rule: ReadRule,
    assembly: Assembly,
    progress: Progress,
) -> Measured:
    """Read one source."""
    translate = Translator(genes["chrom"], assembly, source.shown)
    record: dict[str, Any] = {
        "role": source.role,
        "name": source.name,
        "path": source.shown,
        "kind": source.kind,
        "sha256": "" if source.remote else provenance.hash_file(Path(source.location)),
    }
    if source.kind == BIGWIG:
        sizes = translate.by_gene_name(chrom_sizes(source.location))
        values = read_bins(source.location, genes, window, translate=translate, progress=progress)
        return Measured(values, sizes, {}, translate.mapped, record)
    counted = count_reads(
        Path(source.location),
        genes,
        window,
        rule=rule,
        sizes=assembly.sizes_for(genes["chrom"]) if source.kind == READS else None,
        translate=translate,
        progress=progress,
    )
    record |= {"reads": asdict(rule), "n_reads": counted.n_reads, "n_counted": counted.n_counted}
    sizes = counted.sizes if source.kind == BAM else {}
    return Measured(counted.values, sizes, counted.reach, translate.mapped, record)
