from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from chromviz.plot import style
from chromviz.plot.profile_lines import draw_figure2a, plot_profiles
from chromviz.vocabulary import MARKS, REFERENCE_TRACK

RECORD = {"Title": "Figure 2a", "Keywords": "α map", "seed": "7"}

# Drawn by a process of its own: what a hash seed or a clock changes, one process hides.
SCRIPT = """
import sys
from pathlib import Path
import pandas as pd
from chromviz.plot.profile_lines import draw_figure2a
from chromviz.plot.style import save_figure
table = pd.read_csv(sys.argv[1])
save_figure(draw_figure2a(table), Path(sys.argv[2]), metadata={"Title": "Figure 2a"})
"""


def _figure():
    with style.figure_style():
        fig = Figure(figsize=(2, 2))
        ax = fig.subplots()
        ax.plot([0, 1], [0, 1])
        ax.set_title("α and β")
    return fig


def test_the_style_holds_inside_its_context_only():
    before = dict(mpl.rcParams)
    with style.figure_style():
        assert mpl.rcParams["font.size"] == 7
        assert mpl.rcParams["font.family"] == ["sans-serif"]
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["svg.fonttype"] == "none"
        assert mpl.rcParams["savefig.dpi"] == 300
        assert not mpl.rcParams["axes.spines.top"]
        assert mpl.rcParams["figure.constrained_layout.use"]
    assert dict(mpl.rcParams) == before


def test_the_style_is_undone_after_an_error():
    before = dict(mpl.rcParams)
    with pytest.raises(RuntimeError), style.figure_style():
        raise RuntimeError
    assert dict(mpl.rcParams) == before


def test_widths_are_those_of_a_journal():
    assert pytest.approx(85) == style.ONE_COLUMN * 25.4
    assert pytest.approx(180) == style.TWO_COLUMNS * 25.4


def test_each_known_mark_has_a_colour_of_its_own():
    colours = [style.mark_colour(mark) for mark in (*MARKS, REFERENCE_TRACK)]
    assert len(set(colours)) == 6


def test_other_marks_get_colours_apart_from_each_other():
    others = [f"H2A.Z-{number}" for number in range(7)]
    colours = style.mark_colours([*MARKS, *others])
    assert len(set(colours.values())) == 12
    assert style.mark_colour("H2A.Z") == style.mark_colour("H2A.Z")
    # More marks than colours: repeated, not refused.
    assert len(style.mark_colours([f"mark {number}" for number in range(20)])) == 20


def test_saves_pdf_and_png_with_what_made_them(tmp_path):
    written = style.save_figure(_figure(), tmp_path / "new" / "figure.v1", metadata=RECORD)
    assert [path.name for path in written] == ["figure.v1.pdf", "figure.v1.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "figure.v1.pdf",
        "figure.v1.png",
    ]
    with Image.open(written[1]) as image:
        assert image.size == (600, 600)
        assert image.info["Title"] == "Figure 2a"
        assert image.info["Keywords"] == "α map"
        assert image.info["seed"] == "7"
        assert image.info["Creator"].startswith("chromviz ")
        assert "Data" not in image.info
    pdf = written[0].read_bytes()
    assert b"/Title (Figure 2a)" in pdf
    assert b"/Creator (chromviz " in pdf
    assert b"/CreationDate" not in pdf
    assert "α map; seed: 7".encode("utf-16-be") in pdf


def test_the_metadata_say_that_data_are_simulated():
    fig = _figure()
    style.mark_simulated(fig.axes[0])
    assert style.says_simulated(fig)
    assert b"Simulated data" in style.render_figure(fig, "pdf", {})
    assert b"Simulated data" in style.render_figure(fig, "png", {})


def test_the_same_input_gives_the_same_bytes_in_any_process(tmp_path, figure2a_table):
    table = tmp_path / "table.csv"
    figure2a_table.to_csv(table, index=False)
    made = []
    for seed, home in (("1", "a"), ("2", "b")):
        stem = tmp_path / home / "figure2a"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        environment.pop("SOURCE_DATE_EPOCH", None)
        subprocess.run(
            [sys.executable, "-c", SCRIPT, table, stem],
            check=True,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        made.append([stem.with_suffix(suffix).read_bytes() for suffix in (".pdf", ".png")])
    assert made[0] == made[1]


def test_saving_a_figure_twice_gives_the_same_bytes(tmp_path):
    fig = _figure()
    first = [path.read_bytes() for path in style.save_figure(fig, tmp_path / "a", metadata=RECORD)]
    again = [path.read_bytes() for path in style.save_figure(fig, tmp_path / "b", metadata=RECORD)]
    assert first == again


def test_a_failed_drawing_leaves_the_old_file(tmp_path, monkeypatch):
    stem = tmp_path / "figure"
    style.save_figure(_figure(), stem, metadata={})
    before = stem.with_suffix(".pdf").read_bytes()
    fig = _figure()

    def fail(*_args, **_options):
        raise RuntimeError

    monkeypatch.setattr(fig, "savefig", fail)
    with pytest.raises(RuntimeError):
        style.save_figure(fig, stem, metadata={})
    assert stem.with_suffix(".pdf").read_bytes() == before
    assert not list(tmp_path.glob(".*"))  # no part of a file is left


def test_a_notebook_shows_axes_and_figures_without_pyplot(profile_table, figure2a_table):
    axes = plot_profiles(profile_table, ylabel="mean α")
    before = dict(mpl.rcParams)
    for shown in (axes, axes.figure, draw_figure2a(figure2a_table)):
        png = shown._repr_png_()
        width, height = Image.open(io.BytesIO(png)).size
        figure = getattr(shown, "figure", shown)
        assert (width, height) == tuple((150 * figure.get_size_inches()).astype(int))
        assert png == shown._repr_png_()
    assert dict(mpl.rcParams) == before
    assert type(plot_profiles(profile_table, Figure().subplots(), ylabel="")) is Axes


def test_axes_that_moved_to_another_figure_show_nothing():
    assert Figure().add_subplot(axes_class=style.ShownAxes)._repr_png_() is None
