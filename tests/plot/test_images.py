"""Drawings look as they did when a person last looked at them."""

import shutil

import pytest
from matplotlib.testing.compare import compare_images
from PIL import Image

from chromviz.plot.style import TWO_COLUMNS, render_figure, says_simulated
from tests.plot.drawings import BASELINE, DRAWINGS, picture

# Root mean square of the differences of grey levels, 0 to 255. Other builds of the same drawing
# library smooth edges otherwise; a line that moves by its width gives more.
_TOLERANCE = 2.0
_AGAIN = "if the change is meant, run 'python -m tests.plot.drawings' and look at each picture"


def difference(fig, name, folder):
    """Return how a figure differs from its stored picture, None if it does not."""
    stored = BASELINE / f"{name}.png"
    assert stored.is_file(), f"no stored picture {stored.name}; {_AGAIN}"
    expected, drawn = folder / stored.name, folder / f"{name}-drawn.png"
    shutil.copy(stored, expected)  # compare_images writes the difference beside what it is given
    picture(fig, drawn)
    with Image.open(expected) as one, Image.open(drawn) as other:
        if one.size != other.size:
            return f"{other.size} in place of {one.size}"
    return compare_images(expected, drawn, _TOLERANCE)


@pytest.mark.parametrize("name", DRAWINGS)
def test_it_looks_as_before_and_is_legible(name, tmp_path, assert_legible):
    fig = DRAWINGS[name]()
    found = difference(fig, name, tmp_path)
    assert found is None, f"{found}; {_AGAIN}"
    assert fig.get_figwidth() <= TWO_COLUMNS + 1e-9
    assert says_simulated(fig)
    assert_legible(fig)


def test_a_changed_drawing_and_a_missing_picture_are_seen(tmp_path):
    for change in ("line", "number", "size"):
        fig = DRAWINGS["figure2a"]()
        if change == "line":
            line = next(line for line in fig.axes[0].lines if line.get_gid() == "H3K4me3")
            line.set_ydata(line.get_ydata() * 1.05)
        elif change == "number":
            fig.axes[0].set_title("predicted ON (n = 3,215)")
        else:
            fig.set_figheight(fig.get_figheight() + 0.1)
        assert difference(fig, "figure2a", tmp_path) is not None, change
    with pytest.raises(AssertionError, match=r"no stored picture nowhere\.png"):
        difference(DRAWINGS["figure2a"](), "nowhere", tmp_path)
    assert not (BASELINE / "nowhere.png").exists()


def test_every_stored_picture_has_its_drawing():
    assert {path.stem for path in BASELINE.iterdir()} == set(DRAWINGS)


def test_text_in_a_pdf_can_be_edited():
    content = render_figure(DRAWINGS["figure2c"](), "pdf", {})
    # TrueType whole, and no outlines of letters (Type 3).
    assert b"/Subtype /Type0" in content or b"/Subtype /TrueType" in content
    assert b"/Subtype /Type3" not in content
