import numpy as np
import pytest
import torch

from chromviz.models.classical.base import LabelledGenes
from chromviz.models.classical.features import BestBins, BinValues, MarkAverages

# Two marks, three bins, four genes; the label follows mark 1's last bin, and mark 0's first.
SIGNAL = np.sinh(
    np.array(
        [
            [[4, 0, 2], [1, 1, 0]],
            [[3, 0, 2], [1, 2, 0]],
            [[1, 0, 1], [1, 1, 3]],
            [[0, 0, 3], [1, 2, 5]],
        ],
        dtype=np.float32,
    )
)
GENES = LabelledGenes(SIGNAL, np.array([0, 0, 1, 1], dtype=np.float32))


def test_mark_averages_by_hand():
    features = MarkAverages(2, 3)
    found = features.fit(GENES)
    means = np.array([[2, 2 / 3], [5 / 3, 1], [2 / 3, 5 / 3], [1, 8 / 3]])
    expected = (means - means.mean(0)) / means.std(0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    weight = features.spread_out(np.array([3.0, 6.0]))
    np.testing.assert_allclose(weight, [[1, 1, 1], [2, 2, 2]])


def test_bins_keep_their_places():
    features = BinValues(2, 3)
    found = features.fit(GENES)
    assert found.shape == (4, 6)
    np.testing.assert_allclose(found[:, 1], 0)  # a bin that never varies carries nothing
    np.testing.assert_allclose(found[:, 5], (np.array([0, 0, 3, 5]) - 2) / np.std([0, 0, 3, 5]))
    assert features.spread_out(np.arange(6.0)).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_best_bins_correlate_best_with_the_label():
    features = BestBins(2, 3)
    features.fit(GENES)
    by_hand = [
        [0 if np.ptp(x) == 0 else abs(np.corrcoef(x, GENES.label)[0, 1]) for x in mark]
        for mark in np.arcsinh(SIGNAL.astype(float)).transpose(1, 2, 0)
    ]
    assert features.best.tolist() == np.argmax(by_hand, axis=1).tolist() == [0, 2]
    assert features.spread_out(np.array([1.0, 2.0])).tolist() == [[1, 0, 0], [0, 0, 2]]


@pytest.mark.parametrize("kind", [MarkAverages, BinValues, BestBins])
def test_features_do_not_depend_on_the_other_genes(kind):
    features = kind(2, 3)
    whole = features.fit(GENES)
    np.testing.assert_array_equal(features.of(SIGNAL[2:3]), whole[2:3])
    np.testing.assert_array_equal(features(torch.from_numpy(SIGNAL[::-1].copy())), whole[::-1])
