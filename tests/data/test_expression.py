import gzip
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz.data.expression import read_expression
from chromviz.errors import ChromvizError

PILOT = Path(__file__).parents[2].parent / "shared" / "data" / "roadmap-pilot"
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
        ("gene\tE004\tE005\nA\t1\t2\n", "has no column for the cell H1-hESC (E003)"),
        ("gene\tE003\tH1-hESC\te003\nA\t1\t2\t3\n", "several columns"),
        ("gene\tE003\nA\t1\nB\tx1\n", "line 3, gene B: 'x1' is not a number"),
        ("gene\tE003\nA\tinf\n", "line 2, gene A: 'inf' is not a number"),
        ("gene\tE003\nA\t1_000\n", "line 2, gene A: '1_000' is not a number"),
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


LINES = st.lists(
    st.lists(st.sampled_from(["E003", "A", "B", "1", "-2.5", "NA", "", "x", "1e999", "é"])).map(
        "\t".join
    )
).map(lambda lines: "\n".join(["gene\tE003\tE004", *lines]).encode())


@given(st.binary(max_size=200) | LINES)
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
