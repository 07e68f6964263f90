"""One dialect of CSV: what is read is what was written."""

import gzip

import numpy as np
import pandas as pd
import pytest

from chromviz.results.folder import ResultFolder
from chromviz.results.tables import parse_csv, read_csv, to_csv, write_csv


def awkward():
    return pd.DataFrame(
        {
            "gene": ["172936", "000003"],
            "missing": ["nan", "nan"],
            "note": ["", 'a, "b"\nβ'],
            "reason": ["", ""],
            "seed": ["mean", "0"],
            "n": [1, 2],
            "estimate": [0.1 + 0.2, 5e-324],
            "whole": [1.0, 2.0],
            "gap": [np.nan, 1e300],
            "p": [np.nan, np.nan],
            "size": [-np.inf, 3.0],
            "paper": pd.Series([None, 0.5], dtype=object),
        }
    )


def test_a_table_is_read_as_it_was_written():
    table = awkward()
    found = parse_csv(to_csv(table))
    assert list(found) == list(table)
    for name in ("gene", "missing", "note", "reason", "seed"):
        assert found[name].tolist() == table[name].tolist()
    for name in ("n", "estimate", "whole", "gap", "p", "size", "paper"):
        np.testing.assert_array_equal(found[name], table[name].astype(float))
    assert found["n"].dtype == "int64"
    assert found["whole"].dtype == found["p"].dtype == "float64"
    assert to_csv(found) == to_csv(table)


def test_other_programs_read_the_same_numbers(tmp_path):
    write_csv(awkward(), tmp_path / "a.csv")
    plain = pd.read_csv(tmp_path / "a.csv")
    for name in ("n", "estimate", "whole", "gap", "p", "size"):
        np.testing.assert_array_equal(plain[name], awkward()[name])


def test_random_numbers_keep_every_bit():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**64, 3000, dtype=np.uint64).view(np.float64)
    values = values[np.isfinite(values)]
    found = parse_csv(to_csv(pd.DataFrame({"x": values})))["x"].to_numpy()
    assert (found.view(np.uint64) == values.view(np.uint64)).all()


def test_missing_text_is_empty_and_tables_may_have_no_row():
    table = pd.DataFrame({"note": ["a", None], "other": [None, None]})
    assert parse_csv(to_csv(table)).to_dict("list") == {"note": ["a", ""], "other": ["", ""]}
    none = parse_csv(to_csv(awkward().iloc[:0]))
    assert list(none) == list(awkward())
    assert len(none) == 0


def test_gaps_of_older_versions_are_missing_numbers():
    found = parse_csv("missing,estimate,p\nnan,,0.5\nnan,1,\n")
    assert found["missing"].tolist() == ["nan", "nan"]
    assert found[["estimate", "p"]].isna().sum().tolist() == [1, 1]


def test_files_are_whole_and_the_same_table_is_the_same_file(tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        write_csv(awkward(), tmp_path / name)
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).decode() == to_csv(awkward())
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    broken = pd.DataFrame({"x": [object.__new__(_Unprintable)]})
    with pytest.raises(RuntimeError):
        write_csv(broken, tmp_path / "c.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv.gz", "b.csv.gz"]


class _Unprintable:
    def __str__(self):
        raise RuntimeError("cannot be written")


def test_tables_of_a_folder_are_computed_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return [awkward(), awkward().tail(1)]

    for _ in range(2):
        folder = ResultFolder(tmp_path, "test")
        first, second = folder.tables("both", 0, ["a.csv", "parts/b.csv"], compute)
        folder.write_table("known", "known.csv", awkward())
        folder.write_texts("texts", {"a.txt": "a", "b.txt": "b"})
    assert (len(first), len(second), len(calls)) == (2, 1, 1)
    assert folder.kept == ["both", "known", "texts"]
    assert to_csv(read_csv(tmp_path / "known.csv")) == to_csv(awkward())
    folder = ResultFolder(tmp_path, "test")
    folder.write_table("known", "known.csv", awkward().head(1))
    assert folder.made == ["known"]
