"""Fetching files from a local server with the layout of the archives."""

import hashlib
import io
import json
import selectors
import subprocess
import sys
import tarfile

import pytest

from chromviz import provenance
from chromviz.data.archives.addresses import available, mirrored, request_files
from chromviz.data.archives.fetch import fetch_files, plan_files
from chromviz.data.cells import available_cells
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.progress import Reporter
from tests.server import Fault, serve

TAR = "/zenodo.org/record/2652278/files/data.tar.gz"
RECORD = "/zenodo.org/api/records/2652278"
CELLS = ("E003", "E116", "E123")


def csv(cell, split):
    return f"{cell} {split}\n".encode() * 10_000


def matrices():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as tar:
        for cell in CELLS:
            for split in ("train", "valid", "test"):
                info = tarfile.TarInfo(f"data/{cell}/classification/{split}.csv")
                content = csv(cell, split)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def tar():
    return matrices()


@pytest.fixture
def server(tar):
    md5 = hashlib.md5(tar, usedforsecurity=False).hexdigest()
    item = {"key": "data.tar.gz", "size": len(tar), "checksum": f"md5:{md5}"}
    files = {TAR: tar, RECORD: json.dumps({"files": [item]}).encode()}
    kinds = ["signal", "reads", "coverage", "expression", "genes"]
    for remote in request_files(["E003"], kinds).files:
        files[mirrored(remote.url, "http://x").removeprefix("http://x")] = remote.name.encode()
    with serve(files) as archive:
        yield archive


@pytest.fixture
def get(server, tmp_path):
    def run(cells, kinds, **options):
        options = {"attempts": 1, "pause": 0, "base_url": server.url, **options}
        return fetch_files(cells, kinds, run.out, reporter=Reporter(say=run.said.append), **options)

    run.out, run.said = tmp_path, []
    return run


def asked(server, path=TAR):
    server.settle()
    return [request for request in server.requests if request[1] == path and request[0] == "GET"]


def test_matrices_become_a_folder_of_csv(get, server):
    found = get(["H1-hESC", "K562"], ["matrices"])
    assert found.downloaded == ["the matrices of H1-hESC (E003)", "the matrices of K562 (E123)"]
    assert [item.path.name for item in found.find("matrices", "E123")] == [
        "train.csv",
        "valid.csv",
        "test.csv",
    ]
    for item in found.files:
        cell, split = item.remote.cell, item.path.stem
        assert item.path.read_bytes() == csv(cell, split)
        assert item.path == get.out / f"raw/deepchrome/{cell}/classification/{split}.csv"
        assert item.sha256 == provenance.hash_file(item.path)
    assert available_cells(get.out / "raw/deepchrome") == ("E003", "E123")
    assert not (get.out / "raw/zenodo/data.tar.gz").exists()
    assert any("--keep-archives" in line for line in found.notes)


def test_complete_files_are_not_fetched_again(get, server):
    get(["E003"], ["matrices", "signal"])
    server.settle()
    count = len(server.requests)
    found = get(["E003"], ["matrices", "signal"])
    assert found.downloaded == []
    assert len(found.up_to_date) == 6
    assert len(found.files) == 8
    server.settle()
    assert len(server.requests) == count


@pytest.mark.parametrize("damage", ["edited", "missing"])
def test_a_changed_matrix_is_extracted_again(get, server, damage):
    get(["E003"], ["matrices"], keep_archives=True)
    victim = get.out / "raw/deepchrome/E003/classification/valid.csv"
    victim.write_bytes(b"edited") if damage == "edited" else victim.unlink()
    found = get(["E003", "E116"], ["matrices"])
    assert found.downloaded == ["the matrices of H1-hESC (E003)", "the matrices of GM12878 (E116)"]
    assert victim.read_bytes() == csv("E003", "valid")
    assert len(asked(server)) == 1
    assert (get.out / "raw/zenodo/data.tar.gz").exists()  # as requested in the first run


def test_an_archive_copied_by_hand_is_used_and_kept(get, server, tar):
    place = get.out / "raw/zenodo/data.tar.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(tar)
    get(["E003"], ["matrices"])
    assert not asked(server)
    assert place.read_bytes() == tar


