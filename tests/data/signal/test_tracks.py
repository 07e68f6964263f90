import struct

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromviz.data.signal.chromosomes import Assembly, Translator
from chromviz.data.signal.tracks import chrom_sizes, read_bins
from chromviz.data.signal.windows import orient
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window
from tests.conftest import REAL
from tests.data.signal import bigwig
from tests.server import serve

PILOT = REAL / "roadmap-pilot"
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
    bins, strand = read_bins(track, genes, WINDOW), genes["strand"].to_numpy(object)
    np.testing.assert_array_equal(orient(bins, strand, "strand"), [HAND, HAND[::-1], NOTHING])
    with pytest.raises(ChromvizError, match="unknown orientation 'gene'"):
        orient(bins, strand, "gene")


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
    message = refusal(track, table(("3", 50, "+"), ("X", 50, "+")))
    assert "they use '3', 'X', the file 'chr1', 'chr2'" in message


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


def test_a_damaged_block(long_track, tmp_path):
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


# One file with each kind of section: bases 0-40 and 60-80 of chr1 hold their number, 100-120 hold
# 7, and of chr2 0-9 hold 1.
def sections(order):
    def varying(first):
        return [(base, base + 1, float(base)) for base in range(first, first + 20)]

    return [
        bigwig.section(order, 0, 1, varying(0)),
        bigwig.section(order, 0, 2, [(base, float(base)) for base in range(20, 40)], span=1),
        bigwig.section(order, 0, 3, (60, [(float(b),) for b in range(60, 80)]), step=1, span=1),
        bigwig.section(order, 0, 3, (100, [(7.0,)] * 4), step=5, span=5),
        bigwig.section(order, 1, 1, [(0, 9, 1.0)]),
    ]


CHROMS = {"chr1": 160, "chr2": 50}
THREE = table(("chr1", 20, "+"), ("chr1", 80, "-"), ("chr2", 20, "."))


@pytest.fixture
def every_kind(tmp_path):
    path = tmp_path / "kinds.bw"
    path.write_bytes(bigwig.write(CHROMS, sections("<")))
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("width", [2, 3, 100])
def test_every_layout(tmp_path, order, packed, width):
    content = bigwig.write(CHROMS, sections(order), order=order, packed=packed, width=width)
    path = tmp_path / "kinds.bw"
    path.write_bytes(content)
    want = np.array(
        [
            [4.5, 14.5, 24.5, 34.5],
            [64.5, 74.5, np.nan, np.nan],
            [1, np.nan, np.nan, np.nan],
        ],
        np.float32,
    )
    np.testing.assert_array_equal(read_bins(path, THREE, WINDOW), want)
    assert chrom_sizes(path) == CHROMS
    if order == "<":
        with pyBigWig.open(str(path)) as other:
            assert other.stats("chr1", 10, 20, exact=True) == [14.5]
    with serve({"/kinds.bw": content}) as archive:
        address = f"{archive.url}/kinds.bw"
        np.testing.assert_array_equal(read_bins(address, THREE, WINDOW), want)


def test_windows_that_share_records_and_bins_within_one(tmp_path):
    path = write_track(
        tmp_path / "t.bw", {"chr1": 1000}, [("chr1", 33, 500, 2), ("chr1", 500, 505, 8)]
    )
    genes = table(("chr1", 480, "+"), ("chr1", 485, "+"), ("chr1", 480, "+"), ("chr1", 50, "+"))
    np.testing.assert_array_equal(
        read_bins(path, genes, WINDOW),
        [[2, 2, 2, 2], [2, 2, 2, 5], [2, 2, 2, 2], [2, 2, 2, 2]],
    )
    bins = read_bins(path, table(("chr1", 500, "+"), ("chr1", 40, "+")), WINDOW)
    np.testing.assert_array_equal(bins, [[2, 2, 8, np.nan], [np.nan, 2, 2, 2]])


def test_base_that_is_not_a_number_has_no_data(tmp_path):
    records = [(30, 35, 2.0), (35, 38, np.nan), (38, 44, 4.0), (44, 60, np.nan)]
    path = tmp_path / "nan.bw"
    path.write_bytes(bigwig.write({"chr1": 100}, [bigwig.section("<", 0, 1, records)]))
    bins = read_bins(path, table(("chr1", 50, "+")), WINDOW)
    np.testing.assert_allclose(bins, [[(5 * 2 + 2 * 4) / 7, 4, np.nan, np.nan]], rtol=1e-6)


def test_infinite_values_elsewhere_do_no_harm(tmp_path):
    entries = [("chr1", 10, 30, np.inf), ("chr1", 30, 70, 1), ("chr1", 70, 90, -np.inf)]
    path = write_track(tmp_path / "inf.bw", {"chr1": 100}, entries)
    np.testing.assert_array_equal(read_bins(path, table(("chr1", 50, "+")), WINDOW), [[1] * 4])
    assert "infinite values around chr1:51" in refusal(path, table(("chr1", 51, "+")))


