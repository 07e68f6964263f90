from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from chromviz.data.tracks import chrom_sizes, read_bins
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window

PILOT = Path(__file__).parents[2].parent / "shared" / "data" / "roadmap-pilot"
WINDOW = Window(flank=20, bin_width=10)


def write_track(path, sizes, entries):
    """Write a bigWig from (chrom, start, end, value) entries in genome order."""
    with pyBigWig.open(str(path), "w") as track:
        track.addHeader(list(sizes.items()))
        chrom, start, end, value = (list(column) for column in zip(*entries, strict=True))
        track.addEntries(chrom, start, ends=end, values=[float(item) for item in value])
    return path


def table(*rows):
    return pd.DataFrame(rows, columns=["chrom", "tss", "strand"])


def refusal(path, genes=None):
    with pytest.raises(ChromvizError) as caught:
        read_bins(path, table(("chr1", 50, "+")) if genes is None else genes, WINDOW)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.fixture
def track(tmp_path):
    # Bins of a TSS at 50: 30-40 all 2; 40-50 half 4; 50-60 1 and 3, uncovered between; 60-70 none.
    entries = [("chr1", 30, 40, 2), ("chr1", 40, 45, 4), ("chr1", 50, 52, 1), ("chr1", 54, 60, 3)]
    return write_track(tmp_path / "track.bw", {"chr1": 100, "chr2": 60}, entries)


HAND = np.array([2, 4, (2 * 1 + 6 * 3) / 8, np.nan], np.float32)
NOTHING = np.full(4, np.nan, np.float32)


def test_bin_means_by_hand(track):
    bins = read_bins(track, table(("chr1", 50, "+"), ("chr1", 60, "-"), ("chr2", 30, ".")), WINDOW)
    assert bins.dtype == np.float32
    np.testing.assert_array_equal(bins, [HAND, [4, 2.5, np.nan, np.nan], NOTHING])


def test_windows_are_never_clipped(track):
    genes = table(
        ("chr1", 19, "+"),
        ("chr1", 20, "+"),
        ("chr1", 80, "+"),
        ("chr1", 81, "+"),
        ("chrM", 50, "+"),
    )
    bins = read_bins(track, genes, WINDOW)
    np.testing.assert_array_equal(bins[1], [np.nan, np.nan, np.nan, 2])
    for row in (0, 3, 4):
        np.testing.assert_array_equal(bins[row], NOTHING)
    # A window that fits exactly is read: its data ends at 60, so nothing is in it.
    np.testing.assert_array_equal(bins[2], NOTHING)


def test_last_base_of_a_chromosome_is_read(tmp_path):
    path = write_track(tmp_path / "end.bw", {"chr1": 100}, [("chr1", 0, 100, 5)])
    bins = read_bins(path, table(("chr1", 20, "+"), ("chr1", 80, "+"), ("chr1", 81, "+")), WINDOW)
    np.testing.assert_array_equal(bins, [[5] * 4, [5] * 4, NOTHING])


def test_strand_orientation_is_reversal_by_hand(track):
    genes = table(("chr1", 50, "+"), ("chr1", 50, "-"), ("chr1", 50, "."))
    bins = read_bins(track, genes, WINDOW, orientation="strand")
    np.testing.assert_array_equal(bins, [HAND, HAND[::-1], NOTHING])
    with pytest.raises(ChromvizError, match="unknown orientation 'gene'"):
        read_bins(track, genes, WINDOW, orientation="gene")


def test_agrees_with_the_mean_of_single_bases(tmp_path):
    rng = np.random.default_rng(0)
    size = 20_000
    values = np.repeat(rng.gamma(0.5, 2, 2000), rng.integers(1, 20, 2000))[:size]
    edges = np.flatnonzero(np.diff(values)) + 1
    runs = list(zip(np.r_[0, edges], np.r_[edges, len(values)], strict=True))
    kept = [run for run in runs if rng.random() < 0.6]
    entries = [("chr1", int(a), int(b), values[a]) for a, b in kept]
    path = write_track(tmp_path / "random.bw", {"chr1": size}, entries)
    dense = np.full(size, np.nan)
    for a, b in kept:
        dense[a:b] = np.float32(values[a])
    window = Window(flank=500, bin_width=25)
    tss = rng.integers(500, size - 500, 200)  # unsorted, overlapping
    bins = read_bins(path, table(*(("chr1", at, "+") for at in tss)), window)
    for row, at in zip(bins, tss, strict=True):
        chunk = dense[at - 500 : at + 500].reshape(40, 25)
        covered = ~np.isnan(chunk)
        total = np.where(covered, chunk, 0).sum(1)
        want = np.divide(total, covered.sum(1), out=np.full(40, np.nan), where=covered.any(1))
        np.testing.assert_allclose(row, want, rtol=1e-6)


