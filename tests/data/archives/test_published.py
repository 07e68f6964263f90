"""From the archives to datasets, against a mirror on loopback."""

import json

import numpy as np
import pytest

from chromviz import schema
from chromviz.data import store
from chromviz.data.archives.published import cell_listings, fetch
from chromviz.errors import ChromvizError
from tests.conftest import make_dataset
from tests.data.roadmap import roadmap_files
from tests.server import serve


@pytest.fixture
def mirror():
    with serve(roadmap_files(["E123", "E004"]).mirror) as archive:
        yield archive


def test_the_datasets_of_table_3(mirror, tmp_path):
    made = fetch(["K562"], tmp_path, base_url=mirror.url)
    assert list(made.paths) == ["E123"]
    dataset = store.open_cell("k562", tmp_path)
    assert schema.dataset_hash(dataset) == schema.dataset_hash(made.datasets["E123"])
    assert list(dataset["track"].values) == ["H3K27ac"]
    assert np.isfinite(dataset["coverage"].values[0]).all(axis=1).sum() == 59
    assert dataset.attrs["simulated"] == 0
    assert not (tmp_path / "raw" / "deepchrome" / "E004").exists()

    # Again: nothing comes over the network, and the file is not written anew.
    before = (tmp_path / "E123.nc").stat().st_mtime_ns
    sent = mirror.sent
    again = fetch(["K562"], tmp_path, base_url=mirror.url)
    assert mirror.sent == sent
    assert (tmp_path / "E123.nc").stat().st_mtime_ns == before
    assert [str(item) for item in again.findings["E123"]] == [
        str(item) for item in made.findings["E123"]
    ]


def test_a_dataset_of_other_files_is_made_again(mirror, tmp_path):
    fetch(["K562"], tmp_path, base_url=mirror.url)
    dataset = schema.load_dataset(tmp_path / "E123.nc")
    sources = json.loads(dataset.attrs["sources"])
    sources[0]["sha256"] = "0" * 64
    schema.save_dataset(dataset.assign_attrs(sources=json.dumps(sources)), tmp_path / "E123.nc")
    fetch(["K562"], tmp_path, base_url=mirror.url)
    again = json.loads(schema.load_dataset(tmp_path / "E123.nc").attrs["sources"])
    assert again[0]["sha256"] != "0" * 64


def test_a_cell_without_h3k27ac_has_a_dataset_that_cannot_be_compared(mirror, tmp_path):
    (path,) = [path for path in mirror.files if path.endswith("E004-H3K27ac.tagAlign.gz")]
    del mirror.files[path]
    made = fetch(["E004"], tmp_path, base_url=mirror.url)
    assert made.datasets["E004"].sizes["track"] == 0
    assert any("H3K27ac" in line for line in made.files.missing)


def test_what_is_at_hand(mirror, tmp_path):
    rows = {row.cell: row for row in cell_listings(None)}
    assert len(rows) == 56
    assert rows["E123"].local == ("embedded (simulated)",)
    assert rows["E123"].fetchable == "all"
    assert rows["E004"].fetchable == "all; H3K27ac only if the server has it"

    assert all(not row.local for row in cell_listings(tmp_path))
    fetch(["K562"], tmp_path, kinds=["matrices"], base_url=mirror.url)
    assert store.available_cells(tmp_path) == ("E123",)  # CSV, from where fetch puts it
    assert {row.cell: row.local for row in cell_listings(tmp_path)}["E123"] == ("matrices",)
    fetch(["K562"], tmp_path, base_url=mirror.url)
    first = cell_listings(tmp_path)[0]
    assert (first.cell, first.local) == ("E123", ("dataset", "matrices", "coverage"))
    with pytest.raises(ChromvizError, match="does not exist"):
        cell_listings(tmp_path / "absent")


def test_a_dataset_of_ones_own_is_not_written_over(mirror, tmp_path):
    schema.save_dataset(make_dataset(cell="E123"), tmp_path / "E123.nc")
    before = (tmp_path / "E123.nc").read_bytes()
    sent = mirror.sent
    with pytest.raises(ChromvizError, match=r"E123\.nc is a dataset of other files"):
        fetch(["K562"], tmp_path, base_url=mirror.url)
    assert (tmp_path / "E123.nc").read_bytes() == before
    assert mirror.sent == sent
    # What makes no dataset is in nobody's way.
    fetch(["K562"], tmp_path, kinds=["matrices"], base_url=mirror.url)


def test_a_cell_type_by_two_names_keeps_all_that_is_at_hand(mirror, tmp_path):
    fetch(["K562"], tmp_path, kinds=["matrices"], base_url=mirror.url)
    schema.save_dataset(make_dataset(cell="E123"), tmp_path / "K562.nc")
    first = cell_listings(tmp_path)[0]
    assert (first.cell, set(first.local)) == ("E123", {"dataset", "matrices"})
