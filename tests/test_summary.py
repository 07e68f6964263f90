"""What datasets, attributions, models and results say of themselves."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chromviz.errors import SchemaError
from chromviz.models.training import train_once
from chromviz.recipes.compare import Comparison
from chromviz.recipes.extract import Explanation
from chromviz.recipes.state_changes import Differential
from chromviz.recipes.suite import Suite
from chromviz.recipes.validate import Validation
from chromviz.schema import Origin, build_attribution, dataset_hash, describe
from tests.conftest import make_dataset


def rows(summary):
    return {name: text for name, text in summary.rows if text}


def attribute(dataset, values=None, **more):
    given = {"method": "integrated_gradients", "parameters": {"steps": 50}, "signed": True, **more}
    genes = np.flatnonzero(dataset["split"].values == "test")
    weight = np.zeros((len(genes), 5, 10))
    dims = ("gene", "mark", "bin")
    return build_attribution(weight, dims, dataset, Origin(**given), genes=genes, **(values or {}))


def test_a_dataset_counts_its_genes_and_says_why_some_are_left_out(dataset):
    found = rows(describe(dataset))
    assert found["genes"] == "60 annotated, 58 used"
    assert found["left out"] == (
        "1 (no complete signal of H3K27me3), 1 (no complete signal of H3K4me1)"
    )
    assert found["labels"] == "30 ON, 30 OFF"
    counts = [int((dataset["split"].values == name).sum()) for name in ("train", "valid", "test")]
    assert found["splits"] == "{} train, {} valid, {} test, 2 none".format(*counts)
    assert found["window"] == "10 bins of 100 bp, from -500 to +500"
    assert dataset_hash(dataset).startswith(found["sha256"])
    assert "simulated" not in found
    assert repr(describe(dataset)).splitlines()[0] == "Dataset of K562 (E123)"
    dataset.attrs["simulated"] = 1
    assert "these data are simulated" in repr(describe(dataset))


def test_an_attribution_says_what_it_is_of(dataset):
    n = int((dataset["split"].values == "test").sum())
    probability = np.linspace(0, 1, n)
    delta, difference = np.r_[2.0, np.full(n - 1, 0.001)], np.ones(n)
    values = {"probability": probability, "delta": delta, "difference": difference}
    one = attribute(dataset, values, model="deepchrome", model_hash="ab" * 32)
    found = rows(describe(one))
    assert found["model"] == "deepchrome (abababababab)"
    assert found["weights"] == f"{n} genes × 5 marks × 10 bins"
    assert found["genes"] == f"{n}, {(probability > 0.5).sum()} of them predicted ON"
    assert found["completeness"] == ("error 0.001 logits (median), 2 (largest); genes over 1 %: 1")
    assert found["settings"] == "steps = 50"
    assert found["signed"] == "yes"
    assert rows(describe(attribute(dataset)))["model"] == "none: a control"
    whole = build_attribution(
        np.zeros((5, 10)), ("mark", "bin"), dataset, Origin(method="m", parameters={}, signed=True)
    )
    assert "genes" not in rows(describe(whole))


def test_names_are_text_in_a_notebook(dataset):
    name = "<script>alert('&')</script>"
    dataset.attrs["assembly"] = name
    dataset.attrs["cell"] = name
    text = describe(dataset)._repr_html_()
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;") == 2
    assert set(re.findall(r"<(/?\w+)", text)) <= {
        *("table", "caption", "tr", "th", "td"), *("/table", "/caption", "/tr", "/th", "/td")
    }  # fmt: skip
    assert name in repr(describe(dataset))


def test_anything_else_is_refused(dataset):
    with pytest.raises(SchemaError, match="'schema is chromviz-dataset or chromviz-attribution'"):
        describe(dataset.drop_attrs())


def test_models_and_results_show_a_few_lines_and_not_all_they_hold():
    dataset = make_dataset(120)
    model = train_once("logistic-regression", dataset, seed=0)
    table = pd.DataFrame({"cell": ["E123"] * 500, "simulated": 1})
    folder = Path("results/K562")
    done = (folder, {"gain": folder / "gain.pdf"}, ["a"], ["b", "c"])
    shown = {
        "logistic-regression trained on K562 (E123)": model,
        "Comparison on K562 (E123)": Comparison(*done, dataset, table, table, [model]),
        "Validation on K562 (E123)": Validation(*done, dataset, table, table),
        "Suite of models": Suite(*done, table, {"2": table}, table),
        "Genes that change state": Differential(*done, table, table),
        "Explanation of K562 (E123)": Explanation(
            *done, dataset, model, {"alpha": folder}, ["<note>"]
        ),
    }
    for title, one in shown.items():
        lines = repr(one).splitlines()
        assert lines[0] == title
        assert 2 < len(lines) < 12
        assert max(map(len, lines)) < 120
        html = one._repr_html_()
        assert "<note>" not in html
        assert len(html) < 2_000
    assert f"{model.card.metrics['test_auc']:.3f}" in repr(model)
    assert str(folder) in repr(shown["Suite of models"])
    assert "simulated" in repr(shown["Suite of models"])
