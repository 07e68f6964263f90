"""GTF, GFF3 and gene_info: every style of their makers, every rule for the TSS."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz.data.genes.annotation import read_genes
from chromviz.errors import ChromvizError


def line(chrom, kind, start, end, strand, attributes):
    fields = (chrom, "maker", kind, start, end, ".", strand, ".", attributes)
    return "\t".join(map(str, fields)) + "\n"


ENSEMBL = "".join(
    [
        "#!genome-build GRCh38\n",
        line("1", "gene", 101, 200, "+", 'gene_id "ENSG1"; gene_version "4"; gene_name "ONE"; '
             'gene_biotype "protein_coding";'),
        line("1", "transcript", 101, 200, "+", 'gene_id "ENSG1"; transcript_id "ENST1"; '
             'gene_biotype "protein_coding"; tag "basic";'),
        line("1", "exon", 101, 200, "+", 'gene_id "ENSG1"; transcript_id "ENST1";'),
        line("1", "transcript", 151, 200, "+", 'gene_id "ENSG1"; transcript_id "ENST2"; '
             'gene_biotype "protein_coding"; tag "basic"; tag "Ensembl_canonical";'),
        line("1", "exon", 151, 200, "+", 'gene_id "ENSG1"; transcript_id "ENST2";'),
        line("X", "gene", 301, 400, "-", 'gene_id "ENSG2"; gene_version "1"; '
             'gene_biotype "lncRNA";'),
        line("X", "transcript", 301, 390, "-", 'gene_id "ENSG2"; transcript_id "ENST3"; '
             'gene_biotype "lncRNA";'),
        line("X", "exon", 301, 390, "-", 'gene_id "ENSG2"; transcript_id "ENST3";'),
    ]
)  # fmt: skip

GENCODE = "".join(
    [
        "##description: made by hand\n##format: gtf\n",
        line("chrX", "gene", 101, 200, "-", 'gene_id "ENSG00000182378.14"; '
             'gene_type "protein_coding"; gene_name "PLCXD1"; level 2;'),
        line("chrX", "transcript", 101, 190, "-", 'gene_id "ENSG00000182378.14"; '
             'transcript_id "ENST1.1"; gene_type "protein_coding"; gene_name "PLCXD1"; level 2; '
             'tag "basic"; tag "appris_principal_2";'),
        line("chrX", "transcript", 101, 180, "-", 'gene_id "ENSG00000182378.14"; '
             'transcript_id "ENST2.1"; gene_type "protein_coding"; gene_name "PLCXD1"; level 2; '
             'tag "appris_principal_1"; tag "basic";'),
        line("chrX", "transcript", 101, 200, "-", 'gene_id "ENSG00000182378.14"; '
             'transcript_id "ENST3.1"; gene_type "protein_coding"; gene_name "PLCXD1"; level 2;'),
        line("chrY", "gene", 101, 200, "-", 'gene_id "ENSG00000182378.14_PAR_Y"; '
             'gene_type "protein_coding"; gene_name "PLCXD1"; level 2;'),
        line("chrY", "transcript", 101, 170, "-", 'gene_id "ENSG00000182378.14_PAR_Y"; '
             'transcript_id "ENST3.1_PAR_Y"; gene_type "protein_coding"; gene_name "PLCXD1"; '
             'tag "Ensembl_canonical"; tag "MANE_Select";'),
    ]
)  # fmt: skip

REFSEQ_GTF = "".join(
    [
        "#gtf-version 2.2\n",
        line("NC_000017.11", "gene", 101, 200, "-", 'gene_id "TP53"; transcript_id ""; '
             'db_xref "GeneID:7157"; gbkey "Gene"; gene "TP53"; gene_biotype "protein_coding"; '),
        line("NC_000017.11", "transcript", 101, 200, "-", 'gene_id "TP53"; '
             'transcript_id "NM_1.1"; gene "TP53"; gbkey "mRNA"; '),
        line("NC_000017.11", "transcript", 101, 150, "-", 'gene_id "TP53"; '
             'transcript_id "NM_2.1"; gene "TP53"; gbkey "mRNA"; tag "MANE Select"; '),
        line("NC_000017.11", "exon", 101, 150, "-", 'gene_id "TP53"; transcript_id "NM_2.1"; '),
        line("NW_1.1", "gene", 11, 20, "+", 'gene_id "TP53_1"; transcript_id ""; gene "TP53"; '
             'gene_biotype "protein_coding"; note "a; gene_id of; \'no\' gene"; '),
    ]
)  # fmt: skip

REFSEQ_GFF3 = "".join(
    [
        "##gff-version 3\n##sequence-region NC_000023.11 1 156040895\n",
        line("NC_000023.11", "region", 1, 156040895, "+", "ID=NC_000023.11:1..156040895;gbkey=Src"),
        line("NC_000023.11", "gene", 101, 200, "+", "ID=gene-CRLF2;Dbxref=GeneID:64109;Name=CRLF2;"
             "description=a%2C b;gbkey=Gene;gene=CRLF2;gene_biotype=protein_coding"),
        line("NC_000023.11", "mRNA", 101, 200, "+", "ID=rna-NM_1.1;Parent=gene-CRLF2;gene=CRLF2;"
             "transcript_id=NM_1.1"),
        line("NC_000023.11", "exon", 101, 200, "+", "ID=exon-1;Parent=rna-NM_1.1;gene=CRLF2"),
        line("NC_000023.11", "mRNA", 131, 200, "+", "ID=rna-NM_2.1;Parent=gene-CRLF2;gene=CRLF2;"
             "tag=RefSeq Select;transcript_id=NM_2.1"),
        line("NC_000024.10", "gene", 101, 200, "+", "ID=gene-CRLF2-2;Dbxref=GeneID:64109;"
             "Name=CRLF2;gbkey=Gene;gene=CRLF2;gene_biotype=protein_coding"),
        line("NC_000024.10", "mRNA", 101, 200, "+", "ID=rna-NM_1.1-2;Parent=gene-CRLF2-2;"
             "gene=CRLF2;transcript_id=NM_1.1"),
        line("NC_000024.10", "pseudogene", 501, 600, "-", "ID=gene-LOC1;Name=LOC1;gene=LOC1;"
             "gene_biotype=pseudogene"),
        line("NC_000024.10", "exon", 501, 600, "-", "ID=id-LOC1;Parent=gene-LOC1;gene=LOC1"),
        line("NC_000024.10", "gene", 701, 800, "-", "ID=gene-MIR1;gene=MIR1;gene_biotype=miRNA"),
        line("NC_000024.10", "primary_transcript", 701, 800, "-", "ID=rna-MIR1;Parent=gene-MIR1"),
        line("NC_000024.10", "miRNA", 711, 730, "-", "ID=rna-MIR1-5p;Parent=rna-MIR1"),
    ]
)  # fmt: skip

GENCODE_GFF3 = "".join(
    [
        "##gff-version 3\n",
        line("chrX", "gene", 101, 200, "+", "ID=ENSG1.2;gene_id=ENSG1.2;gene_type=protein_coding;"
             "gene_name=ONE;level=2"),
        line("chrX", "transcript", 111, 200, "+", "ID=ENST1.1;Parent=ENSG1.2;gene_id=ENSG1.2;"
             "transcript_id=ENST1.1;gene_type=protein_coding;gene_name=ONE;"
             "tag=basic,Ensembl_canonical,MANE_Select"),
        line("chrX", "exon", 111, 200, "+", "ID=exon:ENST1.1:1;Parent=ENST1.1;gene_id=ENSG1.2"),
        line("chrX", "transcript", 101, 200, "+", "ID=ENST2.1;Parent=ENSG1.2;gene_id=ENSG1.2;"
             "transcript_id=ENST2.1;tag=basic,appris_principal_1"),
        line("chrY", "gene", 301, 400, "+", "ID=ENSG1.2_PAR_Y;gene_id=ENSG1.2;"
             "gene_type=protein_coding;gene_name=ONE"),
        line("chrY", "transcript", 311, 400, "+", "ID=ENST1.1_PAR_Y;Parent=ENSG1.2_PAR_Y;"
             "gene_id=ENSG1.2;transcript_id=ENST1.1;tag=MANE_Select"),
    ]
)  # fmt: skip

ENSEMBL_GFF3 = "".join(
    [
        line("1", "ncRNA_gene", 101, 200, "-", "ID=gene:ENSG1;Name=ONE;biotype=lncRNA;"
             "gene_id=ENSG1;version=2"),
        line("1", "lnc_RNA", 101, 190, "-", "ID=transcript:ENST1;Parent=gene:ENSG1;Name=ONE-201;"
             "biotype=lncRNA;tag=basic,Ensembl_canonical;transcript_id=ENST1;version=1"),
        line("1", "exon", 101, 190, "-", "Parent=transcript:ENST1;Name=ENSE1"),
        "###\n",
    ]
)  # fmt: skip

UCSC = "".join(
    [
        line("chr1", "transcript", 101, 200, "+", 'gene_id "AB"; transcript_id "NM_1"; '
             'gene_name "AB";'),
        line("chr1", "exon", 101, 110, "+", 'gene_id "AB"; transcript_id "NM_1"; gene_name "AB";'),
        line("chr1", "exon", 191, 200, "+", 'gene_id "AB"; transcript_id "NM_1"; gene_name "AB";'),
        line("chr1", "transcript", 91, 150, "+", 'gene_id "AB"; transcript_id "NM_2"; '
             'gene_name "AB";'),
        # The same gene again, further on, and on another chromosome first in the file.
        line("chr6_x_alt", "transcript", 11, 20, "-", 'gene_id "CD"; transcript_id "NM_3";'),
        line("chr1", "transcript", 901, 950, "+", 'gene_id "AB"; transcript_id "NM_4";'),
        line("chr6", "transcript", 31, 40, "-", 'gene_id "CD"; transcript_id "NM_3";'),
        # Known by its exons alone, its transcript's after its gene's.
        line("chr2", "exon", 301, 310, "-", 'gene_id "EF"; transcript_id "NM_5";'),
        line("chr2", "exon", 351, 360, "-", 'gene_id "EF"; transcript_id "NM_5";'),
        line("chr2", "CDS", 351, 355, "-", 'gene_id "EF"; transcript_id "NM_5";'),
    ]
)  # fmt: skip

GENE_INFO = (
    "ENSG1\t1\t101\t200\t1\tprotein_coding\tONE\tfirst [Source:x]\t\n"
    "ENSG2\tX\t301\t400\t-1\tlincRNA\t\t\t\n"
    "ENSG3\tGL000192.1\t5\t5\t1\tprotein_coding\tTHREE\n"
)


def write(tmp_path, text, name="genes.gtf"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return path


def places(path, **options):
    """The table's rows as text, to be read at a glance."""
    table = read_genes(path, **options).table
    assert table["gene"].is_unique
    assert table["tss"].dtype == "int64"
    columns = [table[name] for name in ("gene", "symbol", "chrom", "tss", "strand", "biotype")]
    return [" ".join(map(str, row)) for row in zip(*columns, strict=True)]


