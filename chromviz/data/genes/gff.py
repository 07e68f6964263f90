"""Genes in GTF and GFF3, as written by Ensembl, GENCODE, RefSeq and UCSC.

Gene and transcript records are used if the file has them. In GTF, a transcript without a record
spans its exons; in both formats, a gene without a record spans its transcripts.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from chromviz.data.genes.loci import STRANDS, Locus, Transcript, gather, parse_place, rank
from chromviz.data.text import data_lines, is_data, iter_lines
from chromviz.errors import ChromvizError

# Features that lie within a transcript.
_PARTS = frozenset(
    (
        *("exon", "CDS", "UTR", "5UTR", "3UTR", "five_prime_utr", "three_prime_utr", "intron"),
        *("five_prime_UTR", "three_prime_UTR", "start_codon", "stop_codon", "Selenocysteine"),
    )
)
_BELOW_GENES = _PARTS | {"transcript", "mRNA"}
_GTF_PAIR = re.compile(r'([^\s;"]+)\s+(?:"([^"]*)"|([^\s;"]+))')
_NO_MARK = "\0"  # in no text file
_NO_FIELDS = [""] * 9
_STRANDS = STRANDS | {"?": "?"}

# Endings of the names of transcripts in GFF3; those that end in "gene" have a parent.
_TRANSCRIPTS = ("gene", "RNA", "rna", "transcript", "transcript_variant", "gene_segment")
_PARENT = re.compile(r"(?:^|;)\s*Parent\s*=([^;]*)")
_PREFIX = re.compile(r"^(?:gene|transcript|rna|mRNA)[-:](?=.)")
# RefSeq before 2018 numbered its genes; these ids mean nothing.
_NUMBERED = re.compile(r"(?:gene|rna)\d+")


def read_gtf(path: Path, *, transcripts: bool) -> list[Locus]:
    """Return the genes of a GTF file; with their transcripts, if these are needed."""
    genes: list[Locus] = []
    records: list[Transcript] = []
    recorded: set[tuple[str, str]] = set()
    spans: dict[tuple[str, str, str, str], Transcript] = {}
    begin, mark, known = _NO_MARK, _NO_MARK, _PARTS
    for number, line in enumerate(iter_lines(path), start=1):
        # Most lines belong to the last record, and need not be parsed.
        if (
            mark in line
            and line.startswith(begin)
            and line.count("\t") >= 8
            and line.split("\t", 3)[2] in known
        ):
            continue
        if line.startswith(">"):  # sequences may follow the last feature
            break
        fields = _split(line, number, path) if is_data(line) else _NO_FIELDS
        kind = fields[2]
        if kind != "gene" and kind not in _BELOW_GENES:
            continue
        named = _gtf_attributes(fields[8])
        name, chrom = named.get("transcript_id", ""), fields[0].strip()
        if kind in _PARTS and (name, chrom) in recorded:
            continue
        place = _gtf_place(named, fields, number, path)
        if kind == "gene":
            genes.append(Locus(*place))
            if not transcripts:
                begin, mark, known = f"{fields[0]}\t", f'\tgene_id "{place[1]}"', _BELOW_GENES
        elif kind in _PARTS:
            part = Transcript(*place, name, rank(""))
            span = spans.setdefault((name, chrom, part.strand, part.gene), part)
            span.start, span.end = min(span.start, part.start), max(span.end, part.end)
        else:
            name = name or place[1]
            records.append(Transcript(*place, name, rank(named.get("tag", ""))))
            recorded.add((name, chrom))
            begin, mark, known = f"{fields[0]}\t", f' transcript_id "{name}"', _PARTS
    # Records may come after the parts.
    records += [span for span in spans.values() if (span.id, span.chrom) not in recorded]
    return _with_transcripts(genes, records)


def _gtf_attributes(text: str) -> dict[str, str]:
    """Return attributes; of several with one name, the first, but all tags, joined by commas."""
    pairs = _GTF_PAIR.findall(text)
    named = {key: (quoted or plain).strip() for key, quoted, plain in reversed(pairs)}
    if "tag" in named:
        named["tag"] = ",".join(quoted for key, quoted, _ in pairs if key == "tag")
    return named


def _gtf_place(
    named: dict[str, str], fields: list[str], number: int, path: Path
) -> tuple[int, str, str, str, str, int, int, str]:
    """Return the values of :class:`chromviz.data.genes.loci.Feature` on one line."""
    gene = named.get("gene_id", "")
    if not gene:
        raise ChromvizError(
            f"{path}, line {number}: it has no gene_id; give GTF with "
            'gene_id "ID" among the attributes'
        )
    symbol = named.get("gene_name") or named.get("gene", "")
    biotype = named.get("gene_type") or named.get("gene_biotype", "")
    return (number, gene, symbol, biotype, *_place(fields, f"gene {gene}", number, path))


def _with_transcripts(genes: list[Locus], transcripts: list[Transcript]) -> list[Locus]:
    """Return GTF's genes, each with its transcripts, and those that only transcripts show."""
    same_id: dict[tuple[str, str], list[Locus]] = {}
    for locus in genes:
        same_id.setdefault((locus.gene, locus.chrom), []).append(locus)
    orphans = []
    for item in transcripts:
        loci = same_id.get((item.gene, item.chrom), [])
        around = [locus for locus in loci if locus.start <= item.start and item.end <= locus.end]
        # Parts without a transcript id add nothing to a gene that has a record.
        if loci and item.id:
            (around or loci)[0].transcripts.append(item)
        elif not loci:
            item.id = item.id or item.gene
            orphans.append(item)
    return genes + gather(orphans)


