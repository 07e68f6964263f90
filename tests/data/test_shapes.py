from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chromviz.data.genes.annotation import read_genes
from chromviz.data.shapes import check_shapes, known_shapes, shape
from chromviz.data.signal.tracks import read_bins
from chromviz.vocabulary import MARKS, Window
from tests.conftest import REAL

PILOT = REAL / "roadmap-pilot"
WINDOW = Window()
PAIRS = list(combinations(MARKS, 2))
N = 25  # genes of each kind
LABEL = np.repeat([1, 0], N)
STRAND = np.array(["+", "-"] * N, dtype=object)


def profile_of(wanted):
    """ON and OFF profiles (50 bins of five alike) whose shape is the one wanted.

    The shape is undone step by step. Its level is free; the one at which the mean of all values
    is 1, and so the scale, is found by halving.
    """

    def profiles(level):
        on = wanted[:10] + level
        return [np.repeat(np.sinh(np.exp(log) - 0.05), 10) for log in (on, on - wanted[10:])]

    low, high = -1.0, 3.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if np.mean(profiles(middle)) > 1 else (middle, high)
    return profiles(low)


def genes_of(wanted):
    """25 ON and 25 OFF genes, bins along the chromosome."""
    on, off = profile_of(wanted)
    values = np.concatenate([np.tile(on, (N, 1)), np.tile(off, (N, 1))])
    values[STRAND == "-"] = values[STRAND == "-", ::-1]
    return values


TYPICAL = {mark: genes_of(wanted) for mark, wanted in known_shapes().items()}


def random_genes(seed, n=60):
    rng = np.random.default_rng(seed)
    values = rng.gamma(0.5, 2.0, (n, 100)) * rng.gamma(1, 1, 100)
    strand = rng.choice(np.array(["+", "-"], dtype=object), n)
    return values, np.arange(n) % 2, strand


def warnings_of(values, label=LABEL, strand=STRAND, window=WINDOW):
    found = check_shapes(values, label, strand, window)
    assert all((each.level, each.check) == ("warning", "swapped") for each in found)
    return [each.message for each in found]


def told(messages, one, other):
    return any(
        f"of {one} at ON genes looks like {other}, and that of {other} like {one}" in message
        or f"of {other} at ON genes looks like {one}, and that of {one} like {other}" in message
        for message in messages
    )


def exchanged(values, one, other):
    return {**values, one: values[other], other: values[one]}


def test_known_shapes_are_of_the_core_marks():
    known = known_shapes()
    assert tuple(known) == MARKS
    for numbers in known.values():
        assert numbers.shape == (20,)
        assert abs(numbers[:10].mean()) < 0.01
    # What each is known for: promoter, gene body, and less where genes are ON.
    assert known["H3K4me3"][:10].argmax() in (4, 5)
    assert known["H3K36me3"][:10].argmax() == 9
    assert (known["H3K27me3"][10:] < 0).all()
    assert (known["H3K9me3"][10:] < 0).all()


@pytest.mark.parametrize("mark", MARKS)
def test_shape_is_what_its_docstring_says(mark):
    """Genes made by undoing the definition have the shape that they were made from."""
    wanted = known_shapes()[mark]
    wanted[:10] -= wanted[:10].mean()
    np.testing.assert_allclose(shape(genes_of(wanted), LABEL, STRAND), wanted, atol=1e-9)


@settings(max_examples=30)
@example(0, 36)
@given(st.integers(0, 1000), st.floats(-30, 36))
def test_the_unit_does_not_matter(seed, exponent):
    values, label, strand = random_genes(seed)
    found = shape(values.astype(np.float32) * np.float32(10**exponent), label, strand)
    np.testing.assert_allclose(found, shape(values, label, strand), atol=1e-4)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.lists(st.booleans(), min_size=60, max_size=60))
