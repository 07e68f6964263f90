import threading

import numpy as np
import pandas as pd
import pybigtools
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromviz.data.archives import http
from chromviz.data.signal import remote
from chromviz.data.signal.remote import merge_spans, open_source, short_name
from chromviz.data.signal.tracks import chrom_sizes, read_bins
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window
from tests.data.signal.bigwig import needed
from tests.server import Fault, serve

WINDOW = Window(flank=500, bin_width=50)
SIZES = {"chr1": 400_000, "chr10": 90_000, "chr2": 300_000}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "_PAUSES", (0.01, 0.01))


def entries():
    rng = np.random.default_rng(3)
    for chrom, size in SIZES.items():
        start = np.arange(0, size - 10, 10)
        start = start[rng.random(len(start)) < 0.9]
        yield chrom, start, rng.gamma(0.5, 2, len(start)).astype(np.float32)


@pytest.fixture(scope="module", params=["pyBigWig", "bigtools"])
def content(request, tmp_path_factory):
    """A file by one of two independent writers: they lay out names and nodes differently."""
    path = tmp_path_factory.mktemp("track") / "track.bw"
    if request.param == "pyBigWig":
        with pyBigWig.open(str(path), "w") as track:
            track.addHeader(list(SIZES.items()))
            for chrom, start, value in entries():
                for part in np.array_split(np.arange(len(start)), 40):
                    track.addEntries(
                        [chrom] * len(part),
                        start[part].tolist(),
                        ends=(start[part] + 10).tolist(),
                        values=value[part].tolist(),
                    )
    else:
        rows = (
            (chrom, int(at), int(at) + 10, float(item))
            for chrom, start, value in entries()
            for at, item in zip(start, value, strict=True)
        )
        pybigtools.open(str(path), "w").write(SIZES, rows)
    return path


def genes(seed, count):
    rng = np.random.default_rng(seed)
    chrom = rng.choice(list(SIZES), count)
    tss = [int(rng.integers(0, SIZES[name])) for name in chrom]
    strand = rng.choice(["+", "-", "."], count)
    return pd.DataFrame({"chrom": chrom, "tss": tss, "strand": strand})


def windows(table):
    numbers = {name: number for number, name in enumerate(SIZES)}
    return [
        (numbers[gene.chrom], gene.tss - 500, gene.tss + 500)
        for gene in table.itertuples()
        if gene.tss >= 500 and gene.tss + 500 <= SIZES[gene.chrom]
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40, 400])
def test_remote_is_local_and_little_more_than_needed_is_sent(content, count):
    table = genes(count, count)
    whole = content.read_bytes()
    with serve({"/a/track.bw": whole}) as archive:
        bins = read_bins(f"{archive.url}/a/track.bw", table, WINDOW)
        sent = archive.sent
        assert chrom_sizes(f"{archive.url}/a/track.bw") == SIZES
    np.testing.assert_array_equal(bins, read_bins(content, table, WINDOW))
    if windows(table):
        assert np.isfinite(bins).any()
        assert sent <= 1.05 * needed(whole, windows(table))


def test_large_files_are_read_in_batches(content, monkeypatch):
    monkeypatch.setattr(remote.RemoteFile, "at_once", 20_000)
    table = genes(5, 60)
    seen = []
    with serve({"/t": content.read_bytes()}) as archive:
        bins = read_bins(
            f"{archive.url}/t", table, WINDOW, progress=lambda *step: seen.append(step)
        )
    np.testing.assert_array_equal(bins, read_bins(content, table, WINDOW))
    assert seen[-1] == ("reading t", len(windows(table)), len(windows(table)))


def refusal(archive, path="/t"):
    with pytest.raises(ChromvizError) as caught:
        read_bins(archive.url + path, genes(1, 30), WINDOW)
    assert "\n" not in str(caught.value)
    assert archive.url + path in str(caught.value)
    return str(caught.value)