def test_huge_and_tiny_values_side_by_side(tmp_path):
    entries = [("chr1", 0, 50, 1e30), ("chr1", 50, 60, 1e-30), ("chr1", 60, 100, 0)]
    path = write_track(tmp_path / "t.bw", {"chr1": 100}, entries)
    bins = read_bins(path, table(("chr1", 50, "+"), ("chr1", 70, "+")), WINDOW)
    big, small = np.float32(1e30), np.float32(1e-30)
    np.testing.assert_array_equal(bins, [[big, big, small, 0], [small, 0, 0, 0]])


def test_chromosomes_by_another_name(track):
    genes = table(("1", 50, "+"), ("2", 30, "+"), ("3", 50, "+"))
    bins = read_bins(track, genes, WINDOW)
    np.testing.assert_array_equal(bins, [HAND, NOTHING, NOTHING])
    with pytest.raises(ChromvizError, match="no chromosome in common"):
        read_bins(track, table(("X", 50, "+")), WINDOW)
    aliases = Assembly("toy", aliases={"chr1": "1", "chr2": "1"})
    translate = Translator(["1"], aliases, str(track))
    with pytest.raises(ChromvizError, match="one chromosome in two ways, 'chr1' and 'chr2'"):
        read_bins(track, genes, WINDOW, translate=translate)


def test_orient_leaves_its_input_alone():
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    strand = np.array(["+", "-", "."], object)
    turned = orient(values, strand, "strand")
    np.testing.assert_array_equal(turned, [[0, 1], [3, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(values, np.arange(6).reshape(3, 2))
    np.testing.assert_array_equal(orient(values, strand, "genome"), values)


def test_overlapping_records_are_refused(tmp_path):
    path = tmp_path / "overlap.bw"
    records = [(30, 45, 2.0), (40, 50, 3.0)]
    path.write_bytes(bigwig.write({"chr1": 100}, [bigwig.section("<", 0, 1, records)]))
    assert "records overlap or are out of order at chr1:40" in refusal(path)


def damage(path, at, code, *values):
    content = bytearray(path.read_bytes())
    struct.pack_into("<" + code, content, at, *values)
    path.write_bytes(content)


def test_an_index_in_circles_or_beyond_reason(every_kind):
    content = every_kind.read_bytes()
    index = struct.unpack_from("<Q", content, 24)[0]
    root = index + 48
    assert content[root] == 0
    for child in (root, 2**63, len(content)):
        damage(every_kind, root + 4 + 16, "Q", child)
        assert "damaged" in refusal(every_kind, THREE)
    every_kind.write_bytes(content)
    damage(every_kind, root + 2, "H", 0xFFFF)
    assert "it ends after" in refusal(every_kind, THREE)


def test_a_block_that_unpacks_without_end(tmp_path, capfd):
    block = bigwig.section("<", 0, 1, [(0, 100, 1.0)])
    bomb = (block[0], block[1] + bytes(80_000_000))
    path = tmp_path / "bomb.bw"
    path.write_bytes(bigwig.write({"chr1": 100}, [bomb]))
    assert "a block cannot be unpacked" in refusal(path)
    # pybigtools prints its panics below Python.
    assert capfd.readouterr() == ("", "")


def outcome(location):
    """What reading gives: the bins, or the one line that says why there are none."""
    try:
        return read_bins(location, THREE, WINDOW)
    except ChromvizError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        return None


def test_flipped_bytes_are_an_error_or_harmless(tmp_path):
    content = bigwig.write(CHROMS, sections("<"))
    names, data, index = struct.unpack_from("<QQQ", content, 8)
    path = tmp_path / "flipped.bw"
    path.write_bytes(content)
    whole, refused = outcome(path), 0
    places = range(0, len(content), 2)
    for at in places:
        flipped = bytearray(content)
        flipped[at] ^= 1 << at // 2 % 8
        path.write_bytes(flipped)
        bins = outcome(path)
        refused += bins is None
        # The format has no checksum of its names and bounds: those alone can mislead.
        if bins is not None and not (names <= at < data or at >= index):
            np.testing.assert_array_equal(bins, whole)
    assert refused > len(places) / 2


def test_flipped_bytes_on_a_server(tmp_path):
    content = bigwig.write(CHROMS, sections("<"))
    path = tmp_path / "flipped.bw"
    with serve() as archive:
        for at in range(0, len(content), 60):
            flipped = bytearray(content)
            flipped[at] ^= 0x81
            path.write_bytes(flipped)
            archive.files["/t"] = bytes(flipped)
            local, far = outcome(path), outcome(f"{archive.url}/t")
            assert (local is None) == (far is None)
            if local is not None:
                np.testing.assert_array_equal(far, local)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 400))
def test_arbitrary_bytes(tmp_path_factory, noise, at):
    path = tmp_path_factory.mktemp("noise") / "t.bw"
    path.write_bytes(noise)
    assert outcome(path) is None
    # Behind a true beginning, which gets it further.
    path.write_bytes(bigwig.write(CHROMS, sections("<"))[:at] + noise)
    outcome(path)
