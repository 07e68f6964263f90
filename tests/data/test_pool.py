import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromviz.data.cells import open_cell
from chromviz.data.pool import leave_one_out, pool
from chromviz.errors import ChromvizError
from chromviz.models.training import train_once
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
    found = pool([open_cell("K562"), open_cell("GM12878")])
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
        (lambda d: d.isel(mark=[1, 0, 2, 3, 4]), "they differ in marks"),
        (lambda d: make_dataset(cell="E116", window=Window(1000, 100)), "they differ in bins"),
        (lambda d: d.assign_attrs(signal_unit="fold change"), r"in unit of signal \(counts; fold"),
        (lambda d: d.assign_attrs(orientation="strand"), r"in orientation \(genome; strand\)"),
        (lambda d: d.assign_attrs(cell="E003"), "is named twice"),
    ],
)
def test_cells_that_do_not_go_together_are_refused(change, message):
    one, other = cells(2)
    with pytest.raises(ChromvizError, match=message) as error:
        pool([one, change(other)])
    assert "\n" not in str(error.value)


def test_too_few_cells_and_unknown_ones_are_refused():
    with pytest.raises(ChromvizError, match="at least two cell types, not 1"):
        pool(cells(1))
    with pytest.raises(ChromvizError, match="unknown cell type 'K999'"):
        leave_one_out(cells(), "K999")


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
    assert before - int(learnt.sum()) == found.attrs["removed_genes"]


def test_assemblies_must_agree_where_they_are_known():
    one, other = (
        part.assign_attrs(assembly=name)
        for part, name in zip(cells(2), ("hg19", "hg38"), strict=True)
    )
    with pytest.raises(ChromvizError, match=r"in assembly \(hg19; hg38\)"):
        pool([one, other])
    assert pool([one, other.assign_attrs(assembly="")]).attrs["assembly"] == "hg19"
    assert (
        pool([one, other.assign_attrs(assembly="hg19", signal_unit="reads")]).sizes["gene"] == 120
    )


def test_a_gene_is_known_by_its_id_without_version():
    one, other = (
        part.assign_coords(gene=[f"ENSG{row:011d}.{version}" for row in range(60)])
        for version, part in enumerate(cells(2), 1)
    )
    found = leave_one_out([one, other], "GM12878")
    names = np.array([str(gene).split(":")[1].split(".")[0] for gene in found["gene"].values])
    tested = found["split"].values == "test"
    assert tested.any()
    assert not set(names[tested]) & set(names[~tested])
    strange = other.assign_coords(gene=[f"X{row}" for row in range(60)])
    with pytest.raises(ChromvizError, match="have no gene id in common"):
        leave_one_out([one, strange], "E116")


def test_test_genes_seen_elsewhere_are_counted():
    one, other = cells(2)
    assert pool([one, other]).attrs["test_genes_seen"] == 0
    split = other["split"].values.copy()
    split[np.flatnonzero(split == "test")[:3]] = "train"
    assert pool([one, other.assign(split=("gene", split))]).attrs["test_genes_seen"] == 3


def test_many_cells_have_a_name_that_files_can_bear():
    many = [make_dataset(60, cell=f"E{number:03d}") for number in range(1, 41)]
    assert pool(many).attrs["cell"].startswith("40-cells-")
    assert len(leave_one_out(many, "E007").attrs["cell"]) < 40


def test_a_pool_trains():
    model = train_once("logistic-regression", leave_one_out(cells(3, 120), "E116"))
    assert model.card.cell == "E003+E123-to-E116"
    assert model.card.metrics["test_auc"] > 0.9