def test_what_a_server_may_answer(content):
    whole = content.read_bytes()
    with serve({"/t": whole, "/page": b"<html>not here</html>", "/empty": b""}) as archive:
        assert "404" in refusal(archive, "/missing")
        assert "is not a bigWig file" in refusal(archive, "/page")
        assert "is not a bigWig file" in refusal(archive, "/empty")
        archive.files["/short"] = whole[: len(whole) // 2]
        assert "damaged or cut-off" in refusal(archive, "/short")
        archive.faults["/t"] = [Fault(status=403)]
        assert "403" in refusal(archive)
        archive.faults["/t"] = [Fault(), Fault(), Fault(status=403)]
        assert "403" in refusal(archive)


def test_a_server_without_ranges_is_told_from_its_first_answer(content):
    with serve({"/t": content.read_bytes() + bytes(30_000_000)}) as archive:
        archive.faults["/t"] = [Fault(ignore_range=True)]
        assert "does not send parts of files; download the file" in refusal(archive)
        archive.stop.set()
    assert archive.sent < 30_000_000


def test_broken_connections_are_resumed(content):
    table = genes(1, 30)
    faults = [Fault(status=503), Fault(cut=100), Fault(), Fault(truncate=50), Fault(cut=0)]
    with serve({"/t": content.read_bytes()}) as archive:
        archive.faults["/t"] = faults
        bins = read_bins(f"{archive.url}/t", table, WINDOW)
        assert not archive.faults["/t"]
        archive.faults["/t"] = [Fault(cut=0)] * 20
        assert "connection lost" in refusal(archive)
    np.testing.assert_array_equal(bins, read_bins(content, table, WINDOW))


def test_a_server_that_is_gone():
    with serve() as archive:
        pass
    with http.session(attempts=0) as session, pytest.raises(ChromvizError, match="cannot reach"):
        remote.RemoteFile(session, archive.url)


def test_a_file_that_changes_while_it_is_read(content):
    whole = content.read_bytes()
    for other in (whole + b"\0", bytes([*whole[:-1], whole[-1] ^ 1])):
        with serve({"/t": whole}) as archive, open_source(f"{archive.url}/t") as source:
            archive.files["/t"] = other
            with pytest.raises(ChromvizError, match="has changed on the server"):
                source.read(600, 10)


def test_reading_anywhere():
    whole = np.random.default_rng(0).bytes(20_000)
    with serve({"/t": whole}) as archive, open_source(f"{archive.url}/t") as source:
        source.expect(np.array([700, 5000, 5100]), np.array([300, 100, 200]))
        before = len(archive.requests)
        assert source.read(5050, 200) == whole[5050:5250]
        assert source.read(100, 300) == whole[100:400]
        assert len(archive.requests) == before
        # Not announced: fetched all the same, only what is missing.
        assert source.read(400, 6000) == whole[400:6400]
        assert [item[2] for item in archive.requests[before:]] == [
            "bytes=512-699",
            "bytes=1000-4999",
            "bytes=5300-6399",
        ]
        assert source.read(19_990, 100) == whole[19_990:]


def test_an_interruption_leaves_no_thread(content):
    def stop(what, done, total):
        raise KeyboardInterrupt

    with serve({"/t": content.read_bytes()}) as archive, pytest.raises(KeyboardInterrupt):
        read_bins(f"{archive.url}/t", genes(1, 30), WINDOW, progress=stop)
    assert not [item for item in threading.enumerate() if "ThreadPool" in item.name]


def test_names_for_people(tmp_path):
    assert short_name("https://a.org/b/c%20d.bw?download=1") == "c d.bw"
    assert short_name("https://a.org/") == "a.org"
    assert short_name(tmp_path / "x.bw") == "x.bw"


parts = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 300)), max_size=40)


@given(parts, st.floats(0, 0.5), st.integers(1, 2000))
def test_merged_spans(parts, waste, limit):
    starts = np.array([start for start, _ in parts], dtype=np.int64)
    stops = starts + np.array([size for _, size in parts], dtype=np.int64)
    spans = merge_spans(starts, stops, waste, limit)
    asked = {byte for start, stop in zip(starts, stops, strict=True) for byte in range(start, stop)}
    fetched = [byte for start, stop in spans for byte in range(start, stop)]
    assert fetched == sorted(set(fetched))
    assert asked <= set(fetched)
    assert len(fetched) <= (1 + waste) * len(asked)
    for start, stop in zip(starts, stops, strict=True):
        assert any(first <= start and stop <= last for first, last in spans)


def test_the_shortest_gaps_are_closed_first():
    starts = np.array([0, 110, 215, 340])
    assert merge_spans(starts, starts + 100, 0.03, 10**6) == [(0, 100), (110, 315), (340, 440)]
    assert merge_spans(starts, starts + 100, 0.04, 10**6) == [(0, 315), (340, 440)]