def test_progress_and_any_suffix(track, tmp_path):
    renamed = track.rename(tmp_path / "track.BigWig.tmp")
    seen = []
    read_bins(renamed, table(("chr1", 50, "+")), WINDOW, progress=lambda *step: seen.append(step))
    assert seen[-1] == ("reading track.BigWig.tmp", 1, 1)
    assert chrom_sizes(renamed) == {"chr1": 100, "chr2": 60}


def test_no_genes(track):
    assert read_bins(track, table(), WINDOW).shape == (0, 4)


def test_chromosomes_named_otherwise(track):
    message = refusal(track, table(("1", 50, "+"), ("X", 50, "+")))
    assert "they use '1', 'X', the track 'chr1', 'chr2'" in message


def test_infinite_values(tmp_path):
    path = write_track(tmp_path / "inf.bw", {"chr1": 100}, [("chr1", 40, 60, np.inf)])
    assert "infinite values around chr1:50" in refusal(path)


def test_missing_file_and_folder(tmp_path):
    assert "no file" in refusal(tmp_path / "absent.bw")
    assert "cannot read" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a bigWig"),
        (b"chr1\t1\t2\t3\n" * 20, "not a bigWig"),
        (b"\xeb\xf2\x89\x87" + b"\0" * 100, "it is a bigBed"),
        (b"\x87\x89\xf2\xeb" + b"\0" * 100, "it is a bigBed"),
        (b"\x26\xfc\x8f\x88", "header ends after 4 bytes"),
        (b"\x26\xfc\x8f\x88" + b"\xff" * 80, "damaged or cut-off"),
    ],
)
def test_what_is_no_bigwig(tmp_path, content, problem):
    path = tmp_path / "track.bw"
    path.write_bytes(content)
    assert problem in refusal(path)


@pytest.fixture(scope="module")
def long_track(tmp_path_factory):
    rng = np.random.default_rng(1)
    entries = [("chr1", at, at + 5, value) for at, value in enumerate(rng.random(20_000))]
    entries = [("chr1", 5 * at, 5 * at + 5, value) for _, at, _, value in entries]
    path = tmp_path_factory.mktemp("long") / "long.bw"
    return write_track(path, {"chr1": 100_000}, entries)


EVERYWHERE = table(*(("chr1", at, "+") for at in range(20, 99_980, 40)))


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.85])
def test_truncated_tracks(long_track, tmp_path, share):
    content = long_track.read_bytes()
    path = tmp_path / "cut.bw"
    path.write_bytes(content[: int(share * len(content))])
    assert "damaged or cut-off" in refusal(path, EVERYWHERE)


def test_every_truncation_is_an_error_or_harmless(long_track, tmp_path):
    content = long_track.read_bytes()
    whole = read_bins(long_track, EVERYWHERE, WINDOW)
    path = tmp_path / "cut.bw"
    for end in np.linspace(0, len(content), 40, endpoint=False).astype(int):
        path.write_bytes(content[:end])
        try:
            bins = read_bins(path, EVERYWHERE, WINDOW)
        except ChromvizError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        else:
            np.testing.assert_array_equal(bins, whole)


def test_a_damaged_block_which_makes_the_library_panic(long_track, tmp_path):
    content = bytearray(long_track.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 200] = b"\x55" * 200
    path = tmp_path / "damaged.bw"
    path.write_bytes(content)
    assert "damaged or cut-off" in refusal(path, EVERYWHERE)


def test_an_interrupt_stays_an_interrupt(track):
    def stop(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_bins(track, table(("chr1", 50, "+")), WINDOW, progress=stop)


@pytest.mark.skipif(not PILOT.is_dir(), reason="the real data is not here")
def test_truncated_real_track(tmp_path):
    content = (PILOT / "signal" / "E003-H3K9me3.pval.signal.bigwig").read_bytes()
    genes = table(("chr21", 33_030_000, "+"))
    path = tmp_path / "cut.bw"
    for share in (0.02, 0.5, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ChromvizError, match="damaged or cut-off"):
            read_bins(path, genes, Window())
