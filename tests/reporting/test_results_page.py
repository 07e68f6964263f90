import json
import re
import shutil

import numpy as np
import pytest

from chromviz import schema
from chromviz.errors import ChromvizError
from chromviz.recipes.compare import compare
from chromviz.reporting.packing import Packed
from chromviz.reporting.results_page import report
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset
from tests.reporting.unpacking import unpack

MODELS = ["lstm-alpha-beta", "logistic-regression"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A comparison that is done, where its gene is no test gene."""
    folder, cache = tmp_path_factory.mktemp("report"), tmp_path_factory.mktemp("cache")
    dataset = make_dataset(60, window=Window(1000, 100))
    schema.save_dataset(dataset, folder / "data" / "E123.nc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chromviz.catalog.ModelSpec.settings", lambda spec: Settings(max_epochs=2))
        patch.setenv("CHROMVIZ_CACHE", str(cache))
        compare(
            *("K562", ),
            data=folder / "data", out=folder / "out", models=MODELS, gene="SYM7", n_bootstrap=20,
        )  # fmt: skip
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def content(path):
    """The page's data, and its arrays by place."""
    text = path.read_text("utf-8")
    held = dict(re.findall(r'<script type="[^"]+" id="([^"]+)">(.*?)</script>', text, re.DOTALL))
    record = json.loads(held["data"])
    arrays = {
        at: unpack(Packed(one["levels"], one["rising"], held[f"layer-{at}"]), tuple(one["shape"]))
        for at, one in enumerate(record["layers"])
        if f"layer-{at}" in held
    }
    return record, arrays, text


def test_the_page_holds_the_numbers_of_the_attributions(finished):
    record, arrays, _ = content(finished / "out" / "report.html")
    assert [one["name"] for one in record["models"]] == MODELS
    dataset = schema.load_dataset(finished / "data" / "E123.nc")
    genes = list(record["genes"]["id"])
    # All test genes, and the gene that was asked for, which is none of them.
    test = dataset["gene"].values[dataset["split"].values == "test"]
    assert genes == sorted([*test, "G007"])
    for at, layer in enumerate(record["layers"][2:], 2):
        if layer["absoluteOf"] >= 0:
            continue
        stem = f"{layer['model']}.{layer['method']}.nc"
        for where in ("attributions", "gene"):
            one = schema.load_attribution(finished / "out" / where / stem)
            rows = [genes.index(gene) for gene in one["gene"].values]
            values = arrays[at][rows].reshape(one["weight"].shape)
            np.testing.assert_array_equal(values, one["weight"].values)
    methods = {layer["method"] for layer in record["layers"]}
    assert {"alpha", "beta", "saliency"} <= methods
    assert not methods & {"raw_signal", "random", "uniform", "class_optimization"}
    trained_on = [one["code"] for one in record["warnings"]].index("trained_on")
    bits = record["models"][0]["bits"]
    assert [gene for gene, value in zip(genes, bits, strict=True) if value & 1 << trained_on] == [
        "G007"
    ]


def test_report_writes_the_same_page_again(folder):
    page = folder / "out" / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert report(folder / "out", data=folder / "data") == page
    assert page.read_bytes() == before
    other = report(folder / "out", data=folder / "data", out=folder / "sent" / "k562.html")
    assert other.read_bytes() == before


def test_the_page_has_tables_figures_settings_and_provenance(finished):
    _, _, text = content(finished / "out" / "report.html")
    assert text.count('<img src="data:image/png;base64,') == len(
        list((finished / "out").glob("*.png"))
    )
    for words in ("Table 3", "Figure 2a", "Figure 2c", "raw signal", "logistic regression"):
        assert words in text
    manifest = json.loads((finished / "out" / "manifest.json").read_text())
    assert manifest["dataset"]["sha256"] in text
    assert manifest["steps"]["table3"]["files"]["table3.csv"] in text
    assert "://" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def breakage(what):
    """Return what spoils a finished folder, and what must be said."""

    def manifest(change):
        def spoil(folder):
            path = folder / "out" / "manifest.json"
            record = json.loads(path.read_text())
            change(record)
            path.write_text(json.dumps(record))

        return spoil

    def other_data(folder):
        changed = make_dataset(60, seed=9, window=Window(1000, 100))
        schema.save_dataset(changed, folder / "data" / "E123.nc")

    return {
        "no folder": (lambda f: shutil.rmtree(f / "out"), r"no result folder .*run 'chromviz"),
        "no manifest": (lambda f: (f / "out" / "manifest.json").unlink(), "has no manifest.json"),
        "not JSON": (
            lambda f: (f / "out" / "manifest.json").write_text("{"), "is not a manifest",
        ),
        "no table": (lambda f: (f / "out" / "table3.csv").unlink(), "incomplete: .*table3.csv"),
        "no figure": (lambda f: (f / "out" / "gain.png").unlink(), "incomplete: .*gain.png"),
        "no attribution": (
            lambda f: (f / "out" / "attributions" / "lstm-alpha-beta.alpha.nc").unlink(),
            "incomplete: it has no attributions/lstm-alpha-beta.alpha.nc",
        ),
        "changed": (
            lambda f: (f / "out" / "agreement.csv").write_text("cell\n"), "not as it was written",
        ),
        "version": (
            manifest(lambda one: one.update(chromviz_version="0.0.9")), r"chromviz 0\.0\.9, and",
        ),
        "suite": (manifest(lambda one: one.update(subject="suite")), "or audit' are needed"),
        "data": (other_data, "was made from another dataset of K562"),
    }[what]  # fmt: skip


@pytest.mark.parametrize(
    "what",
    [
        *("no folder", "no manifest", "not JSON", "no table", "no figure", "no attribution"),
        *("changed", "version", "suite", "data"),
    ],
)
def test_a_spoilt_folder_is_one_clear_error_and_no_page(folder, what):
    spoil, message = breakage(what)
    page = folder / "out" / "report.html"
    page.unlink()
    spoil(folder)
    with pytest.raises(ChromvizError, match=message):
        report(folder / "out", data=folder / "data")
    assert not page.exists()
