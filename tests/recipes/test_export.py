"""Tracks and tables: read back, the numbers are those of the attribution."""

import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pybigtools
import pyBigWig
import pytest

from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.recipes.export import export
from chromviz.reporting import genome_tracks
from chromviz.results.folder import ResultFolder
from chromviz.schema import (
    Origin,
    build_attribution,
    load_attribution,
    save_attribution,
    save_dataset,
)
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

SIZES = {"chr1": 400_000}
ORIGIN = Origin(
    method="saliency", parameters={}, signed=True, model="deepchrome", model_hash="x", seed=0,
    device="cpu",
)  # fmt: skip


def make(n_genes=60, **changes):
    data = make_dataset(60, window=Window(1000, 100)).isel(gene=slice(n_genes))
    data.attrs["assembly"] = "made-up"
    for name, values in changes.items():
        data[name] = (("gene",), values)
    return data


def fill(folder, data):
    """A dataset, and a result folder with α-like weights of its test genes and a control."""
    save_dataset(data, folder / "data" / "E123.nc")
    (folder / "sizes").write_text("chr1\t400000\n")
    rows = np.flatnonzero(data["split"].values == "test")
    weight = np.random.default_rng(0).normal(size=(len(rows), 5, 20)).astype(np.float32)
    one = build_attribution(
        weight, ("gene", "mark", "bin"), data, ORIGIN, genes=rows,
        probability=np.full(len(rows), 0.7),
    )  # fmt: skip
    put(folder, {"deepchrome.saliency": one, "control.raw_signal": extract("raw_signal", data)})
    return folder


def put(folder, attributions):
    """Write attributions into the result folder, as a command does."""
    results = ResultFolder(folder / "results", "extract E123")
    results["seed"] = 0
    for name, one in attributions.items():
        file = f"attributions/{name}.nc"
        save = partial(save_attribution, one, results.path / file)
        results.once(name, one.attrs["dataset_hash"], [file], save)
    results.finish(keep=True)


@pytest.fixture
def place(tmp_path):
    return fill(tmp_path, make())


def run(place, **more):
    return export(
        "K562",
        **{
            "data": place / "data", "results": place / "results", "chrom_sizes": place / "sizes",
            "formats": ["bigwig", "bedgraph", "bed", "csv"], **more,
        },
    )  # fmt: skip


def test_read_back_the_numbers_are_those_of_the_attribution(place):
    found = run(place)
    data = make()
    rows = np.flatnonzero(data["split"].values == "test")
    weight = np.random.default_rng(0).normal(size=(len(rows), 5, 20)).astype(np.float32)
    path = str(found.folder / "deepchrome.saliency.H3K4me3.bw")
    with pyBigWig.open(path) as file:
        assert file.chroms() == SIZES
        assert file.header()["nLevels"] > 0
        for at, row in enumerate(rows):
            start = int(data["tss"].values[row]) - 1000
            values = file.values("chr1", start, start + 2000, numpy=True)
            np.testing.assert_array_equal(values, np.repeat(weight[at, 3], 100))
    other = pybigtools.open(path)
    start = int(data["tss"].values[rows[0]]) - 1000
    np.testing.assert_array_equal(
        other.values("chr1", start, start + 2000, fillna=None), np.repeat(weight[0, 3], 100)
    )
    graph = pd.read_csv(
        found.folder / "deepchrome.saliency.H3K4me3.bedgraph", sep="\t", skiprows=1, header=None
    )
    np.testing.assert_allclose(graph[3], weight[:, 3].ravel(), rtol=1e-6)
    table = pd.read_csv(found.folder / "deepchrome.saliency.csv.gz")
    np.testing.assert_allclose(table["weight"], weight.ravel(), rtol=1e-6)
    assert (table["end"] - table["start"] == 100).all()
    assert table["probability"].unique() == pytest.approx([0.7])
    best = pd.read_csv(
        found.folder / "deepchrome.saliency.top.bed", sep="\t", skiprows=1, header=None
    )
    assert len(best) == 5 * len(rows)
    assert best[4].between(0, 1000).all()
    assert best[4].max() == 1000