def refusal(path, **options):
    with pytest.raises(ChromvizError) as caught:
        read_genes(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


STYLES = {
    "ensembl": ENSEMBL,
    "gencode": GENCODE,
    "refseq": REFSEQ_GTF,
    "refseq3": REFSEQ_GFF3,
    "gencode3": GENCODE_GFF3,
    "ensembl3": ENSEMBL_GFF3,
    "ucsc": UCSC,
}


@pytest.mark.parametrize(
    ("style", "rule", "wanted"),
    [
        ("ensembl", "gene", ["ENSG1 ONE 1 100 + protein_coding", "ENSG2  X 399 - lncRNA"]),
        ("ensembl", "canonical", ["ENSG1 ONE 1 150 + protein_coding", "ENSG2  X 389 - lncRNA"]),
        (
            "ensembl",
            "transcript",
            [
                "ENST1 ONE 1 100 + protein_coding",
                "ENST2 ONE 1 150 + protein_coding",
                "ENST3  X 389 - lncRNA",
            ],
        ),
        (
            "gencode",
            "gene",
            [
                "ENSG00000182378.14 PLCXD1 chrX 199 - protein_coding",
                "ENSG00000182378.14_PAR_Y PLCXD1 chrY 199 - protein_coding",
            ],
        ),
        (
            "gencode",
            "canonical",
            [
                "ENSG00000182378.14 PLCXD1 chrX 179 - protein_coding",
                "ENSG00000182378.14_PAR_Y PLCXD1 chrY 169 - protein_coding",
            ],
        ),
        (
            "refseq",
            "gene",
            [
                "TP53 TP53 NC_000017.11 199 - protein_coding",
                "TP53_1 TP53 NW_1.1 10 + protein_coding",
            ],
        ),
        (
            "refseq",
            "canonical",
            [
                "TP53 TP53 NC_000017.11 149 - protein_coding",
                "TP53_1 TP53 NW_1.1 10 + protein_coding",
            ],
        ),
        (
            "refseq3",
            "gene",
            [
                "CRLF2 CRLF2 NC_000023.11 100 + protein_coding",
                "CRLF2-2 CRLF2 NC_000024.10 100 + protein_coding",
                "LOC1 LOC1 NC_000024.10 599 - pseudogene",
                "MIR1 MIR1 NC_000024.10 799 - miRNA",
            ],
        ),
        (
            "refseq3",
            "transcript",
            [
                "NM_1.1 CRLF2 NC_000023.11 100 + protein_coding",
                "NM_2.1 CRLF2 NC_000023.11 130 + protein_coding",
                "NM_1.1_PAR_Y CRLF2 NC_000024.10 100 + protein_coding",
                "LOC1 LOC1 NC_000024.10 599 - pseudogene",
                "MIR1 MIR1 NC_000024.10 799 - miRNA",
            ],
        ),
        (
            "gencode3",
            "canonical",
            [
                "ENSG1.2 ONE chrX 110 + protein_coding",
                "ENSG1.2_PAR_Y ONE chrY 310 + protein_coding",
            ],
        ),
        ("ensembl3", "gene", ["ENSG1 ONE 1 199 - lncRNA"]),
        ("ensembl3", "canonical", ["ENSG1 ONE 1 189 - lncRNA"]),
        (
            "ucsc",
            "gene",
            [
                "AB AB chr1 90 + ",
                "CD@chr6_x_alt:19:-  chr6_x_alt 19 - ",
                "AB@chr1:900:+  chr1 900 + ",
                "CD  chr6 39 - ",
                "EF  chr2 359 - ",
            ],
        ),
        (
            "ucsc",
            "canonical",
            [
                "AB AB chr1 100 + ",
                "CD@chr6_x_alt:19:-  chr6_x_alt 19 - ",
                "AB@chr1:900:+  chr1 900 + ",
                "CD  chr6 39 - ",
                "EF  chr2 359 - ",
            ],
        ),
    ],
)
def test_styles(tmp_path, style, rule, wanted):
    for name in ("genes.gtf", "genes.bed.gz"):
        assert places(write(tmp_path, STYLES[style], name), tss=rule) == wanted


def test_notes_say_what_was_done(tmp_path):
    def notes(text, rule):
        return read_genes(write(tmp_path, text), tss=rule).notes

    assert notes(ENSEMBL, "gene") == [
        "genes.gtf: the TSS of a gene is the 5' end of the gene record"
    ]
    assert notes(GENCODE, "canonical") == [
        "genes.gtf: the TSS of each gene is chosen by: MANE Select 1, APPRIS principal 1"
    ]
    assert notes(REFSEQ_GTF, "canonical") == [
        "genes.gtf: the TSS of each gene is chosen by: MANE Select 1, gene record (genes without "
        "transcripts) 1"
    ]
    assert notes(UCSC, "gene") == [
        "genes.gtf: 5 of 5 genes have no gene record (AB); their TSS is the most upstream start of "
        "their transcripts",
        "genes.gtf: 2 additional positions of ids that occur at several are kept under new names "
        "(AB@chr1:900:+); the first on a main chromosome keeps the id, and with it the expression",
    ]
    assert notes(GENCODE_GFF3, "transcript") == ["genes.gtf: 3 transcripts, each with its own TSS"]
    assert read_genes(write(tmp_path, GENCODE_GFF3)).format == "GFF3"
    pair = "".join(
        line(chrom, "gene", 1, 2, "+", 'gene_id "A";') for chrom in ("X", "Y")
    )  # fmt: skip
    assert "the copy on Y is named with _PAR_Y (A_PAR_Y)" in notes(pair, "gene")[1]


def test_an_id_recorded_twice_is_at_two_places(tmp_path):
    rows = [("1", 101), ("1", 501), ("1", 501), ("2", 701)]
    text = "".join(line(on, "gene", at, at, "+", 'gene_id "A";') for on, at in rows)
    path = write(tmp_path, text)
    assert places(path) == ["A  1 100 + ", "A@1:500:+  1 500 + ", "A@2:700:+  2 700 + "]
    assert "1 ids are repeated at the same TSS; each is kept once (A)" in read_genes(path).notes[1]


def test_genes_without_a_record_beside_others_are_not_lost(tmp_path):
    spike = line("ERCC-1", "exon", 1, 100, "+", 'gene_id "ERCC-1"; transcript_id "DQ1";')
    late = ENSEMBL.replace("ENSG1", "ENSG9").replace("ENST", "ENST9")
    path = write(tmp_path, spike + ENSEMBL + "".join(reversed(late.splitlines(True)[1:4])))
    assert [row.split()[0] for row in places(path)] == ["ERCC-1", "ENSG1", "ENSG2", "ENSG9"]
    assert "1 of 4 genes have no gene record (ERCC-1)" in read_genes(path).notes[1]
    # GFF3 without gene records, as tools that convert GTF write it; and exons of nothing.
    path = write(
        tmp_path,
        "##gff-version 3\n"
        + line("chr1", "transcript", 11, 90, "-", "ID=T1;geneID=G1;gene_name=ONE")
        + line("chr1", "exon", 11, 90, "-", "Parent=T1")
        + line("chr1", "mRNA", 21, 95, "-", "ID=T2;Parent=gene:G1")
        + line("chr1", "exon", 21, 95, "-", "Parent=gone,away")
        + "##FASTA\n>chr1\nACGT\n",
    )
    assert places(path) == ["G1 ONE chr1 94 - "]
    assert read_genes(path).notes[0] == (
        "genes.gtf: the exons of 2 transcripts or genes that are not in the file (away) are ignored"
    )


def test_parents_group_the_transcripts_of_a_gene(tmp_path):
    table = read_genes(write(tmp_path, ENSEMBL), tss="transcript").table
    assert list(table["parent"]) == ["ENSG1", "ENSG1", "ENSG2"]
    table = read_genes(write(tmp_path, UCSC)).table
    assert list(table["parent"]) == ["AB", "CD", "AB", "CD", "EF"]


def test_biotype(tmp_path):
    path = write(tmp_path, ENSEMBL)
    assert places(path, biotype="lncRNA") == ["ENSG2  X 399 - lncRNA"]
    assert "kept 1 of 2 genes, those of lncRNA" in read_genes(path, biotype="lncRNA").notes[0]
    message = refusal(path, biotype="protein-coding")
    assert "no gene of biotype 'protein-coding'; it has: protein_coding 1, lncRNA 1" in message
    assert "has no biotypes" in refusal(write(tmp_path, UCSC), biotype="lncRNA")
    bed = write(tmp_path, "chr1\t5\t6\tA\t0\t+\n", "genes.bed")
    assert "has no biotypes" in refusal(bed, biotype="lncRNA")


def test_gene_info(tmp_path):
    path = write(tmp_path, GENE_INFO, "gene_info")
    wanted = [
        "ENSG1 ONE 1 100 + protein_coding",
        "ENSG2  X 399 - lincRNA",
        "ENSG3 THREE GL000192.1 4 + protein_coding",
    ]
    assert places(path) == wanted
    assert places(path, biotype="protein_coding") == [wanted[0], wanted[2]]
    named = "gene_id\tchrom\tstart\tend\tstrand\tbiotype\tsymbol\tdescription\n" + GENE_INFO
    assert places(write(tmp_path, named, "named")) == wanted
    twice = GENE_INFO + GENE_INFO.splitlines()[0].replace("ONE", "UNO")
    genes = read_genes(write(tmp_path, twice, "twice"))
    assert genes.table["symbol"][0] == "ONE/UNO"
    assert genes.format == "gene_info"
    # A number for a name and 1 for a score do not make BED gene_info.
    assert read_genes(write(tmp_path, "chr1\t5\t6\t7\t1\t+\n", "g.bed")).format == "BED"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("ENSG4\t1\t101\t200\t1\n", "5 tab-separated columns"),
        ("ENSG4\t1\t101\t200\t+\tx\n", "strand '+' is not one of 1, -1"),
        ("ENSG4\t1\t0\t200\t1\tx\n", "'0' is not a coordinate (a whole number from 1)"),
        ("ENSG4\t1\t200\t101\t1\tx\n", "end 101 lies before start 200"),
        ("ENSG4\t\t101\t200\t1\tx\n", "the chromosome is empty"),
        ("\t1\t101\t200\t1\tx\n", "the gene id is empty"),
        ("ENSG1\t2\t101\t200\t1\tx\n", "gene ENSG1 has different positions, on lines 1 and 4"),
    ],
)
def test_bad_gene_info(tmp_path, row, problem):
    message = refusal(write(tmp_path, GENE_INFO + row, "gene_info"))
    assert problem in message
    assert "line 4" in message or "lines 1 and 4" in message