def test_the_strand_that_a_gene_is_written_on_does_not_matter(seed, turned):
    values, label, strand = random_genes(seed)
    turned = np.array(turned)
    other = np.where(turned, np.where(strand == "+", "-", "+"), strand).astype(object)
    mirrored = np.where(turned[:, None], values[:, ::-1], values)
    np.testing.assert_allclose(
        shape(mirrored, label, other), shape(values, label, strand), atol=1e-12
    )
    # It is strand that turns them: without it, another shape.
    if turned.any():
        assert not np.allclose(shape(mirrored, label, strand), shape(values, label, strand))


def test_genes_with_gaps_or_without_strand_or_label_are_left_out():
    values, label, strand = random_genes(0)
    whole = shape(values, label, strand)
    more = np.concatenate([values, np.full((3, 100), 1e6)])
    more[60, 7] = np.nan
    found = shape(
        more,
        np.concatenate([label, [1, 1, -1]]),
        np.concatenate([strand, np.array(["+", ".", "+"], dtype=object)]),
    )
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("kind", [0, 1])
def test_too_few_genes_to_tell(kind):
    values, _, strand = random_genes(0, 100)
    for few, enough in ((19, False), (20, True)):
        label = np.full(100, 1 - kind)
        label[:few] = kind
        assert (shape(values, label, strand) is not None) == enough
    assert shape(values[:0], label[:0], strand[:0]) is None
    assert shape(np.zeros((100, 100)), np.arange(100) % 2, strand) is None
    assert shape(np.full((100, 100), np.nan), np.arange(100) % 2, strand) is None


def test_negative_values_have_a_shape():
    values, label, strand = random_genes(0)
    assert np.isfinite(shape(values - 2, label, strand)).all()
    assert np.isfinite(shape(-values, label, strand)).all()


def test_typical_marks_are_silent():
    assert warnings_of(TYPICAL) == []
    for mark in MARKS:
        assert warnings_of({mark: TYPICAL[mark]}) == []


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_planted_swap_is_found(one, other):
    messages = warnings_of(exchanged(TYPICAL, one, other))
    assert len(messages) == 1
    assert told(messages, one, other)
    assert "are the two files swapped?" in messages[0]
    assert "Every statement about either mark would be about the other" in messages[0]


def test_two_swaps_at_once():
    values = exchanged(exchanged(TYPICAL, "H3K4me3", "H3K36me3"), "H3K27me3", "H3K4me1")
    messages = warnings_of(values)
    assert len(messages) == 2
    assert told(messages, "H3K4me3", "H3K36me3")
    assert told(messages, "H3K27me3", "H3K4me1")


def test_a_mark_is_told_of_once():
    """Three files in a ring are no three swaps."""
    ring = {"H3K4me3": "H3K36me3", "H3K36me3": "H3K27me3", "H3K27me3": "H3K4me3"}
    messages = warnings_of({**TYPICAL, **{mark: TYPICAL[other] for mark, other in ring.items()}})
    assert len(messages) == 2
    swapped, alone = messages
    assert "are the two files swapped?" in swapped
    assert "is the file correct?" in alone
    (one,) = [mark for mark in ring if f"the profile of {mark} " in alone]
    assert f"looks like {ring[one]}:" in alone
    assert f"of {one} at ON" not in swapped


def test_a_file_of_another_mark():
    (message,) = warnings_of({**TYPICAL, "H3K36me3": TYPICAL["H3K4me3"]})
    assert "the profile of H3K36me3 at ON genes looks like H3K4me3: is the file correct?" in message
    assert "Every statement about H3K36me3 would be about H3K4me3" in message


def test_a_swap_is_seen_whatever_the_units():
    values = exchanged(TYPICAL, "H3K4me3", "H3K36me3")
    values["H3K4me3"] = values["H3K4me3"] * 1e4
    assert told(warnings_of(values), "H3K4me3", "H3K36me3")


def test_other_marks_have_no_known_shape():
    values = {"H3K27ac": TYPICAL["H3K36me3"], "mine": TYPICAL["H3K9me3"]}
    assert warnings_of(values) == []
    assert warnings_of({**TYPICAL, **values}) == []
    assert warnings_of({}) == []


