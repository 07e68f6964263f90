"""Small tables as the recipes make them, and the check that a printed figure is legible."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from chromviz.plot.style import figure_style
from tests.plot import drawings


@pytest.fixture
def profile_table():
    return drawings.profiles()


@pytest.fixture
def figure2a_table():
    return drawings.figure2a_table()


@pytest.fixture
def figure2b_table():
    return drawings.figure2b_table()


@pytest.fixture
def beta_table():
    return drawings.beta_table()


def _visible_texts(fig):
    ticks = {}
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                inside = low - 1e-9 <= tick.get_loc() <= high + 1e-9
                ticks[tick.label1] = inside and tick.label1.get_visible()
                ticks[tick.label2] = inside and tick.label2.get_visible()
    return [
        text
        for text in fig.findobj(Text)
        if text.get_text().strip() and text.get_visible() and ticks.get(text, True)
    ]


@pytest.fixture
def texts_of():
    """Give the words that a drawn figure shows."""

    def texts_of(fig):
        return [text.get_text() for text in _visible_texts(fig)]

    return texts_of


@pytest.fixture
def assert_legible():
    """Check that no text of a figure is cut off or runs into another."""

    def assert_legible(fig):
        canvas = FigureCanvasAgg(fig)
        with figure_style():
            canvas.draw()
            boxes = [
                (text.get_text(), text.get_window_extent(canvas.get_renderer()))
                for text in _visible_texts(fig)
            ]
        page = fig.bbox
        for words, box in boxes:
            inside = page.x0 <= box.x0 and box.x1 <= page.x1
            assert inside, f"{words!r} is cut off at a side"
            assert page.y0 <= box.y0, f"{words!r} is cut off below"
            assert box.y1 <= page.y1, f"{words!r} is cut off above"
        for (words, box), (others, other) in itertools.combinations(boxes, 2):
            # Descenders may come within a pixel of the next line's accents.
            overlap = (
                min(box.x1, other.x1) - max(box.x0, other.x0) > 1
                and min(box.y1, other.y1) - max(box.y0, other.y0) > 1
            )
            assert not overlap, f"{words!r} runs into {others!r}"

    return assert_legible