def test_rules_that_the_file_cannot_follow(tmp_path):
    path = write(tmp_path, "chr1\t5\t6\tA\t0\t+\n", "genes.bed")
    assert "is BED, which has no transcripts" in refusal(path, tss="canonical")
    path = write(tmp_path, GENE_INFO)
    assert "is gene_info, which has no transcripts" in refusal(path, tss="transcript")
    path = write(tmp_path, ENSEMBL.splitlines(True)[1])
    assert "contains no transcript, so the TSS cannot be chosen by canonical" in refusal(
        path, tss="canonical"
    )
    message = refusal(path, tss="median")
    assert "unknown TSS rule 'median'; known: gene, canonical, transcript" in message


GENE = 'gene_id "A";'


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (line("chr1", "gene", "x", 9, "+", GENE), "'x' is not a coordinate"),
        (line("chr1", "gene", 0, 9, "+", GENE), "'0' is not a coordinate"),
        (line("chr1", "gene", 9, 5, "+", GENE), "end 5 lies before start 9"),
        (line("chr1", "gene", 5, 9, "*", GENE), "strand '*' is not one of +, -, ., ?"),
        (line("chr1", "gene", 5, 9, ".", GENE), "strand '.' leaves its TSS unknown"),
        (line("", "gene", 5, 9, "+", GENE), "the chromosome is empty"),
        (line("chr1", "gene", 5, 9, "+", 'gene_name "A";'), "it has no gene_id"),
        (line("chr1", "exon", 5, 9, "+", 'gene_name "A";'), "it has no gene_id"),
        ("chr1\tmaker\texon\t5\t9\n", "5 tab-separated columns where GTF and GFF3 have 9"),
        ("chr1 maker gene 5 9 . + . gene_id\n", "1 tab-separated columns"),
        # A part of the last transcript, which is not parsed further.
        (
            'X\tmaker\texon\t5 9\t.\t-\t.\tgene_id "ENSG2"; transcript_id "ENST3";\n',
            "8 tab-separated columns",
        ),
    ],
)
def test_bad_gtf_lines_are_named(tmp_path, row, problem):
    message = refusal(write(tmp_path, ENSEMBL + row))
    assert problem in message
    assert "line 10" in message


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (line("chr1", "gene", 5, 9, "+", "Name=A"), "this gene has no ID"),
        (line("chr1", "mRNA", 5, 9, "+", "Name=A"), "this mRNA has neither ID nor Parent"),
        (line("chr1", "gene", 5, 9, "?", "ID=A"), "strand '?' leaves its TSS unknown"),
        ("chr1\tmaker\texon\t5\t9\n", "5 tab-separated columns where GTF and GFF3 have 9"),
    ],
)
def test_bad_gff3_lines_are_named(tmp_path, row, problem):
    message = refusal(write(tmp_path, ENSEMBL_GFF3 + row))
    assert problem in message
    assert "line 5" in message


