"""The command line as its users meet it: what it prints, and with which code it ends."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyBigWig
import pytest
import torch

from chromviz import schema
from chromviz.cli import main
from chromviz.data.archives.addresses import request_files
from chromviz.models.checkpoint import load_model
from chromviz.settings import Settings
from chromviz.vocabulary import MARKS, Window
from tests.conftest import make_dataset
from tests.data.roadmap import roadmap_files
from tests.models.test_foreign import released
from tests.server import serve


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in a folder, in this process: a new one would import torch each time."""

    def run(*arguments, cwd=tmp_path):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["chromviz", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, printed.out, printed.err)

    return run


def refused(result, *words):
    """One line on standard error, and exit code 2."""
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("chromviz: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['chromviz', '--help']\n"
        "from chromviz.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'captum', 'matplotlib', 'xarray', 'pandas', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout


COMMANDS = [
    *("prepare", "fetch", "cells", "train", "models import", "compare", "validate", "audit"),
    *("extract", "methods", "report", "export", "suite"),
]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns_and_cuts_no_word(run, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    done = run(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "…" not in done.stdout
    if command:
        assert re.search(rf"Examples?: chromviz {command}", " ".join(done.stdout.split()))


def test_help_of_no_command_is_forgotten(run):
    shown = run("--help").stdout
    listed = set(re.findall(r"^│ ([a-z]+) ", shown, re.M))
    assert listed == {command.split()[0] for command in COMMANDS}


def test_a_process_of_its_own_ends_with_one_line_and_code_2(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "chromviz", "compare", "--cell", "K652"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    refused(done, "unknown cell type 'K652'", "did you mean K562")


def test_the_lists(run):
    assert "lstm-alpha-beta" in run("models").stdout
    assert "class_optimization" in run("methods").stdout
    cells = run("cells")
    assert "K562" in cells.stdout
    assert "SIMULATED" in cells.stdout
    listed = json.loads(run("cells", "--json").stdout)
    assert len(listed) == 56
    assert {row["cell"] for row in listed if row["local"]} == {"E003", "E116", "E123"}
    assert run("--version").stdout.startswith("chromviz ")


def test_unknown_cell(run):
    refused(run("compare", "--cell", "K652"), "unknown cell type 'K652'", "did you mean K562")


def test_known_cell_that_is_not_embedded(run):
    refused(run("compare", "--cell", "HepG2"), "no dataset for HepG2 (E118) in the embedded")


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare",),
        ("compare", "--cell", "K562", "--seed", "-1"),
        ("compare", "--cell", "K562", "--bootstrap", "many"),
        ("compare", "--cell", "K562", "--bootstrap", "-5"),
        ("frobnicate",),
    ],
)
def test_usage_errors_exit_2(run, arguments):
    refused(run(*arguments), ". See '")


@pytest.fixture
def folder(tmp_path):
    dataset = make_dataset(60, window=Window(1000, 100))
    schema.save_dataset(dataset, tmp_path / "data" / "E123.nc")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--models", "resnet"), ("unknown model 'resnet'",)),
        (("--models", ""), ("no model",)),
        (("--methods", "salience"), ("did you mean saliency",)),
        (("--device", "cuda:7"), ("device 'cuda:7' is not available",)),
        (("--gene", "PAX5"), ("unknown gene 'PAX5'",)),
    ],
)
def test_bad_options_of_compare(run, folder, arguments, words):
    done = run(
        "compare", "--cell", "K562", "--data", "data", "--out", "out", *arguments, cwd=folder
    )
    refused(done, *words)
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())


def test_an_out_that_cannot_be_written_to(run, folder):
    (folder / "out").write_text("in the way")
    done = run("compare", "--cell", "K562", "--data", "data", "--out", "out", cwd=folder)
    refused(done, "cannot write to the folder out", "--out")
    assert (folder / "out").read_text() == "in the way"


def test_data_that_is_none(run, folder):
    refused(run("cells", "--data", "nowhere", cwd=folder), "nowhere does not exist")
    (folder / "empty").mkdir()
    refused(run("train", "--cell", "K562", "--data", "empty", cwd=folder), "contains no dataset")
    (folder / "data" / "E003.nc").write_bytes(b"")
    done = run("compare", "--cell", "E003", "--data", "data", cwd=folder)
    refused(done, "E003.nc is not a whole NetCDF-4 file")
    assert not (folder / "results").exists()


