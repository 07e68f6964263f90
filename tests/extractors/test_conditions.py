"""Which genes the tests that run models use."""

import numpy as np
import xarray as xr

from chromviz.extractors.conditions import FEW, Conditions, draw_some


def genome(n=400):
    """Ids and chromosomes of genes that are listed by position, as in a dataset."""
    chrom = np.sort(np.arange(n) % 22)
    return np.array([f"ENSG{place:011d}" for place in range(n)]), chrom


def test_genes_are_drawn_from_all_chromosomes():
    ids, chrom = genome()
    rows = np.arange(0, 400, 2)
    drawn = draw_some(ids, rows, 50, seed=0)
    assert len(set(drawn)) == len(drawn) == 50
    assert set(drawn) <= set(rows)
    # The first 50 are on 6 chromosomes of 22.
    assert len(set(chrom[drawn])) >= 16
    halves = np.searchsorted(drawn, [200, 400])
    assert 15 <= halves[0] <= 35


def test_the_seed_decides_and_the_order_of_genes_does_not():
    ids, _ = genome()
    rows = np.arange(400)
    first = draw_some(ids, rows, 50, seed=0)
    np.testing.assert_array_equal(first, draw_some(ids, rows, 50, seed=0))
    assert set(first) != set(draw_some(ids, rows, 50, seed=1))
    order = np.random.default_rng(0).permutation(400)
    other = draw_some(ids[order], rows, 50, seed=0)
    assert set(ids[order][other]) == set(ids[first])
    assert set(draw_some(ids, order, 50, seed=0)) == set(first)


def test_few_genes_are_all_taken():
    ids, _ = genome(30)
    np.testing.assert_array_equal(draw_some(ids, np.arange(30), FEW, 3), range(30))


def test_conditions_draw_from_their_genes():
    ids, _ = genome()
    dataset = xr.Dataset(coords={"gene": ("gene", ids)})
    genes = np.arange(1, 400, 2)
    found = Conditions(dataset, genes, seed=4).few
    assert len(found) == FEW
    assert set(found) <= set(genes)
    np.testing.assert_array_equal(found, draw_some(ids, genes, FEW, 4))
