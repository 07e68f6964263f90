import dataclasses
import gzip
import re
import shutil
import struct
import subprocess

import numpy as np
import pandas as pd
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz.data.signal import bam as bam_file
from chromviz.data.signal import overlaps
from chromviz.data.signal import reads as counting
from chromviz.data.signal.chromosomes import Assembly, Translator
from chromviz.data.signal.read_files import kind_of_file
from chromviz.data.signal.reads import PAPER_RULE, ReadRule, count_reads
from chromviz.data.signal.windows import orient
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window

WINDOW = Window(flank=200, bin_width=50)
SIZES = {"chr1": 6000, "chr2": 3000, "chr3": 1000}
RULES = [
    ReadRule(),
    ReadRule(duplicates="keep"),
    ReadRule(duplicates="position"),
    ReadRule("start"),
    ReadRule(1, strand="-"),
    ReadRule(120, "position", "+"),
    ReadRule(300, "keep", "-", 10),
    ReadRule(min_quality=30),
]
NEEDS_BEDTOOLS = pytest.mark.skipif(not shutil.which("bedtools"), reason="bedtools is not here")


def table(*rows):
    return pd.DataFrame(rows, columns=["chrom", "tss", "strand"])


class Picks:
    """Seeded choices."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def below(self, end):
        return int(self.rng.integers(end))

    def one(self, *items):
        return items[self.below(len(items))]


def random_genes(seed, n=40):
    """Windows that overlap one another and lie in no order; a few leave their chromosome."""
    pick = Picks(seed)
    chroms = [pick.one(*SIZES) for _ in range(n)]
    return table(*((chrom, pick.below(SIZES[chrom]), pick.one("+", "-")) for chrom in chroms))


def random_records(seed, n=600):
    """Alignments of every kind: (chrom, pos, cigar, flag, MAPQ), several at one position."""
    pick = Picks(seed)
    cigars = ["36M", "36M", "20M", "5S30M", "10M3D20M", "10M2I20M", "12M400N8M", "3H9=1X9M4S"]
    records = []
    for _ in range(n):
        chrom = pick.one("chr1", "chr1", "chr2")
        flag = pick.one(0, 16) | pick.one(0, 0, 0, 0x400, 0x200, 0x100, 0x800)
        flag |= pick.one(0, 0, 0x1 | 0x2 | 0x40, 0x1 | 0x8 | 0x80)
        pos = pick.below(SIZES[chrom] - 450) // 4 * 4
        records.append((chrom, pos, pick.one(*cigars, "8M2P8M"), flag, pick.below(61)))
    return records


def write_bam(path, records, sizes=None, order=True):
    sizes = sizes or SIZES
    names = list(sizes)
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": name, "LN": sizes[name]} for name in names]}
    if order:
        records = sorted(records, key=lambda item: (names.index(item[0]), item[1]))
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for number, (chrom, pos, cigar, flag, quality) in enumerate(records):
            read = pysam.AlignedSegment(out.header)
            read.query_name = f"read{number}" * (1 + number % 3)
            read.reference_id, read.reference_start = names.index(chrom), pos
            read.flag, read.mapping_quality = flag, quality
            read.cigarstring = cigar
            out.write(read)
    return path


def span(cigar):
    """Bases of the genome that a CIGAR covers."""
    return sum(int(n) for n, op in re.findall(r"(\d+)([A-Z=])", cigar) if op in "MDN=X")


def as_reads(records):
    """(chrom, start, end, strand, flag, MAPQ) of alignments."""
    return [
        (chrom, pos, pos + span(cigar), "-" if flag & 16 else "+", flag, quality)
        for chrom, pos, cigar, flag, quality in records
        if not flag & 4
    ]


def write_bed(path, reads, line="{0}\t{1}\t{2}\tN\t1000\t{3}\n"):
    path.write_text("".join(line.format(*read) for read in reads))
    return path


def count_plainly(reads, genes, rule, chroms, sizes):
    """What `count_reads` does, one read and one bin at a time."""
    values = np.full((len(genes), WINDOW.n_bins), np.nan)
    kept, seen = [], set()
    for chrom, start, end, strand, flag, quality in reads:
        marked = flag & 0x400 and rule.duplicates != "keep"
        if flag & 0x200 or marked or quality < rule.min_quality:
            continue
        if rule.strand not in ("both", strand):
            continue
        if rule.duplicates == "position" and (chrom, start, end, strand) in seen:
            continue
        seen.add((chrom, start, end, strand))
        if rule.extent != "read":
            length = 1 if rule.extent == "start" else rule.extent
            start, end = (start, start + length) if strand == "+" else (max(0, end - length), end)
        kept.append((chrom, start, end))
    counted = set()
    for row, (chrom, tss, _) in enumerate(genes.itertuples(index=False)):
        first, last = tss - WINDOW.flank, tss + WINDOW.flank
        if chrom not in chroms or first < 0 or last > sizes.get(chrom, 10**9):
            continue
        for column, a in enumerate(range(first, last, WINDOW.bin_width)):
            b = a + WINDOW.bin_width
            hits = [
                number
                for number, (where, start, end) in enumerate(kept)
                if where == chrom and start < b and end > a
            ]
            values[row, column] = len(hits)
            counted.update(hits)
    return values, len(counted)


def refusal(path, genes=None, **options):
    with pytest.raises(ChromvizError) as caught:
        count_reads(path, table(("chr1", 500, "+")) if genes is None else genes, WINDOW, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def counts_or_none(path, genes, **options):
    """The counts, or None if the file is refused in one line."""
    try:
        return count_reads(path, genes, WINDOW, **options)
    except ChromvizError as error:
        message = str(error)
    assert "\n" not in message
    return None


def test_counts_by_hand(tmp_path):
    # Bins of a TSS at 200 with flank 200: 0-50, 50-100, ..., 350-400.
    lines = ["chr1\t40\t60\tN\t0\t+", "chr1\t50\t51\tN\t0\t-", "chr1\t99\t201\tN\t0\t-"]
    lines += ["chr1\t399\t500\tN\t0\t+", "chr1\t400\t500\tN\t0\t+", "chr1\t0\t1\tN\t0\t-"]
    path = tmp_path / "reads.bed"
    path.write_text("\n".join(["track name=x", "# by hand", "", *lines]) + "\n")
    genes = table(("chr1", 200, "+"), ("chr1", 200, "-"), ("chr1", 200, "."))
    found = count_reads(path, genes, WINDOW)
    assert found.values.dtype == np.float32
    want = [2, 3, 1, 1, 1, 0, 0, 1]
    np.testing.assert_array_equal(found.values, [want] * 3)
    assert (found.n_reads, found.n_counted) == (6, 5)
    assert found.reach == {"chr1": 500}
    assert found.sizes == {}
    turned = orient(found.values, genes["strand"].to_numpy(object), "strand")
    np.testing.assert_array_equal(turned, [want, want[::-1], [np.nan] * 8])
    starts = count_reads(path, genes[:1], WINDOW, rule=ReadRule("start")).values
    np.testing.assert_array_equal(starts, [[2, 1, 0, 0, 1, 0, 0, 1]])
    # The read at 399 goes on beyond the window; 100 bases from 201 down end at 101; from 1 at 0.
    longer = count_reads(path, genes[:1], WINDOW, rule=ReadRule(100)).values
    np.testing.assert_array_equal(longer, [[3, 2, 2, 1, 1, 0, 0, 1]])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.describe())
def test_bam_agrees_with_plain_counting(tmp_path, rule):
    records = [*random_records(1), *[("chr1", 1000, "30M", 4, 0), ("chr1", 1000, "9S", 0, 60)]]
    path = write_bam(tmp_path / "reads.bam", records)
    reads = [read for read in as_reads(records) if read[2] > read[1]]
    genes = random_genes(2)
    found = count_reads(path, genes, WINDOW, rule=rule)
    want, n_counted = count_plainly(reads, genes, rule, SIZES, SIZES)
    np.testing.assert_array_equal(found.values, want)
    assert found.n_counted == n_counted
    assert found.n_reads == len(reads)
    assert found.sizes == SIZES
    ends = pd.DataFrame(reads).groupby(0)[2].max().to_dict()
    assert found.reach == ends
    # A chromosome of the header without reads is zero.
    on_chr3 = found.values[(genes["chrom"] == "chr3").to_numpy()]
    assert np.nanmax(on_chr3) == 0


@pytest.mark.parametrize("rule", [rule for rule in RULES if not rule.min_quality])
def test_bed_agrees_with_plain_counting(tmp_path, rule):
    reads = [(*read[:4], 0, 255) for read in as_reads(random_records(3))]
    np.random.default_rng(0).shuffle(reads)
    genes = random_genes(4)
    path = write_bed(tmp_path / "reads.bed", reads)
    found = count_reads(path, genes, WINDOW, rule=rule, sizes={"chr1": 5000})
    want, n_counted = count_plainly(reads, genes, rule, {"chr1", "chr2"}, {"chr1": 5000})
    np.testing.assert_array_equal(found.values, want)
    assert (found.n_reads, found.n_counted) == (len(reads), n_counted)
    assert found.sizes == {"chr1": 5000}
    # A chromosome that no line names is missing.
    assert np.isnan(found.values[(genes["chrom"] == "chr3").to_numpy()]).all()


def bins_file(path, genes):
    """The bins of every window that fits its chromosome, and their number."""
    rows = [
        (chrom, tss - WINDOW.flank + WINDOW.bin_width * column)
        for chrom, tss, _ in genes.itertuples(index=False)
        for column in range(WINDOW.n_bins)
        if tss >= WINDOW.flank and tss + WINDOW.flank <= SIZES[chrom]
    ]
    text = [f"{chrom}\t{start}\t{start + WINDOW.bin_width}\n" for chrom, start in rows]
    path.write_text("".join(text))
    return path


def last_column(command):
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [int(line.split("\t")[-1]) for line in done.stdout.splitlines()]


@NEEDS_BEDTOOLS
@pytest.mark.parametrize("seed", [5, 6])
def test_bam_agrees_with_bedtools_multicov(tmp_path, seed):
    records, genes = random_records(seed, 1500), random_genes(seed)
    path = write_bam(tmp_path / "reads.bam", records)
    pysam.index(str(path))
    bins = bins_file(tmp_path / "bins.bed", genes)
    for rule, options in (
        (PAPER_RULE, []),
        (ReadRule(duplicates="keep"), ["-D"]),
        (ReadRule(min_quality=20), ["-q", "20"]),
    ):
        counts = last_column(["bedtools", "multicov", *options, "-bams", path, "-bed", bins])
        values = count_reads(path, genes, WINDOW, rule=rule).values
        np.testing.assert_array_equal(values[~np.isnan(values)], counts)
        assert sum(counts)


@NEEDS_BEDTOOLS
def test_bed_agrees_with_bedtools(tmp_path):
    reads, genes = as_reads(random_records(7, 1500)), random_genes(7)
    genes = genes[genes["chrom"] != "chr3"]
    path = write_bed(tmp_path / "reads.bed", reads)
    bins = bins_file(tmp_path / "bins.bed", genes)
    values = count_reads(path, genes, WINDOW, sizes=SIZES).values
    counts = last_column(["bedtools", "intersect", "-c", "-a", bins, "-b", path])
    np.testing.assert_array_equal(values[~np.isnan(values)], counts)
    # As the authors did: to BAM, sorted, indexed, multicov.
    sizes = tmp_path / "sizes"
    sizes.write_text("".join(f"{chrom}\t{size}\n" for chrom, size in SIZES.items()))
    bam, ordered = tmp_path / "reads.bam", tmp_path / "sorted.bam"
    with bam.open("wb") as out:
        subprocess.run(["bedtools", "bedtobam", "-i", path, "-g", sizes], check=True, stdout=out)
    pysam.sort("-o", str(ordered), str(bam))
    pysam.index(str(ordered))
    assert counts == last_column(["bedtools", "multicov", "-bams", ordered, "-bed", bins])
    np.testing.assert_array_equal(count_reads(ordered, genes, WINDOW).values, values)


def test_bam_in_any_order_without_an_index_and_tagalign_agree(tmp_path):
    records = [record for record in random_records(8) if not record[3] & 0x600]
    genes = random_genes(8)[lambda genes: genes["chrom"] != "chr3"]
    for rule in (PAPER_RULE, ReadRule(150, "position")):
        found = [
            count_reads(path, genes, WINDOW, rule=rule, sizes=SIZES)
            for path in (
                write_bam(tmp_path / "a.bam", records),
                write_bam(tmp_path / "b.bam", records[::-1], order=False),
                write_bed(tmp_path / "c.bed", as_reads(records)),
            )
        ]
        for other in found[1:]:
            np.testing.assert_array_equal(found[0].values, other.values)
            assert (other.n_reads, other.n_counted) == (found[0].n_reads, found[0].n_counted)


def test_cigar_of_more_operations_than_fit(tmp_path):
    # Such a record holds a placeholder, and the operations in a tag.
    sizes = {"chr1": 200_000}
    records = [("chr1", 500, "1M1D" * 35_000 + "1M", 0, 60)]
    path = write_bam(tmp_path / "long.bam", records, sizes)
    genes = table(("chr1", 250, "+"), ("chr1", 70_400, "+"), ("chr1", 70_701, "+"))
    found = count_reads(path, genes, WINDOW)
    assert found.reach == {"chr1": 70_501}
    np.testing.assert_array_equal(found.values, [[0] * 8, [1] * 7 + [0], [0] * 8])


@pytest.mark.parametrize("block", [1, 7, 100, 5000])
def test_blocks_and_merges_do_not_matter(tmp_path, monkeypatch, block):
    records, genes = random_records(9, 150), random_genes(9)
    bam = write_bam(tmp_path / "reads.bam", records)
    text = write_bed(tmp_path / "reads.bed", as_reads(records)).read_bytes()
    packed = tmp_path / "members.bed.gz"
    packed.write_bytes(gzip.compress(text[:1000]) + gzip.compress(b"") + gzip.compress(text[1000:]))
    rule = ReadRule(100, "position")
    want = [count_reads(path, genes, WINDOW, rule=rule) for path in (bam, packed)]
    monkeypatch.setattr(counting, "BLOCK", block)
    monkeypatch.setattr(bam_file, "RECORDS", block)
    monkeypatch.setattr(overlaps, "MERGE_EVERY", block)
    for path, whole in zip((bam, packed), want, strict=True):
        found = count_reads(path, genes, WINDOW, rule=rule)
        np.testing.assert_array_equal(found.values, whole.values)
        assert (found.n_reads, found.n_counted) == (whole.n_reads, whole.n_counted)


def test_windows_are_never_clipped(tmp_path):
    path = write_bed(tmp_path / "reads.bed", [("chr1", 0, 1000, "+")])
    genes = table(*(("chr1", tss, "+") for tss in (199, 200, 800, 801)), ("chrM", 500, "+"))
    free = count_reads(path, genes, WINDOW).values
    np.testing.assert_array_equal(np.isnan(free).all(axis=1), [True, False, False, False, True])
    bound = count_reads(path, genes, WINDOW, sizes={"chr1": 1000}).values
    np.testing.assert_array_equal(np.isnan(bound).all(axis=1), [True, False, False, True, True])
    assert (bound[1:3] == 1).all()


def test_names_are_translated(tmp_path):
    path = write_bed(tmp_path / "reads.bed", [(c, 300, 400, "+") for c in ("1", "2", "EBV", "1")])
    genes = table(("chr1", 400, "+"), ("chr2", 400, "+"))
    found = count_reads(path, genes, WINDOW)
    assert found.values.max(axis=1).tolist() == [2, 1]
    assert found.reach == {"chr1": 400, "chr2": 400}
    assert (found.n_reads, found.n_counted) == (4, 3)
    bam = write_bam(tmp_path / "a.bam", [("1", 300, "100M", 0, 9)], {"1": 900, "2": 800, "EBV": 7})
    found = count_reads(bam, genes, WINDOW)
    assert found.sizes == {"chr1": 900, "chr2": 800}
    assert found.values.max(axis=1).tolist() == [1, 0]
    aliases = Assembly("toy", aliases={"1": "chr1", "2": "chr1"})
    message = refusal(path, genes, translate=Translator(genes["chrom"], aliases, str(path)))
    assert "spells one chromosome in two ways, '1' and '2'" in message


@pytest.mark.parametrize("kind", ["bam", "bed"])
def test_no_chromosome_in_common(tmp_path, kind):
    path = tmp_path / "reads"
    if kind == "bam":
        write_bam(path, [("chr1", 30, "10M", 0, 0)], {"chr1": 2000})
    else:
        write_bed(path, [("chr1", 30, 40, "+")])
    message = refusal(path, table(("2", 500, "+"), ("X", 500, "+")))
    assert "they use '2', 'X', the file 'chr1'" in message


def test_no_genes_and_progress(tmp_path):
    path = write_bed(tmp_path / "reads.bed", [("chr1", 30, 40, "+")])
    seen = []
    found = count_reads(path, table(), WINDOW, progress=lambda *step: seen.append(step))
    assert found.values.shape == (0, 8)
    what, done, total, _ = seen[-1]
    assert (what, done) == ("counting reads.bed", total)


def test_orient_keeps_the_genome():
    values = np.arange(6.0).reshape(3, 2)
    assert orient(values, np.array(["+", "-", "."]), "genome").tolist() == [[0, 1], [2, 3], [4, 5]]
    np.testing.assert_array_equal(
        orient(values, np.array(["+", "-", "."]), "strand"), [[0, 1], [3, 2], [np.nan] * 2]
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"extent": "reads"}, "unknown extent 'reads'; known: read, start, or a number"),
        ({"extent": 0}, "cannot be extended to 0 bases"),
        ({"extent": True}, "cannot be extended to True"),
        ({"extent": 10**7}, "cannot be extended to 10000000"),
        ({"duplicates": "drop"}, "unknown duplicates 'drop'; known: flagged, keep, position"),
        ({"strand": "."}, r"unknown strand '\.'; known: both, \+, -"),
        ({"min_quality": -1}, "min_quality -1 is not a mapping quality"),
        ({"min_quality": 2.5}, "min_quality 2.5 is not a mapping quality"),
    ],
)
def test_rules_that_are_none(options, problem):
    with pytest.raises(ChromvizError, match=problem):
        ReadRule(**options)


def test_rule_is_described_and_recorded():
    assert ReadRule().describe() == (
        "reads that overlap the bin; duplicates flagged by the aligner left out; both strands; "
        "MAPQ >= 0"
    )
    assert "extended to 200 bases" in ReadRule(200).describe()
    assert dataclasses.asdict(ReadRule("start", min_quality=3)) == {
        "extent": "start",
        "duplicates": "flagged",
        "strand": "both",
        "min_quality": 3,
    }


FINE = b"chr1\t300\t336\tN\t1000\t+\n"


@pytest.mark.parametrize(
    ("content", "kind", "problem"),
    [
        (b"", None, "is empty"),
        (gzip.compress(b""), None, "is empty"),
        (b"# nothing\n\n", "", "holds no read"),
        (b"CRAM\3\1", None, "a CRAM file; convert it with samtools view -b"),
        (b"@HD\tVN:1.6\n", None, "a SAM file"),
        (b"@SQ\tSN:chr1\tLN:10\n", None, "a SAM file"),
        (b"BAM\1\0\0\0\0", None, "without its compression"),
        (b"\x26\xfc\x8f\x88" + bytes(60), "bigWig", "a bigWig file, which holds signal"),
        (b"\xeb\xf2\x89\x87" + bytes(60), None, "a bigBed file"),
        (b"chr1\t0\t10\t2.5\nchr1\t10\t20\t0\n", None, "is bedGraph (four columns"),
        (b"track type=bedGraph\nchr1\t0\t10\t3\n", None, "is bedGraph (four columns"),
        (FINE + b"chr1\t30\n", "reads", "line 2: it has 2 tab-separated columns"),
        (b"chr1 30 40\n", "", "line 1: it has 1 tab-separated column,"),
        (FINE + b"\n#\n\t3\t4\n", "reads", "line 4: b'' cannot be the name"),
        (FINE + b"chr1\t-5\t40\n", "reads", "line 2: '-5' is not a coordinate"),
        (FINE + b"chr1\t5\t4e3\n", "reads", "line 2: '4e3' is not a coordinate"),
        (FINE + b"chr1\t5\t\n", "reads", "line 2: '' is not a coordinate"),
        (FINE + b"chr1\t40\t40\n", "reads", "end 40 does not lie after start 40"),
        (FINE + b"chr1\t1\t2147483648\n", "reads", "2147483648 is beyond the end of any"),
        (FINE + b"chr1\t1\t99999999999999999999\n", "reads", "is not a coordinate"),
        (FINE + b"a" * 300 + b"\t1\t2\n", "reads", "cannot be the name"),
        (FINE + b"chr\xff\t1\t2\n", "reads", r"b'chr\xff' cannot be the name"),
        (FINE + b"chr1\t1\t2\0\n", "reads", "not a text file"),
        (FINE + FINE[:12], "reads", "line 2: the file is cut off here"),
        (FINE + b"x" * (1 << 22), "reads", "a line of more than"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_that_are_none(tmp_path, content, kind, problem):
    path = tmp_path / "reads.tagAlign"
    path.write_bytes(content)
    try:
        found = kind_of_file(path)
    except ChromvizError as error:
        assert problem in str(error)  # noqa: PT017 - refused at once
        found = None
    assert found == kind
    assert problem in refusal(path)


def test_damaged_gzip_files(tmp_path):
    path = tmp_path / "reads.gz"
    whole = gzip.compress(b"".join(FINE.replace(b"300", b"%d" % at) for at in range(300)))
    for content in (whole[:-5], whole[:100], whole[:12], whole + b"tail", b"\x1f\x8b"):
        assert "damaged or cut-off gzip file" in refusal(write(path, content))


@pytest.mark.parametrize("rule", [ReadRule("start"), ReadRule(9), ReadRule(duplicates="position")])
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"chr1\t1\t9\n", "line 2: it has no strand (3 tab-separated columns"),
        (b"chr1\t1\t9\tN\t0\t.\n", "line 2: strand '.' is neither"),
        (b"chr1\t1\t9\tN\t0\t\n", "line 2: strand '' is neither"),
        (b"chr1\t1\t9\tN\t0\t++\n", "line 2: strand '++' is neither"),
    ],
)
def test_strand_that_the_rule_needs(tmp_path, rule, line, problem):
    path = tmp_path / "reads.bed"
    path.write_bytes(FINE + line)
    assert problem in refusal(path, rule=rule)
    assert count_reads(path, table(("chr1", 500, "+")), WINDOW).n_reads == 2


def test_bed_has_no_mapping_quality(tmp_path):
    path = tmp_path / "reads.bed"
    path.write_bytes(FINE)
    assert "no mapping quality" in refusal(path, rule=ReadRule(min_quality=1))


def test_missing_file_and_folder(tmp_path):
    assert "no file" in refusal(tmp_path / "absent.bam")
    assert "cannot read" in refusal(tmp_path)


def test_layouts_of_bed_that_mean_the_same(tmp_path):
    path = tmp_path / "reads.bed"
    genes = table(("chr1", 400, "+"))
    rows = [FINE, b"chr1\t390\t500\tN\t1000\t-\n"]
    want = count_reads(write(path, b"".join(rows)), genes, WINDOW, rule=ReadRule(50)).values
    assert want.sum() == 2
    for content in (
        b"".join(rows)[:-1],
        b"".join(rows).replace(b"\n", b"\r\n"),
        b"".join(rows).replace(b"\n", b"\r\n")[:-2],
        b"\xef\xbb\xbf" + b"".join(rows),
        b"browser hide all\n \n" + b"#\n".join(rows) + b"\t\n",
        rows[0][:-1] + b"\tmore\tcolumns\n" + rows[1],
        gzip.compress(b"".join(rows)),
        gzip.compress(rows[0]) + gzip.compress(rows[1]) + bytes(512),
    ):
        write(path, content)
        assert kind_of_file(path) == "reads"
        found = count_reads(path, genes, WINDOW, rule=ReadRule(50))
        np.testing.assert_array_equal(found.values, want)
        assert found.n_reads == 2


def write(path, content):
    path.write_bytes(content)
    return path


def test_bed3_and_names_that_begin_like_headers(tmp_path):
    path = write(tmp_path / "reads.bed", b"track1\t300\t400\nbrowser\t300\t400\n\t\n")
    genes = table(("track1", 400, "+"))
    # Without the space, these are chromosomes: "browser\\t" alone begins a header.
    assert count_reads(path, genes, WINDOW).n_reads == 1


def test_bam_without_reads(tmp_path):
    path = write_bam(tmp_path / "none.bam", [("chr1", 100, "30M", 4, 0)])
    assert kind_of_file(path) == "BAM"
    assert "holds no mapped read" in refusal(path)


def test_bam_cut_off_at_every_length(tmp_path):
    whole = write_bam(tmp_path / "whole.bam", random_records(10, 25)).read_bytes()
    path = tmp_path / "reads.bam"
    for length in range(4, len(whole)):
        path.write_bytes(whole[:length])
        refusal(path)
    assert "the block that ends a BAM file is missing" in refusal(write(path, whole[:-28]))


def test_bam_with_a_flipped_byte_is_refused_or_counted_alike(tmp_path):
    whole = write_bam(tmp_path / "whole.bam", random_records(11, 20)).read_bytes()
    path, genes = tmp_path / "reads.bam", random_genes(11, 5)
    want = count_reads(tmp_path / "whole.bam", genes, WINDOW)
    refused = 0
    for at in range(len(whole)):
        for bit in (1, 0x80):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            found = counts_or_none(path, genes)
            if found is None:
                refused += 1
            else:
                np.testing.assert_array_equal(found.values, want.values)
    assert refused > len(whole)


def repack(path, content):
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(content)
    return path


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bam_of_nonsense_is_one_line(tmp_path, data):
    """Bytes changed before compression, which no checksum gives away."""
    with pysam.BGZFile(str(write_bam(tmp_path / "whole.bam", random_records(12, 8)))) as handle:
        content = bytearray(handle.read())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, len(content) - 5))
        value = data.draw(st.sampled_from([-1, 0, 31, 33, 2**30, 2**31 - 1, -(2**31)]))
        struct.pack_into("<i", content, at, value)
    path = repack(tmp_path / "nonsense.bam", bytes(content))
    found = counts_or_none(path, random_genes(12, 5), rule=ReadRule(50, "position"))
    assert found is None or np.nanmax(found.values, initial=0) <= 8


def parse_plainly(text):
    """The reads of BED text, a line at a time; None if a line is none."""
    reads = []
    for line in text.split("\n"):
        line = line.removesuffix("\r")
        if not line.strip(" \t\r\v\f") or line.startswith(
            ("#", "track ", "track\t", "browser ", "browser\t")
        ):
            continue
        fields = line.split("\t")
        if len(fields) < 6 or not fields[0] or fields[5] not in ("+", "-"):
            return None
        for number in fields[1:3]:
            if not (number.isascii() and number.isdigit() and len(number) <= 10):
                return None
        start, end = int(fields[1]), int(fields[2])
        if not start < end < 2**31:
            return None
        reads.append((fields[0], start, end, fields[5], 0, 255))
    return reads


FIELD = st.sampled_from(["300", "340", "0", "00", "410", "2147483647", "9999999999", "-1", "x", ""])
LINE = st.one_of(
    st.tuples(
        st.sampled_from(["chr1", "chr1", "chr22_random", "t", "track", "é", ""]),
        FIELD,
        FIELD,
        st.sampled_from(["N", ""]),
        st.just("0"),
        st.sampled_from(["+", "-", "+", ".", "-\r"]),
    ).map("\t".join),
    st.tuples(st.integers(250, 450), st.integers(451, 600), st.sampled_from("+-")).map(
        lambda item: f"chr1\t{item[0]}\t{item[1]}\tN\t0\t{item[2]}"
    ),
    st.sampled_from(["", "# x", "track name", "browser x", " ", "chr1\t1"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=12),
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINE, max_size=6))
def test_bed_parser_agrees_with_a_plain_one(tmp_path, lines):
    text = "".join(line + "\n" for line in [*lines, FINE.decode()[:-1]])
    path = tmp_path / "reads.bed"
    path.write_bytes(text.encode())
    genes = table(("chr1", 400, "+"), ("chr22_random", 400, "+"))
    reads = parse_plainly(text.removeprefix("\ufeff"))
    rule = ReadRule("start", "keep")
    if reads is None or "\0" in text:
        refusal(path, genes, rule=rule)
        return
    found = count_reads(path, genes, WINDOW, rule=rule)
    want, _ = count_plainly(reads, genes, rule, {read[0] for read in reads}, {})
    np.testing.assert_array_equal(found.values, want)
    assert found.n_reads == len(reads)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60), zipped=st.booleans(), magic=st.sampled_from([b"", b"BAM\1"]))
def test_arbitrary_bytes_are_one_line(tmp_path, content, zipped, magic):
    content = magic + content
    path = write(tmp_path / "reads", gzip.compress(content) if zipped else content)
    found = counts_or_none(path, table(("chr1", 400, "+")))
    assert found is None or found.n_reads


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), bit=st.sampled_from([1, 16, 128]))
def test_gzipped_bed_with_a_flipped_byte(tmp_path, at, bit):
    content = bytearray(gzip.compress(FINE * 50 + FINE.replace(b"300", b"310") * 7))
    path = write(tmp_path / "reads.gz", bytes(content))
    want = count_reads(path, table(("chr1", 400, "+")), WINDOW)
    content[at % len(content)] ^= bit
    write(path, bytes(content))
    found = counts_or_none(path, table(("chr1", 400, "+")))
    if found is not None:
        np.testing.assert_array_equal(found.values, want.values)


def test_a_line_that_begins_with_the_word_track_is_no_read(tmp_path):
    lines = ["track\t300\t340\tN\t0\t+", "browser\t300\t340\tN\t0\t+", FINE.decode()[:-1]]
    path = tmp_path / "reads.bed"
    path.write_text("".join(f"{line}\n" for line in lines))
    found = count_reads(path, table(("chr1", 400, "+")), WINDOW, rule=ReadRule("start", "keep"))
    assert found.n_reads == 1
