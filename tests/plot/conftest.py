"""Small tables as the recipes make them, and the check that a printed figure is legible."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from chromviz.plot.style import figure_style
from chromviz.vocabulary import MARKS, Window

NAN = float("nan")


def _profile(mark, peak, scale):
    window = Window()
    centre = (window.bin_start + 50) / 1000
    mean = scale * (1 + peak * np.exp(-((centre - 0.4) ** 2)))
    columns = {"mark": mark, "bin_start": window.bin_start, "bin_width": window.bin_width}
    return pd.DataFrame({**columns, "mean": mean, "ci_low": 0.9 * mean, "ci_high": 1.1 * mean})


def _profiles(peaks):
    parts = [_profile(mark, peak, 0.008) for mark, peak in zip(MARKS, peaks, strict=True)]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def profile_table():
    return _profiles((0.0, 0.2, 0.4, 1.5, 0.1))


@pytest.fixture
def figure2a_table(profile_table):
    parts = [
        profile_table.assign(state="ON", n_genes=3214),
        _profiles((0.6, 0.0, 0.0, 0.1, 0.5)).assign(state="OFF", n_genes=3387),
    ]
    source = {"cell": "E116", "model": "lstm-alpha-beta", "method": "alpha", "simulated": 1}
    return pd.concat(parts, ignore_index=True).assign(**source)


@pytest.fixture
def figure2b_table(profile_table):
    coverage = _profile("H3K27ac", 4.0, 3.0).assign(
        role="coverage", n_genes=9105, unit="reads per 100 bp bin", model="", method=""
    )
    weight = profile_table.assign(
        role="weight", n_genes=3214, unit="", model="lstm-alpha-beta", method="alpha"
    )
    parts = pd.concat([coverage, weight], ignore_index=True)
    return parts.assign(cell="E116", simulated=1)


@pytest.fixture
def beta_table():
    cells = {
        "E003": ((0.41, 0.12, 0.14, 0.21, 0.12), 0.034, 0, "test"),
        "E116": ((0.08, 0.21, 0.17, 0.46, 0.08), 0.947, 1, "train"),
        "E123": ((0.35, 0.10, 0.20, 0.22, 0.13), NAN, -1, "none"),
    }
    rows = [
        {"cell": cell, "mark": mark, "weight": weight, "probability": p, "label": y, "split": split}
        for cell, (weights, p, y, split) in cells.items()
        for mark, weight in zip(MARKS, weights, strict=True)
    ]
    return pd.DataFrame(rows).assign(
        gene="ENSG00000196092", symbol="PAX5", expression=1.0, simulated=1
    )


@pytest.fixture
def agreement_table():
    rows = [
        # A control between the methods: the order of groups is the printer's work.
        ("", "raw_signal", 0.953, 0.941, 0.962, NAN, ""),
        ("lstm-alpha-beta", "alpha", 0.912, 0.881, 0.934, 0.9027, ""),
        ("deepchrome", "saliency", -0.131, -0.29, 0.06, 0.2238, ""),
        ("deepchrome", "saliency_absolute", 0.62, NAN, NAN, NAN, "3 genes left out"),
        ("", "uniform", NAN, NAN, NAN, NAN, "r is undefined: the weights do not vary"),
    ]
    names = ["model", "method", "estimate", "ci_low", "ci_high", "paper", "note"]
    return pd.DataFrame(rows, columns=names).assign(
        cell="E123",
        mark="H3K4me3",
        track="H3K27ac",
        n_genes=[NAN, 3102.0, 3102.0, 3102.0, 3102.0],
        n_reference_genes=9012,
        simulated=1,
        gene_set="test genes predicted ON",
    )


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
