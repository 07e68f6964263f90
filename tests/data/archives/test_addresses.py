"""Addresses of the archives as published, and errors for what was not published."""

import re

import pytest

from chromviz.data.archives.addresses import (
    KINDS,
    KNOWN_REFERENCE,
    SHARED_KINDS,
    available,
    matrix_files,
    mirror_base,
    mirrored,
    request_files,
    zenodo_file,
)
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.vocabulary import MARKS, PAPER_CELLS, epigenomes


def addresses(cell, kind):
    return [remote.url for remote in request_files([cell], [kind]).files]


def test_addresses_as_published():
    roadmap = "https://egg2.wustl.edu/roadmap/data"
    signal = f"{roadmap}/byFileType/signal/consolidated/macs2signal"
    reads = f"{roadmap}/byFileType/alignments/consolidated"
    expression = f"{roadmap}/byDataType/rna/expression"
    assert addresses("K562", "signal") == [
        f"{signal}/pval/E123-{mark}.pval.signal.bigwig" for mark in MARKS
    ]
    assert f"{signal}/foldChange/E123-H3K4me3.fc.signal.bigwig" in addresses("E123", "fold-change")
    assert f"{reads}/E123-H3K4me3.tagAlign.gz" in addresses("E123", "reads")
    assert addresses("E123", "coverage") == [f"{reads}/E123-H3K27ac.tagAlign.gz"]
    assert addresses("E123", "coverage-signal") == [
        f"{signal}/pval/E123-H3K27ac.pval.signal.bigwig"
    ]
    assert addresses("", "expression") == [f"{expression}/57epigenomes.RPKM.pc.gz"]
    assert addresses("", "genes") == [f"{expression}/Ensembl_v65.Gencode_v10.ENSG.gene_info"]
    assert addresses("E003", "matrices") == [
        "https://zenodo.org/record/2652278/files/data.tar.gz?download=1"
    ]
    (weights,) = request_files(["E003"], ["weights"]).files
    assert weights.url.endswith("/E003_attchrome_avgAUC_model.pt?download=1")
    assert weights.checksum == "md5:9b4ff730ac5e70265f7a78162fa76768"


def test_every_file_has_its_own_path():
    remotes = request_files(list(epigenomes()), list(KINDS)).files
    assert len({remote.path for remote in remotes}) == len({remote.url for remote in remotes})
    assert all(remote.path.startswith("raw/") for remote in remotes)
    assert all(".." not in remote.path for remote in remotes)
    assert all(re.fullmatch("|md5:[0-9a-f]{32}", remote.checksum) for remote in remotes)
    # 55 weights; 15 tracks and 2 of H3K27ac per cell type; five files that serve all of them.
    assert len(remotes) == 55 + 56 * (15 + 2) + 5
    assert len({(remote.name, remote.kind) for remote in remotes}) == len(remotes)
    assert sum(bool(remote.checksum) for remote in remotes) == 55 + 2


def test_available_says_what_is_known():
    for cell in epigenomes():
        have = available(cell)
        assert set(have) == set(KINDS)
        sure = cell in KNOWN_REFERENCE
        assert have["coverage"] is have["coverage-signal"] is (True if sure else None)
        assert have["weights"] is (cell != "E059")
        assert all(
            have[kind] is True for kind in KINDS if kind != "weights" and "coverage" not in kind
        )
        assert all(remote.certain is sure for remote in request_files([cell], ["coverage"]).files)
    assert set(PAPER_CELLS) <= set(KNOWN_REFERENCE)


def test_unpublished_kinds_are_refused():
    with pytest.raises(ChromvizError, match="no weights were published for E059"):
        request_files(["E059"], ["weights"])


def test_unknown_names_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean matrices"):
        request_files(["E003"], ["matrixes"])
    with pytest.raises(UnknownNameError, match="did you mean K562"):
        request_files(["K526"], ["signal"])
    with pytest.raises(ChromvizError, match="signal needs a cell type; give one with --cells"):
        request_files([" "], ["genes", "signal"])
    assert request_files([], SHARED_KINDS).files


def test_matrices_are_put_where_data_are_read():
    assert matrix_files("E003")["E003/classification/train.csv"] == (
        "raw/deepchrome/E003/classification/train.csv"
    )


def test_mirror_addresses_contain_host_and_path(monkeypatch):
    url = "https://zenodo.org/record/1/files/a.gz?download=1"
    assert mirrored(url, "") == url
    assert (
        mirrored(url, "http://here:8000/m") == "http://here:8000/m/zenodo.org/record/1/files/a.gz"
    )
    monkeypatch.delenv("CHROMVIZ_MIRROR", raising=False)
    assert mirror_base(None) == ""
    monkeypatch.setenv("CHROMVIZ_MIRROR", "https://one/m/")
    assert mirror_base(None) == "https://one/m"
    assert mirror_base("http://two") == "http://two"


@pytest.mark.parametrize(
    "base",
    ["/a/folder", "ftp://x", "http://", "here:8000", "http://x/?key=secret", "u:secret@here"],
)
def test_a_mirror_that_is_not_an_address_is_refused(base):
    with pytest.raises(ChromvizError, match="is not an http") as error:
        mirror_base(base)
    assert "secret" not in str(error.value)


def test_checksum_and_size_from_a_zenodo_record():
    md5 = "0123456789abcdef0123456789abcdef"
    files = [
        {"key": "other", "size": 1, "checksum": "md5:" + "0" * 32},
        {"key": "data.tar.gz", "size": 7, "checksum": f"md5:{md5}"},
    ]
    assert zenodo_file({"files": files}, "data.tar.gz") == (f"md5:{md5}", 7)
    assert zenodo_file({"files": files}, "none") is None


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "text",
        {},
        {"files": None},
        {"files": ["data.tar.gz"]},
        {"files": [{"key": "data.tar.gz"}]},
        {"files": [{"key": "data.tar.gz", "size": "7", "checksum": "md5:" + "0" * 32}]},
        {"files": [{"key": "data.tar.gz", "size": 7, "checksum": "md5:short"}]},
        {"files": [{"key": "data.tar.gz", "size": 7, "checksum": "sha1:" + "0" * 32}]},
        {"files": [{"key": "data.tar.gz", "size": 0, "checksum": "md5:" + "0" * 32}]},
    ],
)
def test_an_unusable_zenodo_record_is_ignored(record):
    assert zenodo_file(record, "data.tar.gz") is None
