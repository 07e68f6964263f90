"""Genes in GTF: Ensembl's, GENCODE's, RefSeq's, UCSC's.

Tab separated: chromosome, source, feature, first base, last base (1-based, both inclusive), score,
strand, frame, attributes. Gene and transcript records are read where there are any; else the exons
make up the transcripts, and the transcripts the genes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from chromviz.data.genes.entries import coordinate
from chromviz.data.genes.loci import Locus, Orphan, Transcript, gather, rank
from chromviz.data.text import COMMENTS
from chromviz.errors import ChromvizError

#: Features that lie within a transcript.
PARTS = (
    *("exon", "CDS", "UTR", "5UTR", "3UTR", "five_prime_utr", "three_prime_utr", "intron"),
    *("five_prime_UTR", "three_prime_UTR", "start_codon", "stop_codon", "Selenocysteine"),
)

_TRANSCRIPTS = ("transcript", "mRNA")
_WANTED = frozenset(
    ("gene_id", "transcript_id", "gene_name", "gene", "gene_type", "gene_biotype", "tag")
)
_PAIR = re.compile(r'([^\s;"]+)\s+(?:"([^"]*)"|([^\s;"]+))')
_NOTHING = "\0"  # in no text file


class Place(NamedTuple):
    """Where a line of GTF or GFF3 lies; 0-based and half-open."""

    chrom: str
    start: int
    end: int
    strand: str


def place_of(fields: list[str], number: int, path: Path, name: str) -> Place:
    """Return where a line lies, or raise what is wrong with it; `name` is for the message."""
    where = f"{path}, line {number}, {name}"
    chrom, first, last, strand = (fields[at].strip() for at in (0, 3, 4, 6))
    if not chrom:
        raise ChromvizError(f"{path}, line {number}: the chromosome is empty")
    start, end = coordinate(first, where, least=1), coordinate(last, where, least=1)
    if end < start:
        raise ChromvizError(f"{where}: end {end} lies before start {start}")
    if strand not in ("+", "-", ".", "?"):
        raise ChromvizError(f"{where}: strand {strand!r} is not +, - or .")
    return Place(chrom, start - 1, end, strand)


def check_blank(line: str, fields: list[str], number: int, path: Path) -> None:
    """Raise that a line has too few columns, unless it is blank or a comment."""
    if line.strip() and not line.startswith(COMMENTS):
        raise ChromvizError(
            f"{path}, line {number}: {len(fields)} tab-separated columns where GTF and GFF3 have "
            "9; the file may be cut off, or its tabs lost"
        )


@dataclass(slots=True)
class _Span:
    """A transcript known by its parts; 0-based and half-open."""

    line: int
    symbol: str
    biotype: str
    start: int
    end: int


@dataclass
class _Found:
    """What the lines read so far hold; places are known by id and chromosome."""

    path: Path
    transcripts: bool
    genes: dict[tuple[str, str], list[Locus]] = field(default_factory=dict)
    records: list[Orphan] = field(default_factory=list)
    recorded: set[tuple[str, str]] = field(default_factory=set)
    spans: dict[tuple[str, str, str, str], _Span] = field(default_factory=dict)
    head: str = _NOTHING  # how the attributes of the last part's transcript begin
    last: tuple[str, str, str, str] = ("", "", "", "")  # the key of its span


def read_gtf(lines: Iterable[str], path: Path, *, transcripts: bool) -> list[Locus]:
    """Return the genes of a GTF file's lines, in the order of the file.

    Parameters
    ----------
    lines
        The lines.
    path
        The file, for messages.
    transcripts
        Whether the transcripts of genes that have a record are wanted too.

    Raises
    ------
    ChromvizError
        If a line is cut short, lies nowhere, or has no gene id.
    """
    found = _Found(path, transcripts)
    # What a line begins with and holds, if it is of the same thing as the last record.
    begin, mark, whole_gene = _NOTHING, _NOTHING, False
    for number, line in enumerate(lines, start=1):
        # Nine lines in ten say nothing new; to split them all would take twice as long.
        if (
            mark in line
            and line.startswith(begin)
            and "\tgene\t" not in line
            and (whole_gene or ("\ttranscript\t" not in line and "\tmRNA\t" not in line))
        ):
            continue
        fields = line.split("\t")
        if len(fields) < 9:
            check_blank(line, fields, number, path)
            continue
        kind = fields[2]
        if kind == "gene":
            gene = _add_gene(found, fields, number)
            if not transcripts:
                begin, mark, whole_gene = f"{fields[0]}\t", f'\tgene_id "{gene}"', True
        elif kind in PARTS:
            _add_part(found, fields, number)
        elif kind in _TRANSCRIPTS:
            name = _add_transcript(found, fields, number)
            if name:
                begin, mark = f"{fields[0]}\t", f' transcript_id "{name}"'
                whole_gene = False
    return _assemble(found)


def _add_gene(found: _Found, fields: list[str], number: int) -> str:
    """Keep a gene record; return its id."""
    named = _attributes(fields[8])
    gene = _gene_id(named, number, found.path)
    at = place_of(fields, number, found.path, f"gene {gene}")
    locus = Locus(number, gene, _symbol(named), _biotype(named), *at, recorded=True)
    found.genes.setdefault((gene, at.chrom), []).append(locus)
    return gene


def _add_transcript(found: _Found, fields: list[str], number: int) -> str:
    """Keep a transcript record if it is wanted; return its id if so."""
    named = _attributes(fields[8])
    gene = _gene_id(named, number, found.path)
    if not found.transcripts and (gene, fields[0].strip()) in found.genes:
        return ""
    name = named.get("transcript_id") or gene
    at = place_of(fields, number, found.path, f"gene {gene}")
    transcript = Transcript(number, name, *at, rank(named.get("tag", "")))
    found.records.append(Orphan(gene, _symbol(named), _biotype(named), transcript))
    found.recorded.add((name, at.chrom))
    return name


def _add_part(found: _Found, fields: list[str], number: int) -> None:
    """Stretch a transcript without a record over one of its parts."""
    chrom, strand, attributes = fields[0].strip(), fields[6].strip(), fields[8]
    # Parts of a transcript follow one another: they need not all be read anew.
    if attributes.startswith(found.head) and (chrom, strand) == found.last[1:3]:
        _stretch(
            found.spans[found.last], place_of(fields, number, found.path, f"gene {found.last[3]}")
        )
        return
    named = _attributes(attributes)
    gene = _gene_id(named, number, found.path)
    name = named.get("transcript_id", "")
    if (name, chrom) in found.recorded or (
        (gene, chrom) in found.genes and not (found.transcripts and name)
    ):
        return
    at = place_of(fields, number, found.path, f"gene {gene}")
    key = (name, chrom, strand, gene)
    span = found.spans.setdefault(key, _Span(number, "", "", at.start, at.end))
    span.symbol = span.symbol or _symbol(named)
    span.biotype = span.biotype or _biotype(named)
    _stretch(span, at)
    head, found_name, _ = attributes.partition(f'transcript_id "{name}"')
    if name and found_name and head.startswith(f'gene_id "{gene}"'):
        found.head, found.last = head + found_name, key


def _stretch(span: _Span, at: Place) -> None:
    span.start, span.end = min(span.start, at.start), max(span.end, at.end)


def _assemble(found: _Found) -> list[Locus]:
    """Return genes with their transcripts, and those that transcripts alone make up."""
    # Records may come after the lines of their parts.
    loose = []
    for (name, chrom, strand, gene), span in found.spans.items():
        if (name, chrom) in found.recorded or (not name and (gene, chrom) in found.genes):
            continue
        whole = Transcript(span.line, name or gene, chrom, span.start, span.end, strand, rank(""))
        loose.append(Orphan(gene, span.symbol, span.biotype, whole))
    orphans = []
    for orphan in [*found.records, *loose]:
        at = orphan.transcript
        same = found.genes.get((orphan.gene, at.chrom))
        if same is None:
            orphans.append(orphan)
        elif found.transcripts:
            home = (gene for gene in same if gene.start <= at.start and at.end <= gene.end)
            next(home, same[0]).transcripts.append(at)
    loci = [locus for same in found.genes.values() for locus in same] + gather(orphans)
    return sorted(loci, key=lambda locus: locus.line)


def _attributes(text: str) -> dict[str, str]:
    """Return a line's attributes; repeated tags are joined by commas."""
    # Between quotes stand values; before each, last, its key.
    pieces = text.split('"')
    found: dict[str, str] = {}
    for before, value in zip(pieces[::2], pieces[1::2], strict=False):
        key = before.strip().rpartition(" ")[2]
        if key == "tag" and key in found:
            found[key] += f",{value}"
        elif key in _WANTED:
            found.setdefault(key, value.strip())
    if "gene_id" in found:
        return found
    # Some files do without quotes.
    return {key: quoted or plain for key, quoted, plain in _PAIR.findall(text)}


def _gene_id(found: dict[str, str], number: int, path: Path) -> str:
    gene = found.get("gene_id")
    if not gene:
        raise ChromvizError(
            f"{path}, line {number}: it has no gene_id; give GTF with "
            'gene_id "ID" among the attributes'
        )
    return gene


def _symbol(found: dict[str, str]) -> str:
    return found.get("gene_name") or found.get("gene", "")


def _biotype(found: dict[str, str]) -> str:
    return found.get("gene_type") or found.get("gene_biotype", "")
