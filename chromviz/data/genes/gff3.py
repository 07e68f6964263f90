"""Genes in GFF3: Ensembl's, GENCODE's, RefSeq's.

As GTF (:mod:`chromviz.data.genes.gtf`), but features are linked by ``ID`` and ``Parent``. A gene
goes by its ``gene_id``, else by its ``ID`` without the ``gene-`` or ``gene:`` before it. RefSeq's
are of the second kind: ``gene-TP53`` is ``TP53``, the name that RefSeq's own GTF gives the same
gene and that counts made from either file carry; its ``GeneID`` numbers stand in few tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from chromviz.data.genes.gtf import PARTS, check_blank, place_of
from chromviz.data.genes.loci import Locus, Orphan, Transcript, gather, rank
from chromviz.errors import ChromvizError

_TRANSCRIPTS = ("RNA", "rna", "transcript", "transcript_variant", "gene_segment")
_PREFIX = re.compile(r"(?:gene|transcript|rna|mRNA)[-:](?=.)")
# RefSeq before 2018 numbered its genes, which says nothing.
_NUMBERED = re.compile(r"(?:gene|rna)\d+")


class _Candidate(NamedTuple):
    """A transcript, whose gene may come later in the file."""

    id: str
    parent: str
    orphan: Orphan


@dataclass
class _Found:
    """What the lines read so far hold, by ``ID``."""

    path: Path
    genes: dict[str, Locus] = field(default_factory=dict)
    repeated: list[Locus] = field(default_factory=list)
    candidates: list[_Candidate] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)  # of parts


def read_gff3(
    lines: Iterable[str], path: Path, *, transcripts: bool
) -> tuple[list[Locus], list[str]]:
    """Return the genes of a GFF3 file's lines, in the order of the file, and what to tell the user.

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
        If a line is cut short, or a gene lies nowhere or has no id.
    """
    found = _Found(path)
    last_parent = ""
    for number, line in enumerate(lines, start=1):
        if line.startswith("##FASTA"):
            break
        fields = line.split("\t")
        if len(fields) < 9:
            check_blank(line, fields, number, path)
            continue
        kind, attributes = fields[2], fields[8]
        if kind in PARTS:
            _, _, parent = attributes.partition("Parent=")
            parent = parent.partition(";")[0]
            if parent != last_parent:
                last_parent = parent
                found.parents.update(parent.split(","))
        elif kind.endswith("gene") and "Parent=" not in attributes:
            _add_gene(found, fields, number)
        elif kind.endswith(("gene", *_TRANSCRIPTS)):
            _add_transcript(found, fields, number, transcripts)
        elif "Parent=" in attributes:
            found.ids.add(_attributes(attributes).get("ID", ""))
    return _assemble(found, transcripts)


def _add_gene(found: _Found, fields: list[str], number: int) -> None:
    """Keep a gene record."""
    named = _attributes(fields[8])
    gene = _name(named, "gene_id")
    if not gene:
        raise ChromvizError(
            f"{found.path}, line {number}: a {fields[2]} without ID; give GFF3 with ID=... among "
            "the attributes of genes"
        )
    at = place_of(fields, number, found.path, f"gene {gene}")
    locus = Locus(number, gene, _symbol(named), _biotype(named), *at, recorded=True)
    key = named.get("ID", gene)
    if key in found.genes:
        found.repeated.append(locus)
    else:
        found.genes[key] = locus
        found.ids.add(key)


def _add_transcript(found: _Found, fields: list[str], number: int, wanted: bool) -> None:
    """Keep a transcript, unless the gene it belongs to has come and needs none."""
    named = _attributes(fields[8])
    key, parent = named.get("ID", ""), named.get("Parent", "").partition(",")[0]
    found.ids.add(key)
    if not wanted and parent in found.genes:
        return
    name = _name(named, "transcript_id") or _bare(parent)
    if not name:
        raise ChromvizError(
            f"{found.path}, line {number}: a {fields[2]} with neither ID nor Parent; give GFF3 "
            "with ID=... among the attributes of transcripts"
        )
    gene = named.get("gene_id") or named.get("geneID") or named.get("gene") or _bare(parent) or name
    at = place_of(fields, number, found.path, f"transcript {name}")
    transcript = Transcript(number, name, *at, rank(named.get("tag", "")))
    orphan = Orphan(
        gene, named.get("gene_name") or named.get("gene", ""), _biotype(named), transcript
    )
    found.candidates.append(_Candidate(key, parent, orphan))


def _assemble(found: _Found, transcripts: bool) -> tuple[list[Locus], list[str]]:
    """Return genes with their transcripts, those of transcripts alone, and notes."""
    orphans = []
    for candidate in found.candidates:
        locus = found.genes.get(candidate.parent)
        if locus is not None:
            if transcripts:
                locus.transcripts.append(candidate.orphan.transcript)
        # The products of a transcript, such as the miRNAs of a primary transcript, are none.
        elif not candidate.parent or candidate.parent not in found.ids:
            orphans.append(candidate.orphan)
    loci = [*found.genes.values(), *found.repeated, *gather(orphans)]
    notes = []
    lost = sorted(found.parents - found.ids - {""})
    if lost:
        notes.append(
            f"{found.path.name}: the exons of {len(lost):,} transcripts or genes that have no line "
            f"of their own ({lost[0]}) are left out"
        )
    return sorted(loci, key=lambda locus: locus.line), notes


def _attributes(text: str) -> dict[str, str]:
    """Return a line's attributes, decoded."""
    pairs = (pair.partition("=") for pair in text.split(";"))
    return {key.strip(): _decode(value.strip()) for key, _, value in pairs}


def _decode(value: str) -> str:
    if "%" not in value:
        return value
    decoded = unquote(value)
    # What cannot be shown in one line stays as it was written.
    return decoded if decoded.isprintable() else value


def _name(named: dict[str, str], attribute: str) -> str:
    """Return the id that a gene or transcript goes by, empty if it has none."""
    key = named.get("ID", "")
    given = named.get(attribute, "")
    # GENCODE's gene_id does not tell the copy of a gene on Y from that on X; its ID does.
    if given and not key.endswith("_PAR_Y"):
        return given
    if _NUMBERED.fullmatch(key):
        return named.get("gene") or named.get("Name") or key
    return _bare(key)


def _bare(key: str) -> str:
    return _PREFIX.sub("", key, count=1)


def _symbol(named: dict[str, str]) -> str:
    return named.get("gene_name") or named.get("gene") or named.get("Name", "")


def _biotype(named: dict[str, str]) -> str:
    return named.get("gene_type") or named.get("gene_biotype") or named.get("biotype", "")
