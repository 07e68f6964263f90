"""Attributions in result folders: one layout and one writer, whoever extracts them."""

import pytest

from chromviz.errors import ChromvizError
from chromviz.recipes.compare import compare
from chromviz.recipes.export import export
from chromviz.recipes.extract import explain
from chromviz.schema import load_attribution, save_dataset
from chromviz.vocabulary import Window
from tests.conftest import make_dataset


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_dataset(make_dataset(120, window=Window(1000, 100)), tmp_path / "data" / "E123.nc")
    (tmp_path / "sizes").write_text("chr1\t1000000\n")
    return tmp_path / "data"


def extracted(data, **more):
    return explain("K562", ["occlusion"], model="linear-regression", data=data, **more)


def exported(data, **more):
    where = {"data": data, "chrom_sizes": "sizes", "formats": ["csv"]}
    return export("K562", **where, **more).files


def test_settings_genes_and_seeds_never_replace_the_default(data):
    plain = extracted(data).files["occlusion"]
    before = plain.read_bytes()
    others = [
        extracted(data, settings={"reference": "mean"}).files["occlusion"],
        extracted(data, settings={"window": 7}).files["occlusion"],
        extracted(data, genes="train").files["occlusion"],
        extracted(data, genes="SYM5").files["occlusion"],
        extracted(data, seed=1).files["occlusion"],
    ]
    assert plain.read_bytes() == before
    assert len({plain, *others}) == 6
    assert all(path.is_file() for path in others)
    assert others[0].name == "linear-regression.occlusion.reference-mean.nc"
    assert '"reference": "mean"' in load_attribution(others[0]).attrs["parameters"]
    names = exported(data, results="results/K562/extract")
    assert sorted(names) == sorted(f"{path.stem}.csv.gz" for path in (plain, *others))


def test_extract_and_compare_do_not_mix_in_one_folder(data, blank_figures):
    compare("K562", data=data, models=["linear-regression"], methods=["occlusion"], n_bootstrap=10)
    before = exported(data)
    assert before == ["linear-regression.occlusion.csv.gz"]
    extracted(data, settings={"reference": "mean"})
    assert exported(data) == before
    with pytest.raises(ChromvizError, match="holds the results of 'compare E123'"):
        extracted(data, out="results/K562")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"windw": 2}, "unknown setting 'windw'; did you mean window"),
        ({"window": "two"}, "the setting window cannot be 'two'; its default is 5"),
        ({"reference": 3}, "the setting reference cannot be 3"),
    ],
)
def test_a_wrong_setting_is_refused_before_training(data, settings, words, monkeypatch):
    def trained(*_, **__):
        raise AssertionError("trained")

    monkeypatch.setattr("chromviz.models.choice.trained", trained)
    with pytest.raises(ChromvizError, match=words):
        extracted(data, settings=settings)