def test_compare_prints_the_table_and_json_for_programs(run, folder):
    common = ("compare", "--cell", "K562", "--data", "data", "--models", "svm", "--bootstrap", 20)
    page = run(*common, "--out", "out", cwd=folder)
    assert page.returncode == 0, page.stderr
    assert "control: raw signal" in page.stdout
    assert "models use 58 of 60 genes" in page.stdout
    assert "SIMULATED" not in page.stdout
    again = run(*common, "--out", "out", "--json", "--quiet", cwd=folder)
    record = json.loads(again.stdout)
    assert again.stderr == ""
    assert record["table3"][-1]["method"] == "random"
    assert record["simulated"] is False


#: A quick run of each command that has a result folder, with options of every group.
RUNS = {
    "validate": (
        *("--cell", "K562", "--models", "linear-regression", "--methods", "occlusion"),
        *("--tests", "agreement", "--bootstrap", 10, "--null", 10, "--genes", 5, "--seeds", 1),
    ),
    "validate several": ("--cell", "K562,E003", "--models", "svm", "--tests", "agreement"),
    "audit": ("SYM9", "--cells", "K562", "--model", "logistic-regression", "--methods", "saliency"),
    "audit --differential": ("--cells", "K562,E003", "--seeds", 1, "--seed", 2),
    "suite": (
        *("--cells", "K562", "--models", "svm", "--reference", "svm", "--tables", "2"),
        *("--bootstrap", 5, "--seeds", 2),
    ),
    "extract": (
        *("--cell", "K562", "--model", "linear-regression", "--methods", "occlusion,raw_signal"),
        *("--set", "window=7", "--genes", "SYM5,SYM9", "--seed", 3),
    ),
}
RECORDS = {
    "validate": {"folder", "simulated", "verdicts", "validation"},
    "audit": {"folder", "rows", "audit"},
    "audit --differential": {"folder", "changes", "recovery"},
    "suite": {"folder", "units", "paired", "table2"},
    "extract": {"simulated", "files"},
}


