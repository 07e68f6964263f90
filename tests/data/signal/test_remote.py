import sys
import threading

import numpy as np
import pandas as pd
import pybigtools
import pyBigWig
import pytest

from chromviz.data.archives import http
from chromviz.data.signal import remote
from chromviz.data.signal.remote import open_remote, short_name
from chromviz.data.signal.tracks import chrom_sizes, read_bins
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window
from tests.data.signal.bigwig import needed
from tests.server import Fault, serve

WINDOW = Window(flank=500, bin_width=50)
SIZES = {"chr1": 400_000, "chr10": 90_000, "chr2": 300_000}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01))


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
        # Beyond what is needed: the first 4 kB, and nodes of the index at their largest, 8 kB.
        assert sent <= 1.05 * needed(whole, windows(table)) + 20_000


def test_large_files_are_read_in_groups(content, monkeypatch):
    monkeypatch.setattr("chromviz.data.signal.tracks.GROUP", 7)
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
    with pytest.raises(ChromvizError, match=r"cannot reach .*no connection"):
        read_bins(f"{archive.url}/t", genes(1, 30), WINDOW)


def test_a_server_that_does_not_answer(content, monkeypatch):
    monkeypatch.setattr(http, "TIMEOUT", (0.2, 0.2))
    with serve({"/t": content.read_bytes() * 9}) as archive:
        archive.faults["/t"] = [Fault(pause=1.0, ignore_range=False)] * 20
        with open_remote(f"{archive.url}/t") as source, pytest.raises(ChromvizError) as caught:
            source.read_at(5000, 200_000)
        archive.stop.set()
    assert "timed out" in str(caught.value)


def test_a_file_that_changes_while_it_is_read(content):
    whole = content.read_bytes()
    for other in (whole + b"\0", bytes([*whole[:-1], whole[-1] ^ 1])):
        with (
            pytest.raises(ChromvizError, match="has changed on the server"),
            serve({"/t": whole}) as archive,
            open_remote(f"{archive.url}/t"),
        ):
            archive.files["/t"] = other


def test_reading_anywhere():
    whole = np.random.default_rng(0).bytes(40_000)
    with serve({"/t": whole}) as archive, open_remote(f"{archive.url}/t") as source:
        source.prefetch(np.array([7000, 9000, 9100]), np.array([7300, 9100, 9300]))
        before = len(archive.requests)
        assert source.read_at(9050, 200) == whole[9050:9250]
        assert source.read_at(100, 300) == whole[100:400]
        assert len(archive.requests) == before
        # What was not announced is fetched when it is read.
        assert source.read_at(4000, 6000) == whole[4000:10_000]
        assert source.read_at(39_990, 100) == whole[39_990:]
        assert (source.seek(-10, 2), source.read(), source.tell()) == (39_990, whole[-10:], 40_000)


def test_credentials_are_not_told(content):
    with serve({"/t": content.read_bytes()[:5000]}) as archive:
        for path in ("/t", "/absent"):
            with pytest.raises(ChromvizError) as caught:
                read_bins(
                    archive.url.replace("://", "://me:secret@") + path + "?token=abc",
                    genes(1, 30),
                    WINDOW,
                )
            assert f"{archive.url}{path}" in str(caught.value)
            assert "secret" not in str(caught.value)
            assert "abc" not in str(caught.value)


def test_without_the_packages_for_http(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ChromvizError, match=r"pip install 'chromviz\[http\]'"):
        read_bins("https://a.org/t.bw", genes(1, 30), WINDOW)


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