def test_a_track_without_any_value_is_left_out_and_said(tmp_path):
    """Real H3K27ac may cover other genes than those that models can use."""
    data = make()
    data["coverage"][:] = np.nan
    found = run(fill(tmp_path, data))
    assert found.notes == ["no track of H3K27ac coverage: no bin of these genes has a value"]
    assert not list(found.folder.glob("coverage*"))
    assert "signal.H3K4me3.bw" in found.files
    assert "coverage" not in (found.folder / "session.xml").read_text()


def test_missing_coverage_has_no_entry(place):
    data = make()
    found = run(place)
    with pyBigWig.open(str(found.folder / "coverage.H3K27ac.bw")) as file:
        rows = np.flatnonzero(data["split"].values == "test")
        coverage = data["coverage"].values[0][rows]
        tss = data["tss"].values[rows]
        for values, at in zip(coverage, tss, strict=True):
            got = file.values("chr1", int(at) - 1000, int(at) + 1000, numpy=True)
            np.testing.assert_array_equal(got, np.repeat(values, 100))
    assert not any("control" in name for name in found.files)


def test_every_bigwig_passes_the_rules_of_genome_browsers(tmp_path):
    # Windows of 2,000 bases every 700, the first and the last over the chromosome's ends.
    tss = 300 + 700 * np.arange(60)
    tss[[0, 5]] = tss[[5, 0]]  # gene 5 is one of those exported
    fill(tmp_path, make(tss=tss))
    (tmp_path / "sizes").write_text(f"chr1\t{tss.max() + 1}\nchr2\t9000\n")
    found = run(tmp_path, formats=["bigwig"])
    tracks_of_it = [found.folder / name for name in found.files if name.endswith(".bw")]
    assert len(tracks_of_it) == 5 + 1 + 5
    for path in tracks_of_it:
        with pyBigWig.open(str(path)) as file:
            assert set(file.chroms()) == {"chr1"}
            start, end, value = map(np.array, zip(*file.intervals("chr1"), strict=True))
            assert start[0] == 0
            assert (start < end).all()
            assert (start[1:] >= end[:-1]).all()
            assert end[-1] == file.chroms("chr1") == tss.max() + 1
            assert np.isfinite(value).all()
            assert file.header()["nLevels"] > 0
        other = pybigtools.open(str(path))
        assert other.info()["zoomLevels"] > 0
        assert list(other.records("chr1")) == list(zip(start, end, value, strict=True))


def test_parquet_holds_the_weights_of_the_attribution(place):
    found = run(place, formats=["parquet"])
    assert found.files == ["deepchrome.saliency.parquet"]
    table = pd.read_parquet(found.folder / found.files[0])
    one = load_attribution(place / "results" / "attributions" / "deepchrome.saliency.nc")
    assert table["weight"].dtype == np.float32
    whole = table.set_index(["gene", "mark", "bin_start"])["weight"].to_xarray()
    weight = one.set_index(bin="bin_start")["weight"].rename(bin="bin_start")
    for dim in weight.dims:
        whole = whole.sel({dim: weight[dim].values})
    np.testing.assert_array_equal(whole.values, weight.values)


def test_a_session_names_files_that_are_there_in_the_marks_colours(place):
    found = run(place)
    session = ET.parse(found.folder / "session.xml").getroot()  # noqa: S314 - our own
    files = [one.get("path") for one in session.iter("Resource")]
    assert files
    assert all((found.folder / name).is_file() for name in files)
    colours = {one.get("id"): one.get("color") for one in session.iter("Track")}
    assert colours["signal.H3K4me3.bw"] == "213,94,0"
    assert session.get("genome") == "made-up"
    again = run(place)
    assert again.made == []


def test_a_base_shows_the_gene_with_the_nearest_tss():
    data = make(3, tss=np.array([10_000, 10_550, 10_550]), gene=np.array(["B", "C", "A"]))
    layout = genome_tracks.lay_out(data, np.arange(3), SIZES)
    assert layout.hidden == ("C",)
    bins = layout.bins
    assert (bins["start"].to_numpy()[1:] >= bins["end"].to_numpy()[:-1]).all()
    shown = {
        base: bins.loc[(bins["start"] <= base) & (base < bins["end"]), "row"].item()
        for base in (9_000, 10_275, 10_276, 11_549)
    }
    assert shown == {9_000: 0, 10_275: 0, 10_276: 2, 11_549: 2}
    assert bins["end"].max() == 11_550