def test_what_holds_no_gene(tmp_path):
    for text in ("##gff-version 3\n", "#only a comment\n", "##gff-version 3\n##FASTA\n>x\n"):
        assert "contains no gene" in refusal(write(tmp_path, text))
    region = line("1", "region", 1, 9, "+", "ID=x")
    assert "contains no gene" in refusal(write(tmp_path, "##gff-version 3\n" + region))


def test_sequences_after_the_features_are_ignored(tmp_path):
    for text in (ENSEMBL, ENSEMBL_GFF3):
        wanted = places(write(tmp_path, text))
        assert places(write(tmp_path, text + ">1\nACGT\n")) == wanted


def test_a_name_that_is_taken(tmp_path):
    rows = [("X", "A"), ("Y", "A"), ("1", "A_PAR_Y"), ("2", "A@Y:0:+")]
    text = "".join(line(on, "gene", 1, 2, "+", f'gene_id "{name}";') for on, name in rows)
    assert "would be named A@Y:0:+, which is the id of another gene" in refusal(
        write(tmp_path, text)
    )


def simulated(seed, n_genes=400):
    """An annotation of random genes: for each, its transcripts (start, end, tags)."""
    rng = np.random.default_rng(seed)
    genes = []
    for number in range(n_genes):
        transcripts = []
        for t in range(rng.integers(1, 5)):
            start = rng.integers(1, 10_000)
            tags = rng.choice(["basic", "MANE_Select", "Ensembl_canonical"], 2, replace=False)
            tags = [*tags, rng.choice(["appris_principal_1", "appris_principal_3", "x"])]
            some = tags[rng.integers(4) :] if rng.random() < 0.6 else []
            transcripts.append((f"ENST{number}.{t}", start, start + rng.integers(500), some))
        genes.append(
            {
                "id": f"ENSG{number}.1",
                "chrom": rng.choice(["chr1", "chr2", "chrX"]),
                "strand": rng.choice(["+", "-"]),
                "type": rng.choice(["protein_coding", "lncRNA"]),
                "transcripts": transcripts,
            }
        )
    return genes