@pytest.mark.parametrize("told", [None, b"<html>", b'{"files": []}'])
def test_without_a_zenodo_record_the_archive_is_checked_by_its_crc(get, server, tar, told):
    if told is None:
        del server.files[RECORD]
    else:
        server.files[RECORD] = told
    server.files[TAR] = tar[:-40]
    with pytest.raises(ChromvizError, match="damaged or truncated tar archive") as error:
        get(["E003"], ["matrices"])
    assert "\n" not in str(error.value)
    reasons = {None: "it responded 404", b"<html>": "its record is not JSON"}
    reason = reasons.get(told, "its record does not list the file")
    assert f"no MD5 of data.tar.gz from Zenodo ({reason})" in get.said[0]
    assert not list(get.out.rglob("*.csv"))


def test_without_a_zenodo_record_an_intact_archive_is_used(get, server):
    del server.files[RECORD]
    found = get(["E003"], ["matrices"])
    assert len(found.files) == 3
    assert "(it responded 404)" in found.notes[0]


def test_an_archive_with_a_wrong_md5_is_refused(get, server, tar):
    server.files[TAR] = tar[:-1] + b"x"
    with pytest.raises(ChromvizError, match=r"MD5 hash .* does not match") as error:
        get(["E003"], ["matrices"])
    assert "\n" not in str(error.value)
    assert not list(get.out.rglob("*.csv"))


def test_a_cell_type_missing_from_the_archive(get):
    with pytest.raises(ChromvizError, match=r"it has no E004/classification/train\.csv"):
        get(["E003", "E004"], ["matrices"])
    assert not list(get.out.rglob("*.csv"))


def test_addresses_and_checksums_are_recorded(get, server):
    found = get(["E003"], ["genes", "expression", "coverage", "signal"])
    assert len(found.files) == 8
    (reads,) = found.find("coverage", "E003")
    assert reads.remote.name == "H3K27ac reads of H1-hESC (E003)"
    assert reads.path == get.out / "raw/roadmap/reads/E003-H3K27ac.tagAlign.gz"
    assert reads.path.read_bytes() == b"H3K27ac reads of H1-hESC (E003)"
    assert reads.remote.url.startswith("https://egg2.wustl.edu/")
    (genes,) = found.find("genes")
    record = json.loads((get.out / "raw/checksums.json").read_text())
    entry = record["raw/roadmap/expression/Ensembl_v65.Gencode_v10.ENSG.gene_info"]
    assert entry["sha256"] == genes.sha256 == provenance.hash_file(genes.path)
    assert entry["url"].startswith(server.url)


def test_credentials_of_a_mirror_are_neither_shown_nor_stored(get, server):
    base = server.url.replace("http://", "http://someone:secret@")
    found = get(["E003", "E116"], ["matrices", "genes"], base_url=base)
    kinds = ["matrices", "coverage"]
    planned = plan_files(["E004"], kinds, get.out, base_url=base)
    assert all(item.url.startswith(server.url) for item in planned)
    record = (get.out / "raw/checksums.json").read_text()
    assert server.url in record
    assert "secret" not in "".join([record, *get.said, *found.notes, *map(str, found.files)])


def test_a_file_edited_locally_is_fetched_again(get):
    (genes,) = get([], ["genes"]).find("genes")
    genes.path.write_bytes(b"edited")
    found = get([], ["genes"])
    assert found.downloaded == ["the gene table"]
    assert genes.path.read_bytes() == b"the gene table"
    assert "did not have the expected checksum and was downloaded again" in get.said[0]


def test_a_file_that_changed_in_the_archive_is_refused_until_accepted(get, server):
    (genes,) = get([], ["genes"]).find("genes")
    place = next(path for path in server.files if path.endswith("gene_info"))
    server.files[place] = b"another table"
    genes.path.unlink()
    with pytest.raises(ChromvizError, match=r"remove raw/roadmap/.*gene_info from ") as error:
        get([], ["genes"])
    assert "\n" not in str(error.value)
    record = get.out / "raw/checksums.json"
    entries = json.loads(record.read_text())
    del entries["raw/roadmap/expression/Ensembl_v65.Gencode_v10.ENSG.gene_info"]
    record.write_text(json.dumps(entries))
    assert get([], ["genes"]).find("genes")[0].path.read_bytes() == b"another table"


def test_a_file_of_unknown_origin_is_used_and_reported(get):
    place = get.out / "raw/roadmap/expression/Ensembl_v65.Gencode_v10.ENSG.gene_info"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"by hand")
    found = get([], ["genes"])
    assert found.up_to_date == ["the gene table"]
    assert "used as it is" in found.notes[0]
    assert get([], ["genes"]).notes == []