def test_windows_are_turned_back_and_cut_at_the_chromosomes_ends():
    data = make(2, tss=np.array([300, 20_500]), strand=np.array(["+", "-"], object))
    data.attrs["orientation"] = "strand"
    layout = genome_tracks.lay_out(data, np.arange(2), {"chr1": 21_000})
    bins = layout.bins
    assert bins["start"].min() == 0
    assert bins["end"].max() == 21_000
    minus = bins[bins["row"] == 1].sort_values("start")
    assert minus["bin"].tolist() == list(range(19, 4, -1))
    values = np.arange(40.0).reshape(2, 20)
    values[1, 7] = np.nan
    entries = genome_tracks.entries(layout, values)
    assert len(entries) == len(bins) - 1
    turned = entries[entries["start"] >= 19_500]
    assert turned["value"].iloc[0] == 39


def test_top_bins_stay_on_the_chromosome(place):
    (place / "sizes").write_text("chr1\t305500\n")
    data = make()
    tss = data["tss"].values.copy()
    tss[5] = 300  # and the last gene's is 305,000
    data = data.assign_coords(tss=("gene", tss))
    save_dataset(data, place / "data" / "E123.nc")
    other = place / "results" / "attributions" / "deepchrome.saliency.nc"
    one = load_attribution(other)
    rows = np.flatnonzero(data["split"].values == "test")
    again = build_attribution(
        one["weight"].values, ("gene", "mark", "bin"), data, ORIGIN, genes=rows
    )  # fmt: skip
    put(place, {"deepchrome.saliency": again})
    found = run(place, methods=["saliency"], formats=["bed"], top=100)
    best = pd.read_csv(
        found.folder / "deepchrome.saliency.top.bed", sep="\t", skiprows=1, header=None
    )
    assert best[1].min() == 0
    assert best[2].max() == 305_500
    assert (best[1] < best[2]).all()
    assert len(best) == 100 * len(rows) - 5 * (7 + 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"formats": ["wig"]}, "unknown format 'wig'"),
        ({"formats": []}, "nothing to write"),
        ({"methods": ["salience"]}, "unknown method 'salience'; did you mean saliency"),
        ({"top": 0}, "at least 1"),
        ({"chrom_sizes": None}, r"size of chr1 is unknown \(assembly made-up"),
    ],
)
def test_bad_input_is_one_clear_error(place, change, words):
    with pytest.raises(ChromvizError, match=words):
        run(place, **change)
    assert not (place / "results" / "tracks").exists()


def test_other_data_short_chromosomes_and_empty_folders_are_refused(place):
    (place / "short").write_text("chr1\t20000\n")
    with pytest.raises(ChromvizError, match=r"beyond the end of the chromosome \(20,000 bases"):
        run(place, chrom_sizes=place / "short")
    save_dataset(make_dataset(60, seed=2, window=Window(1000, 100)), place / "data" / "E123.nc")
    with pytest.raises(ChromvizError, match="made from another dataset"):
        run(place)
    with pytest.raises(ChromvizError, match="no result folder"):
        run(place, results=place / "nothing")


def test_without_a_folder_it_looks_where_compare_writes(place, monkeypatch):
    monkeypatch.chdir(place)
    (place / "results").rename(place / "K562")
    (place / "results").mkdir()
    (place / "K562").rename(place / "results" / "K562")
    assert run(place, results=None).folder == Path("results/K562/tracks")


def test_a_file_that_no_command_recorded_is_not_exported(place):
    known = place / "results" / "attributions" / "deepchrome.saliency.nc"
    (known.parent / "deepchrome.occlusion.nc").write_bytes(known.read_bytes())
    assert {name.split(".")[1] for name in run(place, formats=["bed"]).files} == {"saliency"}


def test_an_edited_attribution_is_refused(place):
    known = place / "results" / "attributions" / "deepchrome.saliency.nc"
    one = load_attribution(known)
    save_attribution(one.assign(weight=one["weight"] * 2), known)
    with pytest.raises(ChromvizError, match="not as it was written"):
        run(place)
