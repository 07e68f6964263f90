"""Arrays inside the page: what comes out is what went in, to within what the page says."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chromviz.errors import ChromvizError
from chromviz.reporting.packing import (
    LEVELS,
    Layer,
    _pack,
    describe_precision,
    pack,
    share_absolute,
)
from tests.reporting.unpacking import unpack

VALUES = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=3, max_dims=3, max_side=6),
    elements=st.one_of(
        st.just(np.nan), st.floats(-(2.0**60), 2.0**60, width=32), st.sampled_from([0.0, 1.0])
    ),
)


def layer(values, **of):
    values = np.asarray(values, dtype=np.float32)
    return Layer("weight", "w", values, [f"m{at}" for at in range(values.shape[1])], **of)


@given(values=VALUES, levels=st.sampled_from(LEVELS))
@example(values=np.array([[[0, 1e-45]]], np.float32), levels=65_534)
def test_unpacked_values_are_within_half_a_step_and_missing_stays_missing(values, levels):
    found = unpack(_pack(values, levels), values.shape)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    if not levels:
        np.testing.assert_array_equal(found, values)
        return
    # Steps are float32 too, which has none below this.
    least = levels * float(np.finfo(np.float32).smallest_subnormal)
    for before, after in zip(values, found, strict=True):
        known = before[np.isfinite(before)].astype(np.float64)
        if known.size:
            within = np.ptp(known) / levels / 2 + 1e-6 * np.abs(known).max() + least
            assert np.nanmax(np.abs(after - before.astype(np.float64))) <= within


def test_all_is_exact_where_there_is_room_and_coarser_where_there_is_less():
    rng = np.random.default_rng(0)
    one = layer(rng.random((50, 5, 100)))
    sizes = []
    for room in (200_000, 60_000, 30_000):
        (packed,) = pack([one], room)
        assert len(packed.text) <= room
        sizes.append(packed.levels)
    assert sizes[0] == 0
    assert 0 < sizes[2] < sizes[1]
    with pytest.raises(ChromvizError, match=r"do not fit on one page.*--methods"):
        pack([one], 1_000)


def test_a_page_is_no_larger_for_the_seventh_digit(monkeypatch):
    monkeypatch.setattr("chromviz.reporting.packing.EXACT", 100_000)
    (packed,) = pack([layer(np.random.default_rng(0).random((50, 5, 100)))], 10**9)
    assert packed.levels == 65_534


def test_sizes_of_signed_weights_are_stored_once():
    signed = np.random.default_rng(0).normal(size=(6, 5, 10)).astype(np.float32)
    signed[2] = np.nan
    other = np.abs(signed)
    other[0, 0, 0] += 1
    found = share_absolute(
        [
            layer(signed, model="a", signed=True),
            layer(np.abs(signed), model="a"),
            layer(np.abs(signed), model="b"),
            layer(other, model="a"),
        ]
    )
    assert [one.absolute_of for one in found] == [-1, 0, -1, -1]
    assert [one is None for one in pack(found, 10**6)] == [False, True, False, False]


def test_precision_in_words():
    assert "exactly" in describe_precision(0)
    assert "within 0.5 % of each gene's range (100 steps)" in describe_precision(100)
