"""Warnings and neighbours, by hand."""

import numpy as np
import pytest

from chromviz.validation.caution import WARNINGS, gene_warnings, neighbours
from chromviz.vocabulary import Window
from tests.conftest import make_dataset


def test_neighbours_are_those_in_the_window_nearest_first():
    dataset = make_dataset(8, window=Window(1000, 100)).copy(deep=True)
    # Genes 0 to 3 on one chromosome, 4 with the same place on another.
    dataset["tss"][:5] = [10_000, 10_999, 9_000, 11_000, 10_001]
    dataset = dataset.assign_coords(chrom=("gene", ["chr1"] * 4 + ["chr2"] * 4))
    near = neighbours(dataset, np.array([0, 4]))
    # The window is [9000, 11000): its first base is in, the base behind its last is not.
    assert [(one.gene, one.offset) for one in near[0]] == [("G001", 999), ("G002", -1000)]
    assert near[1] == []


def test_neighbours_run_along_the_gene_where_bins_do():
    dataset = make_dataset(8, window=Window(1000, 100)).copy(deep=True)
    dataset["tss"][:2] = [10_000, 10_300]
    dataset = dataset.assign_coords(strand=("gene", ["-"] + ["+"] * 7))
    for orientation, offset in (("genome", 300), ("strand", -300)):
        turned = dataset.assign_attrs(orientation=orientation)
        assert [one.offset for one in neighbours(turned, np.array([0]))[0]] == [offset]


def test_each_warning_holds_where_it_should():
    dataset = make_dataset(12).copy(deep=True).assign_attrs(label_threshold=5.0)
    dataset["expression"][:5] = [4.5, 5.5, 5.51, np.nan, 0.0]
    dataset["label"][5] = -1
    p = np.array([0.9, 0.61, 0.4, np.nan, 0.39, 0.5, 0.1, 0.9, 0.5, 0.6, 0.2, 0.8])
    found = gene_warnings(dataset, np.arange(12), probability=p)
    assert list(found) == list(WARNINGS)

    def those(name):
        return np.flatnonzero(found[name]).tolist()

    # Labels are 0, 1, 0, 1 …; a probability of just 0.5 is a prediction of OFF.
    assert those("misclassified") == [0]
    assert those("near_half") == [2, 5, 8, 9]
    assert those("near_threshold") == [0, 1]
    assert those("missing_bins") == [3, 4, 7]
    assert those("unlabelled") == [5]
    assert those("neighbour") == []
    assert those("incomplete") == []
    assert set(those("trained_on")) == {0, 1, 2, 6, 7, 8, 9}


def test_a_model_from_elsewhere_was_not_trained_on_these():
    dataset = make_dataset(12)
    p = np.full(12, 0.9)
    elsewhere = gene_warnings(dataset, np.arange(12), probability=p, trained_here=False)
    assert not elsewhere["trained_on"].any()
    assert not gene_warnings(dataset, np.arange(12))["trained_on"].any()


@pytest.mark.parametrize("flagged", [None, np.array([True, False, True])])
def test_incomplete_is_what_the_method_says(flagged):
    found = gene_warnings(make_dataset(12), np.arange(3), flagged=flagged)
    assert found["incomplete"].tolist() == ([False] * 3 if flagged is None else flagged.tolist())