def test_missing_h3k27ac_is_reported_and_the_rest_is_fetched(get, server):
    assert available("E004")["coverage"] is None
    found = get(["E004", "E003"], ["coverage"])
    (line,) = found.missing
    assert line.startswith("the archive does not have H3K27ac reads of E004 (")
    assert line in found.notes
    assert [item.remote.cell for item in found.files] == ["E003"]
    with pytest.raises(ChromvizError, match=r"H3K27ac reads of E004 .*; nothing was downloaded"):
        get(["E004"], ["coverage"])


def test_a_missing_file_that_was_published_is_an_error(get):
    with pytest.raises(ChromvizError, match="the server responded 404"):
        get(["E116"], ["coverage"])
    with pytest.raises(ChromvizError, match="no weights were published for E059; nothing"):
        get(["E059"], ["weights"])


def test_a_busy_server_and_a_broken_connection_are_retried(get, server, tar):
    server.faults[TAR] = [Fault(status=503), Fault(cut=200_000)]
    get(["E003"], ["matrices"])
    assert [request[2:4] for request in asked(server)] == [
        ("", 503),
        ("", 200),
        ("bytes=200000-", 206),
    ]
    assert sum(request[4] for request in asked(server)) == len(tar)


@pytest.mark.parametrize(
    ("cells", "kinds", "words"),
    [
        (["E003"], [], "no kind of data is given"),
        (["E003"], ["matrices", "sound"], "unknown kind of data 'sound'"),
        (["K652"], ["weights"], "did you mean K562"),
        ([], ["weights"], "weights needs a cell type; give one with --cells"),
        ([""], ["signal"], "signal needs a cell type; give one with --cells"),
    ],
)
def test_invalid_requests_are_refused_before_any_download(get, server, cells, kinds, words):
    with pytest.raises(ChromvizError) as error:
        get(cells, kinds)
    assert words in str(error.value)
    assert server.requests == []
    assert list(get.out.iterdir()) == []


@pytest.mark.parametrize("record", ["", "[]", '{"a": 1}', '{"a": {}}', "\0"])
def test_a_damaged_record_is_one_line(get, record):
    (get.out / "raw").mkdir()
    (get.out / "raw/checksums.json").write_text(record)
    with pytest.raises(ChromvizError, match="was not written by chromviz; delete it"):
        get([], ["genes"])


def test_a_plan_writes_nothing_and_knows_sizes(get, server, tar):
    planned = plan_files(["E003"], ["matrices", "genes", "weights"], get.out, base_url=server.url)
    assert [(item.kind, item.there, item.size) for item in planned] == [
        ("matrices", False, len(tar)),
        ("genes", False, len(b"the gene table")),
        ("weights", False, None),
    ]
    assert planned[1].url.startswith(server.url)
    assert list(get.out.iterdir()) == []
    get(["E003"], ["matrices", "genes"])
    planned = plan_files(["E003"], ["matrices", "genes"], get.out, base_url=server.url)
    assert [item.there for item in planned] == [True, True]
    with pytest.raises(UnknownNameError):
        plan_files(["E003"], ["sound"], get.out)


_CHILD = """
import sys
from pathlib import Path
from chromviz.progress import Reporter
from chromviz.data.archives.fetch import fetch_files
found = fetch_files(["E003"], ["matrices"], Path(sys.argv[2]), base_url=sys.argv[1], pause=0,
                    reporter=Reporter(say=print))
print(len(found.downloaded), len(found.up_to_date))
"""


def test_two_processes_share_a_folder(get, server, tar):
    server.faults[TAR] = [Fault(pause=60)]  # until `stop`
    command = [sys.executable, "-u", "-c", _CHILD, server.url, str(get.out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, **pipes) for _ in range(2)]
    try:
        # One of the two says that it waits; only then is the other's download continued.
        with selectors.DefaultSelector() as select:
            for child in children:
                select.register(child.stdout, selectors.EVENT_READ)
            ((key, _),) = select.select(timeout=30)
        assert key.fileobj.readline() == "waiting for another process that is fetching matrices\n"
    finally:
        server.stop.set()
        outputs = [child.communicate(timeout=60) for child in children]
    assert [error for _, error in outputs] == ["", ""]
    assert sorted(output.splitlines()[-1] for output, _ in outputs) == ["0 1", "1 0"]
    assert sum(request[4] for request in asked(server)) == len(tar)
    assert not (get.out / "raw/zenodo/data.tar.gz").exists()


def test_unpublished_kinds_leave_no_folder(tmp_path):
    for look in (plan_files, fetch_files):
        with pytest.raises(ChromvizError, match=r"no weights were published for E059"):
            look(["E059"], ["weights"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