def as_gtf(genes):
    rows = []
    for gene in genes:
        on, strand = gene["chrom"], gene["strand"]
        common = f'gene_id "{gene["id"]}"; gene_type "{gene["type"]}"; gene_name "S{gene["id"]}"; '
        ends = [at for _, start, end, _ in gene["transcripts"] for at in (start, end)]
        rows.append(line(on, "gene", min(ends), max(ends), strand, common + "level 2;"))
        for name, start, end, tags in gene["transcripts"]:
            mine = f'{common}transcript_id "{name}"; '
            tagged = mine + "".join(f'tag "{tag}"; ' for tag in tags)
            rows.append(line(on, "transcript", start, end, strand, tagged))
            middle = (start + end) // 2
            rows.append(line(on, "exon", start, middle, strand, mine + 'exon_number "1";'))
            rows.append(line(on, "exon", min(middle + 1, end), end, strand, mine))
    return "".join(rows)


def as_gff3(genes):
    rows = ["##gff-version 3\n"]
    for gene in genes:
        on, strand = gene["chrom"], gene["strand"]
        common = f"gene_id={gene['id']};gene_type={gene['type']};gene_name=S{gene['id']}"
        ends = [at for _, start, end, _ in gene["transcripts"] for at in (start, end)]
        rows.append(line(on, "gene", min(ends), max(ends), strand, f"ID={gene['id']};{common}"))
        for name, start, end, tags in gene["transcripts"]:
            mine = f"ID={name};Parent={gene['id']};{common};transcript_id={name};tag=" + ",".join(
                tags
            )
            rows.append(line(on, "transcript", start, end, strand, mine))
            rows.append(line(on, "exon", start, end, strand, f"ID=exon:{name};Parent={name}"))
    return "".join(rows)