def read_gff3(path: Path) -> tuple[list[Locus], list[str]]:
    """Return the genes of a GFF3 file with their transcripts, and notes for the user.

    Features are linked by ``ID`` and ``Parent``. A gene is named by its ``gene_id``, else by its
    ``ID`` without the prefix ``gene-`` or ``gene:``. RefSeq's are of the second kind: ``gene-TP53``
    is ``TP53``, the name that RefSeq's GTF and counts made with either file use.
    """
    genes: list[Locus] = []
    by_id: dict[str, Locus] = {}
    transcripts: list[tuple[str, Transcript]] = []
    ids: set[str] = set()
    parents: set[str] = set()  # of parts
    for number, line in data_lines(path):
        if line.startswith(">"):
            break
        fields = _split(line, number, path)
        kind, text = fields[2], fields[8]
        if kind in _PARTS:
            if found := _PARENT.search(text):
                parents.add(found[1])
        elif kind.endswith("gene") and "Parent=" not in text:
            key, locus = _gff3_gene(fields, number, path)
            genes.append(locus)
            ids.add(key)
            # Of genes with one ID, the first has the transcripts.
            by_id.setdefault(key, locus)
        elif kind.endswith(_TRANSCRIPTS):
            named = _gff3_attributes(text)
            ids.add(named.get("ID", ""))
            parent = named.get("Parent", "").split(",")[0]
            transcripts.append((parent, _gff3_transcript(named, parent, fields, number, path)))
        elif "Parent=" in text:
            ids.add(_gff3_attributes(text).get("ID", ""))
    for parent, transcript in transcripts:
        if parent in by_id:
            by_id[parent].transcripts.append(transcript)
    # The products of a transcript, such as the miRNAs of a primary transcript, name it as parent.
    known = ids - {""}
    orphans = [transcript for parent, transcript in transcripts if parent not in known]
    return genes + gather(orphans), _lost_parts(parents, ids, path)


def _lost_parts(parents: set[str], ids: set[str], path: Path) -> list[str]:
    """Return a note on parents of parts that are not in the file; a text may name several."""
    lost = sorted({name for text in parents for name in _decode(text.strip()).split(",")} - ids)
    lost = [name for name in lost if name]
    if not lost:
        return []
    return [
        f"{path.name}: the exons of {len(lost):,} transcripts or genes that are not in the file "
        f"({lost[0]}) are ignored"
    ]


def _split(line: str, number: int, path: Path) -> list[str]:
    """Return the columns of a feature, of which there are at least nine."""
    fields = line.split("\t")
    if len(fields) < 9 or not fields[8]:
        count = len(line.rstrip("\t").split("\t"))
        raise ChromvizError(
            f"{path}, line {number}: {count} tab-separated columns where GTF and GFF3 have 9; the "
            "file may be cut off, or its tabs lost"
        )
    return fields


def _place(fields: list[str], what: str, number: int, path: Path) -> tuple[str, int, int, str]:
    """Return chromosome, start, end and strand of a feature."""
    place = [fields[at] for at in (0, 3, 4, 6)]
    return parse_place(place, what, f"{path}, line {number}", first=1, strands=_STRANDS)


def _gff3_gene(fields: list[str], number: int, path: Path) -> tuple[str, Locus]:
    """Return the ID and the gene of one line."""
    named = _gff3_attributes(fields[8])
    gene = _gff3_name(named, "gene_id")
    if not gene:
        raise ChromvizError(
            f"{path}, line {number}: this {fields[2]} has no ID; give GFF3 with ID=... among the "
            "attributes of genes"
        )
    symbol = named.get("gene_name") or named.get("gene") or named.get("Name", "")
    place = _place(fields, f"gene {gene}", number, path)
    return named.get("ID") or gene, Locus(number, gene, symbol, _gff3_biotype(named), *place)


def _gff3_transcript(
    named: dict[str, str], parent: str, fields: list[str], number: int, path: Path
) -> Transcript:
    """Return the transcript of one line, whose gene may come later in the file."""
    of_parent = _PREFIX.sub("", parent)
    name = _gff3_name(named, "transcript_id") or of_parent
    if not name:
        raise ChromvizError(
            f"{path}, line {number}: this {fields[2]} has neither ID nor Parent; give GFF3 with "
            "ID=... among the attributes of transcripts"
        )
    gene = named.get("gene_id") or named.get("geneID") or named.get("gene") or of_parent or name
    symbol = named.get("gene_name") or named.get("gene", "")
    place = _place(fields, f"transcript {name}", number, path)
    order = rank(named.get("tag", ""))
    return Transcript(number, gene, symbol, _gff3_biotype(named), *place, name, order)


def _gff3_attributes(text: str) -> dict[str, str]:
    """Return decoded attributes; of several with one name, the first."""
    pairs = [pair.partition("=") for pair in text.split(";") if "=" in pair]
    return {key.strip(): _decode(value.strip()) for key, _, value in reversed(pairs)}


def _decode(value: str) -> str:
    if "%" not in value:
        return value
    decoded = unquote(value)
    # A value that cannot be printed on one line stays as it was written.
    return decoded if decoded.isprintable() else value


def _gff3_biotype(named: dict[str, str]) -> str:
    return named.get("gene_type") or named.get("gene_biotype") or named.get("biotype", "")


def _gff3_name(named: dict[str, str], attribute: str) -> str:
    """Return the id that a gene or transcript is named by, empty if it has none."""
    key, given = named.get("ID", ""), named.get(attribute, "")
    # GENCODE's gene_id does not distinguish the copy of a gene on Y from that on X; its ID does.
    if given and not key.endswith("_PAR_Y"):
        return given
    name = named.get("gene") or named.get("Name", "")
    return name if name and _NUMBERED.fullmatch(key) else _PREFIX.sub("", key)
