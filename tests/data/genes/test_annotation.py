import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz.data.genes.annotation import read_genes
from chromviz.errors import ChromvizError
from tests.conftest import REAL

PILOT = REAL / "roadmap-pilot"


def bed(tmp_path, *rows, name="genes.bed"):
    path = tmp_path / name
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def refusal(path):
    with pytest.raises(ChromvizError) as caught:
        read_genes(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def test_tss_by_strand_and_length(tmp_path):
    path = bed(
        tmp_path,
        ("# made by hand",),
        ("track name=genes",),
        ("browser position chr1",),
        ("chr1", 10, 11, "A|AA", 0, "+"),
        ("chr1", 10, 20, "B|NA", 0, "+"),
        ("chr2", 10, 20, "C", 0, "-"),
        ("chr2", 30, 31, "D|", 0, "-"),
        ("chrX", 0, 1, "E|EE", 0, "."),
    )
    genes = read_genes(path)
    assert genes.table.to_dict("list") == {
        "gene": ["A", "B", "C", "D", "E"],
        "symbol": ["AA", "NA", "", "", "EE"],
        "chrom": ["chr1", "chr1", "chr2", "chr2", "chrX"],
        "tss": [10, 10, 19, 30, 0],
        "strand": ["+", "+", "-", "-", "."],
    }
    assert genes.table["tss"].dtype == "int64"
    assert genes.notes == ["genes.bed: 1 of 5 genes have no strand"]


def test_gzip_is_known_by_its_bytes_and_line_ends_do_not_matter(tmp_path):
    path = tmp_path / "genes.bed"
    path.write_bytes(gzip.compress(b"chr1\t5\t6\tA\t0\t+\r\nchr1\t7\t8\tB\t0\t-"))
    assert list(read_genes(path).table["tss"]) == [5, 7]


def test_one_gene_under_two_symbols_is_merged(tmp_path):
    path = bed(
        tmp_path,
        ("chr1", 5, 6, "A|ONE", 0, "."),
        ("chr1", 9, 10, "B", 0, "+"),
        ("chr1", 5, 6, "A|TWO", 0, "-"),
    )
    genes = read_genes(path)
    assert genes.table.iloc[0].to_list() == ["A", "ONE/TWO", "chr1", 5, "-"]
    assert len(genes.table) == 2
    assert "A = ONE/TWO" in genes.notes[0]


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (("chr1", 5, 6, "A|X", 0, "+"), ("chr1", 5, 6, "A|X", 0, "+"), "is repeated"),
        (("chr1", 5, 6, "A|X", 0, "."), ("chr1", 5, 6, "A|X", 0, "+"), "is repeated"),
        (("chr1", 5, 6, "A|X", 0, "+"), ("chr1", 7, 8, "A|Y", 0, "+"), "different positions"),
        (("chr1", 5, 6, "A|X", 0, "+"), ("chr2", 5, 6, "A|Y", 0, "+"), "different positions"),
        (("chr1", 5, 6, "A|X", 0, "+"), ("chr1", 5, 6, "A|Y", 0, "-"), "on both strands"),
    ],
)
def test_contradictory_duplicates(tmp_path, first, second, problem):
    message = refusal(bed(tmp_path, first, ("chr1", 1, 2, "B", 0, "+"), second))
    assert "gene A" in message
    assert problem in message
    assert "lines 1 and 3" in message


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (("chr1", 5, 6, "A", 0), "has no strand column"),
        (("chr1 5 6 A 0 +",), "has no strand column"),
        (("chr1", 5, 6, "A", 0, "*"), "strand '*'"),
        (("chr1", "x", 6, "A", 0, "+"), "'x' is not a coordinate"),
        (("chr1", "-5", 6, "A", 0, "+"), "'-5' is not a coordinate"),
        (("chr1", 5, "6.5", "A", 0, "+"), "'6.5' is not a coordinate"),
        (("chr1", 5, "9" * 40, "A", 0, "+"), "is not a coordinate"),
        (("chr1", 6, 6, "A", 0, "+"), "does not lie after"),
        (("chr1", 5, 9, "A", 0, "."), "leaves its TSS unknown"),
        (("chr1", 5, 6, "|SYMBOL", 0, "+"), "gene id is empty"),
        (("", 5, 6, "A", 0, "+"), "chromosome is empty"),
    ],
)
def test_bad_lines_are_named(tmp_path, row, problem):
    message = refusal(bed(tmp_path, ("chr1", 1, 2, "B", 0, "+"), row))
    assert problem in message
    assert "line 2" in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "contains no gene"),
        (b"# only a comment\n", "contains no gene"),
        (b"\xff\xfe\x00garbage", "not a text file"),
        (b"chr1\0\t5\n", "not a text file"),
        (gzip.compress(b"chr1\t5\t6\tA\t0\t+\n" * 100)[:-9], "damaged or cut-off gzip"),
    ],
)
def test_what_is_no_bed_file(tmp_path, content, problem):
    path = tmp_path / "genes.bed"
    path.write_bytes(content)
    assert problem in refusal(path)


def test_missing_file_and_folder(tmp_path):
    assert "no file" in refusal(tmp_path / "absent.bed")
    assert "cannot read" in refusal(tmp_path)


LINES = st.lists(
    st.lists(
        st.sampled_from(["chr1", "5", "6", "7", "A|B", "A", "0", "+", "-", ".", "", "é", "\x0c"]),
        max_size=7,
    ).map("\t".join)
).map(lambda lines: "\n".join(lines).encode())


@given(st.binary(max_size=200) | LINES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_genes_or_one_clear_error(tmp_path, content):
    path = tmp_path / "any.bed"
    path.write_bytes(content)
    try:
        table = read_genes(path).table
    except ChromvizError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert table["gene"].is_unique
        assert (table["tss"] >= 0).all()


@pytest.mark.skipif(not PILOT.is_dir(), reason="the real data is not here")
def test_real_genes():
    genes = read_genes(PILOT / "genes.bed")
    assert len(genes.table) == 19_795
    merged = genes.table.set_index("gene").loc["ENSG00000062370"]
    assert (merged["symbol"], merged["strand"]) == ("ZFP112/ZNF285", "-")
    assert "7 gene ids" in genes.notes[0]
