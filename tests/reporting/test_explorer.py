import json

import numpy as np
import pytest

from chromviz.reporting.explorer import CellPart, explore
from chromviz.reporting.packing import Packed
from chromviz.schema import Origin, build_attribution
from chromviz.validation.caution import WARNINGS
from tests.conftest import make_dataset
from tests.reporting.unpacking import unpack


def weights(dataset, rows, *, method="saliency", model="net", dims=("gene", "mark", "bin"), seed=0):
    rng = np.random.default_rng(seed)
    sizes = {**dataset.sizes, "gene": len(rows)}
    return build_attribution(
        rng.normal(size=[sizes[dim] for dim in dims]),
        dims,
        dataset,
        Origin(method=method, parameters={}, signed=True, model=model, model_hash="abc"),
        genes=np.asarray(rows),
        probability=rng.random(len(rows)),
    )


def unpacked(explorer, at):
    record = explorer.record["layers"][at]
    packed = Packed(record["levels"], record["rising"], explorer.texts[at])
    return unpack(packed, tuple(record["shape"]))


def test_genes_of_several_files_stand_once_in_the_datasets_order():
    dataset = make_dataset(20)
    first, second = weights(dataset, [10, 5, 8]), weights(dataset, [7], seed=1)
    found = explore([CellPart(dataset, [first, second])], 10**6)
    assert found.record["genes"]["id"] == ["G005", "G007", "G008", "G010"]
    shown = unpacked(found, 2)
    np.testing.assert_array_equal(shown[[3, 0, 2]], first["weight"].values)
    np.testing.assert_array_equal(shown[1], second["weight"].values[0])
    np.testing.assert_array_equal(unpacked(found, 0), dataset["signal"].values[[5, 7, 8, 10]])
    coverage = dataset["coverage"].values[:, [5, 7, 8, 10]].swapaxes(0, 1)
    np.testing.assert_array_equal(unpacked(found, 1), coverage)


def test_what_one_method_does_not_explain_is_missing_there_not_zero():
    dataset = make_dataset(20)
    parts = [weights(dataset, [5, 8]), weights(dataset, [8], method="alpha")]
    found = explore([CellPart(dataset, parts, genes=[3])], 10**6)
    assert found.record["genes"]["id"] == ["G003", "G005", "G008"]
    assert found.record["genes"]["reason"][0].startswith("no complete signal")
    assert np.isnan(unpacked(found, 3)[:2]).all()
    assert np.isfinite(unpacked(found, 3)[2]).all()
    assert found.record["models"][0]["probability"][0] is None


def test_weights_without_marks_or_without_bins_keep_their_shape():
    dataset = make_dataset(20)
    over_bins = weights(dataset, [5, 8], method="alpha", dims=("gene", "bin"))
    over_marks = weights(dataset, [5, 8], method="beta", dims=("gene", "mark"))
    layers = explore([CellPart(dataset, [over_bins, over_marks])], 10**6).record["layers"]
    assert [one["shape"] for one in layers[2:]] == [[2, 1, 10], [2, 5, 1]]
    assert [one["kind"] for one in layers[2:]] == ["weight", "marks"]
    assert layers[2]["names"] == [""]


def test_warnings_are_bits_and_two_cells_keep_their_own():
    one, two = make_dataset(20, cell="E003"), make_dataset(20, seed=1, cell="E123")
    parts = [
        CellPart(one, [weights(one, [5, 8])], trained_here={"net": False}),
        CellPart(two, [weights(two, [6], seed=2)]),
    ]
    record = explore(parts, 10**6).record
    assert record["cells"] == ["H1-hESC (E003)", "K562 (E123)"]
    assert record["genes"]["cell"] == [0, 0, 1]
    trained_on = list(WARNINGS).index("trained_on")
    bits = record["models"][0]["bits"]
    assert [bool(value & 1 << trained_on) for value in bits] == [False, False, True]


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", '"&', "<!--", "\u2028"])
def test_no_name_can_end_the_script_that_holds_it(name):
    dataset = make_dataset(20)
    symbols = dataset["symbol"].values.copy()
    symbols[5] = name
    dataset = dataset.assign_coords(symbol=("gene", symbols))
    text = explore([CellPart(dataset, [weights(dataset, [5])])], 10**6).json
    assert "<" not in text
    assert json.loads(text)["genes"]["symbol"] == [name]
