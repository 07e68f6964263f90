"""A step is run again when its code has changed, and only then."""

import functools
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import chromviz
from chromviz.results.definitions import forget
from chromviz.results.validity import as_recorded, code_hash, key

PACKAGE = Path(chromviz.__file__).parent

# In a process of its own, for the package that it edits is a copy. The steps are as in recipes: a
# closure, a method that is named in a text, a partial. What they write does not matter here; that
# the real functions decide their keys does.
STEPS = """
import re
import sys
from functools import partial
from pathlib import Path

from chromviz.plot.dots import draw_table3
from chromviz.results.folder import ResultFolder
from chromviz.results.definitions import forget
from chromviz.validation import table3

place = Path(sys.argv[1])


def write_table(folder):
    def make():
        (folder.path / "table").write_text(table3.__name__)

    folder.once("table", 0, ["table"], make)


def explain(folder, method):
    code = [f"chromviz.extractors.attention:{method}"]
    folder.once(method, 0, [method], lambda: (folder.path / method).write_text(method), code)


def write(path, function):
    path.write_text(function.__name__)


def run(*expected):
    forget()
    folder = ResultFolder(place / "out", "test")
    write_table(folder)
    explain(folder, "alpha")
    explain(folder, "beta")
    folder.once("figure", 0, ["figure"], partial(write, folder.path / "figure", draw_table3))
    folder.finish()
    assert folder.made == list(expected), (folder.made, expected)


def edit(module, function, text):
    path = place / "chromviz" / module
    old = path.read_text()
    head = re.search(rf"(?ms)^def {function}\\(.*?\\)(?: -> [^\\n]*)?:\\n", old)
    path.write_text(f"{old[: head.end()]}    {text}\\n{old[head.end() :]}")


run("table", "alpha", "beta", "figure")
run()
edit("validation/resample.py", "correlate", "# a comment")
edit("validation/agreement.py", "table3", "'another docstring'")
edit("recipes/compare.py", "compare", "changed = 1  # which no step uses")
run()
# A statistic that table3 reaches through another module.
edit("validation/resample.py", "correlate", "changed = 1")
run("table")
edit("extractors/attention.py", "beta", "changed = 1")
run("beta")
edit("plot/dots.py", "draw_table3", "changed = 1")
run("figure")
with (place / "chromviz" / "plot" / "chromviz.mplstyle").open("a") as sheet:
    sheet.write("font.size: 7.3\\n")
run("figure")
run()
"""


def test_exactly_the_steps_whose_code_has_changed_are_run_again(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "chromviz", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "steps.py").write_text(STEPS)
    done = subprocess.run(
        [sys.executable, tmp_path / "steps.py", tmp_path],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


A = """
from .b import CONSTANT, Base
from plug import b as other

def one(values: Base) -> float:
    return other.helper(values) * CONSTANT

def two():
    return 2

def outer(scale):
    def inner(x):
        return scale(x)
    return inner

class Net(Base):
    def forward(self, x):
        return one(x)

class Runs:
    def __call__(self):
        return two()
"""
B = """
import numpy as np

CONSTANT = 3.0

class Base:
    size = 1

def helper(values):
    if values is None:
        raise ValueError("no values")
    return np.sum(values)

def unused():
    return 1
"""


@pytest.fixture
def hashed(tmp_path, monkeypatch):
    """Return a function that writes a package of the modules a and b and hashes code of it."""
    monkeypatch.syspath_prepend(tmp_path)

    def of(code, a=A, b=B):
        (tmp_path / "plug").mkdir(exist_ok=True)
        for name, text in {"__init__": "", "a": a, "b": b}.items():
            (tmp_path / "plug" / f"{name}.py").write_text(text)
        for name in [name for name in sys.modules if name.partition(".")[0] == "plug"]:
            del sys.modules[name]
        shutil.rmtree(tmp_path / "plug" / "__pycache__", ignore_errors=True)
        importlib.invalidate_caches()
        forget()
        return code_hash(code if isinstance(code, str) else code(importlib.import_module("plug.a")))

    yield of
    forget()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.sum(values)", "np.mean(values)"),
        ("CONSTANT = 3.0", "CONSTANT = 3.1"),
        ("size = 1", "size = 2"),
        ("import numpy as np", "import math as np"),
        ("if values is None", "if not values"),
    ],
)
def test_a_change_in_code_that_is_used_changes_the_hash(hashed, old, new):
    assert old in B
    assert hashed("plug.a:Net") != hashed("plug.a:Net", b=B.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return 1", "return 2"),
        ("def unused", "# why\ndef unused"),
        ('"no values"', '"a clearer message"'),
        ("def helper(values):", 'def helper(values: float) -> float:\n    """Sum."""'),
        ("CONSTANT = 3.0", "\n\nCONSTANT  =  3.0"),
    ],
)
def test_words_types_and_unused_code_do_not_change_the_hash(hashed, old, new):
    assert old in B
    assert hashed("plug.a:Net") == hashed("plug.a:Net", b=B.replace(old, new))


def test_code_is_found_behind_partials_methods_closures_and_objects(hashed):
    used = B.replace("np.sum", "np.mean")
    for take in (
        lambda a: a.one,
        lambda a: functools.partial(print, a.one),
        lambda a: functools.partial(print, key={"held": [a.one]}),
        lambda a: functools.cache(a.one),
        lambda a: a.outer(a.one),
        lambda a: a.Net().forward,
        lambda a: a.Net,
    ):
        assert hashed(take) == hashed(take)
        assert hashed(take) != hashed(take, b=used)
    changed = A.replace("return 2", "return 3")
    assert hashed(lambda a: a.Runs()) != hashed(lambda a: a.Runs(), a=changed)
    assert hashed(lambda a: a.outer(a.one)) == hashed(lambda a: a.outer(a.one), a=changed)
    assert hashed("plug.a") != hashed("plug.a", a=changed)


def test_a_function_without_source_is_known_by_its_bytecode():
    def of(text):
        names = {"__name__": "nowhere"}
        exec(text, names)  # as a notebook does  # noqa: S102
        return code_hash(names["f"])

    assert of("def f(x): return x + 1") == of("def f(x): return x + 1  # one")
    assert of("def f(x): return x + 1") != of("def f(x): return x + 2")


def test_code_of_libraries_is_not_read():
    assert code_hash(np.ndarray) == code_hash(np.ndarray)
    assert code_hash(np.ndarray) != code_hash(np.random.Generator)


def test_a_key_covers_inputs_and_code_and_leaves_out_what_it_is_told_to():
    table3 = "chromviz.validation.agreement:table3"
    assert key([1], table3) == key([1], table3)
    assert len({key([1], table3), key([2], table3), key([1])}) == 3
    assert code_hash(table3, apart_from=["chromviz"]) == code_hash(apart_from=["chromviz"])


def test_parsing_the_package_takes_about_a_second():
    forget()
    started = time.process_time()
    code_hash("chromviz.recipes.compare:compare")
    assert time.process_time() - started < 3


def test_files_are_valid_only_as_recorded(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    digest = hashlib.sha256(b"hello").hexdigest()
    assert as_recorded(tmp_path, {"a.txt": digest})
    assert not as_recorded(tmp_path, {"a.txt": digest, "b.txt": digest})
    (tmp_path / "a.txt").write_text("hellO")
    assert not as_recorded(tmp_path, {"a.txt": digest})
