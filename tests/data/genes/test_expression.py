import gzip
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz.data.genes.expression import read_expression
from chromviz.errors import ChromvizError
from tests.conftest import REAL

PILOT = REAL / "roadmap-pilot"
TABLE = "gene_id\tE003\tE123\tmine\nA\t1\t10\t0\nB\t2.5\tNA\t0\nC\t4\t30\t1\nD\t\t40\t1\n"


def write(tmp_path, text, name="rpkm.tsv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def refusal(path, cell="E003"):
    with pytest.raises(ChromvizError) as caught:
        read_expression(path, cell)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize("cell", ["E003", "e003", "H1-hESC", "h1-HESC"])
def test_a_column_by_any_name(tmp_path, cell):
    found = read_expression(write(tmp_path, TABLE), cell)
    assert found.values.iloc[:3].to_dict() == {"A": 1.0, "B": 2.5, "C": 4.0}
    assert math.isnan(found.values["D"])
    assert found.threshold == 2.5
    assert found.unit == "RPKM"


def test_columns_named_otherwise(tmp_path):
    path = write(tmp_path, TABLE)
    assert read_expression(path, "K562").threshold == 30
    assert read_expression(path, "MINE").threshold == 0.5
    common = write(tmp_path, "gene\tK562\nA\t7\n")
    assert read_expression(common, "E123").values["A"] == 7
    both = write(tmp_path, "gene\tK562\tE123\nA\t7\t8\n")
    assert read_expression(both, "E123").values["A"] == 8


def test_threshold_counts_every_row_of_a_repeated_gene(tmp_path):
    found = read_expression(write(tmp_path, "gene\tE003\nA\t1\nB\t9\nB\t9\nC\tNA\nC\t\n"), "E003")
    assert list(found.values.index) == ["A", "B", "C"]
    assert found.threshold == 9  # of 1, 9, 9; of 1, 9 it would be 5


def test_extra_tabs_gzip_and_windows_line_ends(tmp_path):
    path = tmp_path / "rpkm.tsv"
    path.write_bytes(gzip.compress(b"gene\tE003\tE004\r\nA\t1\t2\t\r\n\r\nB\t3\t4\t\r\n"))
    assert read_expression(path, "E004").values.to_list() == [2, 4]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("gene\tE004\tE005\nA\t1\t2\n", "has no column for the cell H1-hESC (E003)"),
        ("gene\tE003\tH1-hESC\te003\nA\t1\t2\t3\n", "several columns"),
        ("gene\tE003\nA\t1\nB\tx1\n", "line 3, gene B: 'x1' is not a finite number"),
        ("gene\tE003\nA\tinf\n", "line 2, gene A: 'inf' is not a finite number"),
        ("gene\tE003\nA\t1_000\n", "line 2, gene A: '1_000' is not a finite number"),
        ("gene\tE003\nA\t1\nA\t2\n", "gene A has 1 on line 2 and 2 on line 3"),
        ("gene\tE003\nA\t1\nA\t\n", "gene A has 1 on line 2 and nan on line 3"),
        ("gene\tE003\tE004\nA\t1\n", "line 2, gene A: 2 columns where the header has 3"),
        ("gene\tE003\nA\t1\t2\n", "line 2, gene A: 3 columns where the header has 2"),
        ("gene\tE003\n\t1\n", "line 2: the gene id is empty"),
        ("gene\tE003\n", "holds no value"),
        ("gene\tE003\nA\tNA\n", "holds no value"),
    ],
)
def test_bad_tables(tmp_path, text, problem):
    assert problem in refusal(write(tmp_path, text))


def test_nearest_columns_are_offered(tmp_path):
    path = write(tmp_path, "gene\tE004\tliver\tlung\nA\t1\t2\t3\n")
    assert "nearest of its 3: liver" in refusal(path, "Livre")


@pytest.mark.parametrize("cut", [5, 30, -4])
def test_corrupt_gzip_is_one_clear_error(tmp_path, cut):
    path = tmp_path / "rpkm.tsv.gz"
    path.write_bytes(gzip.compress(TABLE.encode())[:cut])
    assert "damaged or cut-off gzip" in refusal(path)


def test_gzip_with_a_wrong_byte(tmp_path):
    content = bytearray(gzip.compress(TABLE.encode()))
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "rpkm.tsv.gz"
    path.write_bytes(content)
    assert "damaged or cut-off gzip" in refusal(path)


def test_every_row_is_kept_for_the_label_rule(tmp_path):
    found = read_expression(write(tmp_path, "gene\tE003\nB\t9\nA\tNA\nB\t9\nC\t1.5\n"), "E003")
    np.testing.assert_array_equal(found.every, [9, np.nan, 9, 1.5])
    assert found.every.dtype == np.float64
    assert (found.column, found.notes) == ("E003", [])