@pytest.mark.parametrize("name", RUNS)
def test_commands_print_a_page_or_json(run, folder, blank_figures, monkeypatch, name):
    monkeypatch.setattr("chromviz.catalog.ModelSpec.settings", lambda *_: Settings(max_epochs=1))
    other = make_dataset(60, seed=1, cell="E003", window=Window(1000, 100))
    schema.save_dataset(other, folder / "data" / "E003.nc")
    command = name.removesuffix(" several")
    arguments = (*command.split(), *RUNS[name], "--data", "data", "--out", "out")
    done = run(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "out" in done.stdout
    again = run(*arguments, "--json", "--quiet", cwd=folder)
    assert again.stderr == ""
    record = json.loads(again.stdout)
    assert set(record) == RECORDS[command]
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["seed"] == {"audit --differential": 2, "extract": 3}.get(name, 0)
    if name == "extract":
        assert set(record["files"]) == {"occlusion", "raw_signal"}
        (folder / "sizes").write_text("chr1\t1000000\n")
        export = ("export", "--cell", "K562", "--data", "data", "--results", "out")
        export += ("--formats", "csv", "--chrom-sizes", "sizes", "--out", "tracks")
        written = json.loads(run(*export, "--json", cwd=folder).stdout)
        assert [file for file in written["files"] if "window-7" in file]
        assert all((folder / "tracks" / file).is_file() for file in written["files"])
    if name == "audit":
        page = run("report", "out", "--data", "data", "--out", "page.html", "--json", cwd=folder)
        assert json.loads(page.stdout)["page"] == "page.html"


def test_methods_and_models_as_json(run):
    methods = {one["method"]: one for one in json.loads(run("methods", "--json").stdout)}
    assert methods["occlusion"]["settings"]["window"] == 5
    assert methods["raw_signal"]["needs"] == "no model"
    models = {one["model"]: one for one in json.loads(run("models", "--json").stdout)}
    assert set(models["svm"]) == {"model", "label", "attention", "source"}
    assert models["svm"]["attention"] == "none"


def make_inputs(folder: Path, *, chrom="chr1") -> list[str]:
    """Tracks, genes and expression of 40 genes; returns prepare's arguments."""
    rng = np.random.default_rng(0)
    for mark in (*MARKS, "H3K27ac"):
        with pyBigWig.open(str(folder / f"{mark}.bw"), "w") as track:
            track.addHeader([(chrom, 1_000_000)])
            values = rng.random(10_000)
            track.addEntries(chrom, 0, values=values.tolist(), span=100, step=100)
    lines = [f"chr1\t{t}\t{t + 1}\tG{t}|S{t}\t0\t+\n" for t in range(10_000, 810_000, 20_000)]
    (folder / "genes.bed").write_text("".join(lines))
    rows = [f"G{t}\t{t % 7}\t1\n" for t in range(10_000, 810_000, 20_000)]
    (folder / "rpkm.tsv").write_text("gene_id\tE003\tE004\n" + "".join(rows))
    return [
        *("prepare", "--cell", "H1-hESC", "--signal", "{mark}.bw", "--coverage"),
        *("H3K27ac=H3K27ac.bw", "--genes", "genes.bed", "--expression", "rpkm.tsv"),
        *("--out", "real"),
    ]


def test_prepare_says_what_it_made(run, tmp_path):
    arguments = make_inputs(tmp_path)
    done = run(*arguments, "--unit=-log10 p", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "models use 40 of 40 genes" in done.stdout
    dataset = schema.load_dataset(tmp_path / "real" / "E003.nc")
    assert dataset.attrs["signal_unit"] == "-log10 p"
    assert "prepare --cell H1-hESC" in dataset.attrs["command"]
    sources = json.loads(dataset.attrs["sources"])
    assert len(sources) == 8
    assert all(len(source["sha256"]) == 64 for source in sources)


_BAD_OPTIONS = {
    "bad label": (["--label", "mean"], ("label rule 'mean'", "median")),
    "bad extent": (["--extent", "long"], ("long",)),
    "bad policy": (["--missing", "mean"], ("missing", "'mean'")),
    "half a split": (["--valid", "chr1"], ("to test on",)),
    "no such chromosome": (["--valid", "chr1", "--test", "chr77"], ("'chr77'",)),
    "no blacklist": (["--blacklist", "black.bed"], ("no file black.bed",)),
    "two sources": (["--matrices", "csv"], ("either --signal", "--matrices")),
    "no biotype in BED": (["--biotype", "protein_coding"], ("biotype",)),
    "no such column": (["--expression-column", "E9"], ("rpkm.tsv", "E9")),
    "reference as input": (["--signal", "H3K27ac=H3K27ac.bw"], ("must be the only value",)),
}


def _spoil(folder, case):
    """Damage one input; return arguments to change and words to expect."""
    if case == "missing bigWig":
        (folder / "H3K4me1.bw").unlink()
        return [], ("H3K4me1.bw",)
    if case == "truncated bigWig":
        whole = (folder / "H3K4me1.bw").read_bytes()
        (folder / "H3K4me1.bw").write_bytes(whole[: len(whole) // 2])
        return [], ("H3K4me1.bw",)
    if case == "not a bigWig":
        (folder / "H3K4me1.bw").write_text("chr1\t0\t100\t3.5\n")
        return [], ("H3K4me1.bw",)
    if case == "no chromosome in common":
        text = (folder / "genes.bed").read_text().replace("chr1\t", "chrZ\t")
        (folder / "genes.bed").write_text(text)
        return [], ("'chrZ'", "'chr1'")
    if case == "no strand":
        text = (folder / "genes.bed").read_text().replace("\t0\t+", "")
        (folder / "genes.bed").write_text(text)
        return [], ("genes.bed", "strand")
    if case == "duplicate gene":
        lines = (folder / "genes.bed").read_text().splitlines(keepends=True)
        (folder / "genes.bed").write_text("".join([*lines, lines[3]]))
        return [], ("genes.bed", "G70000")
    if case == "no such cell in the expression":
        text = (folder / "rpkm.tsv").read_text().replace("E003", "E999")
        (folder / "rpkm.tsv").write_text(text)
        return [], ("rpkm.tsv", "H1-hESC")
    if case == "expression not a number":
        text = (folder / "rpkm.tsv").read_text().replace("G50000\t6", "G50000\tsix")
        (folder / "rpkm.tsv").write_text(text)
        return [], ("rpkm.tsv", "six")
    if case == "empty genes":
        (folder / "genes.bed").write_text("")
        return [], ("genes.bed", "contains no gene")
    if case == "out is a file":
        (folder / "real").write_text("")
        return [], ("cannot write to the folder real",)
    if case == "bad window":
        return ["--bin-width", "300"], ("bins of 300 bp",)
    if case == "bad orientation":
        return ["--orientation", "sideways"], ("orientation", "sideways")
    if case in _BAD_OPTIONS:
        return _BAD_OPTIONS[case]
    raise KeyError(case)


@pytest.mark.parametrize(
    "case",
    [
        *("missing bigWig", "truncated bigWig", "not a bigWig", "no chromosome in common"),
        *("no strand", "duplicate gene", "no such cell in the expression"),
        *("expression not a number", "empty genes", "out is a file", "bad window"),
        "bad orientation",
        *_BAD_OPTIONS,
    ],
)
def test_bad_input_of_prepare(run, tmp_path, case):
    arguments = make_inputs(tmp_path)
    more, words = _spoil(tmp_path, case)
    refused(run(*arguments, *more, cwd=tmp_path), *words)
    assert not (tmp_path / "real").is_dir() or not list((tmp_path / "real").iterdir())


def test_a_mark_missing_is_named(run, tmp_path):
    arguments = make_inputs(tmp_path)
    arguments[4] = "H3K4me3="
    refused(run(*arguments, cwd=tmp_path), "--signal", "MARK=FILE")


def test_an_audit_on_the_embedded_data_says_it_is_simulated(run, tmp_path):
    done = run("audit", "PAX9", "--cells", "K562", cwd=tmp_path)
    refused(done, "unknown gene 'PAX9'", "PAX5")
    refused(run("audit", "PAX5", "--cells", ",", cwd=tmp_path), "--cells")


def test_prepare_check_writes_nothing(run, tmp_path):
    arguments = make_inputs(tmp_path)[:-2]
    done = run(*arguments, "--check", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("checked; nothing was written")
    # A chromosome of a million bases is not hg19's.
    assert "warning: H3K27me3.bw: chr1 has 1,000,000 bases" in done.stdout
    assert not list(tmp_path.glob("**/*.nc"))
    record = json.loads(run(*arguments, "--check", "--json", cwd=tmp_path).stdout)
    assert record["file"] is None
    assert {"level", "check", "message"} == set(record["findings"][0])
    refused(run(*arguments, cwd=tmp_path), "--out", "--check")


def test_zeros_in_place_of_gaps_show_in_every_table(run, tmp_path):
    arguments = make_inputs(tmp_path)
    done = run(*arguments, "--missing", "zero", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = "Bins without data were set to zero"
    assert told in done.stdout
    compare = ("compare", "--cell", "E003", "--data", "real", "--models", "svm")
    done = run(*compare, "--bootstrap", 20, "--out", "out", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    for name in ("table3.md", "table3.tex"):
        assert told in (tmp_path / "out" / name).read_text()
    header, first, *_ = (tmp_path / "out" / "table3.csv").read_text().splitlines()
    assert dict(zip(header.split(","), first.split(","), strict=False))["missing"] == "zero"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["comp"], "Did you mean 'compare'"),
        (["compare"], "--cell"),
        (["audit", "X", "--mark", "y"], "--mark"),
        (["train", "--cell", "K562", "--epochs", "two"], "--epochs"),
        (["fetch"], "--out FOLDER"),
    ],
)
def test_wrong_options_are_one_line_too(run, arguments, word):
    refused(run(*arguments), word)


def test_the_kinds_of_data_are_listed(run, tmp_path):
    done = run("fetch", "--list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "matrices" in done.stdout
    (tmp_path / "empty").mkdir()
    assert "Cell types: none in empty" in run("cells", "--data", "empty", cwd=tmp_path).stdout


def test_fetch_then_compare_is_table_3(run, tmp_path):
    files = roadmap_files(["E123", "E004"]).mirror
    files = {path: content for path, content in files.items() if "E004-H3K27ac" not in path}
    with serve(files) as mirror:
        fetch = ("fetch", "--cell", "K562", "--out", "real", "--base-url", mirror.url)
        listed = run(*fetch, "--list", cwd=tmp_path)
        assert listed.returncode == 0, listed.stderr
        assert "data.tar.gz" in listed.stdout
        assert not (tmp_path / "real").exists()
        done = run(*fetch, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "next: chromviz compare --cell E123 --data real" in done.stdout
        lacks = run(
            "fetch",
            "--cell",
            "E004",
            "--out",
            "un compared",
            "--base-url",
            mirror.url,
            cwd=tmp_path,
        )
        assert "next: chromviz train --cell E004 --data 'un compared'" in lacks.stdout
        refused(run(*fetch, "--kinds", "matrix"), "unknown kind of data 'matrix'", "matrices")
        refused(run("fetch", "--cell", "K652", "--out", "real"), "'K652'", "K562")
    compare = ("compare", "--cell", "K562", "--data", "real", "--models", "deepchrome")
    done = run(*compare, "--bootstrap", 20, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" not in done.stdout
    assert "0.2238" in done.stdout  # the paper's value stands beside ours
    done = run("fetch", "--cell", "K562", "--out", "new", "--base-url", mirror.url, "--quiet")
    refused(done, "no connection", mirror.url)


def test_models_import(run, tmp_path):
    torch.save(released().state_dict(), tmp_path / "model.pt")
    done = run("models", "import", "model.pt", "--cell", "K562", "--out", "kept", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trained elsewhere, read from" in done.stdout
    assert load_model(tmp_path / "kept" / "E123.attentivechrome-released").card.cell == "E123"
    (tmp_path / "model.pt").write_bytes(b"no checkpoint")
    done = run("models", "import", "model.pt", "--cell", "K562", "--out", "new", cwd=tmp_path)
    refused(done, "model.pt")
    assert not (tmp_path / "new").exists()


def test_models_import_by_cell_holds_the_archive_to_its_checksum(run, tmp_path):
    (remote,) = request_files(["E123"], ["weights"]).files
    with serve() as mirror:
        path = f"/{urlsplit(remote.url).netloc}{urlsplit(remote.url).path}"
        mirror.files[path] = b"not these weights"
        options = ("--out", "kept", "--base-url", mirror.url, "--quiet")
        done = run("models", "import", "--cell", "K562", *options, cwd=tmp_path)
    refused(done, "MD5")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either --cell, one cell type, or --cells"),
        (["--cell", "K562", "--cells", "K562,E003"], "either --cell, one cell type, or --cells"),
        (["--cell", "K562", "--leave-one-out"], "at least two cell types"),
        (["--cells", "K562,E123"], "is named twice"),
        (["--cells", "K562,K563"], "unknown cell type"),
        (["--cell", "K562", "--preset", "fats"], "unknown preset 'fats'; did you mean fast"),
        (["--cell", "K562", "--optimizer", "adamw"], "unknown optimizer"),
        (["--cell", "K562", "--learning-rate", "0"], "must be above 0"),
        (["--cell", "K562", "--model", "svm", "--epochs", "3"], "trained by gradient steps"),
        (
            ["--cell", "K562", "--model", "rules", "--seeds", "3"],
            "trained by gradient steps",
        ),
        (["--cell", "K562", "--model", "lsmt"], "unknown model 'lsmt'; did you mean lstm"),
        (["--cell", "K562", "--device", "cuda:77"], "is not available here"),
        (["--cell", "K562", "--seeds", "0"], "seeds"),
    ],
)
def test_bad_options_of_train(run, arguments, words):
    found = run("train", *arguments)
    assert found.returncode == 2
    assert words in found.stderr
    assert found.stderr.count("\n") == 1


def test_train_writes_an_ensemble_and_its_learning_curve(run, tmp_path):
    schema.save_dataset(make_dataset(), tmp_path / "E123.nc")
    found = run(
        *("train", "--cell", "K562", "--data", ".", "--model", "lstm-alpha", "--seeds", "2"),
        *("--epochs", "2", "--class-weight", "--out", "models"),
    )
    assert found.returncode == 0, found.stderr
    assert "an ensemble of 2" in found.stdout
    model = load_model(tmp_path / "models" / "E123.lstm-alpha.seed0-1")
    assert model.card.settings["class_weight"] is True
    assert len(model.card.members) == 2
    assert (tmp_path / "models" / "E123.lstm-alpha.seed0-1.curve.png").is_file()


def test_train_leaves_each_cell_out(run, tmp_path):
    for row, cell in enumerate(("E003", "E116", "E123")):
        schema.save_dataset(make_dataset(120, seed=row, cell=cell), tmp_path / f"{cell}.nc")
    found = run(
        *("train", "--cells", "E003,E116,K562", "--leave-one-out", "--data", "."),
        *("--model", "logistic-regression", "--out", "left", "--json"),
    )
    assert found.returncode == 0, found.stderr
    rows = json.loads(found.stdout)
    assert [row["cell"] for row in rows] == ["E003", "E116", "E123"]
    assert all(row["auc_left_out"] > 0.7 for row in rows)
    assert (tmp_path / "left" / "leave_one_out.csv").read_text().startswith("cell,model,seed,")
    assert load_model(tmp_path / "left" / "E003+E123-to-E116.logistic-regression.seed0")