def by_pandas(path, rule):
    """The TSS of each gene, from the whole table at once."""
    names = ["chrom", "source", "kind", "start", "end", "score", "strand", "frame", "attributes"]
    table = pd.read_csv(path, sep="\t", names=names, comment="#", quoting=3)
    table["gene"] = table["attributes"].str.extract('gene_id "([^"]*)"')
    table["id"] = table["attributes"].str.extract('transcript_id "([^"]*)"')
    table["tss"] = np.where(table["strand"] == "+", table["start"] - 1, table["end"] - 1)
    if rule == "gene":
        return table[table["kind"] == "gene"].set_index("gene")["tss"]
    table = table[table["kind"] == "transcript"].copy()
    if rule == "transcript":
        return table.set_index("id")["tss"]
    tag = table["attributes"].str.contains
    table["rank"] = np.select(
        [tag("MANE_Select"), tag("Ensembl_canonical"), tag("principal_1"), tag("principal_3")],
        [0, 1, 2, 3],
        4,
    )
    table["shortness"] = table["start"] - table["end"]
    best = table.sort_values(["rank", "shortness", "id"]).drop_duplicates("gene")
    return best.set_index("gene")["tss"]


@pytest.mark.parametrize("rule", ["gene", "canonical", "transcript"])
def test_as_an_independent_reading(tmp_path, rule):
    genes = simulated(1)
    path = write(tmp_path, as_gtf(genes))
    table = read_genes(path, tss=rule).table
    wanted = by_pandas(path, rule)
    assert len(table) == len(wanted)
    assert (table.set_index("gene")["tss"].reindex(wanted.index) == wanted).all()
    other = read_genes(write(tmp_path, as_gff3(genes), "genes.gff3"), tss=rule).table
    pd.testing.assert_frame_equal(table, other)


