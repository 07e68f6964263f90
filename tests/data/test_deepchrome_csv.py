import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromviz import provenance, schema
from chromviz.data.deepchrome_csv import find_deepchrome, read_deepchrome
from chromviz.errors import ChromvizError
from chromviz.vocabulary import MARKS
from tests.conftest import REAL

TOY = REAL / "deepchrome-csv"


def gene_rows(gene, label, value=0):
    """One gene: mark j has (value + 10 * bin + j) reads in each bin."""
    return [
        f"{gene},{position},{','.join(str(value + 10 * position + j) for j in range(5))},{label}"
        for position in range(1, 101)
    ]


def write_cell(folder, **splits):
    """Write a cell type; each split is a list of rows."""
    given = {"train": gene_rows("000003", 1), "valid": gene_rows("12", 0, 5)}
    given |= {"test": gene_rows("7", 1) + gene_rows("8", 0)} | splits
    (folder / "classification").mkdir(parents=True, exist_ok=True)
    for split, rows in given.items():
        text = "\n".join(rows) + "\n"
        (folder / "classification" / f"{split}.csv").write_text(text, newline="")
    return folder


def refusal(folder):
    with pytest.raises(ChromvizError) as caught:
        read_deepchrome(folder, "E003")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_small_cell_by_hand(tmp_path):
    dataset = read_deepchrome(write_cell(tmp_path / "E003"), "h1-hesc")
    schema.check_dataset(dataset)
    assert list(dataset["gene"].values) == ["000003", "12", "7", "8"]
    assert list(dataset["label"].values) == [1, 0, 1, 0]
    assert list(dataset["split"].values) == ["train", "valid", "test", "test"]
    assert tuple(dataset["mark"].values) == MARKS
    assert dataset["signal"].shape == (4, 5, 100)
    assert dataset["signal"].values[0, 3, 41] == 10 * 42 + 3
    assert dataset["signal"].values[1, 4, 0] == 5 + 10 + 4
    assert np.isnan(dataset["expression"].values).all()
    assert (dataset["tss"].values == -1).all()
    assert dataset.sizes["track"] == 0
    assert dataset.attrs["cell"] == "E003"
    assert dataset.attrs["signal_unit"] == "read counts"
    assert dataset.attrs["label_rule"] == "given by the source"
    assert schema.usable(dataset).all()
    train = json.loads(dataset.attrs["sources"])[0]
    file = tmp_path / "E003" / "classification" / "train.csv"
    assert train == {
        "role": "deepchrome",
        "name": "train",
        "path": str(file),
        "sha256": provenance.hash_file(file),
    }


def test_it_can_be_saved(tmp_path):
    dataset = read_deepchrome(write_cell(tmp_path / "Toy"), "Toy")
    schema.save_dataset(dataset, tmp_path / "Toy.nc")
    again = schema.load_dataset(tmp_path / "Toy.nc")
    np.testing.assert_array_equal(again["signal"].values, dataset["signal"].values)
    assert list(again["gene"].values) == list(dataset["gene"].values)


def test_suffixes_are_cut_off_unless_needed(tmp_path):
    cut = write_cell(tmp_path / "a", train=gene_rows("3_x", 1), valid=gene_rows("4_x_y", 1))
    assert list(read_deepchrome(cut, "a")["gene"].values) == ["3", "4", "7", "8"]
    kept = write_cell(tmp_path / "b", train=gene_rows("3_x", 1), valid=gene_rows("3_y", 1))
    assert list(read_deepchrome(kept, "b")["gene"].values) == ["3_x", "3_y", "7", "8"]


def test_ids_stay_text_and_line_ends_do_not_matter(tmp_path):
    folder = write_cell(tmp_path / "a", train=gene_rows("NA", 1), valid=gene_rows("1e5", 1))
    file = folder / "classification" / "train.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n").rstrip())
    assert list(read_deepchrome(folder, "a")["gene"].values)[:2] == ["NA", "1e5"]


def changed(rows, at, **fields):
    """Return the rows with some of a line's comma-separated fields replaced; `at` is 1-based."""
    cells = rows[at - 1].split(",")
    for name, value in fields.items():
        cells[{"gene": 0, "bin": 1, "mark": 4, "label": 7}[name]] = value
    return [*rows[: at - 1], ",".join(cells), *rows[at:]]


