import gzip
import json
from dataclasses import fields

import numpy as np
import pyBigWig
import pytest

from chromviz import provenance, schema
from chromviz.data.choices import Choices, InputFiles
from chromviz.data.labels import LabelRule
from chromviz.data.prepare import prepare, prepare_dataset
from chromviz.data.signal.reads import ReadRule
from chromviz.data.splits import SplitRule
from chromviz.errors import ChromvizError
from chromviz.progress import silent
from chromviz.vocabulary import MARKS, Window
from tests.conftest import REAL

PILOT = REAL / "roadmap-pilot"
WINDOW = Window(flank=20, bin_width=10)
SIZES = {"chr1": 1000, "chr2": 500}


def write_track(path, entries, sizes=SIZES):
    with pyBigWig.open(str(path), "w") as track:
        track.addHeader(list(sizes.items()))
        chrom, start, end, value = (list(column) for column in zip(*entries, strict=True))
        track.addEntries(chrom, start, ends=end, values=[float(item) for item in value])
    return path


@pytest.fixture
def inputs(tmp_path):
    """Two marks over chr1:0-600 (one has a gap at 300-310), seven genes, one of them known OFF."""
    whole = [("chr1", at, at + 10, at // 10) for at in range(0, 600, 10)]
    gap = [entry for entry in whole if entry[1] != 300]
    genes = [
        ("chr1", 100, "A", "+"),
        ("chr1", 200, "B", "-"),
        ("chr1", 300, "GAP", "+"),
        ("chr1", 10, "EDGE", "+"),
        ("chr1", 990, "END", "+"),
        ("chrX", 100, "AWAY", "+"),
        ("chr1", 400, "UNKNOWN", "+"),
        ("chr1", 500, "OPEN", "."),
        ("chr2", 100, "EMPTY", "-"),
    ]
    (tmp_path / "genes.bed").write_text(
        "".join(f"{chrom}\t{tss}\t{tss + 1}\t{g}\t0\t{strand}\n" for chrom, tss, g, strand in genes)
    )
    levels = {"A": 5, "B": 1, "GAP": 5, "EDGE": 2, "END": 2, "AWAY": 2, "OPEN": 9, "EMPTY": 1}
    (tmp_path / "rpkm.tsv").write_text(
        "gene_id\tE003\tmy-cell\n" + "".join(f"{g}\t{v}\t{v}\n" for g, v in levels.items())
    )
    return {
        "signal": {
            "zeta": write_track(tmp_path / "zeta.bw", whole),
            "alpha": write_track(tmp_path / "alpha.bw", gap),
        },
        "genes": tmp_path / "genes.bed",
        "expression": tmp_path / "rpkm.tsv",
    }


OF_CHOICES = {field.name for field in fields(Choices)}


def run(inputs, cell="E003", progress=silent, **changes):
    chosen = {name: changes.pop(name) for name in OF_CHOICES & changes.keys()}
    choices = Choices(**{"window": WINDOW, "assembly": "toy", **chosen})
    files = InputFiles(cell, **{**inputs, **changes})
    made = prepare_dataset(files, choices, progress=progress)
    return made.dataset, [str(finding) for finding in made.findings]


def refusal(inputs, cell="E003", **changes):
    with pytest.raises(ChromvizError) as caught:
        run(inputs, cell, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_small_dataset_by_hand(inputs):
    dataset, notes = run(inputs, "h1-hesc")
    schema.check_dataset(dataset)
    assert dataset.attrs["cell"] == "E003"
    assert list(dataset["mark"].values) == ["zeta", "alpha"]
    # The median of 5 1 5 2 2 2 9 1 is 2, and ON is above it.
    assert dataset.attrs["label_threshold"] == 2
    assert dataset.attrs["label_rule"] == "expression > median of the cell"
    assert list(dataset["label"].values) == [1, 0, 1, 0, 0, 0, -1, 1, 0]
    np.testing.assert_array_equal(dataset["signal"].values[0], [[8, 9, 10, 11]] * 2)
    np.testing.assert_array_equal(dataset["signal"].values[2, 1], [28, 29, np.nan, 31])
    assert list(dataset["reason"].values) == [
        "",
        "",
        "no complete signal of alpha",
        "window leaves the chromosome",
        "window leaves the chromosome",
        "chromosome not in the tracks",
        "expression unknown",
        "",
        "no complete signal of several marks",
    ]
    assert sorted(dataset["split"].values[[0, 1, 7]]) == ["test", "train", "valid"]
    assert schema.gene_counts(dataset)["used"] == 3
    assert notes == [
        "genes.bed: 1 of 9 genes have no strand",
        "rpkm.tsv: 1 of 9 genes have no expression value",
        "the assembly toy is not built in; sizes are not checked",
        "2 genes have a window that leaves the chromosome (e.g. EDGE at chr1:10); they "
        "are kept without data",
        "1 genes lie on a chromosome that the tracks lack (e.g. AWAY at chrX:100); they "
        "are kept without data",
        "bins without data, of 6 windows: zeta 16.7 %, alpha 20.8 %",
        "of the genes that models use, 2 are ON (expression > median of the cell: 2 RPKM), 1 OFF",
        "warning: models use 3 of 9 genes (33.3 %): they may not represent the others, and "
        "intervals will be wide",
        "warning: split: train 1 (1 ON, 0 OFF), valid 1 (1 ON, 0 OFF), test 1 (0 ON, 1 OFF); fewer "
        "than 10 genes of one state in train and valid and test: their scores are mostly chance",
    ]
    kept = [item["message"] for item in json.loads(dataset.attrs["preflight"])]
    assert kept == [line.removeprefix("warning: ") for line in notes]


def test_strand_orientation(inputs):
    dataset, _ = run(inputs, orientation="strand")
    signal = dataset["signal"].values
    np.testing.assert_array_equal(signal[0, 0], [8, 9, 10, 11])
    np.testing.assert_array_equal(signal[1, 0], [21, 20, 19, 18])
    assert dataset["reason"].values[7] == "strand unknown"
    assert dataset.attrs["orientation"] == "strand"


def test_coverage_never_decides_which_genes_are_used(inputs, tmp_path):
    depth = write_track(tmp_path / "depth.bw", [("chr1", 80, 120, 7)])
    without, _ = run(inputs)
    dataset, _ = run(inputs, coverage={"h3k27AC": depth})
    assert list(dataset["track"].values) == ["H3K27ac"]
    coverage = dataset["coverage"].values[0]
    np.testing.assert_array_equal(coverage[0], [7, 7, 7, 7])
    assert np.isnan(coverage[1:]).all()
    assert (dataset["reason"].values == without["reason"].values).all()
    assert (dataset["split"].values == without["split"].values).all()


def test_sources_are_recorded(inputs):
    dataset, _ = run(inputs)
    sources = json.loads(dataset.attrs["sources"])
    assert [(item["role"], item["name"]) for item in sources] == [
        ("signal", "zeta"),
        ("signal", "alpha"),
        ("genes", ""),
        ("expression", ""),
    ]
    assert sources[0]["path"] == str(inputs["signal"]["zeta"])
    assert sources[0]["sha256"] == provenance.hash_file(inputs["signal"]["zeta"])


def test_the_five_core_marks_take_their_order(inputs, tmp_path):
    files = {
        mark.lower(): write_track(tmp_path / f"{mark}.bw", [("chr1", 0, 600, rank)])
        for rank, mark in enumerate(MARKS)
    }
    dataset, notes = run(inputs, signal=dict(reversed(files.items())))
    assert tuple(dataset["mark"].values) == MARKS
    np.testing.assert_array_equal(dataset["signal"].values[0, :, 0], range(5))
    assert not any("same file" in note for note in notes)
    files["h3k4me1"] = write_track(tmp_path / "copy.bw", [("chr1", 0, 600, 0)])
    _, notes = run(inputs, signal=files)
    assert any(
        "H3K27me3 and H3K4me1 are the same file, so their results are the same" in x for x in notes
    )


def test_seed_and_repetition(inputs):
    first, again = run(inputs)[0], run(inputs)[0]
    assert schema.dataset_hash(first) == schema.dataset_hash(again)
    assert first.attrs["seed"] == 0
    splits = {tuple(run(inputs, seed=seed)[0]["split"].values) for seed in range(8)}
    assert len(splits) > 1


def test_a_cell_type_of_ones_own(inputs):
    assert run(inputs, "my-cell")[0].attrs["cell"] == "my-cell"
    for name in ("../E003", "", "a b", ".hidden"):
        assert "is not a valid cell type name" in refusal(inputs, name)
    assert "has no column for the cell other" in refusal(inputs, "other")


def test_progress_names_each_track(inputs):
    seen = []
    run(inputs, progress=lambda *step: seen.append(step[0]))
    assert list(dict.fromkeys(seen)) == ["reading zeta.bw", "reading alpha.bw"]


def test_bad_marks(inputs):
    zeta, alpha = inputs["signal"].values()
    assert "no input mark" in refusal(inputs, signal={})
    assert "both as signal and as coverage" in refusal(inputs, coverage={"ALPHA": alpha})
    assert "a is given twice as signal" in refusal(inputs, signal={"A": zeta, "a": alpha})
    assert "has no mark name" in refusal(inputs, signal={" ": zeta})
    assert "unknown orientation" in refusal(inputs, orientation="up")


@pytest.mark.parametrize("which", ["genes", "expression", "signal", "coverage"])
def test_all_inputs_are_there_before_anything_is_read(inputs, tmp_path, which):
    absent = tmp_path / "absent.file"
    value = {"K": absent} if which in ("signal", "coverage") else absent
    # Another input that could not be read shows that reading has not begun.
    (tmp_path / "rpkm.tsv").write_text("nonsense")
    message = refusal(inputs, **{which: value})
    assert message.startswith(f"no file {absent}")
    assert which in message


def test_no_gene_in_common(inputs):
    inputs["expression"].write_text("gene\tE003\nENSG1\t1\n")
    message = refusal(inputs)
    assert "no gene in common" in message
    assert "'A' and 'ENSG1'" in message


def test_no_usable_gene_says_why(inputs):
    inputs["genes"].write_text(
        "chr1\t10\t11\tA\t0\t+\nchr2\t100\t101\tB\t0\t+\nchr2\t200\t201\tGAP\t0\t+\n"
    )
    message = refusal(inputs)
    assert "2 no complete signal of several marks, 1 window leaves the chromosome" in message


def test_tracks_of_another_assembly(inputs, tmp_path):
    hg38 = write_track(tmp_path / "hg38.bw", [("chr1", 0, 600, 1)], {"chr1": 248_956_422})
    message = refusal(inputs, signal={"m": hg38}, assembly="hg19")
    assert "is of hg38, not hg19 (chr1 has 248,956,422 bases)" in message
    assert "different assemblies" in refusal(
        inputs, signal={"m": hg38, "n": inputs["signal"]["zeta"]}
    )
    _, notes = run(inputs, assembly="hg19")
    assert any("warning:" in x and "chr1 has 1,000 bases, which is not hg19" in x for x in notes)
    _, notes = run(inputs, signal={"m": hg38}, assembly="hg38")
    assert "chromosome sizes are those of hg38" in notes


def test_gzipped_inputs(inputs):
    for name in ("genes", "expression"):
        inputs[name].write_bytes(gzip.compress(inputs[name].read_bytes()))
    assert schema.gene_counts(run(inputs)[0])["used"] == 3


@pytest.mark.skipif(not PILOT.is_dir(), reason="the real data is not here")
def test_real_pilot_data():
    made = prepare(
        "H1-hESC",
        signal=str(PILOT / "signal" / "E003-{mark}.pval.signal.bigwig"),
        genes=PILOT / "genes.bed",
        expression=PILOT / "rpkm.tsv.gz",
        coverage={"H3K27ac": PILOT / "h1-depth" / "E003-H3K27ac.depth.bigwig"},
        unit="-log10 p",
    )
    dataset, findings = made.dataset, made.findings
    assert schema.gene_counts(dataset) == {
        "annotated": 19_795,
        "used": 371,
        "no complete signal of several marks": 18_544,
        "chromosome not in the tracks": 880,
    }
    assert dataset.attrs["label_threshold"] == pytest.approx(3.33)
    split = dataset["split"].values
    assert [int((split == name).sum()) for name in ("train", "valid", "test")] == [124, 124, 123]
    covered = ~np.isnan(dataset["coverage"].values[0]).any(axis=1)
    assert covered.sum() == 124
    assert (dataset["label"].values[covered] == 1).sum() == 63
    assert dataset.attrs["signal_unit"] == "-log10 p"
    told = [item for item in findings if item.level == "warning"]
    assert [item.check for item in told] == ["duplicates", "labels"]


def test_missing_data_are_zero_only_when_asked_for(inputs):
    dataset, notes = run(inputs, missing="zero")
    assert dataset.attrs["missing"] == "zero"
    # GAP's hole is filled; windows that leave the chromosome, or lie on none, are not.
    np.testing.assert_array_equal(dataset["signal"].values[2, 1], [28, 29, 0, 31])
    assert dataset["reason"].values[2] == ""
    assert list(dataset["reason"].values[3:6]) == [
        "window leaves the chromosome",
        "window leaves the chromosome",
        "chromosome not in the tracks",
    ]
    assert np.isnan(dataset["signal"].values[3:6]).all()
    (told,) = [line for line in notes if "set to zero" in line]
    assert told.startswith("warning: ")
    assert "windows without any data: zeta 1, alpha 1" in told
    assert schema.dataset_hash(dataset) != schema.dataset_hash(run(inputs)[0])
    assert "unknown missing 'no'" in refusal(inputs, missing="no")


def test_a_blacklist_takes_data_away_whatever_the_policy(inputs, tmp_path):
    (tmp_path / "black.bed").write_text("chr1\t119\t125\nchr1\t195\t196\n")
    for missing in ("nan", "zero"):
        dataset, notes = run(inputs, missing=missing, blacklist=tmp_path / "black.bed")
        # A: bins 80-90 … 110-120, the last of which holds base 119; B: 190-200 holds 195.
        np.testing.assert_array_equal(np.isnan(dataset["signal"].values[0, 0]), [0, 0, 0, 1])
        np.testing.assert_array_equal(np.isnan(dataset["signal"].values[1, 0]), [0, 1, 0, 0])
        assert list(dataset["reason"].values[:2]) == ["window touches the blacklist"] * 2
        assert "black.bed: 2 bins in 2 windows are set to missing" in notes
    roles = [item["role"] for item in json.loads(dataset.attrs["sources"])]
    assert roles == ["signal", "signal", "genes", "expression", "blacklist"]


def test_label_rules(inputs):
    dataset, _ = run(inputs, label=LabelRule("above:4"))
    assert list(dataset["label"].values) == [1, 0, 1, 0, 0, 0, -1, 1, 0]
    assert dataset.attrs["label_rule"] == "expression > 4"
    # Of 1 1 2 2 2 5 5 9: the quartiles are 1.75 and 5.
    dataset, _ = run(inputs, label=LabelRule("quantile:0.25,0.75"))
    assert list(dataset["label"].values) == [-1, 0, -1, -1, -1, -1, -1, 1, 0]
    assert dataset["reason"].values[0] == "expression between the two levels of the label"
    assert dataset["reason"].values[6] == "expression unknown"
    assert (dataset.attrs["label_off_threshold"], dataset.attrs["label_threshold"]) == (1.75, 5)


def test_split_rules(inputs, tmp_path):
    (tmp_path / "split.tsv").write_text("gene\tsplit\nA\ttest\nB\tvalid\nOPEN\ttrain\nEND\ttest\n")
    dataset, _ = run(inputs, split=SplitRule(file=tmp_path / "split.tsv"))
    assert list(dataset["split"].values[[0, 1, 7]]) == ["test", "valid", "train"]
    assert dataset["split"].values[4] == "none"  # its window leaves the chromosome
    assert dataset.attrs["split_rule"] == "given by split.tsv"
    by_chromosome = SplitRule(valid=("chr2",), test=("chrX",))
    assert "leaves no gene that models use in valid" in refusal(inputs, split=by_chromosome)


def test_genes_in_no_part_of_a_split_are_left_out_for_that(inputs, tmp_path):
    lines = "A\ttrain\nB\tvalid\nOPEN\ttest\n"
    (tmp_path / "split.tsv").write_text(lines)
    whole, _ = run(inputs, missing="zero", split=SplitRule(file=tmp_path / "split.tsv"))
    reason = dict(zip(whole["gene"].values, whole["reason"].values, strict=True))
    assert reason["GAP"] == "in no part of the split given by split.tsv"
    assert reason["A"] == ""
    assert schema.gene_counts(whole)["used"] == 3


def test_few_reads_and_gene_lists_are_noticed(inputs, tmp_path):
    few = write_reads(tmp_path / "few.bed", [("chr1", 80, 120, "+"), ("chr1", 500, 501, "+")])
    _, notes = run(inputs, signal={"zeta": inputs["signal"]["zeta"], "few": few})
    assert any(line.startswith("warning: few: fewer reads than windows") for line in notes)


def test_chromosomes_by_other_names_are_said(inputs, tmp_path):
    plain, _ = run(inputs)
    renamed = inputs["genes"].read_text().replace("chr", "")
    inputs["genes"].write_text(renamed)
    dataset, notes = run(inputs)
    np.testing.assert_array_equal(dataset["signal"].values, plain["signal"].values)
    assert list(dataset["reason"].values) == list(plain["reason"].values)
    assert "zeta.bw, alpha.bw: chromosome chr1 is read as the genes' 1, and 1 more" in notes


def test_a_reference_track_is_no_input(inputs):
    zeta = inputs["signal"]["zeta"]
    message = refusal(inputs, signal={"H3K27ac": zeta})
    assert "circular" in message
    assert "--allow-reference-input" in message
    _, notes = run(inputs, signal={"h3k27AC": zeta}, allow_reference_input=True)
    assert any(line.startswith("warning: H3K27ac is an input mark") for line in notes)
    _, notes = run(inputs, signal={"H3K9ac": zeta}, coverage={"H3K27ac": zeta})
    assert any(line.startswith("warning: H3K9ac is an input mark") for line in notes)


def write_reads(path, reads):
    path.write_text("".join(f"{c}\t{a}\t{b}\tr\t0\t{s}\n" for c, a, b, s in reads))
    return path


def test_sources_of_every_kind_together(inputs, tmp_path):
    import pysam

    reads = [("chr1", 75, 95, "+"), ("chr1", 90, 91, "-"), ("chr1", 205, 300, "+")]
    tag = write_reads(tmp_path / "reads.tagAlign", reads)
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}}
    header["SQ"] = [{"SN": name, "LN": size} for name, size in SIZES.items()]
    with pysam.AlignmentFile(str(tmp_path / "reads.bam"), "wb", header=header) as out:
        for number, (_, start, end, strand) in enumerate(reads):
            read = pysam.AlignedSegment(out.header)
            read.query_name, read.flag = f"r{number}", 16 * (strand == "-")
            read.reference_id, read.reference_start, read.mapping_quality = 0, start, 60
            read.cigarstring = f"{end - start}M"
            out.write(read)
    pysam.index(str(tmp_path / "reads.bam"))
    (tmp_path / "toy.sizes").write_text("chr1\t1000\nchr2\t500\n")
    dataset, notes = run(
        inputs,
        signal={"track": inputs["signal"]["zeta"], "tag": tag, "bam": tmp_path / "reads.bam"},
        coverage={"depth": tag},
        chrom_sizes=tmp_path / "toy.sizes",
        reads=ReadRule(),
        units={"": "fold change"},
    )
    signal = dataset["signal"].values
    np.testing.assert_array_equal(signal[0, 0], [8, 9, 10, 11])
    np.testing.assert_array_equal(signal[0, 1], [1, 2, 0, 0])
    np.testing.assert_array_equal(signal[0, 2], signal[0, 1])
    np.testing.assert_array_equal(signal[1, 1:], [[0, 0, 1, 1]] * 2)
    # The BAM knows chr2 and has no read there; the BED says nothing of it.
    np.testing.assert_array_equal(signal[8, 2], [0, 0, 0, 0])
    assert np.isnan(signal[8, 1]).all()
    assert dataset.attrs["signal_unit"] == "track: fold change, tag: reads, bam: reads"
    assert dataset.attrs["coverage_unit"] == "reads"
    kinds = [item.get("kind") for item in json.loads(dataset.attrs["sources"])[:4]]
    assert kinds == ["bigWig", "reads", "BAM", "reads"]
    assert any("reads counted: tag 3 of 3" in line for line in notes)
    assert json.loads(dataset.attrs["choices"])["reads"]["extent"] == "read"


def test_reads_beyond_their_chromosome_are_of_another_assembly(inputs, tmp_path):
    tag = write_reads(tmp_path / "reads.bed", [("chr1", 90, 100, "+"), ("chr1", 3995, 4005, "+")])
    (tmp_path / "toy.sizes").write_text("chr1 1000\nchr2 500\n")
    message = refusal(inputs, signal={"m": tag}, chrom_sizes=tmp_path / "toy.sizes")
    assert "a read that ends at chr1:4,005, but chr1 of toy has 1,000 bases" in message


def test_other_windows_marks_and_organisms(tmp_path):
    """200 bins of 50 bp, seven marks, and yeast's chromosomes, by either name."""
    sizes = {"chrI": 230_218, "chrIV": 1_531_933}
    rng = np.random.default_rng(0)
    files = {}
    for number in range(7):
        level = rng.gamma(1, 1, 400)
        entries = [("chrIV", 1000 * at, 1000 * at + 1000, level[at]) for at in range(400)]
        files[f"mark{number}"] = write_track(tmp_path / f"{number}.bw", entries, sizes)
    genes = [("IV", 6_000 + 9_000 * number, f"Y{number}", "+-"[number % 2]) for number in range(40)]
    (tmp_path / "genes.bed").write_text(
        "".join(f"{chrom}\t{tss}\t{tss + 1}\t{g}\t0\t{strand}\n" for chrom, tss, g, strand in genes)
    )
    (tmp_path / "levels.tsv").write_text(
        "gene\tyeast\n" + "".join(f"Y{n}\t{n}\n" for n in range(40))
    )
    made = prepare(
        "yeast",
        signal=files,
        genes=tmp_path / "genes.bed",
        expression=tmp_path / "levels.tsv",
        bin_width=50,
        orientation="strand",
        assembly="sacCer3",
    )
    dataset, findings = made.dataset, made.findings
    assert dict(dataset.sizes)["bin"] == 200
    assert dict(dataset.sizes)["mark"] == 7
    assert schema.gene_counts(dataset)["used"] == 40
    assert (dataset["chrom"].values == "chrIV").all()
    messages = [str(finding) for finding in findings]
    assert "chromosome sizes are those of sacCer3" in messages
    assert "the genes' chromosomes are renamed as in sacCer3: IV to chrIV" in messages
    # The bin that starts at the TSS, of a plus and of a minus gene.
    signal = dataset["signal"].values[:, 0]
    with pyBigWig.open(str(files["mark0"])) as track:
        for row, (_, tss, _, strand) in enumerate(genes[:4]):
            want = np.array(track.values("chrIV", tss - 5000, tss + 5000)).reshape(200, 50).mean(1)
            want = want[::-1] if strand == "-" else want
            np.testing.assert_allclose(signal[row], want, rtol=1e-6)


@pytest.mark.skipif(not PILOT.is_dir(), reason="the real data is not here")
def test_real_depth_tracks():
    depth = PILOT / "h1-depth"
    marks = ("H3K27me3", "H3K36me3", "H3K4me1", "H3K4me3", "H3K9me3", "H3K9ac")
    made = prepare(
        "E003",
        signal={mark: depth / f"E003-{mark}.depth.bigwig" for mark in marks},
        genes=PILOT / "genes.bed",
        expression=PILOT / "rpkm.tsv.gz",
        coverage={"H3K27ac": depth / "E003-H3K27ac.depth.bigwig"},
    )
    dataset, findings = made.dataset, made.findings
    assert schema.gene_counts(dataset)["used"] == 124
    told = {item.check: item.message for item in findings if item.level == "warning"}
    assert set(told) == {"circular", "labels"}
    assert told["circular"].startswith("H3K9ac is an input mark")


def test_units_are_those_of_the_marks_however_they_are_spelled(inputs, tmp_path):
    cover = write_track(tmp_path / "c.bw", [("chr1", 0, 600, 1)])
    given = {"coverage": {"h3k27ac": cover}, "units": {"": "p", "h3k27AC": "fold change"}}
    dataset, _ = run(inputs, **given)
    assert dataset.attrs["signal_unit"] == "p"
    assert dataset.attrs["coverage_unit"] == "fold change"
    assert "unknown mark 'zeto'; did you mean zeta?" in refusal(inputs, units={"zeto": "p"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"CRAM\x03\x00", "a CRAM file; convert it with samtools"),
        (b"@HD\tVN:1.6\n", "a SAM file; convert it with samtools"),
        (
            b"#x\nchr1\t0\t10\t1.5\n",
            "convert it with bedGraphToBigWig",
        ),
        (gzip.compress(b"track type=bedGraph\nchr1\t0\t10\t1\n"), "is bedGraph"),
        (b"", "is empty"),
        (b"chr1 0 10 r 0 +\n", "give bigWig, or reads (BAM, or tab-separated BED)"),
    ],
)
def test_a_source_of_another_kind_says_which(inputs, tmp_path, content, words):
    (tmp_path / "other").write_bytes(content)
    assert words in refusal(inputs, signal={"zeta": tmp_path / "other"})


def test_reads_alone_of_an_assembly_without_sizes_are_warned_of(inputs, tmp_path):
    (tmp_path / "reads.bed").write_text("chr1\t80\t520\tr\t0\t+\n")
    told = "warning: the chromosome sizes of toy are unknown"
    reads = {"signal": {"zeta": tmp_path / "reads.bed"}}
    assert any(line.startswith(told) for line in run(inputs, **reads)[1])
    (tmp_path / "sizes").write_text("chr1\t1000\nchr2\t500\n")
    dataset, findings = run(inputs, **reads, chrom_sizes=tmp_path / "sizes")
    assert not any(line.startswith(told) for line in findings)
    assert dataset["reason"].values[4] == "window leaves the chromosome"