SALMON = "Name\tLength\tEffectiveLength\tTPM\tNumReads\nENSG1.2\t100\t80.5\t2.5\t7\n"
KALLISTO = "target_id\tlength\teff_length\test_counts\ttpm\nENST1|ENSG1|OTT1|\t100\t80\t7\t2.5\n"
RSEM = (
    "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"
    "ENSG1.2\tENST1,ENST2\t100\t80\t7\t2.5\t3.5\n"
)
STRINGTIE = (
    "Gene ID\tGene Name\tReference\tStrand\tStart\tEnd\tCoverage\tFPKM\tTPM\n"
    "ENSG1\tONE\tchr1\t+\t1\t100\t4.5\t3.5\t2.5\n"
)
COUNTS = (
    '# Program:featureCounts v2.0.1; Command:"featureCounts" "-t" "exon,CDS"\n'
    "Geneid\tChr\tStart\tEnd\tStrand\tLength\t/data/run7.bam\n"
    "TP53\tchr1;chr1\t1;5\t2;9\t+;+\t7\t12\n"
)


@pytest.mark.parametrize(
    ("text", "values", "column", "unit", "note"),
    [
        (SALMON, {"ENSG1.2": 2.5}, "TPM", "TPM", "the column TPM is read"),
        (KALLISTO, {"ENST1": 2.5}, "tpm", "TPM", "the column tpm is read"),
        (RSEM, {"ENSG1.2": 2.5}, "TPM", "TPM", "the column TPM is read"),
        (STRINGTIE, {"ENSG1": 2.5}, "TPM", "TPM", "the column TPM is read"),
        (COUNTS, {"TP53": 12}, "/data/run7.bam", "counts", "the column /data/run7.bam is read"),
        ("A\t1.5\nB\t2\n", {"A": 1.5, "B": 2}, "", "", "no column names"),
        ("A,1.5\nB,NA\nC,\n", {"A": 1.5, "B": None, "C": None}, "", "", "no column names"),
        ("gene\tFPKM\nA\t1\n", {"A": 1}, "FPKM", "FPKM", "the column FPKM is read"),
        ("gene\tliver\nA\t1.5\n", {"A": 1.5}, "liver", "", "the column liver is read"),
        ("gene\t7\nA\t1.5\n", {"A": 1.5}, "7", "", "the column 7 is read"),
        (
            "id,symbol,label,liver.TPM\nA,x,a b,1.5\n",
            {"A": 1.5},
            "liver.TPM",
            "TPM",
            "the column liver.TPM is read",
        ),
        (
            '"","K562"\n"A","1.5"\n"B, or C",2\n',
            {"A": 1.5, "B, or C": 2},
            "K562",
            "",
            "",
        ),
        ('"id"\t"K562"\n"A"\t1.5\n', {"A": 1.5}, "K562", "", ""),
        (
            "A\t3\nB\t4\n__no_feature\t900\n__ambiguous\t800\n",
            {"A": 3, "B": 4},
            "",
            "",
            "2 rows that begin with __",
        ),
    ],
)
def test_formats(tmp_path, text, values, column, unit, note):
    found = read_expression(write(tmp_path, text, "table.txt"), "K562")
    assert found.values.astype(object).where(found.values.notna(), None).to_dict() == values
    assert (found.column, found.unit) == (column, unit)
    assert any(note in said for said in found.notes) or not note


@pytest.mark.parametrize(
    ("column", "value", "unit"),
    [("NumReads", 7, "counts"), ("numreads", 7, "counts"), ("EffectiveLength", 80.5, "")],
)
def test_a_column_by_its_name(tmp_path, column, value, unit):
    found = read_expression(write(tmp_path, SALMON, "quant.sf"), "K562", column=column)
    assert found.values["ENSG1.2"] == value
    assert found.unit == unit


def test_the_case_of_a_name_decides_where_it_must(tmp_path):
    path = write(tmp_path, "gene\ta\tA\nx\t1\t2\n")
    assert read_expression(path, "K562", column="A").values["x"] == 2
    with pytest.raises(ChromvizError, match="'b'; nearest of its 2: a, A; name one with"):
        read_expression(path, "K562", column="b")
    path = write(tmp_path, "gene\ta\ta\nx\t1\t2\n")
    with pytest.raises(ChromvizError, match=r"several columns a \(2 and 3\)"):
        read_expression(path, "K562", column="a")
    path = write(tmp_path, "x\t1\n")
    with pytest.raises(ChromvizError, match="no line of column names, so none is 'a'"):
        read_expression(path, "K562", column="a")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # The one column is another cell type's; two could be meant; none is expression.
        ("gene\tE116\nA\t1\n", "no column for the cell K562 (E123); nearest of its 1: E116"),
        ("gene\tGM12878\nA\t1\n", "nearest of its 1: GM12878; name one with --expression-column"),
        ("gene\tx\ty\nA\t1\t2\n", "nearest of its 2: x, y; name one with --expression-column"),
        ("gene\tsymbol\tlength\nA\tx\t2\n", "has no column for the cell K562"),
        ("A\t1\t2\t3\nB\t1\t2\t3\n", "begins with numbers where the names"),
        ("one\ntwo\n", "has one column"),
        ('gene,K562\n"A\nB",1\n', "line 2, gene A: 1 columns where the header has 2"),
        ("ENST1|a\t1\nENST1|b\t2\n", "gene ENST1 has 1 on line 1 and 2 on line 2"),
    ],
)
def test_unclear_tables(tmp_path, text, problem):
    assert problem in refusal(write(tmp_path, text), "K562")