GOOD = gene_rows("000001", 1) + gene_rows("000002", 0)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (GOOD[:99] + GOOD[100:], "line 99: gene 000001 ends after 99 of 100 rows"),
        (GOOD[:199], "line 199: gene 000002 ends after 99 of 100 rows"),
        (GOOD[:49] + GOOD[50:], "line 50, gene 000001: bin 51 where bin 50 should be"),
        (changed(GOOD, 105, bin="7"), "line 105, gene 000002: bin 7 where bin 5 should be"),
        (GOOD[:100] + GOOD[:100], "line 101, gene 000001: the gene begins again"),
        (GOOD + GOOD[:100], "line 201, gene 000001: the gene begins again"),
        (changed(GOOD, 150, mark="x"), "line 150, gene 000002: 'x' is not a finite number"),
        (changed(GOOD, 150, mark=""), "line 150, gene 000002: '' is not a finite number"),
        (changed(GOOD, 150, mark="nan"), "line 150, gene 000002: 'nan' is not a finite number"),
        (changed(GOOD, 150, mark="inf"), "line 150, gene 000002: 'inf' is not a finite number"),
        (changed(GOOD, 150, mark="1e39"), "line 150, gene 000002: '1e39' is not a finite number"),
        (changed(GOOD, 150, mark="-1"), "line 150, gene 000002: a negative value"),
        (changed(GOOD, 20, label="0"), "line 20, gene 000001: label 0, but 1 in the rows before"),
        (changed(GOOD, 101, label="2"), "line 101, gene 000002: label '2' is not 0 or 1"),
        (changed(GOOD, 101, label=""), "line 101, gene 000002: '' is not a finite number"),
        (changed(GOOD, 30, label="1,9"), "line 30, gene 000001: 9 columns instead of 8"),
        ([row + "," for row in GOOD], "line 1, gene 000001: 9 columns instead of 8"),
        ([row.rsplit(",", 1)[0] for row in GOOD], "line 1, gene 000001: 7 columns"),
        ([*GOOD[:100], "", *GOOD[100:]], "line 101, gene (none): 1 columns"),
        (changed(GOOD, 60, gene=""), "line 60, gene (none): the gene id is empty"),
        (changed(GOOD, 60, gene="000009"), "line 59: gene 000001 ends after 59 of 100 rows"),
        (["gene,bin,a,b,c,d,e,label", *GOOD], "line 1, gene gene: 'bin' is not a finite number"),
        ([], "is empty"),
    ],
)
def test_bad_rows_are_named(tmp_path, rows, problem):
    message = refusal(write_cell(tmp_path / "E003", valid=rows))
    assert "valid.csv" in message
    assert problem in message


def test_missing_split_and_repeated_gene(tmp_path):
    folder = write_cell(tmp_path / "E003", test=gene_rows("5", 1) + gene_rows("000003", 1))
    message = refusal(folder)
    assert "test.csv, line 101: gene 000003 is already in train.csv" in message
    (folder / "classification" / "valid.csv").unlink()
    assert "no file" in refusal(folder)
    assert "valid.csv" in refusal(folder)


def test_what_is_no_text(tmp_path):
    folder = write_cell(tmp_path / "E003")
    (folder / "classification" / "train.csv").write_bytes(b"\x1f\x8b\xff\xfe\0\0")
    assert "train.csv" in refusal(folder)


def test_cells_are_found_from_any_of_their_folders(tmp_path, monkeypatch):
    for name in ("E003", "E116"):
        write_cell(tmp_path / "top" / "data" / name)
    write_cell(tmp_path / "top" / "Toy")
    (tmp_path / "top" / "other").mkdir()
    (tmp_path / "top" / "note.txt").touch()
    top = tmp_path / "top"
    found = {"E003": top / "data" / "E003", "E116": top / "data" / "E116"}
    assert find_deepchrome(top) == found | {"Toy": top / "Toy"}
    assert find_deepchrome(top / "data") == found
    assert find_deepchrome(top / "data" / "E003") == {"E003": found["E003"]}
    assert find_deepchrome(top / "data" / "E003" / "classification") == {"E003": found["E003"]}
    monkeypatch.chdir(top / "data" / "E003")
    assert list(find_deepchrome(Path())) == ["E003"]
    assert find_deepchrome(top / "other") == {}
    assert find_deepchrome(top / "absent") == {}


ROWS = st.lists(
    st.tuples(st.integers(0, 199), st.sampled_from(["gene", "bin", "mark", "label"]))
    .flatmap(lambda at: st.tuples(st.just(at), st.sampled_from(["", "1", "x", "-0", "1_0", "é"])))
    .map(lambda item: (item[0][0] + 1, item[0][1], item[1])),
    max_size=3,
)


@given(st.binary(max_size=200) | ROWS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_a_dataset_or_one_clear_error(tmp_path, content):
    folder = write_cell(tmp_path / "E003")
    if isinstance(content, list):
        rows = GOOD
        for at, name, value in content:
            rows = changed(rows, at, **{name: value})
        content = "\n".join(rows).encode()
    (folder / "classification" / "valid.csv").write_bytes(content)
    try:
        dataset = read_deepchrome(folder, "E003")
    except ChromvizError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert math.isfinite(dataset["signal"].values.sum())


@pytest.mark.skipif(not TOY.is_dir(), reason="the real data is not here")
def test_the_authors_toy_data():
    assert list(find_deepchrome(TOY)) == ["Toy"]
    dataset = read_deepchrome(TOY / "Toy", "Toy")
    split = dataset["split"].values
    assert [int((split == name).sum()) for name in ("train", "valid", "test")] == [10, 10, 10]
    assert dataset["gene"].values[0] == "000003"
    # The second row of train.csv is 000003,2,1,2,2,8,0,1.
    np.testing.assert_array_equal(dataset["signal"].values[0, :, 1], [1, 2, 2, 8, 0])
    assert dataset["label"].values[0] == 1