@pytest.mark.parametrize("rule", ["gene", "canonical"])
def test_records_left_out_are_made_up_for_by_exons(tmp_path, rule):
    genes = simulated(2, 100)
    for gene in genes:  # overlapping, or they would be several places; untagged, as exons are
        gene["transcripts"] = [
            (name, 5000 - at, 5100 + 2 * at, [])
            for at, (name, *_) in enumerate(gene["transcripts"])
        ]
    whole = as_gtf(genes)
    lines = whole.splitlines(True)
    bare = "".join(row for row in lines if "\texon\t" in row)
    wanted = read_genes(write(tmp_path, whole), tss=rule).table
    pd.testing.assert_frame_equal(read_genes(write(tmp_path, bare), tss=rule).table, wanted)
    # Nor does the order of the lines matter, but for that of the genes.
    np.random.default_rng(3).shuffle(lines)
    mixed = read_genes(write(tmp_path, "".join(lines)), tss=rule).table
    pd.testing.assert_frame_equal(mixed.set_index("gene").loc[wanted["gene"]].reset_index(), wanted)


WORDS = st.sampled_from(
    [
        *("chr1", "X", "Y", "gene", "transcript", "mRNA", "exon", "1", "5", "9", "+", "-", ".", ""),
        *('gene_id "A";', 'gene_id "B"; transcript_id "T"; tag "MANE Select";', "ID=A;gene_id=B"),
        *("ID=T;Parent=A", "Parent=T", "ID=%0A;Name=%00", "é", 'gene_id "', "?", "##gff-version 3"),
    ]
)
COLUMNS = st.tuples(
    *[st.sampled_from(["chr1", "X", "Y"]), st.just("m")],
    st.sampled_from(["gene", "transcript", "mRNA", "exon", "CDS", "region"]),
    *[st.sampled_from(["1", "5", "9", "70"])] * 2,
    *[st.just("."), st.sampled_from("+-"), st.just("."), WORDS],
)
LINES = st.lists(COLUMNS.map("\t".join) | st.lists(WORDS, max_size=10).map("\t".join), max_size=8)


