"""From the archives to datasets, with a local server in place of the archives."""

import json

import numpy as np
import pytest
import xarray as xr

from chromviz import schema
from chromviz.data import cells
from chromviz.data.archives import published
from chromviz.data.archives.published import fetch, list_cells
from chromviz.errors import ChromvizError
from chromviz.progress import Reporter
from tests.conftest import make_dataset
from tests.data.roadmap import roadmap_files
from tests.server import serve


@pytest.fixture
def mirror():
    with serve(roadmap_files(["E123", "E004"]).mirror) as archive:
        yield archive


@pytest.mark.parametrize("suffix", ["", "_1"])
def test_the_datasets_of_table_3(tmp_path, suffix):
    files = roadmap_files(["E123", "E004"], suffix=suffix)
    with serve(files.mirror) as mirror:
        result = fetch(["K562"], tmp_path, base_url=mirror.url)
        assert list(result.paths) == ["E123"]
        dataset = cells.open_cell("k562", tmp_path)
        assert schema.dataset_hash(dataset) == schema.dataset_hash(result.datasets["E123"])
        assert list(dataset["track"].values) == ["H3K27ac"]
        assert dataset.attrs["simulated"] == 0
        assert not (tmp_path / "raw" / "deepchrome" / "E004").exists()

        # The matrices name genes by six digits; each gene is where the gene table has it.
        csv = tmp_path / "raw" / "deepchrome" / "E123" / "classification" / "train.csv"
        assert csv.read_text().startswith(f"000000{suffix},1,")
        columns = (dataset[name].values for name in ("gene", "chrom", "tss"))
        placed = {gene: (chrom, tss) for gene, chrom, tss in zip(*columns, strict=True) if chrom}
        assert placed == files.tss
        assert np.isfinite(dataset["coverage"].values[0]).all(axis=1).sum() == len(files.tss) == 59
        told = [str(item) for item in result.findings["E123"]]
        assert any(line.startswith("59 of 60 genes of the matrices are named by") for line in told)
        assert json.loads(dataset.attrs["preflight"])

        # A second run downloads nothing and keeps the file.
        before = (tmp_path / "E123.nc").stat().st_mtime_ns
        sent = mirror.sent
        again = fetch("K562", tmp_path, base_url=mirror.url)
        assert mirror.sent == sent
        assert (tmp_path / "E123.nc").stat().st_mtime_ns == before
        assert [str(item) for item in again.findings["E123"]] == told


def test_matrices_with_full_ids_give_the_same_dataset(mirror, tmp_path):
    (tmp_path / "full").mkdir()
    short = fetch("K562", tmp_path / "short", base_url=mirror.url).datasets["E123"]
    with serve(roadmap_files(["E123", "E004"], full_ids=True).mirror) as other:
        full = fetch("K562", tmp_path / "full", base_url=other.url).datasets["E123"]
    assert schema.dataset_hash(short) == schema.dataset_hash(full)


def test_a_gene_whose_six_digits_are_ambiguous_is_kept_without_a_position(mirror, tmp_path):
    (path,) = [path for path in mirror.files if path.endswith("gene_info")]
    twin = "ENSG00001000007\t21\t9000001\t9000901\t1\tprotein_coding\tTWIN\ttwin\t\n"
    mirror.files[path] += twin.encode()
    result = fetch("K562", tmp_path, base_url=mirror.url)
    dataset = result.datasets["E123"]
    assert dataset.sizes["gene"] == 60
    doubtful = dataset.sel(gene="000007")
    assert (str(doubtful["chrom"].values), int(doubtful["tss"])) == ("", -1)
    assert np.isnan(doubtful["coverage"].values).all()
    assert np.isfinite(doubtful["signal"].values).all()
    assert "ENSG00000000007" not in dataset["gene"].values
    told = [str(item) for item in result.findings["E123"]]
    assert any(line.startswith("58 of 60 genes of the matrices are named by") for line in told)
    (line,) = [line for line in told if line.startswith("warning: 1 of 60 genes")]
    assert "more than one" in line


def test_a_dataset_is_built_again_when_its_inputs_or_the_code_change(mirror, tmp_path, monkeypatch):
    def built():
        said = []
        fetch("K562", tmp_path, base_url=mirror.url, reporter=Reporter(say=said.append))
        return "building the dataset of K562 (E123)" in said

    assert built()
    assert not built()
    # The gene table changes in the archive, and the user accepts it.
    (path,) = [path for path in mirror.files if path.endswith("gene_info")]
    mirror.files[path] = mirror.files[path].replace(b"SYM7\t", b"OTHER\t")
    for name in ("checksums.json", "roadmap/expression/Ensembl_v65.Gencode_v10.ENSG.gene_info"):
        (tmp_path / "raw" / name).unlink()
    assert built()
    assert "OTHER" in schema.load_dataset(tmp_path / "E123.nc")["symbol"].values
    assert not built()
    (tmp_path / "E123.nc").write_bytes((tmp_path / "E123.nc").read_bytes()[:-100])
    assert built()
    original = published.from_matrices

    def changed(*arguments):
        return original(*arguments)

    monkeypatch.setattr(published, "from_matrices", changed)
    assert built()
    assert not built()


