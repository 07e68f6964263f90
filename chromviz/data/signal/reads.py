"""From aligned reads, BAM or BED (tagAlign), to the number of reads in each bin around each TSS.

By default reads are counted as the paper's authors did (``bedtools multicov``): a read counts in
every bin that it overlaps by at least one base. A rule says which bases a read covers and which
duplicates and strands count; it is recorded with the counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.signal.bam import DUPLICATE, FAILED, header_sizes, open_bam, read_bam
from chromviz.data.signal.bed import read_bed
from chromviz.data.signal.chromosomes import Assembly, Translator
from chromviz.data.signal.overlaps import BinsOfChromosome, lay_out
from chromviz.data.signal.read_files import BAM, BIGWIG, Batch, kind_of_file
from chromviz.data.text import read_blocks
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import Window

BLOCK = 1 << 21  # bytes of BED parsed at a time
_MEGABYTE = 1_000_000
#: Maximum length to extend reads to: longer than the fragments of any library.
MAX_EXTENT = 1_000_000
_MAX_QUALITY = 255
_EXTENTS: dict[str | int, str] = {
    "read": "reads that overlap the bin",
    "start": "reads whose 5' base lies in the bin",
}
_DUPLICATES = {
    "flagged": "duplicates flagged by the aligner left out",
    "keep": "duplicates kept",
    "position": "one read of each position and strand",
}
_STRANDS = {"both": "both strands", "+": "+ strand only", "-": "- strand only"}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_choice(name: str, value: object, known: Iterable[str]) -> None:
    if value not in list(known):
        raise ChromvizError(f"unknown {name} {value!r}; known: {', '.join(known)}")


@dataclass(frozen=True)
class ReadRule:
    """How reads are counted.

    A read of a BAM file that is unmapped, covers no base, or failed the sequencer's quality
    control is never counted. Secondary and supplementary alignments and both mates of a pair
    count as one read each. ``bedtools multicov`` does the same, with one exception: it counts an
    unmapped read whose mate is mapped as a read of one base at the start of the mate.

    Parameters
    ----------
    extent
        ``read``: all bases from the first to the last aligned one, including deletions and
        introns, without clipped ends. ``start``: only the base at the 5' end. A number: that many
        bases from the 5' end along the read's strand (the sequenced fragment), cut at the first
        base of the chromosome.
    duplicates
        ``flagged``: reads that the aligner marked as duplicates are left out (BED has no such
        marks). ``keep``: all reads count. ``position``: marked reads are left out, and of the
        others only one counts for each chromosome, start, end and strand.
    strand
        ``both``, ``+`` or ``-``: which reads count.
    min_quality
        Minimum mapping quality, for BAM files; BED has none.

    Raises
    ------
    ChromvizError
        If a value is not one of these.
    """

    extent: str | int = "read"
    duplicates: str = "flagged"
    strand: str = "both"
    min_quality: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.extent, str):
            if self.extent not in _EXTENTS:
                raise ChromvizError(
                    f"unknown extent {self.extent!r}; known: read, start, or a number of bases"
                )
        elif not _is_whole(self.extent) or not 1 <= self.extent <= MAX_EXTENT:
            raise ChromvizError(
                f"reads cannot be extended to {self.extent!r} bases; give a whole number from 1 "
                f"to {MAX_EXTENT:,}, 'read' or 'start'"
            )
        _check_choice("duplicates", self.duplicates, _DUPLICATES)
        _check_choice("strand", self.strand, _STRANDS)
        if not _is_whole(self.min_quality) or not 0 <= self.min_quality <= _MAX_QUALITY:
            raise ChromvizError(
                f"min_quality {self.min_quality!r} is not a mapping quality; give a whole number "
                f"from 0 to {_MAX_QUALITY}"
            )

    @property
    def needs_strand(self) -> bool:
        """Whether a read without a strand cannot be counted."""
        return self.extent != "read" or self.duplicates == "position" or self.strand != "both"

    def describe(self) -> str:
        """Return the rule as one line of text."""
        extended = f"reads extended to {self.extent} bases from their 5' end that overlap the bin"
        what = _EXTENTS.get(self.extent, extended)
        rest = (_DUPLICATES[self.duplicates], _STRANDS[self.strand], f"MAPQ >= {self.min_quality}")
        return "; ".join((what, *rest))


#: As the paper's authors counted (``bedtools multicov`` with its defaults).
PAPER_RULE = ReadRule()


@dataclass(frozen=True)
class ReadCounts:
    """Counts of reads around TSSs; chromosomes have the genes' names.

    `values` is the number of reads in each bin, float32 (gene, bin), exact up to 2**24, bins along
    the chromosome. All bins of a gene are NaN if its window leaves the chromosome or the file lacks
    the chromosome. `sizes` are chromosome sizes, from the header of a BAM file or as given; `reach`
    is the largest end of any read, counted or not. `n_reads` counts the reads in the file (lines of
    BED, or alignments of BAM that are mapped to at least one base), `n_counted` those that the rule
    keeps and that overlap a window.
    """

    values: np.ndarray
    sizes: dict[str, int]
    reach: dict[str, int]
    n_reads: int
    n_counted: int


def count_reads(
    path: Path,
    genes: pd.DataFrame,
    window: Window,
    *,
    rule: ReadRule = PAPER_RULE,
    sizes: Mapping[str, int] | None = None,
    translate: Translator | None = None,
    progress: Progress = silent,
) -> ReadCounts:
    """Count the reads in each bin around each TSS.

    The file is BAM, or BED of reads (tab-separated, at least three columns, the strand in the
    sixth), gzipped or not; the content decides, not the name. It is read once from end to end and
    needs no order and no index. Memory does not grow with it, except with
    ``duplicates="position"``: this keeps 8 bytes for each read that overlaps a window, and twice as
    much while reads at the same position are merged.

    `genes` has the columns ``chrom`` and ``tss`` (0-based). `sizes` are chromosome sizes by the
    names that `genes` uses, for BED; a BAM file has its own. `progress` receives megabytes read.

    A chromosome without reads is zero if the header of a BAM file names it. A chromosome that no
    line of a BED file names is NaN, since it may have been left out of the file.

    It is an error if the file is missing, does not hold reads, is damaged or cut off, is empty,
    lacks what the rule needs, or has no chromosome in common with the genes.
    """
    path = Path(path)
    kind = kind_of_file(path)
    if kind == BIGWIG:
        raise ChromvizError(f"{path} is a bigWig file, which holds signal; give reads (BAM or BED)")
    if kind != BAM and rule.min_quality:
        raise ChromvizError(
            f"{path} is BED, which has no mapping quality (its score means something else); give "
            "a BAM file, or no minimum quality"
        )
    names = translate or Translator(genes["chrom"], Assembly(""), str(path))
    known = dict(sizes or {})
    what, total = f"counting {path.name}", path.stat().st_size // _MEGABYTE + 1

    def report(offset: int) -> None:
        progress(what, min(offset // _MEGABYTE, total - 1), total, "MB")

    with open_bam(path) if kind == BAM else contextlib.nullcontext() as file:
        batches: Iterator[Batch]
        if kind == BAM:
            known = names.by_gene_name(header_sizes(path, file))
            names.check_common()
            batches = read_bam(path, file, report)
        else:
            batches = read_bed(path, read_blocks(path, BLOCK, report), rule.needs_strand)
        tally = _Tally(names, genes, window, rule, known)
        for batch in batches:
            tally.add(batch)
    progress(what, total, total, "MB")
    tally.add_remembered()
    if not tally.n_reads:
        mapped = "mapped " if kind == BAM else ""
        raise ChromvizError(f"{path} holds no {mapped}read; give a file of aligned reads")
    names.check_common()
    return ReadCounts(tally.counts(), known, tally.reach, tally.n_reads, tally.n_counted)


class _Tally:
    """Counts reads batch by batch."""

    def __init__(
        self,
        names: Translator,
        genes: pd.DataFrame,
        window: Window,
        rule: ReadRule,
        sizes: Mapping[str, int],
    ) -> None:
        self.names, self.rule = names, rule
        self.shape = len(genes), window.n_bins
        self.chroms = lay_out(genes, window, sizes)
        self.reach: dict[str, int] = {}
        self.n_reads = self.n_counted = 0

    def add(self, batch: Batch) -> None:
        """Count the reads of a batch."""
        self.n_reads += len(batch.start)
        present = np.flatnonzero(np.bincount(batch.chrom)) if len(batch.chrom) else ()
        for code in present:
            ours = self.names(batch.names[code])
            if ours is None:
                continue
            here = slice(None) if len(present) == 1 else np.flatnonzero(batch.chrom == code)
            end = batch.end[here]
            self.reach[ours] = max(self.reach.get(ours, 0), int(end.max()))
            if ours in self.chroms:
                self._add_here(self.chroms[ours], batch, here, batch.start[here], end)

    def _add_here(
        self,
        chrom: BinsOfChromosome,
        batch: Batch,
        here: slice | np.ndarray,
        start: np.ndarray,
        end: np.ndarray,
    ) -> None:
        """Count the reads of a batch that are on one chromosome."""
        rule = self.rule
        minus = None if batch.minus is None else batch.minus[here]
        begin, stop = _extent(rule.extent, start, end, minus)
        keep = chrom.overlaps(begin, stop)
        if batch.flag is not None and batch.quality is not None:
            unwanted = FAILED if rule.duplicates == "keep" else FAILED | DUPLICATE
            keep &= (batch.flag[here] & unwanted == 0) & (batch.quality[here] >= rule.min_quality)
        if minus is not None and rule.strand != "both":
            keep &= minus == (rule.strand == "-")
        if minus is not None and rule.duplicates == "position":
            chrom.remember(start[keep], end[keep], minus[keep])
        else:
            self.n_counted += int(np.count_nonzero(keep))
            chrom.add(begin[keep], stop[keep])

    def add_remembered(self) -> None:
        """Count the reads that were kept to count once per position."""
        for chrom in self.chroms.values():
            for start, end, minus in chrom.recall():
                self.n_counted += len(start)
                chrom.add(*_extent(self.rule.extent, start, end, minus))

    def counts(self) -> np.ndarray:
        """Return the reads in each bin, float32 (gene, bin)."""
        values = np.full(self.shape, np.nan, dtype=np.float32)
        for name, chrom in self.chroms.items():
            if name in self.names.theirs:
                values[chrom.rows] = chrom.counts()
        return values


def _extent(
    extent: str | int, start: np.ndarray, end: np.ndarray, minus: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first base that each read covers under a rule, and the base after the last."""
    if extent == "read" or minus is None:
        return start, end
    length = 1 if isinstance(extent, str) else extent
    begin = np.where(minus, np.maximum(end - length, 0), start)
    return begin, np.where(minus, end, start + length)
