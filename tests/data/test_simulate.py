"""The embedded dataset: what it promises about itself, and that its truth is true."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from chromviz import schema
from chromviz.data import simulate as module
from chromviz.data.calibration import CELLS, NAMED_GENES, SIGNS
from chromviz.data.simulate import simulate
from chromviz.errors import ChromvizError
from chromviz.vocabulary import MARKS, PAPER_CELLS


@cache
def embedded(cell: str, n_genes: int = 6000) -> xr.Dataset:
    return simulate(cell, n_genes=n_genes)


def oriented(dataset: xr.Dataset, values: np.ndarray) -> np.ndarray:
    reverse = (dataset["strand"].values == "-")[:, None]
    return np.where(reverse, values[:, ::-1], values)


def has_decoy(dataset: xr.Dataset, mark: str) -> np.ndarray:
    return (dataset["decoy"].values[:, MARKS.index(mark)] != 0).any(axis=1)


def test_same_seed_gives_same_data_and_another_seed_other_data() -> None:
    first, again = simulate("E116", n_genes=300, seed=3), simulate("K562", n_genes=300, seed=3)
    assert again.attrs["cell"] == "E123"
    xr.testing.assert_identical(
        first.drop_attrs(), simulate("E116", n_genes=300, seed=3).drop_attrs()
    )
    other = simulate("E116", n_genes=300, seed=4)
    assert not np.array_equal(first["signal"].values, other["signal"].values, equal_nan=True)
    assert not np.array_equal(first["signal"].values, again["signal"].values, equal_nan=True)


@pytest.mark.parametrize("name", ["gene", "symbol", "chrom", "tss", "strand", "split", "reason"])
def test_cells_share_genes_and_folds(name: str) -> None:
    first, *others = (embedded(cell, 300)[name].values for cell in PAPER_CELLS)
    for other in others:
        assert np.array_equal(first, other)


def test_says_that_it_is_simulated() -> None:
    dataset = embedded("E003")
    assert dataset.attrs["simulated"] == 1
    assert "simulated" in dataset.attrs["signal_unit"]
    assert dataset.attrs["orientation"] == "genome"
    schema.check_dataset(dataset)


def test_refuses_other_cells_and_sizes() -> None:
    with pytest.raises(ChromvizError, match="HepG2"):
        simulate("HepG2")
    with pytest.raises(ChromvizError, match="5 genes"):
        simulate("E003", n_genes=5)


def test_genes_are_distinct_and_windows_apart() -> None:
    dataset = embedded("E003")
    for chrom in np.unique(dataset["chrom"].values):
        tss = dataset["tss"].values[dataset["chrom"].values == chrom]
        assert (np.diff(tss) >= 10_000).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("cell", PAPER_CELLS)
def test_named_genes_have_their_real_state(cell: str, seed: int) -> None:
    dataset = simulate(cell, n_genes=600, seed=seed)
    for symbol, gene, _, tss, strand, states in NAMED_GENES:
        row = schema.find_gene(dataset, symbol)
        assert dataset["gene"].values[row] == gene
        assert dataset["tss"].values[row] == tss
        assert dataset["strand"].values[row] == strand
        assert dataset["label"].values[row] == states[PAPER_CELLS.index(cell)], symbol


def test_pax5_is_off_on_off() -> None:
    labels = []
    for cell in PAPER_CELLS:
        dataset = embedded(cell)
        labels.append(int(dataset["label"].values[schema.find_gene(dataset, "PAX5")]))
    assert labels == [0, 1, 0]


def test_genes_with_gaps_are_flagged_and_kept() -> None:
    dataset = embedded("E003")
    gaps = np.isnan(dataset["signal"].values).any(axis=(1, 2))
    assert dataset.sizes["gene"] == 6000
    assert 0.005 < gaps.mean() < 0.015
    assert np.array_equal(gaps, dataset["reason"].values != "")
    assert (dataset["split"].values[gaps] == "none").all()
    sizes = [(dataset["split"].values == fold).sum() for fold in ("train", "valid", "test")]
    assert max(sizes) - min(sizes) <= 1
    missing = np.isnan(dataset["coverage"].values[0])
    assert 0.01 < missing.all(axis=1).mean() < 0.03


@pytest.mark.parametrize("cell", PAPER_CELLS)
def test_half_the_genes_are_on_at_the_real_median(cell: str) -> None:
    dataset = embedded(cell)
    assert dataset["label"].values.mean() == 0.5
    assert dataset.attrs["label_threshold"] == pytest.approx(CELLS[cell].median_rpkm, rel=0.01)


@pytest.mark.parametrize("mark", MARKS)
def test_truth_has_the_sign_of_the_mark(mark: str) -> None:
    values = np.unique(embedded("E116")["truth"].values[:, MARKS.index(mark)])
    assert set(values) == {0, SIGNS[mark]}


@pytest.mark.parametrize("cell", PAPER_CELLS)
@pytest.mark.parametrize("mark", MARKS)
def test_decoys_do_not_know_the_label(cell: str, mark: str) -> None:
    dataset = embedded(cell)
    present = has_decoy(dataset, mark)
    assert 0.01 < present.mean() < 0.7
    # sd of a correlation that is zero: 1 / sqrt(6000) = 0.013; fifteen are tested.
    assert abs(np.corrcoef(present, dataset["label"].values)[0, 1]) < 4 / np.sqrt(len(present))


def test_expression_is_the_same_without_decoys(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = simulate("E116", n_genes=400)
    monkeypatch.setattr(module, "neighbour_parts", lambda *_: [])
    monkeypatch.setattr(module, "spurious_parts", lambda *_: [])
    bare = simulate("E116", n_genes=400)
    assert not bare["decoy"].values.any()
    assert whole["decoy"].values.any()
    assert np.array_equal(whole["expression"].values, bare["expression"].values)
    assert np.array_equal(whole["truth"].values, bare["truth"].values)


def test_expression_changes_without_an_own_component(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = simulate("E116", n_genes=400)
    own_parts = module.own_parts

    def without_promoter(*given: object) -> list[module.Part]:
        return [part for part in own_parts(*given) if part.mark != "H3K4me3"]  # type: ignore[arg-type]

    monkeypatch.setattr(module, "own_parts", without_promoter)
    bare = simulate("E116", n_genes=400)
    had = (whole["truth"].values[:, MARKS.index("H3K4me3")] != 0).any(axis=1)
    change = np.log(bare["expression"].values / whole["expression"].values)
    assert change[had].max() < change[~had].min()


@pytest.mark.parametrize("cell", PAPER_CELLS)
def test_truth_explains_expression_and_decoys_do_not(cell: str) -> None:
    dataset = embedded(cell)
    log = np.log(dataset["expression"].values)

    def explained(columns: np.ndarray) -> float:
        design = np.column_stack([columns, np.ones(len(log))]).astype(float)
        residual = log - design @ np.linalg.lstsq(design, log, rcond=None)[0]
        return float(1 - residual.var() / log.var())

    truth = (dataset["truth"].values != 0).any(axis=2)
    decoy = np.column_stack([has_decoy(dataset, mark) for mark in MARKS])
    assert explained(truth) > 0.25
    assert explained(decoy) < 0.005


def test_truth_and_decoys_lie_where_signal_is() -> None:
    dataset = embedded("E116")
    column = MARKS.index("H3K4me3")
    signal = dataset["signal"].values[:, column]
    truth, decoy = (dataset[name].values[:, column] != 0 for name in ("truth", "decoy"))
    empty = np.nanmedian(signal[~truth & ~decoy])
    assert np.nanmedian(signal[truth]) > 5 * empty
    assert np.nanmedian(signal[decoy & ~truth]) > 5 * empty


def test_gene_body_lies_downstream_along_the_strand() -> None:
    dataset = embedded("E116")
    body = dataset["truth"].values[:, MARKS.index("H3K36me3")]
    has, strand = body.any(axis=1), dataset["strand"].values
    assert (body[has & (strand == "+"), -1] == 1).mean() > 0.95
    assert (body[has & (strand == "-"), 0] == 1).mean() > 0.95
    assert body[has & (strand == "+"), :50].sum() == 0
    assert body[has & (strand == "-"), 50:].sum() == 0
    signal = oriented(dataset, dataset["signal"].values[:, MARKS.index("H3K36me3")])
    assert np.nanmean(signal[has, 80:]) > 1.5 * np.nanmean(signal[has, :20])


def test_noise_is_not_white() -> None:
    # Genes with neither an own nor a decoy domain; all real E116 genes: 0.70 for bins 1 apart.
    dataset = embedded("E116")
    column = MARKS.index("H3K9me3")
    quiet = ~dataset["truth"].values[:, column].any(axis=1) & ~has_decoy(dataset, "H3K9me3")
    signal = np.arcsinh(dataset["signal"].values[quiet & schema.usable(dataset), column])
    near = np.corrcoef(signal[:, 10], signal[:, 11])[0, 1]
    far = np.corrcoef(signal[:, 10], signal[:, 90])[0, 1]
    assert 0.5 < near < 0.85
    assert abs(far) < 0.2


def test_difficulty_is_that_of_the_real_cells() -> None:
    scores = {}
    for cell in PAPER_CELLS:
        dataset = embedded(cell)
        used = schema.usable(dataset)
        values = np.arcsinh(dataset["signal"].values[used]).reshape(used.sum(), 5, 20, 5)
        features = StandardScaler().fit_transform(values.mean(axis=3).reshape(used.sum(), -1))
        label, split = dataset["label"].values[used], dataset["split"].values[used]
        model = LogisticRegression(C=0.01, max_iter=300)
        model.fit(features[split == "train"], label[split == "train"])
        scores[cell] = roc_auc_score(
            label[split == "test"], model.decision_function(features[split == "test"])
        )
    assert all(0.78 <= score <= 0.93 for score in scores.values()), scores
    assert scores["E003"] < scores["E116"] < scores["E123"]


@pytest.mark.parametrize("cell", PAPER_CELLS)
def test_raw_signal_agrees_with_coverage_but_is_not_it(cell: str) -> None:
    dataset = embedded(cell)
    on = dataset["label"].values == 1
    depth = dataset["coverage"].values[0]
    covered = (~np.isnan(depth)).mean(axis=1) >= 0.9
    signal = dataset["signal"].values[on & (dataset["split"].values == "test")]
    raw = signal[:, MARKS.index("H3K4me3")].mean(axis=0)
    agreement = np.corrcoef(raw, depth[on & covered].mean(axis=0))[0, 1]
    assert 0.9 <= agreement < 0.99