def test_other_bins_of_the_same_window():
    swapped = exchanged(TYPICAL, "H3K4me3", "H3K36me3")
    fine = {mark: np.repeat(values, 2, axis=1) for mark, values in swapped.items()}
    assert told(warnings_of(fine, window=Window(5000, 50)), "H3K4me3", "H3K36me3")
    coarse = {mark: values[:, ::10] for mark, values in swapped.items()}
    assert told(warnings_of(coarse, window=Window(5000, 1000)), "H3K4me3", "H3K36me3")
    # Bins that tenths of the window do not hold whole.
    odd = {mark: values[:, ::20] for mark, values in swapped.items()}
    assert warnings_of(odd, window=Window(5000, 2000)) == []


def test_another_window_is_not_checked():
    swapped = exchanged(TYPICAL, "H3K4me3", "H3K36me3")
    assert warnings_of(swapped, window=Window(10_000, 200)) == []
    assert warnings_of(swapped, window=Window(2500, 50)) == []


def test_too_few_genes_are_not_judged():
    swapped = exchanged(TYPICAL, "H3K4me3", "H3K36me3")
    few = np.where(np.arange(2 * N) < 6, -1, LABEL)
    assert warnings_of(swapped, few) == []


real = pytest.mark.skipif(not PILOT.is_dir(), reason="the real data is not here")


@pytest.fixture(scope="module")
def real_marks():
    """Values by mark, label and strand of the genes that a set of tracks covers."""
    table = read_genes(PILOT / "genes.bed").table
    levels = pd.read_csv(PILOT / "rpkm.tsv.gz", sep="\t", usecols=["gene_id", "E003", "E116"])
    by_gene = levels.drop_duplicates("gene_id").set_index("gene_id")

    def read(cell, name):
        files = {mark: PILOT / name.format(mark=mark) for mark in MARKS}
        covered = ~np.isnan(read_bins(files["H3K4me3"], table, WINDOW)).all(axis=1)
        genes = table[covered]
        level = by_gene[cell].reindex(genes["gene"]).to_numpy()
        label = np.where(np.isnan(level), -1, level > levels[cell].median())
        values = {mark: read_bins(file, genes, WINDOW) for mark, file in files.items()}
        return values, label, genes["strand"].to_numpy(object)

    return {
        "E003": read("E003", "signal/E003-{mark}.pval.signal.bigwig"),
        "E116": read("E116", "signal/E116-{mark}.pval.signal.bigwig"),
        "depth": read("E003", "h1-depth/E003-{mark}.depth.bigwig"),
    }


@real
def test_known_shapes_are_those_of_real_cells(real_marks):
    for mark, known in known_shapes().items():
        found = [
            shape(real_marks[cell][0][mark], *real_marks[cell][1:]) for cell in ("E003", "E116")
        ]
        np.testing.assert_allclose(np.mean(found, axis=0), known, atol=0.006)


@real
@pytest.mark.parametrize("cell", ["E003", "E116", "depth"])
def test_real_marks_are_silent(real_marks, cell):
    assert warnings_of(*real_marks[cell]) == []


@real
@pytest.mark.parametrize("cell", ["E003", "E116"])
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_real_files_swapped(real_marks, cell, one, other):
    values, label, strand = real_marks[cell]
    messages = warnings_of(exchanged(values, one, other), label, strand)
    assert len(messages) == 1
    assert told(messages, one, other)


@real
@pytest.mark.parametrize("cell", ["E003", "E116"])
def test_sixty_real_genes_of_each_kind_suffice(real_marks, cell):
    """But not for the two repressors."""
    values, label, strand = real_marks[cell]
    rng = np.random.default_rng(0)
    whole = ~np.isnan(np.stack([*values.values()])).any(axis=(0, 2)) & (strand != ".")
    for _ in range(5):
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(whole & (label == kind)), 60, False) for kind in (0, 1)]
        )
        few = {mark: found[rows] for mark, found in values.items()}
        assert warnings_of(few, label[rows], strand[rows]) == []
        for one, other in PAIRS:
            if (one, other) != ("H3K27me3", "H3K9me3"):
                messages = warnings_of(exchanged(few, one, other), label[rows], strand[rows])
                assert told(messages, one, other)