@pytest.mark.parametrize(
    ("name", "text", "unit"),
    [
        ("rpkm.tsv", "gene_id\tE003\nA\t1\n", "RPKM"),
        ("57epigenomes.RPKM.pc", "gene_id\tE003\nA\t1.5\n", "RPKM"),
        ("57epigenomes.N.pc", "gene_id\tE003\nA\t15\n", ""),
        ("57epigenomes.pc", "gene_id\tE003\nA\t1.5\n", "RPKM"),
        ("my_counts.tsv", "gene_id\tE003\nA\t15\n", "counts"),
        ("tpm_from_counts.tsv", "gene_id\tH1-hESC\nA\t15\n", ""),
        ("log2_tpm.tsv", "gene_id\tE003\nA\t15\n", ""),
        ("rpkm.tsv", "gene_id\tE003\nA\t-1.5\n", ""),
        ("x.tsv", "gene_id\tlog2(TPM+1)\nA\t1.5\n", ""),
    ],
)
def test_units(tmp_path, name, text, unit):
    assert read_expression(write(tmp_path, text, name), "E003").unit == unit


def test_what_the_values_show(tmp_path):
    logged = read_expression(write(tmp_path, "gene\tE003\nA\t-1.5\nB\t2\n"), "E003")
    assert logged.threshold == 0.25
    assert "1 of 2 values are negative, as logarithms are" in logged.notes[0]
    assert (
        "long genes will be ON more often"
        in read_expression(write(tmp_path, COUNTS), "K562").notes[-1]
    )
    whole = read_expression(write(tmp_path, "gene\tE003\nA\t0\nB\t20\n", "x.tsv"), "E003")
    assert "the values are whole numbers, as counts are" in whole.notes[0]


LINES = st.lists(
    st.lists(st.sampled_from(["E003", "A", "B", "1", "-2.5", "NA", "", "x", "1e999", "é"])).map(
        "\t".join
    )
).map(lambda lines: "\n".join(["gene\tE003\tE004", *lines]).encode())
ANY = st.lists(
    st.lists(st.sampled_from(["A", '"B"', '"', "1", "-2.5", "NA", "", "TPM", "#", "__x"])).flatmap(
        lambda fields: st.sampled_from("\t,").map(lambda separator: separator.join(fields))
    )
).map(lambda lines: "\n".join(lines).encode())


@given(st.binary(max_size=200) | LINES | ANY)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_values_or_one_clear_error(tmp_path, content):
    path = tmp_path / "any.tsv"
    path.write_bytes(content)
    try:
        found = read_expression(path, "E003")
    except ChromvizError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert math.isfinite(found.threshold)
        assert found.values.index.is_unique


@pytest.mark.skipif(not PILOT.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize(
    ("cell", "threshold", "pax5"),
    [("E003", 3.33, 0.134), ("GM12878", 1.75, 12.69), ("K562", 1.61, 0.001)],
)
def test_real_thresholds(cell, threshold, pax5):
    found = read_expression(PILOT / "rpkm.tsv.gz", cell)
    assert len(found.values) == 19_795
    assert found.threshold == pytest.approx(threshold, abs=0.005)
    assert found.values["ENSG00000196092"] == pax5


@pytest.mark.parametrize("text", [SALMON, KALLISTO, RSEM, STRINGTIE, COUNTS, TABLE])
def test_damaged_tables_give_values_or_one_clear_error(tmp_path, text):
    rng = np.random.default_rng(len(text))
    path = tmp_path / "damaged"
    for _ in range(40):
        content = bytearray(text.encode())
        for at in rng.integers(len(content), size=3):
            content[at] = rng.choice(bytearray(b'\t\n",.-_|#0aA\x00\xff '))
        path.write_bytes(content)
        try:
            found = read_expression(path, "E003")
        except ChromvizError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        else:
            assert math.isfinite(found.threshold)
            assert np.isfinite(found.values.dropna()).all()


def test_rows_that_name_no_gene_are_left_out_and_counted(tmp_path):
    path = write(tmp_path, "symbol\tE003\nNA\t1\nA\t2\nNA\t3\n-\t4\nB\t6\n")
    found = read_expression(path, "E003")
    assert dict(found.values) == {"A": 2, "B": 6}
    assert found.threshold == 4
    assert "rpkm.tsv: 3 rows have no gene name (NA) and are ignored" in found.notes


def test_a_decimal_comma_is_told_as_one(tmp_path):
    message = refusal(write(tmp_path, "gene\tE003\nA\t0,353\n"))
    assert "'0,353' is not a finite number; write decimals with a point" in message


def test_an_empty_column_name_is_none_of_the_cell(tmp_path):
    with pytest.raises(ChromvizError, match="has no column ''"):
        read_expression(write(tmp_path, TABLE), "E003", column="")
