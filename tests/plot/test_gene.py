import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from chromviz.errors import ChromvizError
from chromviz.plot.gene_map import draw_audit, map_norm, plot_gene_map
from chromviz.plot.style import TWO_COLUMNS
from chromviz.vocabulary import MARKS, Window

STARTS = Window().bin_start
NAN = float("nan")


def _grid(kind, value, **of):
    rows = pd.DataFrame(
        {
            "name": np.repeat(MARKS, len(STARTS)),
            "bin_start": np.tile(STARTS, len(MARKS)).astype(float),
            "value": value,
        }
    )
    return rows.assign(kind=kind, **of)


@pytest.fixture
def audit_table():
    rng = np.random.default_rng(0)
    parts = []
    for cell, label, p in (("E003", 0, 0.04), ("E116", 1, 0.31), ("E123", NAN, NAN)):
        facts = [("label", label, ""), ("expression", 32.3624, ""), ("threshold", 3.33, "")]
        facts += [("split", NAN, "test"), ("neighbour", NAN, "ZCCHC7")]
        one = [pd.DataFrame(facts, columns=["kind", "value", "name"]).assign(bin_start=NAN)]
        one[0].loc[one[0]["kind"] == "neighbour", "bin_start"] = -1200.0
        one.append(_grid("signal", rng.gamma(1, 3, 500)))
        track = pd.DataFrame(
            {"name": "H3K27ac", "bin_start": STARTS, "value": rng.gamma(1, 2, 100)}
        )
        one.append(track.assign(kind="coverage"))
        if not np.isnan(p):
            of = {"model": "lstm-alpha-beta"}
            one.append(pd.DataFrame([{"kind": "probability", "value": p, "name": "", **of}]))
            one.append(_grid("weight", rng.random(500), method="alpha", signed=0, **of))
            of |= {"method": "integrated_gradients", "signed": 1}
            one.append(_grid("weight", rng.normal(size=500), **of))
            one.append(pd.DataFrame([{"kind": "completeness_error", "value": -0.0014, **of}]))
            for method in ("beta", "shapley_sampling"):
                values = {"name": MARKS, "value": [0.5, 0.1, 0.1, 0.2, 0.1]}
                mine = pd.DataFrame(values).assign(kind="weight", bin_start=NAN, signed=0)
                if method != "beta":
                    mine["value"] -= 0.2
                one.append(mine.assign(model="lstm-alpha-beta", method=method))
        parts.append(pd.concat(one, ignore_index=True).assign(cell=cell))
    table = pd.concat(parts, ignore_index=True)
    table[["model", "method", "name"]] = table[["model", "method", "name"]].fillna("")
    return table.assign(gene="ENSG00000196092", symbol="PAX5", simulated=1)


def test_the_map_shows_the_tables_values_marks_from_the_top():
    table = _grid("signal", np.arange(500.0), signed=0)
    table.loc[0, "value"] = NAN
    before = table.copy(deep=True)
    ax = Figure().subplots()
    assert plot_gene_map(table, ax) is ax
    (mesh,) = ax.collections
    shown = np.ma.filled(mesh.get_array().astype(float), NAN).reshape(5, 100)
    np.testing.assert_array_equal(shown, table["value"].to_numpy().reshape(5, 100))
    assert [text.get_text() for text in ax.get_yticklabels()] == list(MARKS)
    assert ax.get_ylim() == (5, 0)
    assert ax.get_xlim() == (-5, 5)
    pd.testing.assert_frame_equal(table, before)


def test_signed_values_have_zero_in_the_middle_of_the_colours():
    norm = map_norm(np.array([-1.0, 4.0, NAN]), signed=True)
    assert (norm.vmin, norm.vmax, norm(0.0)) == (-4, 4, 0.5)
    assert map_norm(np.array([1.0, 4.0]), signed=False)(0.0) == 0
    assert map_norm(np.array([NAN]), signed=False).vmax == 1


def test_the_audit_is_legible_and_says_what_it_is_of(audit_table, assert_legible, texts_of):
    fig = draw_audit(audit_table, "lstm-alpha-beta")
    assert_legible(fig)
    assert fig.get_figwidth() == TWO_COLUMNS
    words = "\n".join(texts_of(fig))
    assert "PAX5 (ENSG00000196092), explained by LSTM-α,β" in words
    assert "Simulated data" in words
    assert "labelled OFF, expression 32.4\np(ON) 0.04, test gene\nalso TSS of ZCCHC7" in words
    assert "p(ON) 0.31 (wrong)" in words
    assert "label unknown" in words
    assert "models cannot read it" in words
    assert texts_of(fig).count("not read") == 4
    assert "completeness error −0.0014" in words


def test_one_row_has_one_scale_for_all_cell_types(audit_table):
    fig = draw_audit(audit_table, "lstm-alpha-beta")
    meshes = [ax.collections[0] for ax in fig.axes if ax.get_ylim() == (5, 0) and ax.collections]
    limits = {}
    for mesh in meshes:
        limits.setdefault(mesh.get_clim(), []).append(mesh)
    assert sorted(len(rows) for rows in limits.values()) == [2, 2, 3]


def test_tables_that_mix_or_lack_are_refused(audit_table):
    with pytest.raises(ChromvizError, match="found 2"):
        other = audit_table.assign(gene="G1")
        draw_audit(pd.concat([audit_table, other]), "lstm-alpha-beta")
    with pytest.raises(ChromvizError, match="needs the column value"):
        draw_audit(audit_table.drop(columns="value"), "lstm-alpha-beta")
    twice = _grid("signal", 1.0, signed=0)
    with pytest.raises(ChromvizError, match="several of H3K27me3, -5000"):
        plot_gene_map(pd.concat([twice, twice]))
