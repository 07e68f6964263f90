import gzip
import json
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from chromviz import provenance, schema
from chromviz.data.prepare import expand_signal, prepare
from chromviz.errors import ChromvizError
from chromviz.vocabulary import MARKS, Window

PILOT = Path(__file__).parents[2].parent / "shared" / "data" / "roadmap-pilot"
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


def run(inputs, cell="E003", **changes):
    return prepare(cell, **{**inputs, "window": WINDOW, "assembly": "toy", **changes})


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
        "rpkm.tsv: 1 of 9 genes have no expression; models leave them out",
        "of the genes that models use, 2 are ON and 1 OFF",
    ]


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
    assert "H3K27me3 and H3K4me1 are the same file; check the paths" in notes


def test_seed_and_repetition(inputs):
    first, again = run(inputs)[0], run(inputs)[0]
    assert schema.dataset_hash(first) == schema.dataset_hash(again)
    assert first.attrs["seed"] == 0
    splits = {tuple(run(inputs, seed=seed)[0]["split"].values) for seed in range(8)}
    assert len(splits) > 1


def test_a_cell_type_of_ones_own(inputs):
    assert run(inputs, "my-cell")[0].attrs["cell"] == "my-cell"
    for name in ("../E003", "", "a b", ".hidden"):
        assert "cannot name a cell type" in refusal(inputs, name)
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
    assert "has no mark's name" in refusal(inputs, signal={" ": zeta})
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
    assert any("chr1 has 1,000 bases, which is not hg19" in note for note in notes)
    _, notes = run(inputs, signal={"m": hg38}, assembly="hg38")
    assert not any("assembly" in note for note in notes)


def test_expand_signal(tmp_path):
    assert expand_signal(["H3K4me3=a.bw", "other = b=c.bw"]) == {
        "H3K4me3": Path("a.bw"),
        "other": Path("b=c.bw"),
    }
    for mark in MARKS:
        (tmp_path / f"E003-{mark}.bw").touch()
    template = str(tmp_path / "E003-{mark}.bw")
    assert expand_signal([template]) == {mark: tmp_path / f"E003-{mark}.bw" for mark in MARKS}
    (tmp_path / "E003-H3K4me1.bw").unlink()
    with pytest.raises(ChromvizError, match=r"no file .*E003-H3K4me1.bw for H3K4me1"):
        expand_signal([template])


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (["track.bw"], "give MARK=FILE"),
        (["=track.bw"], "give MARK=FILE"),
        (["m="], "give MARK=FILE"),
        (["m=a", "m=b"], "names m twice"),
        (["{mark}.bw", "m=a"], "stands alone"),
    ],
)
def test_expand_signal_refuses(values, problem):
    with pytest.raises(ChromvizError, match=problem):
        expand_signal(values)


def test_gzipped_inputs(inputs):
    for name in ("genes", "expression"):
        inputs[name].write_bytes(gzip.compress(inputs[name].read_bytes()))
    assert schema.gene_counts(run(inputs)[0])["used"] == 3


@pytest.mark.skipif(not PILOT.is_dir(), reason="the real data is not here")
def test_real_pilot_data():
    dataset, _ = prepare(
        "H1-hESC",
        expand_signal([str(PILOT / "signal" / "E003-{mark}.pval.signal.bigwig")]),
        PILOT / "genes.bed",
        PILOT / "rpkm.tsv.gz",
        coverage={"H3K27ac": PILOT / "h1-depth" / "E003-H3K27ac.depth.bigwig"},
        signal_unit="-log10 p",
    )
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
