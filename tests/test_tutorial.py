"""The check of the tutorial tells what is stored from what is not."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
STORED = "Table  r\nα    0.98  403 genes\nmodel (bc94ef32e241)"


@pytest.fixture(scope="module")
def tutorial():
    spec = importlib.util.spec_from_file_location("run_tutorial", DOCS / "run_tutorial.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook(tutorial, text, *tags, name="stdout"):
    output = {"output_type": "stream", "name": name, "text": text}
    prose = {"cell_type": "markdown", "metadata": {}, "source": ""}
    cell = {"cell_type": "code", "metadata": {"tags": list(tags)}, "outputs": [output]}
    return tutorial.nbformat.from_dict({"cells": [prose, cell]})


@pytest.mark.parametrize(
    ("text", "fine", "trained_fine"),
    [
        (STORED, True, True),
        (STORED.replace("  r", "     r"), True, True),  # another width
        (STORED.replace("0.98", "0.97"), True, True),  # the last digit
        (STORED.replace("0.98", "0.95"), False, False),  # of the very same model
        (STORED.replace("0.98", "nan"), False, False),
        (STORED.replace("403", "412"), False, False),
        (STORED.replace("α", "β"), False, False),
        (STORED.replace("bc94", "0000"), True, True),
        (STORED.replace("bc94", "0000").replace("0.98", "0.7"), False, True),
        (STORED.replace("bc94", "0000").replace("403", "412"), False, True),
        (STORED.replace("bc94", "0000").replace("0.98", "-0.7"), False, True),
        (STORED.replace("bc94", "0000").replace("0.98", "nan"), False, False),
        (STORED.replace("bc94", "0000").replace("0.98", ""), False, False),
    ],
)
def test_words_and_numbers_are_compared(tutorial, text, fine, trained_fine):
    for tags, expected in (((), fine), (("trained",), trained_fine)):
        stored, fresh = (notebook(tutorial, one, *tags) for one in (STORED, text))
        assert (tutorial.differences(stored, fresh) == []) == expected


def test_a_warning_is_a_difference(tutorial):
    one = notebook(tutorial, "careful", name="stderr")
    assert "writes to stderr: careful" in tutorial.differences(one, one)[0]
    other = notebook(tutorial, "careful")
    assert tutorial.differences(one, other)


def test_the_stored_tutorial_was_run_and_tells_nothing_of_the_machine():
    text = (DOCS / "tutorial.ipynb").read_text("utf-8")
    cells = json.loads(text)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] and cell["outputs"] for cell in code)
    assert all(set(cell["metadata"]) <= {"tags"} for cell in cells)
    kinds = [kind for cell in code for one in cell["outputs"] for kind in one.get("data", ())]
    assert kinds.count("image/png") == 3
    prose = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(r"/(home|root|tmp|Users|usr)/|\b20\d\d-\d\d-\d\d|stderr|Traceback", prose)
    assert "simulated" in prose
    assert len(text) < 250_000
