import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromviz.data.pool import leave_one_out, pool
from chromviz.data.store import open_cell
from chromviz.errors import ChromvizError
from chromviz.models.training import train
from chromviz.schema import check_dataset, dataset_hash
from chromviz.vocabulary import Window
from tests.conftest import make_dataset


def cells(n=3, n_genes=60):
    names = ("E003", "E116", "E123")[:n]
    return [make_dataset(n_genes, seed=row, cell=name) for row, name in enumerate(names)]


def test_a_pool_holds_every_gene_of_every_cell():
    parts = cells()
    found = pool(parts)
    check_dataset(found)
    assert found.attrs["cell"] == "E003+E116+E123"
    assert found.sizes["gene"] == 180
    for row, part in enumerate(parts):
        own = found.isel(gene=slice(60 * row, 60 * row + 60))
        for name in ("signal", "expression", "label", "split", "reason"):
            np.testing.assert_array_equal(own[name].values, part[name].values)
        np.testing.assert_array_equal(own["coverage"].values, part["coverage"].values)
        assert own["gene"].values[0] == f"{part.attrs['cell']}:G000"
    assert dataset_hash(found) == dataset_hash(pool(parts)) != dataset_hash(pool(parts[:2]))


def test_a_pool_of_simulated_cells_says_so_and_keeps_the_truth():
    found = pool([open_cell(None, "K562"), open_cell(None, "GM12878")])
    assert found.attrs["simulated"] == 1
    assert found["truth"].shape == found["signal"].shape


def test_only_shared_tracks_stay_and_zero_filling_is_said():
    one, other = cells(2)
    found = pool([one.assign_attrs(missing="zero"), make_dataset(cell="E116", coverage=False)])
    assert found.sizes["track"] == 0
    assert found.attrs["missing"] == "zero"
    assert pool([one, other]).attrs["missing"] == "nan"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.isel(mark=[1, 0, 2, 3, 4]), "their marks differ"),
        (lambda d: make_dataset(cell="E116", window=Window(1000, 100)), "their bins differ"),
        (lambda d: d.assign_attrs(signal_unit="reads"), "signal_unit is counts in one and reads"),
        (lambda d: d.assign_attrs(assembly="hg38"), "assembly is  in one and hg38"),
        (lambda d: d.assign_attrs(orientation="strand"), "orientation is genome in one"),
        (lambda d: d.assign_attrs(cell="E003"), "is there twice"),
    ],
)
def test_cells_that_do_not_go_together_are_refused(change, message):
    one, other = cells(2)
    with pytest.raises(ChromvizError, match=message) as error:
        pool([one, change(other)])
    assert "\n" not in str(error.value)


def test_too_few_cells_and_unknown_ones_are_refused():
    with pytest.raises(ChromvizError, match="only E003 to pool"):
        pool(cells(1))
    with pytest.raises(ChromvizError, match="K562 cannot be left out: it is not among"):
        leave_one_out(cells(), "K562")


@given(st.integers(0, 10_000), st.sampled_from(["E003", "E116", "E123"]))
def test_no_tested_gene_and_no_held_out_cell_is_trained_on(seed, held_out):
    parts = cells()
    rng = np.random.default_rng(seed)
    for part in parts:  # each cell with splits of its own, as real ones have
        used = part["reason"].values == ""
        drawn = rng.choice(["train", "valid", "test"], used.sum())
        part["split"].values[used] = drawn
    found = leave_one_out(parts, held_out)
    check_dataset(found)
    owner, gene = zip(*(str(name).split(":") for name in found["gene"].values), strict=True)
    owner, gene, split = np.array(owner), np.array(gene), found["split"].values
    tested = set(gene[split == "test"])
    assert set(owner[split == "test"]) == {held_out}
    learnt = np.isin(split, ("train", "valid"))
    assert held_out not in set(owner[learnt])
    assert not tested & set(gene[learnt])
    own = next(part for part in parts if part.attrs["cell"] == held_out)
    assert tested == set(own["gene"].values[own["split"].values == "test"])
    before = sum(
        int((np.isin(part["split"].values, ("train", "valid"))).sum())
        for part in parts
        if part is not own
    )
    assert before - int(learnt.sum()) == found.attrs["left_out_genes"]


def test_a_pool_trains():
    model = train("logistic-regression", leave_one_out(cells(3, 120), "E116"))
    assert model.card.cell == "E116 from E003+E123"
    assert model.card.metrics["test_auc"] > 0.9
