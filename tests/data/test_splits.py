import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chromviz.data.splits import three_folds


def sizes(split):
    return [int((split == name).sum()) for name in ("train", "valid", "test", "none")]


def test_the_papers_numbers():
    assert sizes(three_folds(np.ones(19_802, bool), 0)) == [6601, 6601, 6600, 0]


def test_extra_genes_go_to_train_then_valid():
    assert sizes(three_folds(np.ones(4, bool), 0)) == [2, 1, 1, 0]
    assert sizes(three_folds(np.ones(5, bool), 0)) == [2, 2, 1, 0]


def test_seed_decides():
    used = np.ones(300, bool)
    assert (three_folds(used, 1) == three_folds(used, 1)).all()
    assert (three_folds(used, 1) != three_folds(used, 2)).any()


@given(st.lists(st.booleans()), st.integers(0, 2**32))
def test_every_used_gene_is_in_one_fold(used, seed):
    split = three_folds(np.array(used, bool), seed)
    assert split.dtype == object
    assert ((split == "none") == ~np.array(used, bool)).all()
    train, valid, test, _ = sizes(split)
    assert train >= valid >= test >= train - 1
