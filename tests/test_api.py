"""The public interface: its names, docstrings, examples, errors, and what its import loads."""

import ast
import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import xarray as xr

import chromviz as cv
from chromviz.errors import ChromvizError

ROOT = Path(__file__).parents[1]
VERBS = {
    *("open_cell", "prepare", "fetch", "simulate", "train", "load_model", "extract", "table3"),
    *("validate", "compare", "audit", "suite", "export", "report"),
    *("list_cells", "list_models", "list_methods"),
}
PLOTS = [f"plot.{name}" for name in cv.plot.__all__]
HEAVY = {"torch", "captum", "matplotlib", "pandas", "xarray", "numpy"}
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
SCIENTIFIC = {
    *("my_models", "chromviz", "numpy", "pandas", "xarray", "matplotlib", "torch", "scipy"),
    "pathlib",
}

EVERY = sorted([*VERBS, *PLOTS])


def public(name):
    return getattr(cv.plot, name[5:]) if name.startswith("plot.") else getattr(cv, name)


def loaded_by(code):
    """Modules that a new Python has loaded after running a piece of code."""
    ends = "\nimport sys; print('LOADED', *sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code + ends], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_completion_shows_verbs_and_plot_only():
    assert set(dir(cv)) == {*VERBS, "plot"} == set(cv.__all__)
    assert all(callable(public(name)) for name in (*VERBS, *PLOTS))
    assert re.match(r"\d+\.\d+", cv.__version__)
    with pytest.raises(AttributeError, match="no attribute 'no_such_verb'"):
        _ = cv.no_such_verb


def test_import_loads_nothing_heavy():
    assert not HEAVY & loaded_by("import chromviz; dir(chromviz)")


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["prepare", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        f"import sys; sys.argv = ['chromviz', *{arguments}]\n"
        "from chromviz.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
    )
    assert not {"torch", "captum", "matplotlib", "pandas"} & loaded_by(code)


def test_a_submodule_does_not_hide_a_verb():
    code = (
        "import pkgutil, importlib, chromviz as cv\n"
        "for package in ('chromviz', 'chromviz.plot'):\n"
        "    names = [one.name for one in pkgutil.iter_modules(importlib.import_module(package)"
        ".__path__)]\n"
        "    names = set(names) - {'plot'}\n"
        "    assert not names & set(importlib.import_module(package).__all__), names\n"
    )
    loaded_by(code)


@pytest.mark.parametrize("name", EVERY)
def test_docstrings_have_all_sections(name):
    text = inspect.getdoc(public(name))
    sections = ["Returns", "Examples"]
    if inspect.signature(public(name)).parameters:
        sections += ["Parameters", "Raises"]
    for section in sections:
        assert re.search(rf"^{section}\n-+$", text, re.M), f"{name} lacks {section}"
    assert ">>> " in text


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Where the models of all examples are kept: several train the same ones."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def own_folder(tmp_path, monkeypatch, models):
    monkeypatch.setenv("CHROMVIZ_CACHE", str(models))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda *_: None)
    yield tmp_path
    plt.close("all")


@pytest.mark.parametrize("name", EVERY)
def test_examples_run(name, own_folder, blank_figures):
    verb = public(name)
    space = {**vars(sys.modules[verb.__module__]), "tmp": own_folder}
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    (test,) = [
        one
        for one in doctest.DocTestFinder(recurse=False).find(verb, name, globs=space)
        if one.examples
    ]
    said = []
    result = doctest.DocTestRunner(optionflags=flags).run(test, out=said.append)
    assert result.attempted
    assert not result.failed, "".join(said)


@pytest.mark.parametrize(
    "call",
    [
        lambda: cv.open_cell(3),
        lambda: cv.simulate(3),
        lambda: cv.extract(3, "K562"),
        lambda: cv.extract("alpha", 3, "lstm"),
        lambda: cv.extract("alpha", "K562", 3),
        lambda: cv.extract("alpha", "K562", ["lstm", "lstm-alpha"]),
        lambda: cv.extract("alpha", "K562"),
        lambda: cv.extract("alpha", "K562", "deepchrome"),
        lambda: cv.extract("alpha", "K562", "lstm-alpha", colour="red"),
        lambda: cv.train(3, "K562"),
        lambda: cv.train("lstm", 3),
        lambda: cv.train("lstm", "K562", epoch=3),
        lambda: cv.compare(3),
        lambda: cv.compare("K562", models=[3]),
        lambda: cv.validate(3),
        lambda: cv.suite([3]),
        lambda: cv.plot.profiles(3),
        lambda: cv.plot.coverage(3),
        lambda: cv.plot.table3(3),
        lambda: cv.plot.gain(3),
        lambda: cv.plot.verdicts(3),
        lambda: cv.plot.deletion(3),
        lambda: cv.plot.consensus(3),
        lambda: cv.plot.gene(3),
        lambda: cv.plot.beta(3),
        lambda: cv.plot.genes(3, "K562"),
        lambda: cv.plot.learning_curve(3),
        lambda: cv.plot.suite(3),
    ],
)
def test_a_wrong_argument_is_one_clear_line(call, own_folder):
    with pytest.raises(ChromvizError) as error:
        call()
    assert "\n" not in str(error.value)
    assert not list(own_folder.glob("results/**/*.nc"))


def test_names_and_objects_give_the_same(own_folder):
    data = cv.open_cell("K562")
    model = cv.train("linear-regression", data, seed=3)
    by_object = cv.extract("coefficients", data, model, seed=3)
    by_name = cv.extract("coefficients", "K562", "linear-regression", seed=3)
    xr.testing.assert_equal(by_object["weight"], by_name["weight"])
    assert by_object.attrs["model"] == by_name.attrs["model"]
    assert model.predict(data).equals(model.predict("K562"))
    assert cv.open_cell(data) is data


def _blocks():
    """Python blocks of README and docs, with their document.

    Those for authors of plug-ins also import what a plug-in consists of, from chromviz.catalog.
    """
    for path in DOCUMENTS:
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.S)):
            yield pytest.param(block, id=f"{path.name}-{number}")


@pytest.mark.parametrize("block", list(_blocks()))
def test_documents_use_public_names_only(block):
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {one.name.partition(".")[0] for one in node.names} <= SCIENTIFIC
            assert not [one.name for one in node.names if one.name.startswith("chromviz.")]
        if isinstance(node, ast.ImportFrom) and node.module != "chromviz.catalog":
            assert node.module.partition(".")[0] in SCIENTIFIC
            assert not node.module.startswith("chromviz")
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "cv":
            assert node.attr in cv.__all__