def test_reads_fetched_earlier_stay_in_the_dataset(mirror, tmp_path):
    fetch("K562", tmp_path, base_url=mirror.url)
    before = (tmp_path / "E123.nc").stat().st_mtime_ns
    kinds = ["matrices", "expression", "genes"]
    fetch("K562", tmp_path, kinds=kinds, base_url=mirror.url)
    assert (tmp_path / "E123.nc").stat().st_mtime_ns == before


def test_a_cell_type_without_h3k27ac_has_a_dataset_without_coverage(mirror, tmp_path):
    (path,) = [path for path in mirror.files if path.endswith("E004-H3K27ac.tagAlign.gz")]
    del mirror.files[path]
    made = fetch(["E004"], tmp_path, base_url=mirror.url)
    assert made.datasets["E004"].sizes["track"] == 0
    assert any("H3K27ac" in line for line in made.files.missing)


def test_cell_types_are_listed_with_what_is_available(mirror, tmp_path):
    def local(cell):
        return list_cells(tmp_path).set_index("cell")["local"][cell]

    embedded = list_cells().set_index("cell")
    assert len(embedded) == 56
    assert embedded["local"]["E123"] == "embedded (simulated)"
    assert embedded["fetchable"]["E123"] == "all"
    assert embedded["fetchable"]["E004"] == "all; H3K27ac only if the server has it"
    assert embedded["fetchable"]["E059"].startswith("all but weights; H3K27ac only")

    assert (list_cells(tmp_path)["local"] == "").all()
    fetch("K562", tmp_path, kinds=["matrices"], base_url=mirror.url)
    assert cells.available_cells(tmp_path) == ("E123",)  # CSV, from where fetch puts it
    assert local("E123") == "matrices"
    fetch("K562", tmp_path, base_url=mirror.url)
    assert local("E123") == "dataset, matrices, coverage"
    assert list_cells(tmp_path)["cell"][0] == "E123"
    with pytest.raises(ChromvizError, match="does not exist"):
        list_cells(tmp_path / "absent")


@pytest.mark.parametrize("foreign", [False, True])
def test_a_dataset_of_other_files_is_not_overwritten(mirror, tmp_path, foreign):
    if foreign:
        xr.Dataset({"x": ("y", [1.0])}).to_netcdf(tmp_path / "E123.nc", engine="h5netcdf")
    else:
        schema.save_dataset(make_dataset(cell="E123"), tmp_path / "E123.nc")
    before = (tmp_path / "E123.nc").read_bytes()
    sent = mirror.sent
    with pytest.raises(ChromvizError, match=r"E123\.nc was not built by fetch"):
        fetch(["K562"], tmp_path, base_url=mirror.url)
    assert (tmp_path / "E123.nc").read_bytes() == before
    assert mirror.sent == sent
    # Without expression no dataset is built, so nothing is in the way.
    fetch(["K562"], tmp_path, kinds=["matrices"], base_url=mirror.url)


def test_a_cell_type_with_two_names_is_listed_once(mirror, tmp_path):
    fetch(["K562"], tmp_path, kinds=["matrices"], base_url=mirror.url)
    schema.save_dataset(make_dataset(cell="E123"), tmp_path / "K562.nc")
    first = list_cells(tmp_path).iloc[0]
    assert (first["cell"], first["local"]) == ("E123", "matrices, dataset")


def test_a_dry_run_contacts_no_server_and_writes_nothing(tmp_path):
    result = fetch("all", tmp_path / "new", kinds=["coverage"], dry_run=True)
    assert len(result.planned) == 56
    (weights,) = fetch("K562", tmp_path / "new", kinds="weights", dry_run=True).planned
    assert weights.name == "AttentiveChrome for K562 (E123)"
    assert {(file.kind, file.there, file.size) for file in result.planned} == {
        ("coverage", False, None)
    }
    assert not result.files.files
    assert not (tmp_path / "new").exists()
    with serve() as mirror:
        fetch("K562", tmp_path, dry_run=True, base_url=mirror.url)
        assert mirror.requests == []
