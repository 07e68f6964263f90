import json
import pickle

import numpy as np
import pytest

from chromviz import provenance
from chromviz.errors import ChromvizError, UnknownNameError


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    with pytest.raises(KeyboardInterrupt), provenance.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert list(target.parent.iterdir()) == []
    provenance.write_text(target, "whole")
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["a.txt"]


def test_an_earlier_file_stays_when_writing_fails(tmp_path):
    target = tmp_path / "a.txt"
    provenance.write_text(target, "first")
    with pytest.raises(RuntimeError), provenance.atomic_path(target) as temporary:
        temporary.write_text("second")
        raise RuntimeError
    assert target.read_text() == "first"


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(ChromvizError, match=r"cannot write to the folder .*--out"):
        provenance.ensure_folder(tmp_path / "results" / "K562")


def test_hash_of_arrays_sees_values_names_types_and_shapes():
    base = {"a": np.arange(6.0), "b": np.array(["x", "y"], dtype=object)}
    same = {"b": np.array(["x", "y"]), "a": np.arange(6.0)}
    assert provenance.hash_arrays(base) == provenance.hash_arrays(same)
    for other in (
        base | {"a": np.arange(6.0) + 1},
        base | {"a": np.arange(6)},
        base | {"a": np.arange(6.0).reshape(2, 3)},
        base | {"b": np.array(["x", "z"], dtype=object)},
        {"c": base["a"], "b": base["b"]},
    ):
        assert provenance.hash_arrays(other) != provenance.hash_arrays(base)


def test_a_known_hash():
    assert provenance.hash_json({"b": 1, "a": 2}) == (
        "21501dbaf73f5223934d22283f01caff4132bc1de4a9550c1ed0dffeb397a323"
    )


def test_the_stamp_says_what_made_a_file():
    stamp = provenance.stamp(3)
    assert stamp["seed"] == 3
    assert json.loads(stamp["versions"])["numpy"] == np.__version__


def test_a_failed_run_takes_its_empty_folder_away(tmp_path):
    with pytest.raises(RuntimeError), provenance.output_folder(tmp_path / "new"):
        raise RuntimeError
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with pytest.raises(RuntimeError), provenance.output_folder(tmp_path / "old"):
        raise RuntimeError
    assert (tmp_path / "old").exists()


def test_a_folder_in_the_way_of_a_file(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(ChromvizError, match=r"cannot write .*a\.txt"):
        provenance.write_text(tmp_path / "a.txt", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_errors_travel_between_processes():
    error = pickle.loads(pickle.dumps(UnknownNameError("model", "x", ["y"])))  # noqa: S301
    assert isinstance(error, ChromvizError)
    assert "unknown model 'x'" in str(error)


def test_missing_values_are_one_value_whatever_their_bits():
    usual = np.array([1.0, np.nan, -0.0], np.float32)
    other = usual.copy()
    other[1] = np.float32(-np.nan)
    assert usual.tobytes() != other.tobytes()
    assert provenance.hash_arrays({"x": usual}) == provenance.hash_arrays({"x": other})
    assert provenance.hash_arrays({"x": usual}) != provenance.hash_arrays({"x": np.abs(usual)})