@given(
    st.binary(max_size=200) | LINES.map(lambda lines: "\n".join(lines).encode()),
    st.sampled_from(["gene", "canonical", "transcript"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_genes_or_one_clear_error(tmp_path, content, rule):
    path = tmp_path / "any.gtf"
    path.write_bytes(content)
    check_outcome(path, rule)


def check_outcome(path, rule):
    try:
        table = read_genes(path, tss=rule).table
    except ChromvizError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert table["gene"].is_unique
        assert (table["tss"] >= 0).all()
        assert (table[["gene", "chrom"]] != "").all(axis=None)


@pytest.mark.parametrize("style", [*STYLES, "gene_info"])
def test_damaged_files_give_genes_or_one_clear_error(tmp_path, style):
    valid = {**STYLES, "gene_info": GENE_INFO}[style].encode()
    rng = np.random.default_rng(len(valid))
    for trial in range(40):
        content = bytearray(valid)
        for at in rng.integers(len(content), size=3):
            content[at] = rng.choice(bytearray(b'\t\n";=.-+0aA\x00\xff ,'))
        path = tmp_path / "damaged"
        path.write_bytes(content[: rng.integers(len(content)) if trial % 3 == 0 else None])
        check_outcome(path, rng.choice(["gene", "canonical", "transcript"]))
