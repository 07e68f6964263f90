"""Archives: wanted members are extracted unchanged; an unexpected member refuses them all."""

import gzip
import hashlib
import io
import shutil
import tarfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromviz.data.archives import archive as module
from chromviz.data.archives.archive import extract_members
from chromviz.errors import ChromvizError

TRAIN, TEST = "E003/classification/train.csv", "E003/classification/test.csv"
CONTENT = {
    f"data/{TRAIN}": b"G1,1,0,1,2,3,4,1\n" * 5000,
    f"data/{TEST}": b"G2,1,0,1,2,3,4,0\n",
    "data/E004/classification/train.csv": b"other",
    "data/README": b"",
}


def pack(members, form=tarfile.USTAR_FORMAT, packed=True):
    """Return a tar archive of contents by name, or of pairs of name and content or member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if packed else "w", format=form) as tar:
        for name, content in members.items() if isinstance(members, dict) else members:
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def member(name, kind, **attributes):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in attributes.items():
        setattr(info, key, value)
    return name, info


@pytest.fixture
def take(tmp_path):
    """Extract the two files of E003 from an archive given as bytes."""

    def run(data, **options):
        run.archive.write_bytes(data)
        wanted = {TRAIN: run.out / "train.csv", TEST: run.out / "test.csv"}
        return extract_members(run.archive, wanted, **options)

    run.archive, run.out = tmp_path / "data.tar.gz", tmp_path / "out"
    return run


def refused(take, data, words, **options):
    """Check that an archive is refused with one line and nothing is extracted."""
    with pytest.raises(ChromvizError) as error:
        take(data, **options)
    line = str(error.value)
    assert words in line
    assert "\n" not in line
    assert str(take.archive) in line
    assert not take.out.exists() or not list(take.out.iterdir())
    return line


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("top", ["data/", "", "./", "./data/", "x" * 90 + "/" + "y" * 60 + "/µ/"])
def test_extracted_files_equal_the_originals(take, packed, form, top):
    content = {top + name.removeprefix("data/"): data for name, data in CONTENT.items()}
    hashes = take(pack(content, form, packed))
    assert {path.name for path in take.out.iterdir()} == {"train.csv", "test.csv"}
    for path, name in ((take.out / "train.csv", TRAIN), (take.out / "test.csv", TEST)):
        assert path.read_bytes() == content[top + name]
        assert hashes[name] == hashlib.sha256(content[top + name]).hexdigest()


def test_folders_and_other_files_are_skipped(take):
    entries = [member("data", tarfile.DIRTYPE), *CONTENT.items()]
    assert len(take(pack(entries))) == 2


def test_an_existing_file_is_replaced_only_from_an_intact_archive(take):
    take.out.mkdir()
    (take.out / "train.csv").write_bytes(b"old")
    data = pack(CONTENT)
    with pytest.raises(ChromvizError):
        take(data[:-20])
    assert (take.out / "train.csv").read_bytes() == b"old"
    take(data)
    assert (take.out / "train.csv").read_bytes() == CONTENT[f"data/{TRAIN}"]


def test_progress_ends_at_the_archive_s_size(take):
    steps = []
    noise = np.random.default_rng(0).bytes(3_000_000)
    take(pack({**CONTENT, "noise": noise}), progress=lambda *step: steps.append(step))
    assert [step[1] for step in steps] == sorted(step[1] for step in steps)
    assert steps[-1][1:3] == (4, 4)


@pytest.mark.parametrize(
    "name",
    ["../train.csv", "data/../../x", "/etc/passwd", "data/..", "..\\x", "\\x", "C:\\x", "C:/x"],
)
def test_a_name_that_leads_out_is_refused(take, name):
    refused(take, pack([*CONTENT.items(), (name, b"x")]), "leads out of it")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "is a link to '/etc/passwd'"),
        (tarfile.LNKTYPE, "is a link to '/etc/passwd'"),
        (tarfile.CHRTYPE, "is neither a file nor a folder"),
        (tarfile.BLKTYPE, "is neither a file nor a folder"),
        (tarfile.FIFOTYPE, "is neither a file nor a folder"),
        (tarfile.GNUTYPE_SPARSE, "is neither a file nor a folder"),
    ],
)
@pytest.mark.parametrize("name", [f"data/{TRAIN}", "elsewhere"])
def test_links_and_devices_are_refused_wanted_or_not(take, kind, words, name):
    odd = member(name, kind, linkname="/etc/passwd")
    others = [(other, data) for other, data in CONTENT.items() if other != name]
    refused(take, pack([odd, *others]), words)
    refused(take, pack([*others, odd]), words)


def test_a_claim_of_ten_gigabytes_is_refused_before_it_is_read(take):
    info = tarfile.TarInfo(f"data/{TRAIN}")
    info.size = 10_000_000_000
    for data in (info.tobuf(tarfile.GNU_FORMAT), gzip.compress(info.tobuf(tarfile.GNU_FORMAT))):
        refused(take, data, "claims 10,000 MB, more than the 512 MB allowed")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_an_overlong_header_is_refused(take, kind):
    info = member("././@LongLink", kind, size=10_000_000_000)[1]
    refused(take, info.tobuf(tarfile.GNU_FORMAT) + bytes(2048), "a header of 10,000,000,")


def test_a_chain_of_headers_without_end_is_refused(take):
    link = member("x", tarfile.GNUTYPE_LONGNAME, size=2)[1].tobuf(tarfile.GNU_FORMAT)
    refused(take, gzip.compress((link + b"y" + bytes(511)) * 5000), "")


def test_a_bomb_is_refused_by_its_ratio_and_by_its_total(take, monkeypatch):
    bomb = pack([*CONTENT.items(), ("zeros", bytes(20_000_000))])
    refused(take, bomb, "unpacks to more than 200 times its size")
    zeros = gzip.compress(bytes(20_000_000))  # no member, only a long end mark
    refused(take, zeros, "unpacks to more than 200 times its size")
    monkeypatch.setattr(module, "MAX_TOTAL", 5_000_000)
    refused(take, bomb, "unpacks to more than 5 MB")


def test_many_members_are_refused(take, monkeypatch):
    monkeypatch.setattr(module, "MAX_MEMBERS", 20)
    names = [(f"f{at}", b"") for at in range(30)]
    refused(take, pack(names), "more than 20 members")


def test_a_duplicate_member_is_refused(take):
    data = pack([*CONTENT.items(), (f"backup/{TRAIN}", b"other")])
    line = refused(take, data, f"it has {TRAIN} twice")
    assert f"backup/{TRAIN}" in line


def test_missing_members_are_named(take):
    line = refused(take, pack({"data/E004/classification/train.csv": b"x"}), "it has no ")
    assert TRAIN in line
    assert TEST in line
    refused(take, pack({}), f"it has no {TRAIN}")


def test_a_missing_archive_is_one_line(take, tmp_path):
    with pytest.raises(ChromvizError, match="no file"):
        extract_members(tmp_path / "none", {})
    with pytest.raises(ChromvizError, match="cannot read"):
        extract_members(tmp_path, {})


@pytest.mark.parametrize("packed", [True, False])
def test_a_truncated_archive_is_refused_wherever_it_ends(take, packed):
    data = pack(CONTENT, packed=packed)
    if not packed:
        # Python writes more padding than the format requires.
        data = data[: len(data.rstrip(b"\0")) // 512 * 512 + 1024]
    ends = {*range(0, len(data), max(1, len(data) // 60)), len(data) - 1, len(data) // 2}
    if not packed:
        ends = {end for end in ends if end < len(data.rstrip(b"\0"))} | {
            len(data) // 512 * 512 - 1024
        }
    for end in ends:
        refused(take, data[:end], "")


def test_a_flipped_bit_is_detected_or_harmless(take):
    data = pack(CONTENT)
    draw = np.random.default_rng(1)
    noticed = 0
    for _ in range(150):
        broken = bytearray(data)
        broken[draw.integers(10, len(data))] ^= 1 << int(draw.integers(8))
        try:
            take(bytes(broken))
        except ChromvizError as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert not take.out.exists() or not list(take.out.iterdir())
            noticed += 1
        else:  # a bit without meaning, such as padding
            assert (take.out / "train.csv").read_bytes() == CONTENT[f"data/{TRAIN}"]
            assert (take.out / "test.csv").read_bytes() == CONTENT[f"data/{TEST}"]
            shutil.rmtree(take.out)
    assert noticed > 140


def test_data_after_the_end_are_refused(take):
    data = pack(CONTENT, packed=False)
    refused(take, data + b"more", "data after the end")
    refused(take, gzip.compress(data) + b"more", "damaged or truncated")


def test_a_full_disk_is_reported_for_the_file_and_not_the_archive(take, monkeypatch):
    def full(self, mode):
        raise OSError(28, "No space left on device")

    data = pack(CONTENT)
    take.archive.write_bytes(data)
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r": (full if "w" in mode else real)(self, mode)
    )
    with pytest.raises(ChromvizError, match=r"cannot write .*train\.csv \(No space left"):
        extract_members(take.archive, {TRAIN: take.out / "train.csv"})
    assert list(take.out.iterdir()) == []


def _headers():
    """Return a strategy for tar headers with arbitrary fields."""
    field = st.binary(max_size=12)
    kind = st.sampled_from([*b"01234567xgLKSDV\0\x80\xff"]).map(lambda code: bytes([code]))

    def build(name, size, kind, prefix, body, other):
        block = bytearray(member("n", tarfile.REGTYPE, size=0)[1].tobuf(tarfile.GNU_FORMAT))
        block[: len(name)] = name
        block[124 : 124 + len(size)] = size
        block[156:157] = kind
        block[345 : 345 + len(prefix)] = prefix
        block[100 : 100 + len(other)] = other
        block[148:156] = b" " * 8
        block[148:156] = f"{sum(block):06o}\0 ".encode()
        return bytes(block) + body

    body = st.binary(max_size=600).map(lambda data: data + bytes(-len(data) % 512))
    pax = st.lists(
        st.tuples(st.sampled_from(["path", "size", "GNU.sparse.major", "GNU.sparse.map"]), field)
    ).map(
        lambda pairs: b"".join(
            f"{len(key) + len(value) + 5} {key}=".encode() + value + b"\n" for key, value in pairs
        )
    )
    return st.builds(build, field, field, kind, field, st.one_of(body, pax), field)


@settings(max_examples=150, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=2000),
        st.lists(_headers(), max_size=4).map(b"".join),
        st.lists(_headers(), max_size=4).map(lambda parts: b"".join(parts) + bytes(1024)),
    ),
    packed=st.booleans(),
)
def test_arbitrary_bytes_give_a_one_line_error(tmp_path_factory, data, packed):
    folder = tmp_path_factory.mktemp("any")
    archive = folder / "a.tar"
    archive.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(ChromvizError) as error:
        extract_members(archive, {TRAIN: folder / "out" / "train.csv"})
    assert "\n" not in str(error.value)
    assert not (folder / "out").exists()


def test_a_full_disk_is_reported_before_anything_is_written(take, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1_000_000))
    with pytest.raises(ChromvizError, match=r"not enough disk space for .*\.csv") as caught:
        take(pack(CONTENT))
    assert "--out" in str(caught.value)
    assert not list(take.out.iterdir())
